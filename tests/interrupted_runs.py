"""A program that trains again and again, killed (SIGKILL) at chosen points and started again, and says how each ended.

    python tests/interrupted_runs.py FOLDER

writes FOLDER/outcomes.json: by scenario and kill points, how often a process was killed, and a digest of the final
weights, history and accuracies. Each training is a process of its own, forked from one that has imported torch.
"""

import hashlib
import io
import json
import os
import signal
import sys
from pathlib import Path

import torch
from method_makers import make_pair

from igan_lib.experiment.evaluation import accuracy, recalibrated
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.training import fit as training
from igan_lib.training.fit import fit
from igan_lib.training.schedule import Schedule

PRETRAIN, STEPS, EVERY = 6, 8, 3  # checkpoints at 3, 6 (between pre-training and adaptation), 9, 12 and 14
SIZES = {"code_length": 8, "generator_width": 2, "discriminator_width": 2, "threshold": 0.4}
SCENARIOS = {
    "igan": ({}, {}),
    "igan+": ({"centroid_memory": 0.7, "weight_average": 0.9}, {"augment": True}),
    "stages": ({"optimizer": "sgd"}, {"stages": 3}),
}
KILLS = {
    "never": [],
    "before the first checkpoint": [2],
    "right after a checkpoint, while pre-training": [4],
    "between pre-training and adaptation": [7],
    "mid-stage, while adapting": [11],
    "again and again": [2, 5, 7, 8, 11, 14],
    "while the second checkpoint is written": ["save 2"],
}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_save(number):
    """Let the `number`-th checkpoint be cut off halfway."""
    whole, calls = torch.save, [0]

    def save(state, path):
        calls[0] += 1
        if calls[0] < number:
            return whole(state, path)
        buffer = io.BytesIO()
        whole(state, buffer)
        Path(path).write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
        die()

    training.torch.save = save


def train(folder, settings, schedule, kill_at):
    if isinstance(kill_at, str):
        die_in_save(int(kill_at.split()[1]))
    data = make_pair()
    torch.manual_seed(0)
    method = IGAN(IGANConfig(**(SIZES | settings)), (1, 28, 28), data.n_classes)
    times = {"pretrain_steps": PRETRAIN, "steps": STEPS, "batch_size": 8, "log_every": 1, "checkpoint_every": EVERY}
    seen = []

    def on_log(step, _, row):
        seen.append(step)
        if step == kill_at:
            die()

    history = fit(
        method,
        data.for_training(),
        Schedule(**(times | schedule)),
        seed=3,
        checkpoint=folder / "run.pt",
        fingerprint="run",
        on_log=on_log,
        progress=False,
    )
    digest = hashlib.sha256()
    for name, value in sorted(method.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.numpy().tobytes() if isinstance(value, torch.Tensor) else repr(value).encode())
    net = recalibrated(method.inference_net, data.target.train.images)
    outcome = {
        "weights": digest.hexdigest(),
        "history": history,
        "accuracy": accuracy(net, data.target.test),
        "source_only": accuracy(recalibrated(method.source_only, data.target.train.images), data.target.test),
        "random": torch.rand(1).item(),
    }
    (folder / "outcome.json").write_text(json.dumps({"outcome": outcome, "first_step": seen[0] if seen else None}))


def in_a_process(*args):
    """Run `train` in a process of its own; return the signal that ended it, 0 for none."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            train(*args)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a training failed: {args}")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main(root):
    torch.set_num_threads(1)
    IGAN(
        IGANConfig(**SIZES), (1, 28, 28), 3
    )  # the first optimiser imports much of torch: once here, not in each process
    outcomes = {}
    for scenario, (settings, schedule) in SCENARIOS.items():
        for name, kills in KILLS.items():
            folder = root / scenario.replace(" ", "_") / name.replace(" ", "_")
            folder.mkdir(parents=True)
            signals, left = [], []
            for kill_at in kills:
                signals.append(in_a_process(folder, settings, schedule, kill_at))
                left = sorted(path.name for path in folder.iterdir())
            in_a_process(folder, settings, schedule, None)
            ended = json.loads((folder / "outcome.json").read_text())
            ended |= {"signals": signals, "left": left, "at_end": sorted(path.name for path in folder.iterdir())}
            outcomes.setdefault(scenario, {})[name] = ended
    (root / "outcomes.json").write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
