"""Figures: functions of arrays and frames, each as `plots.NAME`; importing the package alone loads no matplotlib."""

from importlib import import_module
from typing import Any

_MODULES = ("style", "curves", "tables")


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for module in _MODULES:
            found = getattr(import_module(f"{__name__}.{module}"), name, None)
            if getattr(found, "__module__", "").startswith(__name__):
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no figure {name!r}")
