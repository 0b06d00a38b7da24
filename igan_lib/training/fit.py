"""`fit`: source-only pre-training, then stages of adaptation, with checkpoints that a killed run goes on from.

The trainer sees `TrainingData`, which has no target labels, and knows of a method only what `Method` lists.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm.auto import tqdm

from igan_lib.data.domains import TrainingData
from igan_lib.data.images import to_input
from igan_lib.errors import ConfigError, TrainingError
from igan_lib.files import remove_left_partials
from igan_lib.training.augment import random_affine
from igan_lib.training.batches import BalancedStream, BatchStream
from igan_lib.training.checkpoints import HistoryRow, Progress, load_checkpoint, save_checkpoint
from igan_lib.training.memory import keep_freed_memory
from igan_lib.training.schedule import Schedule

Callback = Callable[[int, "Method", HistoryRow], None]


class Method(Protocol):
    """What the trainer asks of a method (IGAN and every baseline), which is a nn.Module too."""

    optimizers: dict[str, torch.optim.Optimizer]
    progress: float  # set before each update: the share of the adaptation steps taken
    batch_t: Tensor  # set before each update: the indices of x_t among the target's images

    def pretrain(self, x_s: Tensor, y_s: Tensor) -> dict[str, Tensor]:
        """One step on the source alone; losses by name."""

    def finish_pretraining(self) -> None:
        """Called once, between pre-training and adaptation."""

    def start_stage(self) -> None:
        """Called before the first step of the second and each later stage."""

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step on both domains; losses by name."""


def pick_device(name: str = "auto") -> torch.device:
    """The device called "auto" (CUDA, then MPS, then the CPU), "cpu", "cuda" or "mps".

    ConfigError: another name, or a device that this machine does not have.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(candidate for candidate in ("cuda", "mps", "cpu") if present[candidate])
    if name not in present:
        raise ConfigError(f"Expected a device of auto, cpu, cuda or mps, found {name!r}: choose one of these.")
    if not present[name]:
        found = ", ".join(device for device, here in present.items() if here)
        raise ConfigError(f"Expected the device {name!r}, found only {found} on this machine: choose one of these.")
    return torch.device(name)


def fit(
    method: Method,
    data: TrainingData,
    schedule: Schedule,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    fingerprint: str = "",
    code: dict[str, Any] | None = None,
    on_log: Callback | None = None,
    progress: bool = True,
) -> list[HistoryRow]:
    """Train `method` on `data`; go on from `checkpoint` if there is one.

    Deterministic on the CPU for a given seed and number of threads, whether or not the run was interrupted: batches
    depend on (seed, step), and the checkpoint holds weights, optimisers, history and torch's random state.

    Args:
        method: see `Method`; it is moved to `device` and changed in place.
        data: images of both domains and the source's labels; there are no target labels in it.
        seed: of the batches (and, through torch.manual_seed, of what the method draws while training).
        checkpoint: file to write every `schedule.checkpoint_every` steps and to go on from; None: none is written. What
            a killed process left of it half-written is removed.
        fingerprint: what the checkpoint belongs to, such as a config's hash; another one is refused.
        code: what the checkpoint says of what made this process's steps, such as commit and packages.
        on_log: called with (step, method, row) for each new row of the history, for live curves.
        progress: show a progress bar with the losses.

    Returns:
        The history: one row every `schedule.log_every` steps with `step` (from 1, pre-training included) and the
        unweighted losses of that step's batch.

    Raises:
        ConfigError: features to augment.
        TrainingError: a loss that is not finite (which one, at which step), a device whose memory a step does not fit
            into, or a checkpoint that is damaged or belongs to another run.
    """
    if schedule.augment and data.x_s.ndim == 2:
        raise ConfigError("Expected images to augment, found features: leave augment (and igan+) out.")
    device = torch.device(device)
    if device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(seed)
    data = data.to(device)
    method.to(device).train()
    size, look = schedule.batch_size, _augmented if schedule.augment else to_input
    source = BatchStream(len(data.x_s), size, seed=2 * seed)
    if schedule.balanced:
        source = BalancedStream(data.y_s.cpu(), data.n_classes, size, seed=2 * seed)
    target = BatchStream(len(data.x_t), size, seed=2 * seed + 1)
    total = schedule.pretrain_steps + schedule.steps
    before, started = Progress(0, [], []), time.perf_counter()
    if checkpoint is not None:
        remove_left_partials(checkpoint)
        if checkpoint.exists():
            before = load_checkpoint(checkpoint, method, fingerprint)
    done, history = before.step, before.history

    with tqdm(total=total, initial=done, disable=not progress, desc="train", unit="step", mininterval=0.5) as bar:
        for now in range(done, total):
            adapted = now - schedule.pretrain_steps  # adaptation steps already taken; negative while pre-training
            if adapted == 0:
                method.finish_pretraining()
            if schedule.starts_stage(adapted):
                method.start_stage()
            chosen = source[now].to(device)
            x_s, y_s = look(data.x_s[chosen]), data.y_s[chosen]
            try:
                if adapted < 0:
                    losses = method.pretrain(x_s, y_s)
                else:
                    method.progress, method.batch_t = adapted / schedule.steps, target[adapted].to(device)
                    _set_learning_rates(method, schedule.rate(adapted))
                    losses = method.update(x_s, y_s, look(data.x_t[method.batch_t]))
            except torch.OutOfMemoryError as error:
                raise TrainingError(
                    f"Expected a step on 2 x {schedule.batch_size} images to fit into the memory of {device}, found "
                    f"that it does not (step {now + 1} of {total}): choose a smaller batch_size."
                ) from error
            row = {"step": now + 1, **_finite(losses, now + 1, total)}
            if now % schedule.log_every == 0 or now + 1 == total:
                history.append(row)
                # Two losses: more push the bar itself out of a notebook's width. The history has them all.
                shown = [name for name in row if name.startswith("L_")][:2]
                bar.set_postfix({name: f"{row[name]:.2f}" for name in shown}, refresh=False)
                if on_log is not None:
                    on_log(now + 1, method, row)
            bar.update()
            if (now + 1) % schedule.checkpoint_every and now + 1 < total:
                continue
            _check_weights(method, now + 1, total)
            if checkpoint is not None:
                seconds = round(time.perf_counter() - started, 1)
                parts = [*before.parts, {**(code or {}), "steps": now + 1 - done, "seconds": seconds}]
                reached = Progress(now + 1, history, parts)
                save_checkpoint(checkpoint, method, reached, fingerprint, finished=now + 1 == total)
    return history


def _augmented(x: Tensor) -> Tensor:
    return random_affine(to_input(x))


def _set_learning_rates(method: Method, factor: float) -> None:
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def _finite(losses: dict[str, Tensor], step: int, total: int) -> HistoryRow:
    """The losses as floats, fetched from the device in one go."""
    row = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
    for name, value in row.items():
        if not math.isfinite(value):
            raise TrainingError(
                f"Expected finite losses, found {name} = {value} at step {step} of {total}: "
                "lower the learning rate or that loss's weight, or look at the images of that batch."
            )
    return row


def _check_weights(method: Method, step: int, total: int) -> None:
    """The losses of a step are those before it: what it made of the weights shows here."""
    for name, value in method.named_parameters():
        if not value.isfinite().all():
            raise TrainingError(
                f"Expected finite weights, found others in {name} after step {step} of {total}: "
                "lower the learning rate, or look at the images of that batch."
            )
