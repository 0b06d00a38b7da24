"""The colour of letters on a coloured ground."""

import matplotlib as mpl
import pytest

from igan_lib.plots.style import INK, luminance, text_colour


@pytest.mark.parametrize(
    ("colour", "expected"),
    # Primaries: the weights of the definition. #777777 has a contrast of 4.48 with white by WCAG's own examples.
    [
        ("black", 0),
        ("white", 1),
        ("#ff0000", 0.2126),
        ("#00ff00", 0.7152),
        ("#0000ff", 0.0722),
        ("#777777", 1.05 / 4.48 - 0.05),
    ],
)
def test_luminance_is_that_of_the_definition(colour, expected):
    assert luminance(colour) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", ["Blues", "RdBu_r", "gray"])
def test_letters_stand_out_from_any_colour_of_a_map(name):
    for ground in mpl.colormaps[name](range(256)):
        letters, bright = luminance(text_colour(ground)), luminance(ground)
        darker, lighter = sorted((letters, bright))
        assert (lighter + 0.05) / (darker + 0.05) > 2.5  # WCAG's contrast; dark letters alone fall to 1.0
    assert {text_colour(ground) for ground in mpl.colormaps[name](range(256))} == {INK, "white"}


def test_letters_on_the_middle_blue_of_a_heat_map_are_white():
    assert text_colour("#4a98c9") == "white" and text_colour("#94c4df") == INK
