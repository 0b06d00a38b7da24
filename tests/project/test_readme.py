"""The README tells the truth: its table is that of the results, its links lead somewhere, its commands parse."""

import json
import re
import shlex

import nbformat
import pytest
from fill_numbers import fill_text
from result_words import README

from igan_lib.checkout import ROOT
from igan_lib.cli import _parser
from igan_lib.reproduction.results import read_results
from igan_lib.reproduction.studies import STUDIES

LINKS = re.findall(r"\]\(([^)#]+)\)", README)
COMMANDS = [line.strip() for line in README.splitlines() if line.startswith("    igan ")]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FILLED = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def results():
    found, damaged = read_results(ROOT / "results" / "runs")
    assert not damaged
    return found


def test_it_is_a_page_and_a_half():
    assert len(README.splitlines()) <= 130


@pytest.mark.parametrize("path", FILLED, ids=lambda path: path.name)
def test_tables_and_times_are_made_from_the_committed_results(path, results):
    text = path.read_text(encoding="utf-8")
    assert fill_text(text, results, ROOT / "results") == text, "make readme"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_s_time_is_that_of_its_executed_copy(path, results):
    head = nbformat.read(path, as_version=4).cells[0].source
    assert f"- **Time:** about <!-- time: notebook {path.stem} -->" in head
    assert fill_text(head, results, ROOT / "results") == head
    row = next(line for line in README.splitlines() if line.startswith(f"| [{path.stem}]"))
    assert f"<!-- time: notebook {path.stem} -->" in row


@pytest.mark.parametrize("link", sorted({link for link in LINKS if "://" not in link}))
def test_links_lead_to_files(link):
    assert (ROOT / link).exists()


def test_commands_parse():
    assert len(COMMANDS) >= 3
    for command in COMMANDS:
        assert callable(_parser().parse_args(shlex.split(command)[1:]).command), command


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    tables = makefile.replace("\\\n", " ").partition("\nTABLES := ")[2].partition("\n")[0].split()
    assert set(tables) == set(STUDIES)
    targets = {*re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE), *tables}
    named = set(re.findall(r"(?:^    |`)make ([a-z0-9-]+)", README, flags=re.MULTILINE))
    assert {"quickstart", "test"} <= named <= targets


def test_every_function_of_the_map_exists():
    import igan_lib
    from igan_lib.photos import adapt, trained
    from igan_lib.reproduction import claims
    from tools import figure2, probe

    scope = {name: getattr(igan_lib, name) for name in igan_lib.__all__}
    scope |= {name: getattr(igan_lib.losses, name) for name in dir(igan_lib.losses)}
    scope |= {"probe": probe, "claims": claims, "figure2": figure2}
    scope |= {"adapt": adapt.adapt, "search": trained.search, "add": trained.add}
    rows = [line.strip("|").split("|") for line in README.splitlines() if line.startswith(("| [0", "| [1"))]
    assert len(rows) == len(NOTEBOOKS)
    for _, _, functions, *_ in rows:
        named = re.findall(r"`([\w.]+)", functions)
        assert named
        for name in named:
            first, *rest = name.split(".")
            assert first in scope and (not rest or hasattr(scope[first], rest[0])), name


def test_benchmarks_are_there():
    for name in (
        "benchmarks",
        "benchmarks_retrieval",
        "benchmarks_features",
        "benchmarks_threads",
        "benchmarks_methods",
    ):
        assert json.loads((ROOT / "results" / f"{name}.json").read_text())
