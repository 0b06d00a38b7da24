"""The interface that ITQ, BA and UH-BDNN share: what they are given, what they give back, what they refuse."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from feature_makers import clustered_features
from method_makers import one_sentence

from igan_lib.checkout import ROOT
from igan_lib.compared.ba import BA
from igan_lib.compared.interface import record, subsample
from igan_lib.compared.itq import ITQ
from igan_lib.compared.uh_bdnn import UHBDNN
from igan_lib.errors import TrainingError


def small_methods():
    return {
        "itq": ITQ(code_length=8, iterations=5),
        "ba": BA(code_length=8, mu_schedule=((0.0, 1), (0.01, 1)), svm_iterations=5),
        "uh_bdnn": UHBDNN(code_length=8, hidden=(12, 10), rounds=2, first_iterations=5, iterations=5),
    }


each_method = pytest.mark.parametrize("name", ["itq", "ba", "uh_bdnn"])


@each_method
def test_codes_are_plus_and_minus_one_and_depend_on_the_seed_and_the_row_alone(name):
    x, _ = clustered_features()
    random_state = torch.get_rng_state()
    first, second = (small_methods()[name].fit(x, seed=1) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), random_state)
    codes = first.encode(x)
    assert codes.shape == (len(x), 8) and codes.dtype == torch.float32
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(codes, second.encode(x))
    assert first.objective_history == second.objective_history
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    assert torch.equal(first.encode(x[order]), codes[order])
    assert not torch.equal(small_methods()[name].fit(x, seed=2).encode(x), codes)


@each_method
def test_fitting_again_forgets_what_was_before_and_leaves_the_features_alone(name):
    x, _ = clustered_features()
    other, _ = clustered_features(seed=5)
    kept = x.clone()
    method = small_methods()[name].fit(other, seed=0).fit(x, seed=1)
    fresh = small_methods()[name].fit(x, seed=1)
    assert torch.equal(x, kept)
    assert method.objective_history == fresh.objective_history
    assert torch.equal(method.encode(x), fresh.encode(x))


@each_method
def test_codes_do_not_depend_on_the_scale_or_the_origin_of_the_features(name):
    x, _ = clustered_features()
    codes, moved = (small_methods()[name].fit(y, seed=1).encode(y) for y in (x, 100 * x + 7))
    assert (codes != moved).float().mean() < 0.01


@each_method
@pytest.mark.parametrize(
    ("features", "parts"),
    [
        (lambda x: x[:, :7], ("8", "7 features", "wider features")),
        (lambda x: x[:8], ("8 rows", "more rows")),
        (lambda x: x.index_put((torch.tensor(3), torch.tensor(2)), torch.tensor(torch.nan)), ("1 of 120", "row 3")),
        (lambda x: x.index_put((torch.tensor(0), torch.tensor(0)), torch.tensor(-torch.inf)), ("1 of 120", "row 0")),
        (lambda x: x.unflatten(1, (2, 10)), ("(120, 2, 10)", "flatten")),
        (lambda x: x.to(torch.int64), ("torch.int64",)),
        (lambda x: torch.ones_like(x), ("120 equal ones",)),
    ],
    ids=["narrow", "few", "nan", "infinite", "not flat", "integers", "constant"],
)
def test_features_that_do_not_do_are_refused(name, features, parts):
    x, _ = clustered_features()
    with pytest.raises(Exception) as error:
        small_methods()[name].fit(features(x.float()), seed=0)
    one_sentence(error.value, *parts)


@each_method
def test_encoding_before_fit_or_of_other_features_is_refused(name):
    x, _ = clustered_features()
    method = small_methods()[name]
    with pytest.raises(Exception) as error:
        method.encode(x)
    one_sentence(error.value, type(method).__name__, "call fit first")
    method.fit(x, seed=0)
    for wrong in (x[:, :-1], x[0], x / 0):
        with pytest.raises(Exception) as error:
            method.encode(wrong)
        one_sentence(error.value)


@pytest.mark.parametrize("length", [0, 12, -8])
def test_code_lengths_are_whole_bytes(length):
    for method in small_methods().values():
        with pytest.raises(Exception) as error:
            type(method)(code_length=length)
        one_sentence(error.value, str(length), "multiple of 8")


@pytest.mark.parametrize("length", [16, 32, 64, 128])
def test_every_code_length_of_the_comparison_works_in_itq(length):
    x, _ = clustered_features(n=160, width=130)
    assert ITQ(code_length=length, iterations=3).fit(x, seed=0).encode(x).shape == (160, length)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(Exception) as error:
        ITQ(iterations=0)
    one_sentence(error.value, "iterations", "0")


def test_a_rising_objective_is_a_fault_of_the_program():
    history = [1.0]
    record(history, 1.0 + 1e-12)
    with pytest.raises(TrainingError, match="never raises"):
        record(history, 1.1)
    record(history, 2.0, fresh=True)
    with pytest.raises(TrainingError):
        record(history, float("nan"))
    assert history[-1] == 2.0


@pytest.mark.parametrize("method", [BA, UHBDNN])
def test_at_most_max_samples_rows_are_used(method, monkeypatch):
    x, _ = clustered_features()
    settings = {"code_length": 8, "max_samples": 40}
    few = {"mu_schedule": ((0.0, 1),)} if method is BA else {"hidden": (12, 10), "rounds": 1, "first_iterations": 3}
    seen, fit_array = [], ITQ.fit_array

    def noted(itq, x, seed):
        seen.append(x)
        return fit_array(itq, x, seed=seed)

    monkeypatch.setattr(ITQ, "fit_array", noted)
    codes = [method(**settings, **few).fit(x, seed=seed).encode(x) for seed in (0, 1)]
    assert [len(rows) for rows in seen] == [40, 40]
    assert not (seen[0][0] == seen[1][0]).all()
    assert codes[0].shape == (len(x), 8)
    with pytest.raises(Exception) as error:
        method(max_samples=0)
    one_sentence(error.value, "max_samples")


def test_the_check_does_not_vanish_in_optimised_python():
    code = "from igan_lib.compared.interface import record\nassert False\nrecord([1.0], 2.0)"
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "TrainingError: Expected an objective" in done.stderr and "AssertionError" not in done.stderr


def test_a_subsample_is_of_different_rows_in_their_order():
    x = np.arange(50)[:, None]
    rows = subsample(x, 20, np.random.default_rng(0))[:, 0]
    assert len(rows) == 20 and (np.diff(rows) > 0).all()
    assert subsample(x, 50, np.random.default_rng(0)) is x


@pytest.mark.parametrize("step", ["itq.rotation_step", "ba.decoder_step", "ba.codes_step", "uh_bdnn.codes_step"])
def test_a_step_that_makes_things_worse_does_not_pass(step, monkeypatch):
    x, _ = clustered_features()
    module, name = step.split(".")
    right, calls = getattr(importlib.import_module(f"igan_lib.compared.{module}"), name), []

    def worse(*arguments):
        calls.append(1)
        found = right(*arguments)
        if len(calls) < 2:
            return found
        if name == "decoder_step":
            return found[0], found[1] + 1
        return -found if module != "ba" else 1 - found

    monkeypatch.setattr(f"igan_lib.compared.{step}", worse)
    methods = small_methods() | {"ba": BA(code_length=8, mu_schedule=((0.0, 3),), svm_iterations=5)}
    with pytest.raises(TrainingError, match="never raises"):
        methods[module].fit(x, seed=0)
    assert len(calls) == 2
