"""Which pictures a folder holds: by class folder, or all at any depth. What is left out is named, with a reason.

Every real folder is read once, and no link is followed to a folder above it: links may lead in circles. Hidden entries
(.ipynb_checkpoints, macOS's ._1.jpg) and what systems leave behind are no pictures of the user's, in any place.
"""

import os
import re
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
"""Words that name folders of class folders, in any case; where several of a kind are there, the first counts."""
_KINDS = {word: kind for kind, words in SPLITS.items() for word in words}


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
    found = Pictures()
    walk = _Walk(path, found.left)
    folders, files = _entries(path, found.left)
    found.left += [Left(file, "beside the class folders") for file in files]
    by_class: dict[str, list[Path]] = {}
    # Links last: what they lead to may be a part of a class.
    for folder in sorted(folders, key=lambda entry: (entry.is_symlink(), entry.name)):
        files = list(walk.pictures(folder))
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
    found.files = list(_Walk(path, found.left).pictures(path))
    if not found.files:
        raise DataError(f"Expected pictures in {path} or below, found none: name a folder that holds some.")
    return found


def find_splits(path: Path) -> tuple[Path, Path, list[Left]] | None:
    """`path`'s folders of training and of test pictures and what lies beside them; None: it holds class folders.

    Their names have one of the words of `SPLITS`, as in seg_train and seg_test. A folder of such a name is a class (a
    train is a thing too) if it has more pictures right in it than below, or is alone and has other words in its name.
    DataError: one of the two alone, by its whole name.
    """
    left: list[Left] = []
    folders, files = _entries(path, left)
    by_kind: dict[str, list[tuple[bool, int, Path]]] = {kind: [] for kind in SPLITS}
    for folder in folders:
        word = next((word for word in re.split(r"[\W_]+", folder.name.lower()) if word in _KINDS), None)
        if word and _holds_class_folders(folder) and not path.resolve().is_relative_to(folder.resolve()):
            order = folder.name.lower() != word, SPLITS[_KINDS[word]].index(word)
            by_kind[_KINDS[word]].append((*order, folder))
    firsts = {kind: min(found) for kind, found in by_kind.items() if found}
    if len(firsts) == 1:
        ((kind, (in_part, _, alone)),) = firsts.items()
        if in_part:
            return None
        raise DataError(
            f"Expected both train and test with class folders in {path}, found them in {alone.name} alone: "
            f"name {alone} to use it by itself, or give {'test' if kind == 'train' else 'train'} some as well."
        )
    if not firsts:
        return None
    train, test = (firsts[kind][-1] for kind in ("train", "test"))
    left += [Left(entry, "beside train and test") for entry in sorted(folders + files) if entry not in (train, test)]
    return train, test, left


def _holds_class_folders(folder: Path) -> bool:
    """Whether there are folders in it with as many pictures as lie beside them, or more."""
    folders, files = _entries(folder, [])
    walk, more = _Walk(folder, []), sum(file.suffix.lower() in SUFFIXES for file in files)
    for inside in folders:
        if more <= 0:  # no need to look into the others
            break
        more -= sum(1 for _ in walk.pictures(inside))
    return bool(folders) and more <= 0


class _Walk:
    """Reads folders below `root`, every real folder once; what is left out goes to `left`."""

    def __init__(self, root: Path, left: list[Left]) -> None:
        self.start, self.root, self.left = root, Path(os.path.realpath(root)), left
        self.taken: set[str] = set()  # real folders read so far

    def pictures(self, folder: Path) -> Iterator[Path]:
        """Pictures in `folder` and below, folder by folder in the order of their paths."""
        waiting, visited = [(folder != self.start and folder.is_symlink(), folder)], []
        while waiting:
            linked, here = heappop(waiting)  # what lies there first, links last
            real = os.path.realpath(here)
            if linked and self._is_above(real, here.parent):
                self.left.append(Left(here, "a link to a folder above"))
                continue
            if real in self.taken or (linked and self._has_own_path(Path(real))):
                self.left.append(Left(here, "read already through another path"))
                continue
            self.taken.add(real)
            folders, files = _entries(here, self.left)
            visited.append((str(here), files))
            for entry in folders:
                heappush(waiting, (linked or entry.is_symlink(), entry))
        for _, files in sorted(visited):
            for file in files:
                if file.suffix.lower() not in SUFFIXES:
                    self.left.append(Left(file, "of another kind than pictures"))
                elif not file.is_file():
                    self.left.append(Left(file, "leading nowhere"))
                else:
                    yield file

    def _is_above(self, real: str, here: Path) -> bool:
        """Whether the root, or the folder that `here` really is, lies in `real` or is it."""
        return any(below.is_relative_to(real) for below in (self.root, Path(os.path.realpath(here))))

    def _has_own_path(self, real: Path) -> bool:
        """Whether it is below the root, and read there, whatever links to it."""
        return real.is_relative_to(self.root) and not any(map(_is_hidden, real.relative_to(self.root).parts))


def _entries(folder: Path, left: list[Left]) -> tuple[list[Path], list[Path]]:
    """Folders and files in a folder, by name, without what is hidden, a system's or unreadable."""
    folders, files = [], []
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        left.append(Left(folder, "unreadable"))
        entries = []
    for entry in entries:
        try:
            if _is_hidden(entry.name):
                left.append(Left(entry, "hidden or a system's"))
            else:
                (folders if entry.is_dir() else files).append(entry)
        except OSError:  # a folder may let its names be read, and no more
            left.append(Left(entry, "unreadable"))
    return folders, files


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def _first(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
