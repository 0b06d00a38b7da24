"""What IGAN may vary, each default with its reason.

The plain method is the paper's; what the paper does not have (averaged centroids, averaged weights) is off unless asked
for; the named variant "igan+" is made of such settings (see `presets.METHODS`). Loads no torch.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator

EncoderName = Literal["lenet", "conv4", "mlp"]
CODE_LENGTH = 64  # "the length of the hash code is set as 64 bit" (3.2)

LossName = Literal["c", "s", "h", "a", "1"]
LossNames = Annotated[tuple[LossName, ...], Strict(False)]  # a list too, since JSON has no tuples
ALL_LOSSES: tuple[LossName, ...] = ("c", "s", "h", "a", "1")

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class IGANConfig(BaseModel):
    """What IGAN may vary. Extra keys are refused, values are checked, instances are immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # strict: "7" is no number, 1 no truth value

    encoder: EncoderName = "lenet"  # 3.2: LeNet for M <-> U, four convolutions for S -> M; mlp on features
    code_length: Annotated[int, Field(ge=8, multiple_of=8)] = CODE_LENGTH  # 3.2: 64; whole bytes pack
    batch_norm: bool = True  # in the encoder; not in the paper, in the authors' released code
    generator_width: Annotated[int, Field(ge=1)] = 16  # not in the paper; see networks.Generator
    discriminator_width: Annotated[int, Field(ge=1)] = 16  # not in the paper; as wide as the generators
    generators: Literal["two", "one"] = "two"  # one: a single G with the domain as a further input, as Duplex has (2.4)
    discriminators: Literal["n+1", "real/fake"] = "n+1"  # real/fake: D does not see the classes (2.4 on MSTN, Co-GAN)
    losses: LossNames = ALL_LOSSES  # Table 4 switches them; what is off is not computed

    alpha: NonNegative = 0.1  # weight of L_h; Eq. 11 puts alpha on L_h, Eq. 12 on L_s: we follow Eq. 11
    beta: NonNegative = 1.0  # weight of L_s as scaled in losses.centroid_distance
    chi: NonNegative = 0.1  # weight of L_1
    adversarial: NonNegative = 0.1  # weight of L_a on E and G; Eq. 11 prints none, the released code has 0.1
    epsilon: NonNegative = 0.1  # Eq. 5; not given
    v: NonNegative = 0.01  # Eq. 2 asks for "a very small number"; the released code has 0.01
    threshold: Fraction = 0.9  # T of Eq. 4; not given
    ramp: bool = True  # epsilon, beta, adversarial grow by igan.ramp (released code); L_1's target half does not

    optimizer: Literal["adam", "sgd"] = "adam"  # 2.3 says SGD; with it the generators' loss ran away on S -> M
    learning_rate: Positive = 5e-4  # of E and C; not given
    gan_learning_rate: Positive = 5e-4  # of G and D; not given
    discriminator_rate: Positive = 3.0  # D's learning rate over G's: at 1 D can't keep up (docs/selection.md)
    discriminator_steps: Annotated[int, Field(ge=1)] = 1  # of D for each of G and E; more cost more than a higher rate
    spectral_norm: bool = False  # in D (Miyato et al. 2018): its slope is bounded
    instance_noise: NonNegative = 0.0  # deviation of the noise on what D sees, falling to 0 (Sonderby et al. 2017)
    precision: Literal["float32", "bf16"] = "float32"  # bf16: autocast, see benchmarks/

    centroid_memory: Fraction = 0.0  # share of old centroids (Xie et al. 2018); 0: the paper's mini-batch ones
    feature_dropout: Fraction = 0.0  # igan+ on features: share of the encoder's inputs that are zero in a step
    neighbour_weight: NonNegative = 0.0  # igan+ on features: of L_n, see neighbours.py; it grows as L_a's does
    neighbours: Annotated[int, Field(ge=1)] = 5  # k of L_n: how many each target image has
    weight_average: Fraction = 0.0  # igan+: decay of the weights' moving average used for inference (0: none)

    @field_validator("losses")
    @classmethod
    def _known_order(cls, value: tuple[LossName, ...]) -> tuple[LossName, ...]:
        if "c" not in value:
            raise ValueError("losses must contain 'c': without L_c there is no classifier and no pseudo-label")
        if len(set(value)) != len(value):
            raise ValueError(f"each loss may be named once, found {value}")
        return tuple(name for name in ALL_LOSSES if name in value)
