"""What the paper prints, read from `paper.toml`. Columns are "source->target"; all values are in per cent."""

import tomllib
from pathlib import Path

S_M, M_U, U_M = "svhn->mnist", "mnist->usps", "usps->mnist"
A_W, A_D, W_A, D_A = "amazon->webcam", "amazon->dslr", "webcam->amazon", "dslr->amazon"

PRINTED = tomllib.loads(Path(__file__).with_name("paper.toml").read_text(encoding="utf-8"))
# "Table 1" -> row -> column -> value, and the averages as they are printed, which are no cells
TABLES = {f"Table {n}": PRINTED[f"Table {n}"] for n in (1, 2, 3, 4)}
AVERAGES = {name: {row: cells.pop("printed_average") for row, cells in table.items()} for name, table in TABLES.items()}
TABLE1, TABLE2, TABLE3, TABLE4 = TABLES.values()
LIBRARY = PRINTED["Library"]  # table -> method -> column -> what the Transfer Learning Library has
LOOKS = PRINTED["Looks"]  # table -> method -> what its public code saw of the target
LATER_CROSS = PRINTED["Later, cross"]  # method -> network, and MAP by column
SLIPS = tuple((slip["section"], slip["text"]) for slip in PRINTED["slips"])  # beside those that `averages` finds


def sum_of(losses: str) -> str:
    """A row of Table 4 as a label: "cs" -> "L_c+L_s"."""
    return "+".join(f"L_{loss}" for loss in losses)


def averages() -> list[tuple[str, str, float, float]]:
    """Table, row, printed average, and that of the row's cells, where rounding does not explain the difference."""
    slips = []
    for table, printed in AVERAGES.items():
        for row, average in printed.items():
            cells = TABLES[table][row].values()
            computed = sum(cells) / len(cells)
            if abs(average - computed) > 0.005 + 1e-9:  # half a hundredth, and what floating point adds to it
                slips.append((table, sum_of(row) if table == "Table 4" else row, average, computed))
    return slips
