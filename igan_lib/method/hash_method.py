"""What every trained method (IGAN, NoDA, DAH, SuH) has in common: the network that is evaluated, and its optimisers."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from igan_lib.method.components import FineTunedEncoder
from igan_lib.method.networks import HashNet

PRETRAINED_RATE = 0.1  # of the learning rate of all other layers: usual since Long et al. 2015, the paper prints none


class HashMethod(nn.Module):
    """A `training.fit.Method` around a HashNet; a subclass sets `net` and `optimizers`.

    Attributes:
        net: the network that is trained.
        progress: share of the adaptation steps taken, in [0, 1).
        batch_t: which of the target's training images the next `update` gets, B indices. The trainer sets both.
        capturable: whether a step asks the device for nothing, so that it can be a CUDA graph.
    """

    capturable = True
    net: HashNet
    batch_t: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.progress = 0.0

    @property
    def inference_net(self) -> HashNet:
        """The network that is evaluated: that of the last step."""
        return self.net

    def encode(self, x: Tensor) -> Tensor:
        """u = E(x): B inputs (images in [-1, 1] or features) -> B x d in (-1, 1)."""
        return self.inference_net.encode(x)

    def logits(self, x: Tensor) -> Tensor:
        """B inputs (images in [-1, 1] or features) -> B x N class logits of E(x)."""
        return self.inference_net.logits(x)

    def _descend(self, loss: Tensor, *names: str) -> None:
        """One optimiser step of the named components; gradients reach nothing else."""
        optimizers = [self.optimizers[name] for name in names]
        parameters = [p for opt in optimizers for group in opt.param_groups for p in group["params"]]
        loss.backward(inputs=parameters)
        for opt in optimizers:
            opt.step()
            opt.zero_grad(set_to_none=True)


def parameter_groups(modules: Iterable[nn.Module], rate: float) -> list[dict[str, Any]]:
    """Each parameter of `modules` once, in groups for an optimiser; those of a backbone at a tenth of `rate`."""
    modules = nn.ModuleList(modules)
    slow = [p for m in modules.modules() if isinstance(m, FineTunedEncoder) for p in m.backbone.parameters()]
    fast = [p for p in modules.parameters() if id(p) not in set(map(id, slow))]
    return [{"params": p, "lr": lr} for p, lr in ((fast, rate), (slow, PRETRAINED_RATE * rate)) if p]


def detached(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses for the log: without their graphs, in float32."""
    return {name: value.detach().float() for name, value in losses.items()}
