"""The command line: what it prints, its exit codes, its one-sentence errors."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import igan_lib.__main__
from igan_lib.cli import TABLES, main
from igan_lib.experiment.presets import preset
from igan_lib.reproduction.studies import STUDIES

ROOT = Path(__file__).resolve().parents[2]

SMOKE = ["run", "mnist5k", "digits", "--profile", "smoke", "--device", "cpu", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("results")
    assert main([*SMOKE, "--seed", "0", "1", "--results", str(path)]) == 0
    return path


def test_run_writes_one_result_a_seed(folder, capsys):
    files = sorted((folder / "runs").glob("*.json"))
    assert [json.loads(file.read_text())["config"]["seed"] for file in files] == [0, 1]
    assert main([*SMOKE, "--results", str(folder)]) == 0
    metrics = json.loads(files[0].read_text())["metrics"]
    assert f"target_accuracy {metrics['target_accuracy']:.2f} %" in capsys.readouterr().out


def test_set_replaces_values_and_names_another_run(folder, capsys):
    assert main([*SMOKE, "--set", "alpha=0.5", 'losses=["c", "h"]', "--results", str(folder / "other")]) == 0
    (file,) = (folder / "other" / "runs").glob("*.json")
    config = json.loads(file.read_text())["config"]
    assert (config["alpha"], config["losses"]) == (0.5, ["c", "h"])


def test_show_lists_results_and_damaged_files(folder, capsys):
    assert main(["show", "--results", str(folder)]) == 0
    assert capsys.readouterr().out.count("igan-mnist5k-digits-smoke-s") == 2
    damaged = folder / "runs" / "cut.json"
    damaged.write_text("{")
    try:
        assert main(["show", "--results", str(folder)]) == 1
        assert "cut.json" in capsys.readouterr().err
    finally:
        damaged.unlink()


@pytest.mark.parametrize("words", [["table", "table1"], ["report", "--studies", "table1"]])
def test_a_damaged_file_is_told_and_fails_only_what_it_belongs_to(tmp_path, capsys, words):
    asked = [*words, "--profile", "smoke", "--results", str(tmp_path)]
    runs = tmp_path / "runs"
    runs.mkdir()
    others = [preset("mnist", "usps", profile="quick").name, preset("usps", "mnist", profile="smoke", alpha=3.0).name]
    for name in (*others, "no-run", "igan-s99999999999-0a1b2c3d"):
        (runs / f"{name}.json").write_text("{")
    assert main(asked) == 0
    assert capsys.readouterr().err.count("error: Expected a whole result") == 4
    # also one of a seed beyond those of a usual call
    own = runs / f"{preset('mnist', 'usps', profile='smoke', seed=7).name}.json"
    own.write_text("{")
    assert main(asked) == 1
    assert own.name in capsys.readouterr().err


@pytest.mark.parametrize("reason", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_where_nothing_can_be_written_a_sentence_names_another_folder(folder, capsys, monkeypatch, reason):
    def refuse(path, text):
        raise OSError(reason, os.strerror(reason), str(path))

    monkeypatch.setattr("igan_lib.reproduction.opened.write_text", refuse)
    monkeypatch.setattr("igan_lib.reproduction.tables.write_text", refuse)
    assert main(["table", "table1", "--profile", "smoke", "--results", str(folder)]) == 2
    captured = capsys.readouterr()
    assert "| igan " in captured.out  # the table is shown all the same
    assert captured.err.startswith("error: Expected to write ") and captured.err.count("\n") == 1
    assert os.strerror(reason) in captured.err and "--results" in captured.err


def test_other_failures_of_the_system_are_not_hidden(folder, monkeypatch):
    def fail(*_):
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")

    monkeypatch.setattr("igan_lib.reproduction.opened.write_text", fail)
    with pytest.raises(FileNotFoundError):
        main(["table", "table1", "--profile", "smoke", "--results", str(folder)])


def test_run_says_where_its_result_lies_and_if_it_was_there(tmp_path, capsys):
    for head in ("result: ", "read from: "):
        assert main([*SMOKE, "--quiet", "--results", str(tmp_path)]) == 0
        (path,) = (tmp_path / "runs").glob("*.json")
        assert capsys.readouterr().out.splitlines()[-1] == f"{head}{path}"


def test_a_file_in_the_place_of_the_results_is_a_sentence(tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for words in (["run", "mnist5k", "digits", "--profile", "smoke"], ["table", "table1"], ["report"]):
        assert main([*words, "--results", str(taken)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: Expected to write ") and error.count("\n") == 1
    assert taken.read_text() == "mine"


def test_show_filters_and_tells_settings_apart(tmp_path, capsys):
    for more in ([], ["--set", "alpha=0.5", 'losses=["c"]'], ["--method", "source-only"]):
        assert main([*SMOKE, *more, "--results", str(tmp_path)]) == 0
    capsys.readouterr()

    def shown(*filters):
        assert main(["show", *filters, "--results", str(tmp_path)]) == 0
        return capsys.readouterr().out.splitlines()

    assert len(shown()) == 3
    lines = shown("--method", "igan", "--source", "mnist5k", "--target", "digits", "--profile", "smoke")
    assert len(lines) == 2 and sum('losses=["c"] alpha=0.5: target_accuracy' in line for line in lines) == 1
    assert sum("alpha" not in line and "not a preset" not in line for line in lines) == 1
    (none,) = shown("--target", "usps")
    assert none == f"no such results in {tmp_path / 'runs'}; show without a filter lists what is there"


def test_help_names_every_table(capsys):
    with pytest.raises(SystemExit):
        main(["table", "--help"])
    assert "table3-cross" in capsys.readouterr().out
    assert set(re.split(r", | or ", TABLES)) == set(STUDIES)


def test_a_console_without_arrows_gets_the_table_all_the_same(folder):
    command = [sys.executable, "-m", "igan_lib", "table", "--profile", "smoke", "--results", str(folder)]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment)
    assert done.returncode == 0 and b"mnist5k ? digits" in done.stdout and not done.stderr


def test_a_part_of_svhn_is_listed_only_where_it_lies(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IGAN_DATA", str(tmp_path))
    assert main(["data"]) == 0
    assert "svhn7k" not in capsys.readouterr().out
    (tmp_path / "svhn7k.npz").touch()
    assert main(["data"]) == 0
    assert re.search(r"^svhn7k +present", capsys.readouterr().out, flags=re.MULTILINE)


def test_show_of_an_unknown_method_says_which_there_are(tmp_path, capsys):
    assert main(["show", "--method", "cdan-m", "--results", str(tmp_path)]) == 2
    assert "did you mean cdan?" in capsys.readouterr().err


def test_show_of_an_empty_folder_says_how_to_begin(tmp_path, capsys):
    assert main(["show", "--results", str(tmp_path)]) == 0
    assert "python -m igan_lib run mnist5k digits" in capsys.readouterr().out


def test_table_takes_one_profile(folder, capsys):
    assert main(["table", "--profile", "smoke", "--results", str(folder)]) == 0
    assert re.search(r"^\| igan +\| mnist5k → digits +\| 2 ", capsys.readouterr().out, flags=re.MULTILINE)
    assert main(["table", "--profile", "cpu", "--results", str(folder)]) == 0
    assert "mnist5k" not in capsys.readouterr().out


def test_data_names_every_domain_and_a_remedy(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IGAN_DATA", str(tmp_path))
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    for name, state in {"digits": "present", "mnist5k": "present", "mnist": "missing", "usps": "missing"}.items():
        assert any(line.startswith(name) and state in line for line in out.splitlines())
    assert "IGAN_DATA" in out and "add --download to a run that has usps" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "mnist5k", "digitz"], "digits"),
        (["run", "digits", "digits"], "two domains"),
        (["run", "mnist5k", "digits", "--profile", "cpuu"], "smoke, quick, cpu, paper"),
        (["run", "mnist5k", "digits", "--method", "gan"], "igan, igan+, source-only"),
        (["run", "mnist5k", "digits", "--set", "alfa=1"], "found 'alfa': correct the name (did you mean alpha?)"),
        (["run", "mnist5k", "digits", "--set", "alpha"], "KEY=VALUE"),
        (["run", "mnist5k", "digits", "--set", "alpha=-1"], "alpha"),
        (["run", "mnist5k", "digits", "--set", "alpha=1", "beta=1", "alpha=2"], "alpha twice"),
        (["run", "mnist5k", "digits", "--device", "tpu"], "auto, cpu, cuda or mps"),
        (["run", "mnist5k", "digits", "--threads", "0"], "thread"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(arguments, words, tmp_path, capsys):
    code = main([*arguments, "--results", str(tmp_path), *(["--quiet"] if "--quiet" not in arguments else [])])
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.startswith("error: Expected") and words in captured.err and captured.err.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_pairs_without_a_table_are_refused(tmp_path, capsys):
    assert main(["table", "--pairs", "mnist5k:digits", "--results", str(tmp_path)]) == 2
    assert "Expected a table's name with --pairs" in capsys.readouterr().err


def test_without_its_packages_the_command_line_says_which_environment_to_activate():
    # -S leaves out the installed packages, as another Python would.
    command = [sys.executable, "-S", "-m", "igan_lib", "run", "mnist5k", "digits"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: Expected the package torch") and done.stderr.count("\n") == 1
    assert "activate" in done.stderr and "make quickstart" in done.stderr


def test_a_missing_module_of_the_library_is_no_matter_of_the_environment(monkeypatch):
    monkeypatch.setitem(sys.modules, "igan_lib.data.data_root", None)
    with pytest.raises(ModuleNotFoundError, match=r"igan_lib\.data\.data_root"):
        main(["data"])


def test_python_m_is_the_same_command_line():
    assert igan_lib.__main__.main is main


def test_an_unknown_option_is_refused_by_the_parser():
    with pytest.raises(SystemExit) as stop:
        main([*SMOKE, "--seeds", "1"])
    assert stop.value.code == 2


def test_a_failed_run_is_exit_code_1(tmp_path, capsys):
    # A learning rate that overflows in the first steps: the sentence names the loss and the step.
    huge = ["--set", "optimizer=sgd", "learning_rate=1e30", "batch_norm=false"]
    assert main([*SMOKE, *huge, "--results", str(tmp_path)]) == 1
    assert "at step" in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("*"))


def test_an_unknown_notebook_parameter_is_exit_code_1(tmp_path, capsys):
    assert main(["notebook", "notebooks/00_quickstart.ipynb", str(tmp_path / "out.ipynb"), "-p", "sead=1"]) == 1
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize("key", ["seed", "profile", "method", "source", "target"])
def test_what_has_an_option_of_its_own_is_not_set(key, capsys):
    assert main(["run", "mnist5k", "digits", "--set", f"{key}=3"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: Expected another key after --set, found '{key}'") and error.count("\n") == 1


def test_quickstart_prints_the_row_and_the_paths_of_what_it_trained(tmp_path, capsys):
    folders = [f"results={tmp_path / 'results'}", f"figures={tmp_path / 'figures'}"]
    assert main(["quickstart", "-p", "profile=smoke", *folders]) == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "results" / "quickstart.md").read_text() in printed
    for path in (tmp_path / "results" / "00_quickstart.ipynb", *(tmp_path / "figures").glob("*.png")):
        assert os.path.relpath(path) in printed


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package as an installation has it: among others, without the project's folder."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "igan_lib", site / "igan_lib", ignore=shutil.ignore_patterns("__pycache__"))
    return site


def call_installed(site, folder, *words):
    environment = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "igan_lib", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


def test_an_installed_package_writes_to_the_working_folder(installed, tmp_path):
    before = sorted(installed.rglob("*"))
    for words in (["table", "table4", "--profile", "smoke"], ["report", "--profile", "smoke"]):
        done = call_installed(installed, tmp_path, *words)
        assert done.returncode == 0, done.stderr
    written = {path.name for path in (tmp_path / "results").rglob("*") if path.is_file()}
    assert {"report.html", "table4.csv", "claims.csv"} <= written
    assert sorted(installed.rglob("*")) == before
    code = "from igan_lib.experiment.result import result_path; from igan_lib import preset; import igan_lib\n"
    code += "print(igan_lib.__file__, result_path(preset('mnist5k', 'digits')))"
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    file, result = done.stdout.split()
    assert file.startswith(str(installed)) and (tmp_path / result).parent == tmp_path / "results" / "runs"


def test_an_installed_package_says_that_notebooks_need_the_project(installed, tmp_path):
    done = call_installed(installed, tmp_path, "quickstart")
    assert done.returncode == 2 and "clone the project" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="asks a shell")
def test_who_reads_only_the_first_lines_gets_no_traceback_and_loses_no_table(tmp_path):
    command = f"{sys.executable} -m igan_lib table table1 --profile smoke --results {tmp_path} | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr and "Broken" not in done.stderr
    assert (tmp_path / "tables" / "smoke" / "table1.md").exists()
