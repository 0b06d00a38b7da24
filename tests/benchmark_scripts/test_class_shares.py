"""The benchmark of class shares: how it draws a source of other shares, what it counts, and its resumption."""

import sys

import pandas as pd
import pytest
import torch
from benchmark_makers import load_benchmark
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from igan_lib.experiment.presets import preset


@pytest.fixture
def benchmark(monkeypatch):
    return load_benchmark("class_shares", monkeypatch)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(1, 40), min_size=3, max_size=3), st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_a_resampled_source_has_the_asked_shares_and_is_as_large_as_it_can_be(benchmark, counts, weights):
    if not sum(weights):
        weights = [0, 1, 2]
    y = torch.arange(3).repeat_interleave(torch.tensor(counts))[torch.randperm(sum(counts))]
    asked = torch.tensor(weights).double() / sum(weights)
    chosen = benchmark.resample(y, asked, seed=1)
    assert len(set(chosen.tolist())) == len(chosen)
    found = torch.bincount(y[chosen], minlength=3)
    assert ((found - asked * found.sum()).abs() <= 1.5).all()
    assert any(n == count for n, count, weight in zip(found.tolist(), counts, weights, strict=True) if weight)
    assert torch.equal(chosen, benchmark.resample(y, asked, seed=1))


def test_shares_and_their_distance(benchmark):
    p, q = benchmark.shares(torch.tensor([0, 0, 1, 2]), 4), benchmark.shares(torch.tensor([3, 1, 1, 1]), 4)
    assert p.tolist() == [0.5, 0.25, 0.25, 0] and q.tolist() == [0, 0.75, 0, 0.25]
    assert benchmark.distance(p, q) == benchmark.distance(q, p) == pytest.approx(75)
    assert benchmark.distance(p, p) == 0
    assert benchmark.distance(torch.tensor([1.0, 0]), torch.tensor([0, 1.0])) == 100


def test_only_the_explaining_source_has_the_shares_of_the_target(benchmark, monkeypatch):
    seen = []
    monkeypatch.setattr(benchmark, "fit", lambda method, data, *rest, **more: seen.append(data))
    config = preset("mnist5k", "digits", method="dann", profile="smoke")
    rows = [benchmark.measure(config, source) for source in (benchmark.AS_IT_IS, benchmark.RESAMPLED)]
    assert [row[3] for row in rows] == [benchmark.AS_IT_IS, benchmark.RESAMPLED]
    pair = benchmark.load(config, progress=False)
    target = benchmark.shares(pair.target.train.labels, 10)
    found = [benchmark.distance(benchmark.shares(data.y_s, 10), target) for data in seen]
    assert [row[-1] for row in rows] == pytest.approx(found, abs=0.01) and found[1] < 2
    assert torch.equal(seen[0].x_s, pair.source.train.images) and len(seen[1].x_s) == len(seen[1].y_s)


def test_a_row_that_is_there_is_not_measured_again_and_a_killed_one_is(benchmark, monkeypatch, tmp_path):
    measured, output = [], tmp_path / "table.csv"

    def measure(config, source):
        measured.append((config.method, source, config.seed))
        if len(measured) == 4:
            raise KeyboardInterrupt
        return [f"{config.source}->{config.target}", config.profile, config.method, source, config.seed, 90, 1, 2, 3]

    monkeypatch.setattr(benchmark, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["class_shares.py", "--seeds", "3", "5", "--output", str(output)])
    with pytest.raises(KeyboardInterrupt):
        benchmark.main()
    assert len(pd.read_csv(output)) == 3
    benchmark.main()
    rows = pd.read_csv(output)
    assert list(rows.columns) == benchmark.COLUMNS and len(rows) == len(rows.drop_duplicates()) == 2 * 2 * 4
    assert len(measured) == 17 and measured[3] == measured[4]
