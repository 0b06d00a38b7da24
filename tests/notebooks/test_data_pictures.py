"""The figures of the data sets draw what they were given."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.patches import Rectangle
from seaborn.utils import relative_luminance

from igan_lib.data.domains import Domain, Split
from igan_lib.plots.style import use_style
from tools import data_pictures as plots


@pytest.fixture(autouse=True)
def style():
    use_style()


@pytest.fixture
def domain():
    images = (torch.arange(12, dtype=torch.uint8) * 20).view(12, 1, 1, 1).expand(12, 1, 4, 4).contiguous()
    split = Split(images, torch.arange(12) % 3)
    return Domain("npz:some/three.npz", split, split, ("a", "b", "c"))


def labels_of(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_samples_stand_under_their_class(domain):
    (ax,) = plots.samples_by_class([domain], per_class=2).axes
    picture = ax.images[0].get_array()
    for label in range(3):
        for row in range(2):
            grey = domain.train.images[domain.train.labels == label][row, 0] / 255
            np.testing.assert_allclose(picture[row * 5 : row * 5 + 4, label * 5 : label * 5 + 4], grey)
    assert picture.shape == (9, 14)
    assert (picture[4] == 1).all() and (picture[:, [4, 9]] == 1).all()  # a white gap between samples
    assert labels_of(ax.xaxis) == ["a", "b", "c"]
    assert ax.get_title(loc="left") == "three"


def test_a_missing_sample_is_white_and_classes_beyond_the_limit_are_left_out():
    images = torch.tensor([10, 20, 30, 40], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 4, 4).contiguous()
    split = Split(images, torch.tensor([0, 1, 0, 2]))
    (ax,) = plots.samples_by_class([Domain("d", split, split, ("a", "b", "c"))], per_class=2, classes=2).axes
    centres = np.asarray(ax.images[0].get_array())[2::5, 2::5] * 255
    np.testing.assert_allclose(centres, [[10, 20], [30, 255]])
    assert ax.get_xticks().tolist() == [1.5, 6.5] and labels_of(ax.xaxis) == ["a", "b"]


def test_shares_are_bars_and_dots():
    fig = plots.class_shares({"npz:x/y.npz": ([60, 40], [55, 45])}, ("a", "b"))
    (ax,) = fig.axes
    assert [bar.get_height() for bar in ax.patches] == [60, 40]
    assert ax.lines[0].get_ydata().tolist() == [55, 45]
    assert ax.lines[1].get_ydata() == [50, 50]  # the dotted line: an equal share
    assert ax.get_title(loc="left") == "y" and labels_of(ax.xaxis) == ["a", "b"]
    (legend,) = fig.legends
    assert [text.get_text() for text in legend.get_texts()] == ["train", "test"]
    bar, dots = legend.legend_handles
    assert isinstance(bar, Rectangle) and dots.get_marker() == "o"


def test_histogram_lines_are_shares_of_the_bins():
    counts = np.zeros(256)
    counts[[0, 10, 255]] = 1, 2, 1
    ax = plots.grey_histograms({"mnist": counts, "usps": counts[::-1]}, bins=4).axes[0]
    assert [stairs.get_data().values.tolist() for stairs in ax.patches] == [[75, 0, 0, 25], [25, 0, 0, 75]]


def test_histogram_axes_and_names():
    counts = np.ones(256)
    ax = plots.grey_histograms({"npz:x/y.npz": counts, "usps": counts}, bins=4).axes[0]
    assert ax.get_yscale() == "log" and [text.get_text() for text in ax.get_legend().get_texts()] == ["y", "usps"]
    assert ax.patches[0].get_data().edges.tolist() == [0, 64, 128, 192, 256]
    assert ax.patches[0].get_edgecolor() != ax.patches[1].get_edgecolor()


def test_third_row_is_the_difference_of_the_first_two():
    a, b = np.full((2, 1, 3, 3), 200.0), np.full((2, 1, 3, 3), 50.0)
    fig = plots.class_means_compared({"mnist": a, "usps": b}, ("x", "y"))
    values = [ax.images[0].get_array().mean() for ax in fig.axes[:6]]
    np.testing.assert_allclose(values, [200 / 255] * 2 + [50 / 255] * 2 + [150] * 2)


def test_difference_is_the_mean_over_the_channels_and_rows_and_columns_are_named():
    a, b = np.zeros((2, 3, 2, 2)), np.zeros((2, 3, 2, 2))
    a[:, 0], b[:, 2] = 90, 240
    fig = plots.class_means_compared({"npz:x/y.npz": a, "usps": b}, ("p", "q"))
    np.testing.assert_allclose(fig.axes[4].images[0].get_array(), -50)  # (90 + 0 - 240) / 3
    assert fig.axes[4].images[0].get_clim() == (-255, 255)  # zero is white
    assert [ax.get_title() for ax in fig.axes[:2]] == ["p", "q"]
    assert [fig.axes[i].get_ylabel() for i in (0, 2, 4)] == ["y", "usps", "difference"]


def test_the_colour_bar_can_be_read_and_names_the_brighter_domain():
    a = np.zeros((10, 1, 28, 28))
    fig = plots.class_means_compared({"npz:x/y.npz": a, "usps": a}, "0123456789")
    fig.draw_without_rendering()
    bar = fig.axes[-1]
    place = bar.get_position()
    assert place.width > 0.4 and place.height > 0.02
    assert all(place.y1 < ax.get_position().y0 for ax in fig.axes[:-1])
    assert labels_of(bar.xaxis) == ["usps brighter\n−255", "equal\n0", "y brighter\n+255"]
    assert bar.get_xticks().tolist() == [-255, 0, 255]


def test_box_stands_where_the_margins_say():
    fig = plots.mean_images_with_boxes({"mnist": np.zeros((1, 28, 28))}, {"mnist": [4, 5, 6, 7]})
    (ax,) = fig.axes
    box = ax.patches[0]
    assert (*box.get_xy(), box.get_width(), box.get_height()) == (5.5, 3.5, 15, 19)
    assert ax.get_title(loc="left") == "mnist: 19 × 15"


def test_the_mean_image_is_drawn_and_the_title_is_height_by_width():
    mean = np.arange(16.0).reshape(1, 4, 4)
    (ax,) = plots.mean_images_with_boxes({"npz:x/y.npz": mean}, {"npz:x/y.npz": [0, 1, 1, 1]}).axes
    np.testing.assert_allclose(ax.images[0].get_array(), mean[0] / 255)
    assert ax.get_title(loc="left") == "y: 3 × 2"


def test_matrix_names_each_value_at_its_place():
    table = pd.DataFrame([[90.4, 20.0], [30.6, 80.0]], index=["a", "b"], columns=["a", "b"])
    (ax,) = plots.accuracy_matrices({"Linear": table}).axes
    found = {text.get_position(): text.get_text() for text in ax.texts}
    assert found == {(0.5, 0.5): "90", (1.5, 0.5): "20", (0.5, 1.5): "31", (1.5, 1.5): "80"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("tested on", "trained on")


def test_matrix_colours_and_names_follow_the_values():
    names = ["a", "npz:x/b.npz"]
    table = pd.DataFrame([[90.0, 20.0], [30.0, 40.0]], index=names, columns=names)
    fig = plots.accuracy_matrices({"Linear": table, "Mean": table.T})
    for ax, title, values in zip(fig.axes, ("Linear", "Mean"), (table, table.T), strict=True):
        np.testing.assert_array_equal(ax.collections[0].get_array(), values)
        low, high = ax.collections[0].get_clim()
        assert low == 0 and high >= 100
        assert ax.get_title(loc="left") == title
        assert labels_of(ax.xaxis) == labels_of(ax.yaxis) == ["a", "b"]
        weights = {text.get_text(): text.get_weight() for text in ax.texts}
        assert weights == {"90": "bold", "20": "normal", "30": "normal", "40": "bold"}


def test_matrices_of_different_size_and_shape_have_their_own_names():
    one = pd.DataFrame([[50.0]], index=["a"], columns=["a"])
    wide = pd.DataFrame([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]], index=["b", "a"], columns=["a", "b", "c"])
    fig = plots.accuracy_matrices({"one": one, "wide": wide})
    for ax, rows, columns in zip(fig.axes, ("a", "ba"), ("a", "abc"), strict=True):
        assert (labels_of(ax.yaxis), labels_of(ax.xaxis)) == (list(rows), list(columns))
        assert ax.get_yticks().tolist() == [row + 0.5 for row in range(len(rows))]
    bold = [text.get_text() for text in fig.axes[1].texts if text.get_weight() == "bold"]
    assert bold == ["20", "40"]  # a domain on itself, wherever that stands


def test_letters_stand_out_from_their_field():
    values = np.array([[3.0, 40.0, 50.0], [56.0, 65.0, 75.0], [85.0, 95.0, 100.0]])
    (ax,) = plots.accuracy_matrices({"Linear": pd.DataFrame(values, index=list("abc"), columns=list("abc"))}).axes
    fields = ax.collections[0].to_rgba(values.ravel())
    for text, field in zip(ax.texts, fields, strict=True):
        darker, lighter = sorted(relative_luminance(colour) for colour in (text.get_color(), field))
        assert (lighter + 0.05) / (darker + 0.05) > 2.2  # WCAG's contrast; dark letters alone fall to 1.6
