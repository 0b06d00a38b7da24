"""A user's own data: arrays in a file, or pictures in class folders."""

import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from igan_lib.data.images import convert_images
from igan_lib.data.splits import UNKNOWN, RawDomain, stratified_split
from igan_lib.errors import DataError, DataWarning
from igan_lib.pictures.decoding import open_rgb
from igan_lib.pictures.folders import find_splits, left_out, list_classes


def read_npz(path: Path) -> RawDomain:
    """A user's own arrays: x_train, x_test and, if present, y_train, y_test and class_names (strings).

    Images uint8, N x H x W or N x H x W x {1, 3}; labels integers 0..K-1, all of them in the training part. Of a target
    labels may be `UNKNOWN` or, with the whole array, missing, and so may classes of its source (`load_domain`). Pickled
    objects are refused, so a file from elsewhere can't run code.
    """
    keys = ("x_train", "x_test")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in keys if key not in archive]
            if missing:
                raise DataError(
                    f"Expected the arrays {', '.join(keys)} in {path}, found no {', '.join(missing)}: "
                    "save it again with all of them."
                )
            x_train, x_test = (archive[key] for key in keys)
            y_train, y_test = (
                archive[f"y_{part}"] if f"y_{part}" in archive else np.full(len(x), UNKNOWN)
                for part, x in (("train", x_train), ("test", x_test))
            )
            names = [str(name) for name in np.ravel(archive["class_names"])] if "class_names" in archive else None
    # What numpy raises on a file that is cut short, altered, pickled (ValueError) or a single array (TypeError).
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"Expected a complete .npz file without pickled objects in {path}, found one that can't be read: "
            "copy it again or save it anew with numpy.savez."
        ) from error
    for key, labels in (("y_train", y_train), ("y_test", y_test)):
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise DataError(
                f"Expected {key} in {path} to be a list of whole numbers, "
                f"found {labels.dtype} of shape {labels.shape}: save the labels as integers 0 to K-1."
            )
    y_train, y_test = y_train.astype(np.int64), y_test.astype(np.int64)
    if names is None:
        names = [str(label) for label in range(int(max(y_train.max(initial=-1), y_test.max(initial=-1))) + 1)]
    return RawDomain(x_train, y_train, x_test, y_test, tuple(names))


def read_folder(path: Path, size: int, channels: int) -> RawDomain:
    """A user's own images in torchvision's ImageFolder layout, of any size and any mix of sizes.

    `path`/train/<class>/* and `path`/test/<class>/* if there are both, or folders of such names (`folders.SPLITS`),
    otherwise `path`/<class>/* with a stratified split. Raw images of different sizes don't fit in one array, so each
    goes through `convert_images` as it is read (which also keeps the memory small); converting the result once more
    changes nothing. What is left out, and classes that the test part lacks, are said in a `DataWarning`.
    """
    splits = find_splits(path)
    if splits is None:
        return stratified_split(str(path), *_read_image_folder(path, size, channels))
    train, test, left = splits
    if left:
        warnings.warn(left_out(left, path), DataWarning, stacklevel=2)
    x_train, y_train, names = _read_image_folder(train, size, channels)
    x_test, y_test, test_names = _read_image_folder(test, size, channels)
    if odd := ", ".join(sorted(set(test_names) - set(names))):
        raise DataError(f"Expected the classes of {test} in {train} too, found no {odd} there: add or remove it.")
    if lacking := ", ".join(sorted(set(names) - set(test_names))):
        warnings.warn(f"In {test}, there is no picture of {lacking}: no test is made of it.", DataWarning, stacklevel=2)
    places = np.array([names.index(name) for name in test_names])
    return RawDomain(x_train, y_train, x_test, places[y_test], names)


def _read_image_folder(path: Path, size: int, channels: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """`path`/<class>/* -> uint8 N x size x size x channels, labels in alphabetical order of the names, names."""
    found = list_classes(path)
    for note in found.notes(path):
        warnings.warn(note, DataWarning, stacklevel=2)
    images = np.empty((len(found.files), size, size, channels), dtype=np.uint8)
    for image, file in zip(images, found.files, strict=True):
        converted = convert_images(np.asarray(open_rgb(str(file)))[np.newaxis], size, channels)
        image[...] = converted[0].permute(1, 2, 0).numpy()
    return images, np.asarray(found.labels, dtype=np.int64), found.class_names
