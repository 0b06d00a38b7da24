"""What a GPU gives, in at most eight minutes: `make gpu`, or `python benchmarks/gpu.py --help`.

Each part is a process of its own with a time limit and writes what it has found to OUTPUT/<part>.json at once; what
became of the parts stands in OUTPUT/parts.json. The most telling come first:

- tests: `pytest -m gpu`, with how far apart the losses of CPU and GPU, of graphs and single kernels are
- steps: milliseconds a step, eager and captured, each against the bare passes of the same networks
- processes: steps a second of 1 to 6 processes on the card, without and with MPS
- seeds: five seeds in one process, as five graphs and as one step over stacked weights (torch.func)
- retrieval: pairs a second of exact MAP; pictures: pictures a second through EfficientNet-Lite2
- compiled: the step with torch.compile(mode="reduce-overhead")
- table4: Table 4 on mnist -> usps and usps -> mnist, as many seeds as the rest of the time allows

With --rehearse every part runs on the CPU with a few steps, and its numbers mean nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

from igan_lib.experiment.provenance import git_state, machine
from igan_lib.files import write_text

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent
IN_ALL = 480  # seconds
# Part -> its command after `python`, and the most seconds that it may take.
PARTS: dict[str, tuple[list[str], int]] = {
    "tests": (["-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "tests/training/test_gpu.py"], 100),
    "steps": (["gpu_steps.py", "steps"], 60),
    "processes": (["gpu_steps.py", "processes"], 90),
    "seeds": (["gpu_steps.py", "seeds"], 60),
    "retrieval": (["gpu_other.py", "retrieval"], 40),
    "pictures": (["gpu_other.py", "pictures"], 40),
    "compiled": (["gpu_steps.py", "compiled"], 100),
    "table4": (["gpu_runs.py", "table4"], IN_ALL),
}


def command(part: str, output: Path, seconds: float, rehearse: bool) -> list[str]:
    first, *words = PARTS[part][0]
    if first == "-m":
        return [sys.executable, first, *words]
    words += ["--output", str(output), "--seconds", str(int(seconds)), *(["--rehearse"] if rehearse else [])]
    return [sys.executable, str(FOLDER / first), *words]


def outcome(part: str, output: Path, seconds: float, rehearse: bool) -> dict[str, object]:
    """Run a part: how it ended, after how many seconds, and the last line that it wrote."""
    started = time.perf_counter()
    # Its children must end with it, so that they have a group of their own; the part itself is told when to stop, and
    # is stopped some seconds later where it does not.
    with (output / f"{part}.log").open("w+", encoding="utf-8") as log:
        child = subprocess.Popen(
            command(part, output, seconds, rehearse),
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"IGAN_GPU_OUTPUT": str(output), "PYTHONPATH": path_for_parts()},
            start_new_session=True,
        )
        try:
            ended = "ok" if child.wait(seconds) == 0 else f"failed with {child.returncode}"
        except subprocess.TimeoutExpired:
            ended = "stopped at its limit"
        finally:
            stop_group(child)
        log.seek(0)
        lines = [line.rstrip() for line in log if line.strip()]
    return {"ended": ended, "seconds": round(time.perf_counter() - started, 1), "last": lines[-1] if lines else ""}


def path_for_parts() -> str:
    return os.pathsep.join(filter(None, (str(ROOT), str(FOLDER), os.environ.get("PYTHONPATH"))))


def stop_group(child: subprocess.Popen) -> None:
    try:
        os.killpg(child.pid, 9)
    except ProcessLookupError:
        return
    child.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "gpu", help="folder to write to")
    parser.add_argument("--parts", default=",".join(PARTS), help="which parts, separated by commas")
    parser.add_argument("--seconds", type=int, default=IN_ALL, help="the most that all parts together may take")
    parser.add_argument("--rehearse", action="store_true", help="run every part on the CPU with a few steps")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.parts.split(",")) - set(PARTS))
    if unknown:
        parser.error(f"Expected parts among {', '.join(PARTS)}, found {', '.join(unknown)}: choose some of these.")
    if not (torch.cuda.is_available() or arguments.rehearse):
        print("Expected a GPU that torch can use through CUDA, found none: add --rehearse to try the parts on the CPU.")
        sys.exit(1)
    output = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    device = torch.device("cpu" if arguments.rehearse else "cuda")
    found: dict[str, object] = {"rehearsal": arguments.rehearse, **git_state(), **machine(device), "parts": {}}
    until = time.perf_counter() + arguments.seconds
    for part in arguments.parts.split(","):
        left = until - time.perf_counter()
        # A CPU compiles and starts processes more slowly than it makes a few steps.
        seconds = min(PARTS[part][1] * (4 if arguments.rehearse else 1), left)
        ended = outcome(part, output, seconds, arguments.rehearse) if left > 5 else {"ended": "no time was left"}
        found["parts"][part] = ended
        print(f"{part}: {', '.join(str(value) for value in ended.values())}", flush=True)
        write_text(output / "parts.json", json.dumps(found, indent=1) + "\n")
    if any(ended["ended"].startswith("failed") for ended in found["parts"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
