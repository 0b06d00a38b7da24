"""The papermill wrapper: what it refuses before a kernel starts, and what it leaves behind when a cell fails."""

import json
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from igan_lib.errors import NotebookError
from igan_lib.experiment.notebooks import execute
from igan_lib.experiment.parameters import declared_parameters, parse_parameters

PARAMETERS = """\
seed: int = 0  # which random numbers
rate: float = 0.1
source: str = "digits"
fast: bool = False
sizes: list[int] = [1, 2]
names: list = []
limit: "Optional[int]" = None
"""
# Counts its starts in the file STARTS; a start whose number is in FATAL dies at once, as in a race for a port.
LAUNCHER = """\
import os, sys
from pathlib import Path
starts = Path(STARTS)
number = len(starts.read_text().split()) + 1 if starts.exists() else 1
starts.write_text("x " * number)
if number in FATAL:
    sys.exit(1)
os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *sys.argv[1:]])
"""


class Kernel:
    """The kernel python3 as these tests see it: the real one, behind a launcher that counts."""

    def __init__(self, folder: Path):
        self.starts_file = folder / "starts"
        self.launcher = folder / "launcher.py"
        spec = folder / "kernels" / "python3" / "kernel.json"
        spec.parent.mkdir(parents=True)
        argv = [sys.executable, str(self.launcher), "-f", "{connection_file}"]
        spec.write_text(json.dumps({"argv": argv, "display_name": "counted", "language": "python"}))
        self.die_at(())

    def die_at(self, numbers):
        text = LAUNCHER.replace("STARTS", repr(str(self.starts_file))).replace("FATAL", repr(tuple(numbers)))
        self.launcher.write_text(text)

    @property
    def starts(self) -> int:
        return len(self.starts_file.read_text().split()) if self.starts_file.exists() else 0


@pytest.fixture(autouse=True)
def kernel(tmp_path, monkeypatch):
    folder = tmp_path / "jupyter"
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    return Kernel(folder)


def write_notebook(path: Path, *cells: str, parameters: str | None = PARAMETERS) -> Path:
    node = nbformat.v4.new_notebook()
    node.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    node.metadata.language_info = {"name": "python"}
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


# --- What is refused, and that no kernel starts for it


@pytest.mark.parametrize(
    ("parameters", "parts"),
    [
        ({"sede": 1}, ["'sede'", "did you mean 'seed'", "seed, rate, source, fast, sizes, names, limit"]),
        ({"xyzzy": 1}, ["'xyzzy'", "some.ipynb"]),
        ({"seed": "1"}, ["int", "seed", "'1' (str)"]),
        ({"seed": True}, ["int", "True (bool)"]),
        ({"seed": 1.0}, ["int", "1.0 (float)"]),
        ({"seed": None}, ["int", "None"]),
        ({"rate": "0.1"}, ["float", "rate"]),
        ({"rate": True}, ["float", "True"]),
        ({"source": 3}, ["str", "source"]),
        ({"source": Path("x")}, ["str", "PosixPath"]),
        ({"fast": 1}, ["bool", "fast"]),
        ({"fast": "true"}, ["bool", "fast"]),
        ({"sizes": (1, 2)}, ["list[int]", "tuple"]),
        ({"sizes": [1, "2"]}, ["list[int]", "sizes"]),
        ({"sizes": [True]}, ["list[int]", "sizes"]),
        ({"names": "abc"}, ["list", "names"]),
        ({"names": [{"a": 1}]}, ["list", "names"]),
        ({"limit": "7"}, ["Optional[int]", "limit"]),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_before_a_kernel_starts(notebook, tmp_path, kernel, parameters, parts):
    output = tmp_path / "out" / "copy.ipynb"
    with pytest.raises(NotebookError) as refused:
        execute(notebook, output, parameters)
    message = str(refused.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message
    assert kernel.starts == 0
    assert not output.parent.exists()


def test_a_missing_notebook_is_refused(tmp_path):
    with pytest.raises(NotebookError, match=r"found no such file"):
        execute(tmp_path / "none.ipynb", tmp_path / "copy.ipynb")


@pytest.mark.parametrize("text", ["", "no json", "{}", "[]", '{"cells": [], "nbformat": 4, "nbformat_minor": 5}'])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, text):
    path = tmp_path / "broken.ipynb"
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
        ("seed: int = 0  # a comment with seed = 1", "one '='"),
        ("seed: int | None = 0", "one '='"),
        ("first = second = 3", "one '='"),
        ("seed = 0", "has no type"),
        ("seed: Path = 0", "can't be passed"),
        ("seed: list[Path] = 0", "can't be passed"),
        ("seed: 'Optional[int, str]' = 0", "can't be passed"),
        ("seed: int[str] = 0", "can't be passed"),
        ("seed: int = = 0", "syntax error"),
    ],
)
def test_a_parameters_cell_that_papermill_would_misread_is_refused(tmp_path, cell, part):
    path = write_notebook(tmp_path / "odd.ipynb", parameters=cell)
    with pytest.raises(NotebookError) as refused:
        declared_parameters(path)
    assert part in str(refused.value)
    assert "odd.ipynb" in str(refused.value)


@pytest.mark.parametrize("output", ["copy.txt", "folder.ipynb", "book/some.ipynb"])
def test_an_output_that_can_not_be_written_is_refused(notebook, tmp_path, kernel, output):
    (tmp_path / "folder.ipynb").mkdir()
    before = notebook.read_text()
    with pytest.raises(NotebookError, match="Expected an output"):
        execute(notebook, tmp_path / output)
    assert kernel.starts == 0
    assert notebook.read_text() == before


def test_an_output_folder_that_is_a_file_is_refused(notebook, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotebookError, match="Expected to create the folder"):
        execute(notebook, tmp_path / "file" / "copy.ipynb")


def test_a_missing_working_folder_is_refused(notebook, tmp_path):
    with pytest.raises(NotebookError, match="Expected a folder to run"):
        execute(notebook, tmp_path / "copy.ipynb", cwd=tmp_path / "none")


# --- Reading the declared types and the command line


def test_declared_parameters_are_read_in_order(notebook):
    assert declared_parameters(notebook) == {
        "seed": "int",
        "rate": "float",
        "source": "str",
        "fast": "bool",
        "sizes": "list[int]",
        "names": "list",
        "limit": "Optional[int]",
    }


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("seed=3", 3),
        ("seed=-3", -3),
        ("rate=1", 1.0),
        ("rate=1e-3", 1e-3),
        ("source=usps", "usps"),
        ("source=1", "1"),
        ("source=npz:a=b.npz", "npz:a=b.npz"),
        ("source=", ""),
        ("fast=true", True),
        ("fast=False", False),
        ("sizes=[3, 4]", [3, 4]),
        ('names=["a", 1, null]', ["a", 1, None]),
        ("limit=none", None),
        ("limit=5", 5),
    ],
)
def test_command_line_values_take_the_declared_type(notebook, assignment, value):
    (found,) = parse_parameters([assignment], notebook).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("assignments", "part"),
    [
        (["seed"], "NAME=VALUE"),
        (["=1"], "NAME=VALUE"),
        (["seed=1", "seed=2"], "twice"),
        (["sede=1"], "did you mean 'seed'"),
        (["seed=one"], "Expected int for parameter seed"),
        (["seed=1.5"], "Expected int"),
        (["rate=fast"], "Expected float"),
        (["fast=1"], "Expected bool"),
        (["sizes=1,2"], "Expected list[int]"),
        (["sizes=[1.5]"], "Expected list[int]"),
        (["sizes=3"], "Expected list[int]"),
        (["limit=no"], "Expected Optional[int]"),
    ],
)
def test_command_line_values_that_do_not_fit_are_refused(notebook, assignments, part):
    with pytest.raises(NotebookError) as refused:
        parse_parameters(assignments, notebook)
    assert part in str(refused.value)


# --- Running


def test_a_run_passes_parameters_and_saves_only_the_finished_copy(tmp_path, kernel, monkeypatch):
    path = write_notebook(
        tmp_path / "{book}" / "some.ipynb",
        "import os\nprint(seed, rate, source, fast, sizes, names, limit)",
        "print(os.getcwd())\nprint(sorted(os.listdir('../new {x}/deep')))",
    )
    output = tmp_path / "new {x}" / "deep" / "copy{0}.ipynb"
    output.parent.mkdir(parents=True)
    stale = output.with_name("copy{0}.failed.ipynb")
    stale.write_text("from an earlier try")
    before = path.read_text()
    # Relative paths, as on a command line.
    monkeypatch.chdir(tmp_path)
    values = {"seed": 7, "rate": 2, "fast": True, "sizes": [5], "names": ["a"], "limit": 4}
    returned = execute(path.relative_to(tmp_path), output.relative_to(tmp_path), values)

    assert returned.resolve() == output
    lines = printed(output).splitlines()
    assert lines[0] == "7 2 digits True [5] ['a'] 4"
    assert lines[1] == str(path.parent)
    # While it ran there was the hidden partial copy, and no output yet.
    assert lines[2] == "['.copy{0}.partial.ipynb', 'copy{0}.failed.ipynb']"
    assert left_in(output.parent) == ["copy{0}.ipynb"]
    assert str(tmp_path) not in json.dumps(nbformat.read(output, as_version=4).metadata)
    assert path.read_text() == before
    assert Path.cwd() == tmp_path
    assert kernel.starts == 1


def test_a_run_makes_the_output_folder_and_works_where_it_is_told(tmp_path):
    path = write_notebook(tmp_path / "some.ipynb", "import os\nprint(os.getcwd())")
    (tmp_path / "elsewhere").mkdir()
    output = execute(path, tmp_path / "a" / "b" / "copy.ipynb", cwd=tmp_path / "elsewhere")
    assert printed(output) == f"{tmp_path / 'elsewhere'}\n"


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


def test_a_cell_over_the_time_limit_is_an_error(tmp_path):
    path = write_notebook(tmp_path / "some.ipynb", "import time\ntime.sleep(60)")
    with pytest.raises(NotebookError, match=r"'import time'.+limit of 1 s passed"):
        execute(path, tmp_path / "copy.ipynb", timeout=1)


def test_an_interrupt_leaves_nothing_behind(notebook, tmp_path, monkeypatch):
    def interrupted(source, target, **options):
        Path(target).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(papermill, "execute_notebook", interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(notebook, tmp_path / "out" / "copy.ipynb")
    assert left_in(tmp_path / "out") == []


def test_a_full_disk_is_an_error_and_leaves_nothing_half_written(notebook, tmp_path, monkeypatch):
    def cut_short(source, target, **options):
        Path(target).write_text('{"cells": [')
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(papermill, "execute_notebook", cut_short)
    with pytest.raises(NotebookError, match="No space left"):
        execute(notebook, tmp_path / "out" / "copy.ipynb")
    assert left_in(tmp_path / "out") == []


def test_relative_folders_of_data_and_links_mean_the_same_from_elsewhere(tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / "notebooks").mkdir(parents=True)
    (project / "data").mkdir()
    cells = [
        nbformat.v4.new_markdown_cell("[code](../igan_lib/method/igan.py), [next](other.ipynb)"),
        nbformat.v4.new_code_cell("seed: int = 0  # any", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("import os; print(os.path.isdir(os.environ['IGAN_DATA']))"),
    ]
    kernel = {"name": "python3", "display_name": "python3", "language": "python"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), project / "notebooks" / "a.ipynb"
    )
    monkeypatch.chdir(project)
    monkeypatch.setenv("IGAN_DATA", "data")
    copy = execute(project / "notebooks" / "a.ipynb", project / "results" / "notebooks" / "a.ipynb", progress=False)
    markdown, _, code = nbformat.read(copy, as_version=4).cells
    assert markdown.source == "[code](../../igan_lib/method/igan.py), [next](other.ipynb)"
    assert code.outputs[0].text == "True\n"
