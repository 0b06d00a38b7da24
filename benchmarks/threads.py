"""Two runs at a time with one thread each, or one run with two: `make bench`, or `python benchmarks/threads.py --help`.

Both ways train IGAN on batches of the pairs of MNIST and USPS, in processes of their own that start at the same
moment; they alternate (A B A B ...), so a machine whose speed drifts favours neither. What counts is how many steps the
machine takes a second, all processes together. This is why a sweep on two cores runs two one-thread runs at a time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from igan_lib.files import write_text

ROOT = Path(__file__).resolve().parent.parent

TRAINER = """
import sys
import torch
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.training.memory import keep_freed_memory
threads, steps = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(0)
keep_freed_memory()
method = IGAN(IGANConfig(), shape=(1, 28, 28), n_classes=10).train()
x_s, x_t = (torch.rand(100, 1, 28, 28) * 2 - 1 for _ in range(2))
y_s = torch.randint(0, 10, (100,))
for _ in range(3):
    method.update(x_s, y_s, x_t)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(steps):
    method.update(x_s, y_s, x_t)
print("done", flush=True)
"""


def steps_a_second(processes: int, threads: int, steps: int) -> float:
    """Steps that `processes` with `threads` each take together in a second, once all are warm."""
    command = [sys.executable, "-c", TRAINER, str(threads), str(steps)]
    trainers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    try:
        for trainer in trainers:
            expect(trainer, "ready")
        start = time.perf_counter()
        for trainer in trainers:
            trainer.stdin.write("go\n")
            trainer.stdin.flush()
        for trainer in trainers:
            expect(trainer, "done")
        return processes * steps / (time.perf_counter() - start)
    finally:
        for trainer in trainers:
            trainer.kill()
            trainer.communicate()


def expect(trainer: subprocess.Popen, word: str) -> None:
    line = trainer.stdout.readline().strip()
    if line != word:
        raise RuntimeError(f"a trainer said {line!r} in the place of {word!r} and ended with {trainer.wait()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2, help="one-thread runs, and threads of the single run (2)")
    parser.add_argument("--steps", type=int, default=60, help="of each run in a round (default 60)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each way (default 5)")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "benchmarks_threads.json")
    arguments = parser.parse_args()

    rates: dict[str, list[float]] = {"many runs": [], "one run": []}
    for _ in range(arguments.rounds):
        rates["many runs"].append(steps_a_second(arguments.cores, 1, arguments.steps))
        rates["one run"].append(steps_a_second(1, arguments.cores, arguments.steps))
    ratios = [many / one for many, one in zip(rates["many runs"], rates["one run"], strict=True)]
    found = {
        "cores": arguments.cores,
        "steps_a_second": {name: round(statistics.median(values), 2) for name, values in rates.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratio_low": round(min(ratios), 3),
        "ratio_high": round(max(ratios), 3),
    }
    print(
        f"{arguments.cores} runs with one thread each take {found['ratio']:.2f} times the steps of one run with "
        f"{arguments.cores} threads ({found['ratio_low']:.2f} to {found['ratio_high']:.2f})"
    )
    write_text(arguments.output, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
