"""The outcome of a whole evaluation against rankings made by argsort."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from code_makers import data
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.errors import ConfigError, DataError
from igan_lib.retrieval.bits import pack
from igan_lib.retrieval.protocols import evaluate_retrieval


def argsort_ap(distances, relevant):
    """The usual loop, for one query."""
    order = np.argsort(distances, kind="stable")
    hits = relevant[order]
    return (hits.cumsum() / np.arange(1, len(hits) + 1))[hits].mean()


def ladder(length=64):
    """A database in which every item has a distance of its own to the all-ones query: 0, 1, ... length."""
    return np.where(np.arange(length) < np.arange(length + 1)[:, None], -1.0, 1.0)


def test_without_ties_it_is_the_map_of_an_argsort():
    rng = np.random.default_rng(0)
    db, labels = ladder(), rng.integers(0, 3, 65)
    order = rng.permutation(65)
    q, q_labels = np.ones((3, 64)), np.arange(3)
    found = evaluate_retrieval(q, q_labels, db[order], labels[order], places=(1, 10), divisor="hits")
    expected = np.mean([argsort_ap(np.arange(65), labels == c) for c in range(3)])
    assert found.map == pytest.approx(expected, abs=1e-13)
    assert found.map_low == pytest.approx(found.map, abs=1e-13) and found.map_high == pytest.approx(
        found.map, abs=1e-13
    )
    first = [labels[:10] == c for c in range(3)]
    at_10 = np.mean([(r.cumsum() / np.arange(1, 11))[r].mean() if r.any() else 0 for r in first])
    assert found.map_at[10] == pytest.approx(at_10) and found.divisor == "hits"
    assert found.precision_at == pytest.approx({1: 1 / 3, 10: np.mean([r.mean() for r in first])})
    within_2 = [labels[:3] == c for c in range(3)]
    assert found.precision_at_radius[2] == pytest.approx(np.mean([r.mean() for r in within_2]))
    assert found.recall_at_radius[2] == pytest.approx(
        np.mean([r.sum() / (labels == c).sum() for c, r in enumerate(within_2)])
    )
    assert len(found.precision_at_radius) == len(found.recall_at_radius) == 65
    assert (found.queries, found.without_relevant) == (3, 0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 24]))
def test_an_argsort_lies_between_the_bounds_and_the_mean_of_many_is_the_map(seed, length):
    q, q_labels, db, labels = data(seed, 3, 60, length, 3, flips=0.2)
    labels[:3] = 0, 1, 2
    found = evaluate_retrieval(q, q_labels, db, labels)
    distances = ((q[:, None] >= 0) != (db >= 0)).sum(2)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(200):
        order = rng.permutation(60)
        drawn.append(
            np.mean([argsort_ap(d[order], labels[order] == y) for d, y in zip(distances, q_labels, strict=True)])
        )
    assert found.map_low - 1e-12 <= min(drawn) and max(drawn) <= found.map_high + 1e-12
    assert found.map == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / np.sqrt(200) + 1e-12)


def test_queries_without_a_relevant_item_are_counted_and_left_out():
    q, q_labels, db, labels = data(3, 20, 100, 16, 4)
    strange = np.where(np.arange(20) % 5 == 0, 9, q_labels)
    found = evaluate_retrieval(q, strange, db, labels, places=(5,))
    known = evaluate_retrieval(q[strange != 9], strange[strange != 9], db, labels, places=(5,))
    assert (found.queries, found.without_relevant) == (20, 4) and (known.queries, known.without_relevant) == (16, 0)
    assert {**asdict(found), "queries": 16, "without_relevant": 0} == asdict(known)


@pytest.mark.parametrize(("n_queries", "size"), [(0, 5), (5, 0), (0, 0), (5, 5)])
def test_where_nothing_can_be_averaged_it_says_so(n_queries, size):
    with pytest.raises(DataError, match=f"found none among {n_queries} queries: "):
        evaluate_retrieval(np.zeros((n_queries, 8)), np.zeros(n_queries, int), np.zeros((size, 8)), np.ones(size, int))


def test_each_item_queries_the_rest_as_if_it_were_removed():
    db, labels, _, _ = data(4, 30, 0, 16, 3, flips=0.2)
    found = evaluate_retrieval(db, labels, db, labels, exclude_self=True, places=(29,))
    rest = [np.delete(np.arange(30), i) for i in range(30)]
    apart = [evaluate_retrieval(db[[i]], labels[[i]], db[r], labels[r]).map for i, r in enumerate(rest)]
    assert found.map == pytest.approx(np.mean(apart), abs=1e-13)
    assert found.map < evaluate_retrieval(db, labels, db, labels).map
    with pytest.raises(ConfigError, match="at most 29"):
        evaluate_retrieval(db, labels, db, labels, exclude_self=True, places=(30,))


@pytest.mark.parametrize(
    ("places", "told"),
    [([2.0], "whole number k of 1 or more, found 2.0"), ([0], "found 0"), (5, r"write places=\(5,\)")],
)
def test_places_that_are_no_whole_numbers_get_a_sentence(places, told):
    db, labels, _, _ = data(4, 30, 0, 16, 3, flips=0.2)
    with pytest.raises(ConfigError, match=told):
        evaluate_retrieval(db, labels, db, labels, places=places)


def test_the_only_one_of_its_class_has_no_relevant_item_among_the_rest():
    db = np.ones((3, 8))
    found = evaluate_retrieval(db, [0, 0, 1], db, [0, 0, 1], exclude_self=True)
    # The other item of the class is tied with the stranger: first or second place.
    assert (found.queries, found.without_relevant) == (3, 1)
    assert (found.map_low, found.map, found.map_high) == pytest.approx((0.5, 0.75, 1.0))


def test_perfect_codes_score_1_and_uninformative_ones_their_share():
    labels = np.repeat(np.arange(4), 25)
    codes = np.where(np.eye(4)[labels].repeat(4, 1) > 0, 1.0, -1.0)
    found = evaluate_retrieval(codes, labels, codes, labels)
    assert found.map == found.map_low == found.map_high == 1
    assert found.precision_at_radius[2] == 1 and found.recall_at_radius[0] == 1
    same = evaluate_retrieval(np.ones((100, 16)), labels, np.ones((100, 16)), labels, places=(10,))
    assert same.precision_at[10] == pytest.approx(0.25) and same.map_low < 0.25 < same.map_high == 1


def test_tensors_packed_codes_devices_and_threads_give_the_same_outcome():
    case = data(5, 20, 200, 64, 3)
    expected = evaluate_retrieval(*case, places=(10,))
    assert evaluate_retrieval(*(torch.from_numpy(values) for values in case), places=(10,)) == expected
    q, q_labels, db, labels = case
    assert evaluate_retrieval(pack(q >= 0), q_labels, pack(db >= 0), labels, places=(10,)) == expected
    assert evaluate_retrieval(*case, places=(10,), device="cpu") == expected
    assert evaluate_retrieval(*case, places=(10,), threads=2) == expected
    assert json.loads(json.dumps(asdict(expected)))["map"] == expected.map
