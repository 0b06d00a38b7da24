"""The benchmark of own photographs runs from end to end on a tiny Office-31, and its gauge of memory sees an array."""

import hashlib
import mmap
import sys
import time

import numpy as np
import pytest
from benchmark_makers import load_benchmark

from igan_lib.data import backbones
from igan_lib.data.office31 import list_office31
from igan_lib.pictures.decoding import open_rgb


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.setitem(backbones.BACKBONES, "small", None)  # what a run puts there goes with the test
    return load_benchmark("own", monkeypatch)


def test_a_tiny_run_measures_all_of_it(benchmark, office, tiny, tmp_path):
    found = benchmark.extraction("tiny", 8, tmp_path / "rate")
    assert found["pictures_a_second"] > 0 and found["memory_mib"] >= 0
    assert tiny.seen >= 8
    found = benchmark.scale(30, 2, tmp_path / "scale")
    assert all(value >= 0 for value in found.values())
    timed = {name for name in found if name.endswith(("_s", "_ms"))}
    assert len(timed) == 5 and min(found[name] for name in timed) > 0
    _, files = benchmark.read_index(tmp_path / "scale" / "out")
    assert len(files) == 30 + benchmark.ADDED


def test_copies_are_other_files_of_the_same_picture(benchmark, office, tmp_path):
    originals = list(list_office31("dslr", office).paths)[:2]
    made = benchmark.copies(originals, 5, tmp_path / "copies")
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in made}) == 5
    for number, path in enumerate(made):
        assert np.array_equal(open_rgb(str(path)), open_rgb(str(originals[number % 2])))


def test_the_gauge_of_memory_sees_an_array_while_it_is_there(benchmark):
    # Not by malloc, which may give memory that an earlier test in this process left.
    size = 64 * 2**20
    with benchmark.PeakMemory() as memory, mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(b"1" * size)
        end = time.monotonic() + 10
        while memory.own < 50 and time.monotonic() < end:
            time.sleep(0.01)
    assert 50 < memory.own < 200


def test_without_the_data_it_says_so_and_writes_nothing(benchmark, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("IGAN_DATA", str(tmp_path))
    monkeypatch.setattr(
        sys, "argv", ["own.py", "--backbone", "efficientnet_lite0", "--output", str(tmp_path / "o.json")]
    )
    benchmark.main()
    assert "not measured" in capsys.readouterr().out and not list(tmp_path.iterdir())
