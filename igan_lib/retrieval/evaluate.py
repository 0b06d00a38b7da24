"""Retrieval measured: codes and labels of two sides in, MAP with its bounds and the curves by Hamming radius out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from igan_lib.errors import DataError
from igan_lib.retrieval.average_precision import (
    Divisor,
    average_precision,
    average_precision_at,
    average_precision_bounds,
    precision_at,
    precision_by_radius,
    recall_by_radius,
)
from igan_lib.retrieval.bits import Codes
from igan_lib.retrieval.counting import Counts, counts


@dataclass(frozen=True)
class Retrieval:
    """How well codes retrieve; every measure is a fraction in [0, 1], a mean over the queries with a relevant item.

    Attributes:
        map: mean average precision over the whole ranking (MAP@all), the mean over all orders of tied items.
        map_low, map_high: the least and the greatest that an order of tied items gives.
        queries: how many there were.
        without_relevant: how many of them have no relevant item in the database; no mean counts these.
        precision_at_radius, recall_at_radius: for the Hamming radii 0..L; precision is 0 where nothing lies within.
        map_at: MAP@k by k, its sum divided by `divisor` (see `retrieval.average_precision.Divisor`).
        precision_at: precision@k by k, expected over all orders of tied items.
        divisor: which divisor `map_at` has.
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
        places: values of k for `map_at` and `precision_at`.
        divisor: of MAP@k.
        threads, device: as in `retrieval.counting.counts`.

    Raises:
        DataError: as `counts`; or no query has a relevant item, so that there is nothing to average.
        ConfigError: a k below 1 or above the number of items ranked, an unknown divisor, or fewer than one thread.
    """
    found = counts(
        query_codes,
        query_labels,
        database_codes,
        database_labels,
        exclude_self=exclude_self,
        threads=threads,
        device=device,
    )
    return retrieval_from_counts(found, places=places, divisor=divisor)


def retrieval_from_counts(found: Counts, *, places: Sequence[int] = (), divisor: Divisor = "relevant") -> Retrieval:
    """The measures of `evaluate_retrieval` from counts that are there already."""
    counted = found.p.sum(1) > 0
    if not counted.any():
        raise DataError(
            f"Expected queries with a relevant item in the database, found none among {len(counted)} queries: "
            f"check that both sides use the same labels."
        )
    n, p = found.n[counted], found.p[counted]
    low, high = average_precision_bounds(n, p)
    return Retrieval(
        map=float(average_precision(n, p).mean()),
        map_low=float(low.mean()),
        map_high=float(high.mean()),
        queries=len(counted),
        without_relevant=int((~counted).sum()),
        precision_at_radius=tuple(precision_by_radius(n, p).mean(0).tolist()),
        recall_at_radius=tuple(recall_by_radius(n, p).mean(0).tolist()),
        map_at={k: float(average_precision_at(n, p, k, divisor).mean()) for k in places},
        precision_at={k: float(precision_at(n, p, k).mean()) for k in places},
        divisor=divisor,
    )
