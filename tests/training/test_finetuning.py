"""The regime `finetuned`: a backbone as the first part of the encoder, from its images to a result."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from office_makers import TINY, office_labels, tiny_backbone
from torch import nn

from igan_lib.data import backbones
from igan_lib.data.data_root import data_root
from igan_lib.data.features import load_crop_pair, read_crops
from igan_lib.data.images import to_unit_range
from igan_lib.data.office31 import list_office31
from igan_lib.errors import ConfigError, DataError, TrainingError
from igan_lib.experiment.evaluation import recalibrated
from igan_lib.experiment.methods import RECOGNITION_CLASSES, build, pretrained
from igan_lib.experiment.presets import IMAGES_ONLY, RECOGNITION, preset
from igan_lib.experiment.result import result_path
from igan_lib.experiment.run import run
from igan_lib.method.components import FineTunedEncoder, Pretrained, build_encoder
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import parameter_groups
from igan_lib.method.igan import IGAN
from igan_lib.training.augment import random_crops
from igan_lib.training.fit import fit

LITE = "efficientnet_lite2"
WHOLE = replace(TINY, crop=TINY.resize)  # with the margin of random crops
ON_FEATURES = [name for name in RECOGNITION if name not in IMAGES_ONLY]


@pytest.fixture
def tiny_lite(monkeypatch, office):
    """A tiny backbone under the name of the default one, a fresh copy whenever it is asked, on a tiny Office-31."""
    backbone, network = tiny_backbone()
    tiny = replace(backbone, name=LITE, load=lambda download: copy.deepcopy(network))
    monkeypatch.setitem(backbones.BACKBONES, LITE, tiny)
    return network


def config(**changes):
    values = {"profile": "smoke", "regime": "finetuned", "batch_size": 6}
    return preset("amazon", "webcam", **(values | changes))


def finetuned_igan(**settings):
    torch.manual_seed(0)
    _, network = tiny_backbone()
    values = {"encoder": "mlp", "code_length": 8, "generator_width": 1, "discriminator_width": 1, "ramp": False}
    return IGAN(
        IGANConfig(**(values | settings)),
        (3, 16, 16),
        3,
        Pretrained(copy.deepcopy(network), 6, TINY.crop, TINY.mean, TINY.std),
    )


def batch():
    torch.manual_seed(1)
    return torch.rand(6, 3, 16, 16) * 2 - 1, torch.tensor([0, 1, 2, 0, 1, 2]), torch.rand(6, 3, 16, 16) * 2 - 1


def test_a_backbone_sees_what_it_was_trained_on(tiny_lite):
    found = pretrained(LITE)
    paths = list_office31("amazon", data_root()).paths
    crops = read_crops(paths, TINY)
    encoder = FineTunedEncoder(found, build_encoder("mlp", (6,), 8)).eval()
    expected = found.network.eval()(TINY.normalise(crops))
    assert torch.allclose(encoder.features(to_unit_range(crops)), expected, atol=1e-5)
    assert torch.equal(encoder(to_unit_range(crops)), encoder.encoder(encoder.features(to_unit_range(crops))))
    assert encoder.hidden(to_unit_range(crops)).shape == (len(crops), 512)


def test_images_come_as_the_backbone_cuts_them(tiny_lite):
    pair = load_crop_pair("dslr", "webcam", backbone=LITE, progress=False)
    for domain in (pair.source, pair.target):
        listing = list_office31(domain.name, data_root())
        assert torch.equal(domain.train.images, read_crops(listing.paths, WHOLE))
        assert domain.train.labels.tolist() == office_labels(domain.name) and domain.test is domain.train
    assert pair.shape == (3, 20, 20) and pair.source.train.images.dtype == torch.uint8
    few = load_crop_pair("dslr", "webcam", backbone=LITE, limit=3, progress=False)
    assert few.source.train.labels.tolist() == [0, 1, 2]
    assert torch.equal(few.source.train.images[0], pair.source.train.images[0])


def test_the_encoder_sees_the_middle_of_an_image_and_the_training_random_crops(tiny_lite, monkeypatch):
    images = load_crop_pair("dslr", "webcam", backbone=LITE, progress=False).source.train.images
    encoder = FineTunedEncoder(pretrained(LITE), build_encoder("mlp", (6,), 8)).eval()
    x = to_unit_range(images)
    assert torch.equal(encoder(x), encoder(x[..., 2:18, 2:18]))  # 16 of 20 pixels

    seen = []
    monkeypatch.setattr("igan_lib.training.fit.random_crops", lambda x: seen.append(x.shape) or random_crops(x))
    chosen = config(steps=3, pretrain_steps=2, code_length=8)
    assert chosen.random_crops and not config(regime="frozen").random_crops
    pair = load_crop_pair("dslr", "webcam", backbone=LITE, progress=False)
    fit(build(chosen, pair), pair.for_training(), chosen, seed=0, progress=False)
    assert seen == [(6, 3, 20, 20)] * (2 + 2 * 3)


def test_missing_weights_are_told_before_images_are_read(office, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("igan_lib.data.features.read_crops", lambda *arguments: pytest.fail("images were read"))
    with pytest.raises(DataError, match="ImageNet weights of alexnet"):
        load_crop_pair("amazon", "webcam", backbone="alexnet", progress=False)


@pytest.mark.parametrize("name", ["igan", "noda", "dah", "suh"])
@pytest.mark.parametrize("step", ["pretrain", "update"])
def test_the_backbone_learns_at_a_tenth_of_the_rate(tiny_lite, name, step):
    chosen = config(method=name, learning_rate=1e-3, code_length=8)
    method = build(chosen, load_crop_pair("amazon", "webcam", backbone=LITE, progress=False))
    before = copy.deepcopy(method.net.encoder)
    x_s, y_s, x_t = batch()
    method.pretrain(x_s, y_s) if step == "pretrain" else method.update(x_s, y_s, x_t)

    def largest(part):
        now, then = (getattr(encoder, part).state_dict() for encoder in (method.net.encoder, before))
        names = [name for name, _ in getattr(before, part).named_parameters()]
        return max(float((now[name] - then[name]).abs().max()) for name in names)

    # Adam's first step is the rate, wherever there is a gradient.
    assert largest("encoder") == pytest.approx(1e-3, rel=0.01)
    assert largest("backbone") == pytest.approx(1e-4, rel=0.01)


def test_features_are_constants_as_targets_of_the_reconstruction():
    method = finetuned_igan(losses=("c", "1"), epsilon=0.0, optimizer="sgd", learning_rate=0.1, chi=5.0)
    for module in method.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    reference = copy.deepcopy(method)
    x_s, y_s, x_t = batch()
    method.update(x_s, y_s, x_t)

    net, total = reference.net, 0.0
    f_s, f_t = net.encoder.features(x_s), net.encoder.features(x_t)
    for f, generator in ((f_s, reference.g_s), (f_t, reference.g_t)):
        target = torch.tensor(f.tolist())
        total = total + 5.0 * (target - generator(net.encoder.encoder(f))).abs().mean()
    total = total + nn.functional.cross_entropy(net.classifier(net.encoder.encoder(f_s)), y_s)
    parameters = list(net.encoder.backbone.parameters())
    gradients = torch.autograd.grad(total, parameters)
    for p, gradient, moved in zip(parameters, gradients, method.net.encoder.backbone.parameters(), strict=True):
        assert torch.allclose(moved, p - 0.01 * gradient, atol=1e-6)  # a tenth of 0.1


@pytest.mark.parametrize("name", ["drcn", "duplex", "i2i"])
def test_features_are_constants_as_targets_of_other_methods(name):
    """Where the code does not depend on the features, no gradient reaches the backbone but through a target."""
    torch.manual_seed(0)
    _, network = tiny_backbone()
    settings = IGANConfig(encoder="mlp", code_length=8, generator_width=1, discriminator_width=1)
    backbone = Pretrained(copy.deepcopy(network), 6, TINY.crop, TINY.mean, TINY.std)
    method = RECOGNITION_CLASSES[name](settings, (3, 16, 16), 3, backbone).train()
    first = next(layer for layer in method.net.encoder.encoder.modules() if isinstance(layer, nn.Linear))
    nn.init.zeros_(first.weight)
    before = copy.deepcopy(list(method.net.encoder.backbone.parameters()))
    method.progress = 0.5
    losses = method.update(*batch())
    assert losses["L_1" if name == "i2i" else "L_r"] > 0
    for old, new in zip(before, method.net.encoder.backbone.parameters(), strict=True):
        assert torch.equal(old, new)


def test_every_parameter_is_in_one_group():
    method = finetuned_igan()
    groups = parameter_groups([method.net.encoder, method.net.encoder, method.net.classifier], 0.5)
    numbers = [id(parameter) for group in groups for parameter in group["params"]]
    wanted = {id(parameter) for parameter in method.net.parameters()}
    assert len(numbers) == len(set(numbers)) and set(numbers) == wanted
    assert [group["lr"] for group in groups] == [0.5, 0.05]
    assert {id(p) for p in groups[1]["params"]} == {id(p) for p in method.net.encoder.backbone.parameters()}
    assert [group["lr"] for group in parameter_groups([method.g_s], 0.5)] == [0.5]


def test_statistics_are_re_estimated_without_dropout():
    net = finetuned_igan().net
    images = torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8)
    first, second = (recalibrated(net, images).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["encoder.backbone.norm.running_mean"], net.encoder.backbone.norm.running_mean)


@pytest.mark.parametrize("method", ["igan", "igan+", "source-only", "noda", "dah", "suh", "itq", "ba", *ON_FEATURES])
def test_a_run_from_images_to_a_result(tiny_lite, tmp_path, method):
    # DAH's MMD takes neighbours of a batch in fours, so the batch is even.
    chosen = config(method=method, code_length=8)
    result = run(chosen, device="cpu", results=tmp_path, progress=False)
    assert {"map_target", "map_cross"} <= set(result.metrics)
    assert all((-100 if "silhouette" in name else 0) <= value <= 100 for name, value in result.metrics.items())
    assert result.config.regime == "finetuned" and result_path(chosen, tmp_path).exists()


def test_same_seed_same_result_and_the_regime_changes_it(tiny_lite, tmp_path):
    results = [
        run(config(regime=regime, code_length=8), device="cpu", results=tmp_path / str(i), progress=False)
        for i, regime in enumerate(("finetuned", "finetuned", "frozen"))
    ]
    histories = [json.dumps(result.history) for result in results]
    assert histories[0] == histories[1] and results[0].metrics == results[1].metrics
    assert histories[0] != histories[2]


def test_the_regime_is_in_the_hash():
    assert config().hash8 != config(regime="frozen").hash8


def test_images_without_a_backbone_are_not_finetuned():
    with pytest.raises(ConfigError, match="finetuned goes with one backbone, found none"):
        preset("mnist", "usps", regime="finetuned")
    with pytest.raises(ConfigError, match="finetuned goes with one backbone, found efficientnet_lite012"):
        config(backbone="efficientnet_lite012")


def test_a_step_that_does_not_fit_is_one_sentence(tiny_lite, tmp_path, monkeypatch):
    def too_large(self, *batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(IGAN, "update", too_large)
    with pytest.raises(TrainingError) as caught:
        run(config(code_length=8), device="cpu", results=tmp_path, progress=False)
    assert "2 x 6 images" in str(caught.value) and "choose a smaller batch_size" in str(caught.value)
    assert not result_path(config(code_length=8), tmp_path).exists()


def test_a_finetuned_run_goes_on_from_its_checkpoint(tiny_lite, tmp_path, monkeypatch):
    chosen = config(code_length=8, checkpoint_every=3)
    whole = run(chosen, device="cpu", results=tmp_path / "whole", progress=False)
    update, calls = IGAN.update, []

    def stops(self, *batch):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return update(self, *batch)

    monkeypatch.setattr(IGAN, "update", stops)
    with pytest.raises(KeyboardInterrupt):
        run(chosen, device="cpu", results=tmp_path / "parts", progress=False)
    monkeypatch.setattr(IGAN, "update", update)
    parts = run(chosen, device="cpu", results=tmp_path / "parts", progress=False)
    assert (parts.history, parts.metrics) == (whole.history, whole.metrics)
