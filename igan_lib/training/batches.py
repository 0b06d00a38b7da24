"""Which images make up the batch of a step: seeded, and known for any step without the steps before it."""

import torch
from torch import Tensor

from igan_lib.errors import ConfigError


class BatchStream:
    """The endless concatenation of seeded permutations of 0..n-1, cut into batches.

    The batch of a step depends on (seed, step) alone, so that a run can go on from any step. Every image comes up once
    an epoch; a batch larger than the data set spans several permutations.
    """

    def __init__(self, n: int, batch_size: int, seed: int) -> None:
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def _permutation(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._epoch, self._order = epoch, torch.randperm(self.n, generator=generator)
        return self._order

    def __getitem__(self, step: int) -> Tensor:
        """The indices (int64, batch_size) of batch number `step`, counted from 0."""
        parts, position, missing = [], step * self.batch_size, self.batch_size
        while missing:
            epoch, offset = divmod(position, self.n)
            part = self._permutation(epoch)[offset : offset + missing]
            parts.append(part)
            position, missing = position + len(part), missing - len(part)
        return torch.cat(parts)


class BalancedStream:
    """Batches with equally many images of each class, in random order; else as `BatchStream`.

    Every class has a stream of its own, so that a small class comes round more often. The order matters to losses that
    pair neighbours of a batch, as DAH's linear-time MMD does. `labels`: N int64 in 0..n_classes - 1, each class at
    least once. ConfigError: `batch_size` is no multiple of n_classes.
    """

    def __init__(self, labels: Tensor, n_classes: int, batch_size: int, seed: int) -> None:
        each, rest = divmod(batch_size, n_classes)
        if rest or not each:
            raise ConfigError(
                f"Expected a multiple of the {n_classes} classes as balanced batch size, found {batch_size}: "
                f"take {max(each, 1) * n_classes}, or balanced=false."
            )
        self.seed = seed
        self.members = [torch.nonzero(labels == label).squeeze(1) for label in range(n_classes)]
        self.streams = [BatchStream(len(m), each, seed * 1009 + label) for label, m in enumerate(self.members)]

    def __getitem__(self, step: int) -> Tensor:
        """The indices (int64, batch_size) of batch number `step`, counted from 0."""
        batch = torch.cat([m[stream[step]] for m, stream in zip(self.members, self.streams, strict=True)])
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return batch[torch.randperm(len(batch), generator=generator)]


class Portions:
    """The batches of a stream on `device`: it gets those of many steps at a time, so that no step waits for a copy.

    `stream`: a BatchStream or BalancedStream.
    """

    STEPS = 100

    def __init__(self, stream: BatchStream | BalancedStream, device: torch.device) -> None:
        self.stream, self.device, self._number = stream, device, -1

    def __getitem__(self, step: int) -> Tensor:
        """The indices (int64, batch_size) of batch number `step`, counted from 0."""
        number, offset = divmod(step, self.STEPS)
        if number != self._number:
            first = number * self.STEPS
            batches = torch.stack([self.stream[other] for other in range(first, first + self.STEPS)])
            self._number, self._batches = number, batches.to(self.device)
        return self._batches[offset]
