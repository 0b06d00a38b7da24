"""Is this computer ready for the class? One line for each thing that is looked at. Loads nothing heavy itself."""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "pandas", "scipy", "matplotlib", "torch", "jupyterlab", "ipykernel")
PYTHONS = (3, 11), (3, 13)
LIMIT = 20  # seconds: what a class can wait for


class NotReady(Exception):
    """Its message is a sentence: what was expected, what was found, what to do."""


def python_version() -> str:
    """Whether the library supports this Python."""
    found = sys.version_info[:2]
    if not PYTHONS[0] <= found <= PYTHONS[1]:
        raise NotReady(
            f"Expected Python 3.11 to 3.13, found {found[0]}.{found[1]}: make the environment with such a one."
        )
    return f"{found[0]}.{found[1]}"


def packages() -> str:
    """Whether the packages are there; their versions."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise NotReady(
                f"Expected the package {name}, found none: install from the folder of wheels again."
            ) from None
    return ", ".join(f"{name} {number}" for name, number in found.items())


def kernel() -> str:
    """Whether Jupyter finds a kernel for the notebooks, and whether it is of this environment."""
    specs = import_module("jupyter_client.kernelspec")
    try:
        spec = specs.KernelSpecManager().get_kernel_spec("python3")
    except specs.NoSuchKernel:
        raise NotReady("Expected a kernel python3, found none: install ipykernel into this environment.") from None
    if Path(spec.argv[0]).is_absolute() and Path(spec.argv[0]) != Path(sys.executable):
        raise NotReady(
            f"Expected the kernel python3 to run {sys.executable}, found {spec.argv[0]}: run python -m ipykernel "
            "install --sys-prefix in this environment."
        )
    return "python3"


def trained_results() -> str:
    """Whether results/exercises can be read."""
    trained = import_module("igan_lib.exercises.trained")
    errors = import_module("igan_lib.errors")
    try:
        arrays, seeds = trained.arrays(), trained.five_seeds()
    except errors.IganError as error:
        raise NotReady(str(error)) from None
    return f"{len(arrays)} arrays of a short run, {len(seeds)} runs of five seeds"


def checks() -> str:
    """Whether every exercise accepts the library's own function and refuses a wrong one."""
    exercises = import_module("igan_lib.exercises.registry").EXERCISES
    judge = import_module("igan_lib.exercises.judge").judge
    for exercise in exercises.values():
        right = getattr(exercise, "reference", None) or exercise.answer
        if judge(exercise, right).status != "right" or judge(exercise, lambda *_: float("nan")).status != "wrong":
            raise NotReady(
                f"Expected the exercise {exercise.name} to know right from wrong, found that it does not: "
                "the packages differ from those that were tested, install from the folder of wheels again."
            )
    return f"{len(exercises)} exercises know right from wrong"


def picture_drawn() -> str:
    """Whether a picture can be drawn into memory."""
    pictures = import_module("igan_lib.exercises.pictures")
    with tempfile.TemporaryFile() as file:
        pictures.picture("hash_loss", ...).savefig(file, format="png")
        size = file.tell()
    return f"a picture of {size // 1024} KiB"


def folder_writable() -> str:
    """Whether `progress(keep=True)` can write here."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=Path.cwd(), suffix=".partial") as file:
            json.dump({}, file)
    except OSError as error:
        raise NotReady(
            f"Expected to write into {Path.cwd().name}, found {error.strerror}: copy the class folder to one of yours."
        ) from None
    return "files can be written here"


CHECKS: dict[str, Callable[[], str]] = {
    "Python": python_version,
    "packages": packages,
    "kernel": kernel,
    "results": trained_results,
    "checks": checks,
    "pictures": picture_drawn,
    "folder": folder_writable,
}


def run(looked_at: dict[str, Callable[[], str]] = CHECKS) -> int:
    """Look at everything, print a line each and a last sentence; 0: ready, 1: not."""
    started, faults = time.perf_counter(), []
    for name, look in looked_at.items():
        begun = time.perf_counter()
        try:
            said, mark = look(), "ok"
        except NotReady as fault:
            said, mark = str(fault), "NO"
        except Exception as error:  # of a package that is there and broken
            said, mark = f"Expected this to work, found {type(error).__name__} ({error}): install again.", "NO"
        faults += [name] if mark == "NO" else []
        print(f"{mark}  {name:<9} {time.perf_counter() - begun:4.1f} s  {said}", flush=True)
    seconds = time.perf_counter() - started
    if faults:
        print(f"Not ready: mend {', '.join(faults)} as the lines above say, and run this again.")
        return 1
    slow = f" That is slow: more than {LIMIT} s; the second time it is faster." if seconds > LIMIT else ""
    print(f"Ready, in {seconds:.0f} s.{slow} In this folder: jupyter lab")
    return 0
