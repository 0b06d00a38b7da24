"""Bits, words and distances, against plain Python on lists of bits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.errors import DataError
from igan_lib.retrieval.bits import as_bytes, as_words, binarize, hamming, pack

LENGTHS = (8, 16, 40, 64, 72, 128)
SEEDS = st.integers(0, 2**32 - 1)


def loop_words(row):
    """The words of one code, bit by bit."""
    words = [0] * -(-len(row) // 64)
    for j, bit in enumerate(row):
        words[j // 64] += int(bit) << (j % 64)
    return words


def loop_hamming(a, b):
    return [[sum(x != y for x, y in zip(row, other, strict=True)) for other in b.tolist()] for row in a.tolist()]


def test_the_sign_and_what_a_zero_becomes():
    u = np.array([[0.5, -1e-300, 0.0, -0.0, -2.0, 1e30]])
    expected = [[True, False, True, True, False, True]]
    assert binarize(u).tolist() == expected and binarize(u).dtype == bool
    assert binarize(torch.from_numpy(u)).tolist() == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_of_every_float_dtype_have_the_same_bits(dtype):
    u = (torch.rand(5, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1).to(dtype).requires_grad_()
    assert binarize(u).tolist() == (u >= 0).tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_code_that_is_not_finite_is_refused_with_its_row(value):
    u = np.zeros((4, 8))
    u[2, 5] = u[3, 0] = value
    with pytest.raises(DataError, match="found 2 entries that are not finite, the first in row 2: "):
        binarize(u)


@pytest.mark.parametrize(
    "wrong", [np.zeros(8), np.zeros((2, 2, 8)), np.zeros((2, 8), bool), np.zeros((2, 8), int), np.full((2, 8), "a")]
)
def test_what_is_no_code_is_refused(wrong):
    with pytest.raises(DataError, match=r"Expected codes u as an n x d array of floats, found .*pack\(\)"):
        binarize(wrong)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(LENGTHS), st.integers(0, 4))
def test_words_hold_the_bits_in_order(seed, length, size):
    bits = np.random.default_rng(seed).random((size, length)) < 0.5
    packed = pack(bits)
    assert packed.dtype == np.uint64 and packed.shape == (size, -(-length // 64)) and packed.flags.c_contiguous
    assert packed.tolist() == [loop_words(row) for row in bits]
    assert np.array_equal(pack(torch.from_numpy(bits)), packed) and np.array_equal(pack(bits.astype(np.int64)), packed)
    assert np.array_equal(pack(np.asfortranarray(bits)), packed)
    unpacked = np.unpackbits(as_bytes(packed), axis=1, bitorder="little")
    assert np.array_equal(unpacked[:, :length], bits) and not unpacked[:, length:].any()


@pytest.mark.parametrize("length", [0, 1, 12, 63, 65])
def test_a_length_that_is_no_multiple_of_8_is_refused(length):
    with pytest.raises(DataError, match=f"multiple of 8, found {length}: "):
        pack(np.zeros((3, length), bool))


@pytest.mark.parametrize(
    "wrong", [np.zeros(8, bool), np.full((2, 8), 2), np.full((2, 8), -1), np.zeros((2, 8)), np.zeros((1, 2, 8), bool)]
)
def test_what_are_no_bits_is_refused(wrong):
    with pytest.raises(DataError, match=r"bool or of 0 and 1, found .*binarize\(\)"):
        pack(wrong)


def test_codes_and_packed_codes_are_told_apart():
    u = np.random.default_rng(0).uniform(-1, 1, (3, 72))
    words, length = as_words(u)
    assert length == 72 and np.array_equal(words, pack(u >= 0))
    again, length = as_words(words)
    assert length == 128 and np.array_equal(again, words)
    assert as_words(words[:, :1])[0].flags.c_contiguous
    with pytest.raises(DataError, match="found uint64"):
        as_words(np.zeros((3, 0), np.uint64))


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(LENGTHS), st.integers(0, 4), st.integers(0, 5))
def test_distances_are_those_of_a_loop(seed, length, n_queries, size):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 1, (n_queries, length)), rng.uniform(-1, 1, (size, length))
    expected = np.array(loop_hamming(a > 0, b > 0)).reshape(n_queries, size)
    assert np.array_equal(hamming(a, b), expected) and hamming(a, b).dtype == np.uint16
    assert np.array_equal(hamming(pack(a > 0), pack(b > 0)), expected)
    assert np.array_equal(hamming(torch.from_numpy(a), torch.from_numpy(b)), expected)


def test_two_lengths_are_refused():
    with pytest.raises(DataError, match="one code length, found 8 and 16 bits: "):
        hamming(np.zeros((1, 8)), np.zeros((1, 16)))
    with pytest.raises(DataError, match="found 64 and 8 bits"):
        hamming(pack(np.zeros((1, 8), bool)), np.zeros((1, 8)))
