"""Compare an answer with the reference: shape and dtype first, then values, then gradients; one sentence comes out."""

import copy
import inspect
import traceback
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from igan_lib.exercises.exercise import Case, ChoiceExercise, Exercise, Function, FunctionExercise

Status = Literal["right", "wrong", "not started"]
TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-4}  # relative and absolute
NOT_STARTED = "Put your lines in the place of the blank and run the cell again."


@dataclass(frozen=True)
class Verdict:
    """`text`: one or two sentences for the learner. `wrong`: the name of the wrong answer that was found, or empty."""

    status: Status
    text: str
    wrong: str = ""


class _Unfit(Exception):
    """The answer can't be compared; its message says why, to the learner."""


@dataclass
class _Outcome:
    """What a function gave: its parts by name, tensors or words, and the gradients of the differentiable arguments."""

    parts: dict[str, Tensor | str]
    gradients: dict[str, Tensor | None]


def judge(exercise: Exercise, answer: Any, seed: int = 0) -> Verdict:
    """The verdict on `answer`: a function, a letter, or a set of letters. `seed`: of the random inputs."""
    if isinstance(exercise, ChoiceExercise):
        return _judge_choice(exercise, answer)
    if answer is ...:
        return Verdict("not started", NOT_STARTED)
    if not callable(answer):
        return Verdict("wrong", f"Expected your function itself, without brackets, found {type(answer).__name__}.")
    cases = exercise.cases(torch.Generator().manual_seed(seed))
    try:
        faults = [_fault(exercise, answer, case) for case in cases]
    except NotImplementedError:
        return Verdict("not started", NOT_STARTED)
    fault = next((found for found in faults if found), None)
    if fault is None:
        return Verdict("right", exercise.right)
    for wrong in exercise.wrong:
        if _has(exercise, wrong, answer, cases):
            return Verdict("wrong", wrong.hint, wrong.name)
    return Verdict("wrong", fault)


def _judge_choice(exercise: ChoiceExercise, answer: Any) -> Verdict:
    """The verdict on letters; a function without arguments is asked for them."""
    try:
        answer = answer() if callable(answer) else answer
    except NotImplementedError:
        return Verdict("not started", NOT_STARTED)
    except Exception as error:
        return Verdict("wrong", _stopped(answer, error))
    asked = f"one letter of {', '.join(exercise.choices)}"
    if not exercise.single:
        asked = f'a set of letters of {", ".join(exercise.choices)}, such as {{"{exercise.choices[0]}"}}'
    if answer is ... or (isinstance(answer, str) and answer in ("", "?")):
        return Verdict("not started", f"Answer with {asked}.")
    letters = answer if isinstance(answer, set | frozenset | list | tuple) else [answer]
    known = {letter.lower() for letter in exercise.choices}
    if not all(isinstance(letter, str) and letter.lower() in known for letter in letters) or (
        exercise.single and len(letters) != 1
    ):
        return Verdict("wrong", f"Expected {asked}, found {answer!r}.")
    given, right = {letter.lower() for letter in letters}, {letter.lower() for letter in exercise.answer}
    differing = given - right if exercise.single else given ^ right
    for letter in exercise.choices:
        if letter.lower() in differing:
            return Verdict("wrong", exercise.replies[letter], letter)
    return Verdict("right", exercise.right)


def _has(exercise: FunctionExercise, wrong: Any, answer: Function, cases: list[Case]) -> bool:
    """Whether the answer does in all cases what this wrong one does."""
    try:
        if wrong.shows is not None:
            return any(wrong.shows(answer, case) for case in cases)
        pairs = [[_outcome(exercise, function, case) for function in (answer, wrong.function)] for case in cases]
        return not any(_difference(of_answer, of_wrong, nan=True) for of_answer, of_wrong in pairs)
    except Exception:
        return False  # it stops where the wrong one does not, or the other way round


def _fault(exercise: FunctionExercise, answer: Function, case: Case) -> str:
    """What is wrong with the answer in this case, a sentence; empty: nothing. NotImplementedError passes."""
    expected = _outcome(exercise, exercise.reference, case)
    try:
        found = _outcome(exercise, answer, case)
    except NotImplementedError:
        raise
    except _Unfit as unfit:
        return f"With {case.what}: {unfit}"
    except Exception as error:
        return f"With {case.what}, {_stopped(answer, error)}"
    difference = _difference(found, expected)
    return f"With {case.what}: {difference}" if difference else ""


def _stopped(answer: Function, error: Exception) -> str:
    """That a function of the learner's stopped, and in which of its lines."""
    name = getattr(answer, "__name__", "")
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name == name]
    where = f" in its line `{own[-1].line}`" if own and own[-1].line else ""
    message = str(error).strip().partition("\n")[0].rstrip(".:")
    return f"your function stopped{where} with {type(error).__name__}{': ' if message else ''}{message}."


def _outcome(exercise: FunctionExercise, function: Function, case: Case) -> _Outcome:
    """Call the function on its own copy of the arguments. _Unfit: it gave what can't be compared, or changed them."""
    names = list(inspect.signature(exercise.reference).parameters)
    arguments = tuple(_copy(value) for value in case.arguments)
    needed = {names[place]: arguments[place].requires_grad_() for place in case.differentiable}
    before = [_copy(value) for value in arguments]
    parts = _parts(exercise.call(function, arguments))
    for name, value, old in zip(names, arguments, before, strict=False):
        if isinstance(value, Tensor | np.ndarray) and not _same(value, old):
            raise _Unfit(f"your function changes its argument {name}; make a new array instead.")
    # By name: the order in which a dictionary lists its parts is free.
    sums = [part for _, part in sorted(parts.items()) if isinstance(part, Tensor) and part.requires_grad]
    gradients: dict[str, Tensor | None] = dict.fromkeys(needed)
    if needed and sums:
        # Weights that differ, so that gradients of two parts can't cancel out.
        total = sum((part * _weights(part)).sum() * (1 + i) for i, part in enumerate(sums))
        found = torch.autograd.grad(total, list(needed.values()), allow_unused=True)
        gradients = dict(zip(needed, found, strict=True))
    values = {name: part.detach() if isinstance(part, Tensor) else part for name, part in parts.items()}
    return _Outcome(values, gradients)


def _weights(part: Tensor) -> Tensor:
    return torch.linspace(0.5, 1.5, max(1, part.numel()), dtype=part.dtype).view(part.shape)


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    return np.array_equal(one, other)


def _parts(value: Any, name: str = "the value") -> dict[str, Tensor | str]:
    """A value as tensors and words by name. Integers of all widths become int64."""
    if isinstance(value, dict):
        return {key: part for k, v in value.items() for key, part in _parts(v, str(k)).items()}
    of_numbers = isinstance(value, list) and bool(value) and all(isinstance(v, int | float) for v in value)
    if isinstance(value, tuple | list) and not of_numbers:
        return {key: part for i, v in enumerate(value, 1) for key, part in _parts(v, f"part {i}").items()}
    if value is None:
        raise _Unfit("your function returns nothing; end it with `return` and the result.")
    if isinstance(value, str):
        return {name: value}
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError, RuntimeError):
        raise _Unfit(f"expected numbers, found {type(value).__name__}.") from None
    whole = not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
    return {name: tensor.to(torch.int64) if whole else tensor}


def _difference(found: _Outcome, expected: _Outcome, *, nan: bool = False) -> str:
    """The first property that differs, a sentence; empty: none. `nan`: a NaN equals a NaN."""
    if list(found.parts) != list(expected.parts):
        if set(found.parts) == set(expected.parts):
            found.parts = {name: found.parts[name] for name in expected.parts}
        else:
            return f"expected {_listed(expected.parts)}, found {_listed(found.parts)}."
    for check in (_form, _values):
        for name, wanted in expected.parts.items():
            if said := check(name, found.parts[name], wanted, nan):
                return said
    for name, wanted in expected.gradients.items():
        if said := _gradient(name, found.gradients[name], wanted):
            return f"the values are right, but {said}"
    return ""


def _listed(parts: dict[str, Tensor | str]) -> str:
    """What a function gave, in words: parts that have no names are counted."""
    if "part 1" in parts:
        return f"{len(parts)} results"
    return "one result" if "the value" in parts else " and ".join(parts) or "nothing"


def _form(name: str, found: Tensor | str, wanted: Tensor | str, nan: bool) -> str:
    """Kind, shape and dtype."""
    if isinstance(found, str) or isinstance(wanted, str):
        kinds = ["a word" if isinstance(part, str) else "numbers" for part in (wanted, found)]
        return "" if kinds[0] == kinds[1] else f"expected {kinds[0]} as {name}, found {kinds[1]}."
    if found.shape != wanted.shape:
        return f"expected {name} of shape {tuple(wanted.shape)}, found {tuple(found.shape)}."
    if found.dtype != wanted.dtype:
        return f"expected {name} as {_dtype(wanted)}, found {_dtype(found)}."
    return ""


def _dtype(part: Tensor) -> str:
    return "integers" if part.dtype == torch.int64 else str(part.dtype).removeprefix("torch.")


def _values(name: str, found: Tensor | str, wanted: Tensor | str, nan: bool) -> str:
    """Finite and equal."""
    if isinstance(wanted, str):
        return "" if found == wanted else f'expected "{wanted}" as {name}, found "{found}".'
    if not nan and found.is_floating_point() and not found.isfinite().all():
        return f"{name} is not finite: NaN or infinity comes out, look for 0 / 0 or the logarithm of 0."
    tolerance = TOLERANCE.get(wanted.dtype, 0.0)
    near = torch.isclose(found, wanted, rtol=tolerance, atol=tolerance, equal_nan=nan)
    if near.all():
        return ""
    where = (~near).nonzero()[0].tolist()
    place = f" at {where}" if where else ""
    return f"expected {_number(wanted[tuple(where)])} as {name}{place}, found {_number(found[tuple(where)])}."


def _number(value: Tensor) -> str:
    return f"{value.item():.4g}" if value.is_floating_point() else str(value.item())


def _gradient(name: str, found: Tensor | None, wanted: Tensor | None) -> str:
    nothing = found is None or not found.any()
    if wanted is None or not wanted.any():
        return "" if nothing else f"a gradient reaches {name}, which is a constant here: detach it."
    if nothing:
        return f"no gradient reaches {name}: look for a detach, a number taken out of its tensor, or a sign."
    tolerance = TOLERANCE.get(wanted.dtype, 1e-4)
    if torch.allclose(found, wanted, rtol=tolerance, atol=tolerance, equal_nan=False):
        return ""
    return f"the gradient of {name} differs, most by {(found - wanted).abs().max().item():.3g}: look for a detach."
