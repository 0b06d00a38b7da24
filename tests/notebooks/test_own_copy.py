"""A reader's copy takes what is new, keeps what is hers, and leaves the project as it is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import own_copy
from tools.own_copy import make_copy

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    files = {"notebooks/00.ipynb": "first", "notebooks/tools/views.py": "x = 1", "results/runs/a.json": "a"}
    files |= {"results/benchmarks.json": "old", "results/tables/t.csv": "t", "igan_lib/files.py": "", "README.md": ""}
    files |= {"docs/choices.md": "why"}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_copy_has_what_a_notebook_reads_and_later_what_is_new(project, tmp_path):
    before, own = contents(project), tmp_path / "own"
    assert make_copy(own, project) == 5 and make_copy(own, project) == 0
    assert (own / "notebooks" / "tools" / "views.py").read_text() == "x = 1" and not (own / "results/tables").exists()
    (own / "notebooks" / "00.ipynb").write_text("mine")
    (own / "results" / "runs" / "a.json").write_text("made by me")
    (own / "results" / "runs" / "b.json").write_text("mine too")
    (own / "docs" / "choices.md").write_text("my notes")
    assert contents(project) == before
    (project / "notebooks" / "00.ipynb").write_text("second")
    (project / "notebooks" / "01.ipynb").write_text("new")
    (project / "results" / "benchmarks.json").write_text("newer")
    assert make_copy(own, project) == 2
    read = contents(own / "notebooks") | contents(own / "results")
    assert (read["00.ipynb"], read["01.ipynb"], read["benchmarks.json"]) == ("mine", "new", "newer")
    assert (read["runs/a.json"], read["runs/b.json"]) == ("made by me", "mine too")


def test_a_project_that_was_moved_is_linked_anew(project, tmp_path):
    own = tmp_path / "own"
    make_copy(own, project)
    moved = project.rename(tmp_path / "moved")
    make_copy(own, moved)
    assert (own / "notebooks" / "tools").resolve() == moved / "notebooks" / "tools"


def test_what_the_notebooks_name_is_there(tmp_path):
    make_copy(tmp_path)
    missing = set()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            for link in "".join(cell["source"]).split("](")[1:] if cell["cell_type"] == "markdown" else ():
                target = link.partition(")")[0].partition("#")[0]
                if target and "://" not in target and not (tmp_path / "notebooks" / target).exists():
                    missing.add(target)
    assert missing == set()


def test_git_ignores_it_and_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    assert "own/" in (ROOT / ".gitignore").read_text().splitlines()
    (tmp_path / "own").write_text("a file")
    words = [sys.executable, own_copy.__file__, str(tmp_path / "own")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout.startswith("Expected a folder that can be written") and not done.stderr
