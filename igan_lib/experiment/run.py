"""One run: a frozen configuration in, one JSON file with its provenance out."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import nn

from igan_lib.data.domains import DomainPair, load_pair
from igan_lib.data.features import load_crop_pair, load_feature_pair
from igan_lib.data.images import normalize_contrast
from igan_lib.errors import ConfigError, IganError, Interrupted
from igan_lib.experiment.feature_hashing import FEATURE_METHODS, hash_features, source_only
from igan_lib.experiment.measures import evaluate, game_metrics
from igan_lib.experiment.methods import build, training_data
from igan_lib.experiment.presets import ExperimentConfig
from igan_lib.experiment.provenance import git_state, machine, provenance
from igan_lib.experiment.result import RESULTS, RunResult, commit_of, read_result, result_path
from igan_lib.files import write_text
from igan_lib.training.checkpoints import HistoryRow, parts_before
from igan_lib.training.fit import Callback, fit, pick_device


def checkpoint_path(config: ExperimentConfig, results: Path = RESULTS) -> Path:
    """Where the checkpoint of `config` lies or will lie; git ignores the folder."""
    return results / "checkpoints" / f"{config.name}.pt"


def load(config: ExperimentConfig, *, download: bool = False, progress: bool = True) -> DomainPair:
    """The two domains of `config`: images at its size and number of channels or, of Office-31, what its backbone takes.

    Frozen, that is the backbone's features; to be fine-tuned, its images, cut for it.
    """
    names, shared = (config.source, config.target), {"download": download, "limit": config.train_limit}
    if config.backbone != "none":
        load_office = load_feature_pair if config.regime == "frozen" else load_crop_pair
        return load_office(*names, backbone=config.backbone, progress=progress, **shared)
    pair = load_pair(*names, size=config.size, channels=config.channels, **shared)
    return pair.map_images(normalize_contrast) if config.contrast else pair


def train(
    config: ExperimentConfig,
    pair: DomainPair,
    *,
    device: str = "auto",
    results: Path = RESULTS,
    code: dict[str, Any] | None = None,
    on_log: Callback | None = None,
    progress: bool = True,
) -> tuple[nn.Module, list[HistoryRow]]:
    """Train `config` on `pair`, or go on where a killed run stopped, or load what a finished one left.

    `code`: what the checkpoint says of the code that made the steps; None: `git_state()`. Returns the trained method
    and its history. Checkpoints lie in `results/checkpoints/`, which git ignores. Interrupted: on Ctrl-C.
    """
    method = build(config, pair)
    where, shown = pick_device(device), {"on_log": on_log, "progress": progress}
    kept = {"checkpoint": checkpoint_path(config, results), "fingerprint": config.name}
    kept["code"] = (code or git_state()) | machine(where)
    try:
        history = fit(method, training_data(config, pair), config, seed=config.seed, device=where, **kept, **shown)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Stopped {config.name}: run the same again, and it goes on from its last checkpoint."
        ) from None
    return method, history


def run(
    config: ExperimentConfig,
    *,
    device: str = "auto",
    results: Path = RESULTS,
    download: bool = False,
    progress: bool = True,
    on_log: Callback | None = None,
) -> RunResult:
    """Run `config` unless its result is already there, and return the result; `progress` says which, and shows a bar.

    `results`: the folder of results and checkpoints; by default the project's, as for tables, wherever one works.

    Two processes that ask for the same run do not both run it: the second waits for the first and reads its result. A
    killed run goes on from its last checkpoint. ConfigError, DataError, TrainingError: a sentence that says what to do.
    """
    if not isinstance(config, ExperimentConfig):
        raise ConfigError(f"Expected a configuration as preset() makes it, found {config!r:.60}: make one first.")
    results = Path(results)
    path, chosen = result_path(config, results), pick_device(device)
    # Reading takes no lock, which a folder that is read-only could not have.
    with contextlib.nullcontext() if path.exists() else locked(config, results):
        if path.exists():
            result = read_result(path)
            if result.config != config:
                raise ConfigError(
                    f"Expected the result of {config.name} in {path}, found that of {result.config.name}: "
                    "delete the file and run it again."
                )
            if progress:
                print(read_from(result, results), flush=True)
            return result
        if progress:
            print(f"Loading {config.source} and {config.target}", flush=True)
        started, code = time.perf_counter(), git_state()
        pair = load(config, download=download, progress=progress)
        if config.method in FEATURE_METHODS:
            network, earlier = _feature_network(config, pair, device, results, progress)
            metrics, history = hash_features(config, network, pair)
        else:
            earlier = parts_before(checkpoint_path(config, results), config.name)
            where, shown = {"device": device, "results": results}, {"on_log": on_log, "progress": progress}
            method, history = train(config, pair, code=code, **where, **shown)
            metrics = evaluate(method, pair, reestimate_batch_norm=config.reestimate_batch_norm)
            metrics |= game_metrics(history, config)
        data = {domain.name: domain.checksum() for domain in (pair.source, pair.target)}
        made = provenance(chosen, time.perf_counter() - started, data, code, earlier)
        result = RunResult(config=config, hash=config.hash8, metrics=metrics, history=history, provenance=made)
        write_text(path, result.model_dump_json(indent=1) + "\n")
        # What a process that was killed while it wrote a checkpoint has left; nobody else writes it under this lock.
        for left in checkpoint_path(config, results).parent.glob(f".{config.name}.pt.*.partial"):
            left.unlink()
        return result


def read_from(result: RunResult, results: Path) -> str:
    """What is to be said of a result that was there: its file, its commit, and how it is run anew."""
    path, checkpoint = (where(result.config, results) for where in (result_path, checkpoint_path))
    files = f"that file and {checkpoint}" if checkpoint.exists() else "that file"
    return f"Read from {path}, made at commit {commit_of(result.provenance)}. To run it anew, delete {files}."


@contextlib.contextmanager
def locked(config: ExperimentConfig, results: Path) -> Iterator[None]:
    """Hold the lock of a run; the operating system frees that of a killed process.

    After an error, such as that of a mistyped domain, neither the lock nor a folder that was made for it stays.
    """
    folder = results / "checkpoints"
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / f"{config.name}.lock"
    try:
        with FileLock(lock):
            yield
    except IganError:
        with contextlib.suppress(OSError):  # another process holds the lock, or a folder has other files by now
            lock.unlink()
            for path in made:
                path.rmdir()
        raise


def _feature_network(
    config: ExperimentConfig, pair: DomainPair, device: str, results: Path, progress: bool
) -> tuple[nn.Module | None, list[dict[str, Any]]]:
    """The network of `source_only(config)`, trained if it is not there, and its earlier parts; None for features."""
    if len(pair.shape) == 1:
        return None, []
    base = source_only(config)
    with locked(base, results):
        earlier = parts_before(checkpoint_path(base, results), base.name)
        return train(base, pair, device=device, results=results, progress=progress)[0], earlier
