"""The step over stacked weights is the step of each seed, and the parts of gpu.py run where there is no GPU."""

import copy
import json
import subprocess
import sys

import pytest
import torch
from benchmark_makers import SCRIPTS, load_benchmark

from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN


def test_stacked_seeds_make_the_steps_of_each(monkeypatch):
    seeds = load_benchmark("gpu_seeds", monkeypatch)
    methods = []
    for seed in range(3):
        torch.manual_seed(seed)
        settings = {"code_length": 8, "generator_width": 2, "discriminator_width": 2, "threshold": 0.3}
        methods.append(IGAN(IGANConfig(**settings), (1, 28, 28), 3).train())
        methods[-1].progress = 0.4
    x_s, x_t = torch.rand(2, 12, 1, 28, 28) * 2 - 1
    y_s = torch.arange(12) % 3
    update = seeds.stacked_update(copy.deepcopy(methods), (x_s, y_s, x_t))
    for step in range(4):
        each = [method.update(x_s, y_s, x_t) for method in methods]
        expected = torch.stack([torch.stack([losses[name] for losses in each]) for name in ("L_D", "L_c")])
        assert torch.allclose(update(), expected, rtol=1e-4 * 10**step), step


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    words = [sys.executable, str(SCRIPTS / "gpu.py"), "--rehearse", "--output", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=SCRIPTS.parent)
    return folder, done


def test_a_rehearsal_runs_every_part_and_says_that_it_is_one(rehearsed):
    folder, done = rehearsed
    parts = json.loads((folder / "parts.json").read_text())
    logs = {log.name: log.read_text()[-500:] for log in folder.glob("*.log")}
    assert done.returncode == 0, (done.stdout, logs)
    assert {part["ended"] for part in parts["parts"].values()} == {"ok"} and len(parts["parts"]) == 8
    assert parts["rehearsal"] is True and parts["device"] == "cpu"
    written = {path.stem for path in folder.glob("*.json")} - {"parts"}
    assert written == {"steps", "processes", "seeds", "retrieval", "pictures", "compiled", "table4"}
    assert all("rehearsal" in json.loads((folder / f"{name}.json").read_text())["card"] for name in written)


def test_a_rehearsal_measures_what_it_would_on_a_card(rehearsed):
    folder, _ = rehearsed
    found = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("retrieval", "table4", "processes")}
    assert found["retrieval"]["counts are the same"] is True
    assert found["table4"]["runs"] == found["table4"]["of"] == 5 and set(found["table4"]["ended"]) == {0}
    assert all(entry["gpu"].keys() == {"0"} for entry in found["table4"]["cells"].values())
    assert found["processes"]["captured, without MPS"].keys() == {"1", "2"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_sentence_says_so(tmp_path):
    words = [sys.executable, str(SCRIPTS / "gpu.py"), "--output", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == "" and not (tmp_path / "out").exists()
    assert done.stdout.count("\n") == 1 and "found none" in done.stdout and "--rehearse" in done.stdout
