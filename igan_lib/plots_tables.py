"""Figures of tables: means with intervals beside the paper's numbers, and paired differences; from results alone."""

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from igan_lib.style import INK, SOURCE_COLOUR, TARGET_COLOUR, WIDTH, new_figure

OURS, PAPER = SOURCE_COLOUR, TARGET_COLOUR


def intervals(table: pd.DataFrame, *, unit: str = "accuracy, %") -> Figure:
    """One panel a column of a `study_table`, one line a method: a dot and a bar for our mean and its 95 % interval.

    A diamond is the number that the paper prints. A line without a dot was not run.
    """
    return _panels(table[table["column"] != "average"], unit, shared=False)


def differences(table: pd.DataFrame) -> Figure:
    """One panel a column of `paired_differences`: what each row adds to the one above, on the same seeds."""
    fig = _panels(table, "difference, points", shared=True)
    for ax in fig.axes:
        ax.axvline(0, color=INK, linewidth=0.8, zorder=0)
    return fig


def _panels(table: pd.DataFrame, unit: str, *, shared: bool) -> Figure:
    columns, methods = (list(dict.fromkeys(table[key])) for key in ("column", "method"))
    rows = np.arange(len(methods))
    fig, axes = new_figure(1, len(columns), size=(WIDTH, 1.2 + 0.34 * len(methods)), sharey=True, sharex=shared)
    for ax, name in zip(axes[0], columns, strict=True):
        lines = table[table["column"] == name].set_index("method").loc[methods]
        _dots(ax, rows, lines)
        ax.scatter(lines["paper"], rows, marker="D", s=26, facecolors="none", edgecolors=PAPER, zorder=3)
        ax.set_title(name.replace("->", " → "))
        ax.set_xlabel(unit)
        if lines["mean"].isna().all():
            ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center", va="center")
            if lines["paper"].isna().all() and not shared:
                ax.set_xticks([])
    axes[0, 0].set_yticks(rows, [_formula(method) for method in methods])
    axes[0, 0].set_ylim(len(methods) - 0.5, -0.5)
    backbones = sorted(set(table.get("backbone", ())) - {"none"})
    ours = ", ".join(["ours", *backbones])
    keys = [Line2D([], [], marker="o", color=OURS, label=f"{ours}: mean and 95 % interval")]
    if table["paper"].notna().any():
        keys.append(Line2D([], [], marker="D", linestyle="", markerfacecolor="none", color=PAPER, label="paper"))
    fig.legend(handles=keys, loc="outside lower center", ncols=2)
    return fig


def _formula(method: str) -> str:
    """A sum of losses, such as L_c+L_s, as a formula; any other label as it is."""
    return f"${method}$" if re.fullmatch(r"L_\w(\+L_\w)*", method) else method


def _dots(ax: Axes, rows: np.ndarray, lines: pd.DataFrame) -> None:
    """Means as dots; a bar where there is an interval."""
    ends = np.vstack([lines["mean"] - lines["low"], lines["high"] - lines["mean"]])
    ax.errorbar(lines["mean"], rows, xerr=np.nan_to_num(ends), fmt="o", markersize=5, color=OURS, capsize=2)
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
