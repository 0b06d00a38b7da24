"""The papermill wrapper: what it refuses before a kernel starts, and what it leaves behind when a cell fails."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import pytest

from igan_lib.errors import NotebookError
from igan_lib.experiment.notebooks import declared_parameters, execute, parse_parameters

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = """\
seed: int = 0  # which random numbers
rate: float = 0.1
source: str = "digits"
fast: bool = False
sizes: list[int] = [1, 2]
names: list = []
limit: "Optional[int]" = None
"""
# Counts its starts in a file; a start whose number is in FATAL dies at once, as in a race for a port.
LAUNCHER = """\
import os, sys
with open(__file__ + ".starts", "a+") as starts:
    starts.write("x")
    starts.flush()
    if starts.tell() in FATAL:
        sys.exit(1)
os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *sys.argv[1:]])
"""


class Kernel:
    """The kernel python3 as these tests see it: the real one, behind a launcher that counts."""

    def __init__(self, folder: Path):
        self.launcher = folder / "launcher.py"
        spec = folder / "kernels" / "python3" / "kernel.json"
        spec.parent.mkdir(parents=True)
        argv = [sys.executable, str(self.launcher), "-f", "{connection_file}"]
        spec.write_text(json.dumps({"argv": argv, "display_name": "counted", "language": "python"}))
        self.die_at(())

    def die_at(self, numbers):
        self.launcher.write_text(LAUNCHER.replace("FATAL", repr(tuple(numbers))))

    @property
    def starts(self) -> int:
        file = self.launcher.with_name("launcher.py.starts")
        return len(file.read_text()) if file.exists() else 0


@pytest.fixture(autouse=True)
def kernel(tmp_path, monkeypatch):
    folder = tmp_path / "jupyter"
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    return Kernel(folder)


def write_notebook(path: Path, *cells: str, parameters: str | None = PARAMETERS) -> Path:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    node = nbformat.v4.new_notebook(metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    node.cells.append(nbformat.v4.new_markdown_cell("# A title"))
    if parameters is not None:
        node.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    node.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(node, path)
    return path


@pytest.fixture
def notebook(tmp_path):
    return write_notebook(tmp_path / "book" / "some.ipynb")


def printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(out.text for c in cells for out in c.get("outputs", []) if out.output_type == "stream")


def left_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(
    ("parameters", "parts"),
    [
        ({"sede": 1}, ["'sede'", "did you mean 'seed'", "seed, rate, source, fast, sizes, names, limit"]),
        ({"seed": "1"}, ["int", "seed", "'1' (str)"]),
        ({"seed": True}, ["int", "True (bool)"]),
        ({"seed": 1.0}, ["int", "1.0 (float)"]),
        ({"seed": None}, ["int", "None"]),
        ({"rate": True}, ["float", "True"]),
        ({"rate": float("nan")}, ["float", "nan", "no nan or infinity"]),
        ({"names": [1, {"x": [float("-inf")]}]}, ["list", "-inf", "no nan or infinity"]),
        ({"source": Path("x")}, ["str", "PosixPath"]),
        ({"fast": 1}, ["bool", "fast"]),
        ({"sizes": (1, 2)}, ["list[int]", "tuple"]),
        ({"sizes": [True]}, ["list[int]", "sizes"]),
        ({"names": [Path("x")]}, ["list", "names"]),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_before_a_kernel_starts(notebook, tmp_path, kernel, parameters, parts):
    output = tmp_path / "out" / "copy.ipynb"
    with pytest.raises(NotebookError) as refused:
        execute(notebook, output, parameters)
    message = str(refused.value)
    assert all(part in message for part in parts) and "\n" not in message, message
    assert kernel.starts == 0 and not output.parent.exists()


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity"])
def test_a_number_of_the_command_line_is_finite(notebook, text):
    with pytest.raises(NotebookError, match=r"Expected float for parameter rate .* no nan or infinity"):
        parse_parameters([f"rate={text}"], notebook)


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGTERM, 143, ""), (signal.SIGINT, 130, "Stopped: ")])
def test_a_notebook_that_is_stopped_leaves_nothing_behind(tmp_path, number, code, said):
    path = write_notebook(tmp_path / "long.ipynb", "import time\ntime.sleep(600)")
    output = tmp_path / "out" / "copy.ipynb"
    command = [sys.executable, "-m", "igan_lib", "notebook", str(path), str(output)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A shell in the background has SIGINT ignored, and its children inherit that.
    asked = {"start_new_session": True, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    with subprocess.Popen(command, cwd=ROOT, **streams, **asked) as process:
        partial = output.with_name(".copy.partial.ipynb")
        for _ in range(600):
            if partial.exists() and "start_time" in partial.read_text() and "sleep" in partial.read_text():
                break
            time.sleep(0.1)
        time.sleep(1)
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code and out == ""
    assert "Traceback" not in err and "ZMQ" not in err and said in err
    assert left_in(output.parent) == []


def test_an_error_of_ours_is_one_sentence_in_a_notebook(tmp_path):
    cells = (
        "import igan_lib\nigan_lib.preset('mnist', 'usps', alfa=1)",
        "from igan_lib.errors import Interrupted\nraise Interrupted('Stopped a run: run it again.')",
        "1 / 0",
    )
    shown = []
    for number, cell in enumerate(cells):
        with pytest.raises(NotebookError) as error:
            execute(write_notebook(tmp_path / f"{number}.ipynb", cell), tmp_path / "out" / f"{number}.ipynb")
        copy = nbformat.read(tmp_path / "out" / f"{number}.failed.ipynb", as_version=4)
        (output,) = [out for c in copy.cells for out in c.get("outputs", []) if out.output_type == "error"]
        shown.append((output.traceback, str(error.value)))
    (ours, said), (stopped, _), (fault, _) = shown
    assert len(ours) == 1 and ours[0].startswith("ConfigError: Expected one of the keys") and "alpha?" in ours[0]
    assert "did you mean alpha?" in said
    assert stopped == ["Interrupted: Stopped a run: run it again."]
    assert len(fault) > 1 and "ZeroDivisionError" in fault[-1]  # a fault of the program keeps its traceback


@pytest.mark.parametrize("text", ["", "no json", "{}", "[]", '{"cells": [], "nbformat": 4, "nbformat_minor": 5}'])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, text):
    path = tmp_path / "broken.ipynb"
    with pytest.raises(NotebookError, match="found no such file"):
        execute(path, tmp_path / "copy.ipynb")
    path.write_text(text)
    with pytest.raises(NotebookError, match=r"broken\.ipynb to be a Jupyter notebook"):
        execute(path, tmp_path / "copy.ipynb")


def test_a_notebook_without_a_parameters_cell_is_refused(tmp_path):
    path = write_notebook(tmp_path / "plain.ipynb", "1", parameters=None)
    with pytest.raises(NotebookError, match=r"cell tagged 'parameters' in plain\.ipynb"):
        execute(path, tmp_path / "copy.ipynb")


@pytest.mark.parametrize(
    ("cell", "part"),
    [
        ("seed: int = 0  # a comment with seed = 1", "a comment with seed = 1"),
        ("seed: int | None = 0", "seed: int | None = 0"),
        ("rate: float = 1.0\nfirst = second = 3", "first = second = 3"),
        ("seed = 0", "seed = 0"),
        ("seed: int = 0\ndouble = 2 * seed", "double = 2 * seed"),
        ("seed: Path = 0", "seed: Path = 0"),
        ("seed: list[int, str] = 0", "list[int, str]"),
        ("seed: 'Optional[int, str]' = 0", "Optional[int, str]"),
        ("seed: 'Optional[int' = 0", "Optional[int"),
        ("seed: int = = 0", "seed: int = = 0"),
    ],
)
def test_a_parameters_cell_that_papermill_would_misread_is_refused(tmp_path, cell, part):
    path = write_notebook(tmp_path / "odd.ipynb", parameters=cell)
    with pytest.raises(NotebookError) as refused:
        declared_parameters(path)
    expected, _, found = str(refused.value).partition("found ")
    assert "odd.ipynb" in expected and part in found and "\n" not in found


@pytest.mark.parametrize("output", ["copy.txt", "folder.ipynb", "book/some.ipynb", "book/some.ipynb/copy.ipynb"])
def test_an_output_that_can_not_be_written_is_refused(notebook, tmp_path, kernel, output):
    (tmp_path / "folder.ipynb").mkdir()
    before = notebook.read_text()
    with pytest.raises(NotebookError, match=r"^Expected (an output NAME\.ipynb|to create .*, found .*;)"):
        execute(notebook, tmp_path / output)
    assert kernel.starts == 0
    assert notebook.read_text() == before


def test_declared_parameters_are_read_in_order(notebook):
    types = ["int", "float", "str", "bool", "list[int]", "list", "Optional[int]"]
    names = ["seed", "rate", "source", "fast", "sizes", "names", "limit"]
    assert list(declared_parameters(notebook).items()) == list(zip(names, types, strict=True))


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["seed=3", "rate=1", "source=usps"], {"seed": 3, "rate": 1.0, "source": "usps"}),
        (["seed=-3", "rate=1e-3", "source=1"], {"seed": -3, "rate": 1e-3, "source": "1"}),
        (["source=npz:a=b.npz", "fast=true", "limit=5"], {"source": "npz:a=b.npz", "fast": True, "limit": 5}),
        (["source=", "fast=False", "limit=none"], {"source": "", "fast": False, "limit": None}),
        (["sizes=[3, 4]", 'names=["a", 1, null]'], {"sizes": [3, 4], "names": ["a", 1, None]}),
    ],
)
def test_command_line_values_take_the_declared_type(notebook, texts, values):
    found = parse_parameters(texts, notebook)
    assert repr(found) == repr(values)  # tells 1 from 1.0


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        (["seed"], "NAME=VALUE"),
        (["seed=1", "seed=2"], "twice"),
        (["sede=1"], "did you mean 'seed'"),
        (["seed=1.5"], "Expected int for parameter seed"),
        (["rate=fast"], "Expected float"),
        (["fast=1"], "Expected bool"),
        (["sizes=1,2"], "Expected list[int]"),
        (["sizes=[1.5]"], "Expected list[int]"),
        (["limit=no"], "Expected Optional[int]"),
    ],
)
def test_command_line_values_that_do_not_fit_are_refused(notebook, texts, part):
    with pytest.raises(NotebookError) as refused:
        parse_parameters(texts, notebook)
    assert part in str(refused.value)


def test_a_run_passes_parameters_and_saves_only_the_finished_copy(tmp_path, kernel, monkeypatch):
    path = write_notebook(
        tmp_path / "{book}" / "some.ipynb",
        "import os\nprint(seed, rate, source, fast, sizes, names, limit)",
        "print(os.getcwd())\nprint(sorted(os.listdir('../new {x}/deep')))",
    )
    output = tmp_path / "new {x}" / "deep" / "copy{0}.ipynb"
    output.parent.mkdir(parents=True)
    output.with_name("copy{0}.failed.ipynb").write_text("from an earlier try")
    before = path.read_text()
    monkeypatch.chdir(tmp_path)  # the paths are relative, as on a command line
    values = {"seed": 7, "rate": 2, "fast": True, "sizes": [5], "names": ["a"], "limit": 4}
    returned = execute(path.relative_to(tmp_path), output.relative_to(tmp_path), values)

    assert returned.resolve() == output
    lines = printed(output).splitlines()
    assert lines[0] == "7 2.0 digits True [5] ['a'] 4"
    assert lines[1] == str(path.parent)
    # While it ran there was the hidden partial copy, and no output yet.
    assert lines[2] == "['.copy{0}.partial.ipynb', 'copy{0}.failed.ipynb']"
    assert left_in(output.parent) == ["copy{0}.ipynb"]
    assert str(tmp_path) not in json.dumps(nbformat.read(output, as_version=4).metadata)
    assert path.read_text() == before and Path.cwd() == tmp_path
    assert kernel.starts == 1


def test_a_failing_cell_is_named_and_the_copy_up_to_there_kept(tmp_path, kernel):
    path = write_notebook(
        tmp_path / "some.ipynb", "print('before')", "# Divide\n1 / 0", "open('after', 'w')", parameters="seed: int = 0"
    )
    output = tmp_path / "out" / "copy.ipynb"
    output.parent.mkdir()
    output.write_text("an earlier result")
    with pytest.raises(NotebookError) as failure:
        execute(path, output, {"seed": 1})
    failed = output.with_name("copy.failed.ipynb")
    assert str(failure.value) == (
        f"some.ipynb failed in cell In [4] ('# Divide') with ZeroDivisionError: division by zero; "
        f"the copy up to there is {failed}."
    )
    assert printed(failed) == "before\n"
    assert output.read_text() == "an earlier result"
    assert left_in(output.parent) == ["copy.failed.ipynb", "copy.ipynb"]
    assert not (tmp_path / "after").exists()
    assert kernel.starts == 1


def test_a_kernel_that_dies_before_the_first_cell_is_tried_once_more(tmp_path, kernel):
    kernel.die_at([1])
    output = execute(write_notebook(tmp_path / "some.ipynb", "print('ran')"), tmp_path / "copy.ipynb")
    assert printed(output) == "ran\n"
    assert kernel.starts == 2


def test_a_kernel_that_never_starts_is_an_error(tmp_path, kernel):
    kernel.die_at([1, 2])
    with pytest.raises(NotebookError, match=r"some\.ipynb could not be run with kernel python3 \(.+\)"):
        execute(write_notebook(tmp_path / "some.ipynb"), tmp_path / "out" / "copy.ipynb")
    assert kernel.starts == 2
    assert left_in(tmp_path / "out") == ["copy.failed.ipynb"]


def test_a_kernel_that_dies_in_a_cell_is_not_tried_again(tmp_path, kernel):
    path = write_notebook(tmp_path / "some.ipynb", "import os\nos._exit(1)")
    with pytest.raises(NotebookError, match=r"failed in cell .+'import os'.+DeadKernelError.+copy\.failed\.ipynb"):
        execute(path, tmp_path / "copy.ipynb")
    assert kernel.starts == 1


@pytest.mark.parametrize(
    ("stop", "raised"), [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left"), NotebookError)]
)
def test_an_interrupt_and_a_full_disk_leave_nothing_half_written(notebook, tmp_path, monkeypatch, stop, raised):
    def cut_short(source, target, **options):
        Path(target).write_text('{"cells": [')
        raise stop

    monkeypatch.setattr(papermill, "execute_notebook", cut_short)
    with pytest.raises(raised, match=r"No space left|^$"):
        execute(notebook, tmp_path / "out" / "copy.ipynb")
    assert left_in(tmp_path / "out") == []


def test_relative_folders_of_data_and_links_mean_the_same_from_elsewhere(tmp_path, monkeypatch):
    path = write_notebook(
        tmp_path / "notebooks" / "a.ipynb", "import os; print(os.path.isdir(os.environ['IGAN_DATA']))"
    )
    node = nbformat.read(path, as_version=4)
    node.cells[0].source = "[code](../igan_lib/method/igan.py), [next](other.ipynb)"
    nbformat.write(node, path)
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IGAN_DATA", "data")
    copy = execute(path, tmp_path / "results" / "notebooks" / "a.ipynb")
    assert nbformat.read(copy, as_version=4).cells[0].source == (
        "[code](../../igan_lib/method/igan.py), [next](other.ipynb)"
    )
    assert printed(copy) == "True\n"
