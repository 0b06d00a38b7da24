"""Which pictures a folder holds: by class folder, or all at any depth. What is left out is named, with a reason.

Every real folder is read once: links may lead in circles. Hidden entries (.ipynb_checkpoints, macOS's ._1.jpg) and what
systems leave behind are no pictures of the user's, in any place.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path

from igan_lib.errors import DataError

# What Pillow decodes by itself.
SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm"}
SUFFIXES |= {".tif", ".tiff", ".webp", ".gif", ".jp2", ".j2k", ".avif"}
_OF_SYSTEMS = {"__macosx", "__pycache__", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
_OF_SYSTEMS |= {"thumbs.db", "desktop.ini"}
SPLITS = {"train": ("train", "training"), "test": ("test", "testing", "validation", "val", "valid")}
"""Names of folders that hold class folders, in any case; where several of a kind are there, the first counts."""


@dataclass(frozen=True)
class Left:
    """A file or a folder that was left out, and why."""

    path: Path
    why: str


@dataclass
class Pictures:
    """What was found: `files` in order with the `labels` of their class folders, 0..K-1; `left`, what was not taken.

    `nested`: names of classes that hold sub-folders, whose pictures count as the class's. Of a heap without classes,
    `labels` are empty.
    """

    files: list[Path] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    class_names: tuple[str, ...] = ()
    left: list[Left] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)

    def notes(self, where: Path) -> list[str]:
        """One sentence on what was left out, counted and named, and one on sub-folders; none where all is plain."""
        said = [left_out(self.left, where)] if self.left else []
        if self.nested:
            said.append(f"In {where}, sub-folders were read as a part of their class: {_first(self.nested)}.")
        return said


def left_out(left: list[Left], where: Path) -> str:
    """How many entries below `where` were left out, by reason, with the first names of each."""
    parts = []
    for why, count in Counter(entry.why for entry in left).most_common():
        named = [os.path.relpath(entry.path, where) for entry in left if entry.why == why]
        parts.append(f"{count} {why} ({_first(named)})")
    return f"Left out of {where}: {'; '.join(parts)}."


def list_classes(path: Path) -> Pictures:
    """The pictures below `path`/<class>/, by class and, within one, by folder and name; a label is a class's place.

    A class folder without a picture is left out. DataError: there is no class folder with pictures.
    """
    found, folders = Pictures(), []
    taken = {os.path.realpath(path)}
    for entry in _entries(path, found.left):
        if entry.is_dir():
            folders.append(entry)
        else:
            found.left.append(Left(entry, "beside the class folders"))
    owned = [os.path.realpath(folder) for folder in folders if not folder.is_symlink()]
    by_class: dict[str, list[Path]] = {}
    for folder in sorted(folders, key=lambda entry: (entry.is_symlink(), entry.name)):
        # A link beside the classes that leads to one of them is no further class.
        files = list(_walk(folder, taken, owned, found.left))
        if files:
            by_class[folder.name] = files
            if any(file.parent != folder for file in files):
                found.nested.append(folder.name)
        elif not (found.left and found.left[-1].path == folder):
            found.left.append(Left(folder, "without a picture"))
    if not by_class:
        raise DataError(
            f"Expected {path} to hold class folders with images in each, found none: "
            "arrange the files as <class>/<image>."
        )
    found.class_names = tuple(sorted(by_class))
    for label, name in enumerate(found.class_names):
        found.files += by_class[name]
        found.labels += [label] * len(by_class[name])
    return found


def list_heap(path: Path) -> Pictures:
    """All pictures below `path`, at any depth, by folder and name. DataError: there is none."""
    found = Pictures()
    found.files = list(_walk(path, set(), [os.path.realpath(path)], found.left))
    if not found.files:
        raise DataError(f"Expected pictures in {path} or below, found none: name a folder that holds some.")
    return found


def find_splits(path: Path) -> tuple[Path, Path, list[Left]] | None:
    """`path`'s folders of training and of test pictures and what lies beside them; None: it holds class folders.

    A folder that has such a name and pictures of its own is a class (a train is a thing too). DataError: one of the two
    alone.
    """
    left: list[Left] = []
    entries = _entries(path, left)
    by_kind = {
        kind: sorted(
            (entry for entry in entries if entry.name.lower() in names and _holds_folders_alone(entry)),
            key=lambda entry: names.index(entry.name.lower()),
        )
        for kind, names in SPLITS.items()
    }
    if not any(by_kind.values()):
        return None
    if not all(by_kind.values()):
        found, lacking = ("train", "test") if by_kind["train"] else ("test", "train")
        raise DataError(
            f"Expected both train and test in {path}, found {by_kind[found][0].name} alone: "
            f"add {lacking}, or put the class folders right into {path} to have them split."
        )
    train, test = by_kind["train"][0], by_kind["test"][0]
    left += [Left(entry, "beside train and test") for entry in entries if entry not in (train, test)]
    return train, test, left


def _holds_folders_alone(folder: Path) -> bool:
    """Whether there are folders and no pictures right in it."""
    inside = _entries(folder, []) if folder.is_dir() else []
    return any(entry.is_dir() for entry in inside) and not any(entry.suffix.lower() in SUFFIXES for entry in inside)


def _walk(folder: Path, taken: set[str], owned: list[str], left: list[Left]) -> Iterator[Path]:
    """Pictures in `folder` and below, folder by folder in the order of their paths.

    `taken`: real folders read so far; `owned`: those that are read through their own path, whatever links to them.
    """
    waiting, visited = [(False, folder)], []
    while waiting:
        linked, here = heappop(waiting)  # what lies there first, links last
        real = os.path.realpath(here)
        if real in taken or (linked and any(f"{real}{os.sep}".startswith(f"{own}{os.sep}") for own in owned)):
            left.append(Left(here, "read already through another path"))
            continue
        taken.add(real)
        entries = _entries(here, left)
        visited.append((str(here), [entry for entry in entries if not entry.is_dir()]))
        for entry in entries:
            if entry.is_dir():
                heappush(waiting, (linked or entry.is_symlink(), entry))
    for _, files in sorted(visited):
        for file in files:
            if file.suffix.lower() not in SUFFIXES:
                left.append(Left(file, "of another kind than pictures"))
            elif not file.is_file():
                left.append(Left(file, "leading nowhere"))
            else:
                yield file


def _entries(folder: Path, left: list[Left]) -> list[Path]:
    """What is in a folder, by name, without what is hidden or a system's."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        left.append(Left(folder, "unreadable"))
        return []
    shown = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
            left.append(Left(entry, "hidden or a system's"))
        else:
            shown.append(entry)
    return shown


def _first(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
