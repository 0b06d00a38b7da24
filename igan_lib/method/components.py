"""Which network a component of IGAN is, for images and for features: the one place that looks at the input's shape."""

from typing import Literal

from torch import nn

from igan_lib.method.feature_networks import FeatureDiscriminator, FeatureEncoder, FeatureGenerator
from igan_lib.method.networks import (
    CODE_LENGTH,
    IMAGE_SIZES,
    ConditionedGenerator,
    Discriminator,
    FourConvEncoder,
    Generator,
    LeNetEncoder,
)
from igan_lib.training.finetuning import FineTunedEncoder, Pretrained

EncoderName = Literal["lenet", "conv4", "mlp"]
Shape = tuple[int, ...]  # of one input: (C, S, S) for images, (D,) for features

# A width counts filters; a hidden layer on features has this many units for each, so that 16 gives 512.
UNITS = 32


def build_encoder(
    name: EncoderName,
    shape: Shape,
    code_length: int = CODE_LENGTH,
    batch_norm: bool = True,
    backbone: Pretrained | None = None,
) -> nn.Module:
    """The encoder called `name`, with its default widths: "lenet" (M <-> U), "conv4" (S -> M), "mlp" (features).

    A `backbone` to be fine-tuned becomes its first part; `shape` is then that of the backbone's images.

    Raises:
        ValueError: unknown name, images that have neither 28 nor 32 pixels, or an encoder that does not fit the input.
    """
    if backbone is not None:
        return FineTunedEncoder(backbone, build_encoder(name, (backbone.dimension,), code_length, batch_norm))
    on_images = {"lenet": LeNetEncoder, "conv4": FourConvEncoder}
    if name not in (*on_images, "mlp"):
        raise ValueError(f"Expected an encoder of {[*on_images, 'mlp']}, found {name!r}: choose one of these.")
    if (name == "mlp") != (len(shape) == 1):
        raise ValueError(
            f"Expected the encoder mlp for features and another one for images, found {name!r} for inputs of shape "
            f"{shape}: change the encoder."
        )
    if name == "mlp":
        return FeatureEncoder(shape[0], code_length, batch_norm=batch_norm)
    channels, size, _ = shape
    if size not in IMAGE_SIZES:
        raise ValueError(f"Expected images of 28 or 32 pixels, found {size}: load the domains with size=28 or size=32.")
    return on_images[name](channels=channels, size=size, code_length=code_length, batch_norm=batch_norm)


def build_generator(shape: Shape, code_length: int, width: int) -> nn.Module:
    """A generator of inputs of `shape`: codes B x d -> B x shape."""
    if len(shape) == 1:
        return FeatureGenerator(shape[0], code_length, UNITS * width)
    return Generator(shape[0], shape[1], code_length, width)


def build_generators(shape: Shape, code_length: int, width: int, number: str) -> tuple[nn.Module, nn.Module]:
    """G^s and G^t: "two" that share nothing, or "one" seen from both domains."""
    if number == "two":
        return build_generator(shape, code_length, width), build_generator(shape, code_length, width)
    shared = build_generator(shape, code_length + 1, width)
    return ConditionedGenerator(shared, -1.0), ConditionedGenerator(shared, 1.0)


def build_discriminator(shape: Shape, n_classes: int, width: int) -> nn.Module:
    """A discriminator of inputs of `shape`: B x shape -> B x (N + 1) logits."""
    if len(shape) == 1:
        return FeatureDiscriminator(shape[0], n_classes, UNITS * width)
    return Discriminator(shape[0], shape[1], n_classes, width)
