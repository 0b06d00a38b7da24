"""Exercises that check themselves, for a class or for one reader: nothing but a Jupyter kernel is needed.

    from igan_lib.exercises import check, hint, picture, progress
    hint("hash_loss", 1)                 # where to look; 2: the formula with shapes; 3: the first line
    check("hash_loss", my_hash_loss)     # right, or which property fails
    picture("hash_loss", my_hash_loss)   # what a right answer does
    progress()                           # what is done, tries, minutes

`python -m igan_lib.exercises --selftest` says whether this computer is ready. The names are loaded when they are first
used, so that the self-test can say which package is missing.
"""

from importlib import import_module
from typing import Any

_HOMES = {"check": "asking", "hint": "asking", "progress": "asking", "picture": "pictures", "EXERCISES": "registry"}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return globals()[name]
