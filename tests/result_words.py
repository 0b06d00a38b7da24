"""Numbers and texts that tests hold against each other: what the results say, and what a notebook says of it."""

import statistics
from functools import cache

import nbformat
from scipy import stats

from igan_lib.checkout import ROOT
from igan_lib.reproduction import opened
from igan_lib.reproduction.estimate import Estimate

README = (ROOT / "README.md").read_text(encoding="utf-8")
open_study = cache(opened.open_study)  # to read a thousand results takes most of a second


def text_of(name):
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return " ".join(text.replace("\n> ", " ").split())


def mean(study, label, column, metric=None):
    found = open_study(study)
    pair = tuple(column.split("->"))
    return found.study.cell(found.runs, found.study.row(label), pair, "cpu", metric).mean


def paired(study, row, base, pair):
    """Mean and 95 % interval of a row over another one, seed by seed."""
    read = open_study(study)
    found = [read.study.cell(read.runs, read.study.row(label), pair, "cpu").values for label in (row, base)]
    over = [found[0][seed] - found[1][seed] for seed in sorted(found[0].keys() & found[1].keys())]
    return (statistics.mean(over), *stats.t.interval(0.95, len(over) - 1, statistics.mean(over), stats.sem(over)))


def average_lead(opened, row, base, pairs):
    """What a row of a study has over another on the average of these pairs, on the seeds that both have in each."""
    rows = (opened.study.row(label) for label in (row, base))
    ours, others = ([opened.study.cell(opened.runs, one, pair, "cpu") for pair in pairs] for one in rows)
    leads = [(cell - other).values for cell, other in zip(ours, others, strict=True)]
    seeds = set.intersection(*map(set, leads))
    return Estimate({seed: sum(lead[seed] for lead in leads) / len(leads) for seed in seeds}, kind="difference")
