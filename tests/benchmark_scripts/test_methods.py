"""Each method of Tables 1 and 2 is timed as it trains, at points of its adaptation that every stage has one of."""

import json
import sys

import pytest
import torch
from benchmark_makers import SCRIPTS, load_benchmark

from igan_lib.compared.cycada import RETRAINED, TRANSLATED
from igan_lib.experiment.presets import preset
from igan_lib.reproduction.studies import M_U, STUDIES


@pytest.fixture
def benchmark(monkeypatch):
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))  # it imports from run.py beside it
        yield load_benchmark("methods", patch)


def test_each_row_is_measured_at_the_sizes_of_its_preset_and_told_where_it_stands(benchmark, monkeypatch, tmp_path):
    seen, before = [], torch.get_num_threads()

    def alternate(works, device, rounds):
        works["CyCADA" if "CyCADA" in works else "I2I"]()
        return {name: [0.001 * rounds, 0.002 * rounds, 0.1] for name in works}

    def update(self, x_s, y_s, x_t):
        seen.append((type(self).__name__, self.progress, tuple(x_s.shape), tuple(x_t.shape)))
        return {"L": torch.zeros(())}

    monkeypatch.setattr(benchmark, "alternate", alternate)
    monkeypatch.setattr(benchmark.build.__globals__["RECOGNITION_CLASSES"]["cycada"], "update", update)
    monkeypatch.setattr(benchmark.build.__globals__["RECOGNITION_CLASSES"]["i2i"], "update", update)
    monkeypatch.setattr(sys, "argv", ["methods.py", "--rounds", "3", "--output", str(tmp_path / "out.json")])
    benchmark.main()
    torch.set_num_threads(before)
    found = json.loads((tmp_path / "out.json").read_text())
    for name, columns in (("table1", ["mnist->usps", "svhn7k->mnist"]), ("table2", ["amazon->webcam"])):
        labels = [row.label for row in STUDIES[name].rows if row.metric is None]
        assert found[name] == {column: dict.fromkeys(labels, pytest.approx(6)) for column in columns}
    shapes = [(100, 1, 28, 28), (200, 1, 32, 32), (310, 1280)]
    assert [shape for _, _, shape, _ in seen] == [shape for shape in shapes for _ in benchmark.POINTS]
    assert [point for _, point, _, _ in seen] == [*benchmark.POINTS] * 3


def test_the_points_hold_each_stage_of_cycada_as_often_as_a_run_does(benchmark):
    stages = [sum(point >= end for end in (TRANSLATED, RETRAINED)) for point in benchmark.POINTS]
    shares = (TRANSLATED, RETRAINED - TRANSLATED, 1 - RETRAINED)
    assert [stages.count(stage) / len(stages) for stage in range(3)] == [*shares]


@pytest.mark.parametrize("method", ["shot", "cycada", "igan+"])
def test_a_step_trains_the_network_of_the_stage_that_was_gone_to(benchmark, method, monkeypatch):
    made, build = [], benchmark.build
    monkeypatch.setattr(benchmark, "build", lambda *asked: made.append(build(*asked)) or made[-1])
    config = preset(*M_U, profile="smoke", method=method)
    go_to, step = benchmark.steps_of(config, benchmark.random_pair(config, 10))
    go_to(0.6)  # CyCADA trains translators before half of the steps, the network after
    before = [parameter.clone() for parameter in made[0].net.parameters()]
    step()
    assert any(not torch.equal(old, new) for old, new in zip(before, made[0].net.parameters(), strict=True))
