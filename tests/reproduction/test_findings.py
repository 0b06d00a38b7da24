"""What is said of a difference follows its interval."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igan_lib.experiment.run import RunResult
from igan_lib.reproduction.findings import finding, findings
from igan_lib.reproduction.studies import TABLE4, TABLE4_PLAIN
from igan_lib.reproduction.study_tables import paired_differences

COLUMNS = ["method", "column", "n", "mean", "low", "high", "paper"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1.04, 0.5, 1.6, 3), "too few seeds, +1.0 (+0.5 to +1.6) n=3"),
        ((-2.0, -3.0, -1.0, 5), "lower, -2.0 (-3.0 to -1.0) n=5"),
        ((0.3, -0.1, 0.7, 4), "too few seeds, +0.3 (-0.1 to +0.7) n=4"),
        ((0.3, 0.0, 0.6, 5), "not shown, +0.3 (+0.0 to +0.6) n=5"),
        ((0.3, math.nan, math.nan, 1), "one seed, +0.3"),
        ((0.6, 0.5, 0.7, 2), "two seeds, +0.6"),
        ((0.6, 0.5, 0.7, 3), "too few seeds, +0.6 (+0.5 to +0.7) n=3"),
        ((0.6, 0.5, 0.7, 5), "higher, +0.6 (+0.5 to +0.7) n=5"),
        ((math.nan, math.nan, math.nan, 0), "not run"),
    ],
)
def test_a_difference_is_called_what_its_interval_shows(arguments, text):
    assert finding(*arguments) == text


@given(st.floats(-50, 50), st.floats(0.01, 50), st.integers(3, 9))
def test_a_sign_turned_round_turns_higher_into_lower(mean, half, n):
    there, back = (finding(m, m - half, m + half, n).partition(",")[0] for m in (mean, -mean))
    if n < 5:
        assert there == back == "too few seeds"
    else:
        assert {"higher": "lower", "lower": "higher", "not shown": "not shown"}[there] == back
        assert (there == "higher") == (mean - half > 0)


def test_tables_stand_side_by_side_by_loss_and_pair():
    first = pd.DataFrame(
        [["L_c+L_s", "a->b", 5, 1.0, 0.5, 1.5, 2.04], ["L_c+L_s+L_a", "a->b", 0, *[math.nan] * 4]], columns=COLUMNS
    )
    second = first.assign(mean=-1.0, low=-2.0, high=-0.5, n=5, paper=math.nan)[::-1]
    found = findings({"with": first, "without": second})
    assert found.loc[("L_s", "a → b")].tolist() == [
        "higher, +1.0 (+0.5 to +1.5) n=5",
        "lower, -1.0 (-2.0 to -0.5) n=5",
        "+2.0",
    ]
    assert found.loc[("L_a", "a → b")].tolist() == ["not run", "lower, -1.0 (-2.0 to -0.5) n=5", ""]
    assert "paper" not in findings({"without": second})


def run_of(study, row, pair, seed, value):
    config = study.config(row, pair, seed, "cpu")
    metrics = {"target_accuracy": value}
    return RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance={"seconds": 1.0})


def test_the_ablation_s_findings_come_from_its_runs():
    results = []
    for study, gain in ((TABLE4, 0.0), (TABLE4_PLAIN, 8.0)):
        for seed in range(5):
            for place, row in enumerate(study.rows):
                value = 80.0 + seed + (gain + 0.1 * seed if place >= 3 else 0.0)
                results.append(run_of(study, row, ("mnist", "usps"), seed, value))
    found = findings({s.name: paired_differences(s, results, "cpu") for s in (TABLE4, TABLE4_PLAIN)})
    assert found.index.get_level_values("added").unique().tolist() == ["L_s", "L_h", "L_a", "L_1"]
    line = found.loc[("L_a", "mnist → usps")]
    assert line["table4"].startswith("higher, +0.2")
    assert line["table4-no-batch-norm"].startswith("higher, +8.2")
    assert found.loc[("L_s", "mnist → usps"), "paper"] == "+4.0"
    assert found.loc[("L_a", "usps → mnist"), "table4"] == "not run"
