"""Table 2 of this project beside the paper's and MDD's: notebook 05."""

import pandas as pd

from igan_lib.reproduction.paper import MDD, TABLE2


def beside_table2(ours: pd.DataFrame) -> pd.DataFrame:
    """Our `tables.study_table` of Table 2 beside the paper's and MDD's: network and method a line, as text."""
    beside = {("finetuned alexnet", method): cells for method, cells in TABLE2.items()}
    beside["finetuned resnet50", "MDD"] = MDD
    own = ours[ours["backbone"].ne("none") & ours["column"].ne("average")]
    for (network, method), cells in own.groupby(["backbone", "method"], sort=False):
        beside[f"{network}, here", method] = cells.set_index("column")["mean"]
    table = pd.DataFrame(beside).reindex(list(MDD))
    table.loc["average"] = table.mean(skipna=False)
    return table.T.map(lambda value: "" if pd.isna(value) else f"{value:.1f}")
