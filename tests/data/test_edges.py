"""Rare cases: new stages of an average, damaged files, values that do not go together, renamed results."""

import pytest
import torch
from method_makers import Stub, make_pair, one_sentence, stub_data

from igan_lib.errors import ConfigError, TrainingError
from igan_lib.experiment.presets import preset
from igan_lib.experiment.result import result_path
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.training.checkpoints import load_checkpoint
from igan_lib.training.fit import fit
from igan_lib.training.schedule import Schedule

SIZES = {"code_length": 8, "generator_width": 2, "discriminator_width": 2}


def written(tmp_path):
    path = tmp_path / "run.pt"
    schedule = Schedule(batch_size=2, pretrain_steps=1, steps=3)
    fit(Stub(), stub_data(), schedule, seed=0, checkpoint=path, fingerprint="me", progress=False)
    return path


def test_a_new_stage_starts_the_averaged_classifier_anew_too():
    torch.manual_seed(0)
    method = IGAN(IGANConfig(**SIZES, weight_average=0.998), (1, 28, 28), 3).train()
    x, y = torch.rand(6, 1, 28, 28) * 2 - 1, torch.tensor([0, 1, 2, 0, 1, 2])
    for _ in range(2):
        method.update(x, y, x)
    old = method.inference_net.classifier.weight.clone()
    method.start_stage()
    method.update(x, y, x)
    now = method.inference_net.classifier.weight
    assert (now - method.net.classifier.weight).norm() < (now - old).norm()


@pytest.mark.parametrize("content", [b"\x81", b"X", b"c\xec\xc1"])
def test_any_garbage_in_place_of_a_checkpoint_is_a_training_error(tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(TrainingError):
        load_checkpoint(path, Stub(), "me")


@pytest.mark.parametrize(
    ("key", "flipped"), [(b"fingerprint", b"fingerpr\xffnt"), (b"history", b"histery"), (b"optimizers", b"optimizer3")]
)
def test_a_byte_flipped_in_the_pickle_is_a_training_error(tmp_path, key, flipped):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace(key, flipped))
    with pytest.raises(TrainingError):
        load_checkpoint(path, Stub(), "me")


def test_a_checkpoint_that_does_not_fit_the_method_is_a_training_error(tmp_path):
    path = tmp_path / "run.pt"
    data, schedule = make_pair(12).for_training(), Schedule(batch_size=4, pretrain_steps=1, steps=1)
    fit(IGAN(IGANConfig(**SIZES), (1, 28, 28), 3), data, schedule, seed=0, checkpoint=path, progress=False)
    other = IGAN(IGANConfig(**(SIZES | {"code_length": 16})), (1, 28, 28), 3)
    with pytest.raises(TrainingError):
        fit(other, data, schedule, seed=0, checkpoint=path, progress=False)


def test_one_domain_twice_is_one_readable_sentence():
    with pytest.raises(ConfigError) as caught:
        preset("mnist", "mnist")
    one_sentence(caught.value, "mnist")
    assert "a valid the" not in str(caught.value) and "pretrain_steps" not in str(caught.value)


def test_a_seed_too_large_for_torch_is_a_config_error():
    with pytest.raises(ConfigError):
        config = preset("mnist", "usps", seed=10**13)
        fit(Stub(), stub_data(), Schedule(batch_size=2, pretrain_steps=1, steps=1), seed=config.seed, progress=False)


def test_a_file_s_name_does_not_choose_the_experiment():
    # A named data set does; the same bytes under a user's name are a file like any other.
    for own in ("npz:svhn7k.npz", "npz:/home/svhn_fan/digits.npz", "folder:svhn"):
        config = preset(own, "mnist")
        assert (config.encoder, config.size, config.contrast) == ("lenet", 28, False)
    assert preset("svhn7k", "mnist").encoder == preset("svhn", "mnist").encoder == "conv4"


def test_a_result_under_another_configuration_s_name_is_refused(tmp_path):
    from igan_lib.experiment.result import RunResult
    from igan_lib.experiment.run import run

    config, other = (preset("mnist", "usps", profile="smoke", seed=seed) for seed in (0, 1))
    path = result_path(config, tmp_path)
    path.parent.mkdir()
    path.write_text(RunResult(config=other, hash=other.hash8, metrics={}, history=[], provenance={}).model_dump_json())
    with pytest.raises(ConfigError):
        run(config, results=tmp_path, progress=False)
