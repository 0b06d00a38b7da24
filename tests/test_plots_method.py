"""The figures that explain the method draw what they were given."""

import numpy as np
from matplotlib.patches import FancyArrowPatch

from igan_lib import plots_method as plots


def texts(fig):
    return [text.get_text() for ax in fig.axes for text in ax.texts]


def test_matrices_show_their_values():
    fig = plots.value_matrices({"s": [[1, -1], [-1, 1]]}, ["0", "1"])
    assert texts(fig) == ["1", "-1", "-1", "1"]
    np.testing.assert_array_equal(fig.axes[0].images[0].get_array(), [[1, -1], [-1, 1]])


def test_centroids_that_are_in_both_domains_are_tied_by_arrows():
    c_s, c_t = np.array([[0.5, 0.5], [-0.5, 0.2]]), np.array([[0.1, 0.4], [0.0, 0.0]])
    u = np.array([[0.5, 0.5], [-0.5, 0.2], [0.9, -0.9]])
    fig = plots.centroid_pulls(u, [0, 1, 1], u, [0, -1, -1], c_s, c_t, [True, False])
    (ax,) = fig.axes
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    arrows += [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    drawn = np.concatenate([points.get_offsets() for points in ax.collections])
    assert len(arrows) in (1, 2)  # one arrow with two heads, or two arrows, for one class
    for point in [*u, *c_s, c_t[0]]:
        assert np.isclose(drawn, point).all(1).any()


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


def test_paths_name_every_network_and_every_image():
    found = set(texts(plots.crosswise_paths()))
    networks = {"E", "C", "$G^s$", "$G^t$", "$D^s$", "$D^t$"}
    images = {r"$\tilde{x}^{s}$", r"$\tilde{x}^{ts}$", r"$\tilde{x}^{st}$", r"$\tilde{x}^{t}$"}
    assert networks | images <= found


def test_schedules_are_the_given_curves():
    fig = plots.schedule_curves([0, 0.5, 1], {"ramp": [0, 0.9, 1], "rate": [1, 0.5, 0]})
    drawn = {line.get_label(): line.get_ydata().tolist() for line in fig.axes[0].lines}
    assert drawn == {"ramp": [0, 0.9, 1], "rate": [1, 0.5, 0]}
