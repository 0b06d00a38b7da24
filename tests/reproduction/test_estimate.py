"""An estimate: its intervals against textbook formulas, its verdicts at their edges, how often a true one passes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from igan_lib.reproduction.estimate import VERDICTS, WIDE, Estimate

SPREAD = (-2, -1, 0, 1, 2)
PREDICTED = stats.t.ppf(0.975, 4) * math.sqrt(2.5) * math.sqrt(1 + 1 / 5)  # half the interval of five values of SPREAD
MEAN = stats.t.ppf(0.975, 4) * math.sqrt(2.5) / math.sqrt(5)


def five(mean, step=1.0):
    return {seed: mean + step * place for seed, place in enumerate(SPREAD)}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=3, max_size=20))
def test_intervals_are_those_of_scipy(values):
    found = Estimate(dict(enumerate(values)))
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    if np.std(values) < 1e-6:
        return
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    assert found.interval == pytest.approx((low, high), abs=1e-6)
    further = np.std(values, ddof=1) * math.sqrt(1 + 1 / len(values))
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=further)
    assert found.predicted == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("n", [5, 20, 50])
def test_a_true_replication_passes_95_times_in_100_at_any_number_of_seeds(n):
    """The printed number is one further run of the same distribution; the mean's interval would miss it."""
    rng = np.random.default_rng(n)
    runs = rng.normal(96, 0.4, (20_000, n + 1))
    passed = fails_by_the_mean = 0
    for *own, printed in runs[:6000].tolist():
        found = Estimate(dict(enumerate(own)), printed)
        passed += found.verdict == "reproduced"
        low, high = found.interval
        fails_by_the_mean += not low <= printed <= high
    assert passed / 6000 == pytest.approx(0.95, abs=0.01)
    assert fails_by_the_mean / 6000 > 0.3


@pytest.mark.parametrize("n", [5, 20])
def test_so_does_a_true_difference(n):
    rng = np.random.default_rng(n)
    passed = 0
    for *own, printed in rng.normal(4, 0.5, (6000, n + 1)).tolist():
        passed += Estimate(dict(enumerate(own)), printed, "difference").verdict in ("reproduced", "undecided")
    assert passed / 6000 == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (Estimate({}, 96.0), "not run"),
        (Estimate({}, 96.0, reason="another backbone"), "not run"),
        (Estimate(five(96), 96.0, reason="another backbone"), "not comparable"),
        (Estimate(five(96)), ""),  # the paper prints nothing
        (Estimate(dict(list(five(96).items())[:4]), 96.0), "undecided"),  # four seeds
        (Estimate(five(96), 96.0 + 0.999 * PREDICTED), "reproduced"),
        (Estimate(five(96), 96.0 + 1.001 * PREDICTED), "below"),
        (Estimate(five(96), 96.0 - 0.999 * PREDICTED), "reproduced"),
        (Estimate(five(96), 96.0 - 1.001 * PREDICTED), "above"),
        (Estimate(five(90, 1.01 * WIDE / PREDICTED), 90.0), "undecided"),  # too wide to tell
        (Estimate(five(90, 0.99 * WIDE / PREDICTED), 90.0), "reproduced"),
        (Estimate(five(90, 1.01 * WIDE / PREDICTED), 70.0), "above"),  # wide, but the number is out of it
        # a difference: no effect is inside too
        (Estimate(five(1, 1.01 / PREDICTED), 1.0, "difference"), "undecided"),
        (Estimate(five(1, 0.99 / PREDICTED), 1.0, "difference"), "reproduced"),
        (Estimate(five(0.1, 0.01), 5.8, "difference"), "below"),
        (Estimate(five(-1.4, 0.2), -1.0, "difference"), "reproduced"),  # a deficit that the paper concedes
        # a direction alone: the interval of the mean decides
        (Estimate(five(1, 0.99 / MEAN), kind="direction"), "reproduced"),
        (Estimate(five(1, 1.01 / MEAN), kind="direction"), "undecided"),
        (Estimate(five(-1, 0.99 / MEAN), kind="direction"), "below"),
        (Estimate({0: 5.0}, kind="direction"), "undecided"),
    ],
)
def test_verdicts_at_their_edges(estimate, verdict):
    assert estimate.verdict == verdict
    assert not verdict or verdict in VERDICTS


@pytest.mark.parametrize(
    ("mean", "printed", "share"),
    [(2.0, 4.0, 0.5), (8.0, 4.0, 2.0), (-2.0, 4.0, None), (2.0, -4.0, None), (-2.0, -4.0, None), (2.0, 0.0, None)],
)
def test_only_a_gain_has_a_share_and_only_of_a_gain(mean, printed, share):
    found = Estimate({0: mean}, printed, "difference")
    assert math.isnan(found.share) if share is None else found.share == share
    assert ("% of it" in str(found)) == (share is not None)
    assert math.isnan(Estimate({0: mean}, None, "difference").share)


def test_a_difference_is_paired_and_keeps_what_is_printed_for_both():
    row, base = Estimate({0: 90.0, 1: 92.0, 3: 99.0}, 96.1), Estimate({0: 88.0, 1: 91.0, 2: 50.0}, 90.3)
    found = row - base
    assert found.values == {0: 2.0, 1: 1.0} and found.kind == "difference"
    assert found.printed == pytest.approx(5.8) and found.share == pytest.approx(1.5 / 5.8)
    assert (row - Estimate({0: 1.0})).printed is None
    assert (Estimate({0: 1.0}, reason="a") - Estimate({0: 1.0}, reason="b")).reason == "a"


def test_few_seeds_have_no_interval():
    for values in ({}, {0: 1.0}, {0: 1.0, 1: 2.0}):
        assert all(map(math.isnan, (*Estimate(values).interval, *Estimate(values).predicted)))
    assert math.isnan(Estimate({}).mean) and Estimate({3: 7.0}).mean == 7.0


def test_as_text():
    assert str(Estimate({}, 1.0)) == "not run"
    assert str(Estimate({0: 91.24}, 96.8)) == "91.2, n = 1, paper 96.8"
    assert str(Estimate(five(4, 0.5), 4.0, "difference")) == "+4.0 (+3.0 to +5.0), n = 5, paper +4.0, 100 % of it"
