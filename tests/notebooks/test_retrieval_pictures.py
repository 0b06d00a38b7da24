"""Frames, curves, dots and keys say what the arrays say."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from igan_lib.retrieval.protocols import Retrieval
from tools.retrieval_pictures import (
    RIGHT,
    WRONG,
    class_key,
    class_maps,
    map_by_accuracy,
    map_by_length,
    neighbours,
    precision_recall,
)


def title(ax):
    """Left or in the middle: whether the style sheet is in use depends on the tests before."""
    return ax.get_title(loc="left") or ax.get_title()


def picture(value, side=4):
    return np.full((1, side, side), value, dtype=np.uint8)


def test_each_found_image_stands_in_its_place_in_the_frame_of_its_verdict():
    queries = np.stack([picture(10), picture(20)])
    found = {
        name: (np.stack([[picture(base + 10 * q + k) for k in range(3)] for q in range(2)]), right)
        for name, base, right in (("first", 100, [[1, 0, 1], [0, 0, 1]]), ("second", 150, [[0, 0, 0], [1, 1, 1]]))
    }
    distances = {name: [[1, 2, 3], [4, 5, 6]] for name in found}
    fig = neighbours(queries, found, distances)
    axes = np.array(fig.axes).reshape(4, 4)
    rows = [(q, name, base) for q in (0, 1) for name, base in (("first", 100), ("second", 150))]
    for row, (q, name, base) in enumerate(rows):
        assert axes[row, 0].get_ylabel() == name
        shown = [image.get_array()[0, 0] * 255 for image in axes[row, 0].images]
        assert shown == ([pytest.approx(10 * (q + 1))] if name == "first" else [])
        for k in range(3):
            ax = axes[row, k + 1]
            assert ax.images[0].get_array()[0, 0] * 255 == pytest.approx(base + 10 * q + k)
            expected = RIGHT if found[name][1][q][k] else WRONG
            assert {to_hex(spine.get_edgecolor()) for spine in ax.spines.values()} == {expected}
            assert ax.get_xlabel() == str(distances[name][q][k])


def outcome(precision, recall):
    return Retrieval(0.5, 0.4, 0.6, 3, 0, tuple(precision), tuple(recall))


def test_curves_leave_out_radii_within_which_nothing_relevant_lies():
    curves = {"target": {"a": outcome([0, 1, 0.5], [0, 0.2, 1]), "b": outcome([1, 1, 0.25], [0.5, 0.5, 1])}}
    fig = precision_recall(curves)
    lines = {line.get_label(): line.get_xydata().tolist() for line in fig.axes[0].lines}
    assert lines == {"a": [[20, 100], [100, 50]], "b": [[50, 100], [50, 100], [100, 25]]}
    assert title(fig.axes[0]) == "target"


def test_map_by_length_goes_through_the_means_and_shows_each_run():
    fig = map_by_length({"a": {64: [80.0, 90.0], 16: [60.0]}, "b": {16: [50.0]}})
    ax = fig.axes[0]
    means = {line.get_label(): line.get_xydata().tolist() for line in ax.lines if line.get_marker() == "None"}
    assert means == {"a": [[16, 60], [64, 85]], "b": [[16, 50]]}
    dots = sorted(tuple(point) for line in ax.lines if line.get_marker() == "o" for point in line.get_xydata())
    assert dots == [(16, 50), (16, 60), (64, 80), (64, 90)]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["16", "64"]


def look(collection):
    path = collection.get_paths()[0].vertices
    return to_hex(collection.get_facecolor()[0][:3]), path.shape, tuple(path[1].round(3))


def test_31_classes_are_told_apart_and_look_alike_in_all_panels():
    y = np.arange(62) % 31
    points = np.column_stack([np.arange(62), y])
    fig = class_maps({"before": (points, y), "after": (-points, y), "third": (points, y)})
    first, second, third, empty = fig.axes
    looks = [[look(c) for c in ax.collections] for ax in (first, second, third)]
    assert looks[0] == looks[1] == looks[2] and len(set(looks[0])) == 31
    for label, collection in enumerate(second.collections):
        assert collection.get_offsets().tolist() == [[-label, -label], [-label - 31, -label]]
    assert [title(ax) for ax in (first, second, third)] == ["before", "after", "third"] and not empty.axison
    legend = class_key([f"class_{n}" for n in range(31)]).axes[0].get_legend()
    assert [to_hex(handle.get_color()) for handle in legend.legend_handles] == [colour for colour, *_ in looks[0]]
    assert legend.get_texts()[30].get_text() == "class 30"


def test_runs_stand_at_their_accuracy_and_map_beside_the_lines():
    runs = {"target": {"a": [(60.0, 41.0), (80.0, 70.0)]}, "cross": {"a": [(60.0, 65.0)], "b": [(80.0, 82.0)]}}
    (ax,) = map_by_accuracy(runs).axes
    straight, squared, cubed, *dots = ax.lines
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in dots] == [
        ([60.0, 80.0], [41.0, 70.0]),
        ([60.0], [65.0]),
        ([80.0], [82.0]),
    ]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["target, a", "cross, a", "cross, b"]
    colours, markers = [line.get_color() for line in dots], [line.get_marker() for line in dots]
    assert colours[0] != colours[1] == colours[2] and markers[0] == markers[1] != markers[2]
    assert np.allclose(straight.get_xdata(), straight.get_ydata())
    assert np.allclose(squared.get_ydata() / 100, (squared.get_xdata() / 100) ** 2)
    assert np.allclose(cubed.get_ydata() / 100, (cubed.get_xdata() / 100) ** 3)
    assert [note.get_text() for note in ax.texts] == ["$a$", "$a^2$", "$a^3$"]
    for power, note in enumerate(ax.texts, 1):  # each name stands at its own line, in sight
        x, y = note.xy
        assert y / 100 == pytest.approx((x / 100) ** power) and x > 50 and y > 50
    assert ax.get_xlim() == ax.get_ylim() == (40, 101)
