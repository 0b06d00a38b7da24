"""Which network a component of IGAN is, for images and for features: the one place that looks at the input's shape."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.transforms.functional import center_crop

from igan_lib.method.config import CODE_LENGTH, EncoderName
from igan_lib.method.feature_networks import FeatureDiscriminator, FeatureEncoder, FeatureGenerator
from igan_lib.method.networks import (
    IMAGE_SIZES,
    ConditionedGenerator,
    Discriminator,
    FourConvEncoder,
    Generator,
    LeNetEncoder,
)

Shape = tuple[int, ...]  # of one input: (C, S, S) for images, (D,) for features

# A width counts filters; a hidden layer on features has this many units for each, so that 16 gives 512.
UNITS = 32


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A backbone with its weights, the `dimension` of its features, and `crop` (pixels), mean and std of its inputs."""

    network: nn.Module
    dimension: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class FineTunedEncoder(nn.Module):
    """u = E(b(x)): a pretrained backbone b, then the encoder E of its B x D features; x: B x 3 x S x S -> u: B x d.

    The other regime of Office-31, beside frozen features. Generators and discriminators see the backbone's features
    (3.2 reconstructs fc6), which now change while training.
    """

    def __init__(self, backbone: Pretrained, encoder: nn.Module) -> None:
        super().__init__()
        self.crop, self.backbone = [backbone.crop] * 2, backbone.network.requires_grad_(True)
        self.encoder = encoder
        self.register_buffer("mean", torch.tensor(backbone.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(backbone.std).view(3, 1, 1), persistent=False)

    def features(self, x: Tensor) -> Tensor:
        """b(x) of the middle of x: B x 3 x S x S in [-1, 1], as all images come, -> B x D."""
        grey_levels = (center_crop(x, self.crop) + 1.0) * 127.5
        return self.backbone((grey_levels - self.mean) / self.std)

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x S x S in [-1, 1] -> B x d in (-1, 1)."""
        return self.encoder(self.features(x))

    def hidden(self, x: Tensor) -> Tensor:
        """What the code layer reads: B x 3 x S x S -> B x `hidden`, not negative."""
        return self.encoder.hidden(self.features(x))


def build_encoder(
    name: EncoderName,
    shape: Shape,
    code_length: int = CODE_LENGTH,
    batch_norm: bool = True,
    backbone: Pretrained | None = None,
    dropout: float = 0.0,
) -> nn.Module:
    """The encoder called `name`, with its default widths: "lenet" (M <-> U), "conv4" (S -> M), "mlp" (features).

    A `backbone` to be fine-tuned becomes its first part; `shape` is then that of the backbone's images. `dropout` is of
    features. ValueError: unknown name, images of neither 28 nor 32 pixels, or an encoder that does not fit the input.
    """
    if backbone is not None:
        on_features = build_encoder(name, (backbone.dimension,), code_length, batch_norm, dropout=dropout)
        return FineTunedEncoder(backbone, on_features)
    on_images = {"lenet": LeNetEncoder, "conv4": FourConvEncoder}
    if name not in (*on_images, "mlp"):
        raise ValueError(f"Expected an encoder of {[*on_images, 'mlp']}, found {name!r}: choose one of these.")
    if (name == "mlp") != (len(shape) == 1):
        raise ValueError(
            f"Expected the encoder mlp for features and another one for images, found {name!r} for inputs of shape "
            f"{shape}: change the encoder."
        )
    if name == "mlp":
        return FeatureEncoder(shape[0], code_length, batch_norm=batch_norm, dropout=dropout)
    channels, size, _ = shape
    if size not in IMAGE_SIZES:
        raise ValueError(f"Expected images of 28 or 32 pixels, found {size}: load the domains with size=28 or size=32.")
    return on_images[name](channels=channels, size=size, code_length=code_length, batch_norm=batch_norm)


def build_generators(shape: Shape, code_length: int, width: int, number: str) -> tuple[nn.Module, nn.Module]:
    """G^s and G^t, codes B x d -> B x shape: "two" that share nothing, or "one" seen from both domains."""

    def generator(length: int) -> nn.Module:
        if len(shape) == 1:
            return FeatureGenerator(shape[0], length, UNITS * width)
        return Generator(shape[0], shape[1], length, width)

    if number == "two":
        return generator(code_length), generator(code_length)
    shared = generator(code_length + 1)
    return ConditionedGenerator(shared, -1.0), ConditionedGenerator(shared, 1.0)


def build_discriminator(shape: Shape, n_classes: int, width: int, spectral: bool = False) -> nn.Module:
    """A discriminator of inputs of `shape`: B x shape -> B x (N + 1) logits; `spectral`: each layer's norm is 1."""
    if len(shape) == 1:
        net = FeatureDiscriminator(shape[0], n_classes, UNITS * width)
    else:
        net = Discriminator(shape[0], shape[1], n_classes, width)
    for layer in [m for m in net.modules() if spectral and isinstance(m, nn.Conv2d | nn.Linear)]:
        nn.utils.parametrizations.spectral_norm(layer)
    return net
