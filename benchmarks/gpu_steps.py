"""Parts of gpu.py that time steps: eager, captured or compiled, in several processes, and of several seeds at once."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import torch
from gpu_seeds import stacked_update
from run import alternate, bare_passes, batches, new_method
from torch import Tensor

from igan_lib.files import write_text
from igan_lib.method.igan import IGAN
from igan_lib.training.captured import Stepper, make_capturable

ROUNDS = 200
PROCESSES = (1, 2, 3, 4, 6)
SEEDS = 5
SECONDS = 2.0  # of each measurement of processes
# The sizes of the presets of mnist -> usps and of svhn7k -> mnist.
SIZES = {"28 pixels, batches of 100, lenet": (28, 100, "lenet"), "32 pixels, batches of 200, conv4": (32, 200, "conv4")}


def sizes(device: torch.device) -> dict[str, tuple[int, int, str]]:
    """`SIZES`; on a CPU, which only rehearses, with eight samples a batch."""
    return SIZES if device.type == "cuda" else {name: (size, 8, encoder) for name, (size, _, encoder) in SIZES.items()}


def stepper(method: IGAN, device: torch.device, size: int, batch: int, capture: bool) -> Stepper:
    """The update of a method on one batch, as `fit` makes it, past its warm-up."""
    x_s, y_s, x_t = batches(device, size, batch)
    able = make_capturable(method.optimizers, device)
    if able:
        method.progress = torch.full((), 0.5, device=device)

    def step() -> tuple[list[str], Tensor]:
        losses = method.update(x_s, y_s, x_t)
        return list(losses), torch.stack(list(losses.values()))

    made = Stepper(step, capture=capture and able)
    for _ in range(5):
        made()
    return made


def captured_work(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Any work without inputs, as a graph."""
    nothing = torch.zeros(1, device=device)

    def step() -> tuple[list[str], Tensor]:
        work()
        return [], nothing

    made = Stepper(step, capture=device.type == "cuda")
    for _ in range(5):
        made()
    return made


def steps(device: torch.device, rounds: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, (size, batch, encoder) in sizes(device).items():
        works = {}
        for capture in (False, True):
            way = "captured" if capture else "eager"
            works[way] = stepper(new_method(device, size, encoder=encoder), device, size, batch, capture)
        works["captured, bf16"] = stepper(
            new_method(device, size, encoder=encoder, precision="bf16"), device, size, batch, True
        )
        if size == 28:  # the bare passes are those of benchmarks/run.py
            bare = bare_passes(new_method(device), device)
            works |= {"bare, eager": bare, "bare, captured": captured_work(bare, device)}
        times = alternate(works, device, rounds)
        found[name] = {work: {"ms": 1e3 * statistics.median(spent)} for work, spent in times.items()}
        for way in ("eager", "captured") if size == 28 else ():
            ratios = [a / b for a, b in zip(times[way], times[f"bare, {way}"], strict=True)]
            found[name][way]["of its bare passes"] = statistics.median(ratios)
        ratios = [a / b for a, b in zip(times["captured"], times["eager"], strict=True)]
        found[name]["captured"]["of eager"] = statistics.median(ratios)
    return found


def compiled(device: torch.device, rounds: int) -> dict[str, object]:
    """The networks compiled with CUDA graphs of their own, against the captured step."""
    size, batch, _ = next(iter(sizes(device).values()))
    # Contiguous: for channels last the backward pass of a convolution stopped at an assertion about strides (2.11).
    method = new_method(device).to(memory_format=torch.contiguous_format)
    for net in (method.net.encoder, method.g_s, method.g_t, method.d_s, method.d_t):
        net.compile(**({"mode": "reduce-overhead"} if device.type == "cuda" else {"backend": "eager"}))
    x_s, y_s, x_t = batches(device, size, batch)
    started = time.perf_counter()

    def step() -> None:
        torch.compiler.cudagraph_mark_step_begin()
        torch.stack(list(method.update(x_s, y_s, x_t).values())).tolist()

    step()
    seconds = time.perf_counter() - started
    works = {
        "torch.compile": step,
        "eager": stepper(new_method(device), device, size, batch, False),
        "captured": stepper(new_method(device), device, size, batch, True),
        "bare": bare_passes(new_method(device), device),
    }
    times = alternate(works, device, rounds)
    found = {name: 1e3 * statistics.median(spent) for name, spent in times.items()}
    ratios = [a / b for a, b in zip(times["torch.compile"], times["bare"], strict=True)]
    return {"compile_seconds": seconds, "ms": found, "of its bare passes": statistics.median(ratios)}


# ---------------------------------------------------------------- several processes


def worker(device: torch.device) -> None:
    """Make steps for so many seconds each time that a line asks for it; answer with how many they were."""
    torch.set_num_threads(1)
    size, batch, _ = next(iter(sizes(device).values()))
    made = {way: stepper(new_method(device), device, size, batch, way == "captured") for way in ("captured", "eager")}
    print("ready", flush=True)
    for line in sys.stdin:
        way, seconds = line.split()
        count, until = 0, time.perf_counter() + float(seconds)
        while time.perf_counter() < until:
            for _ in range(10):
                _, losses = made[way]()
            losses.tolist()  # as `fit` does every `log_every` steps; else the queue would hide what is not done yet
            count += 10
        print(count, flush=True)


@contextmanager
def workers(count: int, extra: dict[str, str], rehearse: bool):
    words = [sys.executable, __file__, "worker", *(["--rehearse"] if rehearse else [])]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(words, env=os.environ | extra, **pipes) for _ in range(count)]
    try:
        for child in children:
            if child.stdout.readline().strip() != "ready":
                raise RuntimeError("a worker ended before it was ready")
        yield children
    finally:
        for child in children:
            child.kill()


def steps_a_second(children: list[subprocess.Popen], way: str, seconds: float) -> float:
    for child in children:
        child.stdin.write(f"{way} {seconds}\n")
        child.stdin.flush()
    return sum(int(child.stdout.readline()) for child in children) / seconds


@contextmanager
def mps(folder: Path):
    """NVIDIA's service that lets kernels of several processes run at the same time: its environment, or None."""
    program = shutil.which("nvidia-cuda-mps-control")
    if program is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    extra = {"CUDA_MPS_PIPE_DIRECTORY": str(folder), "CUDA_MPS_LOG_DIRECTORY": str(folder)}
    subprocess.run([program, "-d"], env=os.environ | extra, check=True, timeout=20)
    try:
        yield extra
    finally:
        subprocess.run([program], input="quit\n", text=True, env=os.environ | extra, timeout=20)


def processes(output: Path, rehearse: bool, folder: Path) -> dict[str, object]:
    counts, seconds = ((1, 2), 0.3) if rehearse else (PROCESSES, SECONDS)
    found: dict[str, object] = {}

    def measure(name: str, extra: dict[str, str]) -> None:
        try:
            with workers(max(counts), extra, rehearse) as children:
                for way in ("captured", "eager"):
                    rates = {str(n): steps_a_second(children[:n], way, seconds) for n in counts}
                    found[f"{way}, {name}"] = rates
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            found[name] = f"not measured: {error}"
        write(output, "processes", found, rehearse)

    measure("without MPS", {})
    try:
        with mps(folder) as extra:
            if extra is None:
                found["with MPS"] = "not measured: nvidia-cuda-mps-control is not there"
            else:
                measure("with MPS", extra)
    except (OSError, subprocess.SubprocessError) as error:
        found["with MPS"] = f"not measured: {error}"
    return found


# ---------------------------------------------------------------- several seeds in one process


WAYS = ("graphs in turn", "stacked weights, eager", "graphs on streams of their own", "stacked weights, captured")


def steps_of_seeds(way: str, count: int, device: torch.device) -> Callable[[], object]:
    """One step of each of `count` seeds, made in one of `WAYS`."""
    size, batch, _ = next(iter(sizes(device).values()))
    if way.startswith("stacked"):
        update = stacked_update([new_method(device) for _ in range(count)], batches(device, size, batch))
        return captured_work(update, device) if way.endswith("captured") else update
    made = [stepper(new_method(device), device, size, batch, True) for _ in range(count)]

    def in_turn() -> None:
        for one in made:
            one()

    if way == "graphs in turn" or device.type == "cpu":
        return in_turn
    streams = [torch.cuda.Stream() for _ in made]

    def side_by_side() -> None:
        now = torch.cuda.current_stream()
        for one, stream in zip(made, streams, strict=True):
            stream.wait_stream(now)
            with torch.cuda.stream(stream):
                one()
        for stream in streams:
            now.wait_stream(stream)

    return side_by_side


def of_one_seed(way: str, count: int, device: torch.device, rounds: int) -> dict[str, float]:
    """Milliseconds of a step of all seeds, and how many times a step of one seed that is."""
    size, batch, _ = next(iter(sizes(device).values()))
    works = {"one": stepper(new_method(device), device, size, batch, True), "all": steps_of_seeds(way, count, device)}
    times = alternate(works, device, rounds)
    ratios = [of_all / of_one for of_one, of_all in zip(times["one"], times["all"], strict=True)]
    return {"ms": 1e3 * statistics.median(times["all"]), "of one seed": statistics.median(ratios)}


def seeds(output: Path, rehearse: bool) -> dict[str, object]:
    """Each way in a process of its own: one that breaks leaves the card unusable to what comes after it there."""
    found: dict[str, object] = {"seeds": SEEDS}
    for way in WAYS:
        words = [sys.executable, __file__, "way", "--way", way, *(["--rehearse"] if rehearse else [])]
        done = subprocess.run(words, capture_output=True, text=True)
        last = (done.stderr.splitlines() or ["no sentence"])[-1]
        found[way] = json.loads(done.stdout) if done.returncode == 0 else f"not measured: {last}"
        write(output, "seeds", found, rehearse)
    return found


def write(output: Path, part: str, found: dict[str, object], rehearse: bool) -> None:
    card = "none: a rehearsal on the CPU" if rehearse else torch.cuda.get_device_name()
    write_text(output / f"{part}.json", json.dumps({"card": card, **found}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("steps", "compiled", "processes", "seeds", "worker", "way"))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--way", choices=WAYS, help="of making the steps of several seeds")
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    rehearse, device = arguments.rehearse, torch.device("cpu" if arguments.rehearse else "cuda")
    rounds = 2 if rehearse else ROUNDS
    if arguments.part == "worker":
        worker(device)
        return
    if arguments.part == "way":
        print(json.dumps(of_one_seed(arguments.way, 2 if rehearse else SEEDS, device, rounds)))
        return
    if arguments.part == "processes":
        found = processes(arguments.output, rehearse, arguments.output / "mps")
    elif arguments.part == "seeds":
        found = seeds(arguments.output, rehearse)
    else:
        found = {"steps": steps, "compiled": compiled}[arguments.part](device, rounds)
    write(arguments.output, arguments.part, found, rehearse)


if __name__ == "__main__":
    main()
