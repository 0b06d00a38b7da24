"""From codes to bits: the sign, 64 bits a word, Hamming distances.

A code u has d entries in [-1, 1]. Its bits are signs, packed into ceil(d / 64) words of 64 bits: bit j of a code is bit
j mod 64 of word j // 64, and what is left of the last word is zero, so that it adds nothing to a distance.
"""

from typing import Any

import numba
import numpy as np
import torch
from numba.extending import intrinsic
from torch import Tensor

from igan_lib.errors import DataError

WORD = 64

Codes = np.ndarray | Tensor  # n x d floating u, or n x words uint64 from `pack`


def to_numpy(values: Codes) -> np.ndarray:
    """A tensor of any device as an array; an array as it is. bfloat16, which numpy lacks, becomes float32."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def binarize(u: Codes) -> np.ndarray:
    """The bits sign(u): True where u >= 0, False where u < 0. A zero, of either sign, becomes True.

    Args:
        u: n x d codes, floating, of any finite range.

    Returns:
        n x d, bool.

    Raises:
        DataError: another shape or dtype (bits 0 and 1 are not u, they go to `pack`), or an entry that is not finite.
    """
    u = to_numpy(u)
    if u.ndim != 2 or u.dtype.kind != "f":
        raise DataError(
            f"Expected codes u as an n x d array of floats, found {u.dtype} of shape {u.shape}: "
            f"give u, or what pack() makes of bits."
        )
    finite = np.isfinite(u)
    if not finite.all():
        raise DataError(
            f"Expected finite codes, found {int((~finite).sum())} entries that are not finite, the first in row "
            f"{int(np.argwhere(~finite)[0, 0])}: check the network or the features that made them."
        )
    return u >= 0


def pack(bits: Codes) -> np.ndarray:
    """Bits in words of 64.

    Args:
        bits: n x d, bool (or integers 0 and 1), d a positive multiple of 8.

    Returns:
        n x ceil(d / 64), uint64; the bits beyond d are zero.

    Raises:
        DataError: another shape, dtype, value or length.
    """
    bits = to_numpy(bits)
    if bits.ndim != 2 or bits.dtype.kind not in "biu" or (bits.dtype != bool and ((bits != 0) & (bits != 1)).any()):
        raise DataError(
            f"Expected bits as an n x d array of bool or of 0 and 1, found {bits.dtype} of shape {bits.shape}: "
            f"make them with binarize()."
        )
    length = bits.shape[1]
    if length == 0 or length % 8:
        raise DataError(f"Expected a code length that is a multiple of 8, found {length}: choose such a length.")
    words = -(-length // WORD)
    packed = np.zeros((len(bits), words * WORD // 8), np.uint8)
    packed[:, : length // 8] = np.packbits(bits, axis=1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def as_bytes(words: np.ndarray) -> np.ndarray:
    """n x words uint64 -> n x 8 words uint8: byte b of a code holds its bits 8b to 8b + 7."""
    return np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)


def as_words(codes: Codes) -> tuple[np.ndarray, int]:
    """Codes in either form as packed words, and their length.

    Args:
        codes: n x d codes u (see `binarize`), or n x words uint64 from `pack`.

    Returns:
        n x words uint64, contiguous, and the length: d, or 64 a word where the codes came packed.

    Raises:
        DataError: as `binarize` and `pack`.
    """
    codes = to_numpy(codes)
    if codes.dtype == np.uint64 and codes.ndim == 2 and codes.shape[1] > 0:
        return np.ascontiguousarray(codes), WORD * codes.shape[1]
    return pack(binarize(codes)), codes.shape[1]


def hamming(queries: Codes, database: Codes) -> np.ndarray:
    """How many bits differ, for each query and each item of the database.

    The whole matrix, so for small uses; `retrieval.counting.counts` needs none.

    Args:
        queries, database: Q x d and N x d codes u, or both packed.

    Returns:
        Q x N, uint16, in [0, d].

    Raises:
        DataError: damaged codes, or two lengths.
    """
    (q, q_length), (db, db_length) = as_words(queries), as_words(database)
    check_same_length(q_length, db_length)
    return _hamming(q, np.ascontiguousarray(db.T))


def check_same_length(queries: int, database: int) -> None:
    """DataError unless both code lengths are the same."""
    if queries != database:
        raise DataError(
            f"Expected queries and database of one code length, found {queries} and {database} bits: "
            f"give both as u, or both packed."
        )


@intrinsic
def popcount(typing_context: Any, word: Any) -> Any:
    """How many bits of a uint64 are set, inside numba; LLVM makes one instruction of it, and vectors in a loop."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), codegen


@numba.njit(nogil=True, cache=True)
def _hamming(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """Q x N distances of Q x words queries and a words x N database."""
    distances = np.zeros((queries.shape[0], database.shape[1]), np.uint16)
    for i in range(queries.shape[0]):
        for w in range(queries.shape[1]):
            for j in range(database.shape[1]):
                distances[i, j] += popcount(queries[i, w] ^ database[w, j])
    return distances
