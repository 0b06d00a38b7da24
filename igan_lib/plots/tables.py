"""Figures of tables: means with intervals beside the paper's numbers, and paired differences; from results alone."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from igan_lib.plots.style import INK, SOURCE_COLOUR, TARGET_COLOUR, WIDTH, method_label, new_figure

OURS, PAPER = SOURCE_COLOUR, TARGET_COLOUR
PAPER_BELOW = ABOVE = 0.28  # of the distance between two lines
SEEDS = "#777777"
FEWEST = 8  # rows of a panel that a quartile is taken of
SPREAD = ["mean", "low", "high", "predicted_low", "predicted_high"]


def intervals(table: pd.DataFrame, *, unit: str = "accuracy, %") -> Figure:
    """One panel a column of a `study_table`, one line a method: a dot and a bar for our mean and its 95 % interval.

    A hollow dot is the mean of fewer than three seeds, which has no bar. A diamond is the number that the paper prints.
    A line without a dot was not run. Each panel has an axis of its own, within 0 and 100; a bar may be cut off there.
    A mean far below the others, which would push these together, stands as a number at the left of its line.
    """
    table = table[table["column"] != "average"]
    far = pd.concat([_far_below(cells) for _, cells in table.groupby("column", sort=False)])
    fig = _panels(table.assign(**{name: table[name].mask(far) for name in SPREAD}), unit, table)
    for ax, name in zip(fig.axes, dict.fromkeys(table["column"]), strict=True):
        low, high = ax.get_xlim()
        ax.set_xlim(max(low, 0), min(high, 100))
        style = {"transform": ax.get_yaxis_transform(), "fontsize": 8, "color": OURS, "va": "center"}
        means = table.loc[table["column"] == name, "mean"]
        for row, (mean, out) in enumerate(zip(means, far[means.index], strict=True)):
            if out:
                ax.text(0.02, row, f"← {mean:.1f}", **style)
    return fig


def _far_below(cells: pd.DataFrame) -> pd.Series:
    """Which of a panel's means lie left of all other marks and more than 1.5 boxes of a box plot below it."""
    means = cells["mean"]
    first, third = means.quantile([0.25, 0.75])
    far = (means < first - 1.5 * (third - first)) & (means.count() >= FEWEST)
    return far & ~(means > min(means[~far].min(), cells["paper"].min()))


def differences(table: pd.DataFrame) -> Figure:
    """One panel a column of `paired_differences`: what each row adds to the one above, on the same seeds.

    Dots, bars and diamonds as in `intervals`, and a small grey dot for each seed (`by_seed`), since one of them may
    make the mean. Each panel has an axis of its own; all of them show zero.
    """
    fig = _panels(table, "difference, points")
    names = dict.fromkeys(table["column"])
    for ax, name in zip(fig.axes, names, strict=True):
        ax.axvline(0, color=INK, linewidth=0.8, zorder=1)
        for row, values in enumerate(table.loc[table["column"] == name, "by_seed"]):
            if values:  # a line of no points that is not clipped counts as at the figure's corner, for its layout
                ax.plot(values, [row - ABOVE] * len(values), "o", color=SEEDS, markersize=2.5, clip_on=False, zorder=2)
    return fig


def _panels(table: pd.DataFrame, unit: str, whole: pd.DataFrame | None = None) -> Figure:
    """`whole`: the table with what is not drawn as marks, for the key; the same where it is not given."""
    columns, methods = (list(dict.fromkeys(table[key])) for key in ("column", "method"))
    rows = np.arange(len(methods))
    size = WIDTH, 1.2 + 0.38 * len(methods)
    fig, axes = new_figure(1, len(columns), size=size, sharey=True, gridspec_kw={"wspace": 0.1})
    run = table[table["n"] > 0]
    for ax, name in zip(axes[0], columns, strict=True):
        lines = table[table["column"] == name].set_index("method").loc[methods]
        _marks(ax, rows, lines)
        ax.set_title(name.replace("->", " → "))
        ax.set_xlabel(unit)
        ax.locator_params(axis="x", integer=True)
        ax.tick_params(axis="y", length=0)
        if not lines["n"].any():
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text(0.03, 1, "not run", transform=ax.transAxes, va="top", fontsize=9, style="italic", bbox=box)
            if lines["paper"].isna().all():
                ax.set_xticks([])
        elif run["n"].nunique() > 1:
            _counts(ax, rows, lines["n"])
    axes[0, 0].set_yticks(rows, [method_label(method) for method in methods])
    axes[0, 0].set_ylim(len(methods) - 0.5, -0.5)
    shown = table if whole is None else whole
    fig.legend(handles=_key(shown, shown[shown["n"] > 0]), loc="outside lower center", ncols=4)
    return fig


def _marks(ax: Axes, rows: np.ndarray, lines: pd.DataFrame) -> None:
    """Our means as dots with their bars, and below them the paper's numbers, so that neither hides the other."""
    few = lines["low"].isna().to_numpy()
    barred = lines[~few]
    ends = np.vstack([barred["mean"] - barred["low"], barred["high"] - barred["mean"]])
    # The caps are higher than a dot: an interval that is narrower than its dot still shows.
    ax.errorbar(barred["mean"], rows[~few], xerr=ends, fmt="none", ecolor=OURS, capsize=3.5)
    ax.hlines(rows[~few], barred["predicted_low"], barred["predicted_high"], color=OURS, alpha=0.25, linewidth=5)
    marks = {"clip_on": False, "zorder": 3}  # a mark at the end of the axis stays whole
    ax.scatter(lines["mean"], rows, s=22, facecolors=np.where(few, "white", OURS), edgecolors=OURS, **marks)
    ax.scatter(lines["paper"], rows + PAPER_BELOW, s=22, marker="D", facecolors="none", edgecolors=PAPER, **marks)
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)


def _counts(ax: Axes, rows: np.ndarray, counts: pd.Series) -> None:
    """The number of seeds at the right of each line that was run."""
    style = {"transform": ax.get_yaxis_transform(), "fontsize": 8, "color": OURS}
    ax.text(1.03, -0.5, "n", va="bottom", style="italic", **style)
    for row, count in zip(rows, counts, strict=True):
        if count:
            ax.text(1.03, row, str(count), va="center", **style)


def _key(table: pd.DataFrame, run: pd.DataFrame) -> list[Line2D]:
    """The legend's entries for the marks that are drawn."""
    ours = ", ".join(["ours", *sorted(set(table.get("backbone", ())) - {"none"})])
    few = run["low"].isna()
    keys = []
    if not few.all():
        keys.append(_dot(f"{ours}: mean and 95 % interval"))
        keys.append(Line2D([], [], color=OURS, alpha=0.25, linewidth=5, label="95 % of further runs"))
    if few.any():
        whose = "" if keys else f"{ours}: "
        keys.append(_dot(f"{whose}fewer than three seeds, no interval", linestyle="", markerfacecolor="white"))
    if "by_seed" in table and len(run):
        keys.append(_dot("each seed", linestyle="", markersize=2.5, color=SEEDS))
    if table["paper"].notna().any():
        keys.append(_dot("paper", marker="D", linestyle="", markerfacecolor="none", color=PAPER))
    return keys


def _dot(label: str, **style: str | float) -> Line2D:
    return Line2D([], [], label=label, **{"marker": "o", "markersize": 5, "color": OURS, **style})
