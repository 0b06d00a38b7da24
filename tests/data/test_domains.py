"""Names, roots, domains and pairs of domains."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from data_makers import make_domain, make_features, message, noise, write_npz, write_usps
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.data import data_root, splits
from igan_lib.data.domains import Domain, DomainPair, Split, TrainingData, load_domain, load_pair
from igan_lib.errors import ConfigError, DataError

# Names and roots


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnits", "did you mean mnist?"),
        ("USPS", "did you mean usps?"),
        ("shvn", "did you mean svhn?"),
        ("nzp:my.npz", "did you mean npz:my.npz?"),
        ("Folder:photos", "did you mean folder:photos?"),
        ("imagenet-in-full", "choose one of those."),
        ("npz:", "npz:PATH"),
        ("", "choose one of those."),
    ],
)
def test_unknown_domain(name, hint):
    with pytest.raises(DataError) as error:
        load_domain(name)
    assert hint in message(error)


def test_root_is_a_cache_folder_unless_named(monkeypatch, tmp_path):
    monkeypatch.delenv("IGAN_DATA", raising=False)
    assert data_root.data_root().name == "igan"
    monkeypatch.setenv("IGAN_DATA", str(tmp_path))
    assert data_root.data_root() == tmp_path


@pytest.mark.parametrize("as_file", [True, False])
def test_igan_data_is_not_a_folder(as_file, monkeypatch, tmp_path):
    named = tmp_path / "place"
    if as_file:
        named.write_text("not a folder")
    monkeypatch.setenv("IGAN_DATA", str(named))
    for call in (data_root.data_root, data_root.domain_status, lambda: load_domain("mnist")):
        with pytest.raises(DataError) as error:
            call()
        assert "IGAN_DATA" in message(error)


def test_status(tmp_path):
    write_usps(tmp_path)
    found = {status.name: status for status in data_root.domain_status(tmp_path)}
    assert tuple(found) == (*data_root.NAMED_DOMAINS, *data_root.OFFICE_DOMAINS)
    assert {name for name, status in found.items() if status.present} == {"digits", "digits12", "mnist5k", "usps"}
    assert found["usps"].remedy == ""
    assert found["usps"].where == str(tmp_path)
    assert "train_32x32.mat" in found["svhn"].remedy


# Domains and pairs


def test_pair_has_one_format(tmp_path):
    labels = np.arange(20) % 10
    colour = write_npz(tmp_path / "own.npz", x_train=noise(20, 40, 50, 3), y_train=labels, y_test=np.arange(12) % 10)
    pair = load_pair("digits", colour, size=32, channels=3, limit=50)
    assert len(pair.target.train.labels) == 20
    assert pair.shape == pair.source.shape == pair.target.shape == (3, 32, 32)
    assert pair.n_classes == 10


def test_pair_of_different_classes(tmp_path):
    name = write_npz(tmp_path / "own.npz")
    with pytest.raises(DataError) as error:
        load_pair(name, "digits")
    assert "3, 4, 5, 6, 7, 8, 9 in one alone" in message(error)
    with pytest.raises(DataError) as error:
        DomainPair(make_domain(classes=("a", "b")), make_domain(classes=("b", "a")))
    assert "another order" in message(error)


def test_pair_of_different_shapes():
    with pytest.raises(DataError) as error:
        DomainPair(make_domain(), make_domain(shape=(3, 28, 28)))
    assert "(3, 28, 28)" in message(error)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (torch.zeros(2, 1, 28, 28), torch.arange(2)),
        (torch.zeros(2, 28, 28, dtype=torch.uint8), torch.arange(2)),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.arange(2).int()),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.arange(3)),
        (torch.zeros(0, 1, 28, 28, dtype=torch.uint8), torch.arange(0)),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.arange(2) + 1),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.arange(2) - 1),
        (torch.zeros(2, 1, 32, 32, dtype=torch.uint8), torch.arange(2)),
        (torch.zeros(2, 28), torch.arange(2)),  # features beside images
    ],
)
def test_domain_refuses_what_is_not_in_form(images, labels):
    good = make_domain().train
    with pytest.raises(DataError) as error:
        Domain("a", good, Split(images, labels), ("0", "1"))
    message(error)


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        (torch.zeros(2, 5).double(), torch.arange(2), "float64"),
        (torch.zeros(2, 5).half(), torch.arange(2), "float16"),
        (torch.zeros(2, 5, dtype=torch.uint8), torch.arange(2), "uint8"),
        (torch.zeros(2), torch.arange(2), "(2,)"),
        (torch.zeros(2, 5, 1), torch.arange(2), "(2, 5, 1)"),
        (torch.zeros(2, 6), torch.arange(2), "(6,)"),
        (torch.zeros(2, 5), torch.arange(3), "3 labels"),
        (torch.zeros(2, 5), torch.arange(2) + 1, "1 to 2"),
        (torch.tensor([[0.0, torch.nan], [0.0, 1.0]]).repeat(1, 3)[:, :5], torch.arange(2), "1 of 2 rows"),
        (torch.tensor([[0.0, torch.inf], [-torch.inf, 1.0]]).repeat(1, 3)[:, :5], torch.arange(2), "2 of 2 rows"),
    ],
)
def test_domain_refuses_features_that_are_not_in_form(features, labels, words):
    good = make_features().train
    for parts in ((good, Split(features, labels)), (Split(features, labels), good)):
        with pytest.raises(DataError) as error:
            Domain("a", *parts, ("0", "1"))
        assert words in message(error)


def test_pair_of_features():
    source, target = make_features("a", count=6), make_features("b", count=8, seed=1)
    pair = DomainPair(source, target)
    assert source.shape == pair.shape == (5,)
    data = pair.for_training()
    assert data.x_s.dtype == data.x_t.dtype == torch.float32
    assert torch.equal(data.x_s, source.train.images)
    assert torch.equal(data.y_s, source.train.labels)
    assert torch.equal(data.x_t, target.train.images)


@pytest.mark.parametrize("other", [{"width": 7}, None])
def test_pair_of_other_features_or_images(other):
    target = make_domain() if other is None else make_features(**other)
    with pytest.raises(DataError) as error:
        DomainPair(make_features(), target)
    assert "same backbone" in message(error)


def test_checksum_sees_a_feature():
    domain = make_features()
    features = domain.train.images.clone()
    features[2, 3] = features[2, 3].nextafter(torch.tensor(9.0))
    changed = dataclasses.replace(domain, train=Split(features, domain.train.labels))
    assert changed.checksum() != domain.checksum() == make_features().checksum()


def test_training_data_holds_no_target_label():
    assert [field.name for field in dataclasses.fields(TrainingData)] == ["x_s", "y_s", "x_t", "n_classes"]
    source, target = make_domain(count=6), make_domain(count=8)
    data = DomainPair(source, target).for_training().to("cpu")
    assert torch.equal(data.x_s, source.train.images)
    assert torch.equal(data.y_s, source.train.labels)
    assert torch.equal(data.x_t, target.train.images)
    assert data.n_classes == 2


def test_checksum_sees_every_part():
    domain = make_domain()
    pixels, labels = domain.train.images.clone(), domain.train.labels.flip(0)
    pixels[3, 0, 5, 7] ^= 1
    variants = [
        domain,
        dataclasses.replace(domain, train=Split(pixels, domain.train.labels)),
        dataclasses.replace(domain, test=Split(pixels, domain.test.labels)),
        dataclasses.replace(domain, train=Split(domain.train.images, labels)),
        dataclasses.replace(domain, class_names=("0", "2")),
    ]
    assert len({variant.checksum() for variant in variants}) == len(variants)
    assert dataclasses.replace(domain, name="b").checksum() == make_domain().checksum()
    assert len(domain.checksum()) == 64


def test_limit(digits):
    small, large = (load_pair("digits", "digits", limit=limit).target for limit in (60, 700))
    for part in ("train", "test"):
        whole = getattr(digits, part)
        kept = getattr(small, part)
        assert len(kept.labels) == 60
        share = whole.labels.bincount() * 60 / len(whole.labels)
        assert (kept.labels.bincount() - share).abs().max() <= 1
    assert len(large.train.labels) == 700
    assert large.test.labels.tolist() == digits.test.labels.tolist()
    assert load_pair("digits", "digits", limit=60).source.checksum() == small.checksum()
    everything = {image.numpy().tobytes() for image in large.train.images}
    assert all(image.numpy().tobytes() in everything for image in small.train.images)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(0, 120), st.integers(0, 99))
def test_limit_keeps_the_shares_and_never_grows(counts, extra, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    limit = len(counts) + extra
    kept = splits.stratified(labels, limit, tuple("abcdef"[: len(counts)]))
    assert len(kept) == min(limit, len(labels))
    assert (np.diff(kept) > 0).all()
    found = np.bincount(labels[kept], minlength=len(counts))
    assert found.min() >= 1
    assert (np.abs(found - np.array(counts) * len(kept) / len(labels)) <= len(counts)).all()


@pytest.mark.parametrize("limit", [9, 0, -1])
def test_limit_below_one_image_a_class(limit):
    with pytest.raises(ConfigError) as error:
        load_pair("digits", "digits", limit=limit)
    assert "at least 10" in message(error)


def test_map_images_changes_all_four_splits_and_no_label(mnist5k, digits):
    pair = DomainPair(mnist5k, digits)
    inverted = pair.map_images(lambda images: 255 - images)
    for before, after in ((pair.source, inverted.source), (pair.target, inverted.target)):
        assert (after.name, after.class_names) == (before.name, before.class_names)
        for part in ("train", "test"):
            old, new = getattr(before, part), getattr(after, part)
            assert torch.equal(new.images, 255 - old.images) and torch.equal(new.labels, old.labels)


def test_features_that_are_not_finite_are_counted_in_all_portions():
    labels, x = torch.zeros(25_000, dtype=torch.int64), torch.rand(25_000, 3)
    x[[5, 12_000, 24_999], 1] = torch.tensor([math.nan, math.inf, -math.inf])
    with pytest.raises(DataError) as error:
        Domain("a", Split(x, labels), Split(x, labels), ("x", "y"))
    assert "in 3 of 25000 rows" in message(error)
