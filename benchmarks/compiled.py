"""What torch.compile gives to a step on a CPU, with the time that it takes to compile: `python benchmarks/compiled.py`.

One thread, the sizes of mnist -> usps. Times are over those of the step as it is, measured in turn with it; "apart" is
how far the losses are from those of the step as it is after twenty steps from the same weights, relative to the larger
of the loss and 0.1. Minutes; it needs a C++ compiler.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from run import alternate, batches, new_method
from torch import Tensor

from igan_lib.files import write_text
from igan_lib.method.igan import IGAN
from igan_lib.training.memory import keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")
STEPS = 20


def compiled_networks(method: IGAN) -> IGAN:
    for net in (method.net, method.g_s, method.g_t, method.d_s, method.d_t):
        net.compile()
    return method


def contiguous(method: IGAN) -> IGAN:
    return method.to(memory_format=torch.contiguous_format)


def compiled_update(method: IGAN) -> IGAN:
    """The whole step as one function."""
    method.update = torch.compile(method.update)
    return method


WAYS: dict[str, Callable[[], IGAN]] = {
    "networks compiled": lambda: compiled_networks(new_method(CPU)),
    "networks compiled, contiguous": lambda: compiled_networks(contiguous(new_method(CPU))),
    "whole step compiled": lambda: compiled_update(new_method(CPU)),
    "bf16 autocast": lambda: new_method(CPU, precision="bf16"),
    "bf16 autocast, networks compiled": lambda: compiled_networks(new_method(CPU, precision="bf16")),
}


def losses_of(method: IGAN, steps: int) -> list[Tensor]:
    x_s, y_s, x_t = batches(CPU)
    return [torch.stack(list(method.update(x_s, y_s, x_t).values())).float() for _ in range(steps)]


def measure(make: Callable[[], IGAN], expected: list[Tensor], rounds: int) -> dict[str, float] | str:
    """Seconds to compile, time and losses beside the step as it is; the first line of what went wrong instead."""
    started = time.perf_counter()
    try:
        method = make()
        losses_of(method, 2)
    except Exception as error:  # compilers raise what they like
        return f"not measured: {str(error).splitlines()[0]}"
    spent = time.perf_counter() - started
    torch.compiler.reset()  # the losses are those of a method that starts anew
    found = losses_of(make(), STEPS)
    apart = max(((a - b).abs() / a.abs().clamp(min=0.1)).max().item() for a, b in zip(expected, found, strict=True))
    x = batches(CPU)
    other = new_method(CPU)
    times = alternate({"it": lambda: method.update(*x), "as it is": lambda: other.update(*x)}, CPU, rounds)
    ratio = statistics.median(a / b for a, b in zip(times["it"], times["as it is"], strict=True))
    return {"of_the_time": ratio, "first_two_steps_seconds": spent, "apart": apart}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="measurements of each kind (default 30)")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "benchmarks_compiled.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as `fit` does
    expected = losses_of(new_method(CPU), STEPS)
    found: dict[str, object] = {"torch": torch.__version__, "threads": 1, "steps": STEPS, "ways": {}}
    for name, make in WAYS.items():
        torch.compiler.reset()
        # A folder of its own, or what an earlier call has compiled would be found.
        with TemporaryDirectory() as os.environ["TORCHINDUCTOR_CACHE_DIR"]:
            found["ways"][name] = measure(make, expected, arguments.rounds)
        print(f"{name}: {found['ways'][name]}", flush=True)
        write_text(arguments.output, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
