"""Our cells stand under the pair they were run on, beside what others print of that pair."""

import math

import pandas as pd
import pytest

from igan_lib.reproduction.paper import A_D, A_W, D_A, LATER_CROSS, LIBRARY, LOOKS, M_U, TABLE1, TABLE2, U_M, W_A
from igan_lib.reproduction.studies import RECOGNITION_ROWS, STUDIES
from tools.beside_others import beside_cross, beside_printed, beside_table2, over_others


def study_table(columns, values):
    """Cells of one method on features, in the order given, and its average."""
    lines = [("igan", column, "frozen lite", mean) for column, mean in zip(columns, values, strict=True)]
    lines += [("igan", "average", "frozen lite", 1.0)]
    return pd.DataFrame(lines, columns=["method", "column", "backbone", "mean"])


@pytest.mark.parametrize(
    ("beside", "columns", "printed"),
    [
        (
            beside_table2,
            (D_A, A_W, W_A, A_D),
            {("finetuned resnet50", name): of for name, of in LIBRARY["table2"].items()},
        ),
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


def test_a_pair_that_was_not_run_stays_empty():
    table = beside_cross(study_table((A_D, A_W), [50.0, 60.0]))
    own = table.loc["frozen lite, here", "igan"]
    assert own[W_A] == "" and own["average"] == "" and own[A_D] == "50.0"


def test_what_a_method_s_public_code_saw_is_said_of_each_that_has_a_row():
    for table, printed in (("table1", TABLE1), ("table2", TABLE2)):
        rows = [row.label for row in STUDIES[table].rows if row.label in RECOGNITION_ROWS]
        assert list(LOOKS[table]) == rows and set(rows) >= set(printed) - {"IGAN"}


def test_a_printed_number_and_the_looks_stand_beside_ours():
    columns = ["method", "column", "n", "mean", "paper"]
    lines = [
        *(("Duplex", M_U, 3, 94.26, 96.0), ("Duplex", U_M, 0, math.nan, 98.8), ("Duplex", "average", 0, 1.0, 1.0)),
        *(("DANN", M_U, 3, 93.1, math.nan), ("DANN", U_M, 0, math.nan, math.nan), ("igan", M_U, 3, 95.0, 96.8)),
    ]
    looks, library = {"Duplex": "all", "DANN": "none", "MSTN": "x"}, {"DANN": {M_U: 91.7, U_M: 95.2}}
    table = beside_printed(pd.DataFrame(lines, columns=columns), looks, library)
    assert table.loc["Duplex"].tolist() == ["94.3, printed 96.0", "printed 98.8", "all"]
    assert table.loc["DANN"].tolist() == ["93.1, TLL 91.7", "TLL 95.2", "none"]
    assert list(table.index) == ["Duplex", "DANN"]


def test_numbers_of_the_library_are_of_methods_and_columns_of_the_tables():
    for table, found in LIBRARY.items():
        assert {row.label for row in STUDIES[table].rows} >= set(found) - {"MDD"}
        columns = set((TABLE1 if table == "table1" else TABLE2)["IGAN"])
        assert all(set(cells) == columns and all(50 < v < 100 for v in cells.values()) for cells in found.values())


def test_over_the_others_says_how_much_in_how_many_seeds_and_what_is_level():
    columns = ["base", "column", "n", "mean", "low", "high", "paper", "by_seed"]
    lines = [
        ("Duplex", M_U, 3, 0.5, -0.4, 1.4, 3.9, (0.9, 0.8, -0.2)),
        ("Duplex", U_M, 3, -1.0, -1.5, -0.5, -0.2, (-1.1, -0.8, -1.1)),
        ("Duplex", "average", 3, 0.1, -0.8, 1.0, math.nan, (0.9, -0.1, -0.2)),
        ("MSTN", M_U, 2, 0.3, math.nan, math.nan, math.nan, (0.1, 0.5)),
        ("MSTN", U_M, 0, math.nan, math.nan, math.nan, 1.0, ()),
        ("I2I", U_M, 3, -0.5, -1.1, 0.1, math.nan, (-0.1, -0.2, -0.3)),
    ]
    table = over_others(pd.DataFrame(lines, columns=columns))
    assert table.loc["Duplex"].tolist() == [
        "+0.5 (-0.4 to +1.4), open, 2 of 3, printed +3.9",
        "-1.0 (-1.5 to -0.5), 0 of 3, printed -0.2",
        "+0.1 (-0.8 to +1.0), level, 1 of 3",
    ]
    assert table.loc["MSTN"].tolist() == ["+0.3, 2 of 2", "", ""]
    assert table.loc["I2I"].tolist() == ["", "-0.5 (-1.1 to +0.1), open, 0 of 3", ""]
