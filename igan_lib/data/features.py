"""Office-31 through a backbone: as features of a frozen one, computed once, or as images cut for fine-tuning.

`load_feature_pair("amazon", "webcam", backbone="efficientnet_lite2")` gives a `DomainPair` as `load_pair` does, with
float32 vectors (N x D) in the place of images. Everything that follows is the same for both.

Office-31 comes without a split and is used transductively, as in the paper and in the methods that it compares with:
all images of the source are labelled training data, and the whole target is both the unlabelled training data and the
test data. So the training and the test split of these domains are the same images.
"""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import platformdirs
import torch
from filelock import FileLock
from torch import Tensor, nn
from tqdm.auto import tqdm

from igan_lib.data.backbones import Backbone, Transform, find_backbone, weights_hash
from igan_lib.data.data_root import resolve_root
from igan_lib.data.domains import Domain, DomainPair, Split
from igan_lib.data.office31 import OfficeFiles, content_hash, list_office31
from igan_lib.data.splits import stratified
from igan_lib.errors import DataError
from igan_lib.files import atomic_path
from igan_lib.pictures.decoding import open_rgb

# Images in one forward pass: batches of 64 take half as long again on a CPU (benchmarks/features.py), whose caches the
# activations then leave.
BATCH = 16

# Backbones whose features are read side by side, and the length that each one's are scaled to first.
JOINED = {"efficientnet_lite012": tuple(f"efficientnet_lite{number}" for number in (0, 1, 2))}
LENGTH = 20.0  # Lite2's own have about 12

# Part of the cache's key: raise it when features of the same images, weights and transform come out otherwise.
_VERSION = 1


def feature_cache() -> Path:
    """The folder of computed features: `IGAN_FEATURES` if it is set, otherwise in the platform's cache for igan."""
    named = os.environ.get("IGAN_FEATURES")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("igan") / "features"


def load_feature_domains(
    *names: str,
    backbone: str = "efficientnet_lite2",
    root: Path | None = None,
    cache: Path | None = None,
    download: bool = False,
    limit: int | None = None,
    progress: bool = True,
) -> list[Domain]:
    """Features of all images of domains of Office-31 by one backbone: shape (D,), in the order of `list_office31`.

    Args:
        names: of amazon, webcam and dslr; backbone: one of `data.backbones.BACKBONES` or `JOINED`.
        root: folder that holds office31, `data_root()` if not given; cache: of features, or `feature_cache()`.
        download: let torchvision fetch the weights of alexnet or resnet50 if they are not there yet.
        limit: keep at most so many images, as `load_pair` does; the features of all are computed and cached.
        progress: show a bar while features are computed.

    Raises:
        ConfigError: an unknown backbone, or a limit below one image a class.
        DataError: images or weights are missing or damaged, or the cache can't be written.
    """
    chosen = [find_backbone(name) for name in JOINED.get(backbone, (backbone,))]
    listings = [list_office31(name, resolve_root(root)) for name in names]
    networks, domains = [one.network(download=download) for one in chosen], []
    for listing in listings:
        parts = [_cached(listing, *each, cache, progress) for each in zip(chosen, networks, strict=True)]
        if len(parts) > 1:
            parts = [LENGTH * nn.functional.normalize(part, dim=1) for part in parts]
        kept = stratified(listing.labels, limit, listing.class_names)
        domains.append(_domain(listing, kept, torch.cat(parts, dim=1)[kept]))
    return domains


def load_feature_pair(source: str, target: str, **options) -> DomainPair:
    """Features of two domains by one backbone; see `load_feature_domains`."""
    return DomainPair(*load_feature_domains(source, target, **options))


def load_crop_pair(
    source: str,
    target: str,
    *,
    backbone: str,
    root: Path | None = None,
    download: bool = False,
    limit: int | None = None,
    progress: bool = True,
) -> DomainPair:
    """The images of two domains of Office-31 for a backbone to be fine-tuned: uint8, N x 3 x resize x resize.

    Arguments and errors as `load_feature_domains`. Nothing is kept: decoding takes a small part of an epoch's time. The
    middle of each image, with a margin for random crops (`training.augment.random_crops`).
    """
    chosen, domains = find_backbone(backbone), []
    whole = replace(chosen.transform, crop=chosen.transform.resize)
    listings = [list_office31(name, resolve_root(root)) for name in (source, target)]
    chosen.network(download=download)  # before the images are read: its weights may be missing
    for listing in listings:
        kept = stratified(listing.labels, limit, listing.class_names)
        bar = tqdm([listing.paths[i] for i in kept], disable=not progress, desc=listing.name, unit="image")
        domains.append(_domain(listing, kept, read_crops(bar, whole)))
    return DomainPair(*domains)


def _domain(listing: OfficeFiles, kept: np.ndarray, images: Tensor) -> Domain:
    split = Split(images, torch.from_numpy(listing.labels[kept]))
    return Domain(listing.name, split, split, class_names=listing.class_names)


def read_crops(paths: Iterable[Path], transform: Transform) -> Tensor:
    """Decode images and cut them as a backbone expects them: uint8, N x 3 x crop x crop, not yet normalised.

    DataError: a file can't be decoded; the sentence names it.
    """
    return torch.stack([transform.cut(open_rgb(str(path))) for path in paths])


def extract(
    network: nn.Module, transform: Transform, paths: Sequence[Path], *, batch_size: int = BATCH, bar: tqdm | None = None
) -> Tensor:
    """Features (float32, N x D) of the images in `paths`, in their order; puts `network` in evaluation mode.

    float32 on purpose: bfloat16 takes two thirds of the time where the processor has it, but moves Lite2's features by
    3 % of their length (benchmarks/features.py), so that tables would depend on the processor.
    """
    network, parts = network.eval().to(memory_format=torch.channels_last), []
    with torch.inference_mode():
        for start in range(0, len(paths), batch_size):
            crops = read_crops(paths[start : start + batch_size], transform)
            images = transform.normalise(crops).to(memory_format=torch.channels_last)
            parts.append(network(images).to(torch.float32))
            if bar is not None:
                bar.update(len(crops))
    # Outside of inference mode, where joining makes a tensor that can take part in training.
    return torch.cat(parts)


def _cached(listing: OfficeFiles, backbone: Backbone, network: nn.Module, cache: Path | None, progress: bool) -> Tensor:
    """The features of a listing, from the cache or computed and put there, by one process at a time."""
    cache = feature_cache() if cache is None else Path(cache)
    key, expected = _key(listing, backbone.transform, network), (len(listing.files), backbone.dimension)
    path = cache / f"{listing.name}-{backbone.name}-{key[:16]}.npz"
    if (features := _read(path, key, expected)) is not None:
        return features
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # The operating system frees the lock of a killed process.
        with FileLock(path.with_suffix(".lock")):
            if (features := _read(path, key, expected)) is not None:
                return features
            label = f"{listing.name} -> {backbone.name}"
            with tqdm(total=len(listing.files), disable=not progress, desc=label, unit="image") as bar:
                features = extract(network, backbone.transform, listing.paths, bar=bar)
            for left in cache.glob(f".{path.name}.*.partial"):  # of a process that was killed while it wrote
                left.unlink()
            with atomic_path(path) as partial, open(partial, "wb") as file:
                np.savez(file, key=np.array(key), features=features.numpy())
            return features
    except OSError as error:
        raise DataError(
            f"Expected to keep features in {cache}, found that it failed ({type(error).__name__}): "
            "free some space there, or name another folder with IGAN_FEATURES."
        ) from error


def _key(listing: OfficeFiles, transform: Transform, network: nn.Module) -> str:
    """SHA-256 (hex) of all that the features depend on: names and bytes of the images, transform and weights."""
    images = hashlib.sha256()
    for file, path in zip(listing.files, listing.paths, strict=True):
        images.update(f"{file} {content_hash(path)};".encode())
    parts = {"version": _VERSION, "images": images.hexdigest(), "transform": asdict(transform)}
    parts["weights"] = weights_hash(network)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read(path: Path, key: str, shape: tuple[int, int]) -> Tensor | None:
    """Features from a cache file, or None where there is none that is whole: then they are computed anew."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            features, found = archive["features"], str(archive["key"])
    # What numpy raises on a file that is not there, cut short, altered (the archive holds checksums) or another.
    except (OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None
    whole = (found, features.shape, features.dtype) == (key, shape, np.float32)
    return torch.from_numpy(features) if whole else None
