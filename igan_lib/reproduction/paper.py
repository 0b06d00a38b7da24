"""The numbers that the paper prints, as data. Columns are "source->target"; all values are in per cent.

Source: He et al., IJCAI 2019, Tables 1-4. A cell that the paper leaves empty is absent here. The printed averages stand
apart from the cells: some do not follow from their rows.
"""

import pandas as pd

S_M, M_U, U_M = "svhn->mnist", "mnist->usps", "usps->mnist"
A_W, A_D, W_A, D_A = "amazon->webcam", "amazon->dslr", "webcam->amazon", "dslr->amazon"

# Table 1: recognition accuracy on the target, digits
TABLE1 = {
    "CyCADA": {S_M: 90.4, M_U: 95.6, U_M: 96.5},
    "Duplex": {S_M: 92.5, M_U: 96.0, U_M: 98.8},
    "MSTN": {S_M: 91.7, M_U: 92.9},
    "CDAN-M": {S_M: 89.2, M_U: 96.5, U_M: 97.1},
    "ADDA": {S_M: 76.0, M_U: 89.4, U_M: 90.1},
    "Co-GAN": {M_U: 91.2, U_M: 89.1},
    "DRCN": {S_M: 82.0, M_U: 91.8, U_M: 73.7},
    "IGAN": {S_M: 95.6, M_U: 96.8, U_M: 97.8},
}

# Table 2: recognition accuracy on the target, Office-31, AlexNet
TABLE2 = {
    "Duplex": {A_W: 73.2, A_D: 74.1, W_A: 59.1, D_A: 61.5},
    "MSTN": {A_W: 80.5, A_D: 74.5, W_A: 60.0, D_A: 62.5},
    "I2I": {A_W: 75.3, A_D: 71.1, W_A: 52.1, D_A: 50.1},
    "CDAN-M": {A_W: 78.3, A_D: 76.3, W_A: 57.3, D_A: 57.3},
    "ADDA": {A_W: 73.5, A_D: 71.6, W_A: 53.5, D_A: 54.6},
    "IGAN": {A_W: 79.5, A_D: 77.2, W_A: 62.2, D_A: 64.5},
}

# Not of the paper: what a later method, MDD (Zhang et al. 2019), reaches on Table 2's pairs with ResNet-50, fine-tuned,
# as the Transfer Learning Library lists its own runs; from memory, not checked against it.
MDD = {A_W: 95.6, A_D: 94.4, W_A: 72.2, D_A: 76.6}

# Table 3: mean average precision, 64 bits, Office-31
TABLE3 = {
    "NoDA": {W_A: 32.4, A_W: 51.1, A_D: 51.2},
    "ITQ": {W_A: 46.5, A_W: 65.2, A_D: 64.3},
    "BDNN": {W_A: 49.1, A_W: 65.6, A_D: 66.8},
    "BA": {W_A: 36.7, A_W: 48.0, A_D: 49.7},
    "DAH": {W_A: 58.2, A_W: 71.7, A_D: 72.1},
    "IGAN": {W_A: 61.2, A_W: 73.8, A_D: 74.6},
    "SuH": {W_A: 88.1, A_W: 91.6, A_D: 92.7},
}

# Table 4: ablation, recognition accuracy on the target, digits; keys are ExperimentConfig.losses
TABLE4 = {
    ("c",): {S_M: 60.2, M_U: 85.5, U_M: 61.8},
    ("c", "s"): {S_M: 81.2, M_U: 89.5, U_M: 88.8},
    ("c", "s", "h"): {S_M: 82.4, M_U: 90.3, U_M: 89.5},
    ("c", "s", "h", "a"): {S_M: 94.4, M_U: 96.1, U_M: 97.2},
    ("c", "s", "h", "a", "1"): {S_M: 95.6, M_U: 96.8, U_M: 97.8},
}

# The tables by their numbers, and the column "Avg" as it is printed: over the cells that a row has.
TABLES = {"Table 1": TABLE1, "Table 2": TABLE2, "Table 3": TABLE3, "Table 4": TABLE4}
AVERAGES = {
    "Table 1": {
        "CyCADA": 94.17,
        "Duplex": 95.80,
        "MSTN": 92.30,
        "CDAN-M": 94.30,
        "ADDA": 85.17,
        "Co-GAN": 90.15,
        "DRCN": 82.50,
        "IGAN": 96.73,
    },
    "Table 2": {"Duplex": 66.96, "MSTN": 69.38, "I2I": 62.15, "CDAN-M": 67.30, "ADDA": 63.30, "IGAN": 70.85},
    "Table 3": {
        "NoDA": 44.90,
        "ITQ": 58.67,
        "BDNN": 60.50,
        "BA": 44.80,
        "DAH": 67.33,
        "IGAN": 69.87,
        "SuH": 90.80,
    },
    "Table 4": {
        ("c",): 69.17,
        ("c", "s"): 86.50,
        ("c", "s", "h"): 87.40,
        ("c", "s", "h", "a"): 95.87,
        ("c", "s", "h", "a", "1"): 96.73,
    },
}


def sum_of(losses: tuple[str, ...]) -> str:
    """A row of Table 4 as a label: ("c", "s") -> "L_c+L_s"."""
    return "+".join(f"L_{loss}" for loss in losses)


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


def averages() -> list[tuple[str, str, float, float]]:
    """Table, row, printed average, and that of the row's cells, where rounding does not explain the difference."""
    slips = []
    for table, printed in AVERAGES.items():
        for row, average in printed.items():
            cells = TABLES[table][row].values()
            computed = sum(cells) / len(cells)
            if abs(average - computed) > 0.005 + 1e-9:  # half a hundredth, and what floating point adds to it
                slips.append((table, row if isinstance(row, str) else sum_of(row), average, computed))
    return slips
