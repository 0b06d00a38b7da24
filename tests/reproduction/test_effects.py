"""The rules for one effect at their edges, and what an effect is taken from."""

import math

import numpy as np
import pytest
from claim_makers import results
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from igan_lib.reproduction.effects import VERDICTS, Effect, Evidence, readable
from igan_lib.reproduction.paper_claims import Step
from igan_lib.reproduction.studies import M_U, U_M


def spread(mean, step):
    """Five values whose 95 % interval is mean ± 1.963 step."""
    return tuple(mean + step * place for place in (-2, -1, 0, 1, 2))


HALF = stats.t.ppf(0.975, 4) * math.sqrt(2.5) / math.sqrt(5)


@pytest.mark.parametrize(
    ("values", "printed", "expected"),
    [
        ((), 1.0, "not run"),
        ((5.0,), 1.0, "too few seeds"),
        ((5.0,) * 4, 1.0, "too few seeds"),
        ((5.0,) * 5, 1.0, "reproduced"),  # below the interval
        ((1.0,) * 5, 1.0, "reproduced"),
        ((1.0,) * 5, 1.001, "direction only"),
        ((0.0,) * 5, None, "not reproduced"),
        ((0.001,) * 5, None, "reproduced"),
        (spread(1, 1 / HALF * 0.99), 1.0, "reproduced"),  # the interval begins just above zero
        (spread(1, 1 / HALF * 1.01), 1.0, "undecided"),  # and just below: it holds zero and what is claimed
        (spread(1, 1 / HALF * 1.01), None, "undecided"),
        (spread(0.2, 0.5), 0.2 + 0.5 * HALF - 0.01, "undecided"),
        (spread(0.2, 0.5), 0.2 + 0.5 * HALF + 0.01, "not reproduced"),  # it holds zero and not what is claimed
        (spread(-0.2, 0.5), None, "undecided"),
        (spread(-1, 1 / HALF * 0.99), None, "not reproduced"),  # it ends just below zero
        (spread(9, 2.01 / HALF), 9.0, "direction only"),  # so wide that it holds the printed number by chance
        (spread(9, 1.99 / HALF), 9.0, "reproduced"),
        (spread(9, 2.01 / HALF), 6.0, "reproduced"),  # below the interval
        (spread(3, 0.5), 3 + 0.5 * HALF - 0.01, "reproduced"),  # the printed number just inside
        (spread(3, 0.5), 3 + 0.5 * HALF + 0.01, "direction only"),  # and just above
        ((-5.0,) * 5, 1.0, "not reproduced"),
        # a deficit that the paper concedes
        ((-1.0,) * 5, -1.0, "reproduced"),
        ((-1.001,) * 5, -1.0, "not reproduced"),
        (spread(-2, 0.5), -2 + 0.5 * HALF - 0.01, "reproduced"),
        (spread(-2, 0.5), -2 + 0.5 * HALF + 0.01, "not reproduced"),
        ((2.0,) * 5, -1.0, "reproduced"),  # no deficit at all
        ((-10.0, 5.0, -20.0, 3.0, -30.0), -1.0, "undecided"),
    ],
)
def test_verdict_at_its_edges(values, printed, expected):
    assert Effect("x", values, printed).verdict == expected
    limited = Effect("x", values, printed, limit="other conditions: b").verdict
    assert limited == ("direction only" if expected == "reproduced" else expected)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(-20, 20), min_size=5, max_size=8),
    st.one_of(st.none(), st.floats(-5, 20)),
    st.floats(0, 10),
)
def test_more_is_never_worse(values, printed, more):
    lower, higher = (Effect("x", tuple(v + plus for v in values), printed).verdict for plus in (0, more))
    assert VERDICTS.index(lower) <= VERDICTS.index(higher)


def test_interval_is_students():
    values = (1.0, 2.5, 2.0, 4.0, 3.5)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert Effect("x", values).interval == pytest.approx((np.mean(values), low, high))
    assert all(map(math.isnan, Effect("x").interval))


def test_an_effect_as_text():
    effect = Effect("a over b", spread(1, 0.5), 0.3, "other conditions: b")
    low, high = 1 - 0.5 * HALF, 1 + 0.5 * HALF
    assert str(effect) == f"a over b: +1.00 ({low:+.2f} to {high:+.2f}), n = 5, paper +0.30, other conditions: b"
    assert str(Effect("a over b", (1.0,))) == "a over b: +1.00, n = 1"
    assert str(Effect("a over b", reason="no runs")) == "a over b: not run, no runs"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (spread(3, 0.5), "direction only"),  # of more than nothing, be it more than printed or less
        (spread(9, 0.5), "direction only"),
        (spread(0.2, 0.5), "undecided"),  # and not excluded, though the interval ends below the printed number
        (spread(-0.2, 0.5), "undecided"),
        (spread(-3, 0.5), "not reproduced"),
    ],
)
def test_a_printed_difference_that_no_result_could_reach_leaves_the_sign(values, expected):
    effect = Effect("a over b", values, 5.8, room=5.79)
    assert effect.verdict == expected == Effect("a over b", values, limit="sign").verdict
    assert str(effect).endswith("paper +5.80, the other row leaves 5.8 points, less than printed")
    enough = Effect("a over b", values, 5.8, room=5.8)
    assert enough.limits == "" and enough.verdict == Effect("a over b", values, 5.8).verdict


def test_how_narrowly_a_printed_difference_is_reached_is_told():
    high = 3 + 0.5 * HALF
    assert str(Effect("x", spread(3, 0.5), high - 0.0071)).endswith(f"paper {high - 0.0071:+.2f} (reached by 0.007)")
    assert "reached" not in str(Effect("x", spread(3, 0.5), high - 0.0501))
    assert "reached" not in str(Effect("x", spread(3, 0.5), high + 0.001))


def test_columns_as_text():
    assert readable("mnist->usps") == "on mnist → usps"
    assert readable("npz:a/svhn7k.npz->mnist", "a->b", "c->d") == "on average over svhn7k → mnist, a → b and c → d"


def test_differences_are_means_over_columns_of_the_seeds_that_all_cells_have():
    found = results("table1", "igan", M_U, [90, 92, 94, 96]) + results("table1", "igan", U_M, [80, 81, 82])
    found += results("table1", "source-only", M_U, [70, 71, 72]) + results("table1", "source-only", U_M, [50, 60, 70])
    del found[4]  # igan, usps -> mnist, seed 0
    step = Step("igan", "source-only")
    evidence = Evidence(found)
    assert evidence.differences("table1", step, ["mnist->usps"]) == {0: 20, 1: 21, 2: 22}
    assert evidence.differences("table1", step, ["mnist->usps", "usps->mnist"]) == {
        1: (21 + 81 - 60) / 2,
        2: (22 + 82 - 70) / 2,
    }
    assert evidence.differences("table1", step, ["mnist->usps", "svhn->mnist"]) == {}


def test_runs_of_another_profile_or_setting_do_not_count():
    found = results("table1", "igan", M_U, [90], profile="quick") + results("table1", "igan", M_U, [90, 91], alpha=0.7)
    assert Evidence(found).values("table1", "igan", "mnist->usps") == {}
    assert Evidence(found, "quick").values("table1", "igan", "mnist->usps") == {0: 90}
