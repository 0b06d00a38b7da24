"""What the workflow is asked for by name, by SLURM and by make, and which jobs it plans."""

import os
import re
import shlex
import shutil
import signal
import subprocess

import pytest
from snakemake_calls import GOOD, ROOT, call, planned

from igan_lib.reproduction.studies import STUDIES
from igan_lib.reproduction.workflow import make_sweep

TABLES = ("write_table2", "write_arguments")
NAMES = ("05_table2_office31", "07_table4_ablation", "08_figure2_tsne", "09_claims")
NOTEBOOKS = tuple(f"execute_{name}" for name in NAMES)


@pytest.mark.parametrize(
    ("target", "keys", "runs", "rules"),
    [
        ("figure2", {}, 56, ("write_table2", "execute_08_figure2_tsne")),
        ("all", {}, 72, (*TABLES, *NOTEBOOKS, "write_report")),
        ("notebooks", {"holes": "yes"}, 0, (*TABLES, *NOTEBOOKS)),
    ],
)
def test_targets_by_name_ask_for_what_they_show(tmp_path, target, keys, runs, rules):
    found = call(tmp_path, "--dry-run", target=target, studies="table2,arguments", pairs="", **keys)
    expected = ({"run_seed0": runs} if runs else {}) | dict.fromkeys((*rules, target), 1)
    assert planned(found.stdout) == expected, found.stderr


def written_commands(start):
    return re.findall(rf"^ *({start} .*)$", (ROOT / "docs" / "running.md").read_text(), re.MULTILINE)


def test_slurm_gets_every_run_and_makes_the_tables_here(tmp_path):
    (line,) = written_commands("snakemake --executor slurm")
    words = shlex.split(line)[1:]
    options, target = words[: words.index("--config")], words[-1]
    found = call(
        tmp_path, *options, "--dry-run", "--printshellcmds", target=target, studies="arguments,table1", seeds=2
    )
    assert found.returncode == 0, found.stderr
    jobs = planned(found.stdout)
    assert jobs == {"run_seed0": 22, "run_seed1": 22, "write_arguments": 1, "write_table1": 1, "tables": 1}
    assert (
        len(re.findall(r"^Shell command: \S+ -m igan_lib run npz:one.npz npz:two.npz ", found.stdout, re.MULTILINE))
        == 44
    )
    assert not list(tmp_path.glob("results/**/*.json"))


def environment_without_make():
    """What a make around these tests hands down would change how another one talks."""
    ours = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON", "VENV", "ARGS"}
    return {name: value for name, value in os.environ.items() if name not in ours}


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["all", "tables", "notebooks", "figure2", *STUDIES])
def test_make_calls_snakemake_with_its_variables(target):
    clean = environment_without_make() | {"PROFILE": "not this one"}

    def last_line(*variables):
        words = ["make", "-n", target, *variables]
        printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, env=clean).stdout
        command = printed.replace("\\\n", " ").splitlines()[-1]
        return shlex.split(command.removeprefix("trap : INT; ").partition(" || {")[0])

    words = last_line()
    assert words[1:5] == ["-m", "snakemake", "--cores", "2"] and words[-2:] == ["--", target]
    # An empty value is None to Snakemake.
    given = dict(word.split("=") for word in words[words.index("--config") + 1 : -2])
    own = {"holes": True} if target == "notebooks" else {}
    assert make_sweep(given | {"pairs": None}) == make_sweep(own) and given["pairs"] == ""
    assert [last_line(f"GPUS={gpus}")[4] for gpus in (0, 1, 4)] == ["2", "6", "24"]
    words = last_line("PROFILE=quick", "SEEDS=2", f"PAIRS={GOOD}", "CORES=4", "GPUS=1", "ARGS=--dry-run")
    assert words[4] == "4" and words[-3] == "--dry-run"
    given = dict(word.split("=") for word in words[words.index("--config") + 1 : -3])
    assert make_sweep(given) == make_sweep({"profile": "quick", "seeds": 2, "pairs": GOOD, "gpus": 1} | own)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("number", [None, signal.SIGINT])
def test_make_says_that_a_sweep_which_has_ended_early_goes_on(tmp_path, number):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho asked\n" + ("exit 3\n" if number is None else "exec sleep 60\n"))
    python.chmod(0o755)
    (tmp_path / ".installed").touch()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    # A shell in the background has SIGINT ignored, and its children inherit that.
    default = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), "env": environment_without_make()}
    with subprocess.Popen(["make", "table4", f"VENV={tmp_path}"], cwd=ROOT, **streams, **default) as process:
        assert process.stdout.readline() == "asked\n"
        if number is not None:
            os.killpg(process.pid, number)
        _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "What is done stays." in said and "the same command goes on: make table4\n" in said
