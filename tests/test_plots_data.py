"""The figures of the data sets draw what they were given."""

import numpy as np
import pandas as pd
import pytest
import torch

from igan_lib import plots_data as plots
from igan_lib.domains import Domain, Split
from igan_lib.style import use_style


@pytest.fixture(autouse=True)
def style():
    use_style()


@pytest.fixture
def domain():
    images = (torch.arange(12, dtype=torch.uint8) * 20).view(12, 1, 1, 1).expand(12, 1, 4, 4).contiguous()
    split = Split(images, torch.arange(12) % 3)
    return Domain("npz:some/three.npz", split, split, ("a", "b", "c"))


def test_samples_stand_under_their_class(domain):
    (ax,) = plots.samples_by_class([domain], per_class=2).axes
    picture = ax.images[0].get_array()
    for label in range(3):
        for row in range(2):
            grey = domain.train.images[domain.train.labels == label][row, 0] / 255
            np.testing.assert_allclose(picture[row * 4 : row * 4 + 4, label * 4 : label * 4 + 4], grey)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b", "c"]
    assert ax.get_title(loc="left") == "three"


def test_shares_are_bars_and_dots():
    ax = plots.class_shares({"mnist": ([60, 40], [55, 45])}, ("a", "b")).axes[0]
    assert [bar.get_height() for bar in ax.patches] == [60, 40]
    assert ax.lines[0].get_ydata().tolist() == [55, 45]


def test_histogram_lines_are_shares_of_the_bins():
    counts = np.zeros(256)
    counts[[0, 10, 255]] = 1, 2, 1
    ax = plots.grey_histograms({"mnist": counts, "usps": counts[::-1]}, bins=4).axes[0]
    assert [stairs.get_data().values.tolist() for stairs in ax.patches] == [[75, 0, 0, 25], [25, 0, 0, 75]]


def test_third_row_is_the_difference_of_the_first_two():
    a, b = np.full((2, 1, 3, 3), 200.0), np.full((2, 1, 3, 3), 50.0)
    fig = plots.class_means_compared({"mnist": a, "usps": b}, ("x", "y"))
    values = [ax.images[0].get_array().mean() for ax in fig.axes[:6]]
    np.testing.assert_allclose(values, [200 / 255] * 2 + [50 / 255] * 2 + [150] * 2)


def test_box_stands_where_the_margins_say():
    fig = plots.mean_images_with_boxes({"mnist": np.zeros((1, 28, 28))}, {"mnist": [4, 5, 6, 7]})
    (ax,) = fig.axes
    box = ax.patches[0]
    assert (*box.get_xy(), box.get_width(), box.get_height()) == (5.5, 3.5, 15, 19)
    assert ax.get_title(loc="left") == "mnist: 19 × 15"


def test_matrix_names_each_value_at_its_place():
    table = pd.DataFrame([[90.4, 20.0], [30.6, 80.0]], index=["a", "b"], columns=["a", "b"])
    (ax,) = plots.accuracy_matrices({"Linear": table}).axes
    found = {text.get_position(): text.get_text() for text in ax.texts}
    assert found == {(0, 0): "90", (1, 0): "20", (0, 1): "31", (1, 1): "80"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("tested on", "trained on")
