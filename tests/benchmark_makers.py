"""The scripts in benchmarks/ as modules, which no package holds."""

import importlib.util
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent / "benchmarks"


def load_benchmark(name, monkeypatch):
    """benchmarks/NAME.py as a module; until `monkeypatch` ends, dataclasses find it, and it finds those beside it."""
    monkeypatch.syspath_prepend(SCRIPTS)
    spec = importlib.util.spec_from_file_location(f"{name}_benchmark", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module
