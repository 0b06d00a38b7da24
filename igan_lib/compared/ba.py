r"""BA: a binary autoencoder by auxiliary coordinates (Carreira-Perpinan & Raziperchikolaei 2015; Table 3).

$$E_\mu(Z, f, h) = \frac{1}{n} \sum_i \lVert x_i - f(z_i) \rVert^2 + \mu \lVert z_i - h(x_i) \rVert^2,
  \qquad z_i \in \{0, 1\}^L$$

f(z) = W z + c is the decoder, h one linear SVM a bit. For a growing mu: f by least squares, Z bit by bit, h by its
SVMs. No step raises E at its mu; one that does is a TrainingError. (The factor 1/n is ours: it changes no step.)
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.optimize import minimize
from torch import Tensor

from igan_lib.compared.interface import (
    as_array,
    as_codes,
    check_code_length,
    check_fitted,
    check_positive,
    record,
    subsample,
    training_array,
)
from igan_lib.compared.itq import ITQ
from igan_lib.errors import ConfigError

# (mu, how many rounds of steps at it), as published
MU_SCHEDULE = ((0.0, 4), (5e-4, 4), (1e-3, 3), (2e-3, 2), (5e-3, 2), (0.01, 2), (0.05, 2), (0.2, 1))
BLOCK = 1000  # rows whose codes are found together: they fit in the cache
SWEEPS = 50  # at most so many passes over the bits; the relaxed ones get slow near their limit, which is rounded anyway
SETTLED = 1e-3  # the relaxed codes count as found once no entry moves by more


def decoder_step(x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""The best f for given codes: $\min_{W, c} \sum_i \lVert x_i - W z_i - c \rVert^2$.

    Args:
        x: n x D; z: n x L in {0, 1}.

    Returns:
        W (D x L) and c (D); of least norm where a bit is constant or repeats another.
    """
    ones = np.ones((len(z), 1))
    solution = np.linalg.lstsq(np.hstack([z, ones]), x)[0]
    return solution[:-1].T, solution[-1]


def codes_step(x: np.ndarray, z: np.ndarray, w: np.ndarray, c: np.ndarray, hx: np.ndarray, mu: float) -> np.ndarray:
    r"""Better Z for given f and h; for each row $\min_z \lVert x - f(z) \rVert^2 + \mu \lVert z - h(x) \rVert^2$.

    For one bit with the others fixed the minimum is known: with $A = W^\top W + \mu I$ and
    $r_l = (W^\top (x - c) + \mu h)_l - \sum_{j \neq l} A_{lj} z_j$ it is $r_l / A_{ll}$, clipped to [0, 1] while z is
    real, rounded when it is a bit. As published: sweeps over the bits solve the relaxed problem, a first rounding sweep
    truncates its solution bit by bit, and further ones alternate until no bit changes. A row whose truncated solution
    is worse than the code that it had starts from that code instead, so that no row ever gets worse.

    Args:
        x: n x D; z: n x L in {0, 1}, the codes so far; w: D x L; c: D; hx: n x L in {0, 1}; mu >= 0.

    Returns:
        n x L in {0, 1}: no row can be improved by one bit.
    """
    a = w.T @ w + mu * np.eye(w.shape[1])
    q = (x - c) @ w + mu * hx
    found = np.empty_like(z)
    for start in range(0, len(z), BLOCK):
        rows = slice(start, start + BLOCK)
        found[rows] = _codes_of_block(a, np.ascontiguousarray(q[rows].T), np.ascontiguousarray(z[rows].T)).T
    return found


def _codes_of_block(a: np.ndarray, q: np.ndarray, old: np.ndarray) -> np.ndarray:
    """`codes_step` for some rows; q and the codes lie transposed (L x rows), so that a bit's row is contiguous."""
    diagonal = np.diag(a)

    def sweep(z: np.ndarray, as_bits: bool) -> float:
        largest = 0.0
        for bit, scale in enumerate(diagonal):
            r = q[bit] - a[bit] @ z + scale * z[bit]
            # A bit that changes nothing (scale 0, hence r = 0) becomes 0.
            best = (2 * r > scale).astype(float) if as_bits else np.clip(r / max(scale, np.finfo(float).tiny), 0, 1)
            largest = max(largest, np.abs(best - z[bit]).max())
            z[bit] = best
        return largest

    def energy(z: np.ndarray) -> np.ndarray:
        return ((a @ z - 2 * q) * z).sum(0)

    z = old.copy()
    for _ in range(SWEEPS):
        if sweep(z, as_bits=False) <= SETTLED:
            break
    sweep(z, as_bits=True)
    z = np.where(energy(z) < energy(old), z, old)
    for _ in range(SWEEPS):
        if sweep(z, as_bits=True) == 0:
            break
    return z


def svm_objective(v: np.ndarray, x1: np.ndarray, y: np.ndarray, c: float) -> tuple[float, np.ndarray]:
    r"""L linear SVMs at once: the value and the gradient of LIBLINEAR's problem, with the squared hinge.

    $$\sum_l \frac12 \lVert v_l \rVert^2 + C \sum_i \max(0, 1 - y_{il} v_l^\top x_i)^2$$

    Args:
        v: (D + 1) x L; x1: n x (D + 1), a column of ones last (LIBLINEAR's bias); y: n x L in {-1, 1}; c: C.
    """
    slack = np.maximum(1 - y * (x1 @ v), 0)
    value = 0.5 * np.square(v).sum() + c * np.square(slack).sum()
    return float(value), v - 2 * c * (x1.T @ (y * slack))


def hash_step(x1: np.ndarray, z: np.ndarray, start: np.ndarray | None, c: float, iterations: int) -> np.ndarray:
    """SVMs that predict the bits Z from x, beginning with those so far.

    All bits at once by L-BFGS: with scikit-learn's LinearSVC, which neither starts from a solution nor shares the
    products between bits, this step takes over ten times as long. An SVM minimises the squared hinge, not the number of
    wrong bits; a bit whose new SVM has more of these keeps the old one, so that E can't rise.

    Args:
        x1: n x (D + 1), ones last; z: n x L in {0, 1}; start: (D + 1) x L or None; c: C; iterations: of L-BFGS.

    Returns:
        (D + 1) x L.
    """
    y = 2 * z - 1
    shape = (x1.shape[1], z.shape[1])

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = svm_objective(flat.reshape(shape), x1, y, c)
        return value, gradient.ravel()

    first = np.zeros(shape) if start is None else start
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": iterations})
    v = found.x.reshape(shape)
    if start is None:
        return v
    wrong_now, wrong_before = (((x1 @ weights > 0) != (z > 0)).sum(0) for weights in (v, start))
    return np.where(wrong_now <= wrong_before, v, start)


def objective(x: np.ndarray, z: np.ndarray, w: np.ndarray, c: np.ndarray, hx: np.ndarray, mu: float) -> float:
    """E_mu, the module's equation. x: n x D; z, hx: n x L in {0, 1}; w: D x L; c: D."""
    return float((np.square(x - z @ w.T - c).sum() + mu * np.square(z - hx).sum()) / len(x))


class BA:
    """Binary autoencoder; see the module's docstring and `interface.FeatureHash`.

    Features are centred and divided by the widest feature's range, as published (there: shifted to [0, 1]), which gives
    mu its meaning. Left out: the published code skips a mu when the precision on validation neighbours falls.

    Args:
        code_length: L, a multiple of 8, at most the number of features.
        mu_schedule: pairs of mu and rounds at it.
        svm_c: C of the SVMs; 1 is LIBLINEAR's default.
        svm_iterations: of L-BFGS a step. Each step goes on from the last, so a few do: from nothing, 20 left 6.07% of
            the bits wrong on made-up clusters and 100 left 6.00%.
        max_samples: rows used, drawn at random where there are more; time and memory grow with them.

    After `fit`: `objective_history`, E after each step (decoder, codes, hash, by rounds); `mu_history`, the mu of each
    entry; `settled`, whether it ended with Z = h(X).

    Raises:
        ConfigError, DataError, TrainingError: see `interface`.
    """

    def __init__(
        self,
        *,
        code_length: int = 64,
        mu_schedule: Sequence[tuple[float, int]] = MU_SCHEDULE,
        svm_c: float = 1.0,
        svm_iterations: int = 20,
        max_samples: int = 10_000,
    ) -> None:
        check_positive(svm_c=svm_c, svm_iterations=svm_iterations, max_samples=max_samples)
        if not mu_schedule or any(mu < 0 or rounds < 1 for mu, rounds in mu_schedule):
            raise ConfigError(
                f"Expected a mu_schedule of pairs (mu >= 0, rounds >= 1), found {mu_schedule}: see MU_SCHEDULE."
            )
        self.code_length = check_code_length(code_length)
        self.mu_schedule = tuple(mu_schedule)
        self.svm_c, self.svm_iterations, self.max_samples = svm_c, svm_iterations, max_samples
        self.objective_history: list[float] = []
        self.mu_history: list[float] = []
        self.settled = False
        self._width: int | None = None

    def fit(self, features: Tensor, *, seed: int) -> Self:
        """Learn h from features (n x D, n > L, D >= L); `seed` draws the rows and ITQ's first rotation."""
        rng = np.random.default_rng(seed)
        x = subsample(training_array(features, self.code_length), self.max_samples, rng)
        self.mean, self.range = x.mean(0), np.ptp(x, axis=0).max()
        x = (x - self.mean) / self.range
        x1 = self._with_ones(x)
        z = ITQ(code_length=self.code_length).fit_array(x, seed=rng).bits(x).astype(float)
        self.svms = hash_step(x1, z, None, self.svm_c, self.svm_iterations)
        self.objective_history, self.mu_history, self.settled = [], [], False
        for mu, rounds in self.mu_schedule:
            for turn in range(rounds):
                hx = self._hash(x1)
                w, c = decoder_step(x, z)
                self._record(objective(x, z, w, c, hx, mu), mu, fresh=turn == 0)
                z = codes_step(x, z, w, c, hx, mu)
                self._record(objective(x, z, w, c, hx, mu), mu)
                self.svms = hash_step(x1, z, self.svms, self.svm_c, self.svm_iterations)
                hx = self._hash(x1)
                self._record(objective(x, z, w, c, hx, mu), mu)
                self.settled = bool((z == hx).all())
                if self.settled:
                    break
            if self.settled:
                break
        self._width = x.shape[1]
        return self

    def _record(self, value: float, mu: float, fresh: bool = False) -> None:
        record(self.objective_history, value, fresh=fresh)
        self.mu_history.append(mu)

    def _with_ones(self, x: np.ndarray) -> np.ndarray:
        return np.hstack([x, np.ones((len(x), 1))])

    def _hash(self, x1: np.ndarray) -> np.ndarray:
        """h(x) in {0, 1}: n x L."""
        return (x1 @ self.svms > 0).astype(float)

    def encode(self, features: Tensor) -> Tensor:
        """Features (n x D) -> codes (n x L) of -1 and 1, float32: 2 h(x) - 1."""
        x = as_array(features)
        check_fitted(self, self._width, x)
        return as_codes(self._hash(self._with_ones((x - self.mean) / self.range)) > 0)
