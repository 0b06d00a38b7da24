"""`fit`: source-only pre-training, then stages of adaptation, with checkpoints that a killed run goes on from.

The trainer sees `TrainingData`, which has no target labels, and knows of a method only what `Method` lists.
"""

import math
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from tqdm.auto import tqdm

from igan_lib.batches import BalancedStream, BatchStream
from igan_lib.domains import TrainingData
from igan_lib.errors import ConfigError, TrainingError
from igan_lib.files import atomic_path, remove_left_partials
from igan_lib.images import to_input
from igan_lib.memory import keep_freed_memory

CHECKPOINT_FORMAT = 1
# What torch.load and its unpickler raise on a file that is cut short or altered; LookupError and ValueError cover the
# unpickler's index and text decoding errors.
_DAMAGED = (
    RuntimeError,
    OSError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
)
HistoryRow = dict[str, float]
Callback = Callable[[int, "Method", HistoryRow], None]


class Schedule(BaseModel):
    """How long and in what portions a method is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # strict: "7" is no number

    batch_size: Annotated[int, Field(ge=2)] = 100  # 3.2: 100 for M <-> U, 200 for S -> M; of each domain
    pretrain_steps: Annotated[int, Field(ge=0)] = 500  # not given; source-only training error is near zero by then
    steps: Annotated[int, Field(ge=1)] = 1500  # adaptation steps; not given
    balanced: bool = False  # source batches with equally many images a class: Office-31, whose classes are uneven
    stage_steps: Annotated[int, Field(ge=0)] = 0  # steps of a stage (3.2); 0: a single stage
    log_every: Annotated[int, Field(ge=1)] = 25  # steps between two rows of the history
    checkpoint_every: Annotated[int, Field(ge=1)] = 200  # k; a checkpoint costs milliseconds, a step tenths of seconds


class Method(Protocol):
    """What the trainer asks of a method (IGAN and every baseline)."""

    optimizers: dict[str, torch.optim.Optimizer]

    def pretrain(self, x_s: Tensor, y_s: Tensor) -> dict[str, Tensor]:
        """One step on the source alone; losses by name."""

    def finish_pretraining(self) -> None:
        """Called once, between pre-training and adaptation."""

    def start_stage(self) -> None:
        """Called before the first step of the second and each later stage."""

    # and of nn.Module: to, train, named_parameters, state_dict, load_state_dict

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step on both domains; losses by name."""


def pick_device(name: str = "auto") -> torch.device:
    """The device called "auto", "cpu", "cuda" or "mps"; "auto" takes CUDA, then MPS, then the CPU.

    Raises:
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
        on_log: called with (step, method, row) for each new row of the history, for live curves.
        progress: show a progress bar with the losses.

    Returns:
        The history: one row every `schedule.log_every` steps with `step` (from 1, pre-training included) and the
        unweighted losses of that step's batch.

    Raises:
        TrainingError: a loss that is not finite (which one, at which step), a device whose memory a step does not fit
            into, or a checkpoint that is damaged or belongs to another run.
    """
    device = torch.device(device)
    if device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(seed)
    data = data.to(device)
    method.to(device).train()
    if schedule.balanced:
        source = BalancedStream(data.y_s.cpu(), data.n_classes, schedule.batch_size, seed=2 * seed)
    else:
        source = BatchStream(len(data.x_s), schedule.batch_size, seed=2 * seed)
    target = BatchStream(len(data.x_t), schedule.batch_size, seed=2 * seed + 1)
    total = schedule.pretrain_steps + schedule.steps
    done, history = 0, []
    if checkpoint is not None:
        remove_left_partials(checkpoint)
        if checkpoint.exists():
            done, history = load_checkpoint(checkpoint, method, fingerprint)

    with tqdm(total=total, initial=done, disable=not progress, desc="train", unit="step", mininterval=0.5) as bar:
        for now in range(done, total):
            adapted = now - schedule.pretrain_steps  # adaptation steps already taken; negative while pre-training
            if adapted == 0:
                method.finish_pretraining()
            if adapted > 0 and schedule.stage_steps and adapted % schedule.stage_steps == 0:
                method.start_stage()
            chosen = source[now].to(device)
            x_s, y_s = to_input(data.x_s[chosen]), data.y_s[chosen]
            try:
                if adapted < 0:
                    losses = method.pretrain(x_s, y_s)
                else:
                    losses = method.update(x_s, y_s, to_input(data.x_t[target[adapted].to(device)]))
            except torch.OutOfMemoryError as error:
                raise TrainingError(
                    f"Expected a step on 2 x {schedule.batch_size} images to fit into the memory of {device}, found "
                    f"that it does not (step {now + 1} of {total}): choose a smaller batch_size."
                ) from error
            row = {"step": now + 1, **_finite(losses, now + 1, total)}
            if now % schedule.log_every == 0 or now + 1 == total:
                history.append(row)
                bar.set_postfix({name: f"{value:.3f}" for name, value in row.items() if name != "step"}, refresh=False)
                if on_log is not None:
                    on_log(now + 1, method, row)
            bar.update()
            if (now + 1) % schedule.checkpoint_every == 0 or now + 1 == total:
                _check_weights(method, now + 1, total)
            if checkpoint is not None and ((now + 1) % schedule.checkpoint_every == 0 or now + 1 == total):
                save_checkpoint(checkpoint, method, now + 1, history, fingerprint, finished=now + 1 == total)
    return history


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


def save_checkpoint(
    path: Path, method: Method, step: int, history: list[HistoryRow], fingerprint: str, finished: bool
) -> None:
    """Write all that the rest of the run depends on, atomically; a finished run needs no optimisers any more."""
    state = {
        "format": CHECKPOINT_FORMAT,
        "fingerprint": fingerprint,
        "step": step,
        "history": history,
        "method": method.state_dict(),
        "optimizers": {} if finished else {name: opt.state_dict() for name, opt in method.optimizers.items()},
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    with atomic_path(path) as partial:
        torch.save(state, partial)


def load_checkpoint(path: Path, method: Method, fingerprint: str) -> tuple[int, list[HistoryRow]]:
    """Bring `method` and torch's random state to where `save_checkpoint` left them; return the step and the history.

    Raises:
        TrainingError: the file is damaged, of another format, or belongs to another run.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = (state["format"], state["fingerprint"])
    except _DAMAGED as error:
        raise TrainingError(
            f"Expected a whole checkpoint in {path}, found a damaged file ({type(error).__name__}): "
            "delete it and the run starts anew."
        ) from error
    if found != (CHECKPOINT_FORMAT, fingerprint):
        raise TrainingError(
            f"Expected a checkpoint of format {CHECKPOINT_FORMAT} for run {fingerprint!r} in {path}, found format "
            f"{found[0]} for run {found[1]!r}: delete it or give another folder."
        )
    try:
        method.load_state_dict(state["method"])
    except RuntimeError as error:
        raise TrainingError(
            f"Expected the weights of this version's networks in {path}, found others "
            f"({str(error).splitlines()[0].rstrip(':')}): delete it and the run starts anew."
        ) from error
    for name, opt_state in state["optimizers"].items():
        method.optimizers[name].load_state_dict(opt_state)
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and len(state["random_cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["random_cuda"])
    return state["step"], state["history"]
