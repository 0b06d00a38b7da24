"""The workflow: killed it goes on, what is there is not repeated, a failed run is a hole and not the end."""

import base64
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from data_makers import noise, write_npz

from igan_lib.experiment import result_path, run
from igan_lib.studies import STUDIES
from igan_lib.study_tables import write_tables
from igan_lib.tables import read_results
from igan_lib.workflow import make_sweep

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


def kill_when(folder, reached):
    """Start a sweep and end its whole process group by SIGKILL as soon as `reached()` holds."""
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            command(folder), stdout=output, stderr=output, env=environment(), start_new_session=True
        )
        while not reached() and process.poll() is None:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, (folder / "output").read_text()


def write_data(folder):
    labels = np.arange(60) % 3
    for number, name in enumerate(("one", "two")):
        images = {f"x_{split}": noise(60, 20, 20, seed=2 * number + at) for at, split in enumerate(("train", "test"))}
        write_npz(folder / f"{name}.npz", y_train=labels, y_test=labels, **images)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A finished sweep of three runs that was killed three times, and what was seen on the way."""
    folder = tmp_path_factory.mktemp("sweep")
    write_data(folder)
    plan = make_sweep(KEYS | {"results": folder / "results"})
    runs, checkpoints = folder / "results" / "runs", folder / "results" / "checkpoints"

    def there(where, pattern):
        return {path.name: path.stat().st_mtime_ns for path in where.glob(pattern)}

    kill_when(folder, lambda: there(checkpoints, "*.pt"))
    seen = [there(runs, "*.json")]
    kill_when(folder, lambda: len(there(runs, "*.json")) > len(seen[0]))
    seen.append(there(runs, "*.json"))
    kill_when(folder, lambda: len(there(runs, "*.json")) == 3)
    seen.append(there(runs, "*.json"))
    tables_before = list(plan.tables.glob("*"))
    stale = plan.tables / "failures.md"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.write_text("of an earlier call")
    # So is the log of a run of another table, which the last call does not ask for.
    other = make_sweep(KEYS | {"studies": "arguments", "results": folder / "results"})
    other.run_log(list(other.runs(*other.chosen()))[-1]).write_text("error: of an earlier call")
    done = call(folder, studies="table1,arguments")
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
    write_tables(study, read_results(plan.results / "runs")[0], plan.profile, plan.tables)
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


def test_a_finished_sweep_has_nothing_to_do(sweep):
    before = files(sweep["folder"] / "results")
    again = call(sweep["folder"])
    assert again.returncode == 0 and "Nothing to be done" in again.stderr
    assert files(sweep["folder"] / "results") == before


def test_the_report_comes_after_the_tables_and_all_ends_with_it(sweep):
    for target in ("report", "all"):
        found = call(sweep["folder"], "--dry-run", target=target)
        assert planned(found.stdout) == {"write_report": 1, target: 1}, found.stderr
    done = call(sweep["folder"], target="report")
    assert done.returncode == 0, done.stderr
    page = sweep["plan"].report.read_text(encoding="utf-8")
    assert "No run is missing." in page and sweep["plan"].report.parent == sweep["plan"].tables
    for name in ("report.html", "claims.csv", "claims_parts.csv"):
        (sweep["plan"].tables / name).unlink()  # the other tests compare the folder's tables


def test_a_changed_configuration_is_run_and_the_others_are_not(sweep, tmp_path):
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(f"""\
from dataclasses import replace
from igan_lib.studies import STUDIES
first, *others = STUDIES["table1"].rows
STUDIES["table1"] = replace(STUDIES["table1"], rows=(replace(first, settings={{"v": 0.02}}), *others))
include: {str(ROOT / "Snakefile")!r}
""")
    profile = ["--workflow-profile", str(ROOT / "profiles" / "default")]
    found = call(sweep["folder"], "--dry-run", *profile, snakefile=snakefile)
    assert planned(found.stdout) == {"run_seed0": 1, "write_table1": 1, "table1": 1}
    assert "source-only-npz_one.npz-npz_two.npz-smoke-s0-" in found.stdout


@pytest.fixture(scope="module")
def failed(sweep):
    """The same folder with a pair whose data are missing beside the good one, of which one result was taken away."""
    plan = make_sweep(KEYS | {"results": sweep["plan"].results, "pairs": f"{GOOD},{BAD}"})
    (study,) = plan.chosen()
    taken = result_path(study.config(study.rows[0], plan.pairs[0], 0, "smoke"), plan.results)
    content = json.loads(taken.read_text())
    taken.unlink()
    done = call(sweep["folder"], pairs=f"{GOOD},{BAD}", gpus=1, runs_per_gpu=1)
    return {"plan": plan, "done": done, "taken": taken, "content": content}


def test_a_failed_run_is_listed_and_the_exit_code_says_so(failed):
    plan, done = failed["plan"], failed["done"]
    listed = (plan.tables / "failures.md").read_text().splitlines()[4:]
    assert done.returncode != 0
    assert len(listed) == 3
    for line, method in zip(listed, ("source-only", "igan", "igan+"), strict=True):
        name, cause, log = line.strip("| ").split(" | ")
        assert name.startswith(f"{method}-npz_missing.npz-npz_two.npz-smoke-s0-")
        assert cause.startswith("Expected a file at missing.npz") and cause.endswith("starts from.")
        assert cause in (plan.results.parent / log).read_text()
        assert f"not finished: {name}: {cause} (log: {log})" in done.stderr


def test_the_other_runs_go_on_and_the_table_shows_the_hole(failed):
    assert json.loads(failed["taken"].read_text())["metrics"] == failed["content"]["metrics"]
    rows = (failed["plan"].tables / "table1.md").read_text().splitlines()[4:]
    assert len(rows) == 4 and all(re.search(r"\| \d+\.\d n=1 \| not run \|  \|$", row) for row in rows)
    # Only what was asked for: other tables would be all holes.
    assert {path.stem for path in failed["plan"].tables.iterdir()} == {"table1", "failures"}


def test_runs_on_a_device_of_this_machine_are_limited_and_told_which(failed):
    # Two cores are there for the four runs.
    assert "Execute 2 jobs" not in failed["done"].stderr
    assert failed["done"].stderr.count("'set -euo pipefail;  env CUDA_VISIBLE_DEVICES=0 ") == 3


def test_the_next_call_tries_the_failed_runs_again(failed):
    plan = failed["plan"]
    found = call(plan.results.parent, "--dry-run", pairs=f"{GOOD},{BAD}")
    assert planned(found.stdout) == {"run_seed0": 3, "write_table1": 1, "table1": 1}
    assert (plan.tables / "failures.md").exists()


# ---------------------------------------------------------------- notebooks and the report


TABLES = ("write_table2", "write_arguments")
NAMES = ("05_table2_office31", "07_table4_ablation", "08_figure2_tsne", "09_claims")
NOTEBOOKS = tuple(f"execute_{name}" for name in NAMES)


@pytest.mark.parametrize(
    ("target", "keys", "runs", "rules"),
    [
        ("figure2", {}, 8, ("write_table2", "execute_08_figure2_tsne")),
        ("all", {}, 24, (*TABLES, *NOTEBOOKS, "write_report")),
        ("notebooks", {"holes": "yes"}, 0, (*TABLES, *NOTEBOOKS)),
    ],
)
def test_targets_by_name_ask_for_what_they_show(tmp_path, target, keys, runs, rules):
    found = call(tmp_path, "--dry-run", target=target, studies="table2,arguments", pairs="", **keys)
    expected = ({"run_seed0": runs} if runs else {}) | dict.fromkeys((*rules, target), 1)
    assert planned(found.stdout) == expected, found.stderr


def call_project(folder, *options, **keys):
    """A call in a copy of the project, by its own workflow, library and notebooks."""
    words = command(folder, *options, snakefile=folder / "Snakefile", target="report", pairs="", **keys)
    own = environment(PYTHONPATH=str(folder))
    return subprocess.run(words, capture_output=True, text=True, env=own, cwd=folder)


@pytest.fixture(scope="module")
def project(sweep, tmp_path_factory):
    """A copy of the project whose table1 has the pair of the sweep for its own, and a report made by one call.

    The runs are the sweep's but for one, which that call makes.
    """
    folder = tmp_path_factory.mktemp("project")
    write_data(folder)
    for name in ("igan_lib", "notebooks", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    with open(folder / "igan_lib" / "studies.py", "a") as studies:
        print('TABLE1 = STUDIES["table1"] = replace(TABLE1, pairs=(("npz:one.npz", "npz:two.npz"),))', file=studies)
    shutil.copytree(sweep["plan"].results / "runs", folder / "results" / "runs")
    next((folder / "results" / "runs").glob("source-only-*")).unlink()
    return folder, call_project(folder)


def test_one_call_makes_run_table_notebooks_and_a_report_that_is_no_older(project):
    folder, done = project
    assert done.returncode == 0, done.stderr
    made = ("run_seed0", "write_table1", "execute_04_table1_digits", "execute_09_claims", "write_report", "report")
    assert planned(done.stderr) == dict.fromkeys(made, 1)
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
    assert len(cells) == 4 and all(cell in shown for cell in cells) and "No run is missing." in str(copy)
    assert str(folder) not in str([cell.source for cell in copy.cells])


EXECUTED = ("execute_04_table1_digits", "write_report", "report")


@pytest.mark.parametrize(
    ("changed", "rules"),
    [
        ("notebooks/04_table1_digits.ipynb", EXECUTED),
        ("igan_lib/presets.py", ("write_table1", "execute_09_claims", *EXECUTED)),  # which runs a table reads
        ("igan_lib/plots_tables.py", EXECUTED),
        ("figures/smoke/table1.png", ("write_report", "report")),
        ("igan_lib/findings.py", ("write_report", "report")),  # what the report and notebook 07 import
        ("igan_lib/plots_retrieval.py", ()),  # what notebooks 06 and 08 alone import
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


# ---------------------------------------------------------------- how it is called


def readme_commands(start):
    return re.findall(rf"^    ({start} .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_slurm_gets_every_run_and_makes_the_tables_here(tmp_path):
    (line,) = readme_commands("snakemake --executor slurm")
    words = shlex.split(line)[1:]
    options, target = words[: words.index("--config")], words[-1]
    found = call(
        tmp_path, *options, "--dry-run", "--printshellcmds", target=target, studies="arguments,table1", seeds=2
    )
    assert found.returncode == 0, found.stderr
    jobs = planned(found.stdout)
    assert jobs == {"run_seed0": 10, "run_seed1": 10, "write_arguments": 1, "write_table1": 1, "tables": 1}
    assert (
        len(re.findall(r"^Shell command: \S+ -m igan_lib run npz:one.npz npz:two.npz ", found.stdout, re.MULTILINE))
        == 20
    )
    assert not list(tmp_path.glob("results/**/*.json"))


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["all", "tables", "notebooks", "figure2", *STUDIES])
def test_make_calls_snakemake_with_its_variables(target):
    ours = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON", "VENV", "ARGS"}
    clean = {name: value for name, value in os.environ.items() if name not in ours} | {"PROFILE": "not this one"}

    def last_line(*variables):
        words = ["make", "-n", target, *variables]
        printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, env=clean).stdout
        return shlex.split(printed.replace("\\\n", " ").splitlines()[-1])

    words = last_line()
    assert words[1:5] == ["-m", "snakemake", "--cores", "2"] and words[-2:] == ["--", target]
    # An empty value is None to Snakemake.
    given = dict(word.split("=") for word in words[words.index("--config") + 1 : -2])
    own = {"holes": True} if target == "notebooks" else {}
    assert make_sweep(given | {"pairs": None}) == make_sweep(own) and given["pairs"] == ""
    assert [last_line(f"GPUS={gpus}")[4] for gpus in (0, 1, 4)] == ["2", "3", "4"]
    words = last_line("PROFILE=quick", "SEEDS=2", f"PAIRS={GOOD}", "CORES=4", "GPUS=1", "ARGS=--dry-run")
    assert words[4] == "4" and words[-3] == "--dry-run"
    given = dict(word.split("=") for word in words[words.index("--config") + 1 : -3])
    assert make_sweep(given) == make_sweep({"profile": "quick", "seeds": 2, "pairs": GOOD, "gpus": 1} | own)
