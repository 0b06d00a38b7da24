"""The benchmark of retrieval runs from end to end on a tiny database, and its routes are checked against each other."""

import json
import sys

import numpy as np
import pytest
import torch
from benchmark_makers import load_benchmark


@pytest.fixture
def benchmark(monkeypatch):
    threads = torch.get_num_threads()
    yield load_benchmark("retrieval", monkeypatch)
    torch.set_num_threads(threads)


def test_a_tiny_run_writes_and_prints_every_route(benchmark, monkeypatch, tmp_path, capsys):
    output = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["retrieval.py", "--scale", "0.0003", "--rounds", "1", "--output", str(output)])
    benchmark.main()
    found, printed = json.loads(output.read_text()), capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [output] and found["database"] == 300
    for kind in ("random", "trained-like"):
        routes = found["routes"][kind]
        assert set(routes) == set(benchmark.ROUTES) and routes[benchmark.OWN]["times_own"] == 1
        assert all(route["gpair_per_s"] > 0 for route in routes.values())
        search = found["search"][kind]
        assert set(search) == {"flat", "ivf", "hnsw"} and search["flat"]["found"] == 1
        assert all(0 < index["found"] <= 1 and index["query_ms"] > 0 for index in search.values())
    assert found["memory"]["additional_mib"] >= 0 and found["all_threads"]["gpair_per_s"] > 0
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    routes, search = rows[: 1 + len(benchmark.ROUTES)], rows[1 + len(benchmark.ROUTES) :]
    assert [row.split(" | ")[0] for row in search[1:]] == ["| flat", "| ivf", "| hnsw"]
    assert all(len({row.count("|") for row in table}) == 1 for table in (routes, search))


def test_a_route_that_counts_something_else_is_noticed(benchmark, monkeypatch):
    data = benchmark.make_data("trained-like", 5, 200)
    benchmark.index_for(data)
    benchmark.check_routes(data)

    def off_by_one(part):
        n, p = benchmark.plain_histogram(part)
        return benchmark.Counts(np.roll(n, 1, axis=1), p)

    monkeypatch.setitem(benchmark.ROUTES, "wrong", (off_by_one, 1))
    with pytest.raises(AssertionError, match="wrong"):
        benchmark.check_routes(data)
