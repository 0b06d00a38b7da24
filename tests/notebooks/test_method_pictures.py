"""The figures that explain the method draw what they were given."""

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

from igan_lib.plots.style import INK, SOURCE_COLOUR, TARGET_COLOUR, class_colour, use_style
from tools import method_pictures as plots


@pytest.fixture(autouse=True)
def style():
    use_style()


def texts(fig):
    return [text.get_text() for ax in fig.axes for text in ax.texts]


def arrows_of(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def ends_of(arrow):
    return np.array(arrow._posA_posB)


def test_each_value_stands_in_its_cell_and_zero_is_white():
    matrix = np.array([[1, 0.25], [-2, 0]])
    ax = plots.value_matrices({"squares": matrix}, ["p", "q"], limit=2).axes[0]
    np.testing.assert_array_equal(ax.collections[0].get_array(), matrix)
    found = {text.get_position()[::-1]: float(text.get_text()) for text in ax.texts}
    assert found == {(row + 0.5, column + 0.5): value for (row, column), value in np.ndenumerate(matrix)}
    low, high = ax.collections[0].get_clim()
    assert low == -high and high >= 2
    assert ax.get_title(loc="left") == "squares"
    for axis in (ax.xaxis, ax.yaxis):
        assert [text.get_text() for text in axis.get_ticklabels()] == ["p", "q"]


def test_arrows_join_the_two_centroids_of_a_class_and_colours_are_its():
    c_s, c_t = np.array([[0.5, 0.5], [-0.5, 0.2], [0, 0.9]]), np.array([[0.1, 0.4], [0, 0], [0.3, 0.8]])
    u_s, u_t = np.array([[0.5, 0.5], [-0.5, 0.2]]), np.array([[0.9, -0.9], [0.1, 0.4]])
    fig = plots.centroid_pulls(u_s, [0, 1], u_t, [-1, 2], c_s, c_t, [True, False, True])
    (ax,) = fig.axes
    np.testing.assert_array_equal([ends_of(arrow) for arrow in arrows_of(ax)], [[c_s[0], c_t[0]], [c_s[2], c_t[2]]])
    # "CurveAB" has a head at both ends.
    assert all(type(arrow.get_arrowstyle()).__name__ == "CurveAB" for arrow in arrows_of(ax))
    source, target, *centroids = (points for points in ax.collections if len(points.get_offsets()))
    np.testing.assert_array_equal(source.get_offsets(), u_s)
    np.testing.assert_array_equal(target.get_offsets(), u_t)
    np.testing.assert_array_equal([c.get_offsets()[0] for c in centroids], [c_s[0], c_t[0], c_s[2], c_t[2]])
    assert [to_hex(c) for c in source.get_facecolors()] == [class_colour(0), class_colour(1)]
    assert [to_hex(c) for c in target.get_edgecolors()] == ["#aaaaaa", class_colour(2)]
    assert [to_hex(c.get_edgecolors()[0]) for c in centroids] == [class_colour(k) for k in (0, 0, 2, 2)]
    assert len(source.get_paths()[0].vertices) != len(target.get_paths()[0].vertices)
    named = [text.get_text() for text in fig.legends[0].get_texts()]
    assert named[:4] == ["source code", "target code", "source centroid", "target centroid"]
    assert named[4:] == ["class 0", "class 1", "class 2", "no label"]


def test_triangle_names_each_points_pseudo_label_and_shades_the_confident_corners():
    p, threshold = np.array([[0.95, 0.03, 0.02], [0.4, 0.3, 0.3]]), 0.9
    fig = plots.confidence_triangle(p, {"strict": (threshold, [0, -1])})
    (ax,) = fig.axes
    assert {"class 0", "no label"} <= set(texts(fig))
    triangle, *corners = (patch.get_xy()[:3] for patch in ax.patches)
    for k, corner in enumerate(corners):
        # In barycentric coordinates, the corner's other two points have p_k equal to T.
        weights = np.linalg.solve(np.vstack([triangle.T, np.ones(3)]), np.vstack([corner.T, np.ones(3)]))
        np.testing.assert_allclose(sorted(weights[k]), [threshold, threshold, 1.0])


def test_triangle_puts_each_point_at_its_probabilities_in_the_colours_of_the_classes():
    p = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.2, 0.3, 0.5]])
    (ax,) = plots.confidence_triangle(p, {"strict": (0.9, [0, 1, 2, -1])}).axes
    triangle, *corners = ax.patches
    vertices = triangle.get_xy()[:3]
    np.testing.assert_allclose([line.get_xydata()[0] for line in ax.lines], [*vertices, p[3] @ vertices])
    assert [c.get_facecolor()[:3] for c in corners] == [to_rgba(class_colour(k))[:3] for k in range(3)]
    said = [(text.get_text(), text.xy) for text in ax.texts]
    for k in range(3):
        assert [text for text, at in said if np.allclose(at, vertices[k])] == [f"$p_{k} = 1$", f"class {k}"]
    assert ax.get_title(loc="left") == "strict: T = 0.9"


def test_no_word_of_the_triangle_touches_it_or_another():
    p = np.array([[0.85, 0.10, 0.05], [0.10, 0.50, 0.40], [0.05, 0.10, 0.85], [0.1, 0.85, 0.05], [0.4, 0.3, 0.3]])
    fig = plots.confidence_triangle(p, {"a": (0.8, [0, -1, 2, 1, -1]), "b": (0.9, [-1] * 5)})
    fig.draw_without_rendering()
    for ax in fig.axes:
        triangle = ax.patches[0]
        drawn = triangle.get_path().transformed(triangle.get_transform())
        boxes = [Text.get_window_extent(text) for text in ax.texts]  # of the words, without the line to the point
        assert len(boxes) == 3 + len(p)
        assert not any(drawn.intersects_bbox(box, filled=True) for box in boxes)
        assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_paths_name_every_network_and_every_image():
    found = set(texts(plots.crosswise_paths()))
    networks = {"E", "C", "$G^s$", "$G^t$", "$D^s$", "$D^t$"}
    images = {r"$\tilde{x}^{s}$", r"$\tilde{x}^{ts}$", r"$\tilde{x}^{st}$", r"$\tilde{x}^{t}$"}
    assert networks | images <= found


def test_paths_cross_and_their_colour_is_that_of_the_image_they_come_from():
    (ax,) = plots.crosswise_paths().axes
    place = {text.get_text(): np.array(text.get_position()) for text in ax.texts}
    names = [name for name in place if name in ("E", "C") or name.startswith(("$x", "$u", "$G", "$D", r"$\tilde"))]

    def nearest(point):
        return min(names, key=lambda name: np.abs((place[name] - point) / (1, 1.2)).max())

    found = {}
    for arrow in arrows_of(ax):
        colour = to_hex(arrow.get_edgecolor())
        if colour != INK:
            found[tuple(nearest(end) for end in ends_of(arrow))] = colour
    s, t = SOURCE_COLOUR, TARGET_COLOUR
    assert found == {
        ("$x^s$, $y^s$", "E"): s, ("$x^t$", "E"): t, ("E", "$u^s$"): s, ("E", "$u^t$"): t,
        ("$u^s$", "C"): s, ("$u^t$", "C"): t,
        ("$u^s$", "$G^s$"): s, ("$u^t$", "$G^t$"): t, ("$u^s$", "$G^t$"): s, ("$u^t$", "$G^s$"): t,
        ("$G^s$", r"$\tilde{x}^{s}$"): s, ("$G^s$", r"$\tilde{x}^{ts}$"): t,
        ("$G^t$", r"$\tilde{x}^{st}$"): s, ("$G^t$", r"$\tilde{x}^{t}$"): t,
        (r"$\tilde{x}^{ts}$", "$D^s$"): t, (r"$\tilde{x}^{st}$", "$D^t$"): s,
    }  # fmt: skip


def test_schedules_are_the_given_curves_over_the_progress():
    ax = plots.schedule_curves([0, 0.5, 1], {"ramp": [0, 0.9, 1], "rate": [1, 0.5, 0]}).axes[0]
    drawn = {line.get_label(): line.get_xydata().T.tolist() for line in ax.lines}
    assert drawn == {"ramp": [[0, 0.5, 1], [0, 0.9, 1]], "rate": [[0, 0.5, 1], [1, 0.5, 0]]}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ramp", "rate"]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
