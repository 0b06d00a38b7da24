r"""Exact measures of a Hamming ranking from its counts by distance.

A ranking by Hamming distance is full of ties: a code of L bits has L + 1 distances for all items. What a sort makes of
them is chance, so each measure here is the mean over ALL orders of tied items, in closed form (He, Cakir, Bargal and
Sclaroff, "Hashing as Tie-Aware Learning to Rank", CVPR 2018), or the least and greatest that an order can give.

Symbols, per query: n_d items and p_d relevant ones at distance d (`bits.Counts`), N_d and P_d how many are
nearer than d, H the harmonic numbers. All functions take n and p, Q x (L + 1) integers with 0 <= p <= n, and return
float64 fractions in [0, 1] (not per cent), one for each query. A DataError is raised for other counts.
"""

from typing import Literal, NamedTuple

import numpy as np
from scipy.special import gammaln

from igan_lib.errors import ConfigError, DataError

# What a sum of precisions over the first k places is divided by: the relevant items of the whole database, or those
# among the first k (as the evaluation code of HashNet and of many deep-hashing papers does; 0 where there is none).
Divisor = Literal["relevant", "hits"]

_TABLE_SIZE = 256
_HARMONIC = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, _TABLE_SIZE + 1))])


def average_precision(n: np.ndarray, p: np.ndarray) -> np.ndarray:
    r"""Tie-aware AP over the whole ranking, Q values: the mean over all orders of tied items (He et al. 2018).

    $$AP = \frac{1}{\sum_d p_d} \sum_d \frac{p_d}{n_d} \Big[ \big(P_d + 1 - (N_d + 1) m_d\big)
      \big(H(N_d + n_d) - H(N_d)\big) + m_d n_d \Big], \qquad m_d = \frac{p_d - 1}{n_d - 1}$$

    with m_d = 0 where n_d = 1: the place t of a tie holds a relevant item with probability p_d / n_d, before which
    P_d + (t - 1) m_d relevant ones are expected among N_d + t - 1. NaN for a query without a relevant item.
    """
    ties = _ties(n, p)
    return _divide(_precision_sum(ties, taken=ties.n).sum(1), ties.p.sum(1))


def average_precision_bounds(n: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest AP that an order of tied items gives: the relevant ones last, or first, in each tie.

    Q values each; NaN for a query without a relevant item.
    """
    n, p, nearer, relevant_nearer = _ties(n, p)

    def bound(start: np.ndarray) -> np.ndarray:
        # The i-th relevant item of the tie stands at place start + i, with P_d + i relevant ones up to there:
        # sum_i (P_d + i) / (start + i) = p_d - (start - P_d) (H(start + p_d) - H(start)).
        return _divide((p - (start - relevant_nearer) * _harmonic_difference(start, p)).sum(1), p.sum(1))

    return bound(nearer + n - p), bound(nearer)


def average_precision_at(n: np.ndarray, p: np.ndarray, k: int, divisor: Divisor) -> np.ndarray:
    """Tie-aware AP over the first k places, Q values: the AP@k whose mean is MAP@k.

    The sum of the precisions at the relevant items among the first k, divided by `divisor`: "relevant" for all relevant
    items of the database (at most k / relevant where there are more than k), "hits" for those among the first k. Both
    are the mean over all orders of tied items; for "hits", over how many relevant items the tie at place k puts before
    it, which is hypergeometric. NaN for a query without a relevant item, 0 for one without a hit.

    ConfigError: k below 1 (beyond the size of the database it changes nothing) or an unknown divisor.
    """
    ties = _ties(n, p)
    _check_places(k)
    if divisor not in ("relevant", "hits"):
        raise ConfigError(f'Expected divisor "relevant" or "hits", found {divisor!r}: name one of these.')
    taken = np.clip(k - ties.nearer, 0, ties.n)
    if divisor == "relevant":
        return _divide(_precision_sum(ties, taken).sum(1), ties.p.sum(1))
    whole = taken == ties.n
    sums = np.where(whole, _precision_sum(ties, taken), 0.0).sum(1)
    hits = np.where(whole, ties.p, 0).sum(1)
    result = np.where(hits > 0, sums / np.maximum(hits, 1), 0.0)
    cut = np.nonzero((taken > 0) & ~whole)  # at most one tie a query
    result[cut[0]] = _hits_expectation(sums[cut[0]], _Ties(*(values[cut] for values in ties)), taken[cut])
    result[ties.p.sum(1) == 0] = np.nan
    return result


def precision_at(n: np.ndarray, p: np.ndarray, k: int) -> np.ndarray:
    """The expected share of relevant items among the first k places, over all orders of tied items: Q values.

    ConfigError: k below 1, or above the number of items that a query ranks.
    """
    n, p, nearer, _ = _ties(n, p)
    _check_places(k)
    if len(n) and k > n.sum(1).min():
        raise ConfigError(f"Expected k of at most {n.sum(1).min()}, the items ranked, found {k}: choose a smaller k.")
    taken = np.clip(k - nearer, 0, n)
    return (taken * p / np.maximum(n, 1)).sum(1) / k


def precision_by_radius(n: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Precision of the items within each Hamming radius 0..L, Q x (L + 1): no order, so no ties.

    0 where nothing lies within the radius, as the field counts a failed look-up.
    """
    n, p, *_ = _ties(n, p)
    return p.cumsum(1) / np.maximum(n.cumsum(1), 1)


def recall_by_radius(n: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The share of the relevant items within each Hamming radius 0..L, Q x (L + 1); NaN for a query without any."""
    p = _ties(n, p).p
    return _divide(p.cumsum(1), p.sum(1)[:, None])


class _Ties(NamedTuple):
    """n_d and p_d, with N_d and P_d of the module's docstring; Q x (L + 1) each, int64."""

    n: np.ndarray
    p: np.ndarray
    nearer: np.ndarray
    relevant_nearer: np.ndarray


def _ties(n: np.ndarray, p: np.ndarray) -> _Ties:
    """The counts, checked, and their sums over the nearer distances."""
    n, p = np.asarray(n), np.asarray(p)
    if n.ndim != 2 or n.shape != p.shape or n.dtype.kind not in "iu" or p.dtype.kind not in "iu":
        raise DataError(
            f"Expected counts n and p as Q x (L + 1) integers, found {n.dtype} of shape {n.shape} and {p.dtype} of "
            f"shape {p.shape}: give what counts() returns."
        )
    n, p = n.astype(np.int64, copy=False), p.astype(np.int64, copy=False)
    if ((p < 0) | (p > n)).any():
        raise DataError("Expected counts with 0 <= p <= n, found others: give what counts() returns, all items first.")
    return _Ties(n, p, n.cumsum(1) - n, p.cumsum(1) - p)


def _precision_sum(ties: _Ties, taken: np.ndarray) -> np.ndarray:
    """The expected sum of precisions at the relevant items in the first `taken` places of each tie (shapes alike).

    The bracket of `average_precision`, sorted so that nothing large cancels: (P + 1) h + m (taken - (N + 1) h) with
    h = H(N + taken) - H(N).
    """
    n, p, nearer, relevant_nearer = ties
    m = np.where(n > 1, (p - 1) / np.maximum(n - 1, 1), 0.0)
    h = _harmonic_difference(nearer, taken)
    return p / np.maximum(n, 1) * ((relevant_nearer + 1) * h + m * (taken - (nearer + 1) * h))


def _hits_expectation(whole_sums: np.ndarray, ties: _Ties, taken: np.ndarray) -> np.ndarray:
    """AP@k by "hits" of queries whose place k falls inside a tie; one value a query in each argument and in the result.

    `whole_sums` are those of the ties before, `taken` the places of this tie up to k.
    """
    n, p, _, relevant_nearer = ties
    expected, total = np.zeros(len(n)), np.zeros(len(n))
    log_orders = _log_choose(n, taken)
    fewest, most = np.maximum(0, taken - (n - p)), np.minimum(taken, p)
    for hits in range(fewest.min(), most.max() + 1) if len(n) else ():
        # Hypergeometric; an impossible number of hits has a factorial of a negative number in it and the weight 0.
        weights = np.exp(_log_choose(p, hits) + _log_choose(n - p, taken - hits) - log_orders)
        # Given the number of hits, the places up to k are a tie of their own.
        sums = whole_sums + _precision_sum(ties._replace(n=taken, p=np.full_like(taken, hits)), taken)
        expected += weights * sums / np.maximum(relevant_nearer + hits, 1)
        total += weights  # 1 but for the rounding of great factorials
    return expected / total


def _log_choose(n: np.ndarray, k: np.ndarray | int) -> np.ndarray:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def _harmonic_difference(start: np.ndarray, count: np.ndarray) -> np.ndarray:
    """H(start + count) - H(start), exact to rounding relative to its own size.

    Both are about 14 for a million items and their difference may be a millionth: a table of H would leave nine digits.
    Beyond a small table, with a = start + 1/2 and b = a + count, ln(b / a) + (1/b^2 - 1/a^2) / 24
    - 7 (1/b^4 - 1/a^4) / 960, the first terms of the expansion of H at half-integers.
    """
    end = start + count
    table = _HARMONIC[np.minimum(end, _TABLE_SIZE)] - _HARMONIC[np.minimum(start, _TABLE_SIZE)]
    a, b = np.maximum(start, _TABLE_SIZE) + 0.5, np.maximum(end, _TABLE_SIZE) + 0.5
    return table + np.log1p((b - a) / a) + (b**-2 - a**-2) / 24 - 7 * (b**-4 - a**-4) / 960


def _divide(sums: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """sums / relevant, NaN where nothing is relevant."""
    return np.where(relevant > 0, sums / np.maximum(relevant, 1), np.nan)


def _check_places(k: int) -> None:
    if not isinstance(k, int | np.integer) or k < 1:
        raise ConfigError(f"Expected a whole number k of 1 or more, found {k!r}: choose how many places to look at.")
