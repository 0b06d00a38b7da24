"""The training loop, what it logs, and how it stops."""

import dataclasses
import math

import pytest
import torch
from method_makers import Stub, make_pair, one_sentence, stub_data

from igan_lib.data.domains import Domain, DomainPair, Split
from igan_lib.errors import ConfigError, TrainingError
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.training import fit as training
from igan_lib.training.fit import fit, pick_device
from igan_lib.training.schedule import Schedule


def indices(x):
    return ((x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def small(**settings):
    torch.manual_seed(0)
    sizes = {"code_length": 8, "generator_width": 2, "discriminator_width": 2, "threshold": 0.3}
    return IGAN(IGANConfig(**(sizes | settings)), (1, 28, 28), 3)


SHORT = Schedule(pretrain_steps=2, steps=4, batch_size=6, log_every=1)


def trained(pair, seed=0, augment=False, **settings):
    method, schedule = small(**settings), SHORT.model_copy(update={"augment": augment})
    history = fit(method, pair.for_training(), schedule, seed=seed, progress=False)
    return method.state_dict(), history


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a if isinstance(a[k], torch.Tensor))


# ---------------------------------------------------------------- the loop


def test_the_loop_calls_the_method_in_order():
    stub = Stub()
    fit(stub, stub_data(), Schedule(batch_size=2, pretrain_steps=2, steps=5, stages=3), seed=0, progress=False)
    stages = ["update", "update", "stage", "update", "update", "stage", "update"]
    assert stub.calls == ["pretrain", "pretrain", "finish", *stages]
    stub = Stub()
    fit(stub, stub_data(), Schedule(batch_size=2, pretrain_steps=0, steps=3), seed=0, progress=False)
    assert stub.calls == ["finish", "update", "update", "update"]


def test_batches_keep_images_and_labels_together_and_are_scaled():
    stub = Stub()
    fit(stub, stub_data(), Schedule(batch_size=3, pretrain_steps=5, steps=7), seed=4, progress=False)
    source, target = [], []
    for x_s, y_s, *rest in stub.batches:
        assert x_s.dtype == torch.float32 and x_s.shape == (3, 1, 2, 2)
        assert indices(x_s) == y_s.tolist()
        source += y_s.tolist()
        for x_t in rest:
            target += indices(x_t)
    for flat, n in ((source, 5), (target, 7)):
        for start in range(0, len(flat) - n + 1, n):
            assert sorted(flat[start : start + n]) == list(range(n))


@pytest.mark.parametrize(
    ("log_every", "steps"), [(1, [1, 2, 3, 4, 5, 6, 7]), (3, [1, 4, 7]), (4, [1, 5, 7]), (100, [1, 7])]
)
def test_history_holds_a_row_every_few_steps_and_the_last(log_every, steps):
    stub, seen = Stub(lambda step: {"L_c": step / 4, "L_h": 2.0}), []
    schedule = Schedule(batch_size=2, pretrain_steps=3, steps=4, log_every=log_every)
    history = fit(stub, stub_data(), schedule, seed=0, on_log=lambda *a: seen.append(a), progress=False)
    assert history == [{"step": step, "L_c": step / 4, "L_h": 2.0} for step in steps]
    assert [(step, row) for step, _, row in seen] == list(zip(steps, history, strict=True))
    assert all(method is stub for _, method, _ in seen)


def test_without_a_checkpoint_no_file_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "save_checkpoint", None)  # calling it would fail
    fit(
        Stub(),
        stub_data(),
        Schedule(batch_size=2, pretrain_steps=1, steps=2, checkpoint_every=1),
        seed=0,
        progress=False,
    )
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_come_every_few_steps_and_at_the_end(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(
        training, "save_checkpoint", lambda path, _, reached, *__, finished: saved.append((reached.step, finished))
    )
    schedule = Schedule(batch_size=2, pretrain_steps=3, steps=4, checkpoint_every=3)
    fit(Stub(), stub_data(), schedule, seed=0, checkpoint=tmp_path / "run.pt", progress=False)
    assert saved == [(3, False), (6, False), (7, True)]


def test_the_bar_shows_the_losses(capsys):
    fit(Stub(), stub_data(), Schedule(batch_size=2, pretrain_steps=1, steps=2), seed=0)
    assert "L_c=" in capsys.readouterr().err
    fit(Stub(), stub_data(), Schedule(batch_size=2, pretrain_steps=1, steps=2), seed=0, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "wrong",
    [{"batch_size": 1}, {"pretrain_steps": -1}, {"steps": 0}, {"log_every": 0}, {"epochs": 3}, {"steps": "many"}],
)
def test_schedule_refuses(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Schedule(**wrong)


# ---------------------------------------------------------------- seeds and labels


@pytest.mark.parametrize("extras", [{}, {"augment": True, "centroid_memory": 0.7, "weight_average": 0.9}])
def test_the_seed_alone_decides_the_weights(extras):
    pair = make_pair(18)
    first, history = trained(pair, seed=0, **extras)
    torch.rand(3)
    again, same_history = trained(pair, seed=0, **extras)
    other, other_history = trained(pair, seed=1, **extras)
    assert same(first, again) and history == same_history
    assert not same(first, other) and history != other_history


@pytest.mark.parametrize("extras", [{}, {"augment": True, "centroid_memory": 0.7, "weight_average": 0.9}])
def test_target_labels_have_no_influence(extras):
    pair = make_pair(18)
    rng = torch.Generator().manual_seed(0)
    splits = [
        Split(s.images, s.labels[torch.randperm(18, generator=rng)]) for s in (pair.target.train, pair.target.test)
    ]
    assert not torch.equal(splits[0].labels, pair.target.train.labels)
    shuffled = DomainPair(pair.source, Domain("pale", *splits, pair.target.class_names))
    (first, history), (second, same_history) = trained(pair, **extras), trained(shuffled, **extras)
    assert same(first, second) and history == same_history
    # The same shuffle of the source's labels does change them.
    splits = [Split(pair.source.train.images, splits[0].labels), pair.source.test]
    third, _ = trained(DomainPair(Domain("bright", *splits, pair.target.class_names), pair.target), **extras)
    assert not same(first, third)


def test_training_data_hold_no_target_label():
    pair = make_pair(12)
    data = pair.for_training()
    assert [field.name for field in dataclasses.fields(data)] == ["x_s", "y_s", "x_t", "n_classes"]
    hidden = {
        pair.target.train.labels.data_ptr(),
        pair.target.test.labels.data_ptr(),
        pair.target.test.images.data_ptr(),
    }
    assert not hidden & {t.data_ptr() for t in vars(data).values() if isinstance(t, torch.Tensor)}
    assert torch.equal(data.x_t, pair.target.train.images) and torch.equal(data.y_s, pair.source.train.labels)


# ---------------------------------------------------------------- losses that are not finite


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("log_every", [1, 100])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, value, log_every):
    stub = Stub(lambda step: {"L_c": 1.0, "L_s": value if step == 5 else 0.5})
    schedule = Schedule(batch_size=2, pretrain_steps=3, steps=6, log_every=log_every, checkpoint_every=2)
    path = tmp_path / "run.pt"
    with pytest.raises(TrainingError) as caught:
        fit(stub, stub_data(), schedule, seed=0, checkpoint=path, progress=False)
    one_sentence(caught.value, "L_s", str(value), "step 5 of 9", "lower the learning rate")
    assert stub.weight == 5 and torch.load(path)["step"] == 4  # the poisoned weights were not kept


@pytest.mark.parametrize(("component", "loss"), [("net.encoder", "L_c"), ("g_t", "L_1"), ("d_s", "L_D")])
def test_a_poisoned_weight_is_found_in_the_first_loss_that_it_reaches(component, loss):
    method = small()
    with torch.no_grad():
        next(method.get_submodule(component).parameters()).fill_(math.nan)
    with pytest.raises(TrainingError) as caught:
        fit(method, make_pair(12).for_training(), SHORT, seed=0, progress=False)
    one_sentence(caught.value, f"found {loss} = nan", "step 1 of 6" if loss == "L_c" else "step 3 of 6")


def test_weights_that_a_step_has_spoilt_are_not_kept(tmp_path):
    stub, path = Stub(), tmp_path / "run.pt"
    update = stub.update

    def spoil(*batch):
        losses = update(*batch)
        if stub.weight == 4:
            stub.weight.data.fill_(math.inf)
        return losses

    stub.update = spoil
    schedule = Schedule(batch_size=2, pretrain_steps=1, steps=6, checkpoint_every=2)
    with pytest.raises(TrainingError) as caught:
        fit(stub, stub_data(), schedule, seed=0, checkpoint=path, progress=False)
    one_sentence(caught.value, "found others in weight after step 4 of 7", "lower the learning rate")
    assert torch.load(path)["step"] == 2


def test_a_learning_rate_that_is_far_too_high_is_a_training_error():
    method = small(optimizer="sgd", learning_rate=1e30, batch_norm=False)
    with pytest.raises(TrainingError) as caught:
        fit(method, make_pair(12).for_training(), SHORT, seed=0, progress=False)
    one_sentence(caught.value, "step 2 of 6", "lower the learning rate")


# ---------------------------------------------------------------- devices


def test_an_unknown_or_missing_device_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("gpu", "cuda:0", "CPU", ""):
        with pytest.raises(ConfigError) as caught:
            pick_device(name)
        one_sentence(caught.value, "auto, cpu, cuda or mps", repr(name))
    for name in ("cuda", "mps"):
        with pytest.raises(ConfigError) as caught:
            pick_device(name)
        one_sentence(caught.value, repr(name), "found only cpu")
    assert pick_device("auto") == pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps")])
def test_auto_takes_the_fastest_device_that_is_there(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device().type == chosen and pick_device(chosen).type == chosen and pick_device("cpu").type == "cpu"


def test_the_bar_shows_two_losses_and_leaves_the_rest_to_the_history(capsys):
    names = ("confident", "L_c", "L_h", "L_s", "L_a")
    schedule = Schedule(pretrain_steps=1, steps=3, batch_size=5, log_every=1)
    method = Stub(losses=lambda step: dict.fromkeys(names, 1.0))
    history = fit(method, make_pair().for_training(), schedule, seed=0, progress=True)
    shown = capsys.readouterr().err
    assert "L_c=1.00, L_h=1.00]" in shown and "L_s" not in shown and "confident" not in shown
    assert set(names) < history[-1].keys()
