"""Shared by all tests: `@pytest.mark.real_data("mnist", "svhn7k.npz")` skips a test whose data are not there."""

import pytest
from data_makers import TEST, TRAIN, WRITERS
from office_makers import OFFICE_CLASSES, OFFICE_COUNTS, tiny_backbone, write_office

from igan_lib.data import backbones, office31, readers
from igan_lib.data.data_root import NAMED_DOMAINS, data_root, domain_status
from igan_lib.data.domains import load_domain


def pytest_configure(config):
    config.addinivalue_line("markers", "real_data(*names): needs these domains, or files below the data root")


def pytest_runtest_setup(item):
    for mark in item.iter_markers("real_data"):
        present = {status.name for status in domain_status() if status.present}
        for name in mark.args:
            there = name in present if name in NAMED_DOMAINS else (data_root() / name).exists()
            if not there:
                pytest.skip(f"{name} is not in the data root")


@pytest.fixture(scope="session")
def mnist5k():
    return load_domain("mnist5k")


@pytest.fixture(scope="session")
def digits():
    return load_domain("digits")


@pytest.fixture
def small(monkeypatch):
    """Tiny stand-ins of the files pass as complete; SVHN's without the official MD5."""
    from torchvision.datasets import SVHN

    for name in WRITERS:
        monkeypatch.setitem(readers.HISTOGRAMS, f"{name} train", TRAIN)
        monkeypatch.setitem(readers.HISTOGRAMS, f"{name} test", TEST)
    monkeypatch.setattr(SVHN, "split_list", {key: [url, file, None] for key, (url, file, _) in SVHN.split_list.items()})


@pytest.fixture
def office(monkeypatch, tmp_path):
    """The data root of a tiny Office-31 of three classes, which passes as complete; features go to a folder beside."""
    monkeypatch.setattr(office31, "CLASSES", OFFICE_CLASSES)
    for name, counts in OFFICE_COUNTS.items():
        monkeypatch.setitem(office31.COUNTS, name, counts)
    root = write_office(tmp_path / "data")
    monkeypatch.setenv("IGAN_DATA", str(root))
    monkeypatch.setenv("IGAN_FEATURES", str(tmp_path / "features"))
    return root


@pytest.fixture
def tiny(monkeypatch):
    """The network of a backbone that is known as `tiny`; its `seen` counts images."""
    backbone, network = tiny_backbone()
    monkeypatch.setitem(backbones.BACKBONES, "tiny", backbone)
    return network
