"""The index finds what a sort of all distances finds, with the user's ids, before and after a trip through a file."""

import errno
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.errors import ConfigError, DataError
from igan_lib.retrieval import index as search_index
from igan_lib.retrieval.bits import hamming, pack
from igan_lib.retrieval.index import NO_ID, HashIndex

KINDS = ("flat", "ivf", "hnsw")


def codes(size, length=64, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (size, length))


def filled(kind="flat", size=200, length=64, **settings):
    index = HashIndex(length, kind, **settings)
    index.add(codes(size, length), np.arange(size) * 3 + 100)
    return index


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 40, 64, 128]), st.integers(1, 60), st.data())
def test_flat_search_is_a_sort_of_all_distances(seed, length, size, draw):
    k = draw.draw(st.integers(1, size))
    db, queries = codes(size, length, seed), codes(4, length, seed + 1)
    ids = np.random.default_rng(seed).choice(10**12, size, replace=False)
    index = HashIndex(length)
    index.add(db[: size // 2], ids[: size // 2])
    index.add(torch.from_numpy(db[size // 2 :]), torch.from_numpy(ids[size // 2 :]))
    found, distances = index.search(queries, k)
    assert len(index) == size and found.shape == distances.shape == (4, k) and found.dtype == np.int64
    table = hamming(queries, db)
    assert np.array_equal(distances, np.sort(table, axis=1)[:, :k])
    position = {int(name): at for at, name in enumerate(ids)}
    for i, row in enumerate(found.tolist()):
        assert len(set(row)) == k
        assert [table[i, position[name]] for name in row] == distances[i].tolist()
    assert np.array_equal(index.search(pack(queries >= 0), k)[1], distances)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_approximate_kinds_find_most_of_the_nearest_and_report_true_distances(kind):
    index, queries = filled(kind, size=500, lists=8, probes=4), codes(50, seed=1)
    found, distances = index.search(queries, 5)
    table = hamming(queries, codes(500))
    nearest = np.sort(table, axis=1)[:, :5]
    assert (distances[:, 0] == nearest[:, 0]).mean() > 0.6 and (distances >= nearest).all()
    assert np.array_equal(np.take_along_axis(table, (found - 100) // 3, 1), distances)
    itself, at = index.search(codes(500), 1)
    assert (itself[:, 0] == np.arange(500) * 3 + 100).mean() > 0.95 and (at == 0).mean() > 0.95


@pytest.mark.parametrize(
    ("kind", "little", "much"),
    [
        ("ivf", {"lists": 20, "probes": 1}, {"lists": 20, "probes": 15}),
        ("hnsw", {"links": 4, "effort": 1}, {"links": 4, "effort": 200}),
        ("hnsw", {"links": 2, "effort": 1}, {"links": 16, "effort": 1}),
    ],
)
def test_more_work_finds_nearer_codes(kind, little, much):
    queries = codes(50, seed=1)
    means = [filled(kind, size=1000, **work).search(queries, 1)[1].mean() for work in (little, much)]
    assert means[1] < means[0] - 0.5


def test_looking_everywhere_is_exact():
    index = filled("ivf", lists=10, probes=10)
    assert np.array_equal(index.search(codes(9, seed=1), 200)[1], filled().search(codes(9, seed=1), 200)[1])


def test_what_an_approximate_search_did_not_reach_has_no_id():
    index = filled("ivf", size=60, lists=10, probes=1)
    found, distances = index.search(codes(5, seed=1), 60)
    missing = found == NO_ID
    assert missing.any(1).all() and not missing.all(1).any()
    assert (distances[missing] == 65).all() and (distances[~missing] <= 64).all() and (found[~missing] >= 100).all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_is_the_same_after_a_trip_through_a_file(kind, tmp_path):
    index, path = filled(kind, length=40, lists=5, probes=2), tmp_path / "made" / "codes.index"
    index.save(path)
    assert list(path.parent.iterdir()) == [path]
    loaded = HashIndex.load(str(path))
    assert (loaded.code_length, loaded.kind, len(loaded)) == (40, kind, 200)
    for a, b in zip(index.search(codes(7, 40, 1), 9), loaded.search(codes(7, 40, 1), 9), strict=True):
        assert np.array_equal(a, b)
    loaded.add(codes(1, 40, 2))
    assert len(loaded) == 201 and loaded.search(codes(1, 40, 2), 1)[0][0, 0] == 100 + 3 * 199 + 1
    with pytest.raises(DataError, match="every id once"):
        loaded.add(codes(1, 40, 2), [100])


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_index_can_be_kept_but_not_searched(kind, tmp_path):
    HashIndex(64, kind, lists=3, probes=3).save(tmp_path / "empty")
    index = HashIndex.load(tmp_path / "empty")
    index.add(codes(0))
    with pytest.raises(DataError, match="found an empty one"):
        index.search(codes(1), 1)
    index.add(codes(9))
    assert index.search(codes(9)[4:5], 1)[0].tolist() == [[4]]
    if kind == "ivf":
        assert index.search(codes(1), 9)[0].min() == 0


def test_a_file_that_is_damaged_or_something_else_is_refused(tmp_path):
    path, whole = tmp_path / "index", tmp_path / "whole"
    filled(length=8).save(whole)
    content = whole.read_bytes()
    with pytest.raises(DataError, match="found no file"):
        HashIndex.load(path)
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (content[:-30], content[: len(content) // 2], bytes(flipped), b"", b"not an index", b"PK\x03\x04"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"damaged or other file \(.*\): build it anew"):
            HashIndex.load(path)
    with open(path, "wb") as file:
        np.savez(file, code_length=8)
    with pytest.raises(DataError, match="damaged or other file"):
        HashIndex.load(path)
    with pytest.raises(DataError, match="damaged or other file"):
        HashIndex.load(tmp_path)


@pytest.mark.parametrize(
    "change", [{"ids": np.arange(3)}, {"code_length": 16}, {"kind": "tree"}, {"index": np.ones(9, np.uint8)}]
)
def test_a_file_whose_parts_do_not_fit_is_refused(change, tmp_path):
    filled(length=8).save(tmp_path / "index")
    with np.load(tmp_path / "index") as stored:
        parts = dict(stored)
    with open(tmp_path / "index", "wb") as file:
        np.savez(file, **parts | change)
    with pytest.raises(DataError, match="damaged or other file"):
        HashIndex.load(tmp_path / "index")


def test_a_save_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "index"
    filled().save(path)
    before = path.read_bytes()

    def full(file, **_):
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(search_index.np, "savez", full)
    with pytest.raises(DataError, match=r"can't be \(No space left on device\): name another, or make room\.$"):
        filled(size=10).save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("wrong", [codes(2, 72), codes(2, 56), pack(codes(2, 128) > 0)])
def test_a_wrong_code_length_is_refused(wrong):
    index = filled()
    for use in (index.add, lambda given: index.search(given, 1)):
        with pytest.raises(DataError, match="codes of 64 bits, found "):
            use(wrong)
    assert len(index) == 200


def test_packed_codes_with_bits_beyond_the_length_are_refused():
    index = HashIndex(40)
    index.add(pack(codes(3, 40) > 0))
    with pytest.raises(DataError, match="codes of 40 bits, found 64: "):
        index.add(pack(np.ones((1, 48), bool)))
    with pytest.raises(DataError, match="codes of 40 bits, found 128: "):
        index.add(pack(codes(9, 104) > 0))


@pytest.mark.parametrize("kind", KINDS)
def test_codes_that_are_not_finite_are_refused_and_none_is_added(kind):
    index, damaged = filled(kind), codes(5, seed=2)
    damaged[3, 3] = np.nan
    for use in (index.add, lambda given: index.search(given, 1)):
        with pytest.raises(DataError, match="not finite, the first in row 3"):
            use(damaged)
    assert len(index) == 200


@pytest.mark.parametrize("k", [0, -1, 201])
def test_k_out_of_range_is_refused(k):
    with pytest.raises(ConfigError, match=f"from 1 to the 200 codes of the index, found {k}: "):
        filled().search(codes(1), k)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2, 1], "found 1 of them twice, the first 1: "),
        ([1, 103, 100], "found 2 of them twice, the first 100: "),
        ([1, 2], r"3 ids.*shape \(2,\)"),
        ([1.0, 2.0, 3.0], "found float64"),
        ([4, -1, 5], "the lowest -1"),
    ],
)
def test_wrong_ids_are_refused_and_nothing_is_added(ids, message):
    index = filled()
    with pytest.raises(DataError, match=message):
        index.add(codes(3, seed=2), np.array(ids))
    assert len(index) == 200 and index.search(codes(1), 200)[0].max() == 697


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "tree"}, "flat, ivf, hnsw, found 'tree': "),
        ({"code_length": 12}, "multiple of 8, found 12: "),
        ({"code_length": 0}, "multiple of 8, found 0: "),
        ({"kind": "ivf", "lists": 0}, "1 or more"),
        ({"kind": "ivf", "probes": -1}, "1 or more"),
        ({"kind": "hnsw", "links": 1}, "2 links or more"),
        ({"kind": "hnsw", "effort": 0}, "1 or more"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        HashIndex(**{"code_length": 64} | arguments)


def test_an_id_beyond_int64_is_refused():
    index = HashIndex(8)
    with pytest.raises(DataError) as caught:
        index.add(np.ones((1, 8), np.float32), np.array([2**63 + 5], np.uint64))
    assert "2^63 - 1" in str(caught.value) and len(index) == 0
    index.add(np.ones((1, 8), np.float32), np.array([2**63 - 1], np.uint64))
    assert index.search(np.ones((1, 8), np.float32), 1)[0].tolist() == [[2**63 - 1]]
