"""One call makes runs, table, notebooks and a report, and makes anew what has changed."""

import base64
import os
import re
import subprocess

import nbformat
import pytest
from snakemake_calls import command, copy_with_small_table1, environment, planned, write_data


def call_project(folder, *options, **keys):
    """A call in a copy of the project, by its own workflow, library and notebooks."""
    words = command(folder, *options, snakefile=folder / "Snakefile", target="report", pairs="", **keys)
    own = environment(PYTHONPATH=str(folder))
    return subprocess.run(words, capture_output=True, text=True, env=own, cwd=folder)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project whose table1 has the tiny pair for its own, and what one call for its report made."""
    folder = tmp_path_factory.mktemp("project")
    write_data(folder)
    copy_with_small_table1(folder, pairs=(("npz:one.npz", "npz:two.npz"),))
    return folder, call_project(folder)


def test_one_call_makes_run_table_notebooks_and_a_report_that_is_no_older(project):
    folder, done = project
    assert done.returncode == 0, done.stderr
    made = ("write_table1", "execute_04_table1_digits", "execute_09_claims", "write_report", "report")
    assert planned(done.stderr) == {"run_seed0": 3} | dict.fromkeys(made, 1)
    copies, drawn = (folder / name / "smoke" for name in ("results/notebooks", "figures"))
    assert {path.name for path in copies.iterdir()} == {"04_table1_digits.ipynb", "09_claims.ipynb"}
    assert {path.name for path in drawn.iterdir()} == {"table1.png", "table1.svg"}
    # Nothing of profile cpu was replaced.
    assert not [path for name in ("results/notebooks", "figures") for path in (folder / name).glob("*.*")]
    report = folder / "results" / "tables" / "smoke" / "report.html"
    assert report.stat().st_mtime_ns > max(path.stat().st_mtime_ns for path in (*copies.iterdir(), *drawn.iterdir()))
    picture = min(drawn.iterdir(), key=lambda path: path.stat().st_size)
    assert base64.b64encode(picture.read_bytes()).decode() in report.read_text(encoding="utf-8")


def test_the_executed_copy_shows_the_table_of_the_sweep(project):
    folder, _ = project
    copy = nbformat.read(folder / "results" / "notebooks" / "smoke" / "04_table1_digits.ipynb", as_version=4)
    shown = "\n".join(
        output.get("data", {}).get("text/plain", "") for cell in copy.cells for output in cell.get("outputs", ())
    )
    table = (folder / "results" / "tables" / "smoke" / "table1.md").read_text()
    cells = re.findall(r"\d+\.\d n=1", table)
    assert len(cells) == 16 and all(cell in shown for cell in cells) and "No run is missing." in str(copy)
    assert str(folder) not in str([cell.source for cell in copy.cells])


EXECUTED = ("execute_04_table1_digits", "write_report", "report")


@pytest.mark.parametrize(
    ("changed", "rules"),
    [
        ("notebooks/04_table1_digits.ipynb", EXECUTED),
        (
            "igan_lib/experiment/presets.py",
            ("write_table1", "execute_09_claims", *EXECUTED),
        ),  # which runs a table reads
        # Any code of the library may change what a notebook shows.
        ("igan_lib/plots/tables.py", ("execute_09_claims", *EXECUTED)),
        ("figures/smoke/table1.png", ("write_report", "report")),
        (
            "igan_lib/reproduction/estimate.py",
            ("write_table1", "execute_09_claims", *EXECUTED),
        ),  # the rules of verdicts
    ],
)
def test_a_report_is_made_anew_when_what_it_shows_has_changed(project, changed, rules):
    folder, _ = project
    path = folder / changed
    content, before = path.read_bytes(), path.stat()
    path.write_bytes(content + b"\n")
    found = call_project(folder, "--dry-run")
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found.returncode == 0 and planned(found.stdout) == dict.fromkeys(rules, 1), found.stderr


def test_a_run_that_is_missing_is_asked_for_unless_holes_are_wanted(project):
    folder, _ = project
    (taken,) = (folder / "results" / "runs").glob("source-only-*")
    kept = taken.rename(folder / taken.name)
    found, with_holes = (call_project(folder, "--dry-run", holes=holes) for holes in ("no", "yes"))
    kept.rename(taken)
    assert planned(found.stdout) == dict.fromkeys(("run_seed0", "write_table1", "execute_09_claims", *EXECUTED), 1)
    assert with_holes.returncode == 0 and "Nothing to be done" in with_holes.stdout + with_holes.stderr
