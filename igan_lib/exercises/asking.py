"""What a learner calls: `check`, `hint`, `progress`. Each prints, and returns nothing."""

import difflib
import re
import textwrap
from typing import Any

from igan_lib.errors import ConfigError
from igan_lib.exercises.exercise import Exercise
from igan_lib.exercises.judge import judge
from igan_lib.exercises.record import FILE, RECORD, Entry
from igan_lib.exercises.registry import EXERCISES, PREDICTIONS

WIDTH = 80  # characters; JupyterLab breaks a longer line of text inside a word
MARKS = {"right": "✔ Right.", "wrong": "✘ Not yet.", "not started": "○ Not started."}


def check(name: str, answer: Any) -> None:
    """Compare `answer` with the library's own function, or with the right letters, and say the first thing that fails.

    Args:
        name: of the exercise, such as "hash_loss".
        answer: your function; of a question with letters, a letter, a set of letters, or a function that gives them.

    ConfigError: there is no exercise of that name.
    """
    verdict = judge(find(name), answer)
    if verdict.status != "not started":
        RECORD.take(name, verdict.status == "right")
    _say(f"{MARKS[verdict.status]} {verdict.text[:1].upper()}{verdict.text[1:]}")


def hint(name: str, level: int = 1) -> None:
    """Print a hint: 1 says where to look, 2 is the formula with shapes, 3 the first line.

    ConfigError: there is no exercise of that name, or no such level.
    """
    hints = find(name).hints
    if level not in range(1, len(hints) + 1):
        raise ConfigError(f"Expected a level from 1 to {len(hints)}, found {level!r}: choose one of these.")
    _say(f"Hint {level} of {len(hints)}: {hints[level - 1]}")


def progress(keep: bool = False) -> None:
    """Print what is done, with tries and minutes; `keep`: also write it into the working folder, from now on.

    A later kernel in the same folder goes on from that file.
    """
    RECORD.read()
    if keep:
        RECORD.write()
    asked = {name: exercise for name, exercise in PREDICTIONS.items() if name in RECORD.entries}
    print(f"{'exercise':<20}{'done':<6}{'tries':>5}{'minutes':>9}{'planned':>9}")
    for name, exercise in (EXERCISES | asked).items():
        entry = RECORD.entries.get(name, Entry())
        minutes = "" if entry.minutes is None else f"{entry.minutes:.1f}"
        print(f"{name:<20}{'yes' if entry.done else '-':<6}{entry.tries:>5}{minutes:>9}{exercise.minutes:>9}")
    done = sum(RECORD.entries.get(name, Entry()).done for name in EXERCISES)
    print(f"{done} of {len(EXERCISES)} done.{f' Kept in {FILE}.' if FILE.exists() else ''}")


def _say(text: str) -> None:
    """Print `text` in lines, with code between backticks whole."""
    whole = re.sub("`[^`]*`", lambda code: code[0].replace(" ", "\xa0"), text)
    lines = textwrap.fill(whole, WIDTH, break_long_words=False, break_on_hyphens=False)
    print(lines.replace("\xa0", " "))


def find(name: str) -> Exercise:
    """The exercise or prediction called `name`. ConfigError: there is none."""
    known = EXERCISES | PREDICTIONS
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise ConfigError(f"Expected an exercise of {', '.join(EXERCISES)}, found {name!r}{meant}: correct the name.")
    return known[name]
