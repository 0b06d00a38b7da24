"""Speed and memory of the exact retrieval evaluation: `python benchmarks/retrieval.py --help`.

- routes: pairs of query and item a CPU second on ONE thread, for this library's evaluation and for others on the same
  64-bit codes; each ratio is of times measured in turns in one run
- threads: the counting pass on all of them
- search: `HashIndex` of each kind for the ten nearest: seconds to fill it, milliseconds a query, size, what it finds
- memory: what an evaluation of 10,000 queries x 1,000,000 codes needs on top of the codes, in a process of its own

Two kinds of codes: random ones, whose distances spread, and trained-like ones (ten centres, each code 3 bits away from
its own), whose distances pile up in few places. Before anything is timed, the routes must agree.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import faiss
import numba
import numpy as np
import torch

from igan_lib.files import write_text
from igan_lib.retrieval.average_precision import average_precision_bounds
from igan_lib.retrieval.bits import Counts, as_bytes, counts, pack, popcount
from igan_lib.retrieval.index import HashIndex, Kind
from igan_lib.retrieval.protocols import evaluate_retrieval

ROOT = Path(__file__).resolve().parent.parent
LENGTH, CLASSES = 64, 10
DATABASE, QUERIES = 1_000_000, 10_000
OWN = "this library, whole evaluation"


@dataclass(frozen=True)
class Data:
    """Packed codes (n x 1) and labels of both sides, and the database as floats of -1 and 1."""

    q: np.ndarray
    q_labels: np.ndarray
    db: np.ndarray
    db_labels: np.ndarray
    signs: torch.Tensor

    def first(self, count: int) -> "Data":
        return Data(self.q[:count], self.q_labels[:count], self.db, self.db_labels, self.signs)


def signs_of(words: np.ndarray) -> torch.Tensor:
    bits = np.unpackbits(as_bytes(words), axis=1, bitorder="little")
    return torch.from_numpy(bits).float().mul_(2).sub_(1)


def make_data(kind: str, n_queries: int, size: int) -> Data:
    rng = np.random.default_rng(0)
    centres = pack(rng.random((CLASSES, LENGTH)) < 0.5)
    sides = []
    for count in (n_queries, size):
        labels = rng.integers(0, CLASSES, count)
        if kind == "random":
            words = rng.integers(0, 2**64, (count, 1), dtype=np.uint64)
        else:
            words = centres[labels]
            for _ in range(3):
                words = words ^ (np.uint64(1) << rng.integers(0, LENGTH, (count, 1)).astype(np.uint64))
        sides += [words, labels]
    return Data(*sides, signs_of(sides[2]))


# ---------------------------------------------------------------- the routes


def own_evaluation(data: Data) -> object:
    return evaluate_retrieval(data.q, data.q_labels, data.db, data.db_labels, threads=1)


def own_counts(data: Data, threads: int = 1) -> Counts:
    return counts(data.q, data.q_labels, data.db, data.db_labels, threads=threads)


def torch_products(data: Data) -> Counts:
    return counts(data.q, data.q_labels, data.db, data.db_labels, device="cpu")


@numba.njit(nogil=True)
def _plain_pass(q: np.ndarray, q_labels: np.ndarray, db: np.ndarray, db_labels: np.ndarray, found: np.ndarray) -> None:
    for i in range(len(q)):
        for j in range(len(db)):
            found[i, int(q_labels[i] == db_labels[j]), popcount(q[i] ^ db[j])] += 1


def plain_histogram(data: Data) -> Counts:
    """The obvious loop: one histogram place and one label for every item."""
    found = np.zeros((len(data.q), 2, LENGTH + 1), np.int64)
    _plain_pass(data.q[:, 0], data.q_labels, data.db[:, 0], data.db_labels, found)
    return Counts(found.sum(1), found[:, 1])


def numpy_popcount(data: Data) -> Counts:
    """One query against all codes by numpy, then bincounts."""
    found = np.zeros((len(data.q), 2, LENGTH + 1), np.int64)
    for row, code, label in zip(found, data.q[:, 0], data.q_labels, strict=True):
        distances = np.bitwise_count(data.db[:, 0] ^ code)
        row[0] = np.bincount(distances, minlength=LENGTH + 1)
        row[1] = np.bincount(distances[data.db_labels == label], minlength=LENGTH + 1)
    return Counts(found[:, 0], found[:, 1])


def float_argsort(data: Data) -> list[float]:
    """What most published evaluation code does: inner products, argsort, average precision, query by query."""
    values = []
    for code, label in zip(signs_of(data.q), data.q_labels, strict=True):
        distances = 0.5 * (LENGTH - torch.mv(data.signs, code).numpy())
        relevant = (data.db_labels == label)[np.argsort(distances)]
        places = np.flatnonzero(relevant) + 1.0
        values.append(float(np.mean(np.arange(1, len(places) + 1) / places)))
    return values


def faiss_ranking(data: Data) -> np.ndarray:
    """Only the full ranking, without what follows from it."""
    return FLAT[id(data.db)].search(as_bytes(data.q), len(data.db))[0]


FLAT: dict[int, faiss.IndexBinaryFlat] = {}  # by database: filling an index is no part of a search


def index_for(data: Data) -> None:
    FLAT[id(data.db)] = faiss.IndexBinaryFlat(LENGTH)
    FLAT[id(data.db)].use_heap = False  # counting is its faster way where all places are asked for
    FLAT[id(data.db)].add(as_bytes(data.db))


# Route -> (what it does, queries a turn at full scale: about as many as half a second holds).
ROUTES: dict[str, tuple[Callable[[Data], object], int]] = {
    OWN: (own_evaluation, 2000),
    "this library, counting alone": (own_counts, 2000),
    "numba, plain histogram": (plain_histogram, 500),
    "numpy bitwise_count and bincount": (numpy_popcount, 100),
    "torch products of ±1 and bincount": (torch_products, 256),
    "faiss binary flat, full ranking": (faiss_ranking, 2),
    "float products and argsort": (float_argsort, 4),
}
if not hasattr(np, "bitwise_count"):  # numpy 1
    del ROUTES["numpy bitwise_count and bincount"]


def check_routes(data: Data) -> None:
    """All routes agree on a few queries; the argsort, which breaks ties by chance, lies between the bounds."""
    few = data.first(3)
    expected = own_counts(few)
    for name, (route, _) in ROUTES.items():
        found = route(few)
        if isinstance(found, Counts):
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True)), name
    low, high = average_precision_bounds(*expected)
    assert ((low - 1e-9 <= float_argsort(few)) & (float_argsort(few) <= high + 1e-9)).all()
    ranked = np.sort(np.concatenate([np.full(count, d) for d, count in enumerate(expected.n[0])]))
    assert np.array_equal(faiss_ranking(few)[0], ranked)


# ---------------------------------------------------------------- what is measured


def measure_routes(data: Data, scale: float, rounds: int) -> dict[str, dict[str, float]]:
    """Gpair/s of each route on one thread, and how many times longer it takes a pair than this library's evaluation.

    In seconds of the processor, which one thread spends whatever else runs on the machine.
    """
    per_pair: dict[str, list[float]] = {name: [] for name in ROUTES}
    for _ in range(rounds):
        for name, (route, n_queries) in ROUTES.items():
            part = data.first(max(1, round(n_queries * min(1.0, scale * 10))))
            start = time.process_time()
            route(part)
            per_pair[name].append((time.process_time() - start) / (len(part.q) * len(part.db)))
    return {
        name: {
            "gpair_per_s": 1e-9 / statistics.median(times),
            "times_own": statistics.median(t / own for t, own in zip(times, per_pair[OWN], strict=True)),
        }
        for name, times in per_pair.items()
    }


def measure_search(data: Data) -> dict[str, dict[str, float]]:
    """`HashIndex` on one thread, by kind: seconds of the processor to fill it, milliseconds a query, MiB, found.

    `found` is the share of each query's ten places that hold a code no farther than the tenth of the exact search:
    which of the codes at one distance come first is open.
    """
    queries, nearest, measured = data.first(200).q, min(10, len(data.db)), {}
    for kind in get_args(Kind):
        index, start = HashIndex(LENGTH, kind), time.process_time()
        index.add(data.db)
        filled = time.process_time()
        _, distances = index.search(queries, nearest)
        searched = time.process_time()
        if kind == "flat":
            farthest = distances[:, -1:]
        with TemporaryDirectory() as folder:
            index.save(Path(folder) / "index")
            size = (Path(folder) / "index").stat().st_size
        measured[kind] = {
            "fill_s": filled - start,
            "query_ms": 1e3 * (searched - filled) / len(queries),
            "file_mib": size / 2**20,
            "found": float((distances <= farthest).mean()),
        }
    return measured


def measure_threads(data: Data, rounds: int) -> dict[str, float]:
    """Gpair/s of the counting pass on all threads of the machine."""
    threads = os.cpu_count() or 1
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        own_counts(data, threads)
        times.append(time.perf_counter() - start)
    return {"threads": threads, "gpair_per_s": 1e-9 * len(data.q) * len(data.db) / statistics.median(times)}


MEMORY_PROBE = """
import json, sys, threading, time
import numpy as np
import psutil
from igan_lib.retrieval.protocols import evaluate_retrieval
n_queries, size, length = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
def side(count):
    u = rng.random((count, length), dtype=np.float32)
    u -= 0.5
    return u, rng.integers(0, 10, count)
q, db = side(n_queries), side(size)
evaluate_retrieval(q[0][:9], q[1][:9], db[0][:99], np.resize(q[1][:9], 99))  # compiled code and libraries are no data
resident = lambda: psutil.Process().memory_info().rss / 2**20
# The peak that the system keeps would be that of importing and compiling.
done, seen = threading.Event(), [resident()]
def watch():
    while not done.wait(0.002):
        seen.append(resident())
watcher = threading.Thread(target=watch)
watcher.start()
start = time.perf_counter()
evaluate_retrieval(*q, *db)
seconds = time.perf_counter() - start
done.set()
watcher.join()
print(json.dumps({"additional_mib": max(seen) - seen[0], "seconds": seconds}))
"""


def measure_memory(n_queries: int, size: int) -> dict[str, float]:
    """Peak MiB above the codes u in float32, and seconds, of one evaluation from u."""
    sizes = [str(number) for number in (n_queries, size, LENGTH)]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_PROBE, *sizes], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {"queries": n_queries, "database": size, **json.loads(done.stdout)}


def as_markdown(found: dict) -> str:
    kinds = found["routes"]
    lines = [
        f"| {found['database']:,} codes of {LENGTH} bits, one thread | "
        + " | ".join(f"{kind}: Gpair/s | times the evaluation's time" for kind in kinds)
        + " |",
        "|---|" + "---:|---:|" * len(kinds),
    ]
    for name in ROUTES:
        cells = [f"{routes[name]['gpair_per_s']:.3g} | {routes[name]['times_own']:.3g}" for routes in kinds.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    all_threads, memory = found["all_threads"], found["memory"]
    lines += [
        "",
        "| `HashIndex`, the ten nearest | " + " | ".join(f"{kind}: ms a query, share found" for kind in kinds) + " |",
        "|---|" + "---:|" * len(kinds),
    ]
    for kind in get_args(Kind):
        cells = [f"{search[kind]['query_ms']:.3g}, {search[kind]['found']:.3f}" for search in found["search"].values()]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Counting on {all_threads['threads']} threads: {all_threads['gpair_per_s']:.3g} Gpair/s.",
        f"{memory['queries']:,} queries x {memory['database']:,} codes: {memory['additional_mib']:.0f} MiB on top of "
        f"the codes, {memory['seconds']:.1f} s.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each route (default 7)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the databases and query sets (default 1)")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "results" / "benchmarks_retrieval.json", help="where to write"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    size, n_queries = max(100, round(DATABASE * arguments.scale)), max(10, round(QUERIES * arguments.scale))

    found: dict[str, object] = {
        "versions": {name: version(name) for name in ("numba", "numpy", "torch", "faiss-cpu")},
        "machine": platform.machine(),
        "database": size,
        "code_length": LENGTH,
        "routes": {},
        "search": {},
    }
    for kind in ("random", "trained-like"):
        data = make_data(kind, n_queries, size)
        index_for(data)
        check_routes(data)
        found["routes"][kind] = measure_routes(data, arguments.scale, arguments.rounds)
        found["search"][kind] = measure_search(data)
    found["all_threads"] = measure_threads(data, arguments.rounds)
    found["memory"] = measure_memory(n_queries, size)
    print(as_markdown(found))
    write_text(arguments.output, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
