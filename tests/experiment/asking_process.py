"""A process that asks for one run; see test_run.py.

    python tests/asking_process.py SOURCE TARGET RESULTS MARKS OTHERS KILL_AT

It notes in MARKS that it is about to ask, trains slowly enough that OTHERS processes ask before it ends, notes each
step that it trains itself, and kills itself at step KILL_AT (0: never).
"""

import os
import signal
import sys
import time
from pathlib import Path

from igan_lib.experiment.presets import preset
from igan_lib.experiment.run import run

source, target = sys.argv[1:3]
results, marks = Path(sys.argv[3]), Path(sys.argv[4])
others, kill_at = int(sys.argv[5]), int(sys.argv[6])
me = os.getpid()


def on_log(step, method, row):
    with open(marks / f"trained-{me}", "a") as trained:
        trained.write(f"{step}\n")
    deadline = time.monotonic() + 60
    while len(list(marks.glob("asks-*"))) < others:
        if time.monotonic() > deadline:
            raise SystemExit("the other process never asked")
        time.sleep(0.05)
    if step == kill_at:
        os.kill(me, signal.SIGKILL)


# Keys in another order than in the test, and another process: the hash must be the same.
config = preset(target=target, source=source, steps=8, profile="smoke", log_every=1, method="igan", seed=0)
(marks / f"asks-{me}").touch()
result = run(config, device="cpu", results=results, progress=False, on_log=on_log)
print(result.hash, result.metrics["target_accuracy"])
