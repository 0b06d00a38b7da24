"""Calls of Snakemake as a user makes them, on tiny data, and what it planned."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from data_makers import noise, write_npz

ROOT = Path(__file__).resolve().parents[1]
# Own files in the workflow's folder: embedded digits would take longer to read than all else.
GOOD, BAD = "npz:one.npz:npz:two.npz", "npz:missing.npz:npz:two.npz"
KEYS = {"studies": "table1", "profile": "smoke", "seeds": 1, "pairs": GOOD}


def environment(**more):
    """The CPU, one thread, and this checkout's library, whatever folder the workflow runs in."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    ours = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return os.environ | ours | more


def command(folder, *options, snakefile=ROOT / "Snakefile", target="table1", **keys):
    """Snakemake in `folder`, with the options that a user gives and those that this repository's profile adds."""
    config = [f"{key}={value}" for key, value in (KEYS | keys).items()]
    words = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--directory", folder]
    if not {"--cores", "--executor"} & set(options):
        words += ["--cores", "2"]
    return [*map(str, words), *options, "--config", *config, "--", target]


def call(folder, *options, **more):
    return subprocess.run(command(folder, *options, **more), capture_output=True, text=True, env=environment())


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
