"""Fine-tuning: a pretrained backbone as the first part of the encoder, trained with it at a tenth of its rate.

The other regime of Office-31, beside `frozen` (`features`). The networks differ from it by this encoder alone: codes,
generators and discriminators see the backbone's features (3.2 reconstructs fc6), which now change while training.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from igan_lib.data.backbones import Transform, find_backbone

PRETRAINED_RATE = 0.1  # of the learning rate of all other layers: usual since Long et al. 2015, the paper prints none


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A backbone's network with its weights, the `dimension` of its features, and what its inputs are cut by."""

    network: nn.Module
    dimension: int
    transform: Transform


def pretrained(name: str, *, download: bool = False) -> Pretrained:
    """The backbone called `name`, ready to be fine-tuned; errors as `backbones.Backbone.network`."""
    backbone = find_backbone(name)
    return Pretrained(backbone.network(download=download), backbone.dimension, backbone.transform)


class FineTunedEncoder(nn.Module):
    """u = E(b(x)): a pretrained backbone b, then the encoder E of its features; x: B x 3 x S x S -> u: B x d.

    Args:
        backbone: b; its network becomes a part of this one.
        encoder: E on B x D features, such as `components.build_encoder("mlp", (D,))` gives.
    """

    def __init__(self, backbone: Pretrained, encoder: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone.network.requires_grad_(True)
        self.encoder = encoder
        self.register_buffer("mean", torch.tensor(backbone.transform.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(backbone.transform.std).view(3, 1, 1), persistent=False)

    def features(self, x: Tensor) -> Tensor:
        """b(x): B x 3 x S x S in [-1, 1], as all images come, -> B x D."""
        grey_levels = (x + 1.0) * 127.5
        return self.backbone((grey_levels - self.mean) / self.std)

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x S x S in [-1, 1] -> B x d in (-1, 1)."""
        return self.encoder(self.features(x))

    def hidden(self, x: Tensor) -> Tensor:
        """What the code layer reads: B x 3 x S x S -> B x `hidden`, not negative."""
        return self.encoder.hidden(self.features(x))


def optimizer_groups(modules: Iterable[nn.Module]) -> list[dict[str, Any]]:
    """The parameters of `modules`, each once, as groups for an optimiser: of its rate, `scale` says how much they take.

    Those of a fine-tuned backbone have a scale of `PRETRAINED_RATE`, all others 1.
    """
    modules = nn.ModuleList(modules)
    slow = [p for m in modules.modules() if isinstance(m, FineTunedEncoder) for p in m.backbone.parameters()]
    known = {id(parameter) for parameter in slow}
    groups = [{"params": [p for p in modules.parameters() if id(p) not in known], "scale": 1.0}]
    return [*groups, {"params": slow, "scale": PRETRAINED_RATE}] if slow else groups


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group `rate` times its scale, 1 where it has none."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)
