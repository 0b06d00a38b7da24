"""Writing files so that a reader sees the old one or the new one, never a part."""

import os
import platform
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well, remove it when it does not.

    The folder is made. The file is flushed to disk before the rename, so that a power cut can't leave an empty one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{process_tag()}.partial")
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


def short_name(domain: str) -> str:
    """A domain's name as it stands in a title: of a path, the last part alone ("npz:a/b.npz" becomes "b")."""
    kind, colon, path = domain.partition(":")
    return Path(path).stem if colon else kind


def safe_name(domain: str) -> str:
    """A domain's name as a part of a file name: "npz:a/b.npz" becomes "npz_a_b.npz", at most its last 80 bytes.

    A file's name ends at 255; a run's hash tells such names apart.
    """
    return re.sub(r"[^\w.+]+", "_", domain).strip("_").encode()[-80:].decode(errors="ignore")


def process_tag() -> str:
    """How this process signs what it has not finished: a digest of the machine's name, and the process's number."""
    return f"{_machine()}-{os.getpid()}"


def left_by_killed(folder: Path, prefix: str) -> list[Path]:
    """What is called `prefix` and the tag of a process of this machine that is no longer there, and anything after it.

    Nobody is at work on it any more. What a process of another machine left is not listed: it may still be at work.
    """
    pattern = re.compile(rf"{re.escape(prefix)}{_machine()}-(\d+)(?!\d)")
    found = ((entry, pattern.match(entry.name)) for entry in (folder.iterdir() if folder.is_dir() else ()))
    return [entry for entry, match in found if match and not psutil.pid_exists(int(match[1]))]


def remove_left_partials(path: Path) -> None:
    """Remove what killed processes of this machine wrote and never renamed to `path` (see `atomic_path`)."""
    for partial in left_by_killed(path.parent, f".{path.name}."):
        partial.unlink(missing_ok=True)


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"
