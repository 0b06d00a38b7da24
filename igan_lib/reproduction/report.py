"""The report: one HTML file, whole in itself, of what a sweep's results say. Its text and look: report.html.jinja.

The same results give the same file: it names no time and no machine but those that the results recorded.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from igan_lib.experiment.result import RunResult, commit_of
from igan_lib.files import write_text
from igan_lib.reproduction.claims import SHOWN, claim_parts, claim_verdicts
from igan_lib.reproduction.estimate import VERDICTS
from igan_lib.reproduction.opened import OpenStudy
from igan_lib.reproduction.paper import SLIPS, averages
from igan_lib.reproduction.results import frame, read_results
from igan_lib.reproduction.sentences import CLAIMS
from igan_lib.reproduction.studies import STUDIES, office_studies
from igan_lib.reproduction.tables import wide_differences, write_csv
from igan_lib.reproduction.workflow import Sweep

# The pictures that belong to a table, and the others with a heading; one that was not drawn yet is left out.
STUDY_FIGURES = {
    **{name: {name: "Means and intervals beside the paper's numbers"} for name in ("table1", "table2", "table3")},
    "table4": {
        "table4": "Means and intervals beside the paper's numbers",
        "table4_differences": "What each loss adds, on the same seeds",
    },
    "table4-no-batch-norm": {"table4_no_batch_norm": "Means and intervals"},
    "arguments": {"arguments": "Differences to igan, on the same seeds; hollow: fewer than three"},
    "igan-plus": {"igan_plus": "Differences to igan in accuracy, on the same seeds"},
    "code-length": {"retrieval_code_length": "Retrieval by code length"},
}
COSTED = ("table1", "table2", "table4", "table4-no-batch-norm")  # their rows differ in what is computed
FIGURE2 = {"figure2": "The target's codes before and after adaptation", "figure2_key": "Colours and markers"}
CURVES = {
    "table4_curves": "Table 4's runs while they train: means over their seeds, from the first step with the target on",
    "training_losses": "The losses of one run of notebook 03: mnist5k → digits12, profile quick",
    "retrieval_precision_recall": "Precision and recall by Hamming radius",
    "retrieval_protocols": "Mean average precision against accuracy, in both protocols",
}
KINDS = {"png": "image/png", "svg": "image/svg+xml"}
FULL = 9.0  # inches of a picture that takes the page's whole width (`plots.style.WIDTH`)
PNG_DPI = 200  # as in plots/igan.mplstyle


def write_report(sweep: Sweep) -> list[OpenStudy]:
    """Write `sweep.report`, and claims.csv and claims_parts.csv beside it; returns the studies that it shows."""
    results, damaged = read = read_results(sweep.results / "runs")
    opened = [OpenStudy(study, sweep, read) for study in sweep.chosen()]
    studies, runs = STUDIES | office_studies(sweep.backbone, sweep.regime), frame(results)
    claims = claim_verdicts(runs, sweep.profile, studies=studies)
    parts = claim_parts(runs, sweep.profile, studies=studies)
    write_csv(claims, sweep.report.with_name("claims.csv"))
    write_csv(parts.drop(columns="text"), sweep.report.with_name("claims_parts.csv"))
    verdicts = Counter(claims["verdict"])
    blocks = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **blocks)
    environment.filters |= {"formula": formula, "parts": parts_of}
    page = environment.get_template("report.html.jinja").render(
        profile=sweep.profile,
        seeds=sweep.seeds,
        counts=[(verdict, verdicts[verdict]) for verdict in VERDICTS if verdict in verdicts],
        rules=VERDICTS,
        claims=[_claim(line, parts[parts["claim"] == line.claim]) for line in claims.itertuples(index=False)],
        tables=[_table(one) for one in opened],
        figure2=pictures(FIGURE2, sweep.pictures),
        curves=pictures(CURVES, sweep.pictures),
        slips=SLIPS,
        averages=averages(),
        provenance=provenance_lines(result for result in results if result.config.profile == sweep.profile),
        failures=[item | {"log": item["log"].replace(str(sweep.results), "results")} for item in sweep.unfinished()],
        # Where the results lie on this machine says nothing on another.
        damaged=[sentence.replace(str(sweep.results), "results") for sentence in damaged],
    )
    write_text(sweep.report, page)
    return opened


def formula(text: str) -> Markup:
    """Text with its losses, such as L_c, as HTML; "n = 5" stays on one line."""
    whole = str(escape(text)).replace("n = ", "n&nbsp;=&nbsp;")
    return Markup(re.sub(r"\bL_(\w)", r"<i>L</i><sub>\1</sub>", whole))


def parts_of(cell: str) -> list[str]:
    """A cell's estimate, its number of seeds and what the paper has: a narrow column breaks only between these."""
    return re.split(r" (?=n=)|(?<=,) (?=paper |\d+ % of it)", cell)


def _claim(line: Any, parts: pd.DataFrame) -> dict[str, Any]:
    """A line of `claim_verdicts`, how the sentence was read, and the comparisons behind it, each with its verdict."""
    reading = next(claim.reading for claim in CLAIMS if claim.id == line.claim)
    own, beside = parts[parts["beside"] == ""], parts[(parts["beside"] != "") & (parts["n"] > 0)]
    texts = [(part.text, f"{part.verdict}{': ' if part.reason else ''}{part.reason}") for part in own.itertuples()]
    shown = {"reading": reading, "summary": line.numbers if (own["n"] > 0).sum() > SHOWN else "", "parts": texts}
    return line._asdict() | shown | {"beside": [(part.beside, part.text) for part in beside.itertuples()]}


def _table(opened: OpenStudy) -> dict[str, Any]:
    """What the template shows of one study: its wide table, its pictures, its holes."""
    study = opened.study
    return {
        "name": study.name,
        "title": study.title,
        "backbones": sorted(set(opened.table["backbone"]) - {"none"}),
        "cells": _grid(opened.wide),
        "pictures": pictures(STUDY_FIGURES.get(study.name, {}), opened.figures),
        "differences": _grid(wide_differences(opened.differences())) if study.differences else None,
        "costs": _grid(opened.costs()) if study.name in COSTED else None,
        "wanted": len({config.name for config in study.configs(opened.profile, range(opened.sweep.seeds))}),
        "missing": opened.missing_runs,
    }


def _grid(cells: pd.DataFrame) -> dict[str, Any]:
    """A table of text as the template takes it."""
    return {"columns": list(cells.columns), "rows": list(zip(cells.index, cells.values.tolist(), strict=True))}


def pictures(names: dict[str, str], folder: Path) -> list[dict[str, str | int]]:
    """Of the pictures that are there: caption, data URI of the smaller format, and share of the page's width."""
    found = []
    for name, caption in names.items():
        files = [path for kind in KINDS if (path := folder / f"{name}.{kind}").exists()]
        if files:
            path = min(files, key=lambda path: path.stat().st_size)
            data = base64.b64encode(path.read_bytes()).decode()
            uri = f"data:{KINDS[path.suffix[1:]]};base64,{data}"
            found.append({"caption": caption, "uri": uri, "share": min(100, round(100 * _inches(path) / FULL))})
    return found


def _inches(path: Path) -> float:
    """The width of a picture; of an SVG that does not tell its own, the page's."""
    data = path.read_bytes()
    if path.suffix == ".png":
        return int.from_bytes(data[16:20]) / PNG_DPI
    told = re.search(rb'<svg[^>]* width="([\d.]+)pt"', data)
    return float(told[1]) / 72 if told else FULL


def provenance_lines(results: Iterable[RunResult]) -> list[tuple[str, str]]:
    """What the results recorded of their making: a name and, each with its number of runs, the values."""
    counts: dict[str, Counter[str]] = {}
    seconds = []
    for result in results:
        recorded = dict(result.provenance)
        seconds.append(float(recorded.get("seconds", 0.0)))
        # A run that was stopped and taken up again may be the work of several commits.
        commits = [commit_of(part) for part in (*recorded.get("earlier", ()), recorded)]
        device = " ".join(str(recorded[key]) for key in ("device", "device_name") if recorded.get(key))
        values = {
            "version": f"{result.config.method} {result.config.version}",
            "commit": " and ".join(dict.fromkeys(commits)),
            "device": device or "unknown",
            "threads": str(recorded.get("threads", "unknown")),
            "Python": str(recorded.get("python", "unknown")),
            **recorded.get("packages", {}),
        }
        for name, value in values.items():
            counts.setdefault(name, Counter())[value] += 1
    lines = [("results", str(len(seconds))), ("recorded time", f"{sum(seconds) / 3600:.1f} h in total")]
    for name, by_value in counts.items():
        ordered = sorted(by_value.items(), key=lambda item: (-item[1], item[0]))
        lines.append((name, ", ".join(f"{value} ({count})" for value, count in ordered)))
    return lines
