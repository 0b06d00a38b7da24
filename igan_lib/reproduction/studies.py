"""Which runs make up each table: rows are methods with settings, columns are pairs. Definitions only, no logic.

The workflow runs what stands here, `study_tables` reads it back, so that a table can't be made of other runs than
those that it names.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from igan_lib.data.domains import NAMED_DOMAINS
from igan_lib.experiment.presets import OFFICE
from igan_lib.experiment.run import ExperimentConfig, preset
from igan_lib.files import safe_name, short_name
from igan_lib.method.config import ALL_LOSSES
from igan_lib.reproduction import paper

Pair = tuple[str, str]

# S -> M is run only where all of SVHN is. For want of it a part of SVHN has a column of its own, whose name keeps it
# apart from the printed one.
SVHN7K = "npz:svhn7k.npz"
M_U, U_M, S_M, S_M_PART = ("mnist", "usps"), ("usps", "mnist"), ("svhn", "mnist"), (SVHN7K, "mnist")
DIGITS = (S_M, S_M_PART, M_U, U_M)


def column(pair: Pair) -> str:
    """The name of a pair's column, as in "mnist->usps".

    A user's own file goes by its short name, unless that is the name of a published set: a file mnist.npz is not MNIST,
    and the paper's numbers are not its own.
    """
    return "->".join(domain if short_name(domain) in NAMED_DOMAINS else short_name(domain) for domain in pair)


def own_folder(
    folder: Path,
    profile: str,
    backbone: str = OFFICE["backbone"],
    regime: str = "frozen",
    pairs: tuple[Pair, ...] | None = None,
) -> Path:
    """Where tables or figures go: one folder for each profile, choice of pairs and backbone: none replaces another.

    Those of profile `cpu` on the studies' own pairs and the usual backbone lie in `folder` itself.
    """
    if pairs is not None or profile != "cpu":
        folder /= profile
    if pairs is not None:
        folder /= "+".join("-".join(map(safe_name, pair)) for pair in pairs)
    usual = (backbone, regime) == (OFFICE["backbone"], "frozen")
    return folder if usual else folder / f"{backbone}-{regime}"


@dataclass(frozen=True)
class Row:
    """One row of a table: a method, what is set otherwise than its preset has it, and the paper's printed row."""

    label: str
    method: str = "igan"
    settings: dict[str, Any] = field(default_factory=dict)
    paper: dict[str, float] = field(default_factory=dict)  # column -> printed value
    metric: str | None = None  # where it is not the table's: the same runs, measured otherwise


@dataclass(frozen=True)
class Study:
    """A table: rows x pairs, of one metric of the results."""

    name: str
    title: str
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    metric: str = "target_accuracy"
    protocol: str = "test images"  # what is asked of which images
    printed: dict[str, dict[str, float]] = field(default_factory=dict)  # the paper's rows that are not run here
    differences: Literal["", "above", "first"] = ""  # what each row is compared with seed by seed, in a file of its own

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that hold the table."""
        suffixes = (".csv", ".md", ".tex", *(["-differences.csv"] if self.differences else []))
        return tuple(f"{self.name}{suffix}" for suffix in suffixes)

    def config(self, row: Row, pair: Pair, seed: int, profile: str) -> ExperimentConfig:
        """The configuration of one run of a cell."""
        return preset(*pair, seed=seed, profile=profile, method=row.method, **row.settings)

    def configs(self, profile: str, seeds: Iterable[int]) -> list[ExperimentConfig]:
        """All runs, seed by seed, so that a table is complete with few seeds before it has many."""
        return [self.config(row, pair, seed, profile) for seed in seeds for row in self.rows for pair in self.pairs]


def _ablation(name: str, title: str, **settings: Any) -> Study:
    labels = {losses: "+".join(f"L_{loss}" for loss in losses) for losses in paper.TABLE4}
    rows = []
    for losses, printed in paper.TABLE4.items():
        # The last row is the whole method: as a preset, without a mention of its losses.
        chosen = {} if losses == ALL_LOSSES else {"losses": losses}
        rows.append(Row(labels[losses], settings=settings | chosen, paper={} if settings else printed))
    return Study(name, title, tuple(rows), DIGITS, differences="above")


# Statistics of batch norm that are re-estimated on the target are an adaptation by themselves: both are shown.
SOURCE_ONLY = (
    Row("source-only, batch norm not re-estimated", method="source-only", metric="running_statistics_accuracy"),
    Row("source-only", method="source-only"),
)

TABLE1 = Study(
    "table1",
    "Recognition on digits: accuracy on the target's test images",
    (
        *SOURCE_ONLY,
        Row("igan", paper=paper.TABLE1["IGAN"]),
        Row("igan+", method="igan+"),
    ),
    DIGITS,
    printed={row: cells for row, cells in paper.TABLE1.items() if row != "IGAN"},
)

TABLE4 = _ablation("table4", "Ablation: losses added one by one")
TABLE4_PLAIN = _ablation("table4-no-batch-norm", "Ablation without batch norm in the encoder", batch_norm=False)

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
        Row("stages of 500 steps", settings={"stage_steps": 500}),
        Row("pseudo-labels without a threshold", settings={"threshold": 0.0}),
        Row("batch norm not re-estimated", metric="running_statistics_accuracy"),
    ),
    (M_U, U_M),
    differences="first",
)

A_W, A_D, W_A, D_A = ("amazon", "webcam"), ("amazon", "dslr"), ("webcam", "amazon"), ("dslr", "amazon")

HASHING = (
    Row("NoDA", method="noda"),
    Row("ITQ", method="itq"),
    Row("UH-BDNN", method="uh-bdnn"),
    Row("BA", method="ba"),
    Row("DAH", method="dah"),
    Row("igan"),
    Row("SuH", method="suh"),
)


def _retrieval(name: str, title: str, pairs: tuple[Pair, ...], protocol: str) -> Study:
    # SuH bounds what can be had inside the target; of the source, which protocol `cross` searches, it sees nothing.
    rows = tuple(row for row in HASHING if protocol == "target" or row.method != "suh")
    return Study(name, f"{title}: MAP at 64 bits, protocol {protocol}", rows, pairs, f"map_{protocol}", protocol)


def office_studies(backbone: str = "efficientnet_lite0", regime: str = "frozen") -> dict[str, Study]:
    """Tables 2 and 3 by name, on a backbone in a regime.

    The paper's columns are of fine-tuned AlexNet. Only there a row has a printed number to be judged by; elsewhere the
    notebooks show both, each under its backbone.
    """
    recognition = Study(
        "table2",
        f"Recognition on Office-31, {regime} {backbone}: accuracy on the target",
        (*SOURCE_ONLY, Row("igan", paper=paper.TABLE2["IGAN"])),
        (A_W, A_D, W_A, D_A),
        protocol="all target images",
    )
    title, pairs = f"Retrieval on Office-31, {regime} {backbone}", (W_A, A_W, A_D)
    retrieval = _retrieval("table3", title, pairs, "target")
    as_printed = {"UH-BDNN": "BDNN", "igan": "IGAN"}
    printed = [paper.TABLE3[as_printed.get(row.label, row.label)] for row in retrieval.rows]
    rows = tuple(replace(row, paper=cells) for row, cells in zip(retrieval.rows, printed, strict=True))
    whole = (recognition, replace(retrieval, rows=rows), _retrieval("table3-cross", title, pairs, "cross"))
    comparable = (backbone, regime) == ("alexnet", "finetuned")
    # What the presets have is not repeated, so that the tables can be made on other pairs (`workflow.Sweep.pairs`).
    asked, usual = {"backbone": backbone, "regime": regime}, {"backbone": OFFICE["backbone"], "regime": "frozen"}
    given = {name: value for name, value in asked.items() if value != usual[name]}
    return {
        study.name: replace(
            study,
            rows=tuple(replace(row, settings=given, paper=row.paper if comparable else {}) for row in study.rows),
        )
        for study in whole
    }


TABLE2, TABLE3, TABLE3_CROSS = office_studies().values()
RETRIEVAL = _retrieval("retrieval-digits", "Retrieval on digits", (M_U, U_M), "target")
RETRIEVAL_CROSS = _retrieval("retrieval-digits-cross", "Retrieval on digits", (M_U, U_M), "cross")

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

STUDIES = {
    study.name: study
    for study in (
        TABLE1,
        TABLE2,
        TABLE3,
        TABLE3_CROSS,
        RETRIEVAL,
        RETRIEVAL_CROSS,
        LENGTHS,
        TABLE4,
        TABLE4_PLAIN,
        ARGUMENTS,
    )
}
