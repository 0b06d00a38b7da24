"""What the workflow plans in a fresh clone, whose times say nothing, and called from another folder."""

import os
import shutil
import subprocess
import sys

import pytest
from snakemake_calls import ROOT, environment, planned

from igan_lib.checkout import written_by_git
from igan_lib.reproduction.workflow import make_sweep

KEYS = {"studies": "table1", "profile": "smoke", "seeds": 1}
MADE = ("write_table1", "execute_04_table1_digits", "execute_09_claims", "write_report", "report")


def git(folder, *words, date="2020-02-02T00:00:00Z"):
    named = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    own = os.environ | named | {"GIT_COMMITTER_DATE": date}
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, env=own)


@pytest.fixture
def clone(tmp_path):
    """A clone of a project where all is made, by whose times all of it is older than what it was made from."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for name in ("igan_lib", "notebooks", "profiles"):
        shutil.copytree(ROOT / name, ours / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", ours)
    sweep = make_sweep(KEYS)
    made = [*sweep.outputs().values(), *(sweep.tables / name for study in sweep.chosen() for name in study.files)]
    made += [sweep.report.with_name(name) for name in ("report.html", "claims.csv", "claims_parts.csv")]
    for file in made:
        (ours / file).parent.mkdir(parents=True, exist_ok=True)
        (ours / file).touch()
    git(ours, "init", "-q")
    git(ours, "add", ".")
    git(ours, "commit", "-q", "-m", "x")
    git(tmp_path, "clone", "-q", ours, theirs)
    for file in made:
        os.utime(theirs / file, (1_700_000_000, 1_700_000_000 + (file.parent.name == "runs")))
    return theirs


def dry_run(folder, tmp_path):
    """What a call from a folder elsewhere plans for the report; nothing is left there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    words = ["--snakefile", str(folder / "Snakefile"), "--cores", "1", "--dry-run"]
    words += ["--config", *(f"{key}={value}" for key, value in KEYS.items()), "--", "report"]
    own = {"cwd": elsewhere, "env": environment(PYTHONPATH=str(folder))}
    done = subprocess.run([sys.executable, "-m", "snakemake", *words], capture_output=True, text=True, **own)
    assert done.returncode == 0, done.stderr
    assert not list(elsewhere.iterdir())
    return done.stdout + done.stderr


def test_a_fresh_clone_has_nothing_to_make_whatever_its_times_are(clone, tmp_path):
    assert "Nothing to be done" in dry_run(clone, tmp_path)
    shutil.rmtree(clone / ".git")
    assert planned(dry_run(clone, tmp_path)) == dict.fromkeys(MADE, 1)
    assert written_by_git(clone) == set()


@pytest.mark.parametrize("committed", [False, True])
def test_what_is_changed_in_a_clone_is_made_anew_before_and_after_its_commit(clone, tmp_path, committed):
    changed, other = (clone / "notebooks" / f"{name}.ipynb" for name in ("04_table1_digits", "09_claims"))
    assert {changed, other} <= written_by_git(clone)
    changed.write_bytes(changed.read_bytes() + b"\n")
    if committed:
        git(clone, "commit", "-q", "-a", "-m", "y", date="2099-01-01T00:00:00Z")
    assert {changed, other} & written_by_git(clone) == {other}
    assert planned(dry_run(clone, tmp_path)) == dict.fromkeys(("execute_04_table1_digits", *MADE[3:]), 1)
