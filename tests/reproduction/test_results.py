"""The tidy frame of results, and comparisons of settings from it."""

import math

import pytest
from claim_makers import PROVENANCE, results
from method_makers import one_sentence

from igan_lib.errors import ConfigError
from igan_lib.experiment.presets import preset
from igan_lib.experiment.result import RunResult
from igan_lib.reproduction.results import COLUMNS, SECONDS, compare, frame, is_stale, setting, values, weighted_sum
from igan_lib.reproduction.studies import M_U, U_M


def run(value, method="igan", **settings):
    config = preset("mnist", "usps", method=method, **settings)
    metrics = {"target_accuracy": value, "map_target": value / 2}
    return RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance=PROVENANCE)


def test_one_row_a_run_and_metric():
    found = frame([run(90.0), run(91.0, seed=1), run(80.0, alpha=0.3)])
    assert list(found.columns) == COLUMNS and len(found) == 3 * 3
    assert found["setting"].nunique() == 2 and found[found["metric"] == "map_target"]["value"].tolist() == [
        45,
        45.5,
        40,
    ]
    assert found[found["metric"] == SECONDS]["value"].tolist() == [360.0] * 3
    assert found.loc[found["setting"] == setting(run(0, alpha=0.3).config), "preset"].eq(False).all()
    assert frame([]).columns.tolist() == COLUMNS


def test_a_setting_is_all_but_the_seed():
    a, b = preset("mnist", "usps", seed=3), preset("mnist", "usps", seed=4)
    assert setting(a) == setting(b) != setting(preset("mnist", "usps", seed=3, beta=0.5))


def test_two_results_of_one_setting_and_seed_are_refused():
    with pytest.raises(ConfigError) as caught:
        frame([run(90.0), run(91.0)])
    one_sentence(caught.value, "mnist -> usps", "seed 0", "delete")


def test_values_and_comparisons_are_by_seed():
    found = frame([*results("table1", "igan", M_U, [90.0, 92.0, 94.0]), *results("table1", "igan+", M_U, [91.0, 95.0])])
    plain, plus = preset(*M_U), preset(*M_U, method="igan+", seed=7)
    assert values(found, plain) == {0: 90.0, 1: 92.0, 2: 94.0}
    assert values(found, plain, "map_cross") == {} == values(found, preset(*U_M))
    better = compare(found, plus, plain, printed=2.0)
    assert better.values == {0: 1.0, 1: 3.0} and better.share == 1.0
    assert compare(found, plain, plus, printed=1.0, reason="other data").verdict == "not comparable"


def test_two_versions_of_a_method_are_never_compared():
    now = preset(*M_U)
    before = now.model_copy(update={"version": now.version + 1})
    assert now.hash8 != before.hash8 and is_stale(run(1.0).model_copy(update={"config": before, "hash": before.hash8}))
    for other in (before, preset(*M_U, profile="quick")):
        with pytest.raises(ConfigError) as caught:
            compare(frame([]), now, other)
        one_sentence(caught.value, "one version of igan")
    assert compare(frame([]), now, preset(*M_U, method="uh-bdnn")).n == 0  # two methods have versions of their own


def test_a_weighted_sum_takes_the_seeds_that_all_have():
    assert weighted_sum([(1, {0: 5.0, 1: 6.0}), (-2, {1: 1.0, 2: 9.0})]) == {1: 4.0}
    assert weighted_sum([]) == {} and math.isclose(weighted_sum([(0.5, {0: 3.0})])[0], 1.5)
