"""The steps of Table 4's rows are measured at the sizes of the presets, alone or with all else."""

import json
import sys

import pytest
import torch
from benchmark_makers import load_benchmark

from igan_lib.method.config import ALL_LOSSES
from igan_lib.reproduction.studies import STUDIES

SIZES = {"28 pixels, batches of 100, lenet": (100, 1, 28, 28), "32 pixels, batches of 200, conv4": (200, 1, 32, 32)}


@pytest.fixture
def benchmark(monkeypatch):
    return load_benchmark("run", monkeypatch)


def test_rows_of_table_4_are_measured_alone_and_the_rest_is_kept(benchmark, monkeypatch, tmp_path):
    seen, before = [], torch.get_num_threads()

    def alternate(works, device, rounds):
        # A step of the first row, to see what it is fed; the times are made up.
        with monkeypatch.context() as patch:
            patch.setattr(benchmark.IGAN, "update", lambda self, x_s, y_s, x_t: seen.append((self, x_s)) or {"L": y_s})
            patch.setattr(torch, "stack", lambda losses: losses[0])
            for work in works.values():
                work()
        return {name: [0.001 * rounds, 0.002 * rounds, 0.1] for name in works}

    monkeypatch.setattr(benchmark, "alternate", alternate)
    output = tmp_path / "benchmarks.json"
    output.write_text(json.dumps({"threads": before, "cpu": {"step": {"step_ms": 1.0}, "losses_ms": {"old": {}}}}))
    monkeypatch.setattr(sys, "argv", ["run.py", "--losses-only", "--rounds", "3", "--threads", "7"])
    sys.argv += ["--output", str(output)]
    benchmark.main()
    found = json.loads(output.read_text())
    labels = [row.label for row in STUDIES["table4"].rows]
    assert found["cpu"]["losses_ms"] == {size: dict.fromkeys(labels, pytest.approx(6)) for size in SIZES}
    assert found["cpu"]["step"] == {"step_ms": 1.0} and found["threads"] == torch.get_num_threads() == before
    assert [tuple(x_s.shape) for _, x_s in seen] == [shape for shape in SIZES.values() for _ in labels]
    losses = [row.settings.get("losses", ALL_LOSSES) for row in STUDIES["table4"].rows]
    assert [method.config.losses for method, _ in seen] == losses * 2
    assert [method.config.encoder for method, _ in seen] == ["lenet"] * 5 + ["conv4"] * 5
