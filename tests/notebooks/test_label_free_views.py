"""What notebook 10 says of the measures without labels: numbers of a table made by hand."""

import pandas as pd
import pytest

from igan_lib.photos.label_free import NAMES
from tools.label_free_views import GROUP, correlations, draw_how_well, how_well


def row(setting, seed, accuracy, value, pair="amazon-webcam"):
    return [pair, "efficientnet_lite2", "cpu", "igan", setting, seed, accuracy, *[value] * len(NAMES)]


def table(rows):
    return pd.DataFrame(rows, columns=[*GROUP, "seed", "accuracy", *NAMES])


def test_the_numbers_of_a_table_made_by_hand():
    rows = []
    # Within "a" the measure ranks the seeds as the accuracy does, within "b" the other way round; of the means, b's
    # accuracy and measure are higher, c's the highest accuracy with the lowest measure.
    values = {"a": [(70, 1), (71, 2), (75, 3)], "b": [(80, 9), (81, 8), (82, 7)], "c": [(90, 0), (90, 0), (90, 0)]}
    for setting, pairs in values.items():
        rows += [row(setting, n, *pair) for n, pair in enumerate(pairs)]
    found = correlations(table(rows)).set_index("measure").loc["density"]
    assert found["over seeds"] == pytest.approx(0)  # 1 and -1; "c" has none
    assert found["over settings"] == pytest.approx(-0.5)  # ranks 1, 2, 3 and 2, 3, 1
    assert found["best seed chosen"] == pytest.approx(2 / 3)
    assert found["over the mean seed"] == pytest.approx(((75 - 72) + (80 - 81) + 0) / 3)
    assert found["with labels"] == pytest.approx(((75 - 72) + (82 - 81) + 0) / 3)


def test_a_single_seed_has_no_agreement_to_judge():
    rows = []
    for setting, value in (("a", 0.2), ("b", 0.3)):
        rows.append([*row(setting, 0, 100 * value, value)[:-1], None])
    found = correlations(table(rows)).set_index("measure")
    assert found.loc["density", "over settings"] == pytest.approx(1) and found.loc["seeds"].isna().sum() == 5


def test_the_table_has_means_over_pairs_and_a_line_of_chance():
    rows = [row("a", n, *pair) for n, pair in enumerate([(70, 1), (71, 2), (75, 3)])]
    rows += [row("a", n, *pair, "webcam-amazon") for n, pair in enumerate([(50, 9), (52, 8), (52, 7)])]
    found = how_well(table(rows))
    assert list(found.index) == [*NAMES.values(), "by lot"]
    density = found.loc["soft neighbourhood density"]
    assert density["over seeds"] == pytest.approx((1 - 0.8660) / 2, abs=0.005)  # ranks 1, 2.5, 2.5 against 3, 2, 1
    assert density["best seed chosen"] == pytest.approx(50)
    assert density["over the mean seed"] == pytest.approx((3 - 4 / 3) / 2, abs=0.005)
    assert found.loc["by lot", "best seed chosen"] == pytest.approx(50)  # one of three, and two of three


def test_the_figure_has_a_panel_a_measure_and_a_point_a_setting():
    rows = [row(setting, n, 70 + n, n) for setting in "ab" for n in range(3)]
    rows += [row("a", n, 60 + n, n, "webcam-amazon") for n in range(3)]
    fig = draw_how_well(table(rows))
    assert len(fig.axes) == len(NAMES)
    for ax in fig.axes:
        assert [line.get_xydata().tolist() for line in ax.lines] == [[[1, 71], [1, 71]], [[1, 61]]]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["amazon → webcam", "webcam → amazon"]
