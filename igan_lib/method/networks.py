"""Encoders, generators, discriminators and the classifier of IGAN (Figure 1 and Section 3.2).

Shapes: images are B x C x S x S float in [-1, 1] with S = 28 or 32; codes are B x d in (-1, 1), d = 64 in the paper.
The paper names the architectures but prints no widths. Widths are therefore parameters; each default says why.
"""

import torch
from torch import Tensor, nn

from igan_lib.method.config import CODE_LENGTH

IMAGE_SIZES = (28, 32)


def _norm(kind: type[nn.Module], width: int, batch_norm: bool) -> nn.Module:
    return kind(width) if batch_norm else nn.Identity()


class LeNetEncoder(nn.Module):
    """u = E(x): LeNet with a 64-d tanh code, the encoder of MNIST <-> USPS (3.2).

    Two 5 x 5 convolutions with max-pooling, one hidden layer, then the code layer; x: B x C x S x S -> u: B x d.

    Args:
        channels: image channels, 1 or 3.
        size: image side S in pixels, 28 or 32.
        code_length: d, the number of bits.
        widths: filters of the two convolutions. 20 and 50 are those of Caffe's LeNet and of the authors' released code.
        hidden: units of the fully connected layer. 500 as in Caffe's LeNet (the released code has 512).
        batch_norm: batch norm after each layer but the last. The paper does not mention it; the released code has it.

    Source: LeCun et al. 1998; widths from Caffe's LeNet.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        code_length: int = CODE_LENGTH,
        widths: tuple[int, int] = (20, 50),
        hidden: int = 500,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        side = ((size - 4) // 2 - 4) // 2
        first, second = widths
        self.features = nn.Sequential(
            nn.Conv2d(channels, first, 5, bias=not batch_norm),
            _norm(nn.BatchNorm2d, first, batch_norm),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, second, 5, bias=not batch_norm),
            _norm(nn.BatchNorm2d, second, batch_norm),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        self.code = nn.Sequential(
            nn.Linear(second * side * side, hidden, bias=not batch_norm),
            _norm(nn.BatchNorm1d, hidden, batch_norm),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, code_length),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x C x S x S in [-1, 1] -> B x d in (-1, 1)."""
        return self.code(self.features(x))

    def hidden(self, x: Tensor) -> Tensor:
        """What the code layer reads: B x C x S x S -> B x `hidden`, not negative."""
        return self.code[:-2](self.features(x))


class FourConvEncoder(nn.Module):
    """u = E(x): four convolutions without fully connected layers, the encoder of SVHN -> MNIST (3.2).

    Three 3 x 3 convolutions of stride 2 bring 28 or 32 pixels to 4, a 4 x 4 convolution brings these to the d-channel
    code; x: B x C x S x S -> u: B x d.

    Args:
        channels: image channels, 1 or 3.
        size: image side S in pixels, 28 or 32.
        code_length: d, the number of bits.
        width: filters of the first convolution; each further one doubles it. 64, 128, 256 are the widths of DTN
            (Taigman et al. 2017), from which Duplex (Hu et al. 2018), cited for this network, took it.
        batch_norm: batch norm after the first three convolutions, as in DTN.

    Source: Section 3.2 and the works named above.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 32,
        code_length: int = CODE_LENGTH,
        width: int = 64,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=not batch_norm),
                _norm(nn.BatchNorm2d, outputs, batch_norm),
                nn.ReLU(inplace=True),
            ]
        # 28 -> 14 -> 7 -> 4 and 32 -> 16 -> 8 -> 4: the last convolution sees the whole map at both sizes.
        layers += [nn.Conv2d(4 * width, code_length, 4), nn.Flatten(), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x S x S in [-1, 1] -> B x d in (-1, 1)."""
        return self.layers(x)

    def hidden(self, x: Tensor) -> Tensor:
        """What the code layer reads: B x C x S x S -> B x (4 x 4 x 4 width), not negative."""
        return self.layers[:-3](x).flatten(1)


class Generator(nn.Module):
    """x~ = G(u): a symmetrical network of four deconvolutions (3.2); G^s and G^t are two of these, nothing shared.

    u: B x d -> image: B x C x S x S in (-1, 1).

    Args:
        channels, size: of the images, as for the encoders.
        code_length: d.
        width: filters before the last deconvolution; the two before have 2 and 4 times as many. The paper gives none;
            16 is the smallest that still draws legible digits, and generators take most of a step on a CPU.
        batch_norm: batch norm between the deconvolutions, as usual since DCGAN.

    Source: Section 3.2.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        code_length: int = CODE_LENGTH,
        width: int = 16,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        # 1 -> 4 -> 7 or 8 -> 14 or 16 -> 28 or 32: only the second deconvolution differs between the two sizes.
        second_kernel = 3 if size == 28 else 4
        self.layers = nn.Sequential(
            nn.Unflatten(1, (code_length, 1, 1)),
            nn.ConvTranspose2d(code_length, 4 * width, 4, bias=not batch_norm),
            _norm(nn.BatchNorm2d, 4 * width, batch_norm),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(4 * width, 2 * width, second_kernel, stride=2, padding=1, bias=not batch_norm),
            _norm(nn.BatchNorm2d, 2 * width, batch_norm),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=not batch_norm),
            _norm(nn.BatchNorm2d, width, batch_norm),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, u: Tensor) -> Tensor:
        """B x d in (-1, 1) -> B x C x S x S in (-1, 1)."""
        return self.layers(u)


class ConditionedGenerator(nn.Module):
    """One domain's view of a generator that both share: the domain is a further entry of the code, -1 or 1.

    What Duplex (Hu et al. 2018) has in place of IGAN's two generators (2.4). u: B x d -> G([u, domain]).

    Args:
        generator: of codes of length d + 1; the other domain's view holds the same one.
        domain: the further entry.
    """

    def __init__(self, generator: nn.Module, domain: float) -> None:
        super().__init__()
        self.generator, self.domain = generator, domain

    def forward(self, u: Tensor) -> Tensor:
        """B x d in (-1, 1) -> what the generator draws."""
        return self.generator(torch.cat([u, u.new_full((len(u), 1), self.domain)], dim=1))


class Discriminator(nn.Module):
    """D(x): N + 1 logits, the N classes of a real image and, last, "reconstructed" (2.2).

    Three stride-2 convolutions and a linear layer; image: B x C x S x S -> logits: B x (N + 1).
    No batch norm: its statistics would tell real batches from fake ones before any filter does.

    Args:
        channels, size: of the images, as for the encoders.
        n_classes: N.
        width: filters of the first convolution; the next two have 2 and 4 times as many (the paper gives none).

    Source: Section 2.2 for the outputs; the rest is ours.
    """

    def __init__(self, channels: int = 1, size: int = 28, n_classes: int = 10, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * width * 4 * 4, n_classes + 1))

    def forward(self, x: Tensor) -> Tensor:
        """B x C x S x S in [-1, 1] -> B x (N + 1) logits."""
        return self.layers(x)


class HashNet(nn.Module):
    """Encoder and classifier, all that is needed after training: x -> u = E(x) in (-1, 1)^d -> logits C(u)."""

    def __init__(self, encoder: nn.Module, code_length: int, n_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = nn.Linear(code_length, n_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """B x C x S x S in [-1, 1] -> codes u (B x d) and logits (B x N)."""
        u = self.encoder(x)
        return u, self.classifier(u)

    def encode(self, x: Tensor) -> Tensor:
        """B x C x S x S in [-1, 1] -> u: B x d in (-1, 1)."""
        return self.encoder(x)

    def logits(self, x: Tensor) -> Tensor:
        """B x C x S x S in [-1, 1] -> B x N class logits."""
        return self.classifier(self.encoder(x))
