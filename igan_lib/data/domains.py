"""Domains and pairs of domains: every data set enters the library here.

`load_pair("mnist", "usps")` gives two domains of equal shape and classes; `pair.for_training()` is all that a method
may see of them, and it holds no target label. Images stay uint8 until a batch is scaled by `to_unit_range`.

Names: digits, digits12 and mnist5k (embedded, no download), mnist, usps, svhn and svhn7k (files in `data_root()`),
folder:PATH and npz:PATH (a user's own). Where the data come from stands in `data.readers`, with the published counts.
Office-31's amazon, webcam and dslr are loaded through a backbone, by `data.features`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from igan_lib.data import own_data, readers
from igan_lib.data.data_root import EMBEDDED, NAMED_DOMAINS, find_own, resolve_root
from igan_lib.data.images import check_format, check_range, convert_images
from igan_lib.data.office31 import OFFICE_DOMAINS
from igan_lib.data.splits import UNKNOWN, RawDomain, stratified
from igan_lib.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Images (uint8, N x C x H x W, grey levels 0 to 255) or features (float32, N x D), and their labels (int64, N).

    Features are what a pretrained network makes of images (`data.features`). They stand in the field `images`:
    whoever trains, samples or counts needs no second way.
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Domain:
    """One data set with a training and a test split, both of images or both of features, checked on construction.

    `unlabelled`: a user's own target, whose labels may be `UNKNOWN` where there are none.

    Raises:
        DataError: dtype, shape or length is wrong, a feature is not finite, or a label lies outside 0..K-1.
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    unlabelled: bool = False

    def __post_init__(self) -> None:
        for part, split in (("train", self.train), ("test", self.test)):
            images, labels = split.images, split.labels
            where = f"the {part} split of {self.name}"
            in_form = (images.dtype, images.ndim) in ((torch.uint8, 4), (torch.float32, 2))
            if not in_form or labels.dtype != torch.int64 or labels.ndim != 1:
                raise DataError(
                    "Expected uint8 images (N x C x H x W) or float32 features (N x D), and int64 labels (N), in "
                    f"{where}, found {images.dtype} {tuple(images.shape)} and {labels.dtype} {tuple(labels.shape)}: "
                    "convert them first."
                )
            if len(images) != len(labels) or len(images) == 0:
                raise DataError(
                    f"Expected one label for each image and at least one image in {where}, "
                    f"found {len(images)} images and {len(labels)} labels: complete the data."
                )
            if labels.min() < (UNKNOWN if self.unlabelled else 0) or labels.max() >= self.n_classes:
                raise DataError(
                    f"Expected labels from 0 to {self.n_classes - 1} in {where}, "
                    f"found {labels.min()} to {labels.max()}: number from 0 on, or complete the class names."
                )
            # In portions: features may be mapped from disk, and a whole copy would bring them into memory.
            floats = images.split(10_000) if images.is_floating_point() else ()
            if odd := sum(int((~part.isfinite().all(dim=1)).sum()) for part in floats):
                raise DataError(
                    f"Expected finite features in {where}, found NaN or infinity in "
                    f"{odd} of {len(images)} rows: compute them anew."
                )
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            raise DataError(
                f"Expected equal shapes in both splits of {self.name}, found {tuple(self.train.images.shape[1:])} and "
                f"{tuple(self.test.images.shape[1:])}: convert both alike."
            )

    @property
    def known_test(self) -> Split:
        """The test images whose labels are known: what can be measured on."""
        known = self.test.labels != UNKNOWN
        return self.test if known.all() else Split(self.test.images[known], self.test.labels[known])

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image (channels, height, width) or of one feature vector (D,)."""
        return tuple(self.train.images.shape[1:])

    def checksum(self) -> str:
        """SHA-256 (hex) of all images and labels with their shapes, and of the class names, but not of `name`."""
        digest = hashlib.sha256(repr(self.class_names).encode())
        for tensor in (self.train.images, self.train.labels, self.test.images, self.test.labels):
            array = tensor.cpu().contiguous().numpy()
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a method and the trainer may see: source images and labels, target images. There is no target label.

    x_s: uint8, N_s x C x H x W. y_s: int64, N_s. x_t: uint8, N_t x C x H x W.
    Of a pair of features, x_s: float32, N_s x D, and x_t: float32, N_t x D.
    """

    x_s: Tensor
    y_s: Tensor
    x_t: Tensor
    n_classes: int

    def to(self, device: torch.device | str) -> "TrainingData":
        """The same data on `device`."""
        return replace(self, x_s=self.x_s.to(device), y_s=self.y_s.to(device), x_t=self.x_t.to(device))


@dataclass(frozen=True, eq=False)
class DomainPair:
    """A labelled source and a target, of equal shape (of an image or a feature vector) and equal classes.

    Raises:
        DataError: shapes, class names or their order differ.
    """

    source: Domain
    target: Domain

    def __post_init__(self) -> None:
        source, target = self.source, self.target
        if source.unlabelled:
            raise DataError(f"Expected a labelled source, found {source.name}, loaded as a target: swap the two.")
        pair = f"{source.name} and {target.name}"
        if source.class_names != target.class_names:
            odd = sorted(set(source.class_names) ^ set(target.class_names))
            found = f"{', '.join(odd)} in one alone" if odd else "them in another order"
            raise DataError(
                f"Expected the same classes in {pair}, found {found}: "
                "choose a pair of one label set, or rename the classes."
            )
        if source.shape != target.shape:
            raise DataError(
                f"Expected images or features of one shape in {pair}, found {source.shape} and {target.shape}: "
                "load both with the same size and channels, or through the same backbone."
            )

    @property
    def n_classes(self) -> int:
        """Number of classes K, the same in both domains."""
        return self.source.n_classes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image (channels, height, width) or of one feature vector (D,), the same in both domains."""
        return self.source.shape

    def map_images(self, change: Callable[[Tensor], Tensor]) -> "DomainPair":
        """The same pair with all images passed through `change` (N x C x H x W uint8 to the same)."""

        def changed(domain: Domain) -> Domain:
            train, test = (replace(split, images=change(split.images)) for split in (domain.train, domain.test))
            return replace(domain, train=train, test=test)

        return DomainPair(changed(self.source), changed(self.target))

    def for_training(self) -> TrainingData:
        """The training images of both domains with the source's labels alone."""
        x_s, y_s = self.source.train.images, self.source.train.labels
        return TrainingData(x_s, y_s, self.target.train.images, self.n_classes)


def load_pair(source: str, target: str, **options) -> DomainPair:
    """Load two domains in one format; see `load_domain` for the options and errors.

    A target of the user's own may lack labels, or classes of the source.
    """
    loaded = load_domain(source, **options)
    return DomainPair(loaded, load_domain(target, classes=loaded.class_names if ":" in target else None, **options))


def load_domain(
    name: str,
    *,
    size: int = 28,
    channels: int = 1,
    root: Path | None = None,
    download: bool = False,
    limit: int | None = None,
    classes: tuple[str, ...] | None = None,
) -> Domain:
    """Load one domain and check dtype, range, counts and label histogram.

    Args:
        name: one of `NAMED_DOMAINS`, folder:PATH (torchvision's ImageFolder layout) or npz:PATH (x_train, y_train,
            x_test, y_test); a relative PATH is looked for in the working directory, then in the data root.
        size: edge of the images in pixels, 28 or 32; channels: 1 (grey) or 3 (RGB).
        root: folder of the data files, `data_root()` if not given.
        download: fetch mnist, usps or svhn into the root if it is not there yet.
        limit: keep at most so many images of each split. The classes keep their shares, at least one image each; the
            same images are kept every time, those of a smaller limit among those of a larger one.
        classes: of the source, for a target of the user's own: its classes are matched by name, it may lack some, and a
            label may be missing or `UNKNOWN`.

    Raises:
        DataError: unknown name; data that are missing, damaged or not what was published.
        ConfigError: size or channels that are not supported, or a limit below one image a class.
    """
    check_format(size, channels)
    raw = _read(name, size, channels, root, download)
    for part, images, labels in raw.parts:
        # Before the classes are looked for: labels that are cut off may lack some.
        if len(images) != len(labels):
            raise DataError(
                f"Expected one label for each image in the {part} split of {name}, "
                f"found {len(images)} images and {len(labels)} labels: complete the data."
            )
    if classes is None:
        _check_classes(name, raw)
    else:
        raw = _matched(raw, classes)
    splits = []
    for part, images, labels in raw.parts:
        check_range(f"the {part} images of {name}", images)
        kept = stratified(labels, limit, raw.class_names)
        splits.append(Split(convert_images(images[kept], size, channels), torch.from_numpy(labels[kept])))
    return Domain(name, *splits, class_names=raw.class_names, unlabelled=classes is not None)


def _read(name: str, size: int, channels: int, root: Path | None, download: bool) -> RawDomain:
    kind, _, path = name.partition(":")
    if name in EMBEDDED:
        return readers.READERS[name]()
    if name in NAMED_DOMAINS:
        return readers.READERS[name](resolve_root(root), download)
    if kind == "npz" and path:
        return own_data.read_npz(find_own(path, root, "file"))
    if kind == "folder" and path:
        return own_data.read_folder(find_own(path, root, "folder"), size, channels)
    if name in OFFICE_DOMAINS:
        raise DataError(
            f"Expected a domain whose images have one size, found {name} of Office-31, which enters through a "
            'backbone: call load_feature_pair(source, target, backbone="efficientnet_lite2") of igan_lib.data.features.'
        )
    known = (*NAMED_DOMAINS, *OFFICE_DOMAINS, "folder:PATH", "npz:PATH")
    close = get_close_matches(name.lower() if not path else f"{kind.lower()}:PATH", known, n=1)
    hint = f"did you mean {close[0].replace('PATH', path or 'PATH')}?" if close else "choose one of those."
    raise DataError(f"Expected a domain among {', '.join(known)}, found {name!r}: {hint}")


def _matched(raw: RawDomain, classes: tuple[str, ...]) -> RawDomain:
    """The labels as places in `classes`; as they are if a name is not there or comes twice, for the pair to refuse."""
    names = raw.class_names
    if len(set(names)) < len(names) or not set(names) <= set(classes):
        return raw
    place = np.array([classes.index(name) for name in names] + [UNKNOWN])  # the last for -1

    def placed(y: np.ndarray) -> np.ndarray:
        known = (y >= UNKNOWN) & (y < len(names))
        # Others stay out of range, for the domain to refuse.
        return np.where(known, place[np.where(known, y, UNKNOWN)], np.where(y < 0, y, y + len(classes)))

    return replace(raw, y_train=placed(raw.y_train), y_test=placed(raw.y_test), class_names=classes)


def _check_classes(name: str, raw: RawDomain) -> None:
    """At least two classes of different names, and all of them among the training labels."""
    names = raw.class_names
    if len(set(names)) != len(names) or len(names) < 2:
        raise DataError(
            f"Expected two or more classes of different names in {name}, found {names}: correct the classes."
        )
    absent = sorted(set(range(len(names))) - set(raw.y_train.tolist()))
    if absent:
        raise DataError(
            f"Expected each label from 0 to {len(names) - 1} among the training labels of {name}, found no {absent}: "
            "number the classes from 0 on without gaps."
        )
