"""Means, intervals and verdicts against scipy and the rules of the tables."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from igan_lib.errors import ConfigError
from igan_lib.experiment.run import RunResult, preset
from igan_lib.reproduction.paper import TABLE1, TABLE4
from igan_lib.reproduction.tables import is_stale, read_results, summary, summary_lines, t_interval, verdict

PERCENT = st.floats(min_value=0, max_value=100)


def result(seed: int, accuracy: float, source: str = "mnist", target: str = "usps", **settings) -> RunResult:
    config = preset(source, target, seed=seed, **settings)
    metrics = {"target_accuracy": accuracy, "source_only_accuracy": accuracy - 10}
    return RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance={})


@given(st.lists(PERCENT, min_size=3, max_size=9).filter(lambda values: np.std(values) > 1e-6))
def test_t_interval_is_scipys(values):
    mean, low, high = t_interval(values)
    expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    assert mean == pytest.approx(np.mean(values))
    assert (low, high) == pytest.approx(expected)


@pytest.mark.parametrize("values", [[90.0], [88.0, 92.0]])
def test_t_interval_of_one_value_or_two_has_no_ends(values):
    mean, low, high = t_interval(values)
    assert mean == 90.0 and math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize(
    ("n", "low", "high", "paper", "expected"),
    [
        (5, 96.0, 97.0, 96.8, "reproduced"),
        (5, 97.0, 98.0, 96.8, "reproduced"),
        (5, 95.0, 96.0, 96.8, "not reproduced"),
        (5, 94.0, 98.0, 96.8, "reproduced"),
        (5, 93.9, 98.0, 96.8, "undecided"),
        (5, 97.0, 109.0, 96.8, "reproduced"),
        (5, 62.0, 95.0, 96.8, "not reproduced"),
        (4, 96.0, 97.0, 96.8, "too few seeds"),
        (1, math.nan, math.nan, 96.8, "too few seeds"),
        (5, 96.0, 97.0, None, "no comparable number in the paper"),
    ],
)
def test_verdict(n, low, high, paper, expected):
    assert verdict(n, low, high, paper) == expected


def test_a_baseline_far_above_the_paper_does_not_reproduce_it():
    assert verdict(5, 91.0, 92.0, 61.8, at_least=False) == "above the paper"
    assert verdict(5, 91.0, 92.0, 91.0, at_least=False) == "reproduced"
    assert verdict(5, 91.0, 92.0, 92.1, at_least=False) == "not reproduced"
    assert verdict(4, 91.0, 92.0, 61.8, at_least=False) == "too few seeds"


def test_summary_groups_by_method_and_pair():
    values = [96.0, 96.5, 97.0, 96.2, 96.4]
    results = [result(seed, value) for seed, value in enumerate(values)]
    results += [result(0, 98.0, "usps", "mnist"), result(0, 85.0, method="source-only")]
    table = summary(results, "cpu").set_index(["method", "column"])
    row = table.loc["igan", "mnist->usps"]
    assert (row["n"], row["mean"], row["paper"]) == (5, pytest.approx(np.mean(values)), TABLE1["IGAN"]["mnist->usps"])
    assert row["delta"] == pytest.approx(np.mean(values) - 96.8)
    assert row["verdict"] == "reproduced"
    assert table.loc["igan", "usps->mnist"]["verdict"] == "too few seeds"
    assert table.loc["source-only", "mnist->usps"]["verdict"] == "no comparable number in the paper"


def test_summary_mixes_neither_profiles_nor_trial_settings():
    trial = result(1, 10.0, alpha=7.5)
    assert is_stale(trial) and not is_stale(result(1, 10.0))
    table = summary([result(0, 96.0), result(0, 20.0, profile="smoke"), trial], "cpu")
    assert table["n"].tolist() == [1] and table["mean"].tolist() == [96.0]


def test_summary_refuses_a_seed_that_is_there_twice():
    with pytest.raises(ConfigError, match="two of igan-mnist-usps"):
        summary([result(0, 96.0), result(0, 97.0)], "cpu")


def test_summary_of_another_metric_has_no_number_of_the_paper():
    table = summary([result(seed, 90.0 + seed) for seed in range(5)], "cpu", "source_only_accuracy")
    assert table["mean"].tolist() == [82.0] and table["verdict"].tolist() == ["no comparable number in the paper"]


def test_summary_refuses_a_metric_that_no_result_has():
    with pytest.raises(ConfigError, match="source_only_accuracy, target_accuracy, found 'accuracy'"):
        summary([result(0, 96.0)], "cpu", "accuracy")
    assert summary([], "cpu", "map_target").empty


def test_markdown_shows_missing_cells_as_missing():
    lines = summary_lines(summary([result(0, 96.04)], "cpu")).splitlines()
    assert lines[2] == "| igan | mnist → usps | 1 | 96.0 |  | 96.8 | -0.8 | too few seeds |"


def test_read_results_reports_a_damaged_file_and_reads_the_others(tmp_path):
    whole = result(0, 96.0)
    (tmp_path / "a.json").write_text(whole.model_dump_json())
    (tmp_path / "b.json").write_text(whole.model_dump_json()[:100])
    results, damaged = read_results(tmp_path)
    assert results == [whole]
    assert len(damaged) == 1 and "b.json" in damaged[0] and "delete the file" in damaged[0]


def test_the_last_row_of_table_4_is_that_of_table_1():
    assert TABLE4["c", "s", "h", "a", "1"] == TABLE1["IGAN"]
