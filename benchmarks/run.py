"""Speed and memory, each as a ratio measured in one run: `make bench`, or `python benchmarks/run.py --help`.

- step: one IGAN step against the bare forward and backward passes of its networks on the same batches
- variants: the step with one implementation choice changed, against the step as it is
- losses: the step of each row of Table 4, at the sizes of MNIST <-> USPS and of SVHN -> MNIST
- memory: peak memory of a `cpu` run on the full training sets (needs MNIST and USPS under IGAN_DATA)
- quickstart: wall time of the quickstart notebook

Measurements of one comparison alternate (A B A B ...): a machine whose speed drifts favours neither side.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from igan_lib.data.data_root import domain_status
from igan_lib.experiment.presets import preset
from igan_lib.files import write_text
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.reproduction.studies import M_U, S_M, STUDIES
from igan_lib.training.fit import pick_device
from igan_lib.training.memory import keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent
BATCH = 100
Step = Callable[[], object]


def seconds(work: Step, device: torch.device) -> float:
    """Wall time of one call, with the device's queue empty before and after."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def alternate(works: dict[str, Step], device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Seconds of each work in `rounds` rounds, after three rounds of warm-up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 3):
        for name, work in works.items():
            spent = seconds(work, device)
            if turn >= 3:
                times[name].append(spent)
    return times


def batches(device: torch.device, size: int = 28, batch: int = BATCH) -> tuple[Tensor, Tensor, Tensor]:
    """x_s, y_s and x_t of one step; speed does not depend on what is in them."""
    torch.manual_seed(0)
    x_s, x_t = (torch.rand(batch, 1, size, size, device=device) * 2 - 1 for _ in range(2))
    return x_s, torch.randint(0, 10, (batch,), device=device), x_t


def new_method(device: torch.device, size: int = 28, **settings: object) -> IGAN:
    torch.manual_seed(0)
    return IGAN(IGANConfig(**settings), shape=(1, size, size), n_classes=10).to(device).train()


def update(method: IGAN, device: torch.device, size: int = 28, batch: int = BATCH) -> Step:
    x_s, y_s, x_t = batches(device, size, batch)

    def step() -> None:
        # As `fit` does it: the losses are fetched once a step.
        torch.stack(list(method.update(x_s, y_s, x_t).values())).tolist()

    return step


def bare_passes(method: IGAN, device: torch.device) -> Step:
    """The forward and backward passes that a step can't do without, and nothing else: no loss, no optimiser."""
    x_s, _, x_t = batches(device)
    both = torch.cat([x_s, x_t])
    codes = torch.rand(2 * BATCH, method.config.code_length, device=device) * 2 - 1

    def through(net: nn.Module, x: Tensor, parameters: bool, inputs: bool) -> None:
        x = x.detach().requires_grad_(inputs)
        wanted = [*(net.parameters() if parameters else ()), *([x] if inputs else ())]
        net(x).sum().backward(inputs=wanted)
        for parameter in net.parameters():
            parameter.grad = None

    def step() -> None:
        for x in (x_s, x_t):
            through(method.net, x, parameters=True, inputs=False)
        for generator in (method.g_s, method.g_t):
            through(generator, codes, parameters=True, inputs=True)
        for discriminator in (method.d_s, method.d_t):
            through(discriminator, both, parameters=True, inputs=False)  # its own step, on real and fake
            through(discriminator, x_s, parameters=False, inputs=True)  # the generators' step, on fake alone

    # HashNet returns (u, logits): the bare pass sums the logits, which depend on all of its parameters.
    method.net.forward = lambda x: method.net.classifier(method.net.encoder(x))
    return step


def two_generator_passes(method: IGAN) -> IGAN:
    def reconstruct(u_s: Tensor, u_t: Tensor) -> tuple[Tensor, ...]:
        return method.g_s(u_s), method.g_s(u_t), method.g_t(u_t), method.g_t(u_s)

    method._reconstruct = reconstruct
    return method


def unfused_optimizers(method: IGAN) -> IGAN:
    for name, old in method.optimizers.items():
        parameters = [p for group in old.param_groups for p in group["params"]]
        method.optimizers[name] = torch.optim.Adam(parameters, lr=old.defaults["lr"], betas=old.defaults["betas"])
    return method


def measure_step(device: torch.device, rounds: int) -> dict[str, float]:
    works = {"step": update(new_method(device), device), "bare": bare_passes(new_method(device), device)}
    times = alternate(works, device, rounds)
    ratios = [step / bare for step, bare in zip(times["step"], times["bare"], strict=True)]
    return {
        "step_ms": 1e3 * statistics.median(times["step"]),
        "bare_ms": 1e3 * statistics.median(times["bare"]),
        "ratio": statistics.median(ratios),
    }


def measure_variants(device: torch.device, rounds: int) -> dict[str, float]:
    """Median time of each variant over that of the step as it is; below 1 is faster."""
    methods = {
        "as it is": new_method(device),
        "contiguous instead of channels-last": new_method(device).to(memory_format=torch.contiguous_format),
        "two generator passes instead of one": two_generator_passes(new_method(device)),
        "plain Adam instead of fused": unfused_optimizers(new_method(device)),
        "bf16 autocast": new_method(device, precision="bf16"),
        "without L_a and L_1 (no generators)": new_method(device, losses=("c", "s", "h")),
    }
    times = alternate({name: update(method, device) for name, method in methods.items()}, device, rounds)
    base = times.pop("as it is")
    return {name: statistics.median(t / b for t, b in zip(ts, base, strict=True)) for name, ts in times.items()}


def measure_losses(device: torch.device, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a step for each row of Table 4, by the size of images and batch: those of the presets."""
    found = {}
    for pair in (M_U, S_M):
        config = preset(*pair)
        size, batch, encoder = config.size, config.batch_size, config.encoder
        steps = {
            row.label: update(new_method(device, size, encoder=encoder, **row.settings), device, size, batch)
            for row in STUDIES["table4"].rows
        }
        times = alternate(steps, device, rounds)
        name = f"{size} pixels, batches of {batch}, {encoder}"
        found[name] = {label: 1e3 * statistics.median(ts) for label, ts in times.items()}
    return found


MEMORY_PROBE = """
import sys
from pathlib import Path
from igan_lib.experiment.presets import preset
from igan_lib.experiment.run import run
# Memory does not grow with the number of steps, so a few are enough; the data are the full sets.
result = run(preset("mnist", "usps", pretrain_steps=5, steps=20), results=Path(sys.argv[1]), progress=False)
print(result.provenance["peak_memory_mib"])
"""


def measure_memory() -> float | None:
    """Peak MiB of a `cpu` run in a process of its own, or None where the data are missing."""
    present = {status.name for status in domain_status() if status.present}
    if not {"mnist", "usps"} <= present:
        return None
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY_PROBE, folder], capture_output=True, text=True, check=True, cwd=ROOT
        )
    return float(done.stdout)


def measure_quickstart() -> float:
    """Wall seconds of `python -m igan_lib quickstart`, training included."""
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        output = str(Path(folder) / "quickstart.ipynb")
        parameters = [f"results={folder}", f"figures={folder}"]
        command = [sys.executable, "-m", "igan_lib", "notebook", "notebooks/00_quickstart.ipynb", output]
        subprocess.run([*command, "-p", *parameters], check=True, cwd=ROOT, capture_output=True)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="measurements of each kind (default 30)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--skip-quickstart", action="store_true", help="leave out the quickstart (minutes)")
    parser.add_argument("--losses-only", action="store_true", help="measure Table 4's steps alone, keep what is there")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "benchmarks.json", help="where to write")
    arguments = parser.parse_args()
    keep_freed_memory()  # as `fit` does
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if arguments.losses_only:
        kept = json.loads(arguments.output.read_text(encoding="utf-8"))
        torch.set_num_threads(kept["threads"])  # what the file says of its numbers stays true
        for name in devices:
            kept.setdefault(name, {})["losses_ms"] = measure_losses(pick_device(name), arguments.rounds)
        write_text(arguments.output, json.dumps(kept, indent=1) + "\n")
        return
    torch.set_num_threads(arguments.threads)
    found: dict[str, object] = {"torch": torch.__version__, "threads": arguments.threads, "batch": BATCH}
    for name in devices:
        device = pick_device(name)
        step = measure_step(device, arguments.rounds)
        print(f"{name}: step {step['step_ms']:.1f} ms, bare passes {step['bare_ms']:.1f} ms, ratio {step['ratio']:.2f}")
        variants = measure_variants(device, arguments.rounds)
        for variant, ratio in variants.items():
            print(f"  {variant}: {ratio:.2f} of the step's time")
        found[name] = {"step": step, "variants": variants, "losses_ms": measure_losses(device, arguments.rounds)}
    found["peak_memory_mib"] = measure_memory()
    print(f"peak memory of a cpu run: {found['peak_memory_mib'] or 'not measured, MNIST or USPS is missing'} MiB")
    if not arguments.skip_quickstart:
        found["quickstart_seconds"] = round(measure_quickstart(), 1)
        print(f"quickstart: {found['quickstart_seconds']} s")
    write_text(arguments.output, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
