"""The benchmark of extraction runs from end to end on a few images, and its own loop is that of the library."""

import json
import sys

import pytest
import torch
from benchmark_makers import load_benchmark

from igan_lib.data.backbones import find_backbone
from igan_lib.data.data_root import resolve_root
from igan_lib.data.features import extract
from igan_lib.data.office31 import list_office31


@pytest.fixture
def benchmark(monkeypatch):
    threads = torch.get_num_threads()
    yield load_benchmark("features", monkeypatch)
    torch.set_num_threads(threads)


def ask(benchmark, monkeypatch, output):
    monkeypatch.setattr(sys, "argv", ["features.py", "--images", "3", "--rounds", "1", "--output", str(output)])
    benchmark.main()


@pytest.mark.real_data("office31")
def test_a_tiny_run_writes_every_way(benchmark, monkeypatch, tmp_path):
    ask(benchmark, monkeypatch, tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())
    ways = found["ways"]
    assert set(ways) == set(benchmark.WAYS) and all(line["of_the_time"] > 0 for line in ways.values())
    assert ways[benchmark.USED] == {"of_the_time": 1.0, "off_percent": 0.0} and ways["contiguous"]["off_percent"] < 0.01
    assert 0.1 < ways["bf16 autocast"]["off_percent"] < 20
    assert found["all_images_seconds"] == pytest.approx(4110 / found["images_a_second"], rel=0.1)


@pytest.mark.real_data("office31")
def test_the_way_that_is_used_is_the_library_s(benchmark):
    backbone, paths = find_backbone("efficientnet_lite2"), list_office31("dslr", resolve_root(None)).paths[:3]
    network = backbone.load(False)
    own = benchmark.features(network, backbone.transform, list(paths), benchmark.USED)
    assert torch.equal(own, extract(network, backbone.transform, paths))


def test_without_the_data_it_says_so_and_writes_nothing(benchmark, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("IGAN_DATA", str(tmp_path))
    ask(benchmark, monkeypatch, tmp_path / "out.json")
    assert "not measured" in capsys.readouterr().out and not list(tmp_path.iterdir())
