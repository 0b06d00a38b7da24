"""What is measured on images: against plain loops and toy cases with a known answer."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestCentroid

from igan_lib.data.domains import Domain, Split
from tools import domain_stats
from tools.domain_stats import (
    INK_LEVEL,
    class_means,
    fill_frame,
    grey_counts,
    grey_summary,
    ink_margins,
    sample,
    transfer_accuracy,
)

IMAGES = npst.arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(1), st.just(7), st.just(7)))


def rectangle(top, bottom, left, right, size=28):
    image = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    image[..., top : size - bottom, left : size - right] = 255
    return image


def plain_margins(image):
    ink = [(y, x) for y in range(7) for x in range(7) if image[0, y, x] > INK_LEVEL]
    ys, xs = [y for y, _ in ink], [x for _, x in ink]
    return [min(ys), 6 - max(ys), min(xs), 6 - max(xs)]


@given(IMAGES)
def test_ink_margins_are_those_of_a_plain_loop(images):
    inked = [image for image in images if (image > INK_LEVEL).any()]
    assert ink_margins(torch.from_numpy(images)).tolist() == [plain_margins(image) for image in inked]


def test_ink_in_any_channel_counts():
    images = torch.zeros(1, 3, 6, 6, dtype=torch.uint8)
    images[0, 0, 2, 1], images[0, 2, 4, 3] = 200, 200
    assert ink_margins(images).tolist() == [[2, 1, 1, 2]]


@given(IMAGES)
def test_grey_levels_are_numpys(images):
    counts = grey_counts(torch.from_numpy(images))
    np.testing.assert_array_equal(counts, np.bincount(images.ravel(), minlength=256))
    found = grey_summary(counts)
    expected = {
        "mean": images.mean(),
        "std": images.std(),
        "ink": 100 * (images > INK_LEVEL).mean(),
        "black": 100 * (images == 0).mean(),
    }
    assert found == pytest.approx(expected, abs=1e-5)


def test_counts_do_not_depend_on_how_many_values_are_taken_at_once(monkeypatch):
    monkeypatch.setattr(domain_stats, "_VALUES_AT_ONCE", 7)
    images = torch.arange(100, dtype=torch.uint8).view(4, 1, 5, 5)
    assert grey_counts(images).tolist() == [1] * 100 + [0] * 156


def test_the_ink_level_itself_is_no_ink():
    levels = [INK_LEVEL, INK_LEVEL + 1, INK_LEVEL + 1, 0]
    assert grey_summary(np.bincount(levels, minlength=256))["ink"] == 50


@settings(max_examples=20)
@given(*[st.integers(2, 9)] * 4)
def test_fill_frame_brings_the_ink_to_the_frame(top, bottom, left, right):
    filled = fill_frame(rectangle(top, bottom, left, right))
    margins = ink_margins(filled)[0]
    tall = 28 - top - bottom >= 28 - left - right
    along, across = (margins[:2], margins[2:]) if tall else (margins[2:], margins[:2])
    assert along.max() <= 1  # the longer side fills the frame
    assert abs(int(across[0] - across[1])) <= 1  # the shorter one is centred


@pytest.mark.parametrize("margins", [(4, 10, 11, 13), (11, 9, 3, 5), (7, 7, 7, 7)], ids=str)
def test_filling_keeps_the_proportions(margins):
    def extent(sides):
        top, bottom, left, right = sides
        return np.array([28 - top - bottom, 28 - left - right])

    before, after = extent(margins), extent(ink_margins(fill_frame(rectangle(*margins)))[0].tolist())
    np.testing.assert_allclose(after, 28 * before / before.max(), atol=2)


def test_fill_frame_leaves_what_is_blank_or_full():
    blank = torch.full((1, 1, 28, 28), 9, dtype=torch.uint8)
    full = rectangle(0, 0, 0, 0)
    full[..., 10:14, 10:14] = 50
    assert torch.equal(fill_frame(torch.cat([blank, full])), torch.cat([blank, full]))


def test_sample_draws_without_replacement_and_always_the_same():
    split = Split(torch.arange(50, dtype=torch.uint8).view(50, 1, 1, 1), torch.arange(50))
    drawn = sample(split, 20, seed=3)
    assert len(set(drawn.labels.tolist())) == 20
    assert drawn.labels.tolist() == sorted(drawn.labels.tolist())  # in the order of the data set
    assert torch.equal(drawn.images.flatten().long(), drawn.labels)
    assert torch.equal(sample(split, 20, seed=3).labels, drawn.labels)
    assert not torch.equal(sample(split, 20, seed=4).labels, drawn.labels)
    assert sample(split, 50) is split


def test_class_means():
    images = torch.tensor([0, 100, 7], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    means = class_means(Split(images, torch.tensor([0, 0, 2])), 3)
    assert means[0].unique().tolist() == [50] and means[2].unique().tolist() == [7] and means[1].isnan().all()


def two_tone(name, dark, bright):
    """Class 0 is dark, class 1 bright."""
    images = torch.tensor([dark, bright] * 5, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 1, 4, 4)
    images = (images + torch.arange(16, dtype=torch.uint8).view(4, 4) % 3).contiguous()
    split = Split(images, torch.tensor([0, 1] * 5))
    return Domain(name, split, split, ("dark", "bright"))


def test_transfer_accuracy_of_a_known_case():
    # Seen from `low` (0 and 100), both classes of `high` (120 and 250) are bright: half of them are right.
    low, high = two_tone("low", 0, 100), two_tone("high", 120, 250)
    table = transfer_accuracy([low, high], NearestCentroid(), n=10)
    assert table.loc["low", "low"] == table.loc["high", "high"] == 100
    assert table.loc["low", "high"] == table.loc["high", "low"] == 50


FITTED = []  # outside of the estimator, since a clone is made for each domain


class FirstLabel(BaseEstimator):
    """Notes what it was trained on; its answer is always the first label of that."""

    def fit(self, x, y):
        self.answer = y[0]
        FITTED.append((self, x, y))
        return self

    def score(self, x, y):
        return float((y == self.answer).mean())


def one_level(labels, level):
    return Split(torch.full((len(labels), 1, 2, 2), level, dtype=torch.uint8), torch.tensor(labels))


def test_rows_are_training_domains_and_both_splits_are_sampled():
    # The answer is 0 after training on `a`, 1 after `b`; the four test scores differ from each other.
    a = Domain("a", one_level([0] * 40, 51), one_level([0, 1, 1, 1] * 10, 102), ("x", "y"))
    b = Domain("b", one_level([1] * 40, 255), one_level([0] * 20 + [1] * 20, 204), ("x", "y"))
    given_one = FirstLabel()
    FITTED.clear()
    table = transfer_accuracy([a, b], given_one, n=8, seed=5)
    for trained, answer in (("a", 0), ("b", 1)):
        for other in (a, b):
            right = sample(other.test, 8, seed=5).labels == answer
            assert table.loc[trained, other.name] == 100 * right.double().mean().item()
    for (used, x, y), level in zip(FITTED, (0.2, 1.0), strict=True):
        assert used is not given_one and len(x) == len(y) == 8
        # Exact and in double precision: in single precision the solvers' answers depend on the number of threads.
        assert x.dtype == np.float64
        np.testing.assert_array_equal(x, np.full((8, 4), level))
