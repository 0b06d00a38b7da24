"""Dots, bars and diamonds stand where the table says, and holes are named."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from igan_lib.plots_tables import differences, intervals


def title(ax):
    """Left or in the middle: whether the style sheet is in use depends on the tests before."""
    return ax.get_title(loc="left") or ax.get_title()


HEAD = ["method", "column", "mean", "low", "high", "paper"]
ROWS = [
    ["L_c", "a->b", 70.0, 68.0, 73.0, 60.0],
    ["L_c", "c->d", math.nan, math.nan, math.nan, math.nan],
    ["L_c", "average", 1.0, 1.0, 1.0, 1.0],
    ["L_c+L_s", "a->b", 80.0, math.nan, math.nan, math.nan],
    ["L_c+L_s", "c->d", math.nan, math.nan, math.nan, math.nan],
    ["L_c+L_s", "average", 1.0, 1.0, 1.0, 1.0],
    ["igan", "a->b", 90.0, 85.0, 91.0, 95.0],
    ["igan", "c->d", math.nan, math.nan, math.nan, math.nan],
    ["igan", "average", 1.0, 1.0, 1.0, 1.0],
]
TABLE = pd.DataFrame(ROWS, columns=HEAD)


def drawn(ax):
    """Dots (x, y), bars (x from, x to, y) and diamonds (x, y) of a panel."""
    (container,) = ax.containers
    dots = np.column_stack(container.lines[0].get_data())
    bars = [(*segment[:, 0], segment[0, 1]) for segment in container.lines[2][0].get_segments()]
    (scatter,) = [c for c in ax.collections if isinstance(c, PathCollection)]
    return dots, bars, scatter.get_offsets()


@pytest.mark.parametrize("figure", [intervals, differences])
def test_marks_stand_where_the_table_says(figure):
    fig = figure(TABLE[TABLE["column"] != "average"])
    ax, hole = fig.axes
    dots, bars, diamonds = drawn(ax)
    assert dots.tolist() == [[70, 0], [80, 1], [90, 2]]
    assert bars[0] == pytest.approx((68, 73, 0)) and bars[2] == pytest.approx((85, 91, 2))
    assert bars[1][0] == bars[1][1] == 80  # one run has no interval
    assert diamonds[~np.isnan(np.ma.filled(diamonds, np.nan)[:, 0])].tolist() == [[60, 0], [95, 2]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["$L_c$", "$L_c+L_s$", "igan"]
    assert ax.yaxis_inverted() and title(ax) == "a → b"
    assert [text.get_text() for text in hole.texts] == ["not run"] and not ax.texts


def test_the_average_has_no_panel_and_the_legend_names_what_is_drawn():
    fig = intervals(TABLE)
    assert [title(ax) for ax in fig.axes] == ["a → b", "c → d"]
    (legend,) = fig.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ours: mean and 95 % interval", "paper"]
    (legend,) = intervals(TABLE.assign(paper=math.nan)).legends
    assert len(legend.get_texts()) == 1


def test_differences_share_an_axis_and_show_zero():
    fig = differences(TABLE[TABLE["column"] != "average"])
    assert fig.axes[0].get_xlim() == fig.axes[1].get_xlim()
    assert all(any(line.get_xdata()[0] == 0 for line in ax.lines) for ax in fig.axes)


def test_the_key_names_the_backbone_and_no_line_lies_on_the_frame():
    fig = intervals(TABLE.assign(backbone="frozen efficientnet_lite0"))
    (legend,) = fig.legends
    assert legend.get_texts()[0].get_text() == "ours, frozen efficientnet_lite0: mean and 95 % interval"
    assert fig.axes[0].get_ylim() == (2.5, -0.5)
