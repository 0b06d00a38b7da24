"""Search for users: the nearest codes and their ids, from a database that is kept in a file.

Evaluation counts everything and needs no index (`retrieval.bits.counts`); an application asks for the ten nearest of a
million. faiss does that work here; what is added are ids, files and sentences where faiss would fail an assertion.
"""

import zipfile
from pathlib import Path
from typing import Literal, get_args

import faiss
import numpy as np
from torch import Tensor

from igan_lib.errors import ConfigError, DataError
from igan_lib.files import atomic_path
from igan_lib.retrieval.bits import Codes, as_bytes, as_words, lowest, to_numpy
from igan_lib.retrieval.lengths import longest

Kind = Literal["flat", "ivf", "hnsw"]

# What numpy's, zipfile's and faiss's readers raise on a file that is damaged or of another kind.
_DAMAGED = (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, ConfigError, zipfile.BadZipFile)

NO_ID = -1  # in place of an id where an approximate search found fewer than k


class HashIndex:
    """Codes with ids, searched by Hamming distance.

    Args:
        code_length: L, a positive multiple of 8.
        kind: "flat" compares with every code and is exact. "ivf" (inverted lists around the means of the first codes
            added) and "hnsw" (a graph of neighbours) look at a part, and may miss some of the nearest.
        lists, probes: of "ivf": how many lists are made (no more than there are codes), and searched.
        links, effort: of "hnsw": neighbours kept for each code, and candidates kept while searching.

    ConfigError: an unknown kind or a number out of its range.
    """

    def __init__(
        self,
        code_length: int,
        kind: Kind = "flat",
        *,
        lists: int = 256,
        probes: int = 16,
        links: int = 32,
        effort: int = 64,
    ):
        if kind not in get_args(Kind):
            raise ConfigError(f"Expected a kind among {', '.join(get_args(Kind))}, found {kind!r}: choose one of them.")
        if not isinstance(code_length, int | np.integer) or code_length < 8 or code_length % 8:
            raise ConfigError(
                f"Expected a code length that is a multiple of 8, found {code_length!r:.60}: choose such one."
            )
        code_length = int(code_length)  # faiss takes no number of numpy's
        numbers = {"lists": lists, "probes": probes, "links": links, "effort": effort}
        if not all(isinstance(number, int | np.integer) for number in numbers.values()):
            raise ConfigError(f"Expected whole numbers, found {numbers}: correct them.")
        numbers = {name: int(number) for name, number in numbers.items()}
        if min(numbers.values()) < 1 or links < 2:
            raise ConfigError(f"Expected numbers of 1 or more, and 2 links or more, found {numbers}: raise them.")
        self.code_length, self.kind, self._numbers = code_length, kind, numbers
        self._ids = np.empty(0, np.int64)
        self._index: faiss.IndexBinary | None = None  # made with the first codes, from which "ivf" learns its lists

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, codes: Codes, ids: np.ndarray | Tensor | None = None) -> None:
        """Add n x L codes u, or packed; all of them, or in case of an error none.

        The lists of "ivf" are learned from the codes that are added first: begin with a fair sample of all, not a few.

        Args:
            ids: n different integers, 0 or more, that are not in the index; None numbers on from the greatest there.

        DataError: codes of another length or not finite, ids of a wrong number or dtype, or an id twice.
        """
        packed = self._bytes(codes)
        ids = self._new_ids(ids, len(packed))
        if len(packed):
            if self._index is None:
                self._index = self._made_for(packed)
            self._index.add(packed)
            self._ids = np.concatenate([self._ids, ids])

    def search(self, queries: Codes, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest codes to each query, nearest first; which of those at one distance come first is open.

        Args:
            queries: Q x L codes u, or packed; k: 1 to the number of codes in the index, else ConfigError.

        Returns:
            ids (Q x k, int64) and Hamming distances (Q x k, int32). Where "ivf" or "hnsw" found fewer than k, the rest
            are `NO_ID` at distance L + 1, farther than any code.

        DataError: codes of another length or not finite, or an empty index.
        """
        if self._index is None:
            raise DataError("Expected an index with codes, found an empty one: add() codes before you search.")
        if not isinstance(k, int | np.integer) or not 1 <= k <= len(self):
            raise ConfigError(f"Expected k from 1 to the {len(self)} codes of the index, found {k!r}: choose such a k.")
        distances, positions = self._index.search(self._bytes(queries), int(k))
        found = positions >= 0
        return np.where(found, self._ids[positions], NO_ID), np.where(found, distances, self.code_length + 1)

    def save(self, path: Path | str) -> None:
        """Write codes, ids, code length and kind to one file, atomically. DataError: it can't be written."""
        index = np.empty(0, np.uint8) if self._index is None else faiss.serialize_index_binary(self._index)
        values = {"code_length": self.code_length, "kind": self.kind, **self._numbers, "ids": self._ids, "index": index}
        try:
            with atomic_path(Path(path)) as partial, open(partial, "wb") as file:
                np.savez(file, **values)
        except (OSError, ValueError) as error:  # ValueError: no name at all
            why = getattr(error, "strerror", None) or error
            raise DataError(
                f"Expected a file to write at {path}, found that it can't be ({why}): name another, or make room."
            ) from error

    @classmethod
    def load(cls, path: Path | str) -> "HashIndex":
        """Read what `save` wrote. DataError: the file is missing, damaged (its checksums fail), or something else."""
        try:
            # allow_pickle stays off: a file from elsewhere must not run code.
            with np.load(path) as stored:
                numbers = {name: int(stored[name]) for name in ("lists", "probes", "links", "effort")}
                loaded = cls(int(stored["code_length"]), str(stored["kind"]), **numbers)
                loaded._ids, index = stored["ids"], stored["index"]
            if len(index):
                loaded._index = faiss.deserialize_index_binary(index)
            length, size = (loaded._index.d, loaded._index.ntotal) if loaded._index else (loaded.code_length, 0)
            if (length, size) != (loaded.code_length, len(loaded)):
                raise ValueError(f"{size} codes of {length} bits for {len(loaded)} ids")
        except FileNotFoundError:
            raise DataError(f"Expected an index at {path}, found no file: save() one there first.") from None
        except _DAMAGED as why:
            raise DataError(
                f"Expected an index that save() wrote at {path}, found a damaged or other file ({why}): build it anew."
            ) from why
        return loaded

    def _bytes(self, codes: Codes) -> np.ndarray:
        """n x L/8 uint8, as faiss takes them."""
        codes = to_numpy(codes)
        words, length = as_words(codes)
        packed, used = as_bytes(words), self.code_length // 8
        fits = length == self.code_length
        if codes.dtype == np.uint64:
            # Words tell their length to within 64 bits; those beyond it must be empty.
            fits = words.shape[1] == -(-used // 8) and not packed[:, used:].any()
            if fits and (most := longest(words, self.code_length)) < self.code_length:
                fits, length = False, f"{most} at most"
        if not fits:
            raise DataError(
                f"Expected codes of {self.code_length} bits, found {length}: give codes of the index's own length "
                f"(packed ones that do end in zeros as bytes, as_bytes(codes)[:, :{used}] of igan_lib.retrieval.bits)."
            )
        return np.ascontiguousarray(packed[:, :used])

    def _new_ids(self, ids: np.ndarray | Tensor | None, count: int) -> np.ndarray:
        """The ids of `count` new codes as int64, checked."""
        if ids is None:
            first = int(self._ids.max()) + 1 if len(self) else 0
            if first + count > 2**63:
                raise DataError(
                    f"Expected room for {count} ids after the greatest in the index, found {first - 1} there, and "
                    "2^63 - 1 is the last: give ids of your own."
                )
            return np.arange(count, dtype=np.int64) + first if count else np.empty(0, np.int64)
        ids = to_numpy(ids)
        in_form = ids.shape == (count,) and ids.dtype.kind in "iu"
        if not in_form or (count and (ids.min() < 0 or ids.max() > np.iinfo(np.int64).max)):
            raise DataError(
                f"Expected {count} ids, integers from 0 to 2^63 - 1, one for each code, found {ids.dtype} of shape "
                f"{ids.shape}{lowest(ids)}: give such ids, or none."
            )
        ids = ids.astype(np.int64)
        values, times = np.unique(np.concatenate([self._ids, ids]), return_counts=True)
        if (times > 1).any():
            again = values[times > 1]
            raise DataError(
                f"Expected every id once, found {len(again)} of them twice, the first {again[0]}: "
                f"give each code an id of its own."
            )
        return ids

    def _made_for(self, packed: np.ndarray) -> faiss.IndexBinary:
        """An empty index of this kind; the lists of "ivf" are learned from these codes."""
        lists = min(self._numbers["lists"], len(packed))
        factory = {"flat": "BFlat", "ivf": f"BIVF{lists}", "hnsw": f"BHNSW{self._numbers['links']}"}
        index = faiss.index_binary_factory(self.code_length, factory[self.kind])
        if self.kind == "ivf":
            index.nprobe = min(self._numbers["probes"], lists)
            # faiss prints a warning below 39 codes a list; a small index is none the worse for short lists.
            index.cp.min_points_per_centroid = 1
            index.train(packed)
        elif self.kind == "hnsw":
            index.hnsw.efSearch = self._numbers["effort"]
        return index
