"""The state of a run on disk: written atomically, read back only where it is whole and the run's own."""

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from igan_lib.errors import TrainingError
from igan_lib.files import atomic_path

CHECKPOINT_FORMAT = 1
# What torch.load and its unpickler raise on a file that is cut short or altered; LookupError and ValueError cover the
# unpickler's index and text decoding errors.
_DAMAGED = (RuntimeError, OSError, EOFError, LookupError, TypeError, ValueError)
_DAMAGED += (pickle.UnpicklingError, struct.error, zipfile.BadZipFile)
HistoryRow = dict[str, float]


class Resumable(Protocol):
    """What a checkpoint holds of a method, beside `state_dict` and `load_state_dict` of nn.Module."""

    optimizers: dict[str, torch.optim.Optimizer]


class Progress(NamedTuple):
    """How far a run has come."""

    step: int  # steps done, pre-training included
    history: list[HistoryRow]
    parts: list[dict[str, Any]]  # of each process that trained a part: its `steps`, `seconds` and code


def save_checkpoint(path: Path, method: Resumable, reached: Progress, fingerprint: str, finished: bool) -> None:
    """Write all that the rest of the run depends on, atomically; a finished run needs no optimisers any more."""
    state = {
        "format": CHECKPOINT_FORMAT,
        "fingerprint": fingerprint,
        **reached._asdict(),
        "method": method.state_dict(),
        "optimizers": {} if finished else {name: opt.state_dict() for name, opt in method.optimizers.items()},
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    with atomic_path(path) as partial:
        torch.save(state, partial)


def load_checkpoint(path: Path, method: Resumable, fingerprint: str) -> Progress:
    """Bring the method, its optimisers and torch's random state to where `save_checkpoint` left them.

    TrainingError: the file is damaged, of another format, or belongs to another run.
    """
    state = _read(path, fingerprint)
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
    return Progress(*(state[name] for name in Progress._fields))


def parts_before(path: Path, fingerprint: str) -> list[dict[str, Any]]:
    """The parts of a run that lie in its checkpoint (see `Progress`), [] without one; errors as `load_checkpoint`."""
    return _read(path, fingerprint)["parts"] if path.exists() else []


def _read(path: Path, fingerprint: str) -> dict[str, Any]:
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
    missing = [name for name in (*Progress._fields, "method", "optimizers", "random") if name not in state]
    if missing:
        raise TrainingError(
            f"Expected a whole checkpoint in {path}, found one without {', '.join(missing)}: "
            "delete it and the run starts anew."
        )
    return state
