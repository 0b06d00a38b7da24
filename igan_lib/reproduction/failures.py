"""What a call of the workflow began and did not finish, and the file that lists it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from igan_lib.files import write_text


@dataclass(frozen=True)
class Unfinished:
    """A run, table or notebook that was begun and left nothing: its name, one line that says why, and its log."""

    name: str
    cause: str
    log: Path


def cause(log: Path) -> str:
    """What a log says last: its error without the word, else the last line, such as that of a traceback."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if not lines:
        return "no message: it was killed, or is still running"
    return errors[-1].removeprefix("error: ") if errors else lines[-1]


def write_failures(path: Path, items: Iterable[Unfinished]) -> None:
    """List the items in a Markdown table, or remove the file when there are none."""
    rows = [[item.name, item.cause.replace("|", r"\|"), str(item.log)] for item in items]
    if not rows:
        path.unlink(missing_ok=True)
        return
    lines = ["# What did not finish", "", "| run | cause | log |", "|---|---|---|"]
    write_text(path, "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n")


def read_failures(path: Path) -> list[list[str]]:
    """Name, cause and log of each line that `write_failures` wrote; none without the file."""
    if not path.exists():
        return []
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", row)[1:-1] for row in rows[1:]]
    return [[cell.strip().replace(r"\|", "|") for cell in row] for row in cells]
