"""Run a notebook with papermill, after its parameters were checked.

Papermill itself only warns about a parameter that the notebook does not have, and then runs with the default; here
that is an error, raised before a kernel starts.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from igan_lib.errors import NotebookError
from igan_lib.experiment.parameters import check_parameters, declared_parameters, literal_path

KERNEL = "python3"


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    timeout: int | None = None,
    cwd: Path | None = None,
    progress: bool = False,
) -> Path:
    """Run a notebook and save the executed copy, whole or not at all.

    Papermill moves the process into `cwd` while the notebook runs, so call this from one thread at a time.

    Args:
        notebook: The notebook to run; it is not changed.
        output: Where the executed copy goes, ending in .ipynb; its folder is made.
        parameters: Values for the notebook's parameters; the others keep their defaults.
        timeout: Seconds that one cell may take; None for no limit.
        cwd: The kernel's working folder. None is the notebook's own folder, where JupyterLab runs it too, so that
            relative paths mean the same in both.
        progress: Show papermill's bar, one tick a cell.

    Returns:
        The path of the executed copy.

    Raises:
        NotebookError: A parameter is unknown or ill-typed, or a path does not fit (no kernel was started then); or a
            cell failed. The copy up to the failing cell is kept beside the output as NAME.failed.ipynb.
    """
    notebook, output = Path(notebook), Path(output)
    check_parameters(parameters or {}, declared_parameters(notebook), notebook)
    folder = Path(cwd) if cwd is not None else notebook.resolve().parent
    if not folder.is_dir():
        raise NotebookError(f"Expected a folder to run {notebook.name} in, found none at {folder}; create it first.")
    _prepare_output(notebook, output)

    partial = output.with_name(f".{output.stem}.partial.ipynb")
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    options: dict[str, Any] = {
        "parameters": dict(parameters or {}),
        "kernel_name": KERNEL,
        "language": "python",
        "cwd": str(folder.resolve()),
        "execution_timeout": timeout,
        "progress_bar": progress,
        # A kernel of this machine alone: its warning of an unencrypted connection tells a reader nothing.
        "extra_arguments": ["--IPKernelApp.log_level=ERROR"],
    }
    source, target = literal_path(notebook.resolve()), literal_path(partial.resolve())
    for variable in ("IGAN_DATA", "IGAN_FEATURES"):  # a relative one is meant from here, not from the kernel's folder
        if os.environ.get(variable):
            os.environ[variable] = os.path.abspath(os.path.expanduser(os.environ[variable]))
    try:
        try:
            papermill.execute_notebook(source, target, **options)
        except RuntimeError:
            # Kernels that start at the same moment can pick the same port, and one of them dies at once.
            if _last_started_cell(partial) is not None:
                raise
            papermill.execute_notebook(source, target, **options)
        _name_paths(partial, notebook, output)
        os.replace(partial, output)
    except Exception as error:
        message = _failure(notebook, partial, error, timeout)
        if _read_copy(partial) is not None:
            os.replace(partial, failed)
            message += f"; the copy up to there is {failed}"
        raise NotebookError(f"{message}.") from error
    finally:
        # Left here by an interrupt, or cut short by a full disk.
        partial.unlink(missing_ok=True)
    failed.unlink(missing_ok=True)
    return output


def _prepare_output(notebook: Path, output: Path) -> None:
    if output.suffix != ".ipynb" or output.is_dir():
        raise NotebookError(f"Expected an output file that ends in .ipynb, found {output}; name a file.")
    if output.resolve() == notebook.resolve():
        raise NotebookError(f"Expected an output other than the notebook itself, found {output}; name another file.")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotebookError(
            f"Expected to create the folder {output.parent}, found {error.strerror}; choose another."
        ) from error


def _read_copy(copy: Path) -> nbformat.NotebookNode | None:
    """Read the copy that papermill was writing; None if there is none or it was cut short."""
    try:
        return nbformat.read(copy, as_version=4)
    except (OSError, ValueError):
        return None


def _last_started_cell(copy: Path) -> nbformat.NotebookNode | None:
    """Return the code cell that ran last; papermill notes in the copy when a cell starts."""
    node = _read_copy(copy)
    cells = node.cells if node is not None else []
    started = [c for c in cells if c.cell_type == "code" and c.metadata.get("papermill", {}).get("start_time")]
    return started[-1] if started else None


def _failure(notebook: Path, partial: Path, error: Exception, timeout: int | None) -> str:
    """Say in one sentence, without its full stop, which cell failed and why."""
    if isinstance(error, PapermillExecutionError):
        number, source = error.exec_count, error.source
        what = f"{error.ename}: {error.evalue}"
    else:
        cell = _last_started_cell(partial)
        if cell is None:
            return f"{notebook.name} could not be run with kernel {KERNEL} ({_first_line(str(error))})"
        number, source = cell.execution_count, cell.source
        timed_out = isinstance(error, TimeoutError)
        what = f"a cell's limit of {timeout} s passed" if timed_out else f"{type(error).__name__}: {error}"
    return f"{notebook.name} failed in cell In [{number}] ({_first_line(source)!r}) with {_first_line(what)}"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip(" .")


def _name_paths(copy: Path, notebook: Path, output: Path) -> None:
    """Replace the absolute paths that papermill notes in the copy, which mean nothing on another machine.

    Links to files outside of the notebook folder are made to lead there from the copy; those to other notebooks stay,
    and lead to their copies.
    """
    node = nbformat.read(copy, as_version=4)
    node.metadata.papermill.update(input_path=notebook.name, output_path=output.name)
    project = Path(os.path.relpath(notebook.resolve().parent.parent, output.resolve().parent)).as_posix()
    for cell in node.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../", f"]({project}/")
    nbformat.write(node, copy)
