"""A run that is killed and started again ends as if nothing had happened; checkpoints that can't be used are named."""

import json
import os
import signal
import subprocess
import sys

import interrupted_runs as runs
import pytest
import torch
from method_makers import Stub, make_pair, one_sentence, stub_data

from igan_lib.errors import TrainingError
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.training import checkpoints
from igan_lib.training.checkpoints import CHECKPOINT_FORMAT, Progress, load_checkpoint, parts_before, save_checkpoint
from igan_lib.training.fit import fit
from igan_lib.training.schedule import Schedule

INTERRUPTED = [name for name in runs.KILLS if name != "never"]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    root = tmp_path_factory.mktemp("interrupted")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run([sys.executable, runs.__file__, root], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((root / "outcomes.json").read_text())


@pytest.mark.parametrize("scenario", runs.SCENARIOS)
@pytest.mark.parametrize("name", INTERRUPTED)
def test_a_killed_run_ends_as_an_uninterrupted_one(outcomes, scenario, name):
    found, kills = outcomes[scenario][name], runs.KILLS[name]
    assert found["signals"] == [signal.SIGKILL] * len(kills)
    assert found["outcome"] == outcomes[scenario]["never"]["outcome"]
    # It went on from the last whole checkpoint: not from the start, not from nowhere.
    last = runs.EVERY if name.startswith("while the second") else (kills[-1] - 1) // runs.EVERY * runs.EVERY
    assert found["first_step"] == last + 1


@pytest.mark.parametrize("scenario", runs.SCENARIOS)
def test_the_uninterrupted_run_is_whole(outcomes, scenario):
    whole = outcomes[scenario]["never"]
    history = whole["outcome"]["history"]
    assert [row["step"] for row in history] == list(range(1, runs.PRETRAIN + runs.STEPS + 1))
    assert whole["signals"] == [] and whole["first_step"] == 1
    assert len({outcomes[other]["never"]["outcome"]["weights"] for other in runs.SCENARIOS}) == len(runs.SCENARIOS)


def test_a_checkpoint_is_written_beside_the_old_one(outcomes):
    for scenario in runs.SCENARIOS:
        left = outcomes[scenario]["while the second checkpoint is written"]["left"]
        assert "run.pt" in left and [name for name in left if name != "run.pt" and ".partial" in name]
        assert outcomes[scenario]["mid-stage, while adapting"]["left"] == ["run.pt"]


@pytest.mark.parametrize("scenario", runs.SCENARIOS)
def test_half_a_checkpoint_does_not_outlive_the_next_start(outcomes, scenario):
    assert all(found["at_end"] == ["outcome.json", "run.pt"] for found in outcomes[scenario].values())


# ---------------------------------------------------------------- in one process


class Stopped(Exception):
    pass


def stop_at(step):
    def on_log(now, method, row):
        if now == step:
            raise Stopped

    return on_log


def small(**settings):
    torch.manual_seed(0)
    sizes = {"code_length": 8, "generator_width": 2, "discriminator_width": 2}
    return IGAN(IGANConfig(**(sizes | settings)), (1, 28, 28), 3)


SCHEDULE = Schedule(pretrain_steps=2, steps=4, batch_size=6, log_every=1, checkpoint_every=2)


def test_a_finished_checkpoint_gives_back_the_weights_without_a_step(tmp_path):
    data, path = make_pair(12).for_training(), tmp_path / "run.pt"
    first, second = small(), small(weight_average=0.0)
    history = fit(first, data, SCHEDULE, seed=0, checkpoint=path, progress=False)
    second.update = second.pretrain = None  # calling them would fail
    assert fit(second, data, SCHEDULE, seed=0, checkpoint=path, progress=False) == history
    a, b = first.state_dict(), second.state_dict()
    assert all(torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] for k in a)
    assert torch.load(path, weights_only=True)["optimizers"] == {}


def test_another_seed_of_the_process_does_not_matter_after_a_stop(tmp_path):
    data, states = make_pair(12).for_training(), []
    augmented = SCHEDULE.model_copy(update={"augment": True})
    for stop in (None, 5):
        path = tmp_path / f"{stop}.pt"
        if stop:
            with pytest.raises(Stopped):
                method = small()
                fit(method, data, augmented, seed=0, checkpoint=path, on_log=stop_at(stop), progress=False)
            torch.manual_seed(99)
            torch.rand(7)
        method = small()
        fit(method, data, augmented, seed=0, checkpoint=path, progress=False)
        states.append(method.net.state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_each_process_is_noted_with_its_steps_its_time_and_its_code(tmp_path):
    data, path = make_pair(12).for_training(), tmp_path / "run.pt"
    assert parts_before(path, "me") == []
    settings = {"seed": 0, "checkpoint": path, "fingerprint": "me", "progress": False}
    for stop, commit in ((3, "a"), (5, "b")):  # checkpoints come every second step: what is lost counts for nobody
        with pytest.raises(Stopped):
            fit(small(), data, SCHEDULE, code={"commit": commit}, on_log=stop_at(stop), **settings)
    fit(small(), data, SCHEDULE, code={"commit": "c"}, **settings)
    parts = parts_before(path, "me")
    assert [(part["commit"], part["steps"]) for part in parts] == [("a", 2), ("b", 2), ("c", 2)]
    assert all(0 <= part["seconds"] < 60 for part in parts)
    fit(small(), data, SCHEDULE, code={"commit": "d"}, **settings)  # finished: no step is left for it
    assert parts_before(path, "me") == parts == load_checkpoint(path, small(), "me").parts


def written_checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    fit(
        Stub(),
        stub_data(),
        Schedule(batch_size=2, pretrain_steps=1, steps=3),
        seed=0,
        checkpoint=path,
        fingerprint="me",
    )
    return path


def go_on(path, fingerprint="me"):
    schedule = Schedule(batch_size=2, pretrain_steps=1, steps=3)
    return fit(Stub(), stub_data(), schedule, seed=0, checkpoint=path, fingerprint=fingerprint, progress=False)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_checkpoint_is_named_and_left(tmp_path, share):
    path = written_checkpoint(tmp_path)
    whole = path.read_bytes()
    cut = whole[: int(share * len(whole))]
    path.write_bytes(cut)
    with pytest.raises(TrainingError) as caught:
        go_on(path)
    one_sentence(caught.value, str(path), "damaged", "delete it")
    assert path.read_bytes() == cut and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content", [b"not a checkpoint\n", b"\x80\x02N.", b"PK\x03\x04", bytes(range(256)) * 4, b"\0" * 100]
)
def test_another_file_is_not_taken_for_a_checkpoint(tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(TrainingError) as caught:
        go_on(path)
    one_sentence(caught.value, str(path), "damaged")
    assert path.read_bytes() == content


@pytest.mark.parametrize("state", [{}, [1, 2], {"format": 1}, "text"], ids=str)
def test_another_content_is_not_taken_for_a_checkpoint(tmp_path, state):
    path = tmp_path / "run.pt"
    torch.save(state, path)
    with pytest.raises(TrainingError) as caught:
        go_on(path)
    one_sentence(caught.value, str(path))


def test_a_checkpoint_of_another_run_or_format_is_refused(tmp_path, monkeypatch):
    path = written_checkpoint(tmp_path)
    before = path.read_bytes()
    with pytest.raises(TrainingError) as caught:
        go_on(path, fingerprint="you")
    one_sentence(caught.value, "'you'", "'me'", "delete it")
    monkeypatch.setattr(checkpoints, "CHECKPOINT_FORMAT", CHECKPOINT_FORMAT + 1)
    with pytest.raises(TrainingError) as caught:
        go_on(path)
    one_sentence(caught.value, f"format {CHECKPOINT_FORMAT}")
    assert path.read_bytes() == before


def test_a_failed_write_leaves_the_old_checkpoint_and_nothing_else(tmp_path, monkeypatch):
    path = written_checkpoint(tmp_path)
    before, whole = path.read_bytes(), torch.save

    def full_disk(state, partial):
        whole(state, partial)
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, Stub(), Progress(1, [], []), "me", finished=False)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
