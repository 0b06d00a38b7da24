"""Measure anew what a run has left: a result from before a measure existed gets it without training."""

import math
from pathlib import Path

from igan_lib.errors import ConfigError
from igan_lib.experiment.feature_hashing import FEATURE_METHODS
from igan_lib.experiment.measures import evaluate
from igan_lib.experiment.provenance import git_state
from igan_lib.experiment.run import RESULTS, build, checkpoint_path, load, locked, read_result
from igan_lib.files import write_text
from igan_lib.training.checkpoints import load_checkpoint


def measure_again(path: Path, results: Path = RESULTS) -> list[str]:
    """Add to an older result what is measured today, from the checkpoint that its run has left.

    What was measured already must come out the same, to the last image; nothing is trained.

    Returns:
        The names of the measures that were added, none if the result has them all.

    Raises:
        ConfigError: the checkpoint is not there or not finished, or measures otherwise than the result says.
    """
    config = read_result(path).config
    if config.method in FEATURE_METHODS:  # they keep no checkpoint, and have measured all that they can
        return []
    with locked(config, results):
        return _grown(path, results)


def _grown(path: Path, results: Path) -> list[str]:
    result = read_result(path)
    config = result.config
    checkpoint = checkpoint_path(config, results)
    if not checkpoint.exists():
        raise ConfigError(
            f"Expected the checkpoint of {config.name} in {checkpoint}, found none: copy it there from where it was "
            "run, or leave the result as it is."
        )
    pair = load(config)
    method = build(config, pair)
    done = load_checkpoint(checkpoint, method, config.name).step
    metrics = evaluate(method, pair, reestimate_batch_norm=config.reestimate_batch_norm)
    changed = [
        name
        for name, value in result.metrics.items()
        if not math.isclose(value, metrics.get(name, math.nan), abs_tol=1e-9)
    ]
    if changed or done != config.pretrain_steps + config.steps:
        raise ConfigError(
            f"Expected the network of {config.name} to measure as its result says, found another {', '.join(changed)} "
            f"after {done} steps: use the threads and the version that it was run with."
        )
    added = sorted(metrics.keys() - result.metrics.keys())
    if added:
        note = {"measured_again": {**git_state(), "added": added}}
        grown = result.model_copy(update={"metrics": metrics, "provenance": result.provenance | note})
        write_text(path, grown.model_dump_json(indent=1) + "\n")
    return added
