"""The tables of `studies`, filled from a `results.frame`: an `Estimate` a cell, paired differences, and their texts."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pandas as pd

from igan_lib.errors import ConfigError
from igan_lib.experiment.result import RunResult
from igan_lib.files import write_text
from igan_lib.reproduction.estimate import Estimate
from igan_lib.reproduction.results import frame, weighted_sum
from igan_lib.reproduction.studies import S_M_PART, Pair, Study, column

NUMBERS = ["n", "mean", "low", "high", "predicted_low", "predicted_high", "paper"]
TOLD_APART = "D_accuracy"  # mean of both D over the last steps and the seeds: 50 is chance
COLUMNS = ["method", "column", "backbone", "protocol", "profile", *NUMBERS, "delta", "verdict", TOLD_APART]
DIFFERENCES = ["method", "base", "column", *NUMBERS, "share", "verdict", "by_seed"]
AVERAGE = "average"


def numbers(estimate: Estimate) -> list[float]:
    """The values of `NUMBERS`."""
    printed = math.nan if estimate.printed is None else estimate.printed
    return [estimate.n, estimate.mean, *estimate.interval, *estimate.predicted, printed]


def mean_over(estimates: Iterable[Estimate]) -> Estimate:
    """The mean over columns, seed by seed, of the seeds that all have; printed where all are."""
    estimates = list(estimates)
    printed = [estimate.printed for estimate in estimates]
    mean = None if None in printed else sum(printed) / len(printed)
    found = weighted_sum((1 / len(estimates), estimate.values) for estimate in estimates)
    return Estimate(found, mean, estimates[0].kind, estimates[0].reason)


def _averaged(study: Study, rows: Collection[Mapping[Pair, Estimate]]) -> list[Pair]:
    """The pairs that an average is over: all that some row has runs of, if these are two at least, else all."""
    counted = [pair for pair in study.pairs if pair != S_M_PART]
    run = [pair for pair in counted if any(row[pair].n for row in rows)]
    return next((pairs for pairs in (run, counted) if len(pairs) > 1), [])


def study_table(study: Study, runs: pd.DataFrame, profile: str) -> pd.DataFrame:
    """One line a cell, in per cent; a cell without runs has n = 0 and the verdict "not run".

    The line "average" of a row, ours and the paper's, is over the columns that were run, of the seeds that each has. A
    part of SVHN is in none, and a table of one pair has none. `runs`: a `results.frame`; only those that are exactly a
    run of `study` under `profile` count.
    """
    found = [(row, {pair: study.cell(runs, row, pair, profile) for pair in study.pairs}) for row in study.rows]
    lines, averaged = [], _averaged(study, [cells for _, cells in found])
    for row, cells in found:
        named = [(column(pair), cell, study.cell(runs, row, pair, profile, TOLD_APART)) for pair, cell in cells.items()]
        if averaged:
            named.append((AVERAGE, mean_over(cells[pair] for pair in averaged), Estimate({})))
        network = study.config(row, study.pairs[0], 0, profile).network
        for name, cell, told_apart in named:
            head = [row.label, name, network, study.protocol, profile]
            delta = math.nan if cell.printed is None else cell.mean - cell.printed
            lines.append([*head, *numbers(cell), delta, cell.verdict, told_apart.mean])
    return pd.DataFrame(lines, columns=COLUMNS).astype({"paper": float})


def differences(study: Study, runs: pd.DataFrame, profile: str, against: str = "") -> pd.DataFrame:
    """What each row adds to the one above it, or how it differs from the first, seed by seed, in points.

    `against`: "above" or "first"; else the label of a row, of which the table tells what it has over each other row,
    in each column and on the average of `study_table`.
    """
    against, rows = against or study.differences, study.rows
    if against == "above":
        pairs = list(zip(rows[1:], rows, strict=False))
    elif against == "first":
        pairs = [(row, rows[0]) for row in rows[1:]]
    else:
        best = study.row(against)
        pairs = [(best, row) for row in rows if row is not best]
    cells = {row.label: {pair: study.cell(runs, row, pair, profile) for pair in study.pairs} for row in rows}
    averaged = [] if against in ("above", "first") else _averaged(study, cells.values())
    lines = []
    for row, base in pairs:
        over = {pair: cells[row.label][pair] - cells[base.label][pair] for pair in study.pairs}
        named = {column(pair): found for pair, found in over.items()}
        if averaged:
            named[AVERAGE] = mean_over(over[pair] for pair in averaged)
        for name, found in named.items():
            measured = [*numbers(found), found.share, found.verdict, tuple(found.values.values())]
            lines.append([row.label, base.label, name, *measured])
    return pd.DataFrame(lines, columns=DIFFERENCES)


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """A `study_table` for reading: one line a method, then the paper's; one column a pair; cells as text.

    A cell is "mean (95 % interval) n=..." and, where L_a is on, D's real/fake accuracy. The paper's is its number and,
    where ours stands above it, "(difference of ours, verdict)"; where none of a row is comparable, its name says so. A
    hole is "not run" or, of the paper's, "not printed".
    """
    columns = list(dict.fromkeys(table["column"]))
    papers = set(table.loc[table["paper"].notna(), "column"]) - {AVERAGE}
    lines = {}
    for method, rows in table.groupby("method", sort=False):
        by_column = rows.set_index("column")
        lines[method] = [_cell(by_column.loc[name], name) for name in columns]
        if by_column["paper"].notna().any():
            alike = set(rows.loc[rows["n"].gt(0) & rows["paper"].notna(), "verdict"]) == {"not comparable"}
            printed = [_printed(by_column.loc[name], with_verdict=not alike) for name in columns]
            empty = ["not printed" if name in papers else "" for name in columns]
            label = f"{method}, paper{' (not comparable)' if alike else ''}"
            lines[label] = [text or hole for text, hole in zip(printed, empty, strict=True)]
    heads = [name.replace("->", " → ") for name in columns]
    counted = [(name, head) for name, head in zip(columns, heads, strict=True) if name != column(S_M_PART)]
    run = [head for name, head in counted if name != AVERAGE and table.loc[table["column"].eq(name), "n"].any()]
    if AVERAGE in columns and 1 < len(run) < len(counted) - 1:
        heads[columns.index(AVERAGE)] = f"{AVERAGE} of {' and '.join(run)}"
    return pd.DataFrame.from_dict(lines, orient="index", columns=heads).rename_axis("method")


def _cell(line: pd.Series, name: str) -> str:
    if not line["n"]:
        return "" if name == AVERAGE else "not run"
    spread = "" if math.isnan(line["low"]) else f" ({line['low']:.1f} to {line['high']:.1f})"
    told_apart = "" if math.isnan(line[TOLD_APART]) else f", D {line[TOLD_APART]:.0f} %"
    return f"{line['mean']:.1f}{spread} n={line['n']}{told_apart}"


def _printed(line: pd.Series, *, with_verdict: bool) -> str:
    if math.isnan(line["paper"]):
        return ""
    verdict = f", {line['verdict']}" if with_verdict else ""
    return f"{line['paper']:.1f}" + (f" ({line['delta']:+.1f}{verdict})" if line["n"] else "")


def wide_differences(table: pd.DataFrame) -> pd.DataFrame:
    """`differences` for reading: one line a row of the study, one column a pair, cells as `Estimate` writes them."""

    def text(line: pd.Series) -> str:
        printed = None if math.isnan(line["paper"]) else line["paper"]
        shown = str(Estimate(dict(enumerate(line["by_seed"])), printed, "difference"))
        return f"{shown} [{line['verdict']}]" if line["n"] and line["verdict"] else shown

    named = table.assign(text=[text(line) for _, line in table.iterrows()], added=table["method"].map(_last_loss))
    order = list(dict.fromkeys(named["added"])), list(dict.fromkeys(named["column"]))
    found = named.pivot(index="added", columns="column", values="text").reindex(index=order[0], columns=order[1])
    return found.rename(columns=lambda name: name.replace("->", " → ")).rename_axis(columns=None)


def _last_loss(label: str) -> str:
    """ "L_c+L_s" -> "L_s", what a row adds; any other label as it is."""
    return label.rpartition("+")[2] if re.fullmatch(r"L_\w(\+L_\w)*", label) else label


def summary(results: Iterable[RunResult], profile: str, metric: str = "target_accuracy") -> pd.DataFrame:
    """The presets that were run: one line a method and pair, as text; profiles and settings by hand are not mixed in.

    ConfigError: a metric that no result has.
    """
    runs = frame(results)
    known = sorted(set(runs["metric"]))
    if known and metric not in known:
        raise ConfigError(f"Expected a metric among {', '.join(known)}, found {metric!r}: choose one of these.")
    kept = runs[runs["preset"] & (runs["profile"] == profile) & (runs["metric"] == metric)]
    lines = []
    for (method, source, target), cell in kept.groupby(["method", "source", "target"]):
        found = Estimate(dict(zip(cell["seed"], cell["value"], strict=True)))
        low, high = found.interval
        spread = "" if math.isnan(low) else f"{low:.1f} to {high:.1f}"
        lines.append([method, f"{source} → {target}", found.n, f"{found.mean:.1f}", spread])
    return pd.DataFrame(lines, columns=["method", "pair", "seeds", metric, "95 % interval"])


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table without its index, numbers to four decimals, the same on every platform."""
    write_text(path, table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
