"""The comparisons of rows that each sentence of the paper stands for; its words are in `paper.toml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from igan_lib.reproduction.paper import A_D, A_W, D_A, M_U, PRINTED, S_M, TABLES, U_M, W_A, sum_of

TABLE1, TABLE2, TABLE3, TABLE4 = TABLES.values()
AVERAGE, AS_PRINTED, TWO = "average", "against the printed number", "MNIST and USPS alone"


@dataclass(frozen=True)
class Comparison:
    """A weighted sum of a study's rows, seed by seed, in each of some columns.

    Attributes:
        what: as a reader sees it, before "on mnist → usps"; study: whose rows they are.
        weights: (row, metric) -> weight, such as 1 and -1 for a difference; the metric None is the study's.
        columns: such as "mnist->usps".
        printed: column -> the difference that the paper prints. A column without one: only a direction is claimed.
        less: column -> a printed number that is subtracted from ours.
        average: the mean over the columns, all of which it needs; `printed` and `less` then have the key `AVERAGE`.
        beside: where it is shown beside a claim, the name under which; it has no part in the verdict.
        ours: a direction between rows of ours, decided on their own backbone whatever the paper's is.
    """

    what: str
    study: str
    weights: Mapping[tuple[str, str | None], float]
    columns: tuple[str, ...]
    printed: Mapping[str, float] = field(default_factory=dict)
    less: Mapping[str, float] = field(default_factory=dict)
    average: bool = False
    beside: str = ""
    ours: bool = False


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper: as good as the worst of its comparisons."""

    id: str
    section: str
    sentence: str
    comparisons: tuple[Comparison, ...]
    reading: str = ""  # what the sentence is taken to say, where its words leave that open


def _over(study: str, row: str, base: str, columns: tuple[str, ...], **more: Any) -> Comparison:
    """What one row has over another."""
    return Comparison(f"{row} over {base}", study, {(row, None): 1.0, (base, None): -1.0}, columns, **more)


def _over_method(number: int, other: str, sizes: dict[str, float]) -> tuple[Comparison, ...]:
    """Ours over another method's row and, beside it, over its printed numbers.

    sizes: column -> the difference as the paper's sentence gives it; with `AVERAGE` that of all columns that are
    printed for the other method.
    """
    study, cells, found = f"table{number}", TABLES[f"Table {number}"][other], []
    less = cells | {AVERAGE: sum(cells.values()) / len(cells)}
    for name, size in sizes.items():
        average = name == AVERAGE
        columns, than = (tuple(cells), f"average of {less[name]:.2f}") if average else ((name,), f"{less[name]:.1f}")
        found.append(_over(study, "igan", other, columns, printed={name: size}, average=average))
        head = f"igan over {other}'s {than}", study, {("igan", None): 1.0}
        found.append(Comparison(*head, columns, {name: size}, less, average, AS_PRINTED))
    return tuple(sorted(found, key=lambda comparison: comparison.beside))  # our own rows first


def _difference(table: dict, row: Any, base: Any) -> dict[str, float]:
    """The differences of two printed rows, by column."""
    return {column: round(table[row][column] - table[base][column], 2) for column in table[row]}


DIGITS, TWO_DIGITS, OFFICE, PART = (S_M, M_U, U_M), (M_U, U_M), (W_A, A_W, A_D), ("svhn7k->mnist",)
FOUR = (A_W, A_D, W_A, D_A)
OTHERS = [name for name in TABLE1 if name not in ("IGAN", "CDAN-M")]  # of Table 1
TWO_PRINTED = {AVERAGE: round(sum(_difference(TABLE1, "IGAN", "Duplex")[name] for name in TWO_DIGITS) / 2, 2)}

# Table 4's rows by their last loss
_KEYS = dict(zip("CSHA1", TABLE4, strict=True))
C, S, H, A, ALL = (sum_of(losses) for losses in TABLE4)
_ABOVE = {"S": "C", "H": "S", "A": "H", "1": "A"}


def _adds(last: str) -> tuple[Comparison, ...]:
    """What a loss adds to the row above: with the paper's numbers and, beside it, under other conditions."""
    row, base = (sum_of(_KEYS[key]) for key in (last, _ABOVE[last]))
    printed = _difference(TABLE4, _KEYS[last], _KEYS[_ABOVE[last]])
    plain, part = "table4-no-batch-norm", "a part of SVHN"
    return (
        _over("table4", row, base, DIGITS, printed=printed),
        _over(plain, row, base, DIGITS, printed=printed, beside="without batch norm in the encoder"),
        _over("table4", row, base, PART, beside=part),
        _over(plain, row, base, PART, beside=f"{part}, without batch norm"),
    )


def _adds_more(first: str, second: str, weights: dict[str, float], beside: str = "") -> Comparison:
    """What one loss adds beyond what another adds."""
    terms = {(row, None): weight for row, weight in weights.items()}
    return Comparison(f"what {first} adds beyond what {second} adds", "table4", terms, DIGITS, beside=beside)


def _after(metric: str, words: str) -> Comparison:
    """What adaptation adds to a measure of the codes of Figure 2."""
    weights = {("igan", f"target_{metric}"): 1.0, ("igan", f"source_only_{metric}"): -1.0}
    return Comparison(f"{words}, after over before adaptation", "table2", weights, (A_W, W_A))


# id of the sentence -> its comparisons
COMPARISONS = {
    "1-svhn-mnist": (
        *_over_method(1, "Duplex", {S_M: 3.1}),
        _over("table1", "igan", "Duplex", PART, beside="a part of SVHN"),
    ),
    "1-mnist-usps": (
        *_over_method(1, "CDAN-M", {M_U: 0.3}),
        *(_over("table1", "igan", other, (M_U,)) for other in OTHERS),
    ),
    "1-usps-mnist": _over_method(1, "Duplex", {U_M: -1.0}),
    "1-average": (
        *_over_method(1, "Duplex", {AVERAGE: 0.93}),
        *(_over("table1", "igan", other, DIGITS, average=True) for other in ("CyCADA", "CDAN-M", "ADDA", "DRCN")),
        _over("table1", "igan", "Duplex", TWO_DIGITS, printed=TWO_PRINTED, average=True, beside=TWO),
        *(
            _over("table1", "igan", o, TWO_DIGITS, average=True, beside=TWO)
            for o in ("CDAN-M", *OTHERS)
            if o != "Duplex"
        ),
    ),
    "2-office": (
        *_over_method(2, "MSTN", {A_W: -1.0, A_D: 2.7, W_A: 2.2, D_A: 2.0, AVERAGE: 1.47}),
        _over("table2", "MSTN", "igan", (A_W,), ours=True),
        _over("table2", "igan", "MSTN", (A_D, W_A, D_A), ours=True),
        *(_over("table2", "igan", other, FOUR, average=True, ours=True) for other in TABLE2 if other != "IGAN"),
    ),
    "3-unsupervised": (
        _over("table3", "igan", "DAH", OFFICE, printed=_difference(TABLE3, "IGAN", "DAH")),
        *(_over("table3", "igan", base, OFFICE) for base in ("NoDA", "ITQ", "UH-BDNN", "BA")),
    ),
    "3-supervised": (_over("table3", "SuH", "igan", OFFICE, printed=_difference(TABLE3, "SuH", "IGAN")),),
    "4-centroids": _adds("S"),
    "4-hash-and-pixels": (*_adds("H"), *_adds("1")),
    "4-each": tuple(
        _over("table4", row, base, DIGITS)
        for row, base in ((S, C), (H, S), (A, H), (ALL, A), (ALL, C), (ALL, S), (ALL, H))
    ),
    "4-adversarial": (
        *_adds("A"),
        _adds_more("L_a", "L_h", {A: 1, H: -2, S: 1}),
        _adds_more("L_a", "L_1", {A: 2, H: -1, ALL: -1}),
        _adds_more("L_a", "L_s", {A: 1, H: -1, S: -1, C: 1}, beside="against L_s"),
    ),
    "a-generators": (_over("arguments", "igan", "one generator for both domains", TWO_DIGITS),),
    "a-discriminators": (_over("arguments", "igan", "real/fake discriminators", TWO_DIGITS),),
    "a-batches": (
        _over("arguments", "batches of 50, equal steps", "batches of 25, equal steps", TWO_DIGITS),
        _over("arguments", "igan", "batches of 50, equal steps", TWO_DIGITS),
        _over("arguments", "batches of 200, equal steps", "igan", TWO_DIGITS),
    ),
    "f-figure2": (
        _after("silhouette", "silhouette in hundredths"),
        _after("purity", "ten-neighbour purity"),
    ),
}
CLAIMS = tuple(Claim(**sentence, comparisons=COMPARISONS[sentence["id"]]) for sentence in PRINTED["claims"])
