"""This project's numbers beside printed ones of other networks: notebooks 05 and 06."""

import pandas as pd

from igan_lib.reproduction.paper import LATER_CROSS, MDD, TABLE2


def beside_table2(ours: pd.DataFrame) -> pd.DataFrame:
    """Our `tables.study_table` of Table 2 beside the paper's and MDD's: network and method a line, as text."""
    beside = {("finetuned alexnet", method): cells for method, cells in TABLE2.items()}
    beside["finetuned resnet50", "MDD"] = MDD
    return _beside(beside, ours, list(MDD))


def beside_cross(ours: pd.DataFrame) -> pd.DataFrame:
    """Our `tables.study_table` of Table 3 in protocol `cross` beside what later papers print of it, as text."""
    beside = {(cells["network"], method): cells["map"] for method, cells in LATER_CROSS.items()}
    return _beside(beside, ours, list(next(iter(beside.values()))))


def _beside(printed: dict[tuple[str, str], dict[str, float]], ours: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    own = ours[ours["backbone"].ne("none") & ours["column"].ne("average")]
    found = dict(printed)
    for (network, method), cells in own.groupby(["backbone", "method"], sort=False):
        found[f"{network}, here", method] = cells.set_index("column")["mean"]
    table = pd.DataFrame(found).reindex(columns)
    table.loc["average"] = table.mean(skipna=False)
    return table.T.map(lambda value: "" if pd.isna(value) else f"{value:.1f}")
