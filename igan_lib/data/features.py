"""Office-31 through a backbone: as features of a frozen one, computed once, or as images cut for fine-tuning.

`load_feature_pair("amazon", "webcam", backbone="efficientnet_lite0")` gives a `DomainPair` as `load_pair` does, with
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
from dataclasses import asdict
from pathlib import Path

import numpy as np
import platformdirs
import torch
from filelock import FileLock
from torch import Tensor, nn
from tqdm.auto import tqdm

from igan_lib.data.backbones import Backbone, Transform, find_backbone, weights_hash
from igan_lib.data.data_root import resolve_root
from igan_lib.data.domains import Domain, DomainPair, Split, stratified
from igan_lib.data.office31 import OfficeFiles, content_hash, list_office31
from igan_lib.data.own_data import open_rgb
from igan_lib.errors import DataError
from igan_lib.files import atomic_path

# Images in one forward pass: batches of 64 take half as long again on a CPU (benchmarks/features.py), whose caches the
# activations then leave.
BATCH = 16

# Part of the cache's key: raise it when features of the same images, weights and transform come out otherwise.
_VERSION = 1


def feature_cache() -> Path:
    """The folder of computed features: `IGAN_FEATURES` if it is set, otherwise in the platform's cache for igan."""
    named = os.environ.get("IGAN_FEATURES")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("igan") / "features"


def load_feature_domain(
    name: str,
    *,
    backbone: str = "efficientnet_lite0",
    root: Path | None = None,
    cache: Path | None = None,
    download: bool = False,
    limit: int | None = None,
    progress: bool = True,
) -> Domain:
    """Features of all images of one domain of Office-31; training and test split are the same (see above).

    Args:
        name: amazon, webcam or dslr.
        backbone: one of `data.backbones.BACKBONES`.
        root: folder that holds office31, `data_root()` if not given.
        cache: folder where features are kept, `feature_cache()` if not given.
        download: let torchvision fetch the weights of alexnet or resnet50 if they are not there yet.
        limit: keep at most so many images, as `load_pair` does; the features of all are computed and cached.
        progress: show a bar while features are computed.

    Returns:
        A domain of shape (D,), its features in the order of `list_office31`.

    Raises:
        ConfigError: an unknown backbone, or a limit below one image a class.
        DataError: images or weights are missing or damaged, or the cache can't be written.
    """
    chosen = find_backbone(backbone)
    listing = list_office31(name, resolve_root(root))
    return _load(listing, chosen, chosen.network(download=download), cache, limit, progress)


def load_feature_pair(
    source: str,
    target: str,
    *,
    backbone: str = "efficientnet_lite0",
    root: Path | None = None,
    cache: Path | None = None,
    download: bool = False,
    limit: int | None = None,
    progress: bool = True,
) -> DomainPair:
    """Features of two domains by one backbone; see `load_feature_domain` for the arguments and errors."""
    chosen = find_backbone(backbone)
    listings = [list_office31(name, resolve_root(root)) for name in (source, target)]
    network = chosen.network(download=download)
    return DomainPair(*(_load(listing, chosen, network, cache, limit, progress) for listing in listings))


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
    """The images of two domains of Office-31 as a backbone takes them: uint8, N x 3 x crop x crop, for fine-tuning.

    Training and test split are the same; arguments and errors as `load_feature_domain`. Nothing is kept: decoding takes
    a small part of the time of an epoch. The middle of each image, always: no random crop, no flip, so that the two
    regimes see the same pixels.
    """
    chosen = find_backbone(backbone)
    listings = [list_office31(name, resolve_root(root)) for name in (source, target)]
    chosen.network(download=download)  # before the images are read: its weights may be missing
    domains = []
    for listing in listings:
        kept = stratified(listing.labels, limit, listing.class_names)
        paths = [listing.paths[index] for index in kept]
        bar = tqdm(paths, disable=not progress, desc=listing.name, unit="image")
        split = Split(read_crops(bar, chosen.transform), torch.from_numpy(listing.labels[kept]))
        domains.append(Domain(listing.name, split, split, class_names=listing.class_names))
    return DomainPair(*domains)


def read_crops(paths: Iterable[Path], transform: Transform) -> Tensor:
    """Decode images and cut them as a backbone expects them: uint8, N x 3 x crop x crop, not yet normalised.

    Raises:
        DataError: a file can't be decoded; the sentence names it.
    """
    return torch.stack([transform.cut(open_rgb(str(path))) for path in paths])


def extract(
    network: nn.Module, transform: Transform, paths: Sequence[Path], *, batch_size: int = BATCH, bar: tqdm | None = None
) -> Tensor:
    """Features (float32, N x D) of the images in `paths`, in their order; puts `network` in evaluation mode.

    float32 on purpose: bfloat16 takes two thirds of the time where the processor has it, but moves Lite0's features by
    3 % of their length (benchmarks/features.py), so that tables would depend on the processor, for the sake of half a
    minute that is spent once.
    """
    network = network.eval().to(memory_format=torch.channels_last)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(paths), batch_size):
            crops = read_crops(paths[start : start + batch_size], transform)
            images = transform.normalise(crops).to(memory_format=torch.channels_last)
            parts.append(network(images).to(torch.float32))
            if bar is not None:
                bar.update(len(crops))
    # Outside of inference mode, where joining makes a tensor that can take part in training.
    return torch.cat(parts)


def _load(
    listing: OfficeFiles, backbone: Backbone, network: nn.Module, cache: Path | None, limit: int | None, progress: bool
) -> Domain:
    kept = stratified(listing.labels, limit, listing.class_names)
    features = _cached(listing, backbone, network, feature_cache() if cache is None else Path(cache), progress)
    split = Split(features[kept], torch.from_numpy(listing.labels[kept]))
    return Domain(listing.name, split, split, class_names=listing.class_names)


def _cached(listing: OfficeFiles, backbone: Backbone, network: nn.Module, cache: Path, progress: bool) -> Tensor:
    """The features of a listing, from the cache or computed and put there, by one process at a time."""
    key = _key(listing, backbone.transform, network)
    path = cache / f"{listing.name}-{backbone.name}-{key[:16]}.npz"
    expected = (len(listing.files), backbone.dimension)
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
    parts = {
        "version": _VERSION,
        "images": images.hexdigest(),
        "transform": asdict(transform),
        "weights": weights_hash(network),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read(path: Path, key: str, shape: tuple[int, int]) -> Tensor | None:
    """Features from a cache file, or None where there is none that is whole.

    A damaged file is computed anew instead of reported: all that it is made of is at hand, so a reader could do nothing
    but delete it.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            features, found = archive["features"], str(archive["key"])
    # What numpy raises on a file that is not there, cut short, altered (the archive holds checksums) or another.
    except (OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None
    whole = (found, features.shape, features.dtype) == (key, shape, np.float32)
    return torch.from_numpy(features) if whole else None
