"""How many items, and how many relevant ones, lie at each Hamming distance of a query: all that the measures need.

An item is relevant when its label is the query's. The database is sorted by label first, so that the relevant items are
one slice and no label is read while counting. Then one pass over it, in tiles that stay in the processor's cache: a
tile is counted for a block of queries before the next one is fetched. Memory is that of the codes and of the counts.

Xor and population count are vector instructions and nearly free; what costs is to read, add to and write back a place
of the histogram for every item. So two items share one such step, in a histogram over PAIRS of distances, whose two
marginals are what was asked for (benchmarks/retrieval.py measures it against the plain one).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from igan_lib.errors import ConfigError, DataError
from igan_lib.retrieval.bits import Codes, as_bytes, as_words, check_same_length, popcount, to_numpy

_TILE = 65_536  # items: 512 KiB of 64-bit codes, in the second-level cache beside the histogram
_CHUNK = 1024  # pairs whose bins are computed by vector instructions before they are counted
_QUERIES = 256  # in one task of a thread: enough to reuse a tile, and a few tenths of a second on a million codes
_PARTS = 2  # histograms used in turns: where all codes are alike, an increment need not wait for the one before it
_PRODUCTS = 2**24  # entries of one product on a torch device: 64 MiB in float32


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
    """Count the database by distance to each query.

    Args:
        queries, database: Q x L and N x L codes u, or both packed; packed codes count 64 bits a word, so that L is a
            multiple of 64 and the bins beyond the true length are empty.
        query_labels, database_labels: Q and N integers, 0 or more.
        exclude_self: every item queries the rest: queries and database are the same N items in the same order, and
            item i does not count for query i.
        threads: CPU threads; None: as many as torch has, so that one setting holds for both.
        device: None counts on the CPU by numba. A torch device ("cuda") multiplies codes of -1 and 1 there instead.

    Returns:
        Counts, Q x (L + 1) each.

    Raises:
        DataError: codes or labels of a wrong dtype, shape or length, codes that are not finite, negative labels, or
            with `exclude_self` two sides that are not the same.
        ConfigError: fewer than one thread.
    """
    (q, length), (db, db_length) = as_words(queries), as_words(database)
    check_same_length(length, db_length)
    if threads is not None and threads < 1:
        raise ConfigError(f"Expected 1 thread or more, found {threads}: leave it out to use as many as torch has.")
    q_labels, db_labels = _labels(query_labels, len(q), "query"), _labels(database_labels, len(db), "database")
    if exclude_self and not (np.array_equal(q, db) and np.array_equal(q_labels, db_labels)):
        raise DataError(
            "Expected the same codes and labels as queries and as database where each item queries the rest, "
            "found different ones: hand over the same arrays, or set exclude_self to False."
        )
    if device is None:
        found = _numba_counts(q, q_labels, db, db_labels, length, threads or torch.get_num_threads())
    else:
        found = _torch_counts(q, q_labels, db, db_labels, length, torch.device(device))
    if exclude_self:
        # An item is relevant to itself, at distance 0.
        found.n[:, 0] -= 1
        found.p[:, 0] -= 1
    return found


def _labels(labels: np.ndarray | Tensor, size: int, side: str) -> np.ndarray:
    """The labels as int64, checked."""
    labels = to_numpy(labels)
    if labels.shape != (size,) or labels.dtype.kind not in "iu" or (size and labels.min() < 0):
        raise DataError(
            f"Expected {size} {side} labels, integers of 0 or more, one for each code, found {labels.dtype} of shape "
            f"{labels.shape}{f', the lowest {labels.min()}' if labels.size else ''}: give the labels of these codes."
        )
    return labels.astype(np.int64)


# ---------------------------------------------------------------- on the CPU


def _numba_counts(
    q: np.ndarray, q_labels: np.ndarray, db: np.ndarray, db_labels: np.ndarray, length: int, threads: int
) -> Counts:
    order = np.argsort(db_labels)
    by_label = db_labels[order]
    # Word by word, so that a vector instruction loads neighbouring items.
    database = np.ascontiguousarray(db[order].T)
    start, end = (np.searchsorted(by_label, q_labels, side) for side in ("left", "right"))
    others, relevant = (np.zeros((len(q), length + 1), np.int64) for _ in range(2))

    def count(block: slice) -> None:
        _count(q[block], database, start[block], end[block], others[block], relevant[block])

    step = max(1, min(_QUERIES, -(-len(q) // threads)))
    # Python threads, since the kernel releases the lock: they survive a fork, which numba's own may not.
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(count, [slice(first, first + step) for first in range(0, len(q), step)]))
    others += relevant
    return Counts(others, relevant)


@numba.njit(nogil=True, cache=True)  # compiling takes seconds, once
def _count(
    queries: np.ndarray,
    database: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    others: np.ndarray,
    relevant: np.ndarray,
) -> None:
    """Add the items in [start, end) of each query to `relevant`, those outside to `others`.

    queries Q x words, database words x N, start and end Q, others and relevant Q x (L + 1).
    """
    bins = others.shape[1]
    histogram = np.empty((_PARTS, bins, bins), np.uint32)
    chunk = np.empty(_CHUNK, np.uint32)
    size = database.shape[1]
    for first in range(0, size, _TILE):
        last = min(first + _TILE, size)
        for i in range(queries.shape[0]):
            begin, stop = min(max(start[i], first), last), min(max(end[i], first), last)
            _add(queries[i], database, first, begin, others[i], histogram, chunk)
            _add(queries[i], database, begin, stop, relevant[i], histogram, chunk)
            _add(queries[i], database, stop, last, others[i], histogram, chunk)


@numba.njit(nogil=True)
def _add(
    query: np.ndarray,
    database: np.ndarray,
    first: int,
    last: int,
    row: np.ndarray,
    histogram: np.ndarray,
    chunk: np.ndarray,
) -> None:
    """Add the distances of the items in [first, last) to the counts in `row`."""
    bins = row.shape[0]
    half = (last - first) // 2
    if half < bins * bins:  # too few to pay for emptying the histogram, or codes too long for it
        _add_singly(query, database, first, last, row, chunk)
        return
    flat = histogram.reshape(-1)
    flat[:] = 0
    for a in range(first, first + half, chunk.shape[0]):
        a_end = min(a + chunk.shape[0], first + half)
        for j in range(chunk.shape[0]):
            chunk[j] = j % _PARTS * bins * bins
        for w in range(query.shape[0]):
            _add_pair_bins(query[w], database[w, a:a_end], database[w, a + half : a_end + half], np.uint64(bins), chunk)
        for j in range(a_end - a):
            flat[chunk[j]] += np.uint32(1)
    _add_marginals(histogram, row)
    _add_singly(query, database, first + 2 * half, last, row, chunk)


@numba.njit(nogil=True)
def _add_pair_bins(word: np.uint64, a: np.ndarray, b: np.ndarray, bins: np.uint64, chunk: np.ndarray) -> None:
    """Add to each entry of the chunk what one word contributes to the bin of (distance of a's item, of b's item)."""
    for j in range(a.shape[0]):
        chunk[j] += popcount(word ^ a[j]) * bins + popcount(word ^ b[j])


@numba.njit(nogil=True)
def _add_marginals(histogram: np.ndarray, row: np.ndarray) -> None:
    """Add both marginals of the histogram over pairs of distances, parts x bins x bins, to the counts in `row`."""
    bins = row.shape[0]
    columns = np.zeros(bins, np.uint32)
    for d in range(bins):
        total = np.uint32(0)
        for part in range(histogram.shape[0]):
            pairs = histogram[part, d]
            for other in range(bins):
                total += pairs[other]
                columns[other] += pairs[other]
        row[d] += total
    for d in range(bins):
        row[d] += columns[d]


@numba.njit(nogil=True)
def _add_singly(
    query: np.ndarray, database: np.ndarray, first: int, last: int, row: np.ndarray, chunk: np.ndarray
) -> None:
    """As `_add`, one increment an item."""
    for a in range(first, last, chunk.shape[0]):
        a_end = min(a + chunk.shape[0], last)
        chunk[:] = 0
        for w in range(query.shape[0]):
            _add_distances(query[w], database[w, a:a_end], chunk)
        for j in range(a_end - a):
            row[chunk[j]] += 1


@numba.njit(nogil=True)
def _add_distances(word: np.uint64, items: np.ndarray, chunk: np.ndarray) -> None:
    """Add to each entry of the chunk how many bits of one word differ."""
    for j in range(items.shape[0]):
        chunk[j] += popcount(word ^ items[j])


# ---------------------------------------------------------------- on a torch device


def _torch_counts(
    q: np.ndarray,
    q_labels: np.ndarray,
    db: np.ndarray,
    db_labels: np.ndarray,
    length: int,
    device: torch.device,
) -> Counts:
    """The counts by products of codes of -1 and 1: their inner product is L minus twice the distance.

    Blocks of at most `_PRODUCTS` pairs. float16 holds whole numbers up to 2,048 exactly, and so these products.
    """
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
            distances = ((length - u @ u_db.T) / 2).int()
            row = torch.arange(len(u), dtype=torch.int32, device=device)[:, None]
            place = (2 * row + (y[:, None] == y_db)) * bins + distances
            found[rows] += torch.bincount(place.flatten(), minlength=len(u) * 2 * bins).view(len(u), 2, bins)
    others, relevant = found.cpu().numpy().transpose(1, 0, 2)
    return Counts(others + relevant, relevant.copy())


def _signs(words: np.ndarray, length: int) -> Tensor:
    """Packed codes as n x L of -1 and 1, int8."""
    bits = np.unpackbits(as_bytes(words), axis=1, bitorder="little")[:, :length]
    return torch.from_numpy(2 * bits.astype(np.int8) - 1)
