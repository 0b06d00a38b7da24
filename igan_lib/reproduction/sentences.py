"""The paper's claims as comparisons of rows, and where it contradicts itself. Data; `claims` computes them.

Source: He et al., IJCAI 2019. Sentences are quoted as they stand there; " … " marks what was left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from igan_lib.reproduction.paper import A_D, A_W, D_A, M_U, S_M, TABLE3, TABLE4, TABLES, U_M, W_A, sum_of

AVERAGE = "average"


@dataclass(frozen=True)
class Comparison:
    """A weighted sum of a study's rows, seed by seed, in each of some columns.

    Attributes:
        what: as a reader sees it, before "on mnist → usps".
        study: whose rows they are.
        weights: (row, metric) -> weight, such as 1 and -1 for a difference; the metric None is the study's.
        columns: such as "mnist->usps".
        printed: column -> the difference that the paper prints. A column without one: only a direction is claimed.
        less: column -> a printed number that is subtracted from ours.
        average: the mean over the columns, all of which it needs; `printed` and `less` then have the key `AVERAGE`.
        beside: where it is shown beside a claim, the name under which; it has no part in the verdict.
    """

    what: str
    study: str
    weights: Mapping[tuple[str, str | None], float]
    columns: tuple[str, ...]
    printed: Mapping[str, float] = field(default_factory=dict)
    less: Mapping[str, float] = field(default_factory=dict)
    average: bool = False
    beside: str = ""


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


def _over_printed(number: int, other: str, sizes: dict[str, float]) -> tuple[Comparison, ...]:
    """Ours over another method's printed numbers; sizes: column -> the difference as the paper's sentence gives it."""
    cells, weights = TABLES[f"Table {number}"][other], {("igan", None): 1.0}
    return tuple(
        Comparison(f"igan over {other}'s {cells[name]:.1f}", f"table{number}", weights, (name,), {name: size}, cells)
        for name, size in sizes.items()
    )


def _average_over_printed(number: int, other: str, size: float) -> Comparison:
    """Ours over another method's average, computed from its printed cells."""
    cells, weights = TABLES[f"Table {number}"][other], {("igan", None): 1.0}
    mean = sum(cells.values()) / len(cells)
    what, study = f"igan over {other}'s average of {mean:.2f}", f"table{number}"
    return Comparison(what, study, weights, tuple(cells), {AVERAGE: size}, {AVERAGE: mean}, average=True)


def _difference(table: dict, row: Any, base: Any) -> dict[str, float]:
    """The differences of two printed rows, by column."""
    return {column: round(table[row][column] - table[base][column], 2) for column in table[row]}


DIGITS, TWO_DIGITS, OFFICE, PART = (S_M, M_U, U_M), (M_U, U_M), (W_A, A_W, A_D), ("svhn7k->mnist",)

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


CLAIMS = (
    Claim(
        "1-svhn-mnist",
        "3.3",
        "For the domain shift of S → M, our result outperforms the current best method, Duplex, by 3.1%.",
        _over_printed(1, "Duplex", {S_M: 3.1}),
    ),
    Claim(
        "1-mnist-usps",
        "3.3",
        "our result on M → U is also the best, 0.3% higher than CDAN-M.",
        _over_printed(1, "CDAN-M", {M_U: 0.3}),
    ),
    Claim(
        "1-usps-mnist",
        "3.3",
        "As for U → M, our result is 1.0% … lower than Duplex.",
        _over_printed(1, "Duplex", {U_M: -1.0}),
    ),
    Claim(
        "1-average",
        "3.3",
        "the average performance of our model is the highest and surpasses the current best model Duplex by 0.93%.",
        (_average_over_printed(1, "Duplex", 0.93),),
    ),
    Claim(
        "2-office",
        "3.3",
        "For A → W, our method is lower by 1% than MSTN, but on the other three domain shifts our method outperforms "
        "the best method MSTN by 2.7%, 2.2% and 2.0%. Plus, the average performance is also the highest.",
        (
            *_over_printed(2, "MSTN", {A_W: -1.0, A_D: 2.7, W_A: 2.2, D_A: 2.0}),
            _average_over_printed(2, "MSTN", 1.47),
        ),
        "The highest average: above MSTN's, the best of the others.",
    ),
    Claim(
        "3-unsupervised",
        "3.3",
        "for every retrieval pair, our method is superior to the other unsupervised hashing methods, with an "
        "improvement of about 3.0%, 2.1%, and 2.5% respectively.",
        (
            _over("table3", "igan", "DAH", OFFICE, printed=_difference(TABLE3, "IGAN", "DAH")),
            *(_over("table3", "igan", base, OFFICE) for base in ("NoDA", "ITQ", "UH-BDNN", "BA")),
        ),
        "The improvement: over DAH, the best of the others.",
    ),
    Claim(
        "3-supervised",
        "3.3",
        "in comparison to SuH, there is still a huge gap between the supervised hash method and the supervised method.",
        (_over("table3", "SuH", "igan", OFFICE, printed=_difference(TABLE3, "SuH", "IGAN")),),
        "SuH is above by as much as in Table 3.",
    ),
    Claim(
        "4-centroids",
        "3.4",
        "the centroid alignment loss has a positive effect on the results with about 17.33 improvement.",
        _adds("S"),
        "The differences of Table 4's cells, pair by pair; their average is 17.33.",
    ),
    Claim(
        "4-hash-and-pixels",
        "3.4",
        "adding the hashing loss L_h results in a further improvement of 0.9 over the centroid alignment loss. … "
        "L_1 loss further improves the performance by 0.86.",
        (*_adds("H"), *_adds("1")),
        "The differences of Table 4's cells, pair by pair.",
    ),
    Claim(
        "4-each",
        "3.4",
        "Each of the loss function contributes positively to recognition performance, and their combination achieves "
        "the best results.",
        tuple(
            _over("table4", row, base, DIGITS)
            for row, base in ((S, C), (H, S), (A, H), (ALL, A), (ALL, C), (ALL, S), (ALL, H))
        ),
        "Each loss adds something to the row above it, and the last row is above each other row.",
    ),
    Claim(
        "4-adversarial",
        "3.4",
        "(2) The adversarial component L_a is the key part of our framework. Specifically, when L_a is added, about "
        "8.47 improvement is obtained compared without it.",
        (
            *_adds("A"),
            _adds_more("L_a", "L_h", {A: 1, H: -2, S: 1}),
            _adds_more("L_a", "L_1", {A: 2, H: -1, ALL: -1}),
            _adds_more("L_a", "L_s", {A: 1, H: -1, S: -1, C: 1}, beside="against L_s"),
        ),
        "L_a adds as much as in Table 4, and more than L_h and L_1 do. In Table 4 itself L_s adds twice as much.",
    ),
    Claim(
        "a-generators",
        "2.4",
        "Duplex uses only one generator to reconstruct cross-domain images, which requires it to add extra condition "
        "information to the common space, making it hard to align the two domains.",
        (_over("arguments", "igan", "one generator for both domains", TWO_DIGITS),),
        "Accuracy is higher with two generators than with one that is given the domain.",
    ),
    Claim(
        "a-discriminators",
        "2.4",
        "our discriminators can predict class labels of images, hence are able to preserve semantic information in the "
        "common feature space, which makes the learned space more discriminative.",
        (_over("arguments", "igan", "real/fake discriminators", TWO_DIGITS),),
        "Accuracy is higher with (N+1)-way discriminators than with real/fake ones.",
    ),
    Claim(
        "a-batches",
        "2.3",
        "the larger the mini-batch size is, the more accurate cluster centroids can be obtained.",
        (
            _over("arguments", "batches of 50, equal steps", "batches of 25, equal steps", TWO_DIGITS),
            _over("arguments", "igan", "batches of 50, equal steps", TWO_DIGITS),
            _over("arguments", "batches of 200, equal steps", "igan", TWO_DIGITS),
        ),
        "Accuracy is higher with each doubling of the batch from 25 to 200, at the same number of steps; igan has 100.",
    ),
    Claim(
        "f-figure2",
        "3.5",
        "Before training by our method, it is easy to see that the points are scattered everywhere … In contrast, "
        "after we add several loss functions 11, the learned features become discriminative.",
        tuple(
            Comparison(
                f"{words}, after over before adaptation",
                "table2",
                {("igan", f"target_{name}"): 1.0, ("igan", f"source_only_{name}"): -1.0},
                (A_W, W_A),
            )
            for name, words in (("silhouette", "silhouette in hundredths"), ("purity", "ten-neighbour purity"))
        ),
        "Silhouette and ten-neighbour purity of the codes are higher after adaptation, in both directions.",
    ),
)

# Beside the averages that `paper.averages` finds: section -> where the paper contradicts itself or leaves a thing open.
SLIPS = (
    (
        "Abstract",
        "On four data sets the method is said to be superior to the others; in Table 1 Duplex is above it on U → M, in "
        "Table 2 MSTN on A → W.",
    ),
    ("2.1", "Eq. 3 prints x, while its text speaks of centroids in the common space: of the codes u."),
    (
        "2",
        "A discriminator is to judge whether an image is of the source or of the target; by Eq. 10 in 2.2 it judges "
        "the class, and whether the image was drawn.",
    ),
    (
        "2.3",
        "Eq. 11 minimises over the discriminators too, and Eq. 14 lets them descend; by Eq. 9 and 10 in 2.2 they "
        "maximise L_a.",
    ),
    ("2.3", "Eq. 11 weighs L_h by α and L_s by β; the update of Eq. 12 has α at L_s and β at L_h."),
    (
        "2.2",
        "Eq. 9 and 10 leave the sign of the generators' part open; the text asks that a fake keeps its input's class.",
    ),
    ("2.3, 3.2", "The batch is 10 times the number of labels, 100 for digits, but 200 for S → M."),
    (
        "3.3",
        "The average surpasses Duplex by 0.93: this follows from Duplex's misprinted 95.80; the cells give 0.97.",
    ),
    (
        "3.3",
        "MSTN is called the best method on three pairs of Table 2; on A → D that is CDAN-M, with 76.3 against 74.5.",
    ),
    ("3.3", "DRCN and DAN are named as compared with on Office-31; Table 2 has neither."),
    (
        "3.3",
        "The improvements 3.0, 2.1 and 2.5 follow the columns of Table 3 (W → A, A → W, A → D); the pairs that the "
        "text lists before begin with A → W.",
    ),
    ("Table 3", "The caption names Office-Home; the columns are pairs of Office-31 alone."),
    (
        "Table 3",
        "The columns W → A and A → W seem to repeat what DAH's paper prints for Amazon and Webcam (from memory, not "
        "checked against it), so one domain, queried and ranked inside itself.",
    ),
    (
        "3.4",
        "L_a adds 8.47 and L_1 0.86: these follow from the misprinted 95.87 in Table 4; the cells give 8.50 and 0.83.",
    ),
    ("3.4", "L_a is called the key part; by Table 4 L_s adds 17.33, twice as much."),
)
