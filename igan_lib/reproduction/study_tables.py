"""The tables of `studies`, filled from the results: cells with mean and interval, paired differences, holes."""

import math
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from igan_lib.experiment.run import ExperimentConfig, RunResult
from igan_lib.files import write_text
from igan_lib.reproduction.studies import S_M_PART, Row, Study, column
from igan_lib.reproduction.tables import judged, t_interval, write_csv

COLUMNS = ["method", "column", "backbone", "protocol", "profile"]
COLUMNS += ["n", "mean", "low", "high", "paper", "delta", "verdict"]
AVERAGE = "average"
PRINTED = "printed in the paper"  # the verdict of a row that is not run here


class Cells:
    """The values of a study's cells by seed, looked up among results by their whole configuration."""

    def __init__(self, study: Study, results: Iterable[RunResult], profile: str) -> None:
        self.study, self.profile = study, profile
        self._by_hash = {result.hash: result for result in results}
        self._seeds = sorted({result.config.seed for result in self._by_hash.values()})

    def results(self, row: Row, pair: tuple[str, str]) -> dict[int, RunResult]:
        """Seed -> result, of the runs that are there."""
        hashes = {seed: self.study.config(row, pair, seed, self.profile).hash8 for seed in self._seeds}
        return {seed: self._by_hash[hash8] for seed, hash8 in hashes.items() if hash8 in self._by_hash}

    def values(self, row: Row, pair: tuple[str, str]) -> dict[int, float]:
        """Seed -> value in per cent, of the runs that are there and have it."""
        metric = row.metric or self.study.metric
        found = self.results(row, pair)
        return {seed: result.metrics[metric] for seed, result in found.items() if metric in result.metrics}


def study_table(study: Study, results: Iterable[RunResult], profile: str) -> pd.DataFrame:
    """One line a cell, in per cent; a cell without runs has n = 0 and the verdict "not run".

    The line "average" of a row is the mean over its pairs, seed by seed, and stands only where no cell is missing, over
    the seeds that every cell has. The paper's average is computed from its printed cells. The column of a part of SVHN
    is in no average, and a table of one pair has none. Last come the paper's rows that are not run here.

    Args:
        results: any results; only those that are exactly a run of `study` under `profile` count.
    """
    cells = Cells(study, results, profile)
    lines = []
    averaged = [pair for pair in study.pairs if pair != S_M_PART]
    for row in study.rows:
        by_pair = {pair: cells.values(row, pair) for pair in study.pairs}
        for pair, values in by_pair.items():
            backbone = study.config(row, pair, 0, profile).network
            printed = row.paper.get(column(pair))
            lines.append(_line(row, column(pair), backbone, study, profile, list(values.values()), printed))
        if len(averaged) > 1:
            of_averaged = [by_pair[pair] for pair in averaged]
            common = set.intersection(*map(set, of_averaged))
            means = [sum(values[seed] for values in of_averaged) / len(averaged) for seed in sorted(common)]
            printed = _mean([row.paper.get(column(pair)) for pair in averaged])
            lines.append(_line(row, AVERAGE, backbone, study, profile, means, printed))
    for name, cells_of in study.printed.items():
        by_column = {column(pair): cells_of.get(column(pair)) for pair in study.pairs}
        if len(averaged) > 1:
            by_column[AVERAGE] = _mean([by_column[column(pair)] for pair in averaged])
        head = [study.protocol, profile, 0, math.nan, math.nan, math.nan]
        if set(by_column.values()) != {None}:  # a table may be made on other pairs than the paper's
            lines += [[name, where, "none", *head, value, math.nan, PRINTED] for where, value in by_column.items()]
    return pd.DataFrame(lines, columns=COLUMNS).astype({"paper": float})


def _mean(values: list[float | None]) -> float | None:
    """None where one is missing."""
    return None if None in values else sum(values) / len(values)


def _line(
    row: Row, name: str, backbone: str, study: Study, profile: str, values: list[float], printed: float | None
) -> list[object]:
    head = [row.label, name, backbone, study.protocol, profile]
    if not values:
        return [*head, 0, math.nan, math.nan, math.nan, printed, math.nan, "not run"]
    # Of the whole method more is as good; of a part of it, or of a baseline, it is another finding than the paper's.
    whole = row.method == "igan" and "losses" not in row.settings
    return [*head, *judged(values, printed, at_least=whole)]


def paired_differences(study: Study, results: Iterable[RunResult], profile: str) -> pd.DataFrame:
    """What each row adds to the one above it, on the same seeds: mean and 95 % t-interval of the differences.

    Columns: method, column, n (common seeds), mean, low, high, paper (the difference of the printed cells), by_seed
    (the differences themselves, in the order of the seeds).
    """
    return _differences(Cells(study, results, profile), zip(study.rows, study.rows[1:], strict=False))


def differences_to_first(study: Study, results: Iterable[RunResult], profile: str) -> pd.DataFrame:
    """As `paired_differences`, but of each row to the first."""
    return _differences(Cells(study, results, profile), ((study.rows[0], row) for row in study.rows[1:]))


def own_differences(study: Study, results: Iterable[RunResult], profile: str) -> pd.DataFrame:
    """The differences that the study is about: `paired_differences` or `differences_to_first`."""
    return {"above": paired_differences, "first": differences_to_first}[study.differences](study, results, profile)


def advantage(study: Study, results: Iterable[RunResult], profile: str, label: str) -> pd.DataFrame:
    """As `paired_differences`, but what the row called `label` has over each other row, under the other's name."""
    (best,) = [row for row in study.rows if row.label == label]
    others = [row for row in study.rows if row is not best]
    table = _differences(Cells(study, results, profile), ((row, best) for row in others))
    return table.assign(method=[row.label for row in others for _ in study.pairs])


def _differences(cells: Cells, pairs_of_rows: Iterable[tuple[Row, Row]]) -> pd.DataFrame:
    lines = []
    for base, row in pairs_of_rows:
        for pair in cells.study.pairs:
            first, second = cells.values(base, pair), cells.values(row, pair)
            common = sorted(first.keys() & second.keys())
            by_seed = tuple(second[seed] - first[seed] for seed in common)
            mean, low, high = t_interval(by_seed) if by_seed else (math.nan, math.nan, math.nan)
            name = column(pair)
            both_printed = name in base.paper and name in row.paper
            printed = row.paper[name] - base.paper[name] if both_printed else math.nan
            lines.append([row.label, name, len(common), mean, low, high, printed, by_seed])
    return pd.DataFrame(lines, columns=["method", "column", "n", "mean", "low", "high", "paper", "by_seed"])


def missing_runs(
    study: Study, results: Iterable[RunResult], profile: str, seeds: Iterable[int]
) -> list[ExperimentConfig]:
    """The runs of `study` whose result is not there or lacks what the study measures, each once."""
    measured = {result.hash: result.metrics.keys() for result in results}
    missing: dict[str, ExperimentConfig] = {}
    for seed in seeds:
        for row in study.rows:
            for pair in study.pairs:
                config = study.config(row, pair, seed, profile)
                if (row.metric or study.metric) not in measured.get(config.hash8, ()):
                    missing[config.hash8] = config
    return list(missing.values())


def histories(study: Study, results: Iterable[RunResult], profile: str) -> pd.DataFrame:
    """What the runs of a study logged while they trained: method, column, seed, step, and the logged values.

    A value that a run does not log, such as a loss that it does not compute, is NaN.
    """
    cells = Cells(study, results, profile)
    rows = [
        {"method": row.label, "column": column(pair), "seed": seed} | logged
        for row in study.rows
        for pair in study.pairs
        for seed, result in cells.results(row, pair).items()
        for logged in result.history
    ]
    return pd.DataFrame(rows, columns=None if rows else ["method", "column", "seed", "step"])


def unread_runs(studies: Iterable[Study], folder: Path, results: Iterable[RunResult], profile: str) -> list[str]:
    """The names of the studies' runs, of any seed, whose file lies in `folder` and is not among its `results`."""
    unread = {path.stem for path in folder.glob("*.json")} - {result.config.name for result in results}
    seeds = {int(found[1]) for name in unread if (found := re.search(r"-s(\d{1,9})-\w+$", name))}
    wanted = {config.name for study in studies for config in study.configs(profile, seeds)}
    return sorted(unread & wanted)


def run_seconds(study: Study, results: Iterable[RunResult], profile: str) -> pd.DataFrame:
    """Recorded wall time of the fastest run in seconds: one line a row of the study, one column a pair.

    Of the seeds that every row with runs has, so that rows compare; a row without runs is NaN, a pair without common
    seeds has no column. The fastest, since other work on the machine, which each run had more or less of, only adds.
    """
    cells, columns = Cells(study, results, profile), {}
    for pair in study.pairs:
        found = [cells.results(row, pair) for row in study.rows]
        common = set.intersection(*[set(runs) for runs in found if runs] or [set()])
        if common:
            seconds = [[runs[seed].provenance["seconds"] for seed in common if runs] for runs in found]
            columns[column(pair)] = [min(row, default=math.nan) for row in seconds]
    return pd.DataFrame(columns, index=[row.label for row in study.rows], dtype=float)


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """A `study_table` for reading: one line a method, then the paper's, one column a pair, cells as text.

    The head of a column names the pair and, where there is one, regime and backbone.

    A cell is "mean (low to high) n=..." with one decimal, the interval from three seeds on. The paper's is its number
    and, where ours stands above it, "(difference of ours, verdict)". A hole is "not run" or, of the paper's numbers,
    "not printed"; a row with a hole has no average.
    """
    columns = list(dict.fromkeys(table["column"]))
    papers = set(table.loc[table["paper"].notna(), "column"]) - {AVERAGE}
    lines, names = [], []
    for method, rows in table.groupby("method", sort=False):
        by_column = rows.set_index("column")
        if (rows["verdict"] != PRINTED).all():
            names.append(method)
            lines.append([_cell(by_column.loc[name], name) for name in columns])
        if by_column["paper"].notna().any():
            names.append(f"{method}, paper")
            printed = {name: _printed(by_column.loc[name]) for name in columns}
            lines.append([printed[name] or ("not printed" if name in papers else "") for name in columns])
    backbones = table.drop_duplicates("column").set_index("column")["backbone"]
    heads = [
        name.replace("->", " → ") + ("" if name == AVERAGE or backbones[name] == "none" else f", {backbones[name]}")
        for name in columns
    ]
    return pd.DataFrame(lines, index=names, columns=heads)


def _cell(line: pd.Series, name: str) -> str:
    if not line["n"]:
        return "" if name == AVERAGE else "not run"
    spread = "" if math.isnan(line["low"]) else f" ({line['low']:.1f} to {line['high']:.1f})"
    return f"{line['mean']:.1f}{spread} n={line['n']}"


def _printed(line: pd.Series) -> str:
    if math.isnan(line["paper"]):
        return ""
    return f"{line['paper']:.1f}" + (f" ({line['delta']:+.1f}, {line['verdict']})" if line["n"] else "")


def to_markdown(cells: pd.DataFrame, head: str = "method") -> str:
    """A `wide` table, or another one of text, as Markdown; head: that of its first column."""
    lines = ["| " + " | ".join([head, *cells.columns]) + " |", "|---" * (len(cells.columns) + 1) + "|"]
    lines += ["| " + " | ".join([name, *row]) + " |" for name, row in zip(cells.index, cells.values, strict=True)]
    return "\n".join(lines)


def to_latex(cells: pd.DataFrame, caption: str) -> str:
    """A `wide` table as a LaTeX table (booktabs)."""

    def escaped(text: str) -> str:
        return text.replace("_", r"\_").replace("%", r"\%").replace("→", r"$\to$")

    def line(texts: Iterable[str]) -> str:
        return " & ".join(escaped(text) for text in texts) + r" \\"

    body = [line([name, *row]) for name, row in zip(cells.index, cells.values, strict=True)]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escaped(caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * len(cells.columns)}}}",
            r"\toprule",
            line(["method", *cells.columns]),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def write_tables(study: Study, results: Iterable[RunResult], profile: str, folder: Path) -> pd.DataFrame:
    """The files of `Study.files` in `folder`: `study_table` as CSV (long), as Markdown and LaTeX (wide), differences.

    Returns:
        The long table.
    """
    table = study_table(study, results, profile)
    write_csv(table, folder / f"{study.name}.csv")
    cells = wide(table)
    write_text(folder / f"{study.name}.md", f"{study.title}, profile {profile}\n\n{to_markdown(cells)}\n")
    write_text(folder / f"{study.name}.tex", to_latex(cells, f"{study.title}, profile {profile}") + "\n")
    if study.differences:
        differences = own_differences(study, results, profile)
        as_text = differences["by_seed"].map(lambda values: " ".join(f"{value:.4f}" for value in values))
        write_csv(differences.assign(by_seed=as_text), folder / f"{study.name}-differences.csv")
    return table
