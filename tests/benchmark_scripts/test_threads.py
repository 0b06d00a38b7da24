"""The benchmark of threads runs from end to end with a few steps, and a trainer that fails ends it."""

import json
import sys

import pytest
from benchmark_makers import load_benchmark


@pytest.fixture
def benchmark(monkeypatch):
    return load_benchmark("threads", monkeypatch)


def test_a_tiny_run_writes_and_prints_the_ratio(benchmark, monkeypatch, tmp_path, capsys):
    measured = {}

    def steps_a_second(processes, threads, steps):
        measured[processes] = measure(processes, threads, steps)
        return measured[processes]

    measure = benchmark.steps_a_second
    monkeypatch.setattr(benchmark, "steps_a_second", steps_a_second)
    output = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["threads.py", "--steps", "2", "--rounds", "1", "--output", str(output)])
    benchmark.main()
    found = json.loads(output.read_text())
    rates = found["steps_a_second"]
    assert set(rates) == {"many runs", "one run"} and min(rates.values()) > 0 and found["cores"] == 2
    # of the rates as they were measured: on a busy machine they are small, and rounded ones have another ratio
    assert found["ratio"] == round(measured[2] / measured[1], 3)
    assert found["ratio_low"] == found["ratio"] == found["ratio_high"]
    assert f"take {found['ratio']:.2f} times the steps" in capsys.readouterr().out


def test_steps_of_all_processes_count(benchmark, monkeypatch):
    started = []

    def trainer(command, **options):
        started.append(command[-2:])
        return Trainer()

    class Trainer:
        """Says that it is ready and done without training."""

        def __init__(self):
            self.stdin, self.stdout, self.words = self, self, ["ready\n", "done\n"]

        def readline(self):
            return self.words.pop(0)

        def write(self, text):
            assert text == "go\n"

        def flush(self):
            pass

        kill = communicate = flush

    monkeypatch.setattr(benchmark.subprocess, "Popen", trainer)
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: next(clock))
    assert benchmark.steps_a_second(3, 1, 40) == 60.0
    assert started == [["1", "40"]] * 3


def test_a_trainer_that_fails_ends_the_measurement(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark, "TRAINER", "raise SystemExit(3)")
    with pytest.raises(RuntimeError, match="ended with 3"):
        benchmark.steps_a_second(2, 1, 1)
