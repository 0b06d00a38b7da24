"""Codes, ids and numbers as other libraries have them: read rightly, or refused in a sentence."""

import faiss
import numpy as np
import pytest
from data_makers import message
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.errors import ConfigError, DataError
from igan_lib.retrieval.bits import as_words, binarize, counts, hamming, pack
from igan_lib.retrieval.index import HashIndex
from igan_lib.retrieval.protocols import evaluate_retrieval


def bits_of(size, length=64, seed=0):
    return np.random.default_rng(seed).random((size, length)) < 0.5


@pytest.mark.parametrize("use", [binarize, lambda u: hamming(u, u), lambda u: HashIndex(64).add(u)])
def test_floats_of_0_and_1_are_refused_and_the_remedies_are_right(use):
    bits = bits_of(5)
    with pytest.raises(DataError) as error:
        use(bits.astype(np.float32))
    assert "0 and 1 alone" in message(error)
    assert np.array_equal(binarize(2.0 * bits - 1), bits) and np.array_equal(pack(bits), pack(2.0 * bits - 1 >= 0))


@pytest.mark.parametrize("u", [np.ones((2, 8)), np.zeros((2, 8)), np.array([[0.0, 1, -1, 1]]), np.full((1, 8), 0.5)])
def test_codes_that_hold_0_or_1_among_others_stay_codes(u):
    assert np.array_equal(binarize(u), u >= 0)


def test_map_of_floats_of_0_and_1_is_refused():
    u, y = bits_of(6).astype(float), np.arange(6) % 2
    with pytest.raises(DataError, match="0 and 1 alone"):
        evaluate_retrieval(u, y, u, y)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 24, 64, 72]), st.integers(2, 6))
def test_bytes_as_faiss_has_them_are_the_same_codes(seed, length, size):
    bits = bits_of(size, length, seed)
    packed = np.packbits(bits, axis=1, bitorder="little")
    if packed.max() <= 1:
        return
    words, found = as_words(packed)
    assert found == length and np.array_equal(words, pack(bits))
    index, plain = HashIndex(length), faiss.IndexBinaryFlat(length)
    index.add(packed)
    plain.add(packed)
    assert np.array_equal(index.search(packed, 2)[1], plain.search(packed, 2)[0])
    assert np.array_equal(hamming(packed, packed), hamming(2.0 * bits - 1, 2.0 * bits - 1))


def test_bits_that_nobody_packed_are_refused():
    with pytest.raises(DataError) as error:
        HashIndex(64).add(bits_of(3).astype(np.uint8))
    assert "pack()" in message(error)


@pytest.mark.parametrize("length", [8, 32])
def test_short_packed_codes_do_not_enter_a_longer_index(length):
    index = HashIndex(64)
    with pytest.raises(DataError) as error:
        index.add(pack(bits_of(3, length)))
    assert "codes of 64 bits, found 32" in message(error) and len(index) == 0
    with pytest.raises(DataError, match=f"codes of 64 bits, found {length}:"):
        index.add(np.packbits(bits_of(3, length), axis=1, bitorder="little"))


def test_long_codes_with_some_empty_ends_are_codes():
    bits = bits_of(3)
    bits[0, 32:] = False
    bits[:, 40:] = False
    index = HashIndex(64)
    index.add(pack(bits))
    index.add(pack(np.zeros((1, 64), bool)))
    assert len(index) == 4


def test_automatic_ids_do_not_wrap():
    index = HashIndex(8)
    index.add(-np.ones((1, 8)), [2**63 - 2])
    with pytest.raises(DataError) as error:
        index.add(-np.ones((2, 8)))
    assert "2^63 - 1" in message(error) and len(index) == 1
    index.add(-np.ones((1, 8)))
    index.add(np.empty((0, 8)))
    assert sorted(index.search(-np.ones((1, 8)), 2)[0][0].tolist()) == [2**63 - 2, 2**63 - 1]


def test_numbers_of_numpy_are_numbers(tmp_path):
    index = HashIndex(np.int64(64), "ivf", lists=np.int32(2), probes=np.int64(2))
    index.add(pack(bits_of(20)))
    assert index.search(pack(bits_of(1)), np.int64(5))[0].shape == (1, 5)
    index.save(tmp_path / "index")
    assert len(HashIndex.load(tmp_path / "index")) == 20


@pytest.mark.parametrize("wrong", [{"code_length": 64.0}, {"code_length": "64"}, {"lists": 2.5}, {"effort": "many"}])
def test_numbers_that_are_none_are_refused(wrong):
    with pytest.raises(ConfigError) as error:
        HashIndex(**{"code_length": 64} | wrong)
    assert message(error)


@pytest.mark.parametrize("k", [1.5, "3", None])
def test_a_k_that_is_no_number_is_refused(k):
    index = HashIndex(64)
    index.add(pack(bits_of(5)))
    with pytest.raises(ConfigError) as error:
        index.search(pack(bits_of(1)), k)
    assert repr(k) in message(error)


def test_ids_and_labels_that_are_strings_are_refused():
    with pytest.raises(DataError) as error:
        HashIndex(64).add(pack(bits_of(2)), np.array(["a", "b"]))
    assert "integers from 0" in message(error)
    with pytest.raises(DataError) as error:
        counts(pack(bits_of(2)), np.array(["a", "b"]), pack(bits_of(2)), np.arange(2))
    assert "query labels" in message(error)


def test_saving_where_nothing_can_be_written_is_a_sentence(tmp_path):
    index, folder = HashIndex(64), tmp_path / "made"
    folder.mkdir()
    (folder / "inside").touch()
    (tmp_path / "file").touch()
    for path in (folder, tmp_path / "file" / "below"):
        with pytest.raises(DataError) as error:
            index.save(path)
        assert str(path) in message(error)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "made"]


@pytest.mark.parametrize("asked", [{"threads": 1.5}, {"threads": "2"}, {"device": "cuda:77"}, {"device": "abacus"}])
def test_threads_and_devices_that_are_not_there_are_refused(asked):
    u, y = pack(bits_of(4)), np.arange(4) % 2
    with pytest.raises(ConfigError) as error:
        counts(u, y, u, y, **asked)
    assert str(next(iter(asked.values()))) in message(error)
