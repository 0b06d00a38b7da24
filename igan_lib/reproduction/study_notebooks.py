"""Which notebook shows which studies. Definitions only, as in `studies`."""

import re
from dataclasses import dataclass
from pathlib import Path

from igan_lib.files import ROOT
from igan_lib.reproduction.studies import STUDIES


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

    def code(self) -> list[Path]:
        """The files that change what it shows: itself, and the library's that it imports."""
        text = self.file.read_text(encoding="utf-8")
        modules = re.findall(r"from igan_lib\.(\w+\.\w+) import", text)
        modules += [".".join(names) for names in re.findall(r"from igan_lib\.(\w+) import (\w+)", text)]
        modules += re.findall(r"from igan_lib\.(\w+) import", text)
        files = [ROOT / "igan_lib" / f"{name.replace('.', '/')}.py" for name in modules]
        return [self.file, *(file for file in files if file.exists())]


FOLDERS, OFFICE_CHOICE = ("results", "figures"), ("backbone", "regime")
NOTEBOOKS = (
    Notebook("04_table1_digits", ("table1",), ("profile", "seeds", *FOLDERS)),
    Notebook("05_table2_office31", ("table2",), ("profile", "seeds", *OFFICE_CHOICE, *FOLDERS)),
    Notebook(
        "06_table3_retrieval",
        ("table3", "table3-cross", "retrieval-digits", "retrieval-digits-cross", "code-length"),
        ("profile", *OFFICE_CHOICE, *FOLDERS),
    ),
    Notebook("07_table4_ablation", ("table4", "table4-no-batch-norm", "arguments"), ("profile", "seeds", *FOLDERS)),
    Notebook("08_figure2_tsne", ("table2",), ("profile", *OFFICE_CHOICE, *FOLDERS)),  # the networks are table2's
    Notebook("09_claims", tuple(STUDIES), ("profile", "seeds", "results")),
)
