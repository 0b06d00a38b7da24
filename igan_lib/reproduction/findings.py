"""What differences on the same seeds show, in words: the same rule for every row, with nothing picked by hand."""

from collections.abc import Mapping

import pandas as pd

from igan_lib.reproduction.tables import SEEDS_FOR_A_VERDICT, SEEDS_FOR_AN_INTERVAL


def finding(mean: float, low: float, high: float, n: int) -> str:
    """A difference in points with what its 95 % interval says of it.

    "higher" or "lower": the interval lies above or below zero; "not shown": it holds zero, so these seeds show no
    effect in either direction. Fewer than five seeds have no such word, fewer than three no interval; "not run": none.
    """
    if n == 0:
        return "not run"
    if n < SEEDS_FOR_AN_INTERVAL:
        return f"{'one seed' if n == 1 else 'two seeds'}, {mean:+.1f}"
    word = "too few seeds" if n < SEEDS_FOR_A_VERDICT else "higher" if low > 0 else "lower" if high < 0 else "not shown"
    return f"{word}, {mean:+.1f} ({low:+.1f} to {high:+.1f}) n={n}"


def findings(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One line a loss (or other change) and pair, one column a table of differences, cells as `finding` words them.

    Args:
        tables: title -> a table of `study_tables.paired_differences` or `differences_to_first`.

    Returns:
        Text, indexed by what was added ("L_a" where the row is L_c+L_s+L_h+L_a) and the pair; where the paper prints a
        difference for any line, a last column "paper".
    """
    columns = {}
    for title, table in tables.items():
        lines = [finding(line.mean, line.low, line.high, line.n) for line in table.itertuples()]
        columns[title] = pd.Series(lines, index=_names(table))
    found = pd.DataFrame(columns)
    printed = pd.concat([pd.Series(table["paper"].tolist(), index=_names(table)) for table in tables.values()]).dropna()
    if len(printed):
        printed = printed[~printed.index.duplicated()]
        found["paper"] = printed.map("{:+.1f}".format).reindex(found.index).fillna("")
    return found


def in_one_column(found: pd.DataFrame) -> pd.DataFrame:
    """The same `findings` under names such as "L_a, mnist → usps"."""
    return found.set_axis([f"{added}, {pair}" for added, pair in found.index])


def _names(table: pd.DataFrame) -> pd.MultiIndex:
    added = [label.rpartition("+")[2] for label in table["method"]]
    pairs = [name.replace("->", " → ") for name in table["column"]]
    return pd.MultiIndex.from_arrays([added, pairs], names=["added", "pair"])
