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
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from igan_lib.experiment.run import RunResult
from igan_lib.files import write_text
from igan_lib.reproduction.claims import SHOWN, averages, claim_parts, decide, effects_of, judged, told
from igan_lib.reproduction.durations import costs
from igan_lib.reproduction.effects import BY_WIDTH, RULES, VERDICTS, Evidence
from igan_lib.reproduction.failures import read_failures
from igan_lib.reproduction.findings import findings, in_one_column
from igan_lib.reproduction.paper_claims import CLAIMS, SLIPS, Claim
from igan_lib.reproduction.studies import STUDIES, Study, office_studies, own_folder
from igan_lib.reproduction.study_tables import missing_runs, own_differences, study_table, wide
from igan_lib.reproduction.tables import write_csv
from igan_lib.reproduction.workflow import Sweep

# The pictures that belong to a table, and the others with a heading; one that was not drawn yet is left out.
STUDY_FIGURES = {
    "table1": {"table1": "Means and intervals beside the paper's numbers"},
    "table2": {"table2": "Means and intervals"},
    "table3": {"table3": "Means and intervals"},
    "table4": {
        "table4": "Means and intervals beside the paper's numbers",
        "table4_differences": "What each loss adds, on the same seeds",
    },
    "table4-no-batch-norm": {"table4_no_batch_norm": "Means and intervals"},
    "arguments": {"arguments": "Differences to igan, on the same seeds; hollow: fewer than three"},
    "code-length": {"retrieval_code_length": "Retrieval by code length"},
}
COSTED = ("table4", "table4-no-batch-norm")  # their rows differ in what is computed
FIGURE2 = {"figure2": "The target's codes before and after adaptation", "figure2_key": "Colours and markers"}
CURVES = {
    "table4_curves": "Table 4's runs while they train: means over their seeds, from the first step with the target on",
    "training_losses": "The losses of one run of notebook 03: mnist5k → digits, profile quick",
    "retrieval_precision_recall": "Precision and recall by Hamming radius",
    "retrieval_protocols": "Mean average precision against accuracy, in both protocols",
}
KINDS = {"png": "image/png", "svg": "image/svg+xml"}


def write_report(sweep: Sweep, figures: Path, results: list[RunResult], damaged: Iterable[str] = ()) -> None:
    """Write `sweep.report`, and claims.csv and claims_parts.csv beside it.

    Args:
        figures: the folder of the pictures.
        results: of the runs that are there.
        damaged: one sentence for each result file that can't be read, as from `read_results`.
    """
    studies = STUDIES | office_studies(sweep.backbone, sweep.regime)
    figures = own_folder(figures, sweep.profile, sweep.backbone, sweep.regime, sweep.pairs)
    evidence = Evidence(results, sweep.profile, studies)
    claims = decide(evidence)
    write_csv(claims, sweep.report.with_name("claims.csv"))
    write_csv(claim_parts(evidence), sweep.report.with_name("claims_parts.csv"))
    verdicts = Counter(claims["verdict"])
    by_id = {claim.id: claim for claim in CLAIMS}
    page = _template().render(
        profile=sweep.profile,
        seeds=sweep.seeds,
        counts=[(verdict, verdicts[verdict]) for verdict in reversed(VERDICTS) if verdict in verdicts],
        rules=RULES,
        by_width=BY_WIDTH,
        claims=[line._asdict() | _evidence(evidence, by_id[line.claim]) for line in claims.itertuples(index=False)],
        tables=[_table(sweep, study, results, figures) for study in sweep.chosen()],
        figure2=pictures(FIGURE2, figures),
        curves=pictures(CURVES, figures),
        slips=SLIPS,
        averages=[line for line in averages().itertuples(index=False) if not line.follows],
        provenance=provenance_lines(result for result in results if result.config.profile == sweep.profile),
        failures=read_failures(sweep.tables / "failures.md"),
        # Where the results lie on this machine says nothing on another.
        damaged=[sentence.replace(str(sweep.results), "results") for sentence in damaged],
    )
    write_text(sweep.report, page)


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["formula"] = formula
    return environment.get_template("report.html.jinja")


def formula(text: str) -> Markup:
    """Text with its losses, such as L_c, as HTML; "n = 5" stays on one line."""
    whole = str(escape(text)).replace("n = ", "n&nbsp;=&nbsp;")
    return Markup(re.sub(r"\bL_(\w)", r"<i>L</i><sub>\1</sub>", whole))


def _evidence(evidence: Evidence, claim: Claim) -> dict[str, Any]:
    """How a claim was read, and the differences behind its verdict, each with its own; of many first a summary."""
    found = effects_of(evidence, claim)
    parts = judged(found)
    return {
        "reading": claim.reading,
        "summary": told(parts) if len(parts) > SHOWN else "",
        "parts": [(str(effect), effect.verdict) for effect in parts],
        "beside": [(beside, str(effect)) for beside, effect in found if beside and effect.n],
    }


def _table(sweep: Sweep, study: Study, results: list[RunResult], figures: Path) -> dict[str, Any]:
    """What the template shows of one study: its wide table, its pictures, its holes."""
    table = study_table(study, results, sweep.profile)
    cells = wide(table)
    return {
        "name": study.name,
        "title": study.title,
        "backbones": sorted(set(table["backbone"]) - {"none"}),
        "cells": _grid(cells),
        "pictures": pictures(STUDY_FIGURES.get(study.name, {}), figures),
        "differences": _differences(sweep, study, results),
        "costs": _grid(costs(study, results, sweep.results, sweep.profile)) if study.name in COSTED else None,
        "wanted": len(set(study.configs(sweep.profile, range(sweep.seeds)))),
        "missing": [config.name for config in missing_runs(study, results, sweep.profile, range(sweep.seeds))],
    }


def _differences(sweep: Sweep, study: Study, results: list[RunResult]) -> dict[str, Any] | None:
    """What each row adds, or how it differs from the first, in words and numbers; None of a study of neither."""
    if not study.differences:
        return None
    title = {"above": "what it adds to the row above", "first": "difference to the first row"}[study.differences]
    return _grid(in_one_column(findings({title: own_differences(study, results, sweep.profile)})))


def _grid(cells: pd.DataFrame) -> dict[str, Any]:
    """A table of text as the template takes it."""
    return {"columns": list(cells.columns), "rows": list(zip(cells.index, cells.values.tolist(), strict=True))}


def pictures(names: dict[str, str], folder: Path) -> list[tuple[str, str]]:
    """Caption and data URI of the pictures that are there, each in the smaller of its two formats."""
    found = []
    for name, caption in names.items():
        files = [path for kind in KINDS if (path := folder / f"{name}.{kind}").exists()]
        if files:
            path = min(files, key=lambda path: path.stat().st_size)
            data = base64.b64encode(path.read_bytes()).decode()
            found.append((caption, f"data:{KINDS[path.suffix[1:]]};base64,{data}"))
    return found


def provenance_lines(results: Iterable[RunResult]) -> list[tuple[str, str]]:
    """What the results recorded of their making: a name and, each with its number of runs, the values."""
    counts: dict[str, Counter[str]] = {}
    seconds = []
    for result in results:
        recorded = dict(result.provenance)
        seconds.append(float(recorded.get("seconds", 0.0)))
        # A run that was stopped and taken up again may be the work of several commits.
        commits = [_commit(part) for part in (*recorded.get("earlier", ()), recorded)]
        device = " ".join(str(recorded[key]) for key in ("device", "device_name") if recorded.get(key))
        values = {
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


def _commit(code: dict[str, Any]) -> str:
    commit = str(code.get("commit") or "unknown")[:10]
    return f"{commit}, with local changes" if code.get("dirty") else commit
