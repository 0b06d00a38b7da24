"""Times in the texts come from the records, and a record that is missing is named."""

import json

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from method_makers import one_sentence

from igan_lib.errors import ConfigError
from igan_lib.experiment.run import RunResult, preset
from igan_lib.reproduction.durations import notebook_seconds, preset_seconds, spoken, step_milliseconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "5 s"), (7.4, "5 s"), (8, "10 s"), (87.6, "90 s"), (97.4, "95 s"), (97.6, "1.5 min"), (133, "2 min")),
        *((360, "6 min"), (3584, "59.5 min"), (3585, "1 h"), (9000, "2.5 h")),
    ],
)
def test_a_time_is_told_to_a_precision_that_one_plans_by(seconds, text):
    assert spoken(seconds) == text


@given(st.floats(5, 1e6))
def test_what_is_told_is_within_a_third_of_the_time(seconds):
    number, unit = spoken(seconds).split()
    assert abs(float(number) * {"s": 1, "min": 60, "h": 3600}[unit] - seconds) <= max(2.5, seconds / 3)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_what_is_no_time_is_refused(seconds):
    with pytest.raises(ConfigError) as caught:
        spoken(seconds)
    one_sentence(caught.value, str(seconds))


def write_copy(folder, **metadata):
    path = folder / "04_table1_digits.ipynb"
    nbformat.write(nbformat.v4.new_notebook(metadata=metadata), path)
    return path


def test_a_notebook_s_time_is_what_papermill_noted(tmp_path):
    assert notebook_seconds(write_copy(tmp_path, papermill={"duration": 12.5})) == 12.5


@pytest.mark.parametrize("metadata", [{}, {"papermill": {"duration": None}}])
def test_a_copy_without_a_time_is_named(tmp_path, metadata):
    path = write_copy(tmp_path, **metadata)
    with pytest.raises(ConfigError) as caught:
        notebook_seconds(path)
    one_sentence(caught.value, str(path), "notebooks/04_table1_digits.ipynb")


def test_a_missing_copy_is_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        notebook_seconds(tmp_path / "04_table1_digits.ipynb")
    one_sentence(caught.value, "found none at", "python -m igan_lib notebook")


def timed(seconds, source="mnist", target="usps", **settings):
    config = preset(source, target, **settings)
    return RunResult(
        config=config, hash=config.hash8, metrics={}, history=[], provenance={"seconds": seconds, "commit": "0" * 40}
    )


def test_a_run_s_time_is_the_median_of_its_preset_s_runs_alone():
    others = [timed(900.0, alpha=7.0), timed(900.0, method="igan+"), timed(900.0, profile="quick")]
    others += [timed(900.0, "usps", "mnist"), timed(900.0, "mnist", "digits")]
    own = [timed(seconds, seed=seed) for seed, seconds in enumerate((200.0, 800.0, 220.0))]
    assert preset_seconds(others + own, "igan", "mnist", "usps", "cpu") == 220.0


def test_runs_that_are_missing_are_named():
    with pytest.raises(ConfigError) as caught:
        preset_seconds([timed(1.0)], "igan+", "mnist", "usps", "cpu")
    one_sentence(caught.value, "igan+", "mnist -> usps", "cpu")


def test_a_step_is_told_by_size_where_it_was_measured(tmp_path):
    assert step_milliseconds(tmp_path) == {}
    by_size = {"28 pixels, batches of 100, lenet": {"L_c": 50.5}}
    (tmp_path / "benchmarks.json").write_text(json.dumps({"cpu": {"step": {"step_ms": 1.0}, "losses_ms": by_size}}))
    assert step_milliseconds(tmp_path) == by_size
