"""Where a number comes from: commit, packages, device, time and memory."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "pydantic")


def git_state() -> dict[str, Any]:
    """The commit that this code was run from and whether tracked code differed from it.

    None where there is no git, and where the library is no part of the repository around it, as an installed one in
    somebody's project: that commit says nothing of this code.
    """
    folder = Path(__file__).resolve().parent.parent

    def git(*args: str) -> str | None:
        try:
            done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if not git("ls-tree", "HEAD", "--", "__init__.py"):
        return {"commit": None, "dirty": None}
    # Only the library decides a result: a changed README or a result that has just been written is not "dirty".
    changes = git("status", "--porcelain", "--", ".")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def peak_memory_mib() -> float:
    """Highest resident memory of this process so far, in MiB."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource  # Unix alone has it

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def machine(device: torch.device) -> dict[str, Any]:
    """Python, packages, device and threads: with others the same run ends with slightly different numbers."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:  # which instructions its kernels take decides how sums are rounded
        name = f"{platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    return {
        "python": platform.python_version(),
        "packages": {package: version(package) for package in PACKAGES},
        "device": device.type,
        "device_name": name,
        "threads": torch.get_num_threads(),
    }


def provenance(
    device: torch.device, seconds: float, data: dict[str, str], code: dict[str, Any], earlier: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What a reader needs to run the same again and to judge its time.

    Args:
        device: where it ran; seconds: wall time of this process; data: checksum by domain.
        code: `git_state()` of when this process began, since commits may be made while it goes on.
        earlier: steps, seconds, code and machine of the processes before it that trained a part; their seconds are
            added.
    """
    return {
        **code,
        **machine(device),
        "seconds": round(seconds + sum(part["seconds"] for part in earlier), 1),
        "peak_memory_mib": round(peak_memory_mib()),
        "data": data,
        **({"earlier": list(earlier)} if earlier else {}),
    }
