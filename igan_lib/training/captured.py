"""A step as one CUDA graph: some 300 small kernels are launched together, where each alone would wait for Python."""

import sys
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3  # steps before the capture, in which libraries choose their kernels and optimisers make their state

Losses = tuple[list[str], Tensor]  # the names, and one value for each


def make_capturable(optimizers: dict[str, torch.optim.Optimizer], device: torch.device) -> bool:
    """Keep the rates of `optimizers` where their steps can be captured; whether all can be.

    On CUDA a rate becomes a tensor, which a graph reads anew in each step; elsewhere it is a number, also where a
    checkpoint from CUDA holds a tensor. Call it again for optimisers that were loaded or are new.
    """
    on_cuda, able = device.type == "cuda", True
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            able &= "capturable" in group
            lr = float(group["lr"])
            group.setdefault("initial_lr", lr)
            if "capturable" in group:
                group["capturable"] = on_cuda
                group["lr"] = torch.tensor(lr, device=device) if on_cuda else lr
    return on_cuda and able


def set_learning_rates(optimizers: dict[str, torch.optim.Optimizer], factor: float) -> None:
    """Each group's first rate times `factor`."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            rate = group["initial_lr"] * factor
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


class Stepper:
    """Calls `step` again and again: eagerly at first, from its fourth call on as a graph.

    Every call makes one step; the capture makes none by itself. What cannot be captured goes on eagerly, and one
    sentence on standard error says why.

    Args:
        step: makes a step from tensors that stay where they are, and returns its losses.
        capture: False: every call is eager.
    """

    def __init__(self, step: Callable[[], Losses], *, capture: bool) -> None:
        self.step, self.capture = step, capture
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> Losses:
        """Make one step; of a graph the losses lie where the next call writes its own."""
        if not self.capture:
            return self.step()
        self.calls += 1
        if self.calls <= WARM_UP:
            return self._beside()
        if self.graph is None and not self._captured():
            return self.step()
        self.graph.replay()
        return self.losses

    def _beside(self) -> Losses:
        """An eager step on a stream of its own, as a capture asks of the steps before it."""
        current, beside = torch.cuda.current_stream(), torch.cuda.Stream()
        beside.wait_stream(current)
        with torch.cuda.stream(beside), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*capturable=True")  # it will be captured in a moment
            names, losses = self.step()
        current.wait_stream(beside)
        losses.record_stream(current)
        return names, losses

    def _captured(self) -> bool:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.losses = self.step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            print(f"Steps are made one by one, since they can't be captured as a CUDA graph: {reason}", file=sys.stderr)
            self.capture = False
            # A capture that fails leaves the random state waiting for its end; a copy of it does not wait.
            generator = torch.cuda.default_generators[torch.cuda.current_device()]
            generator.graphsafe_set_state(generator.clone_state())
            return False
        self.graph = graph
        return True
