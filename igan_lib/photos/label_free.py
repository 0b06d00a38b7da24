r"""How well it went, as far as one can tell without labels: what the outputs on the target's images say by themselves.

Each measure is higher where a network is believed to be better; none is an accuracy. How well each ranks networks by
their true accuracy is measured by `benchmarks/label_free.py`. p: n x N probabilities of n images, n at least 2.
"""

from collections.abc import Mapping
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor

from igan_lib.training.neighbours import nearest_neighbours

TEMPERATURE = 0.05  # of the soft neighbourhoods, as published
NEIGHBOURS = 5
MOST = 10_000  # images: of more, evenly spaced ones are compared with each other, since the time is quadratic
_ROWS = 1000  # of the matrix of cosines at a time
CHOOSES = "neighbours"  # the measure that chooses between seeds, since it did so best (notebook 10)
NAMES = {
    "confidence": "mean confidence",
    "density": "soft neighbourhood density",
    "information": "mutual information",
    "neighbours": "agreement with the nearest neighbours",
    "seeds": "agreement with the other seeds",
}


def mean_confidence(p: Tensor) -> float:
    r"""$\frac{1}{n} \sum_i \max_c p_{ic}$, from 1/N to 1 (Hendrycks, Gimpel, ICLR 2017)."""
    return p.max(1).values.mean().item()


def mutual_information(p: Tensor) -> float:
    r"""$H(\frac{1}{n} \sum_i p_i) - \frac{1}{n} \sum_i H(p_i)$, from 0 to ln N (Shi, Sha, ICML 2012).

    High where single images are sure of a class and all of them together use many.
    """
    return (torch.special.entr(p.mean(0)).sum() - torch.special.entr(p).sum(1).mean()).item()


def soft_neighbourhood_density(p: Tensor, temperature: float = TEMPERATURE) -> float:
    r"""SND: the mean entropy of each image's similarities to all others (Saito et al., ICCV 2021).

    $$P_{ij} = \frac{\exp(s_{ij} / \tau)}{\sum_{k \neq i} \exp(s_{ik} / \tau)}, \qquad
    -\frac{1}{n} \sum_i \sum_{j \neq i} P_{ij} \log P_{ij}$$

    with s the cosine of two rows of p. From 0 to ln(n - 1): high where an image has many others close by. Outputs that
    all say one class have the greatest value. The authors' code gives the diagonal the cosine -1 in place of none.
    """
    p, total = F.normalize(p, dim=1), 0.0
    for start in range(0, len(p), _ROWS):
        similar = p[start : start + _ROWS] @ p.T / temperature
        rows = torch.arange(len(similar))
        similar[rows, rows + start] = -torch.inf
        total += torch.special.entr(similar.softmax(1)).sum().item()
    return total / len(p)


def neighbour_agreement(p: Tensor, nearest: Tensor) -> float:
    r"""The share of an image's k nearest others that get its own first class, mean over all images; from 0 to 1.

    $$\frac{1}{n k} \sum_i \sum_{j \in N_k(i)} [\hat y_j = \hat y_i]$$

    `nearest`: n x k, by the backbone's features (`training.neighbours.nearest_neighbours`). Codes would agree with the
    classifier that reads them.
    """
    label = p.argmax(1)
    return (label[nearest] == label[:, None]).double().mean().item()


def seed_agreement(p: Tensor, other: Tensor) -> float:
    """The share of images to which two networks give the same first class, from 0 to 1 (Jiang et al., ICLR 2022)."""
    return (p.argmax(1) == other.argmax(1)).double().mean().item()


def measure(outputs: Mapping[int, Tensor], x: Tensor) -> dict[int, dict[str, float]]:
    """All measures (`NAMES`) of the networks of one or several seeds, by seed.

    Args:
        outputs: seed -> p, of the same images in the same order; x: n x D, their features by the frozen backbone.

    Returns:
        "seeds" is the mean of `seed_agreement` with each other seed; absent where there is one seed.
    """
    step = -(-len(x) // MOST)
    nearest = nearest_neighbours(x[::step], min(NEIGHBOURS, len(x[::step]) - 1))
    found = {}
    for seed, p in outputs.items():
        some = p[::step]
        found[seed] = {"confidence": mean_confidence(p), "density": soft_neighbourhood_density(some)}
        found[seed] |= {"information": mutual_information(p), "neighbours": neighbour_agreement(some, nearest)}
        if others := [seed_agreement(p, other) for number, other in outputs.items() if number != seed]:
            found[seed]["seeds"] = fmean(others)
    return found


def collapsed(measures: Mapping[int, Mapping[str, float]]) -> list[int]:
    """The seeds with less than half of the greatest mutual information: 0 where all images get one class.

    The neighbours of an image then agree, and are close, as nowhere else.
    """
    most = max(found["information"] for found in measures.values())
    return [seed for seed, found in measures.items() if found["information"] < min(most, most / 2)]


def best(measures: Mapping[int, Mapping[str, float]], by: str = CHOOSES) -> int:
    """The seed whose measure `by` is the highest, the first of equal ones; none that has `collapsed`."""
    gone = collapsed(measures)
    return max((seed for seed in measures if seed not in gone), key=lambda seed: measures[seed][by])
