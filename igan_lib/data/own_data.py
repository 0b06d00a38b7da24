"""A user's own data: arrays in a file, or pictures in class folders."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from igan_lib.data.images import convert_images
from igan_lib.data.splits import RawDomain, stratified_split
from igan_lib.errors import DataError


def read_npz(path: Path) -> RawDomain:
    """A user's own arrays: x_train, y_train, x_test, y_test and, if present, class_names (strings).

    Images uint8, N x H x W or N x H x W x {1, 3}; labels integers 0..K-1, all of them in the training part. Pickled
    objects are refused, so a file from elsewhere can't run code.
    """
    keys = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in keys if key not in archive]
            if missing:
                raise DataError(
                    f"Expected the arrays {', '.join(keys)} in {path}, found no {', '.join(missing)}: "
                    "save it again with all four."
                )
            x_train, y_train, x_test, y_test = (archive[key] for key in keys)
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
        names = [str(label) for label in range(int(y_train.max(initial=-1)) + 1)]
    return RawDomain(x_train, y_train, x_test, y_test, tuple(names))


def read_folder(path: Path, size: int, channels: int) -> RawDomain:
    """A user's own images in torchvision's ImageFolder layout, of any size and any mix of sizes.

    `path`/train/<class>/* and `path`/test/<class>/* if there are both, otherwise `path`/<class>/* with a stratified
    split. Raw images of different sizes don't fit in one array, so each goes through `convert_images` as it is read
    (which also keeps the memory small); converting the result once more changes nothing.
    """
    train, test = path / "train", path / "test"
    if train.is_dir() != test.is_dir():
        found, lacking = ("train", "test") if train.is_dir() else ("test", "train")
        raise DataError(
            f"Expected both train and test in {path}, found {found} alone: "
            f"add {lacking}, or put the class folders right into {path} to have them split."
        )
    if not train.is_dir():
        return stratified_split(str(path), *_read_image_folder(path, size, channels))
    x_train, y_train, names = _read_image_folder(train, size, channels)
    x_test, y_test, test_names = _read_image_folder(test, size, channels)
    if names != test_names:
        odd = ", ".join(sorted(set(names) ^ set(test_names)))
        raise DataError(
            f"Expected the same class folders in {train} and {test}, found {odd} in one alone: add or remove it."
        )
    return RawDomain(x_train, y_train, x_test, y_test, names)


def _read_image_folder(path: Path, size: int, channels: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """`path`/<class>/* -> uint8 N x size x size x channels, labels in alphabetical order of the names, names."""
    from torchvision.datasets import ImageFolder

    try:
        listing = ImageFolder(str(path))
    except FileNotFoundError as error:
        raise DataError(
            f"Expected {path} to hold class folders with images in each, found none or an empty one: "
            "arrange the files as <class>/<image>."
        ) from error
    images = np.empty((len(listing.samples), size, size, channels), dtype=np.uint8)
    for image, (file, _) in zip(images, listing.samples, strict=True):
        converted = convert_images(np.asarray(open_rgb(file))[np.newaxis], size, channels)
        image[...] = converted[0].permute(1, 2, 0).numpy()
    return images, np.asarray(listing.targets, dtype=np.int64), tuple(listing.classes)


def open_rgb(file: str) -> Image.Image:
    """One image, decoded, as RGB with 8 bits a channel, without transparency; DataError: it is damaged, or has more."""
    try:
        with Image.open(file) as image:
            # PIL clips what does not fit in 8 bits: a 16-bit picture would turn white without a word.
            if image.mode.startswith(("I", "F")):
                raise DataError(
                    f"Expected 8 bits a channel in {file}, found the mode {image.mode}: convert it to 8 bits."
                )
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"Expected an image in {file}, found a file that can't be decoded: repair or remove it."
        ) from error
