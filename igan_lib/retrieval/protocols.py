"""Retrieval measured: codes and labels of two sides in, MAP with its bounds and the curves by Hamming radius out.

The two protocols differ in what is searched, so a MAP means something only beside the name of its protocol.

target: queries and database are images of the target domain; every image queries the rest. This is the protocol of DAH
(Venkateswara et al. 2017) and, by the columns that it seems to take over from there, of Table 3.
cross: images of the target query the source's labelled training images, as the later literature has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from igan_lib.errors import ConfigError, DataError
from igan_lib.retrieval import average_precision as measures
from igan_lib.retrieval.average_precision import Divisor
from igan_lib.retrieval.bits import Codes, counts


@dataclass(frozen=True)
class Retrieval:
    """How well codes retrieve; every measure is a fraction in [0, 1], a mean over the queries with a relevant item.

    Attributes:
        map: mean average precision over the whole ranking (MAP@all), the mean over all orders of tied items.
        map_low, map_high: the least and the greatest that an order of tied items gives.
        queries, without_relevant: how many there were, and how many without a relevant item, which no mean counts.
        precision_at_radius, recall_at_radius: for the Hamming radii 0..L; precision is 0 where nothing lies within.
        map_at: MAP@k by k, its sum divided by `divisor` (see `retrieval.average_precision.Divisor`).
        precision_at: precision@k by k, expected over all orders of tied items.
    """

    map: float
    map_low: float
    map_high: float
    queries: int
    without_relevant: int
    precision_at_radius: tuple[float, ...]
    recall_at_radius: tuple[float, ...]
    map_at: dict[int, float] = field(default_factory=dict)
    precision_at: dict[int, float] = field(default_factory=dict)
    divisor: Divisor = "relevant"


def evaluate_retrieval(
    query_codes: Codes,
    query_labels: np.ndarray | Tensor,
    database_codes: Codes,
    database_labels: np.ndarray | Tensor,
    *,
    exclude_self: bool = False,
    places: Sequence[int] = (),
    divisor: Divisor = "relevant",
    threads: int | None = None,
    device: str | torch.device | None = None,
) -> Retrieval:
    """Rank the database by Hamming distance for each query and measure the rankings exactly.

    Args:
        query_codes, database_codes: Q x L and N x L codes u (their bits are taken by `retrieval.bits.binarize`), or
            both packed by `retrieval.bits.pack`.
        query_labels, database_labels: Q and N integers, 0 or more; an item is relevant when the labels are equal.
        exclude_self: each item queries the rest; both sides are then the same arrays.
        places: values of k for `map_at` and `precision_at`; divisor: of MAP@k.
        threads, device: as in `retrieval.bits.counts`.

    Raises:
        DataError: as `counts`; or no query has a relevant item, so that there is nothing to average.
        ConfigError: a k that is no whole number from 1 to the number of items ranked, an unknown divisor, or fewer
            than one thread.
    """
    if isinstance(places, int):
        raise ConfigError(f"Expected places as several values of k, found {places}: write places=({places},).")
    sides = query_codes, query_labels, database_codes, database_labels
    n, p = counts(*sides, exclude_self=exclude_self, threads=threads, device=device)
    counted = p.sum(1) > 0
    if not counted.any():
        raise DataError(
            f"Expected queries with a relevant item in the database, found none among {len(counted)} queries: "
            f"check that both sides use the same labels."
        )
    n, p = n[counted], p[counted]
    low, high = measures.average_precision_bounds(n, p)
    return Retrieval(
        map=float(measures.average_precision(n, p).mean()),
        map_low=float(low.mean()),
        map_high=float(high.mean()),
        queries=len(counted),
        without_relevant=int((~counted).sum()),
        precision_at_radius=tuple(measures.precision_by_radius(n, p).mean(0).tolist()),
        recall_at_radius=tuple(measures.recall_by_radius(n, p).mean(0).tolist()),
        map_at={k: float(measures.average_precision_at(n, p, k, divisor).mean()) for k in places},
        precision_at={k: float(measures.precision_at(n, p, k).mean()) for k in places},
        divisor=divisor,
    )


def within_target(u_t: Tensor, y_t: Tensor, **options) -> Retrieval:
    """Protocol `target`: n x d codes of the target's test images and their labels; options as `evaluate_retrieval`."""
    return evaluate_retrieval(u_t, y_t, u_t, y_t, exclude_self=True, **options)


def across(u_t: Tensor, y_t: Tensor, u_s: Tensor, y_s: Tensor, **options) -> Retrieval:
    """Protocol `cross`: the target's test images query the source's training images."""
    return evaluate_retrieval(u_t, y_t, u_s, y_s, **options)


def both(u_t: Tensor, y_t: Tensor, u_s: Tensor, y_s: Tensor, **options) -> dict[str, Retrieval]:
    """Both protocols, by name, from the codes and labels of the target's test and the source's training images."""
    return {"target": within_target(u_t, y_t, **options), "cross": across(u_t, y_t, u_s, y_s, **options)}
