"""From result files to one tidy frame, and from the frame to an `Estimate` of one setting or of two compared."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from igan_lib.errors import ConfigError
from igan_lib.experiment.presets import ExperimentConfig, preset
from igan_lib.experiment.result import RunResult, read_result
from igan_lib.reproduction.estimate import Estimate

COLUMNS = [
    "setting",
    "method",
    "version",
    "source",
    "target",
    "profile",
    "network",
    "preset",
    "seed",
    "metric",
    "value",
]
SECONDS = "seconds"  # the recorded wall time, as a metric beside the others


def read_results(folder: Path) -> tuple[list[RunResult], list[str]]:
    """All results in `folder`, by file name, and one sentence for each file that can't be read."""
    results, damaged = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            results.append(read_result(path))
        except ConfigError as error:
            damaged.append(str(error))
    return results, damaged


def is_stale(result: RunResult) -> bool:
    """Whether the presets of this version would no longer make this configuration for its method and profile."""
    config = result.config
    today = preset(config.source, config.target, seed=config.seed, profile=config.profile, method=config.method)
    return today.hash8 != result.hash


def frame(results: Iterable[RunResult]) -> pd.DataFrame:
    """One row a run and metric, in per cent; `setting` is the hash of all of a configuration but its seed.

    `preset`: whether today's presets make this configuration, so that nothing of it was set by hand. The recorded wall
    time is a metric too, named `SECONDS`. ConfigError: two results of one setting and seed.
    """
    rows = []
    for result in results:
        config = result.config
        head = [setting(config), config.method, config.version, config.source, config.target, config.profile]
        head += [config.network, not is_stale(result), config.seed]
        measured = result.metrics | {SECONDS: result.provenance.get("seconds", float("nan"))}
        rows += [[*head, name, value] for name, value in measured.items()]
    found = pd.DataFrame(rows, columns=COLUMNS)
    twice = found[found.duplicated(["setting", "seed", "metric"])]
    if len(twice):
        first = twice.iloc[0]
        raise ConfigError(
            f"Expected one result a seed, found two of {first.method}, {first.source} -> {first.target}, seed "
            f"{first.seed}: delete one of the files."
        )
    return found


def setting(config: ExperimentConfig) -> str:
    """The hash of all of a configuration but its seed: runs with the same one are repetitions of each other."""
    return config.model_copy(update={"seed": 0}).hash8


def values(runs: pd.DataFrame, config: ExperimentConfig, metric: str = "target_accuracy") -> dict[int, float]:
    """Seed -> value of one metric, of the runs of `config`'s setting that are in the `frame`."""
    found = runs[(runs["setting"] == setting(config)) & (runs["metric"] == metric)].sort_values("seed")
    return dict(zip(found["seed"].tolist(), found["value"].tolist(), strict=True))


def compare(
    runs: pd.DataFrame,
    row: ExperimentConfig,
    base: ExperimentConfig,
    metric: str = "target_accuracy",
    *,
    printed: float | None = None,
    reason: str = "",
) -> Estimate:
    """What `row` has over `base` (any seed of the two settings), seed by seed, in points; from a `frame` of runs.

    `printed`: the difference that the paper prints; `reason`: see `Estimate`. ConfigError: two profiles, or two
    versions of one method: such numbers are not of one experiment.
    """
    if row.profile != base.profile or (row.method == base.method and row.version != base.version):
        raise ConfigError(
            f"Expected one profile and one version of {row.method} in a comparison, found {row.profile} {row.version} "
            f"and {base.profile} {base.version}: compare results of one kind."
        )
    difference = Estimate(values(runs, row, metric)) - Estimate(values(runs, base, metric))
    return Estimate(difference.values, printed, "difference", reason)


def weighted_sum(parts: Iterable[tuple[float, Mapping[int, float]]]) -> dict[int, float]:
    """Seed -> the sum of weight times value, of the seeds that all parts have."""
    parts = list(parts)
    common = set.intersection(*(set(of_part) for _, of_part in parts)) if parts else set()
    return {seed: sum(weight * of_part[seed] for weight, of_part in parts) for seed in sorted(common)}
