"""Small files and arrays that look like the data sets, for the tests of the data part."""

import bz2
import struct

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

from igan_lib.data.domains import Domain, Split

TRAIN = (3, 2, 2, 2, 2, 2, 2, 2, 2, 2)
TEST = (1,) * 10


def digits_of(histogram):
    return np.repeat(np.arange(10), histogram)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_mnist(root):
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split, histogram in (("train", TRAIN), ("t10k", TEST)):
        labels = digits_of(histogram)
        images = noise(len(labels), 28, 28)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">iiii", 2051, *images.shape) + images.tobytes())
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(
            struct.pack(">ii", 2049, len(labels)) + labels.astype(np.uint8).tobytes()
        )


def write_usps(root):
    for file, histogram in (("usps.bz2", TRAIN), ("usps.t.bz2", TEST)):
        labels = digits_of(histogram)
        pixels = noise(len(labels), 256) / 127.5 - 1
        lines = [
            f"{label + 1} " + " ".join(f"{at}:{value:.3f}" for at, value in enumerate(row, 1))
            for label, row in zip(labels, pixels, strict=True)
        ]
        (root / file).write_bytes(bz2.compress("\n".join(lines).encode() + b"\n"))


def write_svhn(root):
    for file, histogram in (("train_32x32.mat", TRAIN), ("test_32x32.mat", TEST)):
        labels = digits_of(histogram)
        images = noise(32, 32, 3, len(labels))
        savemat(root / file, {"X": images, "y": np.where(labels == 0, 10, labels)[:, np.newaxis].astype(np.uint8)})


WRITERS = {"mnist": write_mnist, "usps": write_usps, "svhn": write_svhn}


def arrays(**changes):
    labels = np.arange(12) % 3
    whole = {"x_train": noise(12, 20, 20), "y_train": labels, "x_test": noise(12, 20, 20, seed=1), "y_test": labels}
    return {key: value for key, value in (whole | changes).items() if value is not None}


def write_npz(path, **changes):
    np.savez(path, **arrays(**changes))
    return f"npz:{path}"


def write_images(folder, classes=("cat", "dog"), count=4, size=(40, 30)):
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = noise(size[1] + index, size[0], 3, seed=10 * number + index)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


def make_domain(name="a", count=6, classes=("0", "1"), shape=(1, 28, 28)):
    split = Split(torch.from_numpy(noise(count, *shape)), torch.arange(count) % len(classes))
    return Domain(name, split, split, tuple(classes))


def make_features(name="a", count=6, classes=("0", "1"), width=5, seed=0):
    features = torch.from_numpy(np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32))
    split = Split(features, torch.arange(count) % len(classes))
    return Domain(name, split, split, tuple(classes))


def message(error):
    """The text of an error, after a look at its form: one sentence that says what was expected and what was found."""
    text = str(error.value)
    assert text.startswith("Expected ")
    assert ", found " in text
    assert "\n" not in text
    assert text[-1] in ".?"
    return text
