"""Rows that are added to a table as they are measured."""

import csv
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path


def append(rows: Iterable[list[object]], columns: list[str], output: Path) -> None:
    """Add rows to a CSV file, whose first line names the columns; two processes may do so at the same time."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output, "a", newline="", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_size == 0:  # `tell` is that of opening, before the lock
            csv.writer(file).writerow(columns)
        csv.writer(file).writerows(rows)
