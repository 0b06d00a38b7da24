"""Writing files so that a reader sees the old one or the new one, never a part."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well, remove it when it does not.

    The folder is made. The file is flushed to disk before the rename, so that a power cut can't leave an empty one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def safe_name(domain: str) -> str:
    """A domain's name as a part of a file name: "npz:a/b.npz" becomes "npz_a_b.npz"."""
    return re.sub(r"[^\w.+]+", "_", domain).strip("_")
