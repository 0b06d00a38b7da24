"""What every trained method (IGAN, NoDA, DAH, SuH) has in common: a network that is evaluated, and a count of steps."""

from torch import Tensor, nn

from igan_lib.method.networks import HashNet


class HashMethod(nn.Module):
    """A `training.Method` around a HashNet; a subclass sets `net` and counts its adaptation steps in `step`.

    Attributes:
        net: the network that is trained.
        step: adaptation steps taken, which ramp and decay depend on; kept with the weights.
    """

    net: HashNet

    def __init__(self) -> None:
        super().__init__()
        self.step = 0

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

    def get_extra_state(self) -> dict[str, int]:
        """The step count, kept with the weights."""
        return {"step": self.step}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Restore what `get_extra_state` kept."""
        self.step = state["step"]


def detached(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses for the log: without their graphs, in float32."""
    return {name: value.detach().float() for name, value in losses.items()}
