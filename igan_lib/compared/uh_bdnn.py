r"""UH-BDNN: a binary deep network whose code layer reconstructs the input (Do et al. 2016; Table 3's "BDNN").

$$J = \frac{1}{2m} \lVert X - B W_4^\top - c_4 \rVert^2 + \frac{\lambda_1}{2} \sum_l \lVert W_l \rVert^2
  + \frac{\lambda_2}{2m} \lVert H - B \rVert^2 + \frac{\lambda_3}{2} \lVert \tfrac1m H^\top H - I \rVert^2
  + \frac{\lambda_4}{2m} \lVert H^\top 1 \rVert^2, \qquad B \in \{-1, 1\}^{m \times L}$$

H (m x L) is the third layer's output: sigmoid, sigmoid, linear. By turns: B bit by bit, then all weights by L-BFGS. No
step raises J; a step that does is a TrainingError. The code of x is the sign of its H.
"""

from typing import Self

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, skip_init, vector_to_parameters

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
from igan_lib.compared.itq import ITQ, principal_directions
from igan_lib.errors import ConfigError

LAMBDAS = (1e-5, 5e-2, 1e-2, 5e-7)  # as published: weights, H near B, independent bits, balanced bits


def widths(code_length: int, features: int) -> tuple[int, int]:
    """Units of the two sigmoid layers for L bits of D features.

    The authors give 90 and 30 for 16 bits, 120 and 50 for 32, and nothing above. We go on along that line: 180 and 90
    for 64 bits, 300 and 170 for 128. Never more than D: the layers start from principal directions.
    """
    longer = (code_length - 16) / 16
    return min(round(90 + 30 * longer), features), min(round(30 + 20 * longer), features)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A float64 layer whose values are still to be set, so that torch's random state is left alone."""
    return skip_init(nn.Linear, inputs, outputs, dtype=torch.float64)


class BinaryNetwork(nn.Module):
    """x -> H, and the decoder of B; float64, without values until `start_from`.

    Args:
        features: D; hidden: units of the two sigmoid layers; code_length: L.
    """

    def __init__(self, features: int, hidden: tuple[int, int], code_length: int) -> None:
        super().__init__()
        first, second = hidden
        self.encoder = nn.Sequential(
            _linear(features, first), nn.Sigmoid(), _linear(first, second), nn.Sigmoid(), _linear(second, code_length)
        )
        self.decoder = _linear(code_length, features)

    @torch.no_grad()
    def start_from(self, x: Tensor) -> None:
        """The authors' start: each layer projects on the principal directions of its input; W_4 = I, all c = 0."""
        for layer in self.encoder:
            if isinstance(layer, nn.Linear):
                centred = (x - x.mean(0)).numpy()
                layer.weight.copy_(torch.from_numpy(principal_directions(centred, layer.out_features).T))
                layer.bias.zero_()
            x = layer(x)
        nn.init.eye_(self.decoder.weight)
        nn.init.zeros_(self.decoder.bias)


def objective(network: BinaryNetwork, x: Tensor, b: Tensor, lambdas: tuple[float, float, float, float]) -> Tensor:
    """J, the module's equation. x: m x D; b: m x L in {-1, 1}."""
    m, code_length = b.shape
    l1, l2, l3, l4 = lambdas
    h = network.encoder(x)
    weights = sum(layer.weight.square().sum() for layer in network.modules() if isinstance(layer, nn.Linear))
    identity = torch.eye(code_length, dtype=h.dtype)
    return (
        (x - network.decoder(b)).square().sum() / (2 * m)
        + l1 / 2 * weights
        + l2 / (2 * m) * (h - b).square().sum()
        + l3 / 2 * (h.T @ h / m - identity).square().sum()
        + l4 / (2 * m) * h.sum(0).square().sum()
    )


def codes_step(b: np.ndarray, q: np.ndarray, w: np.ndarray, sweeps: int) -> np.ndarray:
    r"""Better B for given weights, bit by bit: $b_k = \mathrm{sgn}(q_k - \sum_{j \neq k} b_j\, w_j^\top w_k)$.

    That is the minimum of J over bit k with the others fixed. The sweeps begin with the codes so far (the authors' code
    begins with zeros), so that J can't rise.

    Args:
        b: m x L in {-1, 1}; q: m x L, $\lambda_2 H + (X - c_4) W_4$; w: D x L, $W_4$; sweeps: at most so many.

    Returns:
        m x L in {-1, 1}.
    """
    a = w.T @ w
    b = np.ascontiguousarray(b.T)  # L x m: a bit's row is contiguous
    for _ in range(sweeps):
        before = b.copy()
        for k in range(len(b)):
            rest = a[k] @ b - a[k, k] * b[k]
            b[k] = np.where(q[:, k] >= rest, 1.0, -1.0)
        if (b == before).all():
            break
    return b.T.copy()


def weights_step(
    network: BinaryNetwork, x: Tensor, b: Tensor, lambdas: tuple[float, float, float, float], iterations: int
) -> float:
    """Descend J over all weights by L-BFGS, in place; returns J."""
    parameters = list(network.parameters())

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        vector_to_parameters(torch.from_numpy(flat), parameters)
        value = objective(network, x, b, lambdas)
        gradient = torch.autograd.grad(value, parameters)
        return value.item(), parameters_to_vector(gradient).numpy()

    start = parameters_to_vector(parameters).detach().numpy()
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations})
    vector_to_parameters(torch.from_numpy(found.x), parameters)
    return float(found.fun)


class UHBDNN:
    """Unsupervised hashing with a binary deep network; see the module's docstring and `interface.FeatureHash`.

    Features are shifted and divided by the widest feature's range, so that they lie in [0, 1], as in the authors' code.

    Args:
        code_length: L, a multiple of 8, at most the number of features.
        lambdas: the four weights of J.
        hidden: units of the sigmoid layers, each from L to D; None: see `widths`.
        rounds: of a codes and a weights step, at most; 20 as published.
        sweeps: over the bits in a codes step; 10 as published.
        first_iterations: of L-BFGS before the first round.
        iterations: of L-BFGS in each round. Published are 400 both times; as each goes on from the last, fewer do.
        tolerance: the rounds end once one lowers J by less than this share of it (the authors stop by the precision on
            validation neighbours).
        max_samples: rows used, drawn at random where there are more; time grows with them.

    After `fit`: `network` and `objective_history`, J after the first weights step and after each further step.

    Raises:
        ConfigError, DataError, TrainingError: see `interface`.
    """

    def __init__(
        self,
        *,
        code_length: int = 64,
        lambdas: tuple[float, float, float, float] = LAMBDAS,
        hidden: tuple[int, int] | None = None,
        rounds: int = 20,
        sweeps: int = 10,
        first_iterations: int = 200,
        iterations: int = 20,
        tolerance: float = 1e-4,
        max_samples: int = 4000,
    ) -> None:
        check_positive(rounds=rounds, sweeps=sweeps, first_iterations=first_iterations, iterations=iterations)
        check_positive(max_samples=max_samples)
        if len(lambdas) != 4 or any(not value >= 0 for value in lambdas):
            raise ConfigError(f"Expected four lambdas of zero or more, found {lambdas}: see LAMBDAS.")
        self.code_length = check_code_length(code_length)
        self.lambdas, self.hidden, self.rounds, self.sweeps = lambdas, hidden, rounds, sweeps
        self.first_iterations, self.iterations, self.tolerance = first_iterations, iterations, tolerance
        self.max_samples = max_samples
        self.objective_history: list[float] = []
        self._width: int | None = None

    def fit(self, features: Tensor, *, seed: int) -> Self:
        """Learn the network from features (n x D, n > L, D >= L); `seed` draws the rows and ITQ's first rotation."""
        rng = np.random.default_rng(seed)
        array = subsample(training_array(features, self.code_length), self.max_samples, rng)
        hidden = self._hidden(array.shape[1])
        self.low, self.range = array.min(0), np.ptp(array, axis=0).max()
        array = (array - self.low) / self.range
        b = np.where(ITQ(code_length=self.code_length).fit_array(array, seed=rng).bits(array), 1.0, -1.0)
        x = torch.from_numpy(array)
        self.network = BinaryNetwork(array.shape[1], hidden, self.code_length)
        self.network.start_from(x)
        history = self.objective_history = []
        record(history, weights_step(self.network, x, torch.from_numpy(b), self.lambdas, self.first_iterations))
        for _ in range(self.rounds):
            before = history[-1]
            b = codes_step(b, self._q(x), self.network.decoder.weight.detach().numpy(), self.sweeps)
            with torch.no_grad():
                record(history, objective(self.network, x, torch.from_numpy(b), self.lambdas).item())
            record(history, weights_step(self.network, x, torch.from_numpy(b), self.lambdas, self.iterations))
            if before - history[-1] <= self.tolerance * before:
                break
        self._width = array.shape[1]
        return self

    def _hidden(self, features: int) -> tuple[int, int]:
        first, second = self.hidden or widths(self.code_length, features)
        if not self.code_length <= second <= first <= features:
            raise ConfigError(
                f"Expected hidden widths from L = {self.code_length} up to the {features} features, wider first, "
                f"found {(first, second)}: change hidden or the code length."
            )
        return first, second

    @torch.no_grad()
    def _q(self, x: Tensor) -> np.ndarray:
        decoder = self.network.decoder
        return (self.lambdas[1] * self.network.encoder(x) + (x - decoder.bias) @ decoder.weight).numpy()

    @torch.no_grad()
    def encode(self, features: Tensor) -> Tensor:
        """Features (n x D) -> codes (n x L) of -1 and 1, float32: the signs of H."""
        x = as_array(features)
        check_fitted(self, self._width, x)
        h = self.network.encoder(torch.from_numpy((x - self.low) / self.range))
        return as_codes(h.numpy() >= 0)
