"""Runs: one whole result file or none, never trained twice, the same numbers however often they were stopped."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from method_makers import make_pair, one_sentence

from igan_lib.checkout import ROOT
from igan_lib.data.domains import Domain, DomainPair, Split, load_pair
from igan_lib.errors import ConfigError, DataError, Interrupted, TrainingError
from igan_lib.experiment import provenance
from igan_lib.experiment import run as experiment
from igan_lib.experiment.feature_hashing import source_only
from igan_lib.experiment.methods import build
from igan_lib.experiment.presets import preset
from igan_lib.experiment.result import RunResult, read_result, result_path
from igan_lib.experiment.run import run, train

ASKING = Path(__file__).with_name("asking_process.py")


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The made-up pair as two npz files, by the names of their domains."""
    folder, pair = tmp_path_factory.mktemp("data"), make_pair(30)
    for domain in (pair.source, pair.target):
        images = {f"x_{part}": getattr(domain, part).images.permute(0, 2, 3, 1).numpy() for part in ("train", "test")}
        labels = {f"y_{part}": getattr(domain, part).labels.numpy() for part in ("train", "test")}
        np.savez(folder / f"{domain.name}.npz", **images, **labels)
    return [f"npz:{folder / domain.name}.npz" for domain in (pair.source, pair.target)]


@pytest.fixture(scope="module")
def config(names):
    return preset(*names, profile="smoke", steps=8, log_every=1)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """A folder with the result of `config`, and the result."""
    results = tmp_path_factory.mktemp("results")
    return results, run(config, device="cpu", results=results, progress=False)


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def no_result(results):
    return not [name for name in files_below(results) if name.startswith("runs") or "partial" in name]


ACCURACIES = {"target_accuracy", "source_accuracy", "source_only_accuracy", "running_statistics_accuracy"}

# ---------------------------------------------------------------- the result


def test_a_result_is_one_file_that_reads_back_as_it_was(config, finished):
    results, result = finished
    path = result_path(config, results)
    assert files_below(results / "runs") == [f"{config.name}.json"]
    assert read_result(path) == result and result.config == config and result.hash == config.hash8
    raw = json.loads(path.read_text())
    assert list(raw) == ["config", "hash", "metrics", "history", "provenance"]
    assert RunResult.model_validate(raw) == result
    assert raw["config"] == config.model_dump(mode="json")


def test_history_and_metrics_are_those_of_the_run(config, finished):
    _, result = finished
    assert [row["step"] for row in result.history] == list(range(1, config.pretrain_steps + config.steps + 1))
    maps = {f"{when}map_{protocol}" for when in ("", "source_only_") for protocol in ("target", "cross")}
    clusters = {f"{when}_{name}" for when in ("target", "source_only") for name in ("silhouette", "purity")}
    game = {"D_s_accuracy", "D_t_accuracy", "D_accuracy"}
    assert set(result.metrics) == maps | clusters | ACCURACIES | game
    assert all((-100 if "silhouette" in name else 0) <= value <= 100 for name, value in result.metrics.items())
    hits = [result.metrics[name] * 30 / 100 for name in ACCURACIES]  # 30 test images, so thirds of ten per cent
    assert hits == pytest.approx([round(value) for value in hits], abs=1e-6)


def test_the_commit_is_that_of_when_the_run_began(tmp_path, monkeypatch):
    states = iter([{"commit": "began", "dirty": False}, {"commit": "ended", "dirty": True}])
    monkeypatch.setattr(experiment, "git_state", lambda: next(states))
    monkeypatch.setattr(provenance, "git_state", lambda: next(states))
    monkeypatch.setattr(experiment, "load", lambda config, **_: make_pair(30))
    config = preset("bright", "pale", profile="smoke", method="source-only")
    found = run(config, device="cpu", results=tmp_path, progress=False).provenance
    assert (found["commit"], found["dirty"]) == ("began", False)


def test_a_run_in_two_parts_has_the_time_and_the_commit_of_both(tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    def stop(step, *_):
        if step == 7:
            raise Stopped

    states = iter([{"commit": "first", "dirty": True}, {"commit": "second", "dirty": False}])
    monkeypatch.setattr(experiment, "git_state", lambda: next(states))
    monkeypatch.setattr(experiment, "load", lambda config, **_: make_pair(30))
    config = preset("bright", "pale", profile="smoke", method="source-only")
    with pytest.raises(Stopped):
        run(config, device="cpu", results=tmp_path, progress=False, on_log=stop)
    path = experiment.checkpoint_path(config, tmp_path)
    state = torch.load(path, weights_only=True)
    assert state["parts"][0]["threads"] == torch.get_num_threads()
    state["parts"][0] |= {"seconds": 1000.0, "threads": 1000}  # as if the first part had taken long, elsewhere
    torch.save(state, path)
    found = run(config, device="cpu", results=tmp_path, progress=False).provenance
    assert (found["commit"], found["dirty"]) == ("second", False)
    (part,) = found["earlier"]
    assert part["threads"] == 1000 and found["threads"] == torch.get_num_threads()  # other threads, other roundings
    assert {"python", "packages", "device", "device_name"} < part.keys()
    asked = {"commit": "first", "dirty": True, "steps": 4, "seconds": 1000.0}
    assert {name: part[name] for name in asked} == asked
    assert 1000 < found["seconds"] < 1600


def test_a_stopped_run_says_that_it_goes_on(tmp_path, monkeypatch):
    def stop(step, *_):
        if step == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "load", lambda config, **_: make_pair(30))
    config = preset("bright", "pale", profile="smoke", method="source-only")
    with pytest.raises(Interrupted, match=rf"^Stopped {config.name}: run the same again, and it goes on from its last"):
        run(config, device="cpu", results=tmp_path, progress=False, on_log=stop)
    result = run(config, device="cpu", results=tmp_path, progress=False)
    assert [part["steps"] for part in result.provenance["earlier"]] == [4]


def test_codes_of_another_run_s_network_name_the_commit_that_trained_it(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "git_state", lambda: {"commit": "base", "dirty": False})
    monkeypatch.setattr(experiment, "load", lambda config, **_: make_pair(60))
    itq = preset("bright", "pale", profile="smoke", method="itq")
    base = source_only(itq)
    train(base, make_pair(60), device="cpu", results=tmp_path, progress=False)
    monkeypatch.setattr(experiment, "git_state", lambda: {"commit": "itq", "dirty": False})
    found = run(itq, device="cpu", results=tmp_path, progress=False).provenance
    steps = base.pretrain_steps + base.steps
    assert found["commit"] == "itq"
    assert [(part["commit"], part["steps"]) for part in found["earlier"]] == [("base", steps)]
    fresh = run(itq, device="cpu", results=tmp_path / "fresh", progress=False).provenance
    assert "earlier" not in fresh  # it has trained the network itself


def test_provenance_says_where_the_numbers_come_from(names, finished):
    _, result = finished
    found = result.provenance
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ASKING.parent, capture_output=True, text=True)
    assert found["commit"] == (head.stdout.strip() if head.returncode == 0 else None)
    assert found["commit"] is None or re.fullmatch("[0-9a-f]{40}", found["commit"])
    assert found["dirty"] in (True, False, None)
    assert found["packages"]["torch"] == version("torch") and set(found["packages"]) == set(provenance.PACKAGES)
    assert found["device"] == "cpu" and found["threads"] == torch.get_num_threads()
    assert found["device_name"].endswith(f", {torch.backends.cpu.get_cpu_capability()}")
    assert "earlier" not in found  # it ran in one go
    assert 0 < found["seconds"] < 600 and 50 < found["peak_memory_mib"] < 64_000
    pair = load_pair(*names)
    assert found["data"] == {domain.name: domain.checksum() for domain in (pair.source, pair.target)}


def test_without_git_the_commit_is_unknown(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(provenance.subprocess, "run", missing)
    assert provenance.git_state() == {"commit": None, "dirty": None}


def test_the_commit_of_somebody_else_s_repository_says_nothing_of_this_code(tmp_path, monkeypatch):
    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    library = tmp_path / "site-packages" / "igan_lib"
    (library / "experiment").mkdir(parents=True)
    for path in (library / "__init__.py", library / "experiment" / "provenance.py", tmp_path / "own.py"):
        path.write_text("x = 1\n")
    git("init")
    git("add", "own.py")
    git("commit", "-m", "theirs")
    monkeypatch.setattr(provenance, "__file__", str(library / "experiment" / "provenance.py"))
    assert provenance.git_state() == {"commit": None, "dirty": None}
    git("add", ".")
    assert provenance.git_state() == {"commit": None, "dirty": None}  # that commit does not hold it yet
    git("commit", "-m", "with the library")
    found = provenance.git_state()
    assert re.fullmatch("[0-9a-f]{40}", found["commit"]) and found["dirty"] is False


def test_a_result_that_is_there_is_read_and_run_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiment, "git_state", lambda: {"commit": "c0ffee" + 34 * "0", "dirty": False})
    monkeypatch.setattr(experiment, "load", lambda config, **_: make_pair(30))
    config = preset("bright", "pale", profile="smoke", method="source-only")
    first = run(config, device="cpu", results=tmp_path)
    assert capsys.readouterr().out == "Loading bright and pale\n"
    assert run(config, device="cpu", results=tmp_path) == first
    path = experiment.result_path(config, tmp_path)
    checkpoint = experiment.checkpoint_path(config, tmp_path)  # with it, deleting the result alone would train nothing
    expected = f"Read from {path}, made at commit c0ffee0000. To run it anew, delete that file and {checkpoint}.\n"
    assert capsys.readouterr().out == expected
    run(config, device="cpu", results=tmp_path, progress=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("status", "dirty"), [("", False), (" M igan.py", True)])
def test_dirty_is_what_git_says_of_the_library(monkeypatch, status, dirty):
    def answer(command, **_):
        return subprocess.CompletedProcess(command, 0, stdout=f"{status if 'status' in command else 'f' * 40}\n")

    monkeypatch.setattr(provenance.subprocess, "run", answer)
    assert provenance.git_state() == {"commit": "f" * 40, "dirty": dirty}


# ---------------------------------------------------------------- not twice


def test_a_run_that_is_there_is_not_run_again(config, finished, monkeypatch):
    results, result = finished
    before = result_path(config, results).stat().st_mtime_ns
    monkeypatch.setattr(experiment, "fit", None)  # calling them would fail
    monkeypatch.setattr(experiment, "load_pair", None)
    assert run(config, results=results, progress=False) == result
    assert result_path(config, results).stat().st_mtime_ns == before


def test_a_lost_result_is_measured_again_without_training(config, finished, tmp_path):
    results, result = finished
    (tmp_path / "checkpoints").mkdir()
    kept = results / "checkpoints" / f"{config.name}.pt"
    (tmp_path / "checkpoints" / kept.name).write_bytes(kept.read_bytes())
    steps = []
    again = run(config, device="cpu", results=tmp_path, progress=False, on_log=lambda step, *_: steps.append(step))
    assert steps == [] and again.metrics == result.metrics and again.history == result.history


def ask(names, results, marks, others, kill_at=0):
    marks.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ASKING.parent.parent), "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, ASKING, *names, results, marks, str(others), str(kill_at)]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_of_two_processes_that_ask_for_one_run_one_trains(names, config, tmp_path):
    marks = tmp_path / "marks"
    asking = [ask(names, tmp_path / "results", marks, others=2) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in asking]
    assert [process.returncode for process in asking] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] and outputs[0][0].split()[0] == config.hash8
    (trained,) = marks.glob("trained-*")
    assert trained.read_text().split() == [str(step) for step in range(1, config.pretrain_steps + config.steps + 1)]
    assert files_below(tmp_path / "results" / "runs") == [f"{config.name}.json"]


def test_a_killed_run_frees_its_lock_and_ends_with_the_same_numbers(names, config, tmp_path):
    kill_at = config.pretrain_steps + config.checkpoint_every + 1
    process = ask(names, tmp_path, tmp_path / "marks", others=1, kill_at=kill_at)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL and no_result(tmp_path)
    # As if it had been killed while it wrote a checkpoint.
    half_written = tmp_path / "checkpoints" / f".{config.name}.pt.1.partial"
    half_written.write_bytes(b"PK")
    steps = []
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)  # bit-identical numbers are promised for one number of threads
        again = run(config, device="cpu", results=tmp_path, progress=False, on_log=lambda step, *_: steps.append(step))
        whole = run(config, device="cpu", results=tmp_path / "whole", progress=False)
    finally:
        torch.set_num_threads(threads)
    assert 1 < steps[0] <= kill_at
    assert again.metrics == whole.metrics and again.history == whole.history
    assert not half_written.exists()


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_result_is_named_and_left(config, finished, tmp_path, share):
    path = result_path(config, tmp_path)
    path.parent.mkdir(parents=True)
    whole = result_path(config, finished[0]).read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    before = path.read_bytes()
    for attempt in (lambda: read_result(path), lambda: run(config, results=tmp_path, progress=False)):
        with pytest.raises(ConfigError) as caught:
            attempt()
        one_sentence(caught.value, str(path), "whole result", "delete the file")
    assert path.read_bytes() == before


@pytest.mark.parametrize("change", [{"extra": 1}, {"metrics": {"target_accuracy": "high"}}, {"config": {}}], ids=str)
def test_another_content_is_not_taken_for_a_result(config, finished, tmp_path, change):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(json.loads(result_path(config, finished[0]).read_text()) | change))
    with pytest.raises(ConfigError) as caught:
        read_result(path)
    one_sentence(caught.value, str(path))


def test_a_result_whose_configuration_was_changed_by_hand_is_refused(config, finished, tmp_path):
    raw = json.loads(result_path(config, finished[0]).read_text())
    path = tmp_path / "result.json"
    path.write_text(json.dumps(raw | {"config": raw["config"] | {"alpha": 0.7}}))
    with pytest.raises(ConfigError) as caught:
        read_result(path)
    one_sentence(caught.value, str(path), raw["hash"], config.model_copy(update={"alpha": 0.7}).hash8)


def test_a_run_that_fails_leaves_no_result(config, names, tmp_path, monkeypatch):
    poisoned = build(config, load_pair(*names))
    with torch.no_grad():
        next(poisoned.net.parameters()).fill_(math.nan)
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "build", lambda *_: poisoned)
        with pytest.raises(TrainingError, match="L_c = nan"):
            run(config, device="cpu", results=tmp_path, progress=False)
    assert no_result(tmp_path)

    def interrupt(step, *_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, device="cpu", results=tmp_path, progress=False, on_log=interrupt)
    replace = os.replace

    def full_disk(partial, path):
        if path.suffix == ".json":
            raise OSError("No space left on device")
        replace(partial, path)

    with monkeypatch.context() as patch:
        patch.setattr("igan_lib.files.os.replace", full_disk)
        with pytest.raises(OSError, match="No space left"):
            run(config, device="cpu", results=tmp_path, progress=False)
    with pytest.raises(ConfigError, match="tpu"):
        run(config, device="tpu", results=tmp_path, progress=False)
    assert no_result(tmp_path)
    assert run(config, device="cpu", results=tmp_path, progress=False).metrics  # the lock is free again


@pytest.mark.parametrize("target", ["npz:/nowhere.npz", "uspss"])
def test_a_domain_that_is_not_there_leaves_nothing_behind_and_all_else_alone(names, target, tmp_path):
    config, results = preset(names[0], target, profile="smoke"), tmp_path / "new" / "results"
    with pytest.raises(DataError, match=r"nowhere|did you mean usps"):
        run(config, device="cpu", results=results, progress=False)
    assert not list(tmp_path.iterdir())
    kept = results / "checkpoints" / "of-another-run.pt"
    kept.parent.mkdir(parents=True)
    kept.touch()
    with pytest.raises(DataError, match=r"nowhere|did you mean usps"):
        run(config, device="cpu", results=results, progress=False)
    assert list(kept.parent.iterdir()) == [kept]


# ---------------------------------------------------------------- build, train, evaluate


def with_other_target(pair):
    def other(split):
        return Split(255 - split.images, split.labels.flip(0))

    target = Domain(pair.target.name, other(pair.target.train), other(pair.target.test), pair.target.class_names)
    return DomainPair(pair.source, target)


@pytest.mark.parametrize(("method", "blind"), [("source-only", True), ("igan", False)])
def test_source_only_uses_no_target_image(tmp_path, method, blind):
    config, states = preset("bright", "pale", profile="smoke", method=method), []
    for number, pair in enumerate((make_pair(30), with_other_target(make_pair(30)))):
        trained, _ = train(config, pair, device="cpu", results=tmp_path / str(number), progress=False)
        states.append(trained.state_dict())
    tensors = [name for name, value in states[0].items() if isinstance(value, torch.Tensor)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in tensors) == blind


def test_the_seed_decides_the_untrained_weights():
    pair = make_pair(12)
    first, again, other = (build(preset("bright", "pale", seed=seed, profile="smoke"), pair) for seed in (0, 0, 1))
    weight = "net.encoder.features.0.weight"
    assert torch.equal(first.state_dict()[weight], again.state_dict()[weight])
    assert not torch.equal(first.state_dict()[weight], other.state_dict()[weight])
    assert (first.n_classes, first.config.generator_width) == (3, preset("a", "b", profile="smoke").generator_width)


def test_a_result_that_is_there_is_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "load", lambda config, **_: make_pair(30))
    config = preset("bright", "pale", profile="smoke", method="source-only")
    first = run(config, device="cpu", results=tmp_path, progress=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(experiment, "FileLock", refuse)
    assert run(config, device="cpu", results=tmp_path, progress=False) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_result_made_with_local_changes_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiment, "git_state", lambda: {"commit": "c0ffee" + 34 * "0", "dirty": True})
    monkeypatch.setattr(experiment, "load", lambda config, **_: make_pair(30))
    config = preset("bright", "pale", profile="smoke", method="source-only")
    for _ in range(2):
        run(config, device="cpu", results=str(tmp_path), progress=True)
    assert "made at commit c0ffee0000, with local changes. To run it anew" in capsys.readouterr().out


def test_what_is_no_configuration_gets_a_sentence(tmp_path):
    with pytest.raises(ConfigError) as error:
        run({"source": "mnist5k", "target": "digits"}, results=tmp_path)
    one_sentence(error.value, "preset()")
    assert not list(tmp_path.iterdir())


def test_results_lie_in_the_project_wherever_one_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = preset("mnist", "usps")
    assert experiment.result_path(config) == ROOT / "results" / "runs" / f"{config.name}.json"
    assert experiment.checkpoint_path(config).parent == ROOT / "results" / "checkpoints"
