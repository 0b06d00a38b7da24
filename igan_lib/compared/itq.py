r"""ITQ: principal components, turned so that their signs lose least (Gong et al. 2013; Table 3).

$$\min_{B, R} \lVert B - V R \rVert_F^2,
  \qquad B \in \{-1, 1\}^{n \times L}, \quad R^\top R = I, \quad V = (X - \bar x) P$$

P holds the L leading principal directions. Both steps are exact minimisers, so the error never grows;
a step that raises it is a TrainingError.
"""

from typing import Self

import numpy as np
from scipy.stats import ortho_group
from torch import Tensor

from igan_lib.compared.interface import (
    as_array,
    as_codes,
    check_code_length,
    check_fitted,
    check_positive,
    record,
    training_array,
)


def principal_directions(centred: np.ndarray, count: int) -> np.ndarray:
    """The `count` eigenvectors of the covariance of `centred` (n x D) with the largest eigenvalues, D x count."""
    _, vectors = np.linalg.eigh(centred.T @ centred)  # in ascending order
    return np.ascontiguousarray(vectors[:, : -count - 1 : -1])


def bits_step(v: np.ndarray, r: np.ndarray) -> np.ndarray:
    r"""The best B for a given R: $B = \mathrm{sgn}(V R)$, n x L, with sgn(0) = 1."""
    return np.where(v @ r >= 0, 1.0, -1.0)


def rotation_step(b: np.ndarray, v: np.ndarray) -> np.ndarray:
    r"""The best R for a given B (orthogonal Procrustes): $B^\top V = U S W^\top$, $R = W U^\top$.

    $\lVert B - V R \rVert^2$ is a constant less $2 \operatorname{tr}(B^\top V R) = 2 \operatorname{tr}(S W^\top R U)$,
    which is largest where $W^\top R U = I$. B, V: n x L; R: L x L.
    """
    u, _, wt = np.linalg.svd(b.T @ v)
    return wt.T @ u.T


def quantisation_error(b: np.ndarray, v: np.ndarray, r: np.ndarray) -> float:
    r"""The objective, a row: $\frac{1}{n} \lVert B - V R \rVert_F^2$."""
    return float(np.square(b - v @ r).sum() / len(v))


class ITQ:
    """Iterative quantisation; see the module's docstring and `interface.FeatureHash`.

    Args:
        code_length: L, a multiple of 8, at most the number of features.
        iterations: pairs of steps. 50 as published; the error is flat by then.

    After `fit`: `mean` (D), `directions` (P, D x L), `rotation` (R, L x L) and `objective_history`, the error after
    each half step (2 x iterations values).

    Raises:
        ConfigError, DataError, TrainingError: see `interface`.
    """

    def __init__(self, *, code_length: int = 64, iterations: int = 50) -> None:
        check_positive(iterations=iterations)
        self.code_length = check_code_length(code_length)
        self.iterations = iterations
        self.objective_history: list[float] = []
        self._width: int | None = None

    def fit(self, features: Tensor, *, seed: int) -> Self:
        """Learn P and R from features (n x D, n > L, D >= L); `seed` draws the first R."""
        return self.fit_array(training_array(features, self.code_length), seed=seed)

    def fit_array(self, x: np.ndarray, *, seed: int | np.random.Generator) -> Self:
        """`fit` on features that are checked already (BA and UH-BDNN start from ITQ's codes)."""
        self.mean = x.mean(0)
        self.directions = principal_directions(x - self.mean, self.code_length)
        v = (x - self.mean) @ self.directions
        self.rotation = ortho_group.rvs(self.code_length, random_state=np.random.default_rng(seed))
        self.objective_history = []
        for _ in range(self.iterations):
            b = bits_step(v, self.rotation)
            record(self.objective_history, quantisation_error(b, v, self.rotation))
            self.rotation = rotation_step(b, v)
            record(self.objective_history, quantisation_error(b, v, self.rotation))
        self._width = x.shape[1]
        return self

    def bits(self, x: np.ndarray) -> np.ndarray:
        """The bits of checked features: n x D -> n x L, bool."""
        return bits_step((x - self.mean) @ self.directions, self.rotation) > 0

    def encode(self, features: Tensor) -> Tensor:
        """Features (n x D) -> codes (n x L) of -1 and 1, float32."""
        x = as_array(features)
        check_fitted(self, self._width, x)
        return as_codes(self.bits(x))
