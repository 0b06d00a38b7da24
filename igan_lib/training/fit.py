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
from igan_lib.training.augment import random_affine, random_crops
from igan_lib.training.batches import BalancedStream, BatchStream, Portions
from igan_lib.training.captured import Losses, Stepper, make_capturable, set_learning_rates
from igan_lib.training.checkpoints import HistoryRow, Progress, load_checkpoint, save_checkpoint
from igan_lib.training.memory import keep_freed_memory
from igan_lib.training.schedule import Schedule

Callback = Callable[[int, "Method", HistoryRow], None]


class Method(Protocol):
    """What the trainer asks of a method (IGAN and every baseline), which is a nn.Module too."""

    optimizers: dict[str, torch.optim.Optimizer]
    progress: float | Tensor  # set before each update: the share of the adaptation steps taken; on CUDA a 0-d tensor
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
    capture: bool = True,
) -> list[HistoryRow]:
    """Train `method` on `data`; go on from `checkpoint` if there is one.

    Deterministic on the CPU for a given seed and number of threads, whether or not the run was interrupted: batches
    depend on (seed, step), and the checkpoint holds weights, optimisers, history and torch's random state.

    Args:
        method: see `Method`; it is moved to `device` and changed in place.
        data: images of both domains and the source's labels; there are no target labels in it.
        schedule: its decay also restarts at the shares of the steps that a method with stages names as `stage_ends`.
        seed: of the batches (and, through torch.manual_seed, of what the method draws while training).
        checkpoint: file to write every `schedule.checkpoint_every` steps and to go on from; None: none is written. What
            a killed process left of it half-written is removed.
        fingerprint: what the checkpoint belongs to, such as a config's hash; another one is refused.
        code: what the checkpoint says of what made this process's steps, such as commit and packages.
        on_log: called with (step, method, row) for each new row of the history, for live curves.
        progress: show a progress bar with the losses.
        capture: on CUDA, make each step as one graph (`captured.Stepper`); False: kernel by kernel. A method whose
            steps can't be has the attribute `capturable` set to False.

    Returns:
        The history: one row every `schedule.log_every` steps with `step` (from 1, pre-training included) and the
        unweighted losses of that step's batch.

    Raises:
        ConfigError: features to augment.
        TrainingError: a loss that is not finite (which one, at which step), a device whose memory a step does not fit
            into, or a checkpoint that is damaged or belongs to another run.
    """
    if (schedule.augment or schedule.random_crops) and data.x_s.ndim == 2:
        raise ConfigError("Expected images to augment, found features: leave augment and random_crops out.")
    device = torch.device(device)
    if device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(seed)
    data = data.to(device)
    method.to(device).train()
    size = schedule.batch_size

    def look(images: Tensor) -> Tensor:
        x = to_input(images)
        x = random_crops(x) if schedule.random_crops else x
        return random_affine(x) if schedule.augment else x

    source = BatchStream(len(data.x_s), size, seed=2 * seed)
    if schedule.balanced:
        source = BalancedStream(data.y_s.cpu(), data.n_classes, size, seed=2 * seed)
    source = Portions(source, device)
    target = Portions(BatchStream(len(data.x_t), size, seed=2 * seed + 1), device)
    total = schedule.pretrain_steps + schedule.steps
    before, started = Progress(0, [], []), time.perf_counter()
    if checkpoint is not None:
        remove_left_partials(checkpoint)
        if checkpoint.exists():
            before = load_checkpoint(checkpoint, method, fingerprint)
    done, history = before.step, before.history

    # A graph reads its inputs where it read them when it was captured: these tensors get each step's values.
    chosen_s, method.batch_t = (torch.zeros(size, dtype=torch.int64, device=device) for _ in range(2))
    method.progress = torch.zeros((), device=device) if device.type == "cuda" else 0.0

    def pretrain() -> Losses:
        return _stacked(method.pretrain(look(data.x_s[chosen_s]), data.y_s[chosen_s]))

    def update() -> Losses:
        x_s, x_t = look(data.x_s[chosen_s]), look(data.x_t[method.batch_t])
        return _stacked(method.update(x_s, data.y_s[chosen_s], x_t))

    def new_steps(step: Callable[[], Losses]) -> Stepper:
        able = make_capturable(method.optimizers, device) and getattr(method, "capturable", True)
        return Stepper(step, capture=capture and able)

    steps = new_steps(pretrain if done < schedule.pretrain_steps else update)
    unread: list[Losses] = []
    with tqdm(total=total, initial=done, disable=not progress, desc="train", unit="step", mininterval=0.5) as bar:
        for now in range(done, total):
            adapted = now - schedule.pretrain_steps  # adaptation steps already taken; negative while pre-training
            if adapted == 0:
                method.finish_pretraining()
            if schedule.starts_stage(adapted):
                method.start_stage()
            if adapted == 0 or schedule.starts_stage(adapted):
                steps = new_steps(update)
            chosen_s.copy_(source[now])
            if adapted >= 0:
                method.batch_t.copy_(target[adapted])
                if isinstance(method.progress, Tensor):
                    method.progress.fill_(adapted / schedule.steps)
                else:
                    method.progress = adapted / schedule.steps
                set_learning_rates(method.optimizers, schedule.rate(adapted, getattr(method, "stage_ends", ())))
            try:
                names, losses = steps()
            except torch.OutOfMemoryError as error:
                raise TrainingError(
                    f"Expected a step on 2 x {schedule.batch_size} images to fit into the memory of {device}, found "
                    f"that it does not (step {now + 1} of {total}): choose a smaller batch_size."
                ) from error
            unread.append((names, losses.clone()))  # a graph writes the next step's losses into the same tensor
            is_last = now + 1 == total
            logs = now % schedule.log_every == 0 or is_last
            saves = (now + 1) % schedule.checkpoint_every == 0 or is_last
            # Reading waits for the device, which would stand still after each step; a CPU has nothing to wait for.
            if logs or saves or device.type == "cpu":
                row = _read(unread, now + 1, total)
            if logs:
                history.append(row)
                # Two losses: more push the bar itself out of a notebook's width. The history has them all.
                shown = [name for name in row if name.startswith("L_")][:2]
                bar.set_postfix({name: f"{row[name]:.2f}" for name in shown}, refresh=False)
                if on_log is not None:
                    on_log(now + 1, method, row)
            bar.update()
            if not saves:
                continue
            _check_weights(method, now + 1, total)
            if checkpoint is not None:
                seconds = round(time.perf_counter() - started, 1)
                parts = [*before.parts, {**(code or {}), "steps": now + 1 - done, "seconds": seconds}]
                reached = Progress(now + 1, history, parts)
                save_checkpoint(checkpoint, method, reached, fingerprint, finished=is_last)
    return history


def _stacked(losses: dict[str, Tensor]) -> Losses:
    return list(losses), torch.stack(list(losses.values()))


def _read(unread: list[Losses], last: int, total: int) -> HistoryRow:
    """The row of step `last`, fetched with the steps before it that are `unread`, which is emptied; all are checked."""
    first = last - len(unread) + 1
    values = torch.cat([losses for _, losses in unread]).tolist()
    for step, (names, _) in enumerate(unread, first):
        row, values = {"step": step, **dict(zip(names, values, strict=False))}, values[len(names) :]
        for name, value in row.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"Expected finite losses, found {name} = {value} at step {step} of {total}: "
                    "lower the learning rate or that loss's weight, or look at the images of that batch."
                )
    unread.clear()
    return row


def _check_weights(method: Method, step: int, total: int) -> None:
    """The losses of a step are those before it: what it made of the weights shows here."""
    for name, value in method.named_parameters():
        if not value.isfinite().all():
            raise TrainingError(
                f"Expected finite weights, found others in {name} after step {step} of {total}: "
                "lower the learning rate, or look at the images of that batch."
            )
