"""`open_study`: a table with its results at hand, for a notebook and for the command line."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from igan_lib.checkout import ROOT
from igan_lib.experiment.result import RunResult
from igan_lib.files import write_text
from igan_lib.reproduction import tables
from igan_lib.reproduction.claims import claims_about
from igan_lib.reproduction.results import SECONDS, frame, read_results, setting
from igan_lib.reproduction.studies import Study, column
from igan_lib.reproduction.workflow import Sweep, make_sweep


class OpenStudy:
    """A study with its results, for a notebook: `open_study("table1").wide`.

    Attributes:
        study, sweep: what is asked for; folder, figures: where its tables and its pictures go.
        all: the results; runs: their `results.frame`; damaged: one sentence for each file that can't be read.
        table: the `tables.study_table`, one line a cell.

    Args:
        read: what `read_results` gave, where it is at hand.
    """

    def __init__(self, study: Study, sweep: Sweep, read: tuple[list[RunResult], list[str]] | None = None) -> None:
        self.study, self.sweep, self.profile = study, sweep, sweep.profile
        self.folder, self.figures = sweep.tables, sweep.pictures
        self.all, self.damaged = read or read_results(sweep.results / "runs")
        self.runs = frame(self.all)
        self.table = tables.study_table(study, self.runs, self.profile)

    @property
    def wide(self) -> pd.DataFrame:
        """See `tables.wide`."""
        return tables.wide(self.table)

    def markdown(self) -> str:
        """The wide table as Markdown."""
        return self.wide.to_markdown(disable_numparse=True)

    def differences(self, against: str = "") -> pd.DataFrame:
        """See `tables.differences`."""
        return tables.differences(self.study, self.runs, self.profile, against)

    def claims(self) -> pd.DataFrame:
        """The paper's claims about this table: verdict and numbers, one line a claim."""
        return claims_about(self.study.name, self.runs, self.profile, {self.study.name: self.study})

    def write(self) -> None:
        """The table as CSV (long), as Markdown and LaTeX (wide), and its differences."""
        study, title = self.study, f"{self.study.title}, profile {self.profile}"
        tables.write_csv(self.table, self.folder / f"{study.name}.csv")
        write_text(self.folder / f"{study.name}.md", f"{title}\n\n{self.markdown()}\n")
        latex = self.wide.reset_index().to_latex(index=False, caption=title, escape=True)
        write_text(self.folder / f"{study.name}.tex", latex.replace("→", r"$\to$"))
        if study.differences:
            found = self.differences()
            by_seed = found["by_seed"].map(lambda values: " ".join(f"{value:.4f}" for value in values))
            tables.write_csv(found.assign(by_seed=by_seed), self.folder / f"{study.name}-differences.csv")

    def save(self, figure: Any, name: str) -> Any:
        """Write a figure as `name`.png and .svg into `figures`; returns it, so that a notebook shows it."""
        from igan_lib.plots.style import save_figure

        save_figure(figure, self.figures, name)
        return figure

    @property
    def missing_runs(self) -> list[str]:
        """The names of the runs that are not there or lack what the study measures, each once."""
        have, missing = set(zip(self.runs["setting"], self.runs["seed"], self.runs["metric"], strict=True)), {}
        for seed in range(self.sweep.seeds):
            for row, _, config in self.study.cells(self.profile, seed):
                if (setting(config), seed, row.metric or self.study.metric) not in have:
                    missing[config.name] = None
        return list(missing)

    @property
    def missing(self) -> str:
        """What is missing, as Markdown."""
        names = self.missing_runs
        lines = "\n".join(f"    {name}" for name in names[:20])
        more = f"\n    and {len(names) - 20} more" if len(names) > 20 else ""
        return f"{len(names)} runs are missing.\n\n{lines}{more}" if names else "No run is missing."

    @property
    def unread(self) -> list[str]:
        """The names of the study's runs, of any seed, whose file is there and can't be read."""
        unread = {path.stem for path in (self.sweep.results / "runs").glob("*.json")}
        unread -= {result.config.name for result in self.all}
        seeds = {int(found[1]) for name in unread if (found := re.search(r"-s(\d{1,9})-\w+$", name))}
        return sorted(unread & {config.name for config in self.study.configs(self.profile, seeds)})

    def costs(self) -> pd.DataFrame:
        """Seconds of a run, of the fastest seed, and of Tables 1, 2, 4 ms of a step; as text.

        Steps were measured in turn in one run, so they compare. Runs were not: other work on the machine adds to their
        time, so the fastest is shown.
        """
        rows, columns = [row for row in self.study.rows if row.metric is None], {}
        for pair in self.study.pairs:
            cells = [self.study.cell(self.runs, row, pair, self.profile, SECONDS).values for row in rows]
            if any(cells):
                head = f"s a run, {column(pair).replace('->', ' → ')}"
                columns[head] = [min(cell.values(), default=math.nan) for cell in cells]
        table = pd.DataFrame(columns, index=[row.label for row in rows], dtype=float)
        for size, steps in self._step_times().items():
            table[f"ms a step, {size.replace('->', ' → ')}"] = pd.Series(steps)
        return table.map(lambda value: "" if math.isnan(value) else f"{value:.0f}")

    def _step_times(self) -> dict[str, dict[str, float]]:
        """Size of a step -> row -> its milliseconds, of the usual tables, where `benchmarks` wrote it."""
        ablation = self.study.name == "table4"  # measured with batch norm, as this table has it
        usual = self.folder == self.sweep.results / "tables"
        bench = self.sweep.results / ("benchmarks.json" if ablation else "benchmarks_methods.json")
        found = json.loads(bench.read_text(encoding="utf-8")) if usual and bench.exists() else {}
        return found.get("cpu", {}).get("losses_ms", {}) if ablation else found.get(self.study.name, {})


def open_study(
    name: str, *, results: Path | str = ROOT / "results", figures: Path | str = ROOT / "figures", **choice: Any
) -> OpenStudy:
    """The table called `name` (of `studies.STUDIES`) with the results that are there.

    `choice`: fields of `workflow.Sweep`: profile, seeds (how many are wanted), backbone and regime (of Office-31's
    tables), pairs (in the place of the table's own). ConfigError: an unknown table, field or value.
    """
    sweep = make_sweep({"studies": (name,), "results": results, "figures": figures, **choice})
    return OpenStudy(sweep.chosen()[0], sweep)
