r"""What the adaptation methods of Tables 1 and 2 share: a network, its steps on the source, and losses of domains.

All take IGAN's encoder and its code of d bits, its batches of both domains as separate passes, Adam with its cosine,
and schedules over the share p of the adaptation steps taken. Those that align domains align the code or the class
scores. None has a loss for hashing: they recognise.
"""

import copy
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from igan_lib.errors import ConfigError
from igan_lib.method.components import FineTunedEncoder, Pretrained, Shape, build_encoder
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import HashMethod, detached, parameter_groups
from igan_lib.method.networks import HashNet

HIDDEN = 500  # units of each of the two hidden layers of a domain discriminator, as in ADDA, MSTN and CDAN


class Adaptation(HashMethod):
    """E and C with their optimisers, trained on L_c by `pretrain`; a subclass adds its parts and its `update`.

    Args:
        config: of `IGANConfig`, the networks and the rates are read, and no weight of a loss.
        shape: of one input of either domain: (C, S, S) for images, (D,) for features.
        n_classes: N.
        backbone: a network to fine-tune as the first part of the encoder; None: there is none, or it is frozen.

    `source_only` is a copy of `net` as it was after pre-training. Keywords of a subclass are its own settings.
    """

    images_only = False
    smoothing = 0.0  # of the labels of `pretrain`

    def __init__(self, config: IGANConfig, shape: Shape, n_classes: int, backbone: Pretrained | None = None) -> None:
        super().__init__()
        if self.images_only and (len(shape) == 1 or backbone is not None):
            raise ConfigError(
                f"Expected images for {type(self).__name__}, which draws them, found features: take another method."
            )
        self.config, self.n_classes = config, n_classes
        self.shape = shape if backbone is None else (backbone.dimension,)  # of what is reconstructed
        asked = (config.encoder, shape, config.code_length, config.batch_norm, backbone)
        encoder = build_encoder(*asked, dropout=config.feature_dropout)
        self.net = HashNet(encoder, config.code_length, n_classes)
        self.source_only = frozen_copy(self.net)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        for name in ("encoder", "classifier"):
            self.optimize(name, getattr(self.net, name), rate=config.learning_rate, beta1=0.9)
        self.source_only.to(memory_format=torch.channels_last)

    def optimize(self, name: str, *modules: nn.Module, rate: float | None = None, beta1: float = 0.5) -> None:
        """An Adam of its own for `modules`, called `name`; as in IGAN, G and D have beta1 = 0.5 and their rate."""
        for module in modules:
            module.to(memory_format=torch.channels_last)  # a step takes three quarters of the time on a CPU
        groups = parameter_groups(modules, self.config.gan_learning_rate if rate is None else rate)
        self.optimizers[name] = torch.optim.Adam(groups, betas=(beta1, 0.999), fused=True)

    def pretrain(self, x_s: Tensor, y_s: Tensor) -> dict[str, Tensor]:
        """One step of E and C on L_c. x_s: B images or feature vectors; y_s: B labels. Detached scalar losses."""
        loss = F.cross_entropy(self.net.logits(x_s), y_s, label_smoothing=self.smoothing)
        self._descend(loss, "encoder", "classifier")
        return detached({"L_c": loss})

    def finish_pretraining(self) -> None:
        """Keep a copy of the source-only network: the "before" of every figure and the baseline of every table."""
        self.source_only.load_state_dict(self.net.state_dict())

    def start_stage(self) -> None:
        """Nothing: stages are IGAN's; here a later one restarts the rate alone."""

    def inputs(self, x: Tensor) -> Tensor:
        """What is reconstructed: x itself or, where a backbone is fine-tuned, its features of x (B x D)."""
        encoder = self.net.encoder
        return encoder.features(x) if isinstance(encoder, FineTunedEncoder) else x

    @property
    def inner(self) -> nn.Module:
        """The encoder of `inputs(x)`: all of E, but for a backbone that is fine-tuned."""
        encoder = self.net.encoder
        return encoder.encoder if isinstance(encoder, FineTunedEncoder) else encoder


class DomainDiscriminator(nn.Module):
    """Which domain a vector is of: two hidden layers of `HIDDEN` units; B x D -> B logits, positive for the source."""

    def __init__(self, inputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        sizes, layers = (inputs, HIDDEN, HIDDEN), []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(HIDDEN, 1))

    def forward(self, u: Tensor) -> Tensor:
        """B x D -> B logits."""
        return self.layers(u).squeeze(1)


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, share: float | Tensor) -> Tensor:
        ctx.share = share
        return u.view_as(u)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.share * gradient, None


def reverse(u: Tensor, share: float | Tensor = 1.0) -> Tensor:
    """u itself, whose gradient comes back times -`share`: what follows descends a loss, what is before ascends it."""
    return _Reversal.apply(u, share)


def domain_loss(d_s: Tensor, d_t: Tensor) -> Tensor:
    r"""$-\frac{1}{2} \left( \frac{1}{B} \sum \log \sigma(d^s) + \frac{1}{B} \sum \log (1 - \sigma(d^t)) \right)$.

    d_s, d_t: B logits each, of the source's and of the target's samples. A scalar; log 2 at chance.
    """
    return 0.5 * (F.softplus(-d_s).mean() + F.softplus(d_t).mean())


def squares(logits: Tensor, asked: float) -> Tensor:
    """The mean of (logits - asked)^2: a side of the least-squares game (Mao et al. 2017)."""
    return (logits - asked).square().mean()


def told_apart(d_s: Tensor, d_t: Tensor, border: float = 0.0) -> Tensor:
    """Share of both kinds on their side of `border` (the first above it), in [0, 1] without gradient; 1/2 is chance."""
    return 0.5 * ((d_s.detach() > border).float().mean() + (d_t.detach() < border).float().mean())


def batch_norms(net: nn.Module) -> list[nn.Module]:
    """The layers of `net` that hold statistics of batches."""
    return [layer for layer in net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def frozen_copy(net: HashNet) -> HashNet:
    """A copy that takes no gradient into its weights and whose batch norm keeps its statistics in training mode too.

    In training mode it normalises a batch by that batch's statistics, as the network that is trained does.
    """
    net = copy.deepcopy(net).requires_grad_(False)
    for layer in batch_norms(net):
        layer.momentum = 0.0
    return net


def selected_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy, the mean over the samples with a label: B x K logits, B labels, -1 for none; 0 where all are."""
    total = F.cross_entropy(logits, y, ignore_index=-1, reduction="sum")
    return total / (y >= 0).sum().clamp(min=1)


def share_all_but_last(first: nn.Module, second: nn.Module) -> None:
    """Let the generator `second` have the layers of `first`, but the last one with weights, which stays its own."""
    last = max(i for i, layer in enumerate(first.layers) if isinstance(layer, nn.Linear | nn.ConvTranspose2d))
    second.layers = nn.Sequential(*first.layers[:last], *second.layers[last:])
