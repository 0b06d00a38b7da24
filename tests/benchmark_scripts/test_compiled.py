"""What is measured of a way to compile: the same method is not apart, another is, and a failure is a sentence."""

import pytest
from benchmark_makers import SCRIPTS, load_benchmark


@pytest.fixture(scope="module")
def compiled():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))  # it imports from run.py beside it
        script = load_benchmark("compiled", patch)
        patch.setattr(script, "STEPS", 2)
        yield script, script.losses_of(script.new_method(script.CPU), 2)


def test_losses_of_the_same_step_are_not_apart_and_those_of_another_are(compiled):
    script, expected = compiled
    same = script.measure(lambda: script.new_method(script.CPU), expected, 1)
    other = script.measure(lambda: script.new_method(script.CPU, chi=1.0, learning_rate=1e-2), expected, 1)
    assert same["apart"] == 0 < other["apart"] and same["of_the_time"] > 0


def test_a_way_that_fails_is_not_measured(compiled):
    script, expected = compiled

    def fails():
        raise RuntimeError("no compiler\nmore")

    assert script.measure(fails, expected, 1) == "not measured: no compiler"
