"""What surrounds the exercises: self-test, progress, pictures, the zip, the slides, the files of trained results."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import make_class
import make_data
import make_slides
import numpy as np
import pytest
import torch

from igan_lib.checkout import ROOT
from igan_lib.errors import ConfigError, DataError, NotebookError
from igan_lib.exercises import EXERCISES, asking, picture, pictures, progress, selftest, trained
from igan_lib.exercises.predictions import place_of, question_text
from igan_lib.exercises.record import FILE, Record
from igan_lib.exercises.registry import PREDICTIONS
from tools import own_copy

# the self-test


def test_selftest_says_ready():
    command = [sys.executable, "-m", "igan_lib.exercises", "--selftest"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == list(selftest.CHECKS)
    assert all(line.startswith("ok  ") for line in lines[:-1])
    assert re.fullmatch(r"Ready, in \d+ s\.( That is slow.*)? In this folder: jupyter lab", lines[-1])


@pytest.mark.parametrize("words", [[], ["--other"]])
def test_other_words_are_wrong_usage(words):
    done = subprocess.run(
        [sys.executable, "-m", "igan_lib.exercises", *words], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 2 and "usage: " in done.stdout + done.stderr


def test_selftest_names_what_is_missing_and_goes_on(monkeypatch, capsys, tmp_path):
    def broken():
        raise OSError("libfoo.so: cannot open")

    monkeypatch.setattr(selftest, "PACKAGES", ("numpy", "no-such-package"))
    monkeypatch.chdir(tmp_path)
    looked_at = {"packages": selftest.packages, "broken": broken, "folder": selftest.folder_writable}
    assert selftest.run(looked_at) == 1
    told = capsys.readouterr().out
    assert "NO  packages" in told and "Expected the package no-such-package, found none" in told
    assert "NO  broken" in told and "OSError (libfoo.so" in told and "ok  folder" in told
    assert told.splitlines()[-1].startswith("Not ready: mend packages, broken")


def test_selftest_refuses_an_old_python_and_missing_results(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    with pytest.raises(selftest.NotReady, match=r"Expected Python 3\.11 to 3\.13, found 3\.10"):
        selftest.python_version()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trained, "ROOT", tmp_path)
    with pytest.raises(selftest.NotReady, match="found none: open the notebook inside"):
        selftest.trained_results()


def test_selftest_finds_checks_that_accept_anything(monkeypatch):
    judge = importlib.import_module("igan_lib.exercises.judge")
    monkeypatch.setattr(judge, "judge", lambda *_: judge.Verdict("right", ""))
    with pytest.raises(selftest.NotReady, match="to know right from wrong"):
        selftest.checks()


# progress


@pytest.fixture
def record(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = Record()
    monkeypatch.setattr(asking, "RECORD", made)
    return made


def test_progress_counts_tries_and_keeps_what_is_done(record, capsys, tmp_path):
    right = EXERCISES["quantization"].reference
    for answer in (..., lambda u: u, right, lambda u: u):
        asking.check("quantization", answer)
    capsys.readouterr()
    progress()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("quantization")]
    assert line.split()[1:3] == ["yes", "3"] and not (tmp_path / FILE).exists()


def test_progress_is_kept_in_a_file_for_the_next_kernel(record, monkeypatch, capsys, tmp_path):
    asking.check("quantization", lambda u: u)
    progress(keep=True)
    asking.check("quantization", EXERCISES["quantization"].reference)
    asking.check("predict_00_1", "a")
    stored = json.loads((tmp_path / FILE).read_text())
    assert stored["quantization"] == {"tries": 2, "done": True, "minutes": stored["quantization"]["minutes"]}
    monkeypatch.setattr(asking, "RECORD", Record())
    capsys.readouterr()
    asking.check("hash_loss", lambda u, y: u)
    progress()
    told = capsys.readouterr().out
    assert "1 of 14 done." in told and "predict_00_1" in told and f"Kept in {FILE}" in told
    assert set(json.loads((tmp_path / FILE).read_text())) == {"quantization", "predict_00_1", "hash_loss"}


def test_two_kernels_of_one_folder_share_the_file(record, monkeypatch, tmp_path):
    progress(keep=True)
    other = Record()
    other.read()
    asking.check("quantization", EXERCISES["quantization"].reference)
    other.take("hash_loss", True)
    asking.check("hash_loss", lambda u, y: u)
    stored = json.loads((tmp_path / FILE).read_text())
    assert {name: (entry["tries"], entry["done"]) for name, entry in stored.items()} == {
        "quantization": (1, True),
        "hash_loss": (2, True),
    }


@pytest.mark.parametrize("text", ["", "[]", '{"hash_loss": {"times": 3}}', '{"hash_loss": 1}', "\x00"])
def test_a_damaged_file_counts_as_none(record, capsys, tmp_path, text):
    (tmp_path / FILE).write_text(text)
    asking.check("quantization", EXERCISES["quantization"].reference)
    assert list(json.loads((tmp_path / FILE).read_text())) == ["quantization"]


def test_git_ignores_the_file():
    assert str(FILE) in (ROOT / ".gitignore").read_text().splitlines()


# pictures


@pytest.mark.parametrize("name", pictures.DRAWN)
def test_a_picture_says_whose_function_drew_it(name):
    exercise = EXERCISES[name]
    called = []

    def mine(*arguments):
        called.append(arguments)
        return exercise.reference(*arguments)

    fig = picture(name, mine)
    cases = len(exercise.cases(torch.Generator().manual_seed(0)))
    assert fig.get_suptitle() == "drawn with your function" and len(called) > cases
    for other in (..., lambda *_: 0.0):
        assert "until yours is right" in picture(name, other).get_suptitle()


def test_a_picture_without_its_files_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trained, "ROOT", tmp_path)
    with pytest.raises(DataError, match=r"Expected results/exercises/trained\.npz in a folder above"):
        picture("hamming", ...)
    with pytest.raises(ConfigError, match="exercise with a picture"):
        picture("leak_cards", ...)


# the files that they draw


def test_five_seeds_are_those_of_the_committed_runs():
    committed = (ROOT / "results" / "exercises" / "five_seeds.csv").read_text()
    assert make_data.five_seeds().to_csv(index=False) == committed, "python exercises/make_data.py --runs"


def test_each_method_and_pair_has_five_seeds():
    runs = trained.five_seeds()
    assert runs.groupby(["pair", "method"])["seed"].apply(list).map(lambda seeds: seeds == [0, 1, 2, 3, 4]).all()
    assert len(runs) == 2 * len(make_data.SETTINGS) * 5 and not runs.isna().any().any()


def test_trained_arrays_fit_together():
    arrays = trained.arrays()
    images = len(arrays["labels"])
    assert arrays["curves_cosine"].shape == arrays["curves_constant"].shape == (5, len(arrays["steps"]))
    for when in ("before", "after"):
        assert arrays[f"codes_{when}"].shape == (images, 64) and np.abs(arrays[f"codes_{when}"]).max() <= 1
        assert arrays[f"logits_{when}"].shape == (images, 10)
        assert len(arrays[f"source_codes_{when}"]) == len(arrays["source_labels"])
    right = [(arrays[f"logits_{when}"].argmax(1) == arrays["labels"]).mean() for when in ("before", "after")]
    assert right[0] < right[1]
    assert (ROOT / "results" / "exercises" / "trained.npz").stat().st_size < 400_000


# what is carried to a class


def test_the_zip_holds_what_a_student_needs_and_no_source(tmp_path):
    made = make_class.pack(tmp_path / "class.zip")
    with zipfile.ZipFile(made) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    inside = {name.removeprefix("igan-class/") for name in names}
    assert {"START.md", "pyproject.toml", "igan_lib/exercises/predictions.toml", "figures/losses_paths.png"} <= inside
    assert {f"exercises/students/{path.name}" for path in (ROOT / "exercises" / "students").glob("*.ipynb")} <= inside
    assert not [
        name for name in inside if "sources" in name or "__pycache__" in name or name.startswith("results/runs")
    ]
    tracked = subprocess.run(["git", "ls-files", "igan_lib"], capture_output=True, text=True, cwd=ROOT).stdout.split()
    if tracked:  # not in a checkout without git
        assert {name for name in inside if name.startswith("igan_lib/")} == set(tracked)
    assert made.stat().st_size < 2**21
    unpacked = tmp_path / "igan-class"
    script = "import igan_lib.exercises.trained as t; print(t.results_folder())"
    environment = {"PYTHONPATH": str(unpacked), "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=unpacked / "exercises" / "students",
        env=environment,
    )
    assert done.stdout.strip() == str(unpacked / "results" / "exercises"), done.stderr


def test_a_notebook_s_pictures_are_where_jupyterlab_finds_them(tmp_path):
    with zipfile.ZipFile(make_class.pack(tmp_path / "class.zip")) as archive:
        archive.extractall(tmp_path)
    own_copy.make_copy(tmp_path / "own")
    for folder in (tmp_path / "igan-class", tmp_path / "own"):
        notebooks = [*(folder / "exercises" / "students").glob("*.ipynb")]
        links = [
            (path, link) for path in notebooks for link in re.findall(r"!\[.*?\]\((.+?)\)", path.read_text("utf-8"))
        ]
        assert links and all((path.parent / link).is_file() for path, link in links)
    # Nothing above the folder that it is started in is served.
    start = (tmp_path / "igan-class" / "START.md").read_text("utf-8")
    assert start.count("jupyter lab\n") == 2 and "jupyter lab " not in start


def test_slides_are_one_file_that_asks_nothing_of_a_server(tmp_path):
    page = make_slides.make(tmp_path / "slides.html").read_text(encoding="utf-8")
    assert "http" not in re.sub(r'src="data:[^"]*"', "", page)
    assert page.count("<section>") == page.count("</section>") == 9
    assert page.count('<aside class="notes">') == 9
    assert all(source.startswith("data:image/png") for source in re.findall(r'src="([^"]*)"', page))
    assert "<h1" in page and "anchor-link" not in re.sub(r"<style>.*</style>", "", page, flags=re.DOTALL)


def test_a_slide_without_its_picture_is_a_sentence(tmp_path):
    text = make_slides.NOTEBOOK.read_text().replace("losses_pairs", "gone")
    (tmp_path / "slides.ipynb").write_text(text)
    with pytest.raises(NotebookError, match=r"Expected the picture figures/gone\.png of slides\.ipynb, found none"):
        make_slides.make(tmp_path / "slides.html", tmp_path / "slides.ipynb")
    assert not (tmp_path / "slides.html").exists()


# make install-from, with a stand-in for Python that notes its calls

FAKE_PYTHON = """#!/bin/sh
echo "$@" >> {log}
case "$*" in "-m venv --clear .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;; esac
"""


CALLERS = {"MAKEFLAGS", "MAKELEVEL", "VENV", "ARGS"}  # what `make test ARGS=...` hands down


@pytest.fixture
def install_from(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON.format(log=tmp_path / "log"))
    python.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in CALLERS}

    def run(wheels):
        command = ["make", "install-from", f"WHEELS={wheels}", f"PYTHON={python}"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)

    return run


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_install_from_a_folder_asks_no_index_and_tests_itself(install_from, tmp_path):
    folder = tmp_path / "my wheels"
    folder.mkdir()
    refused = install_from(folder)
    assert refused.returncode != 0 and f"Expected wheels in {folder}, found none: name the folder" in refused.stderr
    assert not (tmp_path / ".venv").exists()
    (folder / "a-1-py3-none-any.whl").touch()
    assert install_from(folder).returncode == 0
    calls = (tmp_path / "log").read_text().splitlines()
    assert f"-m pip install --no-index --find-links {folder} -e ." in calls
    assert calls[-1] == "-m igan_lib.exercises --selftest"


# the questions of the numbered notebooks


@pytest.mark.parametrize("name", PREDICTIONS)
def test_a_question_stands_below_a_heading_of_its_notebook(name):
    number = name.split("_")[1]
    (notebook,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    cells = json.loads(notebook.read_text())["cells"]
    headings = {line.rstrip() for cell in cells for line in cell["source"] if cell["cell_type"] == "markdown"}
    assert f"## {place_of(name)}" in headings
    text = question_text(name)
    assert text.startswith("**Predict first.** ") and text.count("\n- ") == len(PREDICTIONS[name].choices)


def test_each_of_the_five_notebooks_has_three():
    numbers = [name.split("_")[1] for name in PREDICTIONS]
    assert sorted(numbers) == sorted(["00", "01", "02a", "02b", "03"] * 3)
