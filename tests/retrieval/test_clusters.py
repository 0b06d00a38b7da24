"""Silhouette and neighbour purity against loops, and at their ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.retrieval.clusters import neighbour_purity, silhouette


def some_codes(seed, n=14):
    rng = np.random.default_rng(seed)
    y = np.concatenate([[0, 1, 0, 1], rng.integers(0, 3, n - 4)])
    return rng.normal(size=(n, 3)) + y[:, None], y


@given(st.integers(0, 10**6), st.integers(1, 13))
@settings(max_examples=25, deadline=None)
def test_purity_counts_like_a_loop(seed, k):
    u, y = some_codes(seed)
    shares = []
    for i in range(len(u)):
        others = sorted((float(((u[i] - u[j]) ** 2).sum()), y[j]) for j in range(len(u)) if j != i)
        shares.append(sum(label == y[i] for _, label in others[:k]) / k)
    assert neighbour_purity(u, y, k) == pytest.approx(np.mean(shares))


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_silhouette_is_its_definition(seed):
    u, y = some_codes(seed)
    distance = np.linalg.norm(u[:, None] - u[None], axis=2)
    values = []
    for i in range(len(u)):
        own = (y == y[i]) & (np.arange(len(u)) != i)
        if not own.any():
            values.append(0.0)
            continue
        a = distance[i, own].mean()
        b = min(distance[i, y == other].mean() for other in set(y) - {y[i]})
        values.append((b - a) / max(a, b))
    assert silhouette(u, y) == pytest.approx(np.mean(values))


def test_both_are_one_for_classes_that_are_points_and_purity_cuts_k():
    u, y = np.repeat(np.eye(2), 4, axis=0), np.repeat([0, 1], 4)
    assert silhouette(u, y) == 1.0 and neighbour_purity(u, y, k=3) == 1.0
    assert neighbour_purity(u, y, k=100) == pytest.approx(3 / 7)
