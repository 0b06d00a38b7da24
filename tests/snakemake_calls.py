"""Calls of Snakemake as a user makes them, on tiny data, and what it planned."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from inspect import getsource
from pathlib import Path

import numpy as np
from data_makers import noise, write_npz

from igan_lib.reproduction.studies import RECOGNITION_ROWS, TABLE1

ROOT = Path(__file__).resolve().parents[1]
# Own files in the workflow's folder: embedded digits would take longer to read than all else.
GOOD, BAD = "npz:one.npz:npz:two.npz", "npz:missing.npz:npz:two.npz"
KEYS = {"studies": "table1", "profile": "smoke", "seeds": 1, "pairs": GOOD}


def small_table1():
    """Table 1 with three runs a pair: the compared methods are all source-only."""
    rows = tuple(replace(row, method="source-only") if row.label in RECOGNITION_ROWS else row for row in TABLE1.rows)
    return replace(TABLE1, rows=rows)


def copy_with_small_table1(folder, **fields):
    """A copy of the project with `small_table1` for its Table 1; `fields`: more of that study, to be replaced."""
    for name in ("igan_lib", "notebooks", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    more = "".join(f", {name}={value!r}" for name, value in fields.items())
    with open(folder / "igan_lib" / "reproduction" / "studies.py", "a") as studies:
        print(f'\n{getsource(small_table1)}\n\nSTUDIES["table1"] = replace(small_table1(){more})', file=studies)
    return folder


def environment(project=ROOT, **more):
    """The CPU, one thread, and the library of `project`, whatever folder the workflow runs in."""
    paths = [str(project), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    ours = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return os.environ | ours | more


def command(folder, *options, snakefile=ROOT / "Snakefile", target="table1", **keys):
    """Snakemake in `folder`, with the options that a user gives and those that this repository's profile adds."""
    config = [f"{key}={value}" for key, value in (KEYS | keys).items()]
    words = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--directory", folder]
    if not {"--cores", "--executor"} & set(options):
        words += ["--cores", "2"]
    return [*map(str, words), *options, "--config", *config, "--", target]


def call(folder, *options, project=ROOT, **more):
    words = command(folder, *options, **{"snakefile": project / "Snakefile"} | more)
    # Python looks for the library in the working folder first.
    return subprocess.run(words, capture_output=True, text=True, env=environment(project), cwd=project)


def planned(output):
    """Rule -> number of jobs, as a dry run counts them."""
    return {
        rule: int(count) for rule, count in re.findall(r"^([\w-]+) +(\d+)$", output, re.MULTILINE) if rule != "total"
    }


def write_data(folder):
    labels = np.arange(60) % 3
    for number, name in enumerate(("one", "two")):
        images = {f"x_{split}": noise(60, 20, 20, seed=2 * number + at) for at, split in enumerate(("train", "test"))}
        write_npz(folder / f"{name}.npz", y_train=labels, y_test=labels, **images)
