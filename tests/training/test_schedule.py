"""The schedule: its factors' values, that the trainer gives them to the method, and that stages start anew."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from method_makers import make_pair
from pydantic import ValidationError

from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN, ramp
from igan_lib.training.fit import fit
from igan_lib.training.schedule import Schedule, cosine_decay

SHARES = st.floats(0, 1)
SMALL = {"code_length": 8, "generator_width": 2, "discriminator_width": 2}


@given(SHARES)
def test_values_are_those_of_other_forms_of_the_formulas(p):
    assert ramp(p) == pytest.approx(math.tanh(5 * p), abs=1e-12)  # 2 / (1 + e^-2x) - 1 is tanh x
    assert cosine_decay(p) == pytest.approx(math.cos(math.pi * p / 2) ** 2, abs=1e-12)


@given(SHARES, SHARES)
def test_one_grows_and_the_other_falls(p, q):
    low, high = sorted((p, q))
    assert 0 <= ramp(low) <= ramp(high) <= 1
    assert 1 >= cosine_decay(low) >= cosine_decay(high) >= 0


def test_ends():
    assert ramp(0) == 0 and ramp(1) == pytest.approx(0.9999, abs=1e-5)
    assert (cosine_decay(0), cosine_decay(0.5), cosine_decay(1)) == (1, 0.5, 0)


class Noting(IGAN):
    """An IGAN that notes the progress and the rates that it is given."""

    def update(self, x_s, y_s, x_t):
        rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in self.optimizers.items()}
        self.noted.append((self.progress, rates))
        return super().update(x_s, y_s, x_t)

    def start_stage(self):
        self.noted.append("stage")
        super().start_stage()


def noted(schedule, kind=Noting, **settings):
    torch.manual_seed(0)
    method = kind(IGANConfig(**SMALL, **settings), (1, 28, 28), 3)
    method.noted = []
    fit(method, make_pair().for_training(), schedule, seed=0, progress=False)
    return method.noted


def test_the_schedule_alone_knows_how_long_a_run_is():
    # Before, a method had a number of steps of its own and trained the rest at a rate of 0.
    assert "steps" not in IGANConfig.model_fields and "decay" not in IGANConfig.model_fields
    steps = noted(Schedule(batch_size=6, pretrain_steps=2, steps=8), learning_rate=0.01, gan_learning_rate=0.02)
    for number, (progress, rates) in enumerate(steps):
        assert progress == number / 8
        factor = 0.5 * (1 + math.cos(math.pi * number / 8))
        expected = {"encoder": 0.01, "classifier": 0.01, "generators": 0.02, "discriminators": 0.06}
        assert rates == pytest.approx({name: rate * factor for name, rate in expected.items()})
    assert len(steps) == 8


def test_the_decay_restarts_with_each_stage_and_the_ramp_does_not():
    steps = noted(Schedule(batch_size=6, pretrain_steps=0, steps=7, stages=3), learning_rate=0.01)
    assert [step if step == "stage" else step[0] for step in steps] == [
        *(0, 1 / 7, 2 / 7, "stage", 3 / 7, 4 / 7, 5 / 7, "stage", 6 / 7)
    ]
    rates = [step[1]["classifier"] for step in steps if step != "stage"]
    factors = [cosine_decay(p) for p in (0, 1 / 3, 2 / 3)]  # 7 steps: stages of 3, 3 and 1
    assert rates == pytest.approx([0.01 * factor for factor in (*factors, *factors, 1.0)])


@given(st.integers(1, 60), st.integers(1, 5), st.lists(st.floats(0.01, 0.99), max_size=3))
def test_the_decay_restarts_where_a_stage_of_the_method_s_own_ends(steps, stages, ends):
    schedule = Schedule(steps=steps, stages=stages)
    starts = [0]
    for adapted in range(1, steps):  # a method asks its progress which stage it is in
        last, now = (adapted - 1) / steps, adapted / steps
        if schedule.starts_stage(adapted) or any(last < end <= now for end in ends):
            starts.append(adapted)
    expected = []
    for start, end in itertools.pairwise([*starts, steps]):
        expected += [cosine_decay(step / (end - start)) for step in range(end - start)]
    assert [schedule.rate(adapted, tuple(ends)) for adapted in range(steps)] == expected
    # 0.07 * 100 is above 7, and 7 / 100 is 0.07: what counts is the progress that the method sees.
    assert Schedule(steps=100).rate(7, (0.07,)) == 1
    assert [schedule.rate(adapted) for adapted in range(steps)] == [schedule.rate(a, (1.0,)) for a in range(steps)]


def test_the_trainer_asks_the_method_where_its_stages_end():
    class Staged(Noting):
        stage_ends = (0.5, 0.75)

    schedule = Schedule(batch_size=6, pretrain_steps=1, steps=8)
    steps = noted(schedule, Staged, learning_rate=0.01)
    factors = [cosine_decay(p) for p in (0, 0.25, 0.5, 0.75, 0, 0.5, 0, 0.5)]
    assert [rates["encoder"] for _, rates in steps] == pytest.approx([0.01 * factor for factor in factors])


def test_a_constant_rate_stays():
    steps = noted(Schedule(batch_size=6, pretrain_steps=1, steps=3, decay="constant"), learning_rate=0.01)
    assert [rates["encoder"] for _, rates in steps] == [0.01] * 3


@pytest.mark.parametrize("values", [{"steps": 0}, {"stages": 0}, {"steps": "7"}, {"augment": 1}, {"stage_steps": 5}])
def test_bad_values_are_refused(values):
    with pytest.raises(ValidationError):
        Schedule(**values)
