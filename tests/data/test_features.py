"""Features of a tiny Office-31: right values in the right order, computed once, and anew when anything has changed."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data_makers import message, noise
from office_makers import OFFICE_CLASSES, OFFICE_COUNTS, TINY, office_labels, tiny_backbone
from PIL import Image
from torchvision import transforms as T

from igan_lib.data import backbones, features
from igan_lib.data.data_root import resolve_root
from igan_lib.data.features import (
    extract,
    feature_cache,
    load_feature_domains,
    load_feature_pair,
    read_crops,
)
from igan_lib.data.office31 import OFFICE_DOMAINS, list_office31
from igan_lib.errors import ConfigError, DataError

ASKING = Path(__file__).with_name("asking_features.py")


def load(name="amazon", **options):
    (domain,) = load_feature_domains(name, backbone="tiny", progress=False, **options)
    return domain


def one_by_one(network, root, name):
    """The features of a domain, image by image, through torchvision's transforms."""
    mean, std = ([value / 255 for value in values] for values in (TINY.mean, TINY.std))
    steps = T.Compose([T.Resize(TINY.resize), T.CenterCrop(TINY.crop), T.ToTensor(), T.Normalize(mean, std)])
    network, rows = network.eval(), []
    for class_name in OFFICE_CLASSES:
        for path in sorted((root / "office31" / name / "images" / class_name).iterdir()):
            with torch.no_grad():
                rows.append(network(steps(Image.open(path).convert("RGB"))[None])[0])
    return torch.stack(rows)


def stored(name="amazon"):
    (path,) = feature_cache().glob(f"{name}-tiny-*.npz")
    return path


# Values, order and form


@pytest.mark.parametrize("name", OFFICE_DOMAINS)
def test_features_and_labels_are_in_the_order_of_the_files(office, tiny, name):
    domain = load(name)
    assert (domain.name, domain.class_names, domain.shape) == (name, OFFICE_CLASSES, (6,))
    assert domain.train.labels.tolist() == office_labels(name)
    assert domain.train.images.dtype == torch.float32
    torch.testing.assert_close(domain.train.images, one_by_one(tiny, office, name), rtol=1e-4, atol=1e-5)
    assert len(domain.train.images.unique(dim=0)) == sum(OFFICE_COUNTS[name])  # else order would not show


def test_training_and_test_data_are_all_images(office, tiny):
    domain = load()
    assert torch.equal(domain.train.images, domain.test.images)
    assert torch.equal(domain.train.labels, domain.test.labels)
    assert len(domain.test.labels) == sum(OFFICE_COUNTS["amazon"])


def test_joined_features_stand_side_by_side_at_one_length(office, tiny, monkeypatch):
    wide = replace(tiny_backbone()[0], name="wide", transform=replace(TINY, mean=(90.0, 90.0, 90.0)))
    monkeypatch.setitem(backbones.BACKBONES, "wide", wide)
    monkeypatch.setitem(features.JOINED, "both", ("tiny", "wide"))
    (joined,) = load_feature_domains("amazon", backbone="both", limit=3, progress=False)
    parts = [load_feature_domains("amazon", backbone=name, limit=3, progress=False)[0] for name in ("tiny", "wide")]
    assert joined.shape == (12,) and torch.equal(joined.train.labels, parts[0].train.labels)
    for part, columns in zip(parts, joined.train.images.split(6, dim=1), strict=True):
        own = part.train.images
        torch.testing.assert_close(columns, own * (features.LENGTH / own.norm(dim=1, keepdim=True)))
    assert not torch.allclose(*joined.train.images.split(6, dim=1))


def test_pair(office, tiny):
    pair = load_feature_pair("amazon", "webcam", backbone="tiny", progress=False)
    data = pair.for_training()
    assert pair.shape == (6,)
    assert torch.equal(data.x_s, load("amazon").train.images)
    assert torch.equal(data.x_t, load("webcam").train.images)
    assert data.y_s.tolist() == office_labels("amazon")


def test_features_can_be_trained_on(office, tiny):
    # Tensors made in inference mode can't be saved for a backward pass.
    for domain in (load(), load()):  # computed, then from the cache
        layer = torch.nn.Linear(6, 2)
        layer(domain.train.images).sum().backward()
        torch.testing.assert_close(layer.weight.grad, domain.train.images.sum(0).expand(2, 6))


@pytest.mark.parametrize("batch_size", [1, 2, 4, 9, 100])
def test_batch_size_makes_no_difference(office, tiny, batch_size):
    paths = list_office31("amazon", office).paths
    found = extract(tiny, TINY, paths, batch_size=batch_size)
    torch.testing.assert_close(found, one_by_one(tiny, office, "amazon"), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        extract(tiny, TINY, paths[::-1], batch_size=batch_size), found.flip(0), rtol=1e-4, atol=1e-5
    )


def test_a_network_in_training_mode_gives_the_same(office, tiny):
    before = {name: value.clone() for name, value in tiny.state_dict().items()}
    expected = load().train.images
    found = extract(tiny.train(), TINY, list_office31("amazon", office).paths)
    torch.testing.assert_close(found, expected)
    assert all(torch.equal(tiny.state_dict()[name], value) for name, value in before.items())


def test_crops_are_what_the_network_sees_before_normalising(office, tiny):
    paths = list_office31("dslr", office).paths
    crops = read_crops(paths, TINY)
    assert (crops.dtype, crops.shape) == (torch.uint8, (5, 3, 16, 16))
    with torch.no_grad():
        torch.testing.assert_close(tiny.eval()(TINY.normalise(crops)), load("dslr").train.images, rtol=1e-4, atol=1e-5)


def test_limit_keeps_some_of_each_class_and_computes_all(office, tiny):
    few = load(limit=3)
    assert few.train.labels.tolist() == [0, 1, 2]
    assert tiny.seen == 9
    everything = load()
    assert tiny.seen == 9
    first = [everything.train.labels.tolist().index(label) for label in range(3)]
    assert torch.equal(few.train.images, everything.train.images[first])
    with pytest.raises(ConfigError) as error:
        load(limit=2)
    assert "at least 3" in message(error)


def test_bar(office, tiny, capsys):
    load_feature_domains("amazon", backbone="tiny")
    assert "amazon -> tiny: 100%" in capsys.readouterr().err
    load_feature_domains("webcam", backbone="tiny", progress=False)
    assert capsys.readouterr().err == ""


# What is cached, and what makes it new


def test_nothing_is_computed_twice(office, tiny):
    first = load()
    assert tiny.seen == 9
    again = load()
    assert tiny.seen == 9
    assert again.checksum() == first.checksum()
    assert load("webcam").checksum() != first.checksum()
    assert tiny.seen == 9 + 7
    assert sorted(path.name.split("-")[0] for path in feature_cache().glob("*.npz")) == ["amazon", "webcam"]


def test_the_same_images_elsewhere_are_found_in_the_cache(office, tiny, tmp_path):
    first = load()
    other = tmp_path / "other"
    shutil.copytree(office / "office31" / "amazon" / "images", other / "Office-31" / "amazon")
    (other / "Office-31" / "amazon" / "pen" / "frame_0001.jpg").touch()
    assert load(root=other).checksum() == first.checksum()
    assert tiny.seen == 9


def change_image(office, tiny):
    Image.fromarray(noise(40, 40, 3, seed=999)).save(office / "office31/amazon/images/mug/frame_0002.jpg")


def swap_images(office, tiny):
    mug = office / "office31/amazon/images/mug"
    (mug / "frame_0001.jpg").rename(mug / "kept")
    (mug / "frame_0002.jpg").rename(mug / "frame_0001.jpg")
    (mug / "kept").rename(mug / "frame_0002.jpg")


def rename_image(office, tiny):
    mug = office / "office31/amazon/images/mug"
    (mug / "frame_0002.jpg").rename(mug / "frame_0003.jpg")


def change_weight(office, tiny):
    with torch.no_grad():
        tiny.head[-1].bias[3] += 0.5


def change_buffer(office, tiny):
    tiny.norm.running_mean[1] += 0.5


@pytest.mark.parametrize("change", [change_image, swap_images, rename_image, change_weight, change_buffer])
def test_changed_images_or_weights_make_new_features(office, tiny, change):
    first = load()
    change(office, tiny)
    tiny.seen = 0
    changed = load()
    assert tiny.seen == 9
    assert len(list(feature_cache().glob("*.npz"))) == 2
    torch.testing.assert_close(changed.train.images, one_by_one(tiny, office, "amazon"), rtol=1e-4, atol=1e-5)
    assert (changed.checksum() == first.checksum()) is (change is rename_image)


@pytest.mark.parametrize(
    "changes",
    [
        {"resize": 21},
        {"crop": 15},
        {"interpolation": "bicubic"},
        {"mean": (120.0, 110.0, 101.0)},
        {"std": (60.0, 50.0, 41.0)},
    ],
)
def test_a_changed_transform_makes_new_features(office, tiny, monkeypatch, changes):
    first = load()
    other, network = tiny_backbone(replace(TINY, **changes))
    monkeypatch.setitem(backbones.BACKBONES, "tiny", other)
    changed = load()
    assert network.seen == 9
    assert changed.checksum() != first.checksum()
    monkeypatch.setitem(backbones.BACKBONES, "tiny", replace(other, transform=TINY))
    assert load().checksum() == first.checksum()
    assert network.seen == 9


def test_cache_folder(office, tiny, monkeypatch, tmp_path):
    load(cache=tmp_path / "given" / "deep")
    assert len(list((tmp_path / "given" / "deep").glob("*.npz"))) == 1
    assert not feature_cache().exists()
    monkeypatch.delenv("IGAN_FEATURES")
    assert feature_cache().parts[-2:] == ("igan", "features")


# Damage


def cut(content):
    return content[: len(content) // 2]


def flip(content):
    at = content.index(b"NUMPY", content.index(b"features.npy")) + 130  # among the values
    return content[:at] + bytes([content[at] ^ 64]) + content[at + 1 :]


def another_key(content):
    at = content.index(b"NUMPY", content.index(b"key.npy")) + 130
    return content[:at] + b"f\0\0\0" + content[at + 4 :]


@pytest.mark.parametrize("damage", [cut, flip, another_key, lambda content: b"", lambda content: b"no archive at all"])
def test_a_damaged_cache_file_is_computed_anew(office, tiny, damage):
    first = load()
    path = stored()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert path.read_bytes() != whole
    assert load().checksum() == first.checksum()
    assert tiny.seen == 18
    assert load().checksum() == first.checksum()
    assert tiny.seen == 18


@pytest.mark.parametrize(
    "changes",
    [
        {"key": np.array("f" * 64)},
        {"features": np.zeros((8, 6), dtype=np.float32)},
        {"features": np.zeros((9, 7), dtype=np.float32)},
        {"features": np.zeros((9, 6))},
        {"features": None},
        {"features": np.array([None] * 9)},
    ],
)
def test_a_cache_file_of_something_else_is_computed_anew(office, tiny, changes):
    first = load()
    with np.load(stored()) as archive:
        values = dict(archive) | changes
    np.savez(stored(), **{name: value for name, value in values.items() if value is not None})
    assert load().checksum() == first.checksum()
    assert tiny.seen == 18


def test_no_altered_bit_passes(office, tiny):
    whole = load("dslr").train.images
    path = stored("dslr")
    content = path.read_bytes()
    with np.load(path) as archive:
        key = str(archive["key"])
    read, end = 0, len(content)
    # All of the first header and of the archive's directory at the end, some of the rest.
    for at in (*range(60), *range(60, end - 200, 7), *range(end - 200, end)):
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        found = features._read(path, key, (5, 6))
        assert found is None or torch.equal(found, whole), at
        read += found is not None
    assert 0 < read < 200  # times and other bytes that don't matter


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_an_image_that_cannot_be_decoded(office, tiny, content):
    path = office / "office31/amazon/images/pen/frame_0004.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load()
    assert str(path) in message(error)
    assert not list(feature_cache().glob("*.npz")) and not list(feature_cache().glob(".*"))


def test_a_truncated_image(office, tiny):
    path = office / "office31/amazon/images/pen/frame_0004.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError) as error:
        load()
    assert str(path) in message(error)


def test_a_cache_that_cannot_be_written(office, tiny, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(DataError) as error:
        load(cache=blocked)
    assert str(blocked) in message(error)
    assert "IGAN_FEATURES" in message(error)


def test_what_a_killed_process_left_is_removed(office, tiny):
    load()
    path = stored()
    path.unlink()
    left = path.with_name(f".{path.name}.123.partial")
    left.write_bytes(b"half")
    load()
    assert path.exists() and not left.exists()


def test_a_write_that_breaks_off_leaves_no_file(office, tiny, monkeypatch):
    def full(file, **arrays):
        file.write(b"the first bytes")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(features.np, "savez", full)
        with pytest.raises(DataError) as error:
            load()
    assert "free some space" in message(error)
    assert [path.name for path in feature_cache().iterdir() if path.suffix != ".lock"] == []
    load()
    assert stored().exists()


# Wrong calls


def test_wrong_calls(office, tiny, tmp_path):
    with pytest.raises(ConfigError) as unknown:
        load_feature_pair("amazon", "webcam", backbone="tinny")
    assert "'tinny'" in message(unknown)
    with pytest.raises(DataError) as other:
        load_feature_pair("amazon", "mnist", backbone="tiny")
    assert "amazon, webcam, dslr" in message(other)
    with pytest.raises(DataError) as missing:
        load(root=tmp_path)
    assert "domainadapt" in message(missing)
    assert tiny.seen == 0


def test_download_is_asked_for_only_on_request(office, monkeypatch):
    asked = []
    backbone, network = tiny_backbone()
    monkeypatch.setitem(
        backbones.BACKBONES, "tiny", replace(backbone, load=lambda download: asked.append(download) or network)
    )
    load("dslr")
    load("dslr", download=True)
    load_feature_pair("dslr", "webcam", backbone="tiny", download=True, progress=False)
    assert asked == [False, True, True]  # once for both domains of a pair


# The data set itself


# Lite0's features 0, 100, ..., 700 of the first image of eight classes of webcam, computed by this library in float32.
REAL_FEATURES = (
    (0.0602, 0.0246, 0.1218, 0.8775, 0.7986, 0.0000, 0.4896, 1.2176),
    (0.0000, 0.2215, 0.0885, 0.0000, 0.1740, 0.0000, 0.0000, 0.0904),
    (0.7791, 0.0000, 0.0069, 0.1290, 0.2802, 1.1710, 0.1176, 0.0121),
    (1.5387, 0.0000, 0.2257, 0.0000, 0.0049, 0.3997, 0.0000, 0.0000),
    (0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 1.2678, 0.0324, 0.1303),
    (0.8179, 0.3390, 0.0000, 0.0000, 0.0202, 0.0202, 0.0019, 0.7923),
    (0.0000, 0.0000, 0.4690, 0.3498, 0.4134, 0.8690, 0.1354, 0.0935),
    (0.1655, 0.0000, 0.0104, 0.3218, 0.2516, 0.6629, 0.5077, 0.1612),
)


@pytest.mark.real_data("office31")
def test_real_features_are_those_of_the_committed_results():
    """Every step from the file to the feature is in them: order of the channels, cut, scale, weights, fc or pooling."""
    listing = list_office31("webcam", resolve_root(None))
    first = [listing.paths[np.flatnonzero(listing.labels == label)[0]] for label in range(0, 31, 4)]
    backbone = backbones.find_backbone("efficientnet_lite0")
    found = features.extract(backbone.load(False), backbone.transform, first)
    assert found.shape == (8, 1280)
    np.testing.assert_allclose(found[:, :800:100].numpy(), REAL_FEATURES, rtol=2e-3, atol=2e-3)


@pytest.mark.real_data("office31")
@pytest.mark.parametrize(("c", "share"), [(0.01, 80.6), (1, 78.7), (10, 76.6)])
def test_a_probe_on_amazon_names_three_quarters_of_webcam(monkeypatch, c, share):
    """Only where the features are in the cache."""
    from sklearn.linear_model import LogisticRegression

    monkeypatch.setattr(features, "extract", lambda *args, **options: pytest.skip("the features are not in the cache"))
    pair = load_feature_pair("amazon", "webcam", progress=False)
    source, target = pair.source.train, pair.target.test
    probe = LogisticRegression(C=c, max_iter=1000).fit(source.images.numpy(), source.labels.numpy())
    assert 100 * probe.score(target.images.numpy(), target.labels.numpy()) == pytest.approx(share, abs=1)


# Two processes


def test_two_processes_at_once_compute_once(office, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, str(ASKING), str(office), str(tmp_path / "features"), str(marks), "2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(features.__file__).parents[2]), *sys.path])}
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0] for process in asking]
    assert [process.returncode for process in asking] == [0, 0]
    assert answers[0].split()[0] == answers[1].split()[0] != ""
    assert sorted(int(answer.split()[1]) for answer in answers) == [0, 9]
