"""Every measure against all orders of the ties, one by one, in exact fractions; long ties against plain sums."""

import math
from fractions import Fraction
from itertools import chain, combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.errors import ConfigError, DataError
from igan_lib.retrieval.average_precision import (
    average_precision,
    average_precision_at,
    average_precision_bounds,
    precision_at,
    precision_by_radius,
    recall_by_radius,
)

ROUNDING = 1e-13

# Per distance (n, p): ties of up to 5 items, up to 4 distances.
queries = st.lists(
    st.integers(0, 5).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=1, max_size=4
)


def arrays(query):
    n, p = np.array(query).T
    return n[None], p[None]


def orders(query):
    """The relevance of each place, for all orders of the ties; each order is as likely as any other."""
    # C(n, p) arrangements of a tie, each of p! (n - p)! orders.
    ties = [[[int(i in chosen) for i in range(n)] for chosen in combinations(range(n), p)] for n, p in query]
    return [list(chain(*arrangement)) for arrangement in product(*ties)]


def precision_sum(relevance):
    return sum((Fraction(sum(relevance[: i + 1]), i + 1) for i, r in enumerate(relevance) if r), Fraction(0))


def mean(values):
    return float(sum(values, Fraction(0)) / len(values))


@settings(max_examples=100, deadline=None)
@given(queries)
def test_average_precision_is_the_mean_over_all_orders_and_its_bounds_are_the_extremes(query):
    n, p = arrays(query)
    relevant = int(p.sum())
    if not relevant:
        found = [average_precision(n, p), *average_precision_bounds(n, p)]
        assert all(values.shape == (1,) and np.isnan(values).all() for values in found)
        return
    values = [precision_sum(order) / relevant for order in orders(query)]
    low, high = average_precision_bounds(n, p)
    assert average_precision(n, p)[0] == pytest.approx(mean(values), abs=ROUNDING)
    assert low[0] == pytest.approx(float(min(values)), abs=ROUNDING)
    assert high[0] == pytest.approx(float(max(values)), abs=ROUNDING)


@settings(max_examples=100, deadline=None)
@given(queries, st.integers(1, 22))
def test_average_precision_at_k_is_the_mean_over_all_orders(query, k):
    n, p = arrays(query)
    relevant = int(p.sum())
    if not relevant:
        assert np.isnan(average_precision_at(n, p, k, "relevant")).all()
        assert np.isnan(average_precision_at(n, p, k, "hits")).all()
        return
    cut = [order[:k] for order in orders(query)]
    by_relevant = mean([precision_sum(order) / relevant for order in cut])
    by_hits = mean([precision_sum(order) / max(1, sum(order)) for order in cut])
    assert average_precision_at(n, p, k, "relevant")[0] == pytest.approx(by_relevant, abs=ROUNDING)
    assert average_precision_at(n, p, k, "hits")[0] == pytest.approx(by_hits, abs=ROUNDING)


@settings(max_examples=50, deadline=None)
@given(queries, st.data())
def test_precision_at_k_is_the_mean_over_all_orders(query, draw):
    n, p = arrays(query)
    if not n.sum():
        return
    k = draw.draw(st.integers(1, int(n.sum())))
    expected = mean([Fraction(sum(order[:k]), k) for order in orders(query)])
    assert precision_at(n, p, k)[0] == pytest.approx(expected, abs=ROUNDING)
    with pytest.raises(ConfigError, match=f"at most {n.sum()}, the items ranked, found {n.sum() + 1}: "):
        precision_at(n, p, int(n.sum()) + 1)


@settings(max_examples=50, deadline=None)
@given(queries)
def test_precision_and_recall_within_each_radius(query):
    n, p = arrays(query)
    precision, recall = precision_by_radius(n, p), recall_by_radius(n, p)
    assert precision.shape == recall.shape == n.shape
    for radius in range(len(query)):
        within, hits = (sum(pair[i] for pair in query[: radius + 1]) for i in (0, 1))
        assert precision[0, radius] == pytest.approx(hits / within if within else 0)
        if p.sum():
            assert recall[0, radius] == pytest.approx(hits / p.sum())
        else:
            assert np.isnan(recall[0, radius])


def test_without_ties_there_is_one_average_precision():
    rng = np.random.default_rng(0)
    p = (rng.random((20, 65)) < 0.3).astype(int)
    p[:, 7] = 1
    n = np.ones_like(p)
    ranks = [np.flatnonzero(row) + 1 for row in p]
    expected = [np.mean(np.arange(1, len(rank) + 1) / rank) for rank in ranks]
    for values in (average_precision(n, p), *average_precision_bounds(n, p)):
        assert np.allclose(values, expected, atol=ROUNDING, rtol=0)
    at_10 = [sum((i + 1) / rank for i, rank in enumerate(rank) if rank <= 10) for rank in ranks]
    assert np.allclose(average_precision_at(n, p, 10, "relevant"), at_10 / p.sum(1), atol=ROUNDING, rtol=0)
    assert np.allclose(average_precision_at(n, p, 10, "hits"), at_10 / p[:, :10].sum(1), atol=ROUNDING, rtol=0)


# Places around the end of the table of harmonic numbers, and where a million items are nearer.
@pytest.mark.parametrize("nearer", [0, 3, 200, 255, 256, 257, 5000, 10**6, 10**9])
@pytest.mark.parametrize(("n", "p"), [(1, 1), (2, 1), (2, 2), (60, 60), (300, 7), (1000, 999)])
@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_long_rankings_lose_no_digits(nearer, n, p, share):
    before = int(share * nearer)
    m = (p - 1) / (n - 1) if n > 1 else 0.0
    expected = p / n * math.fsum((before + 1 + t * m) / (nearer + 1 + t) for t in range(n))
    low = math.fsum((before + i) / (nearer + n - p + i) for i in range(1, p + 1))
    high = math.fsum((before + i) / (nearer + i) for i in range(1, p + 1))
    # The items before count for nothing but their number: their own share is taken off.
    counts_n, counts_p = np.array([[nearer, n]]), np.array([[before, p]])
    total = before + p
    whole = [average_precision(counts_n, counts_p)[0], *(b[0] for b in average_precision_bounds(counts_n, counts_p))]
    head_n, head_p = np.array([[nearer, 0]]), np.array([[before, 0]])
    head = [average_precision(head_n, head_p)[0], *(b[0] for b in average_precision_bounds(head_n, head_p))]
    for of_all, of_head, tail in zip(whole, head, (expected, low, high), strict=True):
        assert of_all == pytest.approx(((of_head * before if before else 0.0) + tail) / total, abs=ROUNDING)


def test_hits_among_many_ties_match_drawn_orders():
    n, p, k = np.array([[50, 4000, 100]]), np.array([[20, 900, 10]]), 700
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(400):
        order = np.concatenate([rng.permutation(np.arange(a) < b) for a, b in zip(n[0], p[0], strict=True)])[:k]
        drawn.append((order.cumsum() / np.arange(1, k + 1))[order].mean())
    found = average_precision_at(n, p, k, "hits")[0]
    assert abs(found - np.mean(drawn)) < 5 * np.std(drawn) / math.sqrt(len(drawn))
    assert np.std(drawn) < 0.05


def test_queries_do_not_mix_and_empty_input_gives_empty_output():
    rng = np.random.default_rng(0)
    n = rng.integers(0, 9, (30, 9))
    p = rng.integers(0, n + 1)
    measures = [
        average_precision,
        lambda n, p: average_precision_bounds(n, p)[0],
        lambda n, p: average_precision_bounds(n, p)[1],
        lambda n, p: average_precision_at(n, p, 12, "relevant"),
        lambda n, p: average_precision_at(n, p, 12, "hits"),
        lambda n, p: precision_at(n, p, 9),
        precision_by_radius,
        recall_by_radius,
    ]
    n[:, 0] += 9
    for measure in measures:
        together = measure(n, p)
        apart = np.concatenate([measure(n[i : i + 1], p[i : i + 1]) for i in range(30)])
        assert together.dtype == np.float64 and np.array_equal(together, apart, equal_nan=True)
        assert len(measure(n[:0], p[:0])) == 0
        assert np.nanmin(together) >= 0 and np.nanmax(together) <= 1 + ROUNDING


@pytest.mark.parametrize(
    ("n", "p", "message"),
    [
        (np.ones(3, int), np.ones(3, int), "Q x \\(L \\+ 1\\) integers, found int64 of shape \\(3,\\)"),
        (np.ones((2, 3), int), np.ones((2, 4), int), r"\(2, 4\)"),
        (np.ones((2, 3)), np.ones((2, 3), int), "found float64"),
        (np.ones((2, 3), int), np.ones((2, 3)), "int64 of shape .* and float64"),
        (np.ones((2, 3), int), np.full((2, 3), 2), "0 <= p <= n"),
        (np.ones((2, 3), int), np.full((2, 3), -1), "0 <= p <= n"),
    ],
)
def test_what_are_no_counts_is_refused(n, p, message):
    with pytest.raises(DataError, match=message):
        average_precision(n, p)


def test_k_and_divisor_are_checked():
    n, p = np.array([[3, 4]]), np.array([[1, 2]])
    for measure in (lambda k: precision_at(n, p, k), lambda k: average_precision_at(n, p, k, "hits")):
        with pytest.raises(ConfigError, match="whole number k of 1 or more, found 0: "):
            measure(0)
    with pytest.raises(ConfigError, match="found 'all': "):
        average_precision_at(n, p, 1, "all")


@pytest.mark.parametrize("k", [2.0, "3", None])
def test_a_place_is_a_whole_number(k):
    n, p = np.array([[2, 1]]), np.array([[1, 0]])
    for measure in (precision_at, lambda n, p, k: average_precision_at(n, p, k, "hits")):
        with pytest.raises(ConfigError, match=rf"whole number k of 1 or more, found {k!r}: "):
            measure(n, p, k)
    assert precision_at(n, p, np.int64(2)) == precision_at(n, p, 2)
