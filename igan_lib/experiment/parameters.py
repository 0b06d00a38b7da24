"""The parameters of a notebook: which ones it declares, of which types, and whether given values fit them."""

import ast
import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill

from igan_lib.errors import NotebookError

_SCALARS = (int, float, str, bool, type(None))
_TYPES_HELP = "int, float, str, bool, list, list[...] or a quoted 'Optional[...]'"


def declared_parameters(notebook: Path) -> dict[str, str]:
    """Read which parameters a notebook takes, without starting a kernel.

    Args:
        notebook: A notebook with one cell tagged `parameters`, in which every line reads like `seed: int = 0`.

    Returns:
        The declared type by name, such as `{"seed": "int"}`, in the order of the cell.

    Raises:
        NotebookError: The notebook is missing, unreadable or has no such cell, or a parameter in it has no type, has
            a type that can't be passed, or is written in a way that papermill doesn't see.
    """
    notebook = Path(notebook)
    if not notebook.is_file():
        raise NotebookError(f"Expected a notebook at {notebook}, found no such file; check the path.")
    try:
        cells = nbformat.read(notebook, as_version=4).cells
        source = next((c.source for c in cells if "parameters" in c.metadata.get("tags", [])), None)
        inspected = papermill.inspect_notebook(literal_path(notebook.resolve()))
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        reason = str(error).partition("\n")[0]
        raise NotebookError(
            f"Expected {notebook} to be a Jupyter notebook with a Python kernel, found a file that can't be read as "
            f"one ({reason}); save it anew from JupyterLab."
        ) from error
    if source is None:
        raise NotebookError(
            f"Expected a cell tagged 'parameters' in {notebook.name}, found none; add the tag to its parameters cell."
        )

    declared = {name: parameter["inferred_type_name"] for name, parameter in inspected.items()}
    for name in _assigned_names(source, notebook):
        # Papermill reads the cell line by line: a second "=" in a line or a "|" in a type hides the parameter from it.
        if name not in declared:
            raise NotebookError(
                f"Parameter {name} of {notebook.name} can't be read by papermill; write it on a line of its own with "
                f"one '=' (none in its comment) and the type {_TYPES_HELP}."
            )
        if declared[name] == "None":
            raise NotebookError(f"Parameter {name} of {notebook.name} has no type; write it like '{name}: int = 0'.")
        if not _supported(_parse_type(declared[name])):
            raise NotebookError(
                f"Parameter {name} of {notebook.name} has the type {declared[name]}, which can't be passed to a "
                f"notebook; use {_TYPES_HELP}."
            )
    return declared


def parse_parameters(assignments: Iterable[str], notebook: Path) -> dict[str, Any]:
    """Turn command-line strings into values of the types that the notebook declares.

    Args:
        assignments: Strings `NAME=VALUE`. A bool is `true` or `false`, a list is JSON such as `[1, 2]`, and `none`
            is None for an Optional parameter.
        notebook: The notebook that the values are for.

    Returns:
        The values by name, ready for `execute`.

    Raises:
        NotebookError: A string is not `NAME=VALUE`, names a parameter twice or one that the notebook does not have,
            or its value does not fit the type.
    """
    notebook = Path(notebook)
    declared = declared_parameters(notebook)
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise NotebookError(f"Expected a parameter as NAME=VALUE, found {assignment!r}; write it like seed=1.")
        if name in values:
            raise NotebookError(f"Expected parameter {name} once, found it twice; drop one of the two.")
        _check_known(name, declared, notebook)
        try:
            values[name] = _convert(text, _parse_type(declared[name]))
        except ValueError:
            raise _type_error(name, declared, text, notebook) from None
    check_parameters(values, declared, notebook)
    return values


def check_parameters(values: Mapping[str, Any], declared: Mapping[str, str], notebook: Path) -> None:
    """Raise NotebookError unless each value is one that `notebook` declares, of the declared type."""
    for name, value in values.items():
        _check_known(name, declared, notebook)
        if not _fits(value, _parse_type(declared[name])):
            raise _type_error(name, declared, value, notebook)


def _check_known(name: str, declared: Mapping[str, str], notebook: Path) -> None:
    if name in declared:
        return
    close = difflib.get_close_matches(name, declared, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    known = ", ".join(declared) or "none"
    raise NotebookError(f"{notebook.name} has no parameter {name!r}{hint}; the parameters it takes: {known}.")


def _type_error(name: str, declared: Mapping[str, str], value: Any, notebook: Path) -> NotebookError:
    return NotebookError(
        f"Expected {declared[name]} for parameter {name} of {notebook.name}, found {value!r} "
        f"({type(value).__name__}); pass a value of that type."
    )


def _assigned_names(source: str, notebook: Path) -> list[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise NotebookError(
            f"Expected plain Python in the parameters cell of {notebook.name}, found a syntax error in its line "
            f"{error.lineno}; keep only lines like 'seed: int = 0' there."
        ) from error
    targets = [t for s in body for t in (s.targets if isinstance(s, ast.Assign) else [getattr(s, "target", None)])]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _parse_type(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _outer_and_inner(kind: ast.expr | None) -> tuple[str | None, ast.expr | None]:
    """Split `Optional[int]` into "Optional" and the node of `int`; `int` into "int" and None."""
    if isinstance(kind, ast.Subscript) and isinstance(kind.value, ast.Name):
        return kind.value.id, kind.slice
    return (kind.id if isinstance(kind, ast.Name) else None), None


def _supported(kind: ast.expr | None) -> bool:
    outer, inner = _outer_and_inner(kind)
    if outer == "Optional":
        return _supported(inner)
    if outer == "list":
        return inner is None or _supported(inner)
    return outer in ("int", "float", "str", "bool") and inner is None


def _fits(value: Any, kind: ast.expr | None) -> bool:
    outer, inner = _outer_and_inner(kind)
    if outer == "Optional":
        return value is None or _fits(value, inner)
    if outer == "list":
        return isinstance(value, list) and all(_fits(v, inner) if inner else _plain(v) for v in value)
    if outer == "bool" or isinstance(value, bool):
        # bool is a subclass of int in Python, but True is no seed.
        return outer == "bool" and isinstance(value, bool)
    return isinstance(value, {"int": int, "float": (int, float), "str": str}[outer])


def _plain(value: Any) -> bool:
    """Whether papermill can write the value into a cell as it is."""
    return all(_plain(v) for v in value) if isinstance(value, list) else isinstance(value, _SCALARS)


def _convert(text: str, kind: ast.expr | None) -> Any:
    outer, inner = _outer_and_inner(kind)
    if outer == "Optional":
        return None if text.strip().lower() in ("none", "null") else _convert(text, inner)
    if outer == "list":
        return json.loads(text)
    if outer == "bool":
        if text.strip().lower() not in ("true", "false"):
            raise ValueError(text)
        return text.strip().lower() == "true"
    return {"int": int, "float": float, "str": str}[outer](text)


def literal_path(path: Path) -> str:
    """Papermill takes paths as templates of str.format, so braces are doubled."""
    return str(path).replace("{", "{{").replace("}", "}}")
