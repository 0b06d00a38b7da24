"""UH-BDNN: its objective by loops and finite differences, the codes step against brute force, the whole."""

import itertools

import numpy as np
import pytest
import torch
from feature_makers import clustered_features, obvious_map
from hypothesis import given, settings
from hypothesis import strategies as st
from method_makers import one_sentence
from sklearn.decomposition import PCA
from torch.autograd import gradcheck
from torch.func import functional_call

from igan_lib.compared.uh_bdnn import (
    LAMBDAS,
    UHBDNN,
    BinaryNetwork,
    codes_step,
    objective,
    weights_step,
    widths,
)

SEEDS = st.integers(0, 2**32 - 1)
LARGE = (0.3, 0.5, 0.7, 0.2)  # every term weighs
QUICK = {"first_iterations": 10, "iterations": 5, "rounds": 4}


def problem(seed, m=7, features=6, hidden=(5, 4), bits=3):
    rng = np.random.default_rng(seed)
    network = BinaryNetwork(features, hidden, bits)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.from_numpy(rng.normal(0, 0.8, p.shape)))
    return network, torch.from_numpy(rng.random((m, features))), torch.from_numpy(rng.choice([-1.0, 1.0], (m, bits)))


def loop_objective(network, x, b, lambdas):
    """J in plain numpy, sample by sample."""
    layers = [m for m in network.encoder if isinstance(m, torch.nn.Linear)]
    (w1, c1), (w2, c2), (w3, c3), (w4, c4) = (
        (m.weight.detach().numpy(), m.bias.detach().numpy()) for m in (*layers, network.decoder)
    )
    m, bits = b.shape
    x, b = x.numpy(), b.numpy()

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    h = np.array([w3 @ sigmoid(w2 @ sigmoid(w1 @ row + c1) + c2) + c3 for row in x])
    reconstruction = sum(np.sum((x[i] - w4 @ b[i] - c4) ** 2) for i in range(m)) / (2 * m)
    small = sum(np.sum(w**2) for w in (w1, w2, w3, w4)) / 2
    near = sum(np.sum((h[i] - b[i]) ** 2) for i in range(m)) / (2 * m)
    independent = sum(
        (sum(h[i, j] * h[i, k] for i in range(m)) / m - (j == k)) ** 2 for j in range(bits) for k in range(bits)
    )
    balanced = sum(sum(h[i, k] for i in range(m)) ** 2 for k in range(bits)) / (2 * m)
    l1, l2, l3, l4 = lambdas
    return reconstruction + l1 * small + l2 * near + l3 / 2 * independent + l4 * balanced


@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_objective_is_the_sum_of_its_terms(seed):
    network, x, b = problem(seed)
    for lambdas in (LARGE, LAMBDAS, (0, 0, 0, 0)):
        assert objective(network, x, b, lambdas).item() == pytest.approx(loop_objective(network, x, b, lambdas))


def test_the_gradient_is_that_of_finite_differences():
    network, x, b = problem(1)
    names, values = zip(*network.named_parameters(), strict=True)

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self):
            return objective(self.network, x, b, LARGE)

    whole = Whole()

    def j(*parameters):
        return functional_call(whole, {f"network.{n}": p for n, p in zip(names, parameters, strict=True)}, ())

    assert gradcheck(j, [v.detach().clone().requires_grad_() for v in values])


@given(seed=SEEDS, sweeps=st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_the_codes_step_never_raises_the_objective_and_ends_where_no_bit_improves_it(seed, sweeps):
    network, x, b = problem(seed)
    with torch.no_grad():
        q = (LARGE[1] * network.encoder(x) + (x - network.decoder.bias) @ network.decoder.weight).numpy()
    w = network.decoder.weight.detach().numpy()

    def j(codes):
        return objective(network, x, torch.from_numpy(codes), LARGE).item()

    before = b.numpy().copy()
    few, many = codes_step(b.numpy(), q, w, sweeps), codes_step(b.numpy(), q, w, 50)
    assert (b.numpy() == before).all()
    assert set(np.unique(many)) <= {-1.0, 1.0}
    assert j(many) <= j(few) + 1e-9 <= j(before) + 2e-9
    for i, k in itertools.product(range(len(x)), range(b.shape[1])):
        flipped = many.copy()
        flipped[i, k] *= -1
        assert j(many) <= j(flipped) + 1e-9
    every = [j(np.tile(code, (len(x), 1))) for code in itertools.product((-1.0, 1.0), repeat=b.shape[1])]
    assert len(every) == 8


def test_for_one_bit_the_codes_step_finds_the_best_codes_of_all():
    network, x, b = problem(4, m=5, bits=1)
    with torch.no_grad():
        q = (LARGE[1] * network.encoder(x) + (x - network.decoder.bias) @ network.decoder.weight).numpy()
    found = codes_step(b.numpy(), q, network.decoder.weight.detach().numpy(), 1)

    def j(codes):
        return objective(network, x, torch.from_numpy(codes), LARGE).item()

    best = min(j(np.array(codes)[:, None]) for codes in itertools.product((-1.0, 1.0), repeat=5))
    assert j(found) == pytest.approx(best)


def test_the_weights_step_descends_and_reports_where_it_ends():
    network, x, b = problem(2)
    before = objective(network, x, b, LARGE).item()
    value = weights_step(network, x, b, LARGE, 200)
    assert value < before
    assert value == pytest.approx(objective(network, x, b, LARGE).item())
    gradients = torch.autograd.grad(objective(network, x, b, LARGE), list(network.parameters()))
    assert max(g.abs().max() for g in gradients) < 1e-2
    # with the codes fixed the decoder has a known best: ridge regression
    centred, x_centred = b - b.mean(0), x - x.mean(0)
    m = len(x)
    ridge = torch.linalg.solve(centred.T @ centred / m + LARGE[0] * torch.eye(3), centred.T @ x_centred / m).T
    assert torch.allclose(network.decoder.weight, ridge, atol=1e-2)


def test_the_network_starts_from_principal_directions():
    x, _ = clustered_features(n=50, width=10)
    network = BinaryNetwork(10, (8, 8), 8)
    network.start_from(x)
    first = network.encoder[0].weight.detach()
    expected = torch.from_numpy(PCA(8, svd_solver="full").fit(x.numpy()).components_)  # of centred data
    assert torch.allclose((first * expected).sum(1).abs(), torch.ones(8, dtype=torch.float64), atol=1e-6)
    assert torch.equal(network.decoder.weight.detach(), torch.eye(10, 8, dtype=torch.float64))
    assert all(not m.bias.any() for m in network.modules() if isinstance(m, torch.nn.Linear))


@pytest.mark.parametrize("seed", [0, 1])
def test_no_step_raises_the_objective(seed):
    x, _ = clustered_features(n=80, width=20, seed=seed)
    method = UHBDNN(code_length=8, hidden=(14, 10), **QUICK).fit(x, seed=seed)
    history = np.array(method.objective_history)
    assert (np.diff(history) <= 1e-9).all() and history[-1] < history[0]
    assert len(history) % 2 == 1 and len(history) <= 1 + 2 * QUICK["rounds"]
    # the last value is that of the network it ends with, for some B; the signs of H can't make the first terms smaller
    scaled = (x - torch.from_numpy(method.low)) / method.range
    assert scaled.min() == 0 and scaled.max() == 1
    assert torch.equal(method.encode(x), (method.network.encoder(scaled) >= 0).float() * 2 - 1)


def test_the_rounds_end_once_they_gain_little():
    x, _ = clustered_features(n=80, width=20)
    method = UHBDNN(code_length=8, hidden=(14, 10), tolerance=0.5, **QUICK).fit(x, seed=0)
    assert len(method.objective_history) == 3


def test_independent_and_balanced_bits_come_from_their_terms():
    x, _ = clustered_features(n=150, width=20, clusters=30, spread=0.3)

    def moments(lambdas):
        settings = QUICK | {"first_iterations": 100}
        method = UHBDNN(code_length=8, hidden=(14, 10), lambdas=lambdas, **settings).fit(x, seed=0)
        with torch.no_grad():
            h = method.network.encoder((x - torch.from_numpy(method.low)) / method.range)
        correlation = h.T @ h / len(x) - torch.eye(8)
        return correlation.square().sum().item(), h.mean(0).square().sum().item()

    neither, independent, balanced = (moments((1e-5, 1e-3, l3, l4)) for l3, l4 in ((0, 0), (10, 0), (0, 10)))
    assert independent[0] < neither[0] / 2
    assert balanced[1] < neither[1] / 2


def test_codes_of_clusters_rank_their_own_first():
    x, labels = clustered_features(n=90, width=20, clusters=6, spread=0.3)
    settings = QUICK | {"first_iterations": 60}
    codes = UHBDNN(code_length=8, hidden=(14, 10), **settings).fit(x, seed=0).encode(x)
    assert obvious_map(codes, labels) > 0.9


def test_widths_are_the_published_ones_and_their_line_beyond():
    assert [widths(bits, 1000) for bits in (16, 32, 64, 128)] == [(90, 30), (120, 50), (180, 90), (300, 170)]
    assert widths(64, 100) == (100, 90) and widths(64, 64) == (64, 64)
    for bits in (16, 32, 64, 128):
        first, second = widths(bits, bits)
        assert bits <= second <= first


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"lambdas": (1, 2, 3)}, ("lambdas", "(1, 2, 3)")),
        ({"lambdas": (1, 2, 3, -1)}, ("lambdas", "-1")),
        ({"rounds": 0}, ("rounds",)),
        ({"hidden": (12, 7)}, ("(12, 7)", "8", "20")),
        ({"hidden": (10, 12)}, ("(10, 12)",)),
        ({"hidden": (21, 10)}, ("(21, 10)", "20")),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, parts):
    x, _ = clustered_features(width=20)
    with pytest.raises(Exception) as error:
        UHBDNN(code_length=8, **settings).fit(x, seed=0)
    one_sentence(error.value, *parts)
