"""The workflow: killed it goes on, what is there is not repeated, a failed run is a hole and not the end."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from snakemake_calls import (
    BAD,
    GOOD,
    KEYS,
    call,
    command,
    copy_with_small_table1,
    environment,
    planned,
    small_table1,
    write_data,
)

from igan_lib.experiment.result import result_path
from igan_lib.experiment.run import run
from igan_lib.reproduction.opened import OpenStudy
from igan_lib.reproduction.results import read_results
from igan_lib.reproduction.studies import STUDIES
from igan_lib.reproduction.workflow import make_sweep


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory):
    """A copy of the project with a small Table 1, which this process has too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STUDIES, "table1", small_table1())
        yield copy_with_small_table1(tmp_path_factory.mktemp("project"))


def kill_when(folder, project, reached):
    """Start a sweep and end its whole process group by SIGKILL as soon as `reached()` holds."""
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            command(folder, snakefile=project / "Snakefile"),
            **{"cwd": project, "env": environment(project), "start_new_session": True},
            **{"stdout": output, "stderr": output},
        )
        while not reached() and process.poll() is None:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, (folder / "output").read_text()


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, project):
    """A finished sweep of three runs that was killed three times, and what was seen on the way."""
    folder = tmp_path_factory.mktemp("sweep")
    write_data(folder)
    plan = make_sweep(KEYS | {"results": folder / "results"})
    runs, checkpoints = folder / "results" / "runs", folder / "results" / "checkpoints"

    def there(where, pattern):
        return {path.name: path.stat().st_mtime_ns for path in where.glob(pattern)}

    kill_when(folder, project, lambda: there(checkpoints, "*.pt"))
    seen = [there(runs, "*.json")]
    kill_when(folder, project, lambda: len(there(runs, "*.json")) > len(seen[0]))
    seen.append(there(runs, "*.json"))
    kill_when(folder, project, lambda: len(there(runs, "*.json")) == 3)
    seen.append(there(runs, "*.json"))
    tables_before = list(plan.tables.glob("*"))
    done = call(folder, project=project, studies="table1,arguments")
    assert done.returncode == 0, done.stderr
    return {"folder": folder, "plan": plan, "seen": seen, "tables_before": tables_before, "output": done.stderr}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same runs and tables, made one after the other by `run` itself."""
    folder, threads = tmp_path_factory.mktemp("undisturbed"), torch.get_num_threads()
    write_data(folder)
    plan = make_sweep(KEYS | {"results": folder / "results"})
    (study,) = plan.chosen()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for config in plan.runs(study).values():
            run(config, device="cpu", results=plan.results, progress=False)
    torch.set_num_threads(threads)
    OpenStudy(study, plan).write()
    return plan


def test_a_sweep_killed_three_times_ends_with_the_same_tables_bit_for_bit(sweep, undisturbed):
    assert files(sweep["plan"].tables) == files(undisturbed.tables)
    assert sorted(path.suffix for path in undisturbed.tables.iterdir()) == [".csv", ".md", ".tex"]
    for expected in (undisturbed.results / "runs").iterdir():
        found = json.loads((sweep["plan"].results / "runs" / expected.name).read_text())
        whole = json.loads(expected.read_text())
        assert (found["metrics"], found["history"]) == (whole["metrics"], whole["history"])


def test_the_kills_fell_into_a_run_between_runs_and_before_the_table(sweep):
    first, second, third = map(len, sweep["seen"])
    assert first < second <= third == 3
    assert not sweep["tables_before"]


def test_a_killed_run_went_on_where_it_was(sweep):
    parts = [result.provenance.get("earlier", []) for result in read_results(sweep["plan"].results / "runs")[0]]
    assert any(part["steps"] > 0 for run_parts in parts for part in run_parts)


def test_no_run_that_was_there_is_repeated(sweep):
    first, second, third = sweep["seen"]
    last = {path.name: path.stat().st_mtime_ns for path in (sweep["plan"].results / "runs").iterdir()}
    assert first.items() <= second.items() <= third.items() and third == last
    assert planned(sweep["output"]) == {"write_table1": 1, "table1": 1}


def test_a_finished_sweep_has_nothing_to_do(sweep, project):
    before = files(sweep["folder"] / "results")
    again = call(sweep["folder"], project=project)
    assert again.returncode == 0 and "Nothing to be done" in again.stderr
    assert files(sweep["folder"] / "results") == before


def test_the_report_comes_after_the_tables_and_all_ends_with_it(sweep, project):
    for target in ("report", "all"):
        found = call(sweep["folder"], "--dry-run", project=project, target=target)
        assert planned(found.stdout) == {"write_report": 1, target: 1}, found.stderr
    done = call(sweep["folder"], project=project, target="report")
    assert done.returncode == 0, done.stderr
    page = sweep["plan"].report.read_text(encoding="utf-8")
    assert "No run is missing." in page and sweep["plan"].report.parent == sweep["plan"].tables
    for name in ("report.html", "claims.csv", "claims_parts.csv"):
        (sweep["plan"].tables / name).unlink()  # the other tests compare the folder's tables


def test_a_changed_configuration_is_run_and_the_others_are_not(sweep, project, tmp_path):
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(f"""\
from dataclasses import replace
from igan_lib.reproduction.studies import STUDIES
first, *others = STUDIES["table1"].rows
STUDIES["table1"] = replace(STUDIES["table1"], rows=(replace(first, settings={{"v": 0.02}}), *others))
include: {str(project / "Snakefile")!r}
""")
    profile = ["--workflow-profile", str(project / "profiles" / "default")]
    found = call(sweep["folder"], "--dry-run", *profile, project=project, snakefile=snakefile)
    assert planned(found.stdout) == {"run_seed0": 1, "write_table1": 1, "table1": 1}
    assert "source-only-npz_one.npz-npz_two.npz-smoke-s0-" in found.stdout


@pytest.fixture(scope="module")
def failed(sweep, project):
    """The same folder with a pair whose data are missing beside the good one, of which one result was taken away."""
    plan = make_sweep(KEYS | {"results": sweep["plan"].results, "pairs": f"{GOOD},{BAD}"})
    (study,) = plan.chosen()
    taken = result_path(study.config(study.rows[0], plan.pairs[0], 0, "smoke"), plan.results)
    content = json.loads(taken.read_text())
    taken.unlink()
    done = call(sweep["folder"], project=project, pairs=f"{GOOD},{BAD}", gpus=1, runs_per_gpu=1)
    return {"plan": plan, "done": done, "taken": taken, "content": content}


def test_a_failed_run_is_listed_and_the_exit_code_says_so(failed):
    plan, done = failed["plan"], failed["done"]
    listed = plan.unfinished()
    assert done.returncode != 0
    assert len(listed) == 3
    for line, method in zip(listed, ("source-only", "igan", "igan+"), strict=True):
        name, cause = line["name"], line["cause"]
        log = Path(line["log"]).relative_to(plan.results.parent)
        assert name.startswith(f"{method}-npz_missing.npz-npz_two.npz-smoke-s0-")
        assert cause.startswith("Expected a file at missing.npz") and cause.endswith("starts from.")
        assert cause in (plan.results.parent / log).read_text()
        assert f"not finished: {name}: {cause} (log: {log})" in done.stderr


def test_the_other_runs_go_on_and_the_table_shows_the_hole(failed):
    assert json.loads(failed["taken"].read_text())["metrics"] == failed["content"]["metrics"]
    rows = (failed["plan"].tables / "table1.md").read_text().splitlines()[4:]
    assert len(rows) == 16 and all(re.search(r"\| \d+\.\d n=1(, D \d+ %)? +\| not run +\| +\|$", row) for row in rows)
    # Only what was asked for: other tables would be all holes.
    assert {path.stem for path in failed["plan"].tables.iterdir()} == {"table1"}


def test_runs_on_a_device_of_this_machine_are_limited_and_told_which(failed):
    # Two cores are there for the four runs.
    assert "Execute 2 jobs" not in failed["done"].stderr
    assert failed["done"].stderr.count("'set -euo pipefail;  env CUDA_VISIBLE_DEVICES=0 ") == 3


def test_the_next_call_tries_the_failed_runs_again(failed, project):
    plan = failed["plan"]
    found = call(plan.results.parent, "--dry-run", project=project, pairs=f"{GOOD},{BAD}")
    assert planned(found.stdout) == {"run_seed0": 3, "write_table1": 1, "table1": 1}
