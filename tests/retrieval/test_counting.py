"""Counts by distance against bincounts of a distance matrix, over tiles, blocks, threads and devices."""

import numpy as np
import pytest
import torch
from code_makers import data
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.errors import ConfigError, DataError
from igan_lib.retrieval import bits
from igan_lib.retrieval.bits import counts, pack

LENGTHS = (8, 16, 24, 64, 72, 128)


def plain_counts(q, q_labels, db, db_labels, without_self=False):
    """By a matrix of differing signs, one query at a time."""
    length = q.shape[1]
    n, p = np.zeros((2, len(q), length + 1), np.int64)
    for i in range(len(q)):
        distances = ((q[i] >= 0) != (db >= 0)).sum(1)
        kept = np.arange(len(db)) != i if without_self else np.ones(len(db), bool)
        n[i] = np.bincount(distances[kept], minlength=length + 1)
        p[i] = np.bincount(distances[kept & (db_labels == q_labels[i])], minlength=length + 1)
    return n, p


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == np.int64 and np.array_equal(a, b)


cases = st.builds(
    data,
    st.integers(0, 2**32 - 1),
    st.integers(0, 5),
    st.integers(0, 700),
    st.sampled_from(LENGTHS),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.05, 0.5]),
)


@settings(max_examples=40, deadline=None)
@given(cases)
def test_counts_are_those_of_a_distance_matrix(case):
    assert_same(counts(*case), plain_counts(*case))
    tensors = [torch.from_numpy(values) for values in case]
    assert_same(counts(*tensors), plain_counts(*case))


@pytest.mark.parametrize("length", [8, 64, 72])
def test_chunks_and_blocks_fit_together(length):
    # More than two chunks of items, and more queries than a block.
    case = data(1, 3, 2 * bits._CHUNK + 345, length, 3, flips=0.2)
    assert_same(counts(*case), plain_counts(*case))
    case = data(2, 2 * bits._QUERIES + 7, 500, length, 3)
    expected = plain_counts(*case)
    for threads in (1, 3, 1000):
        assert_same(counts(*case, threads=threads), expected)


def test_many_equal_codes_share_one_distance():
    size = 100_001
    n, p = counts(np.ones((1, 8)), np.array([0]), np.ones((size, 8)), np.zeros(size, int))
    assert n[0].tolist() == p[0].tolist() == [size] + [0] * 8


def test_labels_beyond_32_bits_are_told_apart():
    q, y, db, labels = data(3, 4, 50, 16, 2)
    assert_same(counts(q, y + 2**40, db, labels + 2**40), plain_counts(q, y, db, labels))


@settings(max_examples=15, deadline=None)
@given(cases, st.integers(0, 2**32 - 1))
def test_neither_the_order_of_the_database_nor_a_bit_flipped_everywhere_matters(case, seed):
    q, q_labels, db, db_labels = case
    rng = np.random.default_rng(seed)
    expected = counts(*case)
    order = rng.permutation(len(db))
    assert_same(counts(q, q_labels, db[order], db_labels[order]), expected)
    flipped = np.ones(q.shape[1])
    flipped[rng.integers(len(flipped))] = -1
    assert_same(counts(q * flipped, q_labels, db * flipped, db_labels), expected)


@settings(max_examples=15, deadline=None)
@given(cases)
def test_packed_codes_count_the_same_with_empty_distances_beyond_their_length(case):
    q, q_labels, db, db_labels = case
    found = counts(pack(q >= 0), q_labels, pack(db >= 0), db_labels)
    length = q.shape[1]
    assert found.n.shape[1] == 64 * -(-length // 64) + 1
    assert_same((found.n[:, : length + 1], found.p[:, : length + 1]), counts(*case))
    assert not found.n[:, length + 1 :].any()


@settings(max_examples=15, deadline=None)
@given(cases)
def test_each_item_queries_the_rest(case):
    _, _, db, labels = case
    db, labels = db[:60], labels[:60]
    expected = plain_counts(db, labels, db, labels, without_self=True)
    for device in (None, "cpu"):
        assert_same(counts(db, labels, db, labels, exclude_self=True, device=device), expected)
    assert (expected[0].sum(1) == len(db) - 1).all()


def test_queries_that_are_not_the_database_have_no_self():
    q, y, _, _ = data(0, 20, 0, 16, 2)
    for other, labels in ((q[::-1], y), (q[:19], y[:19]), (q, 1 - y)):
        with pytest.raises(DataError, match="the same codes and labels"):
            counts(q, y, other, labels, exclude_self=True)


@settings(max_examples=15, deadline=None)
@given(cases)
def test_the_products_of_a_torch_device_count_the_same(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bits, "_QUERIES", 2)
        patch.setattr(bits, "_PRODUCTS", 200)
        found = counts(*case, device="cpu")
    assert_same(found, plain_counts(*case))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queries": np.zeros((3, 16))}, "one code length, found 16 and 8 bits"),
        ({"database": np.full((4, 8), np.nan)}, "32 entries that are not finite"),
        ({"query_labels": np.zeros(2, int)}, r"3 query labels.*shape \(2,\)"),
        ({"database_labels": np.zeros((4, 1), int)}, "4 database labels"),
        ({"database_labels": np.zeros(4)}, "found float64"),
        ({"query_labels": np.array([0, -1, 2])}, "the lowest -1"),
    ],
)
def test_wrong_codes_and_labels_are_refused(change, message):
    right = {
        "queries": np.zeros((3, 8)),
        "query_labels": np.zeros(3, int),
        "database": np.zeros((4, 8)),
        "database_labels": np.zeros(4, int),
    }
    counts(**right)
    with pytest.raises(DataError, match=message):
        counts(**right | change)


@pytest.mark.parametrize("threads", [0, -2])
def test_fewer_than_one_thread_is_refused(threads):
    with pytest.raises(ConfigError, match=f"1 thread or more, found {threads}: "):
        counts(np.zeros((1, 8)), np.zeros(1, int), np.zeros((1, 8)), np.zeros(1, int), threads=threads)
