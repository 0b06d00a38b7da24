"""What an exercise is: its header, hints, a reference to compare with, and the wrong answers that it knows by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

Function = Callable[..., Any]


def call_once(function: Function, arguments: tuple) -> Any:
    """What most exercises ask for: the value of the function."""
    return function(*arguments)


@dataclass(frozen=True)
class Case:
    """Arguments to compare on, what they are in words, and which of them need a gradient (by place)."""

    what: str
    arguments: tuple
    differentiable: tuple[int, ...] = ()


@dataclass(frozen=True)
class WrongAnswer:
    """A misconception: a name, a function that has it, and what to say to who has it too.

    `shows` finds it in another way than by equal results, from the answer and a case: where it has many forms.
    """

    name: str
    function: Function
    hint: str
    shows: Callable[[Function, Case], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What all exercises have.

    Attributes:
        name: for `check` and `hint`; title: a verb and its object.
        minutes, difficulty (1 to 3), equation: of the header line; empty where the paper has no equation for it.
        hints: where to look; the formula with shapes; the first line.
        right: what a right answer has shown, one sentence.
    """

    name: str
    title: str
    minutes: int
    difficulty: int
    equation: str
    hints: tuple[str, str, str]
    right: str

    @property
    def header(self) -> str:
        """The line below the title in a notebook."""
        dots = "●" * self.difficulty + "○" * (3 - self.difficulty)
        return f"**{self.minutes} minutes · difficulty {dots} · {self.equation or 'no equation'}**"


@dataclass(frozen=True, kw_only=True)
class FunctionExercise(Exercise):
    """The answer is a function.

    Attributes:
        reference: the library's own; cases: of a random generator; wrong: two to four wrong answers.
        call: what is compared, of a function and a case's arguments, if it is not simply the function's value.
    """

    reference: Function
    cases: Callable[[torch.Generator], list[Case]]
    wrong: tuple[WrongAnswer, ...]
    call: Callable[[Function, tuple], Any] = call_once


@dataclass(frozen=True, kw_only=True)
class ChoiceExercise(Exercise):
    """The answer is one letter, or a set of letters.

    Attributes:
        choices: the letters that there are; answer: the right ones; single: whether exactly one is asked for.
        replies: for each letter, what to say to who has it wrong, by naming it or by leaving it out.
    """

    choices: str
    answer: frozenset[str]
    replies: Mapping[str, str]
    single: bool = False


def uniform(generator: torch.Generator, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Numbers between -1 and 1, such as codes u."""
    return 2 * torch.rand(*shape, generator=generator, dtype=dtype) - 1


def labels(generator: torch.Generator, size: int, n_classes: int, low: int = 0) -> torch.Tensor:
    """Random int64 labels from `low` to n_classes - 1."""
    return torch.randint(low, n_classes, (size,), generator=generator)
