"""This project's numbers beside printed ones of other networks: notebooks 05 and 06."""

import pandas as pd

from igan_lib.reproduction.paper import LATER_CROSS, LIBRARY, TABLE2

LEVEL = 1.0  # points; of 2,007 images of USPS it is 20


def beside_table2(ours: pd.DataFrame) -> pd.DataFrame:
    """Our `tables.study_table` of Table 2 beside the paper's and a library's: network and method a line, as text."""
    beside = {("finetuned alexnet", method): cells for method, cells in TABLE2.items()}
    beside |= {("finetuned resnet50", method): cells for method, cells in LIBRARY["table2"].items()}
    return _beside(beside, ours, list(TABLE2["IGAN"]))


def beside_cross(ours: pd.DataFrame) -> pd.DataFrame:
    """Our `tables.study_table` of Table 3 in protocol `cross` beside what later papers print of it, as text."""
    beside = {(cells["network"], method): cells["map"] for method, cells in LATER_CROSS.items()}
    return _beside(beside, ours, list(next(iter(beside.values()))))


def beside_printed(ours: pd.DataFrame, looks: dict[str, str], library: dict[str, dict[str, float]]) -> pd.DataFrame:
    """The methods of a `tables.study_table` that `looks` has: our mean, the printed number, what its public code saw.

    looks: method -> text, of `paper.LOOKS`; library: method -> column -> a second number from elsewhere, "TLL".
    """
    lines = {}
    for method, cells in ours[ours["method"].isin(looks) & ours["column"].ne("average")].groupby("method", sort=False):
        elsewhere = library.get(method, {})
        line = {
            c.column.replace("->", " → "): _ours_and_printed(c, elsewhere.get(c.column)) for c in cells.itertuples()
        }
        lines[method] = line | {"its public code saw of the target": looks[method]}
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("method")


def _ours_and_printed(cell, elsewhere: float | None) -> str:
    printed = "" if pd.isna(cell.paper) else f"printed {cell.paper:.1f}"
    library = "" if elsewhere is None else f"TLL {elsewhere:.1f}"
    return ", ".join(filter(None, [f"{cell.mean:.1f}" if cell.n else "", printed, library]))


def over_others(differences: pd.DataFrame) -> pd.DataFrame:
    """What one row has over each other one (`OpenStudy.differences`): a line a row, points with their 95 % interval.

    An interval that holds zero says "level" where it lies within `LEVEL` points, else "open". Then in how many of the
    seeds that both have the row is ahead, and the printed difference.
    """
    lines: dict[str, dict[str, str]] = {}
    for line in differences[differences["n"] > 0].itertuples():
        ahead = sum(value > 0 for value in line.by_seed)
        spread = "" if pd.isna(line.low) else f" ({line.low:+.1f} to {line.high:+.1f})"
        words = [f"{line.mean:+.1f}{spread}"]
        if line.low <= 0 <= line.high:
            words.append("level" if max(-line.low, line.high) <= LEVEL else "open")
        words.append(f"{ahead} of {line.n}")
        if not pd.isna(line.paper):
            words.append(f"printed {line.paper:+.1f}")
        lines.setdefault(line.base, {})[line.column.replace("->", " → ")] = ", ".join(words)
    return pd.DataFrame.from_dict(lines, orient="index").fillna("").rename_axis("over")


def _beside(printed: dict[tuple[str, str], dict[str, float]], ours: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    own = ours[ours["column"].ne("average")]
    found = dict(printed)
    for (network, method), cells in own.groupby(["backbone", "method"], sort=False):
        found[f"{network}, here", method] = cells.set_index("column")["mean"]
    table = pd.DataFrame(found).reindex(columns)
    table.loc["average"] = table.mean(skipna=False)
    return table.T.map(lambda value: "" if pd.isna(value) else f"{value:.1f}")
