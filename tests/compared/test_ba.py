"""BA: each step against an independent solution, the objective by loops, how the rounds end."""

import itertools

import numpy as np
import pytest
import torch
from feature_makers import clustered_features
from hypothesis import given, settings
from hypothesis import strategies as st
from method_makers import one_sentence
from scipy.optimize import check_grad
from sklearn.svm import LinearSVC

from igan_lib.compared import ba
from igan_lib.compared.ba import BA, MU_SCHEDULE, codes_step, decoder_step, hash_step, objective, svm_objective

SEEDS = st.integers(0, 2**32 - 1)
MUS = st.sampled_from([0.0, 5e-4, 0.01, 0.2, 5.0])


class Problem:
    """Random features, decoder, codes and hash outputs; small enough for all codes to be tried."""

    def __init__(self, seed, n=12, width=6, bits=5):
        rng = np.random.default_rng(seed)
        self.x = rng.normal(0, 1, (n, width))
        self.w, self.c = rng.normal(0, 0.7, (width, bits)), rng.normal(0, 1, width)
        self.z, self.hx = (rng.integers(0, 2, (n, bits)).astype(float) for _ in range(2))

    def energy(self, z, mu):
        """Of each row, term by term."""
        return [
            sum((self.x[i, d] - self.w[d] @ z[i] - self.c[d]) ** 2 for d in range(self.x.shape[1]))
            + mu * sum((z[i, l] - self.hx[i, l]) ** 2 for l in range(z.shape[1]))  # noqa: E741
            for i in range(len(z))
        ]


@given(seed=SEEDS, mu=MUS, bits=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_codes_are_never_worse_than_before_nor_one_bit_from_better_and_near_the_best_of_all(seed, mu, bits):
    p = Problem(seed, bits=bits)
    found = codes_step(p.x, p.z, p.w, p.c, p.hx, mu)
    assert set(np.unique(found)) <= {0.0, 1.0}
    energy = p.energy(found, mu)
    assert objective(p.x, found, p.w, p.c, p.hx, mu) == pytest.approx(np.mean(energy))
    every = [p.energy(np.tile(code, (len(p.x), 1)), mu) for code in itertools.product((0.0, 1.0), repeat=bits)]
    for i, (now, before) in enumerate(zip(energy, p.energy(p.z, mu), strict=True)):
        assert now <= before + 1e-9
        for bit in range(bits):
            flipped = found.copy()
            flipped[i, bit] = 1 - flipped[i, bit]
            assert now <= p.energy(flipped, mu)[i] + 1e-9
    best = np.min(every, axis=0)
    assert (np.array(energy) >= best - 1e-9).all()
    if bits == 1:
        assert np.allclose(energy, best)


def test_most_codes_are_the_best_of_all():
    hits = []
    for seed in range(3):
        p = Problem(seed, n=20, width=10, bits=8)
        energy = p.energy(codes_step(p.x, p.z, p.w, p.c, p.hx, 0.01), 0.01)
        every = [p.energy(np.tile(code, (20, 1)), 0.01) for code in itertools.product((0.0, 1.0), repeat=8)]
        hits.append(np.mean(np.isclose(energy, np.min(every, axis=0))))
    assert np.mean(hits) > 0.7


def test_a_large_mu_makes_the_codes_what_the_hash_says_and_none_leaves_it_unread():
    p = Problem(0)
    assert (codes_step(p.x, p.z, p.w, p.c, p.hx, 1e3) == p.hx).all()
    other = codes_step(p.x, p.z, p.w, p.c, 1 - p.hx, 0.0)
    assert (codes_step(p.x, p.z, p.w, p.c, p.hx, 0.0) == other).all()


def test_rows_are_separate_problems(monkeypatch):
    p = Problem(1, n=30)
    whole = codes_step(p.x, p.z, p.w, p.c, p.hx, 0.01)
    monkeypatch.setattr(ba, "BLOCK", 7)
    assert (codes_step(p.x, p.z, p.w, p.c, p.hx, 0.01) == whole).all()


def test_a_bit_that_the_decoder_does_not_use_does_no_harm():
    p = Problem(2)
    p.w[:, 1] = 0
    found = codes_step(p.x, p.z, p.w, p.c, p.hx, 0.0)
    assert set(np.unique(found)) <= {0.0, 1.0}


@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_decoder_is_that_of_the_normal_equations(seed):
    p = Problem(seed, n=40, width=4, bits=3)
    w, c = decoder_step(p.x, p.z)
    z1 = np.hstack([p.z, np.ones((40, 1))])
    expected = np.linalg.solve(z1.T @ z1, z1.T @ p.x)
    assert np.allclose(w, expected[:-1].T) and np.allclose(c, expected[-1])


def test_the_decoder_copes_with_a_constant_and_a_repeated_bit():
    p = Problem(3)
    p.z[:, 0], p.z[:, 1] = 1.0, p.z[:, 2]
    w, c = decoder_step(p.x, p.z)
    reduced_w, reduced_c = decoder_step(p.x, p.z[:, 2:])
    assert np.allclose(p.z @ w.T + c, p.z[:, 2:] @ reduced_w.T + reduced_c)


def svm_data(seed=0, n=80, bits=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (n, 4))
    z = (x @ rng.normal(0, 1, (4, bits)) + 0.3 * rng.normal(0, 1, (n, bits)) + 0.4 > 0).astype(float)
    return np.hstack([x, np.ones((n, 1))]), z


def test_the_svms_are_those_of_liblinear():
    x1, z = svm_data()
    v = hash_step(x1, z, None, 0.7, 500)
    for bit in range(z.shape[1]):
        svm = LinearSVC(C=0.7, dual=False, tol=1e-10, max_iter=10_000).fit(x1[:, :-1], z[:, bit])
        assert np.allclose(v[:, bit], [*svm.coef_[0], svm.intercept_[0]], atol=1e-3)


def test_the_gradient_of_the_svms_is_that_of_finite_differences():
    x1, z = svm_data(n=20)
    flat = np.random.default_rng(1).normal(0, 1, 15)
    difference = check_grad(
        lambda v: svm_objective(v.reshape(5, 3), x1, 2 * z - 1, 0.7)[0],
        lambda v: svm_objective(v.reshape(5, 3), x1, 2 * z - 1, 0.7)[1].ravel(),
        flat,
    )
    assert difference < 1e-4


def test_a_bit_keeps_its_svm_where_a_new_one_would_get_more_bits_wrong():
    # One far outlier of the wrong class moves the squared hinge off the boundary that gets all other rows right.
    x = np.array([-2.0, -1, -0.2, 0.2, 1, 2, 60])
    x1 = np.stack([x, np.ones(7)], 1)
    z = np.array([0.0, 0, 0, 1, 1, 1, 0])[:, None]
    right = np.array([[50.0], [0.0]])
    fresh = hash_step(x1, z, None, 1.0, 200)
    assert ((x1 @ fresh > 0) != (z > 0)).sum() > 1
    assert (hash_step(x1, z, right, 1.0, 200) == right).all()
    # a bad one is replaced
    assert not (hash_step(x1, 1 - z, right, 1.0, 200) == right).any()


@pytest.mark.parametrize("seed", [0, 1])
def test_no_step_raises_the_objective_at_its_mu(seed):
    x, _ = clustered_features(n=200, width=24, seed=seed, spread=0.8)
    method = BA(code_length=16, svm_iterations=10).fit(x, seed=seed)
    history, mus = np.array(method.objective_history), np.array(method.mu_history)
    assert len(history) == len(mus) and len(history) % 3 == 0
    same_mu = np.diff(mus) == 0
    assert (np.diff(history)[same_mu] <= 1e-9).all()
    assert (np.diff(mus) >= 0).all()
    assert history[mus == 0][-1] < history[0]
    # at mu 0 the hash function has no part in the objective, later it has
    steps = np.arange(len(history)) % 3
    assert (np.diff(history)[(mus[1:] == 0) & (steps[1:] == 2)] == 0).all()


def test_the_rounds_end_once_the_codes_are_what_the_hash_says():
    x, _ = clustered_features(n=150, width=16)
    schedule = ((0.0, 1), (100.0, 5))
    method = BA(code_length=8, mu_schedule=schedule).fit(x, seed=0)
    assert method.settled
    assert len(method.objective_history) == 6  # one round at 0, one at 100: that mu forces Z = h(X) at once
    # with Z = h(X) the objective is the autoencoder's error on the codes that encode gives
    z = (method.encode(x).numpy() + 1) / 2
    scaled = (x.numpy() - method.mean) / method.range
    w, c = decoder_step(scaled, z)
    assert np.square(scaled - z @ w.T - c).sum() / len(x) <= method.objective_history[-1] + 1e-9
    unsettled = BA(code_length=8, mu_schedule=((0.0, 2),)).fit(x, seed=0)
    assert not unsettled.settled and len(unsettled.objective_history) == 6


def test_the_published_schedule_is_the_default():
    assert sum(rounds for _, rounds in MU_SCHEDULE) == 20
    assert [mu for mu, _ in MU_SCHEDULE] == [0, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.05, 0.2]
    assert BA().mu_schedule == MU_SCHEDULE


def test_the_autoencoder_reconstructs_better_than_its_start():
    x, _ = clustered_features(n=300, width=24, spread=0.8)
    method = BA(code_length=16).fit(x, seed=3)
    scaled = (x.numpy() - method.mean) / method.range

    def error(z):
        w, c = decoder_step(scaled, z)
        return np.square(scaled - z @ w.T - c).sum() / len(x)

    learnt = error((method.encode(x).numpy() + 1) / 2)
    from_itq = error((ba.ITQ(code_length=16).fit(x, seed=3).encode(x).numpy() + 1) / 2)
    assert learnt < from_itq


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("mu_schedule", ()),
        ("mu_schedule", ((-1.0, 2),)),
        ("mu_schedule", ((0.0, 0),)),
        ("svm_c", 0.0),
        ("svm_c", np.nan),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, value):
    with pytest.raises(Exception) as error:
        BA(**{setting: value})
    one_sentence(error.value, setting)


def test_codes_of_equal_features_are_equal():
    x, _ = clustered_features(n=60, width=10)
    method = BA(code_length=8, mu_schedule=((0.0, 1),)).fit(x, seed=0)
    assert torch.equal(method.encode(x), torch.cat([method.encode(row[None]) for row in x]))
