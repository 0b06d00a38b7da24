"""The questions of the numbered notebooks, asked before a cell is run; `predictions.toml` has their words."""

import tomllib
from importlib.resources import files
from typing import Any

from igan_lib.exercises.exercise import ChoiceExercise

LETTERS = "abc"


def read() -> dict[str, ChoiceExercise]:
    """Every question by name, such as predict_00_1; `check` answers it with a letter."""
    return {name: _question(name, entry) for name, entry in _entries().items()}


def question_text(name: str) -> str:
    """The Markdown of a question, for the cell above its `check`. KeyError: there is none of that name."""
    entry = _entries()[name]
    options = "\n".join(f"- {letter}: {entry[letter]}" for letter in LETTERS if letter in entry)
    return f"**Predict first.** {entry['question']}\n\n{options}"


def place_of(name: str) -> str:
    """The heading of the notebook below which the question stands."""
    return _entries()[name]["place"]


def _entries() -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__package__).joinpath("predictions.toml").read_text(encoding="utf-8"))


def _question(name: str, entry: dict[str, Any]) -> ChoiceExercise:
    letters = [letter for letter in LETTERS if letter in entry]
    return ChoiceExercise(
        name=name,
        title=entry["question"],
        minutes=1,
        difficulty=1,
        equation="",
        choices="".join(letters),
        answer=frozenset(entry["answer"]),
        replies={letter: entry[f"reply_{letter}"] for letter in letters if letter != entry["answer"]},
        single=True,
        hints=(entry["question"],) * 3,
        right=entry["right"],
    )
