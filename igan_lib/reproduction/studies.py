"""Which runs make up each table: rows are methods with settings, columns are pairs. Definitions, and where files go."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd

from igan_lib.data.office31 import OFFICE_DOMAINS
from igan_lib.errors import ConfigError
from igan_lib.experiment.presets import IMAGES_ONLY, OFFICE, ExperimentConfig, preset
from igan_lib.files import short_name
from igan_lib.method.config import ALL_LOSSES
from igan_lib.reproduction import paper
from igan_lib.reproduction.estimate import Estimate
from igan_lib.reproduction.results import values

Pair = tuple[str, str]

# S -> M is run only where all of SVHN is. A part of SVHN has a column of its own and is in no average.
M_U, U_M, S_M, S_M_PART = ("mnist", "usps"), ("usps", "mnist"), ("svhn", "mnist"), ("svhn7k", "mnist")
DIGITS = (S_M, S_M_PART, M_U, U_M)
A_W, A_D, W_A, D_A = ("amazon", "webcam"), ("amazon", "dslr"), ("webcam", "amazon"), ("dslr", "amazon")
OFFICE_RECOGNITION, OFFICE_RETRIEVAL = (A_W, A_D, W_A, D_A), (W_A, A_W, A_D)


def column(pair: Pair) -> str:
    """The name of a pair's column, as in "mnist->usps"; a user's own file goes by its short name."""
    return "->".join(map(short_name, pair))


def printed_for(pair: Pair, cells: dict[str, float]) -> float | None:
    """The paper's number for a pair; none for a user's own files: one called mnist.npz is not MNIST."""
    return None if any(":" in domain for domain in pair) else cells.get(column(pair))


@dataclass(frozen=True)
class Row:
    """One row of a table: a method, what is set otherwise than its preset has it, and the paper's printed row."""

    label: str
    method: str = "igan"
    settings: dict[str, Any] = field(default_factory=dict)
    paper: dict[str, float] = field(default_factory=dict)  # column -> printed value
    metric: str | None = None  # where it is not the table's: the same runs, measured otherwise
    reason: str = ""  # why the printed values can't be compared with ours


@dataclass(frozen=True)
class Study:
    """A table: rows x pairs, of one metric of the results."""

    name: str
    title: str
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    metric: str = "target_accuracy"
    protocol: str = "test images"  # what is asked of which images
    differences: Literal["", "above", "first"] = ""  # what each row is compared with seed by seed
    on_features: bool = False  # its rows want features of Office-31

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that hold the table."""
        suffixes = (".csv", ".md", ".tex", *(["-differences.csv"] if self.differences else []))
        return tuple(f"{self.name}{suffix}" for suffix in suffixes)

    def row(self, label: str) -> Row:
        """The row called `label`. ConfigError: there is none."""
        for row in self.rows:
            if row.label == label:
                return row
        known = ", ".join(row.label for row in self.rows)
        raise ConfigError(f"Expected a row of {self.name} among {known}, found {label!r}: choose one of these.")

    def config(self, row: Row, pair: Pair, seed: int, profile: str) -> ExperimentConfig:
        """The configuration of one run of a cell."""
        return preset(*pair, seed=seed, profile=profile, method=row.method, **row.settings)

    def cells(self, profile: str, seed: int) -> list[tuple[Row, Pair, ExperimentConfig]]:
        """Each cell's row and pair, and its run with one seed."""
        return [(row, pair, self.config(row, pair, seed, profile)) for row in self.rows for pair in self.pairs]

    def configs(self, profile: str, seeds: Iterable[int]) -> list[ExperimentConfig]:
        """All runs, seed by seed, so that a table is complete with few seeds before it has many."""
        return [config for seed in seeds for _, _, config in self.cells(profile, seed)]

    def cell(self, runs: pd.DataFrame, row: Row, pair: Pair, profile: str, metric: str | None = None) -> Estimate:
        """The values of a cell by seed, from a `results.frame`, beside the paper's number."""
        found = values(runs, self.config(row, pair, 0, profile), metric or row.metric or self.metric)
        return Estimate(found, printed_for(pair, row.paper), reason=row.reason)


def _ablation(name: str, title: str, **settings: Any) -> Study:
    reason = "batch norm is off, which the paper does not say" if settings else ""
    rows = []
    for losses, printed in paper.TABLE4.items():
        # The last row is the whole method: as a preset, without a mention of its losses.
        chosen = settings | ({} if tuple(losses) == ALL_LOSSES else {"losses": tuple(losses)})
        rows.append(Row(paper.sum_of(losses), settings=chosen, paper={} if settings else printed, reason=reason))
    return Study(name, title, tuple(rows), DIGITS, differences="above")


# Statistics of batch norm that are re-estimated on the target are an adaptation by themselves: both are shown.
SOURCE_ONLY = (
    Row("source-only, batch norm not re-estimated", method="source-only", metric="running_statistics_accuracy"),
    Row("source-only", method="source-only"),
)

# The methods that Tables 1 and 2 print, DAN and DANN, and two of later years: label -> method.
RECOGNITION_ROWS = {
    **{"CyCADA": "cycada", "Duplex": "duplex", "MSTN": "mstn", "I2I": "i2i", "CDAN-M": "cdan", "ADDA": "adda"},
    **{"Co-GAN": "cogan", "DRCN": "drcn", "DAN": "dan", "DANN": "dann", "MCC": "mcc", "SHOT": "shot"},
}


# Why the printed number of such a row is not held against ours. Two rows of ours can be held against each other.
QUOTED = "printed of its authors' network, schedule and choice of step"


def recognition_rows(printed: dict[str, dict[str, float]], *, on_features: bool = False) -> tuple[Row, ...]:
    """The rows of `RECOGNITION_ROWS`, with what `paper.TABLE1` or `TABLE2` prints; on features, of those that can."""
    return tuple(
        Row(label, method, paper=printed.get(label, {}), reason=QUOTED)
        for label, method in RECOGNITION_ROWS.items()
        if not (on_features and method in IMAGES_ONLY)
    )


TABLE1 = Study(
    "table1",
    "Recognition on digits: accuracy on the target's test images",
    (*SOURCE_ONLY, *recognition_rows(paper.TABLE1), Row("igan", paper=paper.TABLE1["IGAN"]), Row("igan+", "igan+")),
    DIGITS,
)

ARGUMENTS = Study(
    "arguments",
    "What the paper argues for without an experiment",
    (
        Row("igan"),
        Row("one generator for both domains", settings={"generators": "one"}),
        Row("real/fake discriminators", settings={"discriminators": "real/fake"}),
        Row("batches of 25, equal steps", settings={"batch_size": 25}),
        Row("batches of 50, equal steps", settings={"batch_size": 50}),
        Row("batches of 200, equal steps", settings={"batch_size": 200}),
        Row("three stages of 500 steps", settings={"stages": 3}),
        Row("pseudo-labels without a threshold", settings={"threshold": 0.0}),
        Row("batch norm not re-estimated", metric="running_statistics_accuracy"),
    ),
    (M_U, U_M),
    differences="first",
)

HASHING = tuple(Row(name, name.lower()) for name in ("NoDA", "ITQ", "UH-BDNN", "BA", "DAH", "igan", "igan+", "SuH"))
AS_PRINTED = {"UH-BDNN": "BDNN", "igan": "IGAN"}  # where Table 3 has another name


def _retrieval(name: str, title: str, pairs: tuple[Pair, ...], protocol: str, *more: Row) -> Study:
    # SuH bounds what can be had inside the target; of the source, which protocol `cross` searches, it sees nothing.
    rows = tuple(row for row in (*HASHING[:5], *more, *HASHING[5:]) if protocol == "target" or row.method != "suh")
    return Study(name, f"{title}: MAP at 64 bits, protocol {protocol}", rows, pairs, f"map_{protocol}", protocol)


def _compared(row: Row, printed: dict[str, float], given: dict[str, str], reason: str) -> Row:
    own = "ours is trained on the images that are queried" if row.label == "SuH" else row.reason
    both = "; ".join(filter(None, (own, reason)))
    return replace(row, settings=row.settings | given, paper=printed, reason=both)


def office_studies(backbone: str = OFFICE["backbone"], regime: str = "frozen") -> dict[str, Study]:
    """Tables 2 and 3 by name, on a backbone in a regime; the paper's are of fine-tuned AlexNet."""
    title = f"Recognition on Office-31, {regime} {backbone}: accuracy on the target"
    # What igan+ has on features helps others too: dropout, in rows of their own.
    also = [Row(f"{label}, dropout", label.lower(), {"feature_dropout": 0.5}) for label in ("source-only", "DAH")]
    others = recognition_rows(paper.TABLE2, on_features=True)
    rows = (*SOURCE_ONLY, also[0], *others, Row("igan"), Row("igan+", "igan+"))
    table2 = Study("table2", title, rows, OFFICE_RECOGNITION, protocol="all target images")
    title = f"Retrieval on Office-31, {regime} {backbone}"
    retrieval = (_retrieval(f"table3{e}", title, OFFICE_RETRIEVAL, p, also[1]) for e, p in PROTOCOLS.items())
    studies = (table2, *retrieval)
    reason = "" if (backbone, regime) == ("alexnet", "finetuned") else f"{regime} {backbone}, not finetuned alexnet"
    # What the presets have is not repeated, so that the tables can be made on other pairs (`workflow.Sweep.pairs`).
    asked, usual = {"backbone": backbone, "regime": regime}, {"backbone": OFFICE["backbone"], "regime": "frozen"}
    given = {name: value for name, value in asked.items() if value != usual[name]}
    of = {"table2": paper.TABLE2, "table3": paper.TABLE3, "table3-cross": {}}

    def held_against_the_paper(study: Study) -> Study:
        printed = [of[study.name].get(AS_PRINTED.get(row.label, row.label), {}) for row in study.rows]
        rows = (_compared(row, cells, given, reason) for row, cells in zip(study.rows, printed, strict=True))
        return replace(study, rows=tuple(rows))

    return {study.name: held_against_the_paper(study) for study in studies}


def on_pairs(studies: Iterable[Study], pairs: tuple[Pair, ...]) -> list[Study]:
    """The studies on other pairs; their titles may name the data of their own. Off Office-31, without what wants it.

    ConfigError: that is all of them.
    """
    features = all(set(pair) & set(OFFICE_DOMAINS) for pair in pairs)
    chosen = [study for study in studies if features or not study.on_features]
    if not chosen:
        raise ConfigError("Expected pairs of Office-31 for a table of its features, found others: leave pairs out.")

    def fits(row: Row) -> bool:
        return row.method not in IMAGES_ONLY if features else "feature_dropout" not in row.settings

    return [
        replace(one, pairs=pairs, title=f"{one.title} (here on other pairs)", rows=tuple(filter(fits, one.rows)))
        for one in chosen
    ]


def _parts(name: str, title: str, metric: str, protocol: str, pairs: tuple[Pair, ...]) -> Study:
    """What igan+ is made of on features, on the usual backbone."""
    rows = (
        Row("igan"),
        Row("igan, no generators", settings={"losses": ("c", "s", "h")}),
        Row("and dropout", "igan+", {"neighbour_weight": 0.0}),
        Row("and neighbours", "igan+", {"feature_dropout": 0.0}),
        Row("and both: igan+", "igan+"),
    )
    return Study(name, title, rows, pairs, metric, protocol, differences="first", on_features=True)


def _backbones(name: str, title: str, metric: str, protocol: str, methods: tuple[str, ...], pairs: tuple[Pair, ...]):
    """What each backbone whose weights need no download gives to which method."""
    rows = tuple(
        # The usual one is the preset's.
        Row(f"{label}, {short}", label.lower(), {} if backbone == OFFICE["backbone"] else {"backbone": backbone})
        for label in methods
        for short, backbone in LITE.items()
        if backbone != JOINED or label in ("source-only", "ITQ", "igan+")
    )
    return Study(name, title, rows, pairs, metric, protocol, on_features=True)


PROTOCOLS = {"": "target", "-cross": "cross"}  # the end of a study's name -> its protocol

LENGTHS = Study(
    "code-length",
    "Retrieval by code length: MAP, protocol target",
    tuple(
        # 64 bits are the preset's, so these are the runs of the other tables.
        Row(f"{label}, {bits} bits", method, {} if bits == 64 else {"code_length": bits})
        for label, method in (("igan", "igan"), ("NoDA", "noda"))
        for bits in (16, 32, 64, 128)
    ),
    (M_U,),
    "map_target",
    "target",
)

JOINED, HASHED = "efficientnet_lite012", ("ITQ", "DAH", "igan", "igan+")
LITE = {"Lite0": "efficientnet_lite0", "Lite2": "efficientnet_lite2", "Lite0, 1 and 2": JOINED}

RECOGNISED, RETRIEVED = ("target_accuracy", "all target images"), ("map_target", "target")
ON_FEATURES = (
    _parts("igan-plus", "igan+ on features: accuracy", *RECOGNISED, OFFICE_RECOGNITION),
    _parts("igan-plus-retrieval", "igan+ on features: MAP, protocol target", *RETRIEVED, OFFICE_RETRIEVAL),
    _backbones("backbones", "By backbone: accuracy", *RECOGNISED, ("source-only", "igan", "igan+"), OFFICE_RECOGNITION),
    _backbones("backbones-retrieval", "By backbone: MAP, protocol target", *RETRIEVED, HASHED, OFFICE_RETRIEVAL),
)

ON_DIGITS = [_retrieval(f"retrieval-digits{e}", "Retrieval on digits", (M_U, U_M), p) for e, p in PROTOCOLS.items()]
ABLATIONS = (
    _ablation("table4", "Ablation: losses added one by one"),
    _ablation("table4-no-batch-norm", "Ablation without batch norm in the encoder", batch_norm=False),
)
_ALL = (TABLE1, *office_studies().values(), *ON_FEATURES, *ON_DIGITS, LENGTHS, *ABLATIONS, ARGUMENTS)
STUDIES = {study.name: study for study in _ALL}
