"""What the three methods on given features share: their interface, the checks of what they are given, their record.

`FeatureHash` is all that an experiment needs to know of ITQ, BA and UH-BDNN. None of them is ever handed a label.
"""

from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from igan_lib.errors import ConfigError, DataError, TrainingError

RISE = 1e-9  # relative; what an objective may rise by rounding alone in float64


class FeatureHash(Protocol):
    """A hash function that is learnt from unlabelled features."""

    code_length: int
    objective_history: list[float]

    def fit(self, features: Tensor, *, seed: int) -> Self:
        """Learn from features (n x D, any float dtype) and return self; the same seed gives the same codes."""

    def encode(self, features: Tensor) -> Tensor:
        """Features (n x D) -> codes (n x L), float32, each entry -1 or 1."""


def check_code_length(code_length: int) -> int:
    """Return L if it is a positive multiple of 8, since codes are packed into whole bytes.

    Raises:
        ConfigError: any other value.
    """
    if code_length < 8 or code_length % 8:
        raise ConfigError(
            f"Expected a code length that is a positive multiple of 8, found {code_length}: take 16, 32, 64 or 128."
        )
    return code_length


def check_positive(**settings: float) -> None:
    """Raise ConfigError unless each of the named settings is finite and above zero."""
    for name, value in settings.items():
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"Expected {name} above zero, found {value}: give a positive number.")


def as_array(features: Tensor) -> np.ndarray:
    """Features as a float64 array: the alternating steps compare objectives that differ in the last digits of float32.

    Raises:
        DataError: not a matrix of floats, or an entry that is not finite.
    """
    if features.ndim != 2 or not features.is_floating_point():
        raise DataError(
            f"Expected features as a float matrix (n x D), found {features.dtype} {tuple(features.shape)}: "
            "flatten each image or encode it first."
        )
    array = features.detach().cpu().to(torch.float64).numpy()
    finite = np.isfinite(array).all(1)
    if not finite.all():
        raise DataError(
            f"Expected finite features, found {np.count_nonzero(~finite)} of {len(array)} rows with NaN or infinity "
            f"(the first is row {int(np.argmin(finite))}): drop or repair them."
        )
    return array


def training_array(features: Tensor, code_length: int) -> np.ndarray:
    """`as_array` for `fit`: there must be L directions (D >= L) and enough rows to tell them apart (n > L).

    Raises:
        DataError: besides those of `as_array`, too few features or rows, or all rows equal.
    """
    array = as_array(features)
    n, width = array.shape
    if width < code_length:
        raise DataError(
            f"Expected at least as many features as bits ({code_length}), found {width} features: "
            "take a shorter code or wider features."
        )
    if n <= code_length:
        raise DataError(
            f"Expected more training rows than bits ({code_length}), found {n} rows: take a shorter code or more rows."
        )
    if (array == array[0]).all():
        raise DataError(f"Expected rows that differ, found {n} equal ones: check how the features were made.")
    return array


def check_fitted(method: FeatureHash, width: int | None, features: np.ndarray) -> None:
    """Raise unless `method` was fitted (`width` is the D that it saw, or None) and `features` (n x D) has that D.

    Raises:
        TrainingError: `fit` was not called. DataError: another number of features.
    """
    name = type(method).__name__
    if width is None:
        raise TrainingError(f"Expected a fitted {name}, found one that has seen no features: call fit first.")
    if features.shape[1] != width:
        raise DataError(
            f"Expected {width} features, as many as {name} was fitted on, found {features.shape[1]}: "
            "encode the same kind of features."
        )


def subsample(x: np.ndarray, max_samples: int, rng: np.random.Generator) -> np.ndarray:
    """At most `max_samples` rows of `x`, drawn without replacement, in their order."""
    if len(x) <= max_samples:
        return x
    return x[np.sort(rng.choice(len(x), max_samples, replace=False))]


def record(history: list[float], value: float, *, fresh: bool = False) -> None:
    """Append the objective after a step to `history`.

    Args:
        fresh: the objective itself has just changed (another penalty weight), so there is nothing to compare with.

    Raises:
        TrainingError: the objective is not finite, or the step has raised it.
    """
    highest = np.inf if fresh or not history else history[-1] + RISE * max(1.0, abs(history[-1]))
    if not np.isfinite(value) or value > highest:
        raise TrainingError(
            f"Expected an objective of at most {highest:g}, which a step never raises, found {value:g}: "
            "look for very large or very small features."
        )
    history.append(float(value))


def as_codes(bits: np.ndarray) -> Tensor:
    """A bool array (n x L) as a float32 tensor of -1 and 1."""
    return torch.from_numpy(np.where(bits, 1.0, -1.0).astype(np.float32))
