"""From run results to table rows: mean, 95 % t-interval, difference to the paper, verdict."""

import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from scipy import stats

from igan_lib.errors import ConfigError
from igan_lib.experiment.run import RunResult, preset, read_result
from igan_lib.files import write_text
from igan_lib.reproduction.paper import TABLE1

SEEDS_FOR_A_VERDICT = 5
# Of two values the t-interval hangs on a single difference: 12.7 standard errors to either side, often beyond 100 %.
SEEDS_FOR_AN_INTERVAL = 3
UNDECIDED = 2.0  # points to either side of the mean: a wider interval holds the paper's value by its width alone
COLUMNS = ["method", "column", "profile", "n", "mean", "low", "high", "paper", "delta", "verdict"]


def t_interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Mean and the ends of its 95 % interval by Student's t; the ends are NaN below `SEEDS_FOR_AN_INTERVAL` values."""
    data = list(values)
    mean = sum(data) / len(data)
    if len(data) < SEEDS_FOR_AN_INTERVAL:
        return mean, math.nan, math.nan
    spread = math.sqrt(sum((value - mean) ** 2 for value in data) / (len(data) - 1) / len(data))
    half = float(stats.t.ppf(0.975, len(data) - 1)) * spread
    return mean, mean - half, mean + half


def by_width_alone(value: float, low: float, high: float) -> bool:
    """Whether `value` lies inside an interval that reaches further than `UNDECIDED` from its middle."""
    return low <= value <= high and (high - low) / 2 > UNDECIDED


def verdict(n: int, low: float, high: float, paper: float | None, *, at_least: bool = True) -> str:
    """Whether the paper's value was reached.

    "reproduced": it lies inside the interval or below it; "not reproduced": it lies above. "undecided": it lies inside
    an interval that reaches further than `UNDECIDED` from its middle. "too few seeds" below five, "no comparable number
    in the paper" where it has none, or one of another backbone. ("direction only" is decided where an ordering is
    claimed: `claims`.)

    Args:
        at_least: whether more than the paper has is as good. It is for the method as a whole; a baseline or a part of
            it that is better than printed contradicts the paper's row: "above the paper".
    """
    if paper is None:
        return "no comparable number in the paper"
    if n < SEEDS_FOR_A_VERDICT:
        return "too few seeds"
    if by_width_alone(paper, low, high):
        return "undecided"
    if paper < low and not at_least:
        return "above the paper"
    return "reproduced" if paper <= high else "not reproduced"


def judged(values: Iterable[float], paper: float | None, *, at_least: bool = True) -> list[float | int | str | None]:
    """n, mean, low, high, the paper's value, the difference to it, and the `verdict`, of at least one value."""
    data = list(values)
    mean, low, high = t_interval(data)
    delta = math.nan if paper is None else mean - paper
    return [len(data), mean, low, high, paper, delta, verdict(len(data), low, high, paper, at_least=at_least)]


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table without its index, numbers to four decimals, the same on every platform."""
    write_text(path, table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))


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


def summary(results: Iterable[RunResult], profile: str, metric: str = "target_accuracy") -> pd.DataFrame:
    """One row a method and pair in the long form of design: mean and interval over seeds, in per cent.

    Args:
        results: any results; only those of `profile` that today's presets would make again are counted, so that neither
            profiles nor versions nor trial settings are mixed.
        metric: a key of RunResult.metrics.

    Raises:
        ConfigError: two results of one method, pair and seed, or a metric that no result has.
    """
    results = list(results)
    known = sorted({name for result in results for name in result.metrics})
    if known and metric not in known:
        raise ConfigError(f"Expected a metric among {', '.join(known)}, found {metric!r}: choose one of these.")
    cells: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for result in results:
        config = result.config
        if config.profile != profile or metric not in result.metrics or is_stale(result):
            continue
        cell = cells[config.method, f"{config.source}->{config.target}"]
        if config.seed in cell:
            raise ConfigError(f"Expected one result a seed, found two of {config.name}: delete one of the files.")
        cell[config.seed] = result.metrics[metric]
    rows = []
    for (method, column), by_seed in sorted(cells.items()):
        # The paper's own row is that of its method; the others have no counterpart in Table 1.
        paper = TABLE1["IGAN"].get(column) if method == "igan" and metric == "target_accuracy" else None
        rows.append([method, column, profile, *judged(by_seed.values(), paper)])
    return pd.DataFrame(rows, columns=COLUMNS)


def summary_lines(table: pd.DataFrame) -> str:
    """A Markdown table of `summary` with one decimal."""

    def number(value: float | None) -> str:
        return "" if value is None or math.isnan(value) else f"{value:.1f}"

    lines = ["| method | pair | seeds | accuracy | 95 % interval | paper | difference | verdict |", "|---" * 8 + "|"]
    for row in table.itertuples():
        interval = "" if math.isnan(row.low) else f"{row.low:.1f} to {row.high:.1f}"
        delta = "" if math.isnan(row.delta) else f"{row.delta:+.1f}"
        pair = row.column.replace("->", " → ")
        lines.append(
            f"| {row.method} | {pair} | {row.n} | {number(row.mean)} | {interval} | {number(row.paper)} | {delta} "
            f"| {row.verdict} |"
        )
    return "\n".join(lines)
