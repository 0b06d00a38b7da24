"""The part of gpu.py that makes whole runs: Table 4 on two pairs of digits, seed by seed beside the CPU's results.

Also by hand, for other tables: `python benchmarks/gpu_runs.py runs --studies table1,arguments --output results/gpu`.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from gpu_steps import mps, write

from igan_lib.errors import IganError
from igan_lib.experiment.presets import ExperimentConfig
from igan_lib.experiment.result import read_result, result_path
from igan_lib.experiment.run import run
from igan_lib.reproduction.estimate import Estimate
from igan_lib.reproduction.pairs import parse_pairs
from igan_lib.reproduction.results import frame, read_results
from igan_lib.reproduction.studies import STUDIES, on_pairs

ROOT = Path(__file__).resolve().parent.parent
PAIRS = "mnist:usps,usps:mnist"
SEEDS = 5
WORKERS = 4  # where processes.json says nothing of it


def studies(arguments: argparse.Namespace) -> list:
    pairs = parse_pairs("mnist5k:digits" if arguments.rehearse else arguments.pairs)
    return on_pairs([STUDIES[name] for name in arguments.studies.split(",")], tuple(pairs))


def configs(arguments: argparse.Namespace) -> list[ExperimentConfig]:
    """All runs, seed by seed, so that each seed's table is whole before the next begins; each once."""
    profile, seeds = ("smoke", 1) if arguments.rehearse else ("cpu", SEEDS)
    found = {}
    for seed in range(seeds):
        for study in studies(arguments):
            found |= {config.name: config for config in study.configs(profile, [seed])}
    return list(found.values())


def work(arguments: argparse.Namespace) -> None:
    """Make the runs that no other worker has taken, while there is time for one more."""
    torch.set_num_threads(1)
    until, longest = time.perf_counter() + arguments.seconds, 0.0
    taken = arguments.output / "taken"
    for config in configs(arguments):
        left = until - time.perf_counter()
        if left < 1.2 * longest or result_path(config, arguments.output).exists():
            continue
        try:
            (taken / config.name).touch(exist_ok=False)
        except FileExistsError:
            continue
        started = time.perf_counter()
        try:
            run(config, device=arguments.device, results=arguments.output, progress=False)
        except IganError as error:
            print(f"error: {config.name}: {error}", flush=True)
        spent = time.perf_counter() - started
        longest = max(longest, spent)
        print(f"{config.name} {spent:.1f} s", flush=True)


def best_workers(output: Path) -> tuple[int, bool]:
    """How many processes made the most captured steps, and whether with MPS; `WORKERS` without where unmeasured."""
    path = output / "processes.json"
    measured = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rates = {
        (int(n), "with MPS" in name): rate
        for name, by_count in measured.items()
        if name.startswith("captured") and isinstance(by_count, dict)
        for n, rate in by_count.items()
    }
    return max(rates, key=rates.get) if rates else (WORKERS, False)


def make_runs(arguments: argparse.Namespace) -> dict[str, object]:
    count, with_mps = (2, False) if arguments.rehearse else best_workers(arguments.output)
    count = arguments.workers or count
    (arguments.output / "taken").mkdir(exist_ok=True)
    for left in (arguments.output / "taken").iterdir():
        left.unlink()
    words = [sys.executable, __file__, "work", *sys.argv[2:], "--device", arguments.device]
    words += ["--seconds", str(max(1, arguments.seconds - 8))]  # the comparison needs the rest
    started = time.perf_counter()
    with mps(arguments.output / "mps") if with_mps else contextlib.nullcontext({}) as extra:
        children = [subprocess.Popen(words, env=os.environ | (extra or {}), cwd=ROOT) for _ in range(count)]
        codes = [child.wait() for child in children]
    seconds = time.perf_counter() - started
    made = [path for config in configs(arguments) if (path := result_path(config, arguments.output)).exists()]
    spent = [read_result(path).provenance["seconds"] for path in made]
    return {
        "processes": count,
        "with MPS": with_mps,
        "ended": codes,
        "runs": len(made),
        "of": len(configs(arguments)),
        "seconds": seconds,
        "median seconds of a run": statistics.median(spent) if spent else None,
    }


def comparison(arguments: argparse.Namespace) -> dict[str, object]:
    """By study, row and pair: the values of both devices seed by seed, and the mean of their differences.

    The last entry takes all rows and pairs together; runs of one seed start from the same weights and batches.
    """
    runs, of_cpu = (read_results(folder / "runs")[0] for folder in (arguments.output, arguments.reference))
    both = frame(runs), frame([result for result in of_cpu if result.provenance["device"] == "cpu"])
    profile, found, together = "smoke" if arguments.rehearse else "cpu", {}, {}
    for study in studies(arguments):
        for row, pair, _ in study.cells(profile, 0):
            gpu, cpu = (study.cell(runs, row, pair, profile) for runs in both)
            difference = gpu - cpu
            together |= {(study.name, row.label, pair, seed): value for seed, value in difference.values.items()}
            entry = {"gpu": dict(gpu.values), "cpu": dict(cpu.values), "difference": str(difference)}
            found[f"{study.name}, {row.label}, {'->'.join(pair)}"] = entry
    total = Estimate(dict(enumerate(together.values())), kind="difference")
    return {"all differences": str(total), "cells": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("table4", "runs", "work"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--studies", default="table4")
    parser.add_argument("--pairs", default=PAIRS)
    parser.add_argument("--workers", type=int, help="processes on the card (default: what processes.json found best)")
    parser.add_argument("--reference", type=Path, default=ROOT / "results", help="where the CPU's results lie")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    arguments.device = "cpu" if arguments.rehearse else arguments.device
    if arguments.part == "work":
        work(arguments)
        return
    found = make_runs(arguments)
    write(arguments.output, arguments.part, found | comparison(arguments), arguments.rehearse)


if __name__ == "__main__":
    main()
