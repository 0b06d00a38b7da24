"""What a run leaves behind, and where it lies. Loads no torch, so that tables are made without it."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from igan_lib.checkout import ROOT
from igan_lib.errors import ConfigError
from igan_lib.experiment.presets import ExperimentConfig

RESULTS = ROOT / "results"


class RunResult(BaseModel):
    """`results/runs/<name>.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: ExperimentConfig
    hash: str
    metrics: dict[str, float]  # per cent; what was not measured is absent
    history: list[dict[str, float]]
    provenance: dict[str, Any]


def result_path(config: ExperimentConfig, results: Path = RESULTS) -> Path:
    """Where the result of `config` lies or will lie."""
    return results / "runs" / f"{config.name}.json"


def commit_of(code: dict[str, Any]) -> str:
    """The commit that a provenance, or an earlier part of one, names, and whether tracked code differed from it."""
    commit = str(code.get("commit") or "unknown")[:10]
    return f"{commit}, with local changes" if code.get("dirty") else commit


def read_result(path: Path) -> RunResult:
    """Read one result file. ConfigError: it is cut short, not of this version, or its configuration was changed."""
    try:
        result = RunResult.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Expected a whole result in {path}, found {type(error).__name__} ({str(error).splitlines()[0]}): "
            "delete the file and run it again."
        ) from error
    if result.hash != result.config.hash8:
        raise ConfigError(
            f"Expected the hash {result.config.hash8} of its configuration in {path}, found {result.hash}: "
            "delete the file and run it again."
        )
    return result
