"""Times as they are told to a reader, from what was recorded: executed notebooks, runs and benchmarks."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import nbformat
import pandas as pd

from igan_lib.errors import ConfigError
from igan_lib.experiment.run import RunResult
from igan_lib.reproduction.studies import Study
from igan_lib.reproduction.study_tables import run_seconds
from igan_lib.reproduction.tables import is_stale


def spoken(seconds: float) -> str:
    """A time to plan by: "5 s", "90 s", "2.5 min", "3 h"; to 5 s below 100 s, to half a minute below an hour.

    Raises:
        ConfigError: not a time.
    """
    if not seconds >= 0:
        raise ConfigError(f"Expected seconds of 0 or more, found {seconds}: correct the record.")
    if seconds < 97.5:
        return f"{max(5, round(seconds / 5) * 5)} s"
    if seconds < 3585:
        return f"{round(seconds / 30) / 2:g} min"
    return f"{round(seconds / 1800) / 2:g} h"


def notebook_seconds(copy: Path) -> float:
    """How long a notebook took, as papermill noted it in the executed copy.

    Raises:
        ConfigError: the copy is missing, or was not executed by papermill to its end.
    """
    remedy = f"execute it, as in python -m igan_lib notebook notebooks/{copy.name} {copy}."
    if not copy.exists():
        raise ConfigError(f"Expected an executed notebook, found none at {copy}: {remedy}")
    noted = nbformat.read(copy, as_version=4).metadata.get("papermill", {}).get("duration")
    if noted is None:
        raise ConfigError(f"Expected a time in the metadata of {copy}, found none: {remedy}")
    return float(noted)


def preset_seconds(results: Iterable[RunResult], method: str, source: str, target: str, profile: str) -> float:
    """The median time of the runs of a preset, all seeds; the median, since a run may have shared its core.

    Raises:
        ConfigError: there is no such run.
    """
    seconds = [
        result.provenance["seconds"]
        for result in results
        if (result.config.method, result.config.source, result.config.target) == (method, source, target)
        and result.config.profile == profile
        and not is_stale(result)
    ]
    if not seconds:
        raise ConfigError(f"Expected runs of {method} on {source} -> {target} ({profile}), found none: run it first.")
    return median(seconds)


def step_milliseconds(results: Path) -> dict[str, dict[str, float]]:
    """What one step of each row of Table 4 takes on a CPU, by the size of its images and batch; empty if not measured.

    Args:
        results: the folder of benchmarks.json, which `make bench` writes.
    """
    path = results / "benchmarks.json"
    return json.loads(path.read_text(encoding="utf-8"))["cpu"].get("losses_ms", {}) if path.exists() else {}


def costs(study: Study, results: Iterable[RunResult], folder: Path, profile: str) -> pd.DataFrame:
    """What each row of a study costs, as text: seconds of a run on each pair and, for Table 4, milliseconds of a step.

    Steps were measured in turn in one run, so they compare. Runs are told as they were recorded (`run_seconds`), maybe
    by different versions of the code: a few seconds between two rows say nothing.

    Args:
        folder: that of benchmarks.json.
    """
    runs = run_seconds(study, results, profile)
    table = runs.rename(columns=lambda name: f"s a run, {name.replace('->', ' → ')}")
    # Steps are measured on the networks of the presets, whose encoder has batch norm.
    for size, steps in step_milliseconds(folder).items() if study.name == "table4" else ():
        table[f"ms a step, {size}"] = pd.Series(steps)
    return table.map(lambda value: "" if math.isnan(value) else f"{value:.0f}")
