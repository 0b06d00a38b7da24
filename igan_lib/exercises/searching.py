"""Exercises on retrieval: the Hamming distance, and average precision with ties."""

import numpy as np
import torch

from igan_lib.exercises.exercise import Case, Function, FunctionExercise, WrongAnswer
from igan_lib.retrieval import average_precision as measures
from igan_lib.retrieval import bits


def hamming_distances(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """How many bits differ: codes in bytes, Q x d/8 and N x d/8 uint8 -> Q x N integers."""
    as_codes = (2.0 * np.unpackbits(side, axis=1) - 1.0 for side in (queries, database))
    return bits.hamming(*as_codes)


def _rng(generator: torch.Generator) -> np.random.Generator:
    return np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))


def _packed_codes(generator: torch.Generator) -> list[Case]:
    rng = _rng(generator)

    def codes(size: int, length: int) -> np.ndarray:
        return rng.integers(0, 256, (size, length // 8), dtype=np.uint8)

    far = codes(3, 512)
    return [
        Case("4 queries and 6 items of 64 bits", (codes(4, 64), codes(6, 64))),
        Case("codes of 512 bits, some of them opposite", (far, np.concatenate([~far, codes(2, 512)]))),
    ]


def _pairs(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    return np.unpackbits(queries[:, None] ^ database[None], axis=2)


HAMMING = FunctionExercise(
    name="hamming",
    title="Count the bits that differ",
    minutes=8,
    difficulty=1,
    equation="d/2 - u·v/2",
    reference=hamming_distances,
    cases=_packed_codes,
    wrong=(
        WrongAnswer(
            "bytes",
            lambda queries, database: (queries[:, None] != database[None]).sum(2),
            "You count bytes that differ. Each byte holds eight bits of a code: how many of those differ?",
        ),
        WrongAnswer(
            "common",
            lambda queries, database: np.unpackbits(queries[:, None] & database[None], axis=2).sum(2),
            "You count bits that are 1 in both codes. Which operation gives 1 where two bits differ?",
        ),
        WrongAnswer(
            "overflow",
            lambda queries, database: _pairs(queries, database).sum(2, dtype=np.uint8),
            "Your counts are kept in eight bits, and 256 becomes 0. A code of 512 bits needs a wider integer.",
        ),
        WrongAnswer(
            "not_halved",
            lambda queries, database: 2 * _pairs(queries, database).sum(2, dtype=np.int64),
            "Your distances are twice as large: each bit that differs lowers u·v by 2, not by 1.",
        ),
    ),
    hints=(
        "Take two bytes, 0b0110 and 0b0011. Which operation marks the places where they differ?",
        "Xor of Q x 1 x d/8 and 1 x N x d/8, then the number of ones in the bits of each pair: Q x N. The same as "
        "(d - u·v) / 2 with u and v of -1 and 1.",
        "Start with all pairs at once: `differ = queries[:, None] ^ database[None]`",
    ),
    right="Xor and a count of ones: two instructions for 64 bits, where u·v takes 64 products.",
)


def tie_aware_ap(distances: np.ndarray, relevant: np.ndarray) -> float:
    """The mean AP over all orders of tied items: n integer distances, n booleans -> a fraction in [0, 1]."""
    size = int(distances.max()) + 1
    n = np.bincount(distances, minlength=size)
    p = np.bincount(distances[relevant], minlength=size)
    return float(measures.average_precision(n[None], p[None])[0])


def _rankings(generator: torch.Generator) -> list[Case]:
    rng = _rng(generator)
    relevant = rng.random(12) < 0.5
    relevant[0] = True
    return [
        Case("no ties", (np.array([3, 1, 4, 0, 2]), np.array([True, False, True, False, True]))),
        Case("three items at one distance", (np.array([2, 2, 2]), np.array([True, False, True]))),
        Case("12 items at four distances", (rng.integers(0, 4, 12), relevant)),
        Case("one relevant item", (np.array([1, 0, 1, 1]), np.array([False, False, True, False]))),
    ]


def ap_of_order(relevant: np.ndarray) -> float:
    """AP of relevant items in the order in which they are listed."""
    places = np.flatnonzero(relevant) + 1
    return float((np.arange(1, len(places) + 1) / places).mean())


def _sorted_ap(distances: np.ndarray, relevant: np.ndarray) -> float:
    return ap_of_order(relevant[np.argsort(distances, kind="stable")])


def _optimistic(distances: np.ndarray, relevant: np.ndarray) -> float:
    return ap_of_order(relevant[np.lexsort((~relevant, distances))])


def _at_the_end_of_a_tie(distances: np.ndarray, relevant: np.ndarray) -> float:
    total, seen, found = 0.0, 0, 0
    for distance in np.unique(distances):
        tied = relevant[distances == distance]
        seen, found = seen + len(tied), found + tied.sum()
        total += tied.sum() * found / seen
    return float(total / relevant.sum())


def _depends_on_order(answer: Function, case: Case) -> bool:
    """Whether the items in reverse give another AP, which no order-free measure does."""
    distances, relevant = case.arguments
    return bool(abs(answer(distances, relevant) - answer(distances[::-1].copy(), relevant[::-1].copy())) > 1e-9)


AVERAGE_PRECISION = FunctionExercise(
    name="average_precision",
    title="Measure a ranking that is full of ties",
    minutes=12,
    difficulty=3,
    equation="He et al. 2018",
    reference=tie_aware_ap,
    cases=_rankings,
    wrong=(
        WrongAnswer(
            "optimistic",
            _optimistic,
            "You put the relevant items first within each tie. That is the best order, not the expected one.",
        ),
        WrongAnswer(
            "end_of_tie",
            _at_the_end_of_a_tie,
            "You take the precision at the end of each tie. A relevant item may stand at any place of its tie: take "
            "the mean over these places.",
        ),
        WrongAnswer(
            "sorted",
            _sorted_ap,
            "The same items in another order get another AP: your sort breaks ties by the order of the database. All "
            "orders of tied items are equally good, so take their mean.",
            shows=_depends_on_order,
        ),
    ),
    hints=(
        "Take three items at one distance, two of them relevant. What are the three orders, and the AP of each?",
        "At place t of a tie with n items, p of them relevant, after N items with P relevant ones: an item is relevant "
        "with probability p / n, and then P + 1 + (t - 1)(p - 1) / (n - 1) of the first N + t are, on average. Sum "
        "over all places, divide by the number of relevant items.",
        "Start with nothing seen: `total, seen, found = 0.0, 0, 0`",
    ),
    right="The AP no longer depends on the order of the database, which is chance.",
)
