"""Codes, ids and numbers as other libraries have them: read rightly, or refused in a sentence."""

import faiss
import numpy as np
import pytest
import torch
from data_makers import message
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.errors import ConfigError, DataError
from igan_lib.retrieval.bits import as_bytes, as_words, binarize, counts, hamming, pack
from igan_lib.retrieval.index import HashIndex
from igan_lib.retrieval.protocols import evaluate_retrieval


def bits_of(size, length=64, seed=0):
    return np.random.default_rng(seed).random((size, length)) < 0.5


@pytest.mark.parametrize("use", [binarize, lambda u: hamming(u, u), lambda u: HashIndex(64).add(u)])
def test_floats_of_0_and_1_are_refused_and_the_remedies_are_right(use):
    bits = bits_of(5)
    with pytest.raises(DataError) as error:
        use(bits.astype(np.float32))
    assert "found 0 to 1 alone" in message(error)
    assert np.array_equal(binarize(2.0 * bits - 1), bits) and np.array_equal(pack(bits), pack(2.0 * bits - 1 >= 0))


@pytest.mark.parametrize("u", [np.ones((2, 8)), np.zeros((2, 8)), np.array([[0.0, 1, -1, 1]]), np.full((1, 8), 0.5)])
def test_codes_that_hold_0_or_1_among_others_stay_codes(u):
    assert np.array_equal(binarize(u), u >= 0)


@pytest.mark.parametrize("shape", [(100, 64), (2, 16), (1, 64)])
@pytest.mark.parametrize("use", [binarize, lambda u: hamming(u, u), lambda u: HashIndex(u.shape[1]).add(u)])
def test_codes_of_a_sigmoid_or_a_relu_are_refused_and_the_remedies_are_right(shape, use):
    u = np.random.default_rng(0).random(shape)
    for unsigned in (u, np.maximum(20 * u - 10, 0), torch.from_numpy(u).bfloat16()):
        with pytest.raises(DataError) as error:
            use(unsigned)
        assert "subtract what parts the bits" in message(error)
    assert np.array_equal(binarize(u - 0.5), u >= 0.5) and np.array_equal(pack(u >= 0.5), pack(binarize(u - 0.5)))


@pytest.mark.parametrize("u", [np.ones((9, 64)), np.full((9, 64), 0.3), np.array([[0.2] * 8, [0.9] * 8] * 50)])
def test_codes_that_a_network_may_make_without_a_sign_stay_codes(u):
    assert binarize(u).all()


def test_map_of_floats_of_0_and_1_is_refused():
    u, y = bits_of(6).astype(float), np.arange(6) % 2
    with pytest.raises(DataError, match="found 0 to 1 alone"):
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


SHORTER = [(short, long) for long in (16, 32, 40, 64, 128) for short in range(max(8, long - 56), long, 8)]


@pytest.mark.parametrize(("length", "of_index"), SHORTER)
def test_short_packed_codes_do_not_enter_a_longer_index(length, of_index):
    index = HashIndex(of_index)
    with pytest.raises(DataError) as error:
        index.add(pack(bits_of(9, length)))
    assert f"codes of {of_index} bits, found {length} at most" in message(error) and len(index) == 0
    with pytest.raises(DataError, match=f"codes of {of_index} bits, found {length}:"):
        index.add(np.packbits(bits_of(9, length), axis=1, bitorder="little"))
    index.add(pack(bits_of(9, of_index)))
    with pytest.raises(DataError, match="at most"):
        index.search(pack(bits_of(9, length)), 1)


@pytest.mark.parametrize(("length", "other"), SHORTER)
def test_packed_codes_of_two_lengths_have_no_distance(length, other):
    labels = np.arange(9) % 2
    short, long = pack(bits_of(9, length)), pack(bits_of(9, other))
    for a, b, found in ((short, long, (length, other)), (long, short, (other, length))):
        for use in (lambda a, b: hamming(a, b), lambda a, b: counts(a, labels, b, labels)):
            with pytest.raises(DataError) as error:
                use(a, b)
            assert f"found {found[0]} and {found[1]} bits at most" in message(error)


def test_one_code_is_short_where_half_a_word_is_empty():
    with pytest.raises(DataError, match="found 32 at most"):
        HashIndex(64).add(pack(bits_of(1, 32)))
    HashIndex(64).add(pack(bits_of(1, 40)))  # no proof: one code in 16 million
    with pytest.raises(DataError, match="found 32 and 64 bits at most"):
        hamming(pack(bits_of(1, 32)), pack(bits_of(9)))


def test_long_codes_with_some_empty_ends_are_codes():
    bits, whole = bits_of(9), bits_of(9, seed=1)
    bits[:8, 32:] = False
    alike = np.repeat(bits_of(1), 50, axis=0)  # of one class
    alike[:, 56:] = False
    index = HashIndex(64)
    for some in (bits, alike, np.zeros((9, 64), bool)):
        index.add(pack(some))
        index.search(pack(some), 1)
        assert np.array_equal(hamming(pack(some), pack(whole)), hamming(2.0 * some - 1, 2.0 * whole - 1))
    assert len(index) == 68


def test_codes_that_do_end_in_zeros_enter_as_u_and_as_bytes():
    bits, whole, labels = bits_of(50), pack(bits_of(50, seed=1)), np.arange(50) % 2
    bits[:, 56:] = False
    as_u, packed = 2.0 * bits - 1, pack(bits)
    with pytest.raises(DataError) as error:
        HashIndex(64).add(packed)
    assert "as_bytes(codes)[:, :8]" in message(error)
    index = HashIndex(64)
    for codes in (as_u, as_bytes(packed)[:, :8]):
        index.add(codes)
        assert (index.search(codes, 1)[1] == 0).all()
    assert np.array_equal(hamming(as_bytes(packed), as_bytes(whole)), hamming(as_u, as_bytes(whole)))
    counts(packed, labels, packed, labels, exclude_self=True)  # both sides end alike


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
    for path in (folder, tmp_path / "file" / "below", ".", tmp_path / ("x" * 300), "/proc/x", tmp_path / "a\0b"):
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
