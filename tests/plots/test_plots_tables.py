"""Dots, bars and diamonds stand where the table says, and holes are named."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection

from igan_lib.plots.style import use_style
from igan_lib.plots.tables import ABOVE, PAPER_BELOW, differences, intervals


def title(ax):
    """Left or in the middle: whether the style sheet is in use depends on the tests before."""
    return ax.get_title(loc="left") or ax.get_title()


HEAD = ["method", "column", "n", "mean", "low", "high", "paper", "predicted_low", "predicted_high"]
HOLE = [0, *[math.nan] * 6]
ROWS = [
    ["L_c", "a->b", 5, 70.0, 68.0, 73.0, 60.0, 66.0, 74.0],
    ["L_c", "c->d", *HOLE],
    ["L_c", "average", 5, *[1.0] * 6],
    ["L_c+L_s", "a->b", 2, 80.0, *[math.nan] * 5],
    ["L_c+L_s", "c->d", *HOLE],
    ["L_c+L_s", "average", 2, *[1.0] * 6],
    ["igan", "a->b", 3, 90.0, 85.0, 91.0, 95.0, 80.0, 96.0],
    ["igan", "c->d", *HOLE],
    ["igan", "average", 3, *[1.0] * 6],
]
TABLE = pd.DataFrame(ROWS, columns=HEAD)
CELLS = TABLE[TABLE["column"] != "average"]
ADDED = CELLS.assign(by_seed=[tuple(row.mean + seed for seed in range(row.n)) for row in CELLS.itertuples(name="Row")])
both_figures = pytest.mark.parametrize(("figure", "cells"), [(intervals, CELLS), (differences, ADDED)])


def drawn(ax):
    """Dots (x, y), whether each is hollow, bars (x from, x to, y) and diamonds (x, y) of a panel."""
    dots, diamonds = [marks for marks in ax.collections if isinstance(marks, PathCollection)]
    ((_, _, (lines,)),) = ax.containers
    bars = [(*segment[:, 0], segment[0, 1]) for segment in lines.get_segments()]
    hollow = [tuple(colour) == (1, 1, 1, 1) for colour in dots.get_facecolors()]
    return places(dots), hollow, bars, places(diamonds)


def places(marks):
    return [tuple(place) for place in np.ma.filled(marks.get_offsets(), np.nan).tolist() if not np.isnan(place[0])]


def key(fig):
    (legend,) = fig.legends
    return [text.get_text() for text in legend.get_texts()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


@both_figures
def test_panels_fill_the_figure_however_often_it_is_drawn(figure, cells):
    use_style()
    fig = figure(cells)
    canvas = FigureCanvasAgg(fig)
    heights = []
    for _ in range(3):
        canvas.draw()
        heights.append([round(ax.get_position().height, 6) for ax in fig.axes])
    assert heights[0] == heights[1] == heights[2]
    # one panel has runs, the other is a hole: above and below both are a title, an axis and the legend
    assert all((1 - height) * fig.get_figheight() < 1.3 for height in heights[0])


@both_figures
def test_marks_stand_where_the_table_says(figure, cells):
    ax, hole = figure(cells).axes
    dots, hollow, bars, diamonds = drawn(ax)
    assert dots == [(70, 0), (80, 1), (90, 2)] and hollow == [False, True, False]
    assert [pytest.approx(bar) for bar in bars] == [(68, 73, 0), (85, 91, 2)]  # two seeds have no bar
    assert [x for x, _ in diamonds] == [60, 95]
    assert [pytest.approx(y) for _, y in diamonds] == [PAPER_BELOW, 2 + PAPER_BELOW]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["$L_c$", "$L_c+L_s$", "igan"]
    assert ax.yaxis_inverted() and title(ax) == "a → b"
    assert texts(hole) == ["not run"] and "not run" not in texts(ax)
    assert len(hole.get_xticks()) == 0 < len(ax.get_xticks())


@both_figures
def test_numbers_of_seeds_are_told_where_they_differ(figure, cells):
    ax, _ = figure(cells).axes
    assert [(text.get_text(), text.get_position()[1]) for text in ax.texts[1:]] == [("5", 0), ("2", 1), ("3", 2)]
    ax, _ = figure(cells.assign(n=cells["n"].clip(upper=1) * 5)).axes
    assert not ax.texts


def test_each_seed_of_a_difference_has_a_dot_of_its_own_above_its_line():
    ax, hole = differences(ADDED).axes
    seeds = [line.get_xydata().tolist() for line in ax.lines if line.get_marker() == "o"]
    assert [[x for x, _ in dots] for dots in seeds] == [list(range(70, 75)), [80, 81], [90, 91, 92]]
    assert [{y for _, y in dots} for dots in seeds] == [{-ABOVE}, {1 - ABOVE}, {2 - ABOVE}]
    assert not any(len(line.get_xdata()) for line in hole.lines if line.get_marker() == "o")
    assert key(differences(ADDED))[-2:] == ["each seed", "paper"] and "each seed" not in key(intervals(TABLE))


def test_the_average_has_no_panel_and_the_legend_names_what_is_drawn():
    assert [title(ax) for ax in intervals(TABLE).axes] == ["a → b", "c → d"]
    full = ["ours: mean and 95 % interval", "95 % of further runs"]
    hollow = "fewer than three seeds, no interval"
    assert key(intervals(TABLE)) == [*full, hollow, "paper"]
    assert key(intervals(TABLE.assign(paper=math.nan))) == [*full, hollow]
    assert key(intervals(TABLE[TABLE["method"] != "L_c+L_s"])) == [*full, "paper"]
    assert key(intervals(TABLE[TABLE["method"] == "L_c+L_s"])) == [f"ours: {hollow}"]
    assert key(intervals(TABLE[TABLE["column"] == "c->d"])) == []


def test_each_panel_of_differences_has_its_own_axis_and_shows_zero_inside_it():
    ends = {"low": -0.1, "high": 0.5, "predicted_low": -0.1, "predicted_high": 0.5}
    narrow = ADDED.assign(n=5, mean=0.2, paper=5.8, by_seed=[(0.3,)] * len(ADDED), **ends)
    ends = {"low": 30.0, "high": 50.0, "predicted_low": 30.0, "predicted_high": 50.0}
    wide = narrow.assign(column="e->f", mean=40.0, paper=math.nan, by_seed=[(41.0,)] * len(ADDED), **ends)
    fig = differences(pd.concat([narrow[narrow["column"] == "a->b"], wide.drop_duplicates("method")]))
    for ax, (left, right) in zip(fig.axes, [(-0.1, 5.8), (0, 50)], strict=True):
        low, high = ax.get_xlim()
        margin = 0.1 * (right - left)
        assert left - margin < low < left and right < high < right + margin
        assert any(list(line.get_xdata()) == [0, 0] and line.get_visible() for line in ax.lines)


def test_a_mean_far_below_the_others_is_a_number_and_does_not_push_them_together():
    spread = {"low": -1.0, "high": 1.0, "predicted_low": -2.0, "predicted_high": 2.0}
    means = [40.0, 88.0, 90.0, 91.0, 92.0, 93.0, 94.0, 95.0]
    rows = [
        {"method": f"m{i}", "column": "a->b", "n": 5, "mean": mean, "paper": math.nan} for i, mean in enumerate(means)
    ]
    table = pd.DataFrame([row | {name: row["mean"] + by for name, by in spread.items()} for row in rows])
    (ax,) = intervals(table).axes
    assert texts(ax) == ["← 40.0"] and ax.texts[0].get_position()[1] == 0 and 80 < ax.get_xlim()[0] < 88
    assert [x for x, _ in drawn(ax)[0]] == means[1:] and len(drawn(ax)[2]) == 7
    assert key(intervals(table)) == ["ours: mean and 95 % interval", "95 % of further runs"]
    # The axis reaches there anyhow, or there are too few rows to tell what is far.
    for shown in (table.assign(paper=[math.nan] * 7 + [39.0]), table.iloc[:7]):
        (ax,) = intervals(shown).axes
        assert not texts(ax) and drawn(ax)[0][0] == (40.0, 0)


def test_an_accuracy_axis_ends_at_100_and_where_its_marks_end():
    (ax,) = intervals(TABLE[TABLE["column"] == "a->b"]).axes
    low, high = ax.get_xlim()
    assert 55 < low < 60 and 95 < high < 100  # not at -70 and 230, the interval of two seeds
    (ax,) = intervals(CELLS[CELLS["method"] == "igan"].head(1).assign(low=-5.0, mean=99.9, high=120.0)).axes
    assert ax.get_xlim() == (0, 100)
    dots, *_ = [marks for marks in ax.collections if isinstance(marks, PathCollection)]
    assert not dots.get_clip_on()  # a dot near the end stays whole


def test_the_key_names_the_backbone_and_no_line_lies_on_the_frame():
    fig = intervals(TABLE.assign(backbone="frozen efficientnet_lite0"))
    assert key(fig)[0] == "ours, frozen efficientnet_lite0: mean and 95 % interval"
    assert fig.axes[0].get_ylim() == (2.5, -0.5)


def test_a_long_label_is_on_two_lines_broken_between_words():
    name = "source-only, batch norm not re-estimated"
    (ax,) = intervals(CELLS.head(1).assign(method=name)).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["source-only, batch norm not\nre-estimated"]
