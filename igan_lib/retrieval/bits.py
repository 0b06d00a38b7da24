r"""From codes to bits: the sign, 64 bits a word, Hamming distances, and how many items lie at each of them.

A code u has d entries in [-1, 1]. Its bits are signs, packed into ceil(d / 64) words of 64 bits: bit j of a code is bit
j mod 64 of word j // 64, and what is left of the last word is zero, so that it adds nothing to a distance.

The measures of a ranking need no order, only counts by distance (`counts`). Xor and population count are vector
instructions and nearly free. Counting costs most: a place of the histogram is read, raised and written back for every
item. Where codes are alike, the same place is raised again and again, and each time waits for the one before; so
neighbouring items raise `_PARTS` histograms in turns (benchmarks/retrieval.py compares other ways).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from numba.extending import intrinsic
from torch import Tensor

from igan_lib.errors import ConfigError, DataError
from igan_lib.retrieval.lengths import bits_used, longest

WORD = 64
_CHUNK = 512  # items counted for all queries of a block before the next ones: they stay in the first-level cache
_QUERIES = 128  # of a block: their histograms, 520 KiB at 64 bits, stay in the second-level cache
_PARTS = 8  # histograms of a query
_PRODUCTS = 2**24  # entries of one product on a torch device: 64 MiB in float32

# n x d floating u; or packed: n x words uint64 from `pack`, or n x d / 8 uint8 as faiss has them (bit j of a code is
# bit j mod 8 of byte j // 8, numpy's bitorder="little"), which tell their length to the byte.
Codes = np.ndarray | Tensor


def to_numpy(values: Codes) -> np.ndarray:
    """A tensor of any device as an array; an array as it is. bfloat16, which numpy lacks, becomes float32."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def binarize(u: Codes) -> np.ndarray:
    """The bits sign(u) of n x d floating codes: True where u >= 0 (a zero of either sign too), False where u < 0.

    DataError: another shape or dtype, an entry that is not finite, bits 0 and 1 (as floats too), which go to `pack`, or
    32 numbers or more, 16 a code, none below 0 and not all alike, as of a sigmoid or a ReLU: all would be True.
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
    bits = u >= 0
    no_sign = bits.all() and u.size and u.min() < u.max()  # all of one value: those of a collapsed network
    if no_sign and ((u.shape[1] >= 16 and u.size >= 32) or ((u == 0) | (u == 1)).all()):
        raise DataError(
            f"Expected codes u, negative where a bit is 0, found {u.min():.3g} to {u.max():.3g} alone: subtract "
            "what parts the bits (0.5 of codes from 0 to 1), or give pack(u >= 0.5) of igan_lib.retrieval.bits."
        )
    return bits


def pack(bits: Codes) -> np.ndarray:
    """Bits in words of 64: n x d, bool or 0 and 1, d a positive multiple of 8 -> n x ceil(d / 64), uint64.

    The bits beyond d are zero. DataError: another shape, dtype, value or length.
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
    """Codes u (n x d, see `binarize`) or packed ones (see `Codes`) as n x words uint64, contiguous, and their length.

    The length is d; where the codes came packed, 64 a word or 8 a byte. DataError: as `binarize` and `pack`, or
    uint8 of 0 and 1 alone, which are rather bits that nobody packed.
    """
    codes = to_numpy(codes)
    if codes.dtype == np.uint8 and codes.ndim == 2 and codes.shape[1] > 0:
        if len(codes) and codes.max() == 1:
            raise DataError("Expected packed codes, found bytes of 0 and 1 alone: give pack() of these bits.")
        width = codes.shape[1]
        padded = np.zeros((len(codes), -(-width // 8) * 8), np.uint8)
        padded[:, :width] = codes
        return padded.view("<u8").astype(np.uint64, copy=False), 8 * width
    if codes.dtype == np.uint64 and codes.ndim == 2 and codes.shape[1] > 0:
        return np.ascontiguousarray(codes), WORD * codes.shape[1]
    return pack(binarize(codes)), codes.shape[1]


def hamming(queries: Codes, database: Codes) -> np.ndarray:
    """How many bits differ: queries Q x d and database N x d, codes u or packed -> Q x N, uint16, in [0, d].

    The whole matrix, so for small uses. DataError: damaged codes, or two lengths.
    """
    q, db, length = _same_length(queries, database)
    return _distances(_signs(q, length).float(), _signs(db, length).float()).numpy().astype(np.uint16)


class Counts(NamedTuple):
    """Per query and distance d = 0..L: n, all items at that distance, and p, the relevant ones; Q x (L + 1), int64."""

    n: np.ndarray
    p: np.ndarray


def counts(
    queries: Codes,
    query_labels: np.ndarray | Tensor,
    database: Codes,
    database_labels: np.ndarray | Tensor,
    *,
    exclude_self: bool = False,
    threads: int | None = None,
    device: str | torch.device | None = None,
) -> Counts:
    """Count the database by distance to each query. An item is relevant when its label is the query's.

    Args:
        queries, database: Q x L and N x L codes u, or both packed; words count 64 bits each, so that L is a multiple
            of 64 and the bins beyond the true length are empty.
        query_labels, database_labels: Q and N integers, 0 or more.
        exclude_self: each item queries the rest: both sides are the same, and item i does not count for query i.
        threads: CPU threads; None: as many as torch has, so that one setting holds for both.
        device: None counts on the CPU by numba. A torch device ("cuda") multiplies codes of -1 and 1 there instead.

    Raises:
        DataError: codes or labels of a wrong dtype, shape or length, codes that are not finite, negative labels, or
            with `exclude_self` two sides that are not the same.
        ConfigError: fewer than one thread or a part of one, or a device that is not there.
    """
    q, db, length = _same_length(queries, database)
    if threads is not None and (not isinstance(threads, int | np.integer) or threads < 1):
        raise ConfigError(f"Expected 1 thread or more, found {threads!r}: leave it out to use as many as torch has.")
    q_labels, db_labels = _labels(query_labels, len(q), "query"), _labels(database_labels, len(db), "database")
    if exclude_self and not (np.array_equal(q, db) and np.array_equal(q_labels, db_labels)):
        raise DataError(
            "Expected the same codes and labels as queries and as database where each item queries the rest, "
            "found different ones: hand over the same arrays, or set exclude_self to False."
        )
    if device is None:
        found = _numba_counts(q, q_labels, db, db_labels, length, threads or torch.get_num_threads())
    else:
        found = _torch_counts(q, q_labels, db, db_labels, length, _present(device))
    others, relevant = found.transpose(1, 0, 2).copy()
    if exclude_self:
        relevant[:, 0] -= 1  # an item is relevant to itself, at distance 0
    return Counts(others + relevant, relevant)


def _present(device: str | torch.device) -> torch.device:
    """The device, if tensors can be put there."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:  # AssertionError: torch was built without CUDA
        raise ConfigError(
            f"Expected a device of this machine, found {str(device)!r}: leave it out to count on the CPU."
        ) from error


def lowest(values: np.ndarray) -> str:
    """What a sentence says of the least of numbers; nothing of what can't be compared."""
    return f", the lowest {values.min()}" if values.size and values.dtype.kind in "iuf" else ""


def _same_length(queries: Codes, database: Codes) -> tuple[np.ndarray, np.ndarray, int]:
    """Both sides as packed words, and their one length; DataError where there are two."""
    sides = to_numpy(queries), to_numpy(database)
    (q, length), (db, db_length) = map(as_words, sides)
    found = length, db_length
    if length == db_length and all(side.dtype == np.uint64 for side in sides):
        most = max(bits_used(q), bits_used(db))
        found = longest(q, most), longest(db, most)
    if found[0] != found[1]:
        raise DataError(
            f"Expected queries and database of one code length, found {found[0]} and {found[1]} bits"
            f"{' at most' * (length == db_length)}: give both as u, or both packed (as_bytes() where ends are zeros)."
        )
    return q, db, length


def _labels(labels: np.ndarray | Tensor, size: int, side: str) -> np.ndarray:
    """The labels as int64, checked."""
    labels = to_numpy(labels)
    if labels.shape != (size,) or labels.dtype.kind not in "iu" or (size and labels.min() < 0):
        raise DataError(
            f"Expected {size} {side} labels, integers of 0 or more, one for each code, found {labels.dtype} of shape "
            f"{labels.shape}{lowest(labels)}: give the labels of these codes."
        )
    return labels.astype(np.int64)


@intrinsic
def popcount(typing_context: Any, word: Any) -> Any:
    """How many bits of a uint64 are set, inside numba; LLVM makes one instruction of it, and vectors in a loop."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), codegen


def _numba_counts(
    q: np.ndarray, q_labels: np.ndarray, db: np.ndarray, db_labels: np.ndarray, length: int, threads: int
) -> np.ndarray:
    """Q x 2 x (L + 1), int64: the items at each distance that are not relevant, and those that are."""
    database = np.ascontiguousarray(db.T)  # word by word, so that a vector instruction loads neighbouring items
    if max(q_labels.max(initial=0), db_labels.max(initial=0)) < 2**31:  # twice as many fit into a vector
        q_labels, db_labels = q_labels.astype(np.int32), db_labels.astype(np.int32)
    found = np.zeros((len(q), 2, length + 1), np.int64)
    step = max(1, min(_QUERIES, -(-len(q) // threads)))

    def count(first: int) -> None:
        block = slice(first, first + step)
        parts = np.zeros((len(q[block]), _PARTS, 2, length + 1), np.uint32)
        _count(q[block], q_labels[block], database, db_labels, parts)
        found[block] = parts.sum(1)

    # Python threads, since the kernel releases the lock: they survive a fork, which numba's own may not.
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(count, range(0, len(q), step)))
    return found


@numba.njit(nogil=True, cache=True)  # compiling takes seconds, once
def _count(q: np.ndarray, q_labels: np.ndarray, db: np.ndarray, db_labels: np.ndarray, parts: np.ndarray) -> None:
    """Count items in parts (Q x _PARTS x 2 x (L + 1)) by query, relevance and distance. q: Q x words, db: words x N."""
    bins = parts.shape[3]
    histograms = parts.reshape(parts.shape[0], -1)
    turn = (np.arange(_CHUNK) % _PARTS * 2 * bins).astype(np.uint32)
    place = np.empty(_CHUNK, np.uint32)
    for first in range(0, db.shape[1], _CHUNK):
        labels = db_labels[first : first + _CHUNK]
        for i in range(q.shape[0]):
            label = q_labels[i]
            for j in range(labels.shape[0]):
                place[j] = turn[j] + (bins if labels[j] == label else 0)
            for w in range(q.shape[1]):
                # LLVM makes vector instructions of this loop only over an array of one axis.
                word, items = q[i, w], db[w, first : first + _CHUNK]
                for j in range(items.shape[0]):
                    place[j] += popcount(word ^ items[j])
            histogram = histograms[i]
            for j in range(labels.shape[0]):
                histogram[place[j]] += np.uint32(1)


def _torch_counts(
    q: np.ndarray, q_labels: np.ndarray, db: np.ndarray, db_labels: np.ndarray, length: int, device: torch.device
) -> np.ndarray:
    """As `_numba_counts`, by products of at most `_PRODUCTS` pairs, exact since float16 has all integers to 2,048."""
    dtype = torch.float16 if device.type == "cuda" and length <= 2048 else torch.float32
    bins = length + 1
    found = torch.zeros(len(q), 2, bins, dtype=torch.int64, device=device)
    items = max(1, _PRODUCTS // _QUERIES)
    for first in range(0, len(db), items):
        block = slice(first, first + items)
        u_db, y_db = _signs(db[block], length).to(device, dtype), torch.from_numpy(db_labels[block]).to(device)
        for start in range(0, len(q), _QUERIES):
            rows = slice(start, start + _QUERIES)
            u, y = _signs(q[rows], length).to(device, dtype), torch.from_numpy(q_labels[rows]).to(device)
            row = torch.arange(len(u), dtype=torch.int32, device=device)[:, None]
            place = (2 * row + (y[:, None] == y_db)) * bins + _distances(u, u_db)
            found[rows] += torch.bincount(place.flatten(), minlength=len(u) * 2 * bins).view(len(u), 2, bins)
    return found.cpu().numpy()


def _signs(words: np.ndarray, length: int) -> Tensor:
    """Packed codes as n x L of -1 and 1, int8."""
    bits = np.unpackbits(as_bytes(words), axis=1, bitorder="little")[:, :length]
    return torch.from_numpy(2 * bits.astype(np.int8) - 1)


def _distances(u: Tensor, v: Tensor) -> Tensor:
    """Q x N, int32, from signs: an inner product is L minus twice the distance."""
    return ((u.shape[1] - u @ v.T) / 2).int()
