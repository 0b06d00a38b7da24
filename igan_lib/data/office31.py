"""Office-31 as files: three domains with the same 31 classes of things on a desk (3.1, Tables 2 and 3).

Saenko, Kulis, Fritz, Darrell: "Adapting Visual Category Models to New Domains", ECCV 2010. amazon holds pictures from
the shop's pages (2,817), webcam (795) and dslr (498) photographs of an office. torchvision has no download for it.

Layout below the data root: `office31/<domain>/images/<class>/*.jpg`, the data set's own, or the same without `images`.
The images are of many sizes, so they enter the library as a backbone cuts them, or as its features (`features`).
"""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from igan_lib.errors import DataError

OFFICE_DOMAINS = ("amazon", "webcam", "dslr")  # the largest first
_PUBLISHED = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))["office31"]
CLASSES = tuple(_PUBLISHED["classes"])
"""The class folders; the label is the place in this tuple, whatever order a file system lists them in."""
COUNTS = {name: tuple(_PUBLISHED[name]) for name in OFFICE_DOMAINS}
"""Published number of images of each class."""
FOLDERS = ("office31", "Office31", "office-31", "Office-31", "office_31")
"""Names of the data set's folder, in the order in which they are looked for."""

_SOURCE = "its authors' page https://people.eecs.berkeley.edu/~jhoffman/domainadapt/"


@dataclass(frozen=True, eq=False)
class OfficeFiles:
    """The images of one domain: `files` below `folder` (<class>/<file>, by class and name) and `labels` (int64, N)."""

    name: str
    folder: Path
    files: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]

    @property
    def paths(self) -> list[Path]:
        """The files with their folder."""
        return [self.folder / file for file in self.files]


def list_office31(name: str, root: Path) -> OfficeFiles:
    """List one domain below the data root and check its classes and their counts; no image is opened.

    DataError: unknown name; the data are missing; class folders are missing or unknown; a class has another count.
    """
    if name not in OFFICE_DOMAINS:
        raise DataError(
            f"Expected domains of Office-31 ({', '.join(OFFICE_DOMAINS)}), whose classes no other data set has, "
            f"found {name!r}: choose among those."
        )
    folder, remedy = _find(name, root), _how_to_get(name)
    if folder is None:
        raise DataError(f"Expected Office-31's {name} in {root}, found no folder of it: {remedy}.")
    found = {entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    if missing := [c for c in CLASSES if c not in found]:
        raise DataError(f"Expected {len(CLASSES)} class folders in {folder}, found no {', '.join(missing)}: {remedy}.")
    if unknown := sorted(found - set(CLASSES)):
        raise DataError(
            f"Expected the {len(CLASSES)} classes of Office-31 alone in {folder}, "
            f"found {', '.join(unknown)} as well: remove what does not belong there."
        )
    by_class, counts = {c: _images_in(folder / c) for c in CLASSES}, dict(zip(CLASSES, COUNTS[name], strict=True))
    if wrong := [f"{len(by_class[c])} in {c} (not {n})" for c, n in counts.items() if len(by_class[c]) != n]:
        raise DataError(f"Expected {sum(COUNTS[name])} images in {folder}, found {', '.join(wrong)}: {remedy}.")
    files = tuple(f"{c}/{image}" for c, images in by_class.items() for image in images)
    return OfficeFiles(name, folder, files, np.repeat(np.arange(len(CLASSES)), COUNTS[name]), CLASSES)


def office31_remedy(name: str, root: Path) -> str:
    """What to do before the domain can be listed, or "" where all its class folders are there; counts no image."""
    folder = _find(name, root)
    return "" if folder and all((folder / class_name).is_dir() for class_name in CLASSES) else _how_to_get(name)


def content_hash(path: Path) -> str:
    """SHA-256 (hex) of a file. DataError: it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(
            f"Expected an image in {path}, found a file that can't be read ({type(error).__name__}): "
            "repair it or its permissions."
        ) from error


def _find(name: str, root: Path) -> Path | None:
    """The folder that holds the class folders of a domain."""
    domain = next((root / office / name for office in FOLDERS if (root / office / name).is_dir()), None)
    return domain / "images" if domain and (domain / "images").is_dir() else domain


def _how_to_get(name: str) -> str:
    return (
        f"get Office-31 (Saenko et al., ECCV 2010) from {_SOURCE}, put it there as "
        f"{FOLDERS[0]}/{name}/images/<class>/*.jpg, and let IGAN_DATA name the folder that holds {FOLDERS[0]}"
    )


def _images_in(folder: Path) -> list[str]:
    # Hidden files are what desktops leave behind, such as macOS's ._frame_0001.jpg.
    seen = (e for e in folder.iterdir() if e.suffix.lower() == ".jpg" and not e.name.startswith(".") and e.is_file())
    return sorted(entry.name for entry in seen)
