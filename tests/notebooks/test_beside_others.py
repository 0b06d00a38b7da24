"""Our cells stand under the pair they were run on, beside what others print of that pair."""

import pandas as pd
import pytest

from igan_lib.reproduction.paper import A_D, A_W, D_A, LATER_CROSS, MDD, W_A
from tools.beside_others import beside_cross, beside_table2


def study_table(columns, values):
    """Cells of one method on features, in the order given, and its average; and a printed row, which is not ours."""
    lines = [("igan", column, "frozen lite", mean) for column, mean in zip(columns, values, strict=True)]
    lines += [("igan", "average", "frozen lite", 1.0), ("CDAN-M", columns[0], "none", 2.0)]
    return pd.DataFrame(lines, columns=["method", "column", "backbone", "mean"])


@pytest.mark.parametrize(
    ("beside", "columns", "printed"),
    [
        (beside_table2, (D_A, A_W, W_A, A_D), {("finetuned resnet50", "MDD"): MDD}),
        (beside_cross, (A_D, W_A, A_W), {(of["network"], name): of["map"] for name, of in LATER_CROSS.items()}),
    ],
)
def test_ours_and_printed_values_meet_in_one_column(beside, columns, printed):
    values = [50.0 + position for position in range(len(columns))]
    table = beside(study_table(columns, values))
    assert set(table.columns) == {*columns, "average"}
    own = table.loc["frozen lite, here", "igan"]
    assert {column: float(own[column]) for column in columns} == dict(zip(columns, values, strict=True))
    assert float(own["average"]) == pytest.approx(sum(values) / len(values), abs=0.05)  # of the cells, not the line
    for row, cells in printed.items():
        assert {column: float(table.loc[row][column]) for column in columns} == cells
    assert "CDAN-M" not in table.loc["frozen lite, here"].index


def test_a_pair_that_was_not_run_stays_empty():
    table = beside_cross(study_table((A_D, A_W), [50.0, 60.0]))
    own = table.loc["frozen lite, here", "igan"]
    assert own[W_A] == "" and own["average"] == "" and own[A_D] == "50.0"
