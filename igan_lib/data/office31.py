"""Office-31 as files: three domains with the same 31 classes of things on a desk (3.1, Tables 2 and 3).

Saenko, Kulis, Fritz, Darrell: "Adapting Visual Category Models to New Domains", ECCV 2010. amazon holds pictures from
the shop's pages (2,817), webcam (795) and dslr (498) photographs of an office. torchvision has no download for it.

Layout below the data root: `office31/<domain>/images/<class>/*.jpg`, the data set's own, or the same without `images`.
The images are of many sizes, so they enter the library as a backbone cuts them, or as its features (`features`).
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from igan_lib.errors import DataError

OFFICE_DOMAINS = ("amazon", "webcam", "dslr")
"""The three domains, the largest first."""

CLASSES: tuple[str, ...] = (
    *("back_pack", "bike", "bike_helmet", "bookcase", "bottle", "calculator", "desk_chair", "desk_lamp"),
    *("desktop_computer", "file_cabinet", "headphones", "keyboard", "laptop_computer", "letter_tray", "mobile_phone"),
    *("monitor", "mouse", "mug", "paper_notebook", "pen", "phone", "printer", "projector", "punchers", "ring_binder"),
    *("ruler", "scissors", "speaker", "stapler", "tape_dispenser", "trash_can"),
)
"""The class folders; the label is the place in this tuple, whatever order a file system lists them in."""

COUNTS: dict[str, tuple[int, ...]] = {
    "amazon": (
        *(92, 82, 72, 82, 36, 94, 91, 97, 97, 81, 99, 100, 100, 98, 100, 99),
        *(100, 94, 96, 95, 93, 100, 98, 98, 90, 75, 100, 99, 99, 96, 64),
    ),
    "webcam": (
        *(29, 21, 28, 12, 16, 31, 40, 18, 21, 19, 27, 27, 30, 19, 30, 43),
        *(30, 27, 28, 32, 16, 20, 30, 27, 40, 11, 25, 30, 24, 23, 21),
    ),
    "dslr": (
        *(12, 21, 24, 12, 16, 12, 13, 14, 15, 15, 13, 10, 24, 16, 31, 22),
        *(12, 8, 10, 10, 13, 15, 23, 18, 10, 7, 18, 26, 21, 22, 15),
    ),
}
"""Number of images of each class; the sums are the published 2,817, 795 and 498."""

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
    """List one domain and check its classes and the number of images of each; no image is opened.

    Args:
        name: amazon, webcam or dslr.
        root: the data root that holds one of `FOLDERS`.

    Raises:
        DataError: unknown name; the data are missing; class folders are missing or unknown; a class has too many or too
            few images.
    """
    if name not in OFFICE_DOMAINS:
        raise DataError(
            f"Expected domains of Office-31 ({', '.join(OFFICE_DOMAINS)}), whose classes no other data set has, "
            f"found {name!r}: choose among those."
        )
    folder = _find(name, root)
    if folder is None:
        raise DataError(f"Expected Office-31's {name} in {root}, found no folder of it: {_how_to_get(name)}.")
    found = {entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    missing, unknown = [c for c in CLASSES if c not in found], sorted(found - set(CLASSES))
    if missing:
        raise DataError(
            f"Expected {len(CLASSES)} class folders in {folder}, found no {', '.join(missing)}: {_how_to_get(name)}."
        )
    if unknown:
        raise DataError(
            f"Expected the {len(CLASSES)} classes of Office-31 alone in {folder}, "
            f"found {', '.join(unknown)} as well: remove what does not belong there."
        )
    by_class = [_images_in(folder / class_name) for class_name in CLASSES]
    wrong = [
        f"{len(images)} in {class_name} (not {count})"
        for class_name, images, count in zip(CLASSES, by_class, COUNTS[name], strict=True)
        if len(images) != count
    ]
    if wrong:
        raise DataError(
            f"Expected {sum(COUNTS[name])} images in {folder}, found {', '.join(wrong)}: {_how_to_get(name)}."
        )
    files = tuple(f"{c}/{image}" for c, images in zip(CLASSES, by_class, strict=True) for image in images)
    return OfficeFiles(name, folder, files, np.repeat(np.arange(len(CLASSES)), COUNTS[name]), CLASSES)


def office31_remedy(name: str, root: Path) -> str:
    """What to do before the domain can be listed, or "" where all its class folders are there; counts no image."""
    folder = _find(name, root)
    if folder is not None and all((folder / class_name).is_dir() for class_name in CLASSES):
        return ""
    return _how_to_get(name)


def duplicates(root: Path) -> list[tuple[str, ...]]:
    """Groups of byte-identical images within and across the three domains, which stay in the data set as published.

    Returns:
        One tuple a group, its members as `<domain>/<class>/<file>`; members and groups are in the order of the domains,
        classes and files. The whole data set has 49 groups, all of them within amazon.

    Raises:
        DataError: as `list_office31` and `content_hash`, for any of the three domains.
    """
    by_content: dict[str, list[str]] = defaultdict(list)
    for name in OFFICE_DOMAINS:
        listing = list_office31(name, root)
        for file, path in zip(listing.files, listing.paths, strict=True):
            by_content[content_hash(path)].append(f"{name}/{file}")
    return [tuple(group) for group in by_content.values() if len(group) > 1]


def duplicates_by_domain(groups: Sequence[Sequence[str]]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Count `duplicates`: the domains that a group touches -> (groups, images that would go if one a group stayed).

    A key of one domain counts repetitions within it; a key of two or three counts images shared across domains, which
    would let a method see a target image with a source label.
    """
    keys = [tuple(d for d in OFFICE_DOMAINS if any(file.startswith(f"{d}/") for file in group)) for group in groups]
    spare: Counter[tuple[str, ...]] = Counter()
    for key, group in zip(keys, groups, strict=True):
        spare[key] += len(group) - 1
    return {key: (count, spare[key]) for key, count in Counter(keys).items()}


def content_hash(path: Path) -> str:
    """SHA-256 (hex) of a file.

    Raises:
        DataError: the file can't be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(
            f"Expected an image in {path}, found a file that can't be read ({type(error).__name__}): "
            "repair it or its permissions."
        ) from error


def _find(name: str, root: Path) -> Path | None:
    """The folder that holds the class folders of a domain."""
    for office in FOLDERS:
        domain = root / office / name
        if domain.is_dir():
            return domain / "images" if (domain / "images").is_dir() else domain
    return None


def _how_to_get(name: str) -> str:
    return (
        f"get Office-31 (Saenko et al., ECCV 2010) from {_SOURCE}, put it there as "
        f"{FOLDERS[0]}/{name}/images/<class>/*.jpg, and let IGAN_DATA name the folder that holds {FOLDERS[0]}"
    )


def _images_in(folder: Path) -> list[str]:
    # Hidden files are what desktops leave behind, such as macOS's ._frame_0001.jpg.
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.suffix.lower() == ".jpg" and not entry.name.startswith(".") and entry.is_file()
    )
