"""ITQ: its steps, data with a known answer, faiss's version, and real digits."""

import faiss
import numpy as np
import pytest
import torch
from feature_makers import clustered_features, obvious_map, rotated_codes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from igan_lib.compared.itq import ITQ, bits_step, principal_directions, quantisation_error, rotation_step

SEEDS = st.integers(0, 2**32 - 1)


def made_up(seed, n=60, bits=8):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (n, bits)) * rng.uniform(0.1, 3, bits), ortho_group.rvs(bits, random_state=rng)


def loop_error(b, v, r):
    turned = [[sum(v[i, k] * r[k, j] for k in range(len(r))) for j in range(len(r))] for i in range(len(v))]
    return sum((b[i, j] - turned[i][j]) ** 2 for i in range(len(v)) for j in range(len(r))) / len(v)


# ---------------------------------------------------------------- the steps


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_no_bit_and_no_rotation_does_better_than_its_step(seed):
    v, r = made_up(seed)
    b = bits_step(v, r)
    assert set(np.unique(b)) <= {-1.0, 1.0}
    error = quantisation_error(b, v, r)
    assert error == pytest.approx(loop_error(b, v, r))
    rng = np.random.default_rng(seed)
    for _ in range(10):
        flipped = b.copy()
        flipped[rng.integers(len(b)), rng.integers(b.shape[1])] *= -1
        assert quantisation_error(flipped, v, r) >= error
    best = rotation_step(b, v)
    assert np.allclose(best @ best.T, np.eye(len(best)))
    error = quantisation_error(b, v, best)
    # other rotations, far away and near
    for scale in (0.01, 0.1, 10):
        near = np.linalg.qr(best + scale * rng.normal(0, 1, best.shape))[0]
        near *= np.sign(np.diag(near.T @ best))
        assert quantisation_error(b, v, near) >= error - 1e-12


def test_principal_directions_are_those_of_the_largest_variance():
    x, _ = clustered_features(n=50, width=12)
    centred = x.numpy() - x.numpy().mean(0)
    p = principal_directions(centred, 4)
    _, _, right = np.linalg.svd(centred, full_matrices=False)
    assert np.allclose(np.abs(p.T @ right[:4].T), np.eye(4), atol=1e-8)


@given(seed=SEEDS, width=st.integers(8, 24))
@settings(max_examples=15, deadline=None)
def test_the_error_never_rises_and_the_rotation_is_orthogonal(seed, width):
    x, _ = clustered_features(n=70, width=width, seed=seed)
    itq = ITQ(code_length=8).fit(x, seed=seed)
    history = itq.objective_history
    assert len(history) == 2 * itq.iterations
    assert (np.diff(history) <= 1e-12).all()
    assert history[-1] < history[0]
    assert np.allclose(itq.rotation.T @ itq.rotation, np.eye(8))
    # the last value is that of the B and R it ends with
    v = (x.numpy() - itq.mean) @ itq.directions
    assert quantisation_error(bits_step(v, itq.rotation), v, itq.rotation) <= history[-1] + 1e-12


# ---------------------------------------------------------------- known answers


def test_rotated_codes_are_recovered_up_to_the_order_and_the_sign_of_the_bits():
    recovered = 0
    for seed in range(5):
        x, z = rotated_codes(bits=16, codes=1000, seed=seed)
        itq = ITQ(code_length=16).fit(x, seed=seed)
        agreement = np.abs(itq.encode(x).numpy().astype(float).T @ z) / len(z)
        is_permutation = ((agreement == 1).sum(0) == 1).all() and ((agreement == 1).sum(1) == 1).all()
        # An error of the noise's size (16 bits of variance 0.05^2) and all bits right go together; ITQ finds a local
        # minimum, so that some starts miss both.
        assert is_permutation == (itq.objective_history[-1] < 0.1)
        recovered += is_permutation
    assert recovered >= 3


@pytest.mark.parametrize("start", range(3))
def test_faiss_updates_the_rotation_wrongly_so_that_its_error_rises_where_ours_falls(start):
    v = made_up(3, n=400, bits=16)[0].astype(np.float32)
    r = ortho_group.rvs(16, random_state=start)

    def faiss_error(iterations):
        matrix = faiss.ITQMatrix(16)
        matrix.max_iter = iterations
        faiss.copy_array_to_vector(r.ravel(), matrix.init_rotation)
        matrix.train(v)
        turn = faiss.vector_to_array(matrix.A).reshape(16, 16).T.astype(float)
        assert np.allclose(turn.T @ turn, np.eye(16), atol=1e-5)
        return quantisation_error(bits_step(v, turn), v.astype(float), turn)

    ours, rotation = [], r
    for _ in range(20):
        ours.append(quantisation_error(bits_step(v, rotation), v.astype(float), rotation))
        rotation = rotation_step(bits_step(v, rotation), v.astype(float))
    theirs = [faiss_error(iterations) for iterations in range(20)]
    assert theirs[0] == pytest.approx(ours[0], rel=1e-5)  # the same data, the same start
    assert (np.diff(ours) <= 1e-12).all()
    assert max(np.diff(theirs)) > 0.05, "this release of faiss has no such fault any more: say so in the docs"
    assert ours[-1] < min(theirs)


@pytest.mark.parametrize("domain", ["digits", "mnist5k"])
def test_on_real_digits_itq_ranks_better_than_random_hyperplanes(domain, request):
    train = request.getfixturevalue(domain).train
    pick = slice(None, None, max(1, len(train.images) // 200))
    x, labels = train.images[pick].flatten(1).float() / 255, train.labels[pick]
    learnt = obvious_map(ITQ(code_length=32).fit(x, seed=0).encode(x), labels)
    planes = torch.randn(x.shape[1], 32, generator=torch.Generator().manual_seed(0))
    random = obvious_map(((x - x.mean(0)) @ planes).sign(), labels)
    assert learnt > random + 0.03
