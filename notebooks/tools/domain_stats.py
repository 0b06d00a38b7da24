"""What can be measured on images without training a network: grey levels, ink, boxes, class means, transfer."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, clone
from torch import Tensor

from igan_lib.data.domains import Domain, Split

INK_LEVEL = 127  # brighter pixels count as ink: the middle of 0..255, and digits are bright on dark here

_VALUES_AT_ONCE = 2**23  # numpy counts in 64-bit integers: bounds the memory


def sample(split: Split, n: int, seed: int = 0) -> Split:
    """`n` images drawn without replacement by `seed`, in the order of the data set; all of them if there are fewer."""
    if n >= len(split.images):
        return split
    generator = torch.Generator().manual_seed(seed)
    kept = torch.randperm(len(split.images), generator=generator)[:n].sort().values
    return Split(split.images[kept], split.labels[kept])


def grey_counts(images: Tensor) -> np.ndarray:
    """How many pixels have each grey level: uint8 images of any shape -> 256 counts."""
    values = images.cpu().numpy().reshape(-1)
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(values), _VALUES_AT_ONCE):
        counts += np.bincount(values[start : start + _VALUES_AT_ONCE], minlength=256)
    return counts


def grey_summary(counts: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation of the grey levels, shares (per cent) of ink and of black, from 256 counts."""
    levels, total = np.arange(256), counts.sum()
    mean = (counts * levels).sum() / total
    return {
        "mean": float(mean),
        "std": float(np.sqrt((counts * (levels - mean) ** 2).sum() / total)),
        "ink": float(100 * counts[INK_LEVEL + 1 :].sum() / total),
        "black": float(100 * counts[0] / total),
    }


def ink_margins(images: Tensor) -> Tensor:
    """Blank rows and columns around the ink of each image.

    Args:
        images: uint8, n x C x H x W; a pixel is ink if any channel is brighter than `INK_LEVEL`.

    Returns:
        m x 4, int64: top, bottom, left, right in pixels, for the m images that have any ink.
    """
    ink = (images > INK_LEVEL).any(1)
    ink = ink[_with_ink(images)]
    sides = []
    for lines in (ink.any(2), ink.any(1)):  # rows, then columns with ink
        # argmax returns the first of equal values, so the first line with ink.
        sides += [lines.to(torch.uint8).argmax(1), lines.flip(1).to(torch.uint8).argmax(1)]
    return torch.stack(sides, dim=1)


def _with_ink(images: Tensor) -> Tensor:
    """n, bool: which images have any ink."""
    return (images > INK_LEVEL).flatten(1).any(1)


def fill_frame(images: Tensor) -> Tensor:
    """Each image cut to a square around its ink, as large as the ink is long, and brought back to the full frame.

    Args:
        images: uint8, n x C x S x S; an image without ink stays as it is.

    Returns:
        The same shape and dtype; bilinear, black outside the old frame.
    """
    size = images.shape[-1]
    theta = torch.eye(2, 3).repeat(len(images), 1, 1)
    top, bottom, left, right = ink_margins(images).float().T
    scale = torch.maximum(size - top - bottom, size - left - right) / size
    rows = theta[_with_ink(images)]
    rows[:, :, :2] *= scale[:, None, None]
    rows[:, 0, 2], rows[:, 1, 2] = (left - right) / size, (top - bottom) / size
    theta[_with_ink(images)] = rows
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, align_corners=False).round().clamp(0, 255).to(torch.uint8)


def class_means(split: Split, n_classes: int) -> Tensor:
    """The mean image of each class: N x C x H x W, float32 grey levels; NaN for a class without images."""
    return torch.stack([split.images[split.labels == label].float().mean(0) for label in range(n_classes)])


def transfer_accuracy(domains: Sequence[Domain], classifier: BaseEstimator, n: int, seed: int = 0) -> pd.DataFrame:
    """Accuracy on raw pixels in per cent of a classifier trained on one domain and tested on another, for all pairs.

    Args:
        domains: of equal shape and classes.
        classifier: any of scikit-learn's; a fresh clone is trained on each domain.
        n: at most so many images of each training and each test split (`sample`).
        seed: of the sample.

    Returns:
        One row a training domain, one column a test domain.
    """
    tests = [_pixels(sample(domain.test, n, seed)) for domain in domains]
    names = [domain.name for domain in domains]
    rows = []
    for domain in domains:
        with warnings.catch_warnings():
            # The nearest class mean needs no spread; newer versions of scikit-learn warn of pixels that have none.
            warnings.filterwarnings("ignore", message="self.within_class_std_dev_")
            fitted = clone(classifier).fit(*_pixels(sample(domain.train, n, seed)))
        rows.append([100 * fitted.score(x, y) for x, y in tests])
    return pd.DataFrame(rows, index=names, columns=names)


def _pixels(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """n x (C H W) in [0, 1] and n labels; float64, since in float32 the accuracies depend on the number of threads."""
    return split.images.flatten(1).numpy() / 255.0, split.labels.numpy()
