"""Run a notebook with papermill, after its parameters were checked.

Papermill itself only warns about a parameter that the notebook does not have, and then runs with the default; here
that is an error, raised before a kernel starts.
"""

import ast
import difflib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional, get_args

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from papermill.translators import PythonTranslator
from pydantic import JsonValue, TypeAdapter

from igan_lib.errors import NotebookError

KERNEL = "python3"
SCALARS = {"int": int, "float": float, "str": str, "bool": bool}
FORM = "NAME: TYPE = VALUE (the type int, float, str, bool, list, list[...] or a quoted 'Optional[...]')"


def execute(
    notebook: Path, output: Path, parameters: Mapping[str, Any] | None = None, *, progress: bool = False
) -> Path:
    """Run a notebook in its own folder, as JupyterLab does, and save the executed copy, whole or not at all.

    Papermill moves the process into that folder while the notebook runs, so call this from one thread at a time.

    Args:
        notebook: The notebook to run; it is not changed.
        output: Where the executed copy goes, ending in .ipynb; its folder is made.
        parameters: Values for the notebook's parameters; the others keep their defaults.
        progress: Show a bar that counts the cells.

    NotebookError: a parameter is unknown or ill-typed, or a path does not fit (no kernel was started then); or a cell
    failed. The copy up to the failing cell is kept beside the output as NAME.failed.ipynb.
    """
    values = _convert(parameters or {}, notebook)
    if output.suffix != ".ipynb" or output.is_dir() or output.resolve() == notebook.resolve():
        raise NotebookError(f"Expected an output NAME.ipynb other than the notebook, found {output}; choose another.")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotebookError(f"Expected to create {output.parent}, found {error.strerror}; choose another.") from error
    partial = output.with_name(f".{output.stem}.partial.ipynb")
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    for variable in ("IGAN_DATA", "IGAN_FEATURES"):  # a relative one is meant from here, not from the kernel's folder
        if os.environ.get(variable):
            os.environ[variable] = os.path.abspath(os.path.expanduser(os.environ[variable]))
    try:
        try:
            _run(notebook, partial, values, progress)
        except RuntimeError:
            if _started_cells(partial):
                raise
            _run(
                notebook, partial, values, progress
            )  # kernels that start at once can pick one port, and one of them dies
        _name_paths(partial, notebook, output)
        os.replace(partial, output)
    except Exception as error:
        message = _failure(notebook, partial, error)
        if _started_cells(partial) is not None:
            os.replace(partial, failed)
            message += f"; the copy up to there is {failed}"
        raise NotebookError(f"{message}.") from error
    finally:
        partial.unlink(missing_ok=True)  # left here by an interrupt, or cut short by a full disk
    failed.unlink(missing_ok=True)
    return output


def declared_parameters(notebook: Path) -> dict[str, str]:
    """The parameters of a notebook, name -> declared type, such as `{"seed": "int"}`; no kernel is started.

    NotebookError: the notebook is missing or unreadable, or has no cell tagged `parameters` in which every line reads
    like `seed: int = 0`, with a type that can be passed.
    """
    if not notebook.is_file():
        raise NotebookError(f"Expected a notebook at {notebook}, found no such file; check the path.")
    try:
        cells = nbformat.read(notebook, as_version=4).cells
        cell = next((cell for cell in cells if "parameters" in cell.metadata.get("tags", [])), None)
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        raise NotebookError(
            f"Expected {notebook} to be a Jupyter notebook, found a file that can't be read as "
            f"one ({_first_line(str(error))}); save it anew from JupyterLab."
        ) from error
    if cell is None:
        raise NotebookError(f"Expected a cell tagged 'parameters' in {notebook.name}, found none; add the tag to one.")
    declared, seen = {}, {parameter.name for parameter in PythonTranslator.inspect(cell)}
    try:
        for statement in ast.parse(cell.source).body:
            # Papermill reads line by line: a second "=" in a line or a "|" in a type hides the parameter from it.
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name), annotation=kind) if name in seen and _type(kind):
                    declared[name] = kind.value if isinstance(kind, ast.Constant) else ast.unparse(kind)
                case _:
                    raise SyntaxError(cell.source.splitlines()[statement.lineno - 1])
    except SyntaxError as error:
        raise NotebookError(
            f"Expected lines {FORM}, each with one '=' and none in its comment, in the parameters cell of "
            f"{notebook.name}, found {(error.text or error.msg).strip()!r}; rewrite that line."
        ) from error
    return declared


def parse_parameters(assignments: Iterable[str], notebook: Path) -> dict[str, Any]:
    """Turn strings NAME=VALUE of a command line into values of the types that the notebook declares, for `execute`.

    A bool is `true` or `false`, a list is JSON such as `[1, 2]`, and `none` is None for an Optional parameter.
    NotebookError: a string is not NAME=VALUE, a name is given twice or unknown, or a value does not fit its type.
    """
    texts: dict[str, str] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise NotebookError(f"Expected a parameter as NAME=VALUE, found {assignment!r}; write it like seed=1.")
        if name.strip() in texts:
            raise NotebookError(f"Expected parameter {name.strip()} once, found it twice; drop one of the two.")
        texts[name.strip()] = text
    return _convert(texts, notebook, from_text=True)


def _convert(values: Mapping[str, Any], notebook: Path, from_text: bool = False) -> dict[str, Any]:
    declared, found = declared_parameters(notebook), {}
    for name, value in values.items():
        if name not in declared:
            close = difflib.get_close_matches(name, declared, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            names = f"a parameter of {notebook.name} among {', '.join(declared) or 'none'}"
            raise NotebookError(f"Expected {names}, found {name!r}{hint}; correct the name.")
        try:
            kind = _type(ast.parse(declared[name], mode="eval").body)
            # Strict: True is no int, and neither is "1".
            read = _from_text if from_text else lambda v, kind: TypeAdapter(kind).validate_python(v, strict=True)
            found[name] = read(value, kind)
            json.dumps(found[name], allow_nan=False)  # a notebook is JSON, which has neither nan nor infinity
        except ValueError:  # pydantic's too
            raise NotebookError(
                f"Expected {declared[name]} for parameter {name} of {notebook.name}, found {value!r} "
                f"({type(value).__name__}); pass a value of that type, and no nan or infinity."
            ) from None
    return found


def _from_text(text: str, kind: Any) -> Any:
    if type(None) in get_args(kind):
        return None if text.strip().lower() in ("none", "null") else _from_text(text, get_args(kind)[0])
    if kind is str:
        return text
    if kind in (int, float):
        return TypeAdapter(kind).validate_strings(text)
    return TypeAdapter(kind).validate_json(text.lower() if kind is bool else text, strict=True)


def _type(kind: ast.expr) -> Any:
    """The type that an annotation means; None of one that papermill can't pass on."""
    match kind:
        case ast.Constant(value=str(text)):
            return _type(ast.parse(text, mode="eval").body)
        case ast.Name(id="list"):
            return list[JsonValue]
        case ast.Name(id=name):
            return SCALARS.get(name)
        case ast.Subscript(value=ast.Name(id="list" | "Optional" as outer), slice=inner) if found := _type(inner):
            return list[found] if outer == "list" else Optional[found]  # noqa: UP045
    return None


def _run(notebook: Path, copy: Path, values: dict[str, Any], progress: bool) -> None:
    # Papermill takes paths as templates of str.format, so braces are doubled.
    source, target = (str(path.resolve()).replace("{", "{{").replace("}", "}}") for path in (notebook, copy))
    options: dict[str, Any] = {"kernel_name": KERNEL, "language": "python", "cwd": str(notebook.resolve().parent)}
    # A cell's errors come back with the cell. What the kernel logs beside them says nothing to a reader: that its
    # connection within this machine is unencrypted, and pages about closed sockets after an interrupt.
    options |= {"progress_bar": progress, "extra_arguments": ["--IPKernelApp.log_level=CRITICAL"]}
    papermill.execute_notebook(source, target, parameters=values, **options)


def _started_cells(copy: Path) -> list[nbformat.NotebookNode] | None:
    """The code cells that ran, by papermill's note in its copy; None: the copy is missing or was cut short."""
    try:
        cells = nbformat.read(copy, as_version=4).cells
    except (OSError, ValueError):
        return None
    return [cell for cell in cells if cell.cell_type == "code" and cell.metadata.get("papermill", {}).get("start_time")]


def _failure(notebook: Path, partial: Path, error: Exception) -> str:
    """Say in one sentence, without its full stop, which cell failed and why."""
    if isinstance(error, PapermillExecutionError):
        number, source, what = error.exec_count, error.source, f"{error.ename}: {error.evalue}"
    elif started := _started_cells(partial):
        number, source, what = started[-1].execution_count, started[-1].source, f"{type(error).__name__}: {error}"
    else:
        return f"{notebook.name} could not be run with kernel {KERNEL} ({_first_line(str(error))})"
    return f"{notebook.name} failed in cell In [{number}] ({_first_line(source)!r}) with {_first_line(what)}"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip(" .")


def _name_paths(copy: Path, notebook: Path, output: Path) -> None:
    """Drop the machine's folders from papermill's notes, and let links out of the notebook folder lead there."""
    node = nbformat.read(copy, as_version=4)
    node.metadata.papermill.update(input_path=notebook.name, output_path=output.name)
    project = Path(os.path.relpath(notebook.resolve().parent.parent, output.resolve().parent)).as_posix()
    for cell in node.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../", f"]({project}/")
    nbformat.write(node, copy)
