"""Tables, times and measured numbers in README, docs and notebook heads, filled from the results.

    python docs/fill_numbers.py [--results results]

What is filled stands between two comments that no reader sees:

    <!-- results --> the paper's number of each column of Tables 1 to 3 beside ours, with its verdict <!-- end -->
    <!-- claims --> the paper's claims and their verdicts <!-- end -->
    <!-- trials --> the trials of the compared methods in selection.csv, the best mean in bold <!-- end -->
    <!-- time: notebook 00_quickstart --> how long the executed copy of that notebook took <!-- end -->
    <!-- time: run igan mnist usps --> how long a run of that method and pair takes <!-- end -->
    <!-- measured: benchmarks.json cpu/step/ratio .2f --> a number of that file, by keys and format <!-- end -->
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import nbformat
import pandas as pd

from igan_lib.checkout import ROOT
from igan_lib.errors import ConfigError, IganError
from igan_lib.experiment.presets import preset
from igan_lib.experiment.result import RunResult
from igan_lib.files import write_text
from igan_lib.reproduction.claims import claim_verdicts
from igan_lib.reproduction.results import SECONDS, frame, read_results, values
from igan_lib.reproduction.studies import STUDIES, column

BLOCK = re.compile(r"<!-- (results|claims|trials|time: .*?|measured: .*?) -->.*?<!-- end -->", flags=re.DOTALL)


def fill_text(text: str, results: Iterable[RunResult], folder: Path, profile: str = "cpu") -> str:
    """Markdown with what each comment names between it and its end.

    Args:
        folder: `results`, with the executed notebooks and the benchmarks; profile: of the runs that count.

    Raises:
        ConfigError: a comment names what does not exist, or has no end before the next one.
    """
    runs = frame(results)

    def fills(found: re.Match[str]) -> str:
        asked = found[1]
        match asked.split():
            case ["results"]:
                shown = f"\n{results_table(runs, profile)}\n"
            case ["claims"]:
                shown = f"\n{claims_table(runs, profile)}\n"
            case ["trials"]:
                shown = f"\n{trials_table(pd.read_csv(folder / 'selection.csv'))}\n"
            case ["time:", "notebook", name]:
                shown = format_seconds(notebook_seconds(folder / "notebooks" / f"{name}.ipynb"))
            case ["time:", "run", method, source, target]:
                shown = format_seconds(run_seconds(runs, method, source, target, profile))
            case ["measured:", file, *keys, form]:
                shown = format(_measured(folder / file, " ".join(keys)), form)
            case _:
                raise ConfigError(
                    f"Expected what fill_numbers.py lists after <!--, found {asked!r} in the text: correct it."
                )
        return f"<!-- {asked} -->{shown}<!-- end -->"

    begun = re.findall(r"<!-- (?:results|claims|trials|time:|measured:)", text)
    if len(begun) != len(BLOCK.findall(text)):
        raise ConfigError("Expected <!-- end --> after each comment that is filled, found one without: write it in.")
    return BLOCK.sub(fills, text)


def fill(path: Path, results: Iterable[RunResult], folder: Path, profile: str = "cpu") -> bool:
    """Fill a Markdown file, or the Markdown cells of a notebook, in place; whether anything changed."""
    results, before = list(results), path.read_text(encoding="utf-8")
    if "<!-- end -->" not in before:
        return False
    if path.suffix == ".ipynb":
        notebook = nbformat.reads(before, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = fill_text(cell.source, results, folder, profile)
        after = nbformat.writes(notebook) + "\n"
    else:
        after = fill_text(before, results, folder, profile)
    if after != before:
        write_text(path, after)
    return after != before


def results_table(runs: pd.DataFrame, profile: str) -> str:
    """The paper's own row of Tables 1, 2 and 3: each column's number, ours with its intervals, and the verdict."""
    lines = []
    for number, name in enumerate(("table1", "table2", "table3"), start=1):
        study = STUDIES[name]
        row = study.row("igan")
        for pair in study.pairs:
            cell = study.cell(runs, row, pair, profile)
            ours, spread, further = "not run" if not cell.n else f"{cell.mean:.1f}", "", ""
            if cell.n == 1:
                spread = " (one seed)"
            elif cell.n:
                spread, further = f" ({_ends(cell.interval)})", _ends(cell.predicted)
            printed = "none" if cell.printed is None else f"{cell.printed:.1f}"
            verdict = cell.verdict or "not comparable"
            lines.append([f"{number}", column(pair).replace("->", " → "), printed, f"{ours}{spread}", further, verdict])
    columns = ["table", "column", "paper", "ours (95 % interval of the mean)", "95 % of further runs", "verdict"]
    return pd.DataFrame(lines, columns=columns).to_markdown(index=False, disable_numparse=True)


def _ends(interval: tuple[float, float]) -> str:
    return " to ".join(f"{end:.1f}" for end in interval)


def claims_table(runs: pd.DataFrame, profile: str) -> str:
    """Section, sentence, verdict and numbers of each claim."""
    claims = claim_verdicts(runs, profile)
    names = {"section": "section", "sentence": "the paper", "verdict": "verdict", "numbers": "numbers, in points"}
    return claims[list(names)].rename(columns=names).to_markdown(index=False, disable_numparse=True)


def trials_table(selection: pd.DataFrame) -> str:
    """Accuracy, and what D told apart, of the compared methods that have trials beside their published weights.

    The settings are called as in `selection.csv`, without the word "compared".
    """
    found = selection[selection["setting"].str.contains("compared ")].copy()
    found["setting"] = found["setting"].str.replace("labels compared", "features:").str.replace("compared", "images:")
    found["method"] = found["setting"].str.split().str[:2].str.join(" ")
    lines = []
    for _, tried in found.groupby("method", sort=False):
        settings = [own for _, own in tried.groupby("setting", sort=False)]
        settings.sort(key=lambda own: own["setting"].iloc[0] != own["method"].iloc[0])  # the published one first
        means = [own["accuracy"].mean() if len(own) == 2 else 0.0 for own in settings]
        for own, mean in zip(settings, means, strict=True) if len(settings) > 1 else ():
            told = [", ".join(f"{share:.2f}" for share in own[d].dropna()) for d in ("D_s", "D_t")]
            values = [f"{value:.1f}" for value in own["accuracy"]] + ["cut"] * (2 - len(own))
            shown = f"{mean:.1f}" if mean else ""
            lines.append([own["setting"].iloc[0], *values, f"**{shown}**" if mean == max(means) else shown, *told])
    head = ["setting", "first pair", "second pair", "mean", "D_s", "D_t"]
    return pd.DataFrame(lines, columns=head).to_markdown(index=False, disable_numparse=True)


def format_seconds(seconds: float) -> str:
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
    noted = None
    if copy.exists():
        noted = nbformat.read(copy, as_version=4).metadata.get("papermill", {}).get("duration")
    if noted is None:
        raise ConfigError(
            f"Expected the time of an executed notebook in {copy}, found none: execute it, as in "
            f"python -m igan_lib notebook notebooks/{copy.name} {copy}."
        )
    return float(noted)


def run_seconds(runs: pd.DataFrame, method: str, source: str, target: str, profile: str) -> float:
    """The median time of the runs of a preset, all seeds; the median, since a run may have shared its core.

    Raises:
        ConfigError: there is no such run.
    """
    found = values(runs, preset(source, target, method=method, profile=profile), SECONDS)
    if not found:
        raise ConfigError(f"Expected runs of {method} on {source} -> {target} ({profile}), found none: run it first.")
    return float(pd.Series(found).median())


def _measured(path: Path, keys: str) -> float:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        for key in keys.split("/"):
            value = value[key]
    except (OSError, LookupError, TypeError) as error:
        raise ConfigError(
            f"Expected {keys} in {path.name}, found none for {error}: measure it with make bench, or correct the text."
        ) from error
    return value


def main() -> int:
    """Fill the README, the docs, the notebooks and their executed copies; name the files that changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder (default: the project's)")
    folder = parser.parse_args().results
    results, damaged = read_results(folder / "runs")
    folders = {ROOT / "docs": "*.md", ROOT / "notebooks": "*.ipynb", folder / "notebooks": "*.ipynb"}
    texts = [ROOT / "README.md", *(path for where, kind in folders.items() for path in sorted(where.glob(kind)))]
    try:
        if damaged:
            raise ConfigError("\n".join(damaged))
        changed = [path for path in texts if fill(path, results, folder)]
    except IganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"filled {path}" for path in changed) or "everything was up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
