"""Which notebook shows which studies. Definitions only, as in `studies`."""

from dataclasses import dataclass
from pathlib import Path

from igan_lib.checkout import ROOT
from igan_lib.reproduction.studies import STUDIES

FOLDERS, OFFICE_CHOICE = ("results", "figures"), ("backbone", "regime")


@dataclass(frozen=True)
class Notebook:
    """A notebook that shows studies: its name, theirs, and which of a sweep's fields are parameters of it."""

    name: str
    studies: tuple[str, ...]
    takes: tuple[str, ...]

    @property
    def file(self) -> Path:
        """The notebook itself, as it is committed."""
        return ROOT / "notebooks" / f"{self.name}.ipynb"


_OF_TABLE2 = ("table2", "igan-plus", "igan-plus-retrieval", "backbones", "backbones-retrieval")
_OF_TABLE3 = ("table3", "table3-cross", "retrieval-digits", "retrieval-digits-cross", "code-length")
_OF_TABLE4 = ("table4", "table4-no-batch-norm", "arguments")
NOTEBOOKS = (
    Notebook("04_table1_digits", ("table1",), ("profile", "seeds", *FOLDERS)),
    Notebook(
        "05_table2_office31",
        _OF_TABLE2,
        ("profile", "seeds", *OFFICE_CHOICE, *FOLDERS),
    ),
    Notebook("06_table3_retrieval", _OF_TABLE3, ("profile", *OFFICE_CHOICE, *FOLDERS)),
    Notebook("07_table4_ablation", _OF_TABLE4, ("profile", "seeds", *FOLDERS)),
    Notebook("08_figure2_tsne", ("table2",), ("profile", *OFFICE_CHOICE, *FOLDERS)),  # the networks are table2's
    Notebook("09_claims", tuple(STUDIES), ("profile", "seeds", "results")),
)
