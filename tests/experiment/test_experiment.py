"""Configurations: presets, what they refuse, their hash and their name."""

import hashlib
import json
import typing
from pathlib import Path

import pytest
import torch
from method_makers import one_sentence
from pydantic import ValidationError

from igan_lib.data.images import normalize_contrast
from igan_lib.errors import ConfigError
from igan_lib.experiment import presets
from igan_lib.experiment import run as experiment
from igan_lib.experiment.presets import METHODS, PROFILES, ExperimentConfig, preset
from igan_lib.files import atomic_path
from igan_lib.method.config import IGANConfig
from igan_lib.training.schedule import Schedule

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("method", METHODS)
def test_a_preset_is_its_profile_and_its_method(profile, method):
    config = preset("mnist", "usps", seed=7, profile=profile, method=method)
    assert (config.source, config.target, config.seed) == ("mnist", "usps", 7)
    assert (config.profile, config.method) == (profile, method)
    for key, value in (PROFILES[profile] | METHODS[method]).items():
        assert getattr(config, key) == value
    for key in ExperimentConfig.model_fields.keys() - PROFILES[profile].keys() - METHODS[method].keys():
        if not (field := ExperimentConfig.model_fields[key]).is_required() and key not in ("seed", "profile", "method"):
            assert getattr(config, key) == field.default, key


def test_plain_igan_holds_nothing_that_the_paper_does_not_have():
    for profile in PROFILES:
        plain, extended = (preset("mnist", "usps", profile=profile, method=name) for name in ("igan", "igan+"))
        assert (plain.augment, plain.centroid_memory, plain.weight_average) == (False, 0, 0)
        assert extended.augment or extended.centroid_memory or extended.weight_average


def test_overrides_replace_single_values_of_profile_and_method():
    config = preset("mnist", "usps", profile="smoke", method="igan+", steps=3, threshold=0.25, losses=("h", "c"))
    assert (config.steps, config.threshold, config.losses) == (3, 0.25, ("c", "h"))
    rest = preset("mnist", "usps", profile="smoke", method="igan+").model_dump()
    assert config.model_dump() == rest | {"steps": 3, "threshold": 0.25, "losses": ("c", "h")}


@pytest.mark.parametrize("pair", [("mnist5k", "digits12"), ("digits12", "usps")])
def test_pairs_with_framed_digits_have_32_pixels_and_normalised_contrast(pair):
    config = preset(*pair, profile="quick")
    assert (config.size, config.contrast, config.encoder, config.batch_size) == (32, True, "lenet", 100)
    assert preset(*pair, size=28).size == 28
    assert not preset("mnist5k", "digits").contrast


@pytest.mark.parametrize("pair", [("svhn", "mnist"), ("mnist", "svhn"), ("svhn7k", "mnist")])
def test_pairs_with_svhn_take_what_the_paper_prints(pair):
    config = preset(*pair, profile="cpu")
    assert (config.encoder, config.size, config.batch_size, config.contrast) == ("conv4", 32, 200, True)
    assert preset(*pair, profile="cpu", size=28, batch_size=10).size == 28
    assert preset("mnist", "usps", profile="cpu").encoder == "lenet"


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"profile": "fast"}, ("profile", "'fast'", "smoke, quick, cpu, paper")),
        ({"method": "gta"}, ("method", "'gta'", "igan, igan+, source-only")),
        ({"alhpa": 0.1}, ("'alhpa'", "alpha")),
        ({"steps": "many"}, ("steps", "'many'")),
        ({"steps": 1.5}, ("steps", "1.5")),
        ({"steps": None}, ("steps", "None")),
        ({"alpha": [1]}, ("alpha", "[1]")),
        ({"steps": "7"}, ("steps", "'7'", "integer")),
        ({"steps": True}, ("steps", "True")),
        ({"alpha": "0.1"}, ("alpha", "'0.1'", "number")),
        ({"augment": 1}, ("augment", "1", "boolean")),
        ({"augment": "yes"}, ("augment", "'yes'")),
        ({"train_limit": "50"}, ("train_limit", "'50'")),
        ({"losses": "c"}, ("losses", "'c'")),
        ({"beta": -1}, ("beta", "-1")),
        ({"threshold": 1.0}, ("threshold", "1.0")),
        ({"seed": -1}, ("seed", "-1")),
        ({"size": 29}, ("size", "29")),
        ({"channels": 2}, ("channels", "2")),
        ({"train_limit": 3}, ("train_limit", "3")),
        ({"losses": ("h",)}, ("losses", "must contain 'c'")),
        ({"encoder": "alexnet"}, ("encoder", "'alexnet'")),
    ],
    ids=str,
)
def test_a_wrong_setting_is_one_sentence(settings, parts):
    with pytest.raises(ConfigError) as caught:
        preset("mnist", "usps", **settings)
    one_sentence(caught.value, *parts)


def test_what_json_can_say_is_understood():
    config = preset("mnist", "usps", **json.loads('{"losses": ["c", "s"], "alpha": 1, "ramp": false, "steps": 7}'))
    assert (config.losses, config.alpha, config.ramp, config.steps) == (("c", "s"), 1.0, False, 7)
    assert isinstance(config.alpha, float)
    assert ExperimentConfig.model_validate_json(config.model_dump_json()) == config


def test_a_pair_has_two_domains():
    with pytest.raises(ConfigError, match=r"source and target must be two domains, found 'mnist' twice"):
        preset("mnist", "mnist")


def test_a_configuration_is_frozen_and_knows_its_keys():
    config = preset("mnist", "usps")
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 1
    with pytest.raises(ValidationError, match="Extra inputs"):
        ExperimentConfig(source="mnist", target="usps", epochs=3)
    assert ExperimentConfig.model_fields.keys() > IGANConfig.model_fields.keys() | Schedule.model_fields.keys()


def other_value(config, key):
    """A valid value of `key` that is not the one in `config`."""
    value = getattr(config, key)
    options = [o for part in (ExperimentConfig.model_fields[key].annotation,) for o in typing.get_args(part)]
    numbers = [value + 8, value / 2] if isinstance(value, int | float) and not isinstance(value, bool) else []
    for candidate in [
        not value if isinstance(value, bool) else None,
        *numbers,
        *options,
        ("c", "h"),
        "digits",
        50,
        0.5,
    ]:
        try:
            changed = ExperimentConfig.model_validate(config.model_dump() | {key: candidate})
        except ValidationError:
            continue
        if getattr(changed, key) != value:
            return changed
    raise AssertionError(f"no other value of {key} found")


@pytest.mark.parametrize("key", ExperimentConfig.model_fields)
def test_every_setting_is_part_of_the_hash(key):
    of_features = ("backbone", "regime", "feature_dropout", "neighbour_weight")
    config = preset("amazon", "webcam") if key in of_features else preset("mnist", "usps")
    changed = other_value(config, key)
    assert [k for k in ExperimentConfig.model_fields if getattr(config, k) != getattr(changed, k)] == [key]
    assert changed.hash8 != config.hash8 and changed.name != config.name


def test_the_hash_does_not_depend_on_how_a_configuration_was_written():
    config = preset("mnist", "usps", profile="quick", alpha=1)
    values = config.model_dump()
    backwards = ExperimentConfig(**dict(reversed(values.items())))
    from_json = ExperimentConfig.model_validate_json(json.dumps(json.loads(config.model_dump_json())))
    in_other_order = preset(target="usps", alpha=1.0, source="mnist", profile="quick")
    for other in (backwards, from_json, in_other_order, config.model_copy()):
        assert other == config and other.hash8 == config.hash8
    fields, written = ExperimentConfig.model_fields, config.model_dump(mode="json")
    others = {name: written[name] for name in fields if getattr(config, name) != fields[name].default}
    as_sorted_json = json.dumps(others, sort_keys=True)
    assert config.hash8 == hashlib.sha256(as_sorted_json.encode()).hexdigest()[:8]
    assert preset("mnist", "usps", losses=("s", "c")).hash8 == preset("mnist", "usps", losses=("c", "s")).hash8


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("pair", [("amazon", "webcam"), ("webcam", "dslr")])
def test_pairs_of_office31_are_features_in_balanced_batches(profile, pair):
    config = preset(*pair, profile=profile)
    assert {key: getattr(config, key) for key in presets.OFFICE} == presets.OFFICE
    assert (config.batch_size, config.balanced) == (310, True)  # "10 times bigger" than the 31 classes (2.3)
    assert config.steps == min(PROFILES[profile]["steps"], presets.OFFICE_STEPS["steps"])
    assert preset(*pair, profile=profile, backbone="alexnet").backbone == "alexnet"


@pytest.mark.parametrize("settings", [{"encoder": "lenet"}, {"backbone": "none"}])
def test_features_and_encoder_must_go_together(settings):
    with pytest.raises(ConfigError) as caught:
        preset("amazon", "webcam", **settings)
    one_sentence(caught.value, "features of a backbone go with the encoder mlp")
    with pytest.raises(ConfigError):
        preset("mnist", "usps", encoder="mlp")


def test_the_weights_of_office31_are_those_of_igan_alone():
    for method in ("igan", "source-only", "dah"):
        config = preset("amazon", "webcam", method=method)
        plain = preset("mnist", "usps", method=method)
        for name, value in presets.OFFICE_WEIGHTS.items():
            assert getattr(config, name) == (value if method == "igan" else getattr(plain, name))


def test_igan_plus_has_other_additions_on_features_than_on_images():
    images, features = preset("mnist", "usps", method="igan+"), preset("amazon", "webcam", method="igan+")
    assert images.augment and images.weight_average and not images.feature_dropout and not images.neighbour_weight
    assert {name: getattr(features, name) for name in presets.OFFICE_PLUS} == presets.OFFICE_PLUS
    assert not features.augment and features.threshold == preset("amazon", "webcam").threshold
    finetuned = preset("amazon", "webcam", method="igan+", regime="finetuned")
    assert finetuned.feature_dropout == features.feature_dropout and finetuned.random_crops
    assert finetuned.neighbour_weight == 0  # features that move have no neighbours that stay


@pytest.mark.parametrize("method", presets.BASELINES)
def test_a_baseline_refuses_settings_that_it_does_not_read(method):
    assert preset("mnist", "usps", method=method, code_length=16, learning_rate=1e-3).code_length == 16
    for setting in ({"optimizer": "sgd"}, {"precision": "bf16"}, {"beta": 2.0}, {"losses": ("c", "h")}):
        with pytest.raises(ConfigError) as caught:
            preset("mnist", "usps", method=method, **setting)
        one_sentence(caught.value, f"the method {method} does not read {next(iter(setting))}")


def test_features_are_loaded_through_the_backbone(monkeypatch):
    calls = []
    monkeypatch.setattr(experiment, "load_feature_pair", lambda *a, **k: calls.append((a, k)) or "pair")
    asked = preset("amazon", "dslr", backbone="resnet50")
    assert experiment.load(asked, download=True, progress=False) == "pair"
    given = {"backbone": "resnet50", "download": True, "limit": None, "progress": False}
    assert calls == [(("amazon", "dslr"), given)]


def test_the_version_of_the_method_is_in_the_hash(monkeypatch):
    config = preset("mnist", "usps")
    assert config.version == presets.VERSIONS["igan"] and preset("mnist", "usps", method="uh-bdnn").version == 2
    monkeypatch.setitem(presets.VERSIONS, "igan", config.version + 1)
    raised = preset("mnist", "usps")
    assert raised.version == config.version + 1 and raised.hash8 != config.hash8
    assert set(presets.VERSIONS) == set(METHODS)


def test_committed_results_still_have_the_hash_in_their_name():
    files = sorted((ROOT / "results" / "runs").glob("*.json"))
    assert len(files) >= 30
    for file in files:
        result = experiment.read_result(file)
        assert result.config.name == file.stem and result.config.hash8 == result.hash


@pytest.mark.parametrize(
    ("domain", "shown"),
    [
        ("usps", "usps"),
        ("npz:a/b.npz", "npz_a_b.npz"),
        ("folder:/x y/z", "folder_x_y_z"),
        ("folder:../up/../..", "folder_.._up_.._.."),
        ("npz:C:\\data\\new line\n.npz", "npz_C_data_new_line_.npz"),
    ],
)
def test_the_name_is_a_safe_file_name(tmp_path, domain, shown):
    config = preset("mnist", domain, seed=3, method="igan+", profile="smoke")
    assert config.name == f"igan+-mnist-{shown}-smoke-s3-{config.hash8}"
    path = experiment.result_path(config, tmp_path)
    path.parent.mkdir()
    path.touch()
    assert list(path.parent.iterdir()) == [path] and path.parent == tmp_path / "runs"
    assert not set(config.name) & set('/\\:*?"<>| \n')


@pytest.mark.parametrize("letter", ["a", "é", "字", "a/"])
def test_long_paths_have_names_that_fit_a_file_system(tmp_path, letter):
    long = letter * 200
    config = preset(f"folder:/{long}/own", f"npz:{long}.npz", method="source-only", profile="quick", seed=2**32 - 1)
    assert config.source != config.name and "own-" in config.name and ".npz-quick" in config.name
    for path in (experiment.result_path(config, tmp_path), tmp_path / "checkpoints" / f"{config.name}.pt"):
        with atomic_path(path) as partial:  # the longest name of all
            partial.write_text("")
            assert len(partial.name.encode()) < 250
        assert path.is_file()
    other = preset(f"folder:/x{long}/own", f"npz:{long}.npz", method="source-only", profile="quick", seed=2**32 - 1)
    assert other.name != config.name


def test_paths_that_look_alike_have_names_of_their_own():
    names = {preset("mnist", domain).name for domain in ("npz:a/b.npz", "npz:a_b.npz", "npz:a b.npz", "npz:/a/b.npz")}
    assert len(names) == 4


def test_contrast_is_normalised_where_it_is_asked_for():
    plain, changed = (experiment.load(preset("mnist5k", "digits", train_limit=40, contrast=c)) for c in (False, True))
    for domain in ("source", "target"):
        before, after = getattr(plain, domain), getattr(changed, domain)
        assert torch.equal(after.train.images, normalize_contrast(before.train.images))
        assert torch.equal(after.test.images, normalize_contrast(before.test.images))
        assert not torch.equal(after.train.images, before.train.images)


@pytest.mark.parametrize("unread", [{"size": 32}, {"channels": 3}, {"contrast": True}])
def test_what_a_backbone_does_not_read_is_refused(unread):
    with pytest.raises(ConfigError) as caught:
        preset("amazon", "webcam", **unread)
    one_sentence(caught.value, f"does not read {next(iter(unread))}")
