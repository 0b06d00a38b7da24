"""Tables and times in the README and in the notebooks' heads, filled from the results: none is typed by hand.

What is filled stands between two comments that no reader sees:

    <!-- study: table1 --> the table of that study <!-- end -->
    <!-- added: table4 with, table4-no-batch-norm without --> what each row adds to the one above it, or how it differs
        from the first one, in these studies, each under its title <!-- end -->
    <!-- costs: table4 --> what a run and a step of each row of that study took <!-- end -->
    <!-- claims: verdicts --> the paper's claims and their verdicts <!-- end -->
    <!-- time: notebook 00_quickstart --> how long the executed copy of that notebook took <!-- end -->
    <!-- time: run igan mnist usps --> how long a run of that method and pair takes <!-- end -->
    <!-- measured: benchmarks.json cpu/step/ratio .2f --> a number of that file, by keys and format <!-- end -->
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import nbformat

from igan_lib.errors import ConfigError
from igan_lib.experiment.run import RunResult
from igan_lib.files import write_text
from igan_lib.reproduction.claims import decide, effects_of, judged, weakest
from igan_lib.reproduction.durations import costs, notebook_seconds, preset_seconds, spoken
from igan_lib.reproduction.effects import Evidence
from igan_lib.reproduction.findings import findings, in_one_column
from igan_lib.reproduction.paper_claims import CLAIMS
from igan_lib.reproduction.studies import STUDIES, Study
from igan_lib.reproduction.study_tables import own_differences, study_table, to_markdown, wide

ADDED = re.compile(r"<!-- added: (.*?) -->\n.*?<!-- end -->", flags=re.DOTALL)
TABLE = re.compile(r"<!-- study: (\S+) -->\n.*?<!-- end -->", flags=re.DOTALL)
COSTS = re.compile(r"<!-- costs: (\S+) -->\n.*?<!-- end -->", flags=re.DOTALL)
VERDICTS = re.compile(r"<!-- claims: verdicts -->\n.*?<!-- end -->", flags=re.DOTALL)
TIME = re.compile(r"<!-- time: (.*?) -->.*?<!-- end -->")
MEASURED = re.compile(r"<!-- measured: (\S+) (.*?) (\S+) -->.*?<!-- end -->")


def filled(text: str, results: Iterable[RunResult], folder: Path, profile: str = "cpu") -> str:
    """`text` with what each comment names between it and its end.

    Args:
        text: Markdown.
        results: of the runs.
        folder: `results`, with the executed notebooks and the benchmarks.
        profile: of the runs that count.

    Raises:
        ConfigError: a comment names what does not exist, or has no end before the next one.
    """
    results = list(results)

    def study(name: str) -> Study:
        if name not in STUDIES:
            raise ConfigError(f"Expected a table among {', '.join(STUDIES)}, found {name!r} in the text: correct it.")
        return STUDIES[name]

    def table(found: re.Match[str]) -> str:
        cells = wide(study_table(study(found.group(1)), results, profile))
        return f"<!-- study: {found.group(1)} -->\n{to_markdown(cells)}\n<!-- end -->"

    def added(found: re.Match[str]) -> str:
        titled = [part.strip().partition(" ") for part in found.group(1).split(",")]
        asked = [study(name) for name, _, _ in titled]
        if not all(each.differences for each in asked):
            raise ConfigError(
                f"Expected studies of differences, found {found.group(1)!r} in the text: leave out the others."
            )
        tables = [own_differences(each, results, profile) for each in asked]
        cells = findings({title: table for (_, _, title), table in zip(titled, tables, strict=True)})
        cells = cells[~(cells.drop(columns="paper", errors="ignore") == "not run").all(axis=1)]
        cells = in_one_column(cells)
        head = "added" if {each.differences for each in asked} == {"above"} else "changed"
        return f"<!-- added: {found.group(1)} -->\n{to_markdown(cells, head=head)}\n<!-- end -->"

    def cost(found: re.Match[str]) -> str:
        cells = costs(study(found.group(1)), results, folder, profile)
        return f"<!-- costs: {found.group(1)} -->\n{to_markdown(cells)}\n<!-- end -->"

    def claims(found: re.Match[str]) -> str:
        evidence = Evidence(results, profile)
        effects = [weakest(judged(effects_of(evidence, claim))) for claim in CLAIMS]
        table = decide(evidence).assign(weakest=[str(effect) for effect in effects])
        names = {"sentence": "the paper", "verdict": "verdict", "weakest": "the weakest difference behind it"}
        cells = table.set_index("section")[list(names)].rename(columns=names)
        return f"<!-- claims: verdicts -->\n{to_markdown(cells, head='section')}\n<!-- end -->"

    def time(found: re.Match[str]) -> str:
        match found.group(1).split():
            case "notebook", name:
                seconds = notebook_seconds(folder / "notebooks" / f"{name}.ipynb")
            case "run", method, source, target:
                seconds = preset_seconds(results, method, source, target, profile)
            case _:
                raise ConfigError(
                    "Expected a time as in 'notebook 00_quickstart' or 'run igan mnist usps', "
                    f"found {found.group(1)!r} in the text: correct it."
                )
        return f"<!-- time: {found.group(1)} -->{spoken(seconds)}<!-- end -->"

    def number(found: re.Match[str]) -> str:
        file, keys, form = found.groups()
        try:
            value = json.loads((folder / file).read_text(encoding="utf-8"))
            for key in keys.split("/"):
                value = value[key]
        except (OSError, LookupError, TypeError) as error:
            raise ConfigError(
                f"Expected {keys} in {file}, found none for {error}: measure it with make bench, or correct the text."
            ) from error
        return f"<!-- measured: {file} {keys} {form} -->{value:{form}}<!-- end -->"

    kinds = (
        ("study: NAME", TABLE, table),
        ("added: NAME TITLE", ADDED, added),
        ("costs: NAME", COSTS, cost),
        ("claims: verdicts", VERDICTS, claims),
        ("time: WHAT", TIME, time),
        ("measured: FILE KEYS FORMAT", MEASURED, number),
    )
    for kind, block, fills in kinds:
        if len(block.findall(text)) != text.count(f"<!-- {kind.split()[0]} "):
            raise ConfigError(
                f"Expected <!-- end --> after each <!-- {kind} --> of the text, found one without: write it in."
            )
        text = block.sub(fills, text)
    return text


def fill(path: Path, results: Iterable[RunResult], folder: Path, profile: str = "cpu") -> bool:
    """Fill a Markdown file, or the Markdown cells of a notebook, in place; whether anything changed."""
    results, before = list(results), path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        notebook = nbformat.reads(before, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = filled(cell.source, results, folder, profile)
        after = nbformat.writes(notebook) + "\n"
    else:
        after = filled(before, results, folder, profile)
    if after != before:
        write_text(path, after)
    return after != before
