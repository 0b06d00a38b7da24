"""DAH's losses against loops in plain Python, their gradients by differences, and their known values."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from igan_lib.compared import dah_losses as L

SEEDS = st.integers(0, 2**32 - 1)


def codes(seed, batch=6, d=5, n=3):
    rng = np.random.default_rng(seed)
    u_s, u_t = (torch.from_numpy(rng.uniform(-1, 1, (batch, d))) for _ in range(2))
    return u_s, torch.from_numpy(rng.integers(0, n, batch)), u_t


def dot(a, b):
    return sum(p * q for p, q in zip(a, b, strict=True))


# ---------------------------------------------------------------- the pairwise likelihood


def loop_pairwise(u, y, weight):
    u, y, total = u.tolist(), y.tolist(), 0.0
    for i in range(len(u)):
        for j in range(len(u)):
            if i != j:
                theta, s = dot(u[i], u[j]) / 2, y[i] == y[j]
                total += (weight if s else 1) * (math.log(1 + math.exp(theta)) - s * theta)
    return total / (len(u) * (len(u) - 1))


@given(seed=SEEDS, batch=st.integers(2, 7), weight=st.floats(0.1, 20))
@settings(max_examples=25, deadline=None)
def test_pairwise_likelihood_equals_the_loop(seed, batch, weight):
    u, y, _ = codes(seed, batch)
    loss = L.pairwise_likelihood_loss(4 * u, y, weight)
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(loop_pairwise(4 * u, y, weight), rel=1e-10)


def test_pairwise_likelihood_has_the_gradient_of_finite_differences():
    u, y, _ = codes(0, batch=5)
    assert gradcheck(lambda u: L.pairwise_likelihood_loss(u, y), u.requires_grad_())


def test_pairwise_likelihood_is_log_2_where_codes_say_nothing_and_similar_pairs_count_ten_times():
    nothing = torch.zeros(4, 8)
    assert L.pairwise_likelihood_loss(nothing, torch.arange(4)).item() == pytest.approx(math.log(2))
    assert L.pairwise_likelihood_loss(nothing, torch.zeros(4, dtype=torch.int64)).item() == pytest.approx(
        10 * math.log(2)
    )


def test_pairwise_likelihood_stays_finite_where_the_exponential_would_not():
    u = torch.tensor([[300.0, 300.0], [300.0, 300.0], [-300.0, -300.0]], requires_grad=True)
    for y in ([0, 0, 1], [0, 1, 0]):
        loss = L.pairwise_likelihood_loss(u, torch.tensor(y))
        (gradient,) = torch.autograd.grad(loss, u)
        assert loss.isfinite() and gradient.isfinite().all()
    assert L.pairwise_likelihood_loss(u, torch.tensor([0, 0, 1])).item() == 0


def test_pairwise_likelihood_of_one_image_is_zero():
    one = torch.ones(1, 4, requires_grad=True)
    loss = L.pairwise_likelihood_loss(one, torch.tensor([0]))
    loss.backward()
    assert loss.item() == 0 and one.grad.eq(0).all()


def test_descending_the_pairwise_likelihood_pulls_classes_together_and_apart():
    u, y, _ = codes(1, batch=8)
    u = u.requires_grad_()
    for _ in range(300):
        (gradient,) = torch.autograd.grad(L.pairwise_likelihood_loss(u, y), u)
        u = (u - 0.5 * gradient).clamp(-1, 1).detach().requires_grad_()
    theta = u.detach() @ u.detach().T
    same = (y[:, None] == y[None]) & ~torch.eye(8, dtype=torch.bool)
    other = y[:, None] != y[None]
    assert theta[same].min() > theta[other].max()


# ---------------------------------------------------------------- MMD


def loop_mmd(a, b, median=None):
    a, b = a.tolist(), b.tolist()
    pairs = min(len(a), len(b)) // 2

    def distance(x, y):
        return sum((p - q) ** 2 for p, q in zip(x, y, strict=True))

    quads = [
        (
            distance(a[2 * i], a[2 * i + 1]),
            distance(b[2 * i], b[2 * i + 1]),
            distance(a[2 * i], b[2 * i + 1]),
            distance(a[2 * i + 1], b[2 * i]),
        )
        for i in range(pairs)
    ]
    if median is None:  # torch's: the lower one of two in the middle
        every = sorted(d for quad in quads for d in quad)
        median = every[(len(every) - 1) // 2]

    def kernel(squared):
        return sum(math.exp(-(2.0**q) * squared / median) for q in range(-8, 9)) / 17

    return sum(kernel(p) + kernel(q) - kernel(r) - kernel(s) for p, q, r, s in quads) / pairs, median


@given(seed=SEEDS, batch=st.integers(2, 9), longer=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_mmd_equals_the_loop_and_is_symmetric(seed, batch, longer):
    rng = np.random.default_rng(seed)
    a, b = (torch.from_numpy(rng.normal(0, 1, (n, 4))) for n in (batch, batch + longer))
    mmd = L.multi_kernel_mmd(a, b)
    assert mmd.item() == pytest.approx(loop_mmd(a, b)[0], abs=1e-12)
    assert L.multi_kernel_mmd(b, a).item() == pytest.approx(mmd.item(), abs=1e-12)
    assert -2 <= mmd.item() <= 2


def test_mmd_of_a_batch_with_itself_is_zero_and_no_gradient_is_left():
    a = torch.randn(10, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mmd = L.multi_kernel_mmd(a, a)
    mmd.backward()
    assert mmd.item() == pytest.approx(0, abs=1e-15)
    assert a.grad.abs().max() < 1e-15


def test_mmd_is_zero_in_expectation_for_equal_distributions_and_grows_with_the_shift():
    generator = torch.Generator().manual_seed(0)

    def mean_and_error(shift):
        values = torch.stack(
            [
                L.multi_kernel_mmd(
                    torch.randn(20, 4, generator=generator), torch.randn(20, 4, generator=generator) + shift
                )
                for _ in range(200)
            ]
        )
        return values.mean().item(), values.std().item() / 200**0.5

    (none, error), (little, _), (much, _) = (mean_and_error(shift) for shift in (0.0, 0.5, 2.0))
    assert abs(none) < 3 * error and error < 0.01
    assert 3 * error < little < much


def test_mmd_does_not_depend_on_the_scale_but_on_the_pairing():
    a, _, b = codes(3, batch=8)
    assert L.multi_kernel_mmd(100 * a, 100 * b).item() == pytest.approx(L.multi_kernel_mmd(a, b).item())
    assert L.multi_kernel_mmd(a, b.flip(0)).item() != pytest.approx(L.multi_kernel_mmd(a, b).item())


def test_mmd_has_the_gradient_of_finite_differences_at_a_fixed_median():
    a, _, b = codes(2, batch=4, d=3)
    a, b = a.requires_grad_(), b.requires_grad_()
    _, median = loop_mmd(a.detach(), b.detach())
    gradients = torch.autograd.grad(L.multi_kernel_mmd(a, b), (a, b))
    for which, gradient in enumerate(gradients):
        for i in range(4):
            for k in range(3):
                ends = []
                for step in (1e-5, -1e-5):
                    moved = [a.detach().clone(), b.detach().clone()]
                    moved[which][i, k] += step
                    ends.append(loop_mmd(*moved, median)[0])
                assert gradient[i, k].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-7)


def test_mmd_copes_with_equal_rows_and_with_too_few():
    same = torch.ones(4, 3, requires_grad=True)
    mmd = L.multi_kernel_mmd(same, torch.ones(4, 3))
    mmd.backward()
    assert mmd.item() == 0 and same.grad.isfinite().all()
    assert L.multi_kernel_mmd(torch.ones(1, 3), torch.ones(4, 3)).item() == 0


# ---------------------------------------------------------------- the target's entropy


def loop_entropy(u_t, u_s, y_s, per_class):
    total = 0.0
    for u in u_t.tolist():
        weight = {}
        for label in set(y_s.tolist()):
            scores = [math.exp(dot(u, v)) for v, y in zip(u_s.tolist(), y_s.tolist(), strict=True) if y == label]
            weight[label] = sum(scores[:per_class]) / len(scores[:per_class])
        p = [w / sum(weight.values()) for w in weight.values()]
        total -= sum(q * math.log(q) for q in p)
    return total / len(u_t)


@given(seed=SEEDS, batch=st.integers(1, 9), n=st.integers(1, 5), per_class=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_entropy_equals_the_loop_and_keeps_its_bounds(seed, batch, n, per_class):
    u_s, y_s, u_t = codes(seed, batch, n=n)
    value = L.target_entropy(u_t, u_s, y_s, n, per_class).item()
    assert value == pytest.approx(loop_entropy(u_t, u_s, y_s, per_class), abs=1e-12)
    assert -1e-12 <= value <= math.log(n) + 1e-12
    # a class that the batch lacks changes nothing
    assert L.target_entropy(u_t, u_s, y_s, n + 3, per_class).item() == pytest.approx(value, abs=1e-12)


def test_entropy_is_log_n_where_a_code_is_like_all_classes_and_zero_where_it_is_like_one():
    corners = torch.tensor([[1.0, 1, -1, -1], [-1.0, -1, 1, 1], [1.0, -1, 1, -1]]).repeat(2, 1)
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    assert L.target_entropy(torch.zeros(2, 4), corners, y, 3).item() == pytest.approx(math.log(3))
    assert L.target_entropy(50 * corners[:3], 50 * corners, y, 3).item() == pytest.approx(0, abs=1e-6)
    between = torch.tensor([[0.0, 0, 0, -60]])  # as like class 0 as class 2, and unlike class 1
    assert L.target_entropy(between, corners, y, 3).item() == pytest.approx(math.log(2))
    assert L.target_entropy(between, corners[:1], y[:1], 3).item() == 0


def test_entropy_has_the_gradient_of_finite_differences_in_both_domains():
    u_s, y_s, u_t = codes(4, batch=5)
    assert gradcheck(lambda t, s: L.target_entropy(t, s, y_s, 4, 2), (u_t.requires_grad_(), u_s.requires_grad_()))


def test_entropy_takes_the_first_k_of_each_class_and_no_others():
    u_s, u_t = torch.randn(6, 4, requires_grad=True), torch.randn(3, 4)
    L.target_entropy(u_t, u_s, torch.tensor([0, 0, 1, 0, 1, 1]), 2, per_class=2).backward()
    assert u_s.grad.abs().sum(1).gt(0).tolist() == [True, True, True, False, True, False]


def test_entropy_gradients_are_finite_where_a_code_is_certain():
    u_s = (100 * torch.eye(3)).requires_grad_()
    u_t = (100 * torch.eye(3)).requires_grad_()
    L.target_entropy(u_t, u_s, torch.arange(3), 5).backward()
    assert u_s.grad.isfinite().all() and u_t.grad.isfinite().all()


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_rank_in_class_counts_earlier_equals(labels):
    assert L.rank_in_class(torch.tensor(labels), 5).tolist() == [labels[:i].count(y) for i, y in enumerate(labels)]
