"""The benchmark of the measures without labels: its settings and its resumption."""

import sys

import pandas as pd
import pytest
from benchmark_makers import load_benchmark

from igan_lib.errors import ConfigError


@pytest.fixture
def benchmark(monkeypatch):
    return load_benchmark("label_free", monkeypatch)


def ask(benchmark, monkeypatch, output, *words):
    monkeypatch.setattr(sys, "argv", ["label_free.py", *words, "--output", str(output)])
    benchmark.main()


def row(benchmark, method, setting, seed, accuracy, value):
    named = ["amazon-webcam", "efficientnet_lite2", "cpu", method, setting, seed, "0" * 8, accuracy]
    return [*named, *[value] * len(benchmark.NAMES)]


def test_every_setting_is_a_configuration_of_its_own(benchmark):
    named = {"profile": "cpu", "backbone": "efficientnet_lite2"}
    made = [
        config
        for pair in benchmark.PAIRS
        for method, settings in benchmark.SETTINGS.items()
        for setting in settings
        for config in benchmark.configurations(pair, method, setting, 2, **named)
    ]
    assert len({config.hash8 for config in made}) == len(made) > 100
    assert all(config.network == "frozen efficientnet_lite2" for config in made)


def test_a_group_that_is_there_is_not_trained_again_and_a_killed_one_is(benchmark, monkeypatch, tmp_path):
    trained, output = [], tmp_path / "table.csv"

    def rows_of(pair, method, setting, configs):
        trained.append((method, setting))
        if len(trained) == 2:
            raise KeyboardInterrupt
        return [row(benchmark, method, setting, config.seed, 80.0, 0.5) for config in configs]

    monkeypatch.setattr(benchmark, "rows_of", rows_of)
    words = ["amazon-webcam", "--methods", "igan", "--seeds", "3"]
    with pytest.raises(KeyboardInterrupt):
        ask(benchmark, monkeypatch, output, *words)
    assert len(pd.read_csv(output)) == 3
    ask(benchmark, monkeypatch, output, *words)
    first, second, third = benchmark.SETTINGS["igan"]
    assert trained == [("igan", name) for name in (first, second, second, third)]
    assert pd.read_csv(output)[["setting", "seed"]].value_counts().tolist() == [1] * 9


def test_an_unknown_name_is_refused(benchmark, monkeypatch, tmp_path):
    for words in (["amazon-mnist"], ["amazon-webcam", "--methods", "dann"]):
        with pytest.raises(ConfigError, match="choose among these"):
            ask(benchmark, monkeypatch, tmp_path / "table.csv", *words)
