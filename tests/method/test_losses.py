"""Each loss against an obvious loop in plain Python, its gradient by differences, and what its docstring claims."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from igan_lib.method import losses as L

SEEDS = st.integers(0, 2**32 - 1)
TINY = 1e-9  # rounding of float64


class Batch:
    """Codes, labels, pseudo-labels and logits of one random mini-batch, in float64."""

    def __init__(self, seed, batch=6, d=5, n=3):
        rng = np.random.default_rng(seed)
        self.n = n
        self.u_s, self.u_t = (torch.from_numpy(rng.uniform(-1, 1, (batch, d))) for _ in range(2))
        self.y_s = torch.from_numpy(rng.integers(0, n, batch))
        self.pseudo = torch.from_numpy(rng.integers(-1, n, batch))
        self.logits_s, self.logits_t = (torch.from_numpy(rng.normal(0, 3, (batch, n))) for _ in range(2))
        self.real, self.fake = (torch.from_numpy(rng.normal(0, 3, (batch, n + 1))) for _ in range(2))
        self.x, self.x_hat = (torch.from_numpy(rng.uniform(-1, 1, (batch, 2, 3, 3))) for _ in range(2))


batches = st.builds(Batch, SEEDS, batch=st.integers(2, 7), d=st.integers(1, 6), n=st.integers(2, 4))


# ---------------------------------------------------------------- the obvious loops


def softmax(row):
    top = max(row)
    weights = [math.exp(z - top) for z in row]
    return [w / sum(weights) for w in weights]


def loop_pairwise(u, y):
    u, y = u.tolist(), y.tolist()
    total = 0.0
    for i in range(len(u)):
        for j in range(len(u)):
            if i != j:
                product = sum(a * b for a, b in zip(u[i], u[j], strict=True)) / len(u[i])
                total += 0.5 * (product - (1 if y[i] == y[j] else -1)) ** 2
    return total / (len(u) * (len(u) - 1))


def loop_quantization(u):
    entries = [value for row in u.tolist() for value in row]
    return sum(0.5 * (value - (1 if value > 0 else -1)) ** 2 for value in entries) / len(entries)


def loop_mean_of_class(u, y, label):
    rows = [row for row, found in zip(u.tolist(), y.tolist(), strict=True) if found == label]
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)] if rows else None


def loop_centroids(u_s, y_s, u_t, pseudo, n):
    total, d = 0.0, u_s.shape[1]
    for label in range(n):
        a, b = loop_mean_of_class(u_s, y_s, label), loop_mean_of_class(u_t, pseudo, label)
        if a is not None and b is not None:
            total += sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
    return total / (n * d)


def loop_classification(logits_s, y_s, logits_t, pseudo, epsilon):
    on_source = [-math.log(softmax(row)[y]) for row, y in zip(logits_s.tolist(), y_s.tolist(), strict=True)]
    on_target = [
        -math.log(softmax(row)[y]) if y >= 0 else 0.0 for row, y in zip(logits_t.tolist(), pseudo.tolist(), strict=True)
    ]
    return sum(on_source) / len(on_source) + epsilon * sum(on_target) / len(on_target)


def loop_real(logits, y):
    terms = []
    for row, label in zip(logits.tolist(), y.tolist(), strict=True):
        p = softmax(row)
        terms.append(-math.log(p[label] if label >= 0 else sum(p[:-1])))
    return sum(terms) / len(terms)


def loop_fake(logits):
    return sum(-math.log(softmax(row)[-1]) for row in logits.tolist()) / len(logits)


def loop_l1(x, x_hat):
    pairs = list(zip(x.flatten().tolist(), x_hat.flatten().tolist(), strict=True))
    return sum(abs(a - b) for a, b in pairs) / len(pairs)


# Each loss as a function of the float arguments alone: (the library's, the loop, its float arguments, upper bound).
CASES = {
    "pairwise": (
        lambda b: [b.u_s],
        lambda b, u: L.pairwise_hash_loss(u, b.y_s),
        lambda b, u: loop_pairwise(u, b.y_s),
        2,
    ),
    "quantization": (lambda b: [b.u_s], lambda b, u: L.quantization_loss(u), lambda b, u: loop_quantization(u), 0.5),
    "hash": (
        lambda b: [b.u_s],
        lambda b, u: L.hash_loss(u, b.y_s, 0.3),
        lambda b, u: loop_pairwise(u, b.y_s) + 0.3 * loop_quantization(u),
        2.15,
    ),
    "centroid": (
        lambda b: [b.u_s, b.u_t],
        lambda b, u_s, u_t: L.semantic_centroid_loss(u_s, b.y_s, u_t, b.pseudo, b.n),
        lambda b, u_s, u_t: loop_centroids(u_s, b.y_s, u_t, b.pseudo, b.n),
        4,
    ),
    "classification": (
        lambda b: [b.logits_s, b.logits_t],
        lambda b, s, t: L.classification_loss(s, b.y_s, t, b.pseudo, 0.7),
        lambda b, s, t: loop_classification(s, b.y_s, t, b.pseudo, 0.7),
        math.inf,
    ),
    "reconstruction": (lambda b: [b.x, b.x_hat], lambda b, *x: L.reconstruction_loss(*x), lambda b, *x: loop_l1(*x), 2),
    "real": (
        lambda b: [b.real],
        lambda b, z: L.real_label_loss(z, b.pseudo),
        lambda b, z: loop_real(z, b.pseudo),
        math.inf,
    ),
    "fake": (lambda b: [b.fake], lambda b, z: L.fake_loss(z), lambda b, z: loop_fake(z), math.inf),
    "discriminator": (
        lambda b: [b.real, b.fake],
        lambda b, real, fake: L.discriminator_loss(real, b.pseudo, fake),
        lambda b, real, fake: loop_real(real, b.pseudo) + loop_fake(fake),
        math.inf,
    ),
    "generator": (
        lambda b: [b.fake],
        lambda b, z: L.generator_loss(z, b.pseudo),
        lambda b, z: loop_real(z, b.pseudo),
        math.inf,
    ),
}
each_loss = pytest.mark.parametrize("name", CASES)


@each_loss
@given(batch=batches)
@settings(max_examples=25, deadline=None)
def test_equals_the_loop_and_keeps_its_bounds(name, batch):
    floats, loss, loop, upper = CASES[name]
    value = loss(batch, *floats(batch))
    assert value.shape == () and value.dtype == torch.float64
    assert value.item() == pytest.approx(loop(batch, *floats(batch)), rel=1e-10, abs=1e-12)
    assert -TINY <= value.item() <= upper + TINY


@each_loss
@pytest.mark.parametrize("seed", [0, 1])
def test_gradient_is_that_of_finite_differences(name, seed):
    floats, loss, _, _ = CASES[name]
    batch = Batch(seed, batch=4, d=3)
    inputs = [x.clone().requires_grad_() for x in floats(batch)]
    assert gradcheck(lambda *x: loss(batch, *x), inputs)


@each_loss
@given(batch=batches, seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_order_of_the_batch_does_not_matter(name, batch, seed):
    floats, loss, _, _ = CASES[name]
    before = loss(batch, *floats(batch)).item()
    rng = np.random.default_rng(seed)
    source, target = (torch.from_numpy(rng.permutation(len(batch.y_s))) for _ in range(2))
    batch.u_s, batch.y_s, batch.logits_s = batch.u_s[source], batch.y_s[source], batch.logits_s[source]
    batch.u_t, batch.pseudo, batch.logits_t = batch.u_t[target], batch.pseudo[target], batch.logits_t[target]
    batch.real, batch.fake = batch.real[target], batch.fake[target]
    batch.x, batch.x_hat = batch.x[source], batch.x_hat[source]
    assert loss(batch, *floats(batch)).item() == pytest.approx(before, rel=1e-10, abs=1e-12)


@each_loss
@given(batch=batches, seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_names_of_the_classes_do_not_matter(name, batch, seed):
    floats, loss, _, _ = CASES[name]
    before = loss(batch, *floats(batch)).item()
    new_name = torch.from_numpy(np.random.default_rng(seed).permutation(batch.n))
    old_name = new_name.argsort()
    with_fake = torch.cat([old_name, torch.tensor([batch.n])])
    batch.y_s = new_name[batch.y_s]
    batch.pseudo = torch.where(batch.pseudo < 0, -1, new_name[batch.pseudo])
    batch.logits_s, batch.logits_t = batch.logits_s[:, old_name], batch.logits_t[:, old_name]
    batch.real, batch.fake = batch.real[:, with_fake], batch.fake[:, with_fake]
    assert loss(batch, *floats(batch)).item() == pytest.approx(before, rel=1e-10, abs=1e-12)


# ---------------------------------------------------------------- corners


def test_pairwise_hash_loss_reaches_its_ends():
    corners = torch.tensor([[1.0, 1, -1, -1], [-1.0, -1, 1, 1]])
    assert L.pairwise_hash_loss(corners, torch.tensor([0, 1])) == 0
    assert L.pairwise_hash_loss(corners, torch.tensor([0, 0])) == 2
    one = torch.ones(1, 4, requires_grad=True)
    L.pairwise_hash_loss(one, torch.tensor([0])).backward()
    assert one.grad.eq(0).all()


def test_quantization_loss_pulls_codes_to_their_bits():
    u = torch.tensor([[0.5, -0.25]], requires_grad=True)
    L.quantization_loss(u).backward()
    assert torch.allclose(u.grad, torch.tensor([[-0.25, 0.375]]))  # (u - sign u) / 2 entries
    assert L.quantization_loss(torch.tensor([[1.0, -1.0]])) == 0


@given(batch=batches)
@settings(max_examples=25, deadline=None)
def test_class_centroids_are_the_class_means(batch):
    centroids, present = L.class_centroids(batch.u_t, batch.pseudo, batch.n)
    for label in range(batch.n):
        mean = loop_mean_of_class(batch.u_t, batch.pseudo, label)
        assert present[label].item() == (mean is not None)
        assert centroids[label].tolist() == pytest.approx(mean or [0.0] * batch.u_t.shape[1])


def test_centroid_distance_counts_only_classes_of_both_domains():
    c_s, c_t = torch.ones(3, 4), -torch.ones(3, 4)
    assert L.centroid_distance(c_s, c_t, torch.tensor([True, True, True])) == 4
    assert L.centroid_distance(c_s, c_t, torch.tensor([True, False, False])) == pytest.approx(4 / 3)
    assert L.centroid_distance(c_s, c_t, torch.tensor([False, False, False])) == 0


@pytest.mark.parametrize("pseudo", [[-1, -1, -1, -1], [2, 2, -1, -1]], ids=["none confident", "no class in common"])
def test_centroid_loss_without_a_common_class_is_zero_and_so_is_its_gradient(pseudo):
    u_s, u_t = (torch.rand(4, 5, requires_grad=True) for _ in range(2))
    loss = L.semantic_centroid_loss(u_s, torch.tensor([0, 0, 1, 1]), u_t, torch.tensor(pseudo), n_classes=3)
    loss.backward()
    assert loss.item() == 0
    assert u_s.grad.eq(0).all() and u_t.grad.eq(0).all()


@given(batch=batches, low=st.floats(0, 0.999), high=st.floats(0, 0.999))
@settings(max_examples=50, deadline=None)
def test_a_higher_threshold_never_labels_more(batch, low, high):
    low, high = sorted((low, high))
    at_low, at_high = L.pseudo_labels(batch.logits_t, low), L.pseudo_labels(batch.logits_t, high)
    assert (at_high[at_high >= 0] == at_low[at_high >= 0]).all()
    for row, label in zip(batch.logits_t.tolist(), at_low.tolist(), strict=True):
        p = softmax(row)
        if abs(max(p) - low) > TINY:
            assert label == (p.index(max(p)) if max(p) > low else -1)


def test_a_pseudo_label_must_exceed_the_threshold_and_carries_no_gradient():
    even = torch.zeros(1, 2, requires_grad=True)
    assert L.pseudo_labels(even, 0.5).tolist() == [-1]
    assert L.pseudo_labels(even, 0.49).tolist() == [0]
    assert L.pseudo_labels(even, 0.0).dtype == torch.int64 and not L.pseudo_labels(even, 0.0).requires_grad


def test_classification_loss_without_confident_target_is_that_of_the_source():
    batch = Batch(3)
    logits_t = batch.logits_t.requires_grad_()
    none = torch.full_like(batch.pseudo, -1)
    loss = L.classification_loss(batch.logits_s, batch.y_s, logits_t, none, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(loop_classification(batch.logits_s, batch.y_s, batch.logits_t, none, 0))
    assert logits_t.grad.eq(0).all()


@given(batch=batches)
@settings(max_examples=25, deadline=None)
def test_an_unlabelled_image_is_asked_only_not_to_be_fake(batch):
    unknown = torch.full_like(batch.pseudo, -1)
    p_fake = batch.real.softmax(1)[:, -1]
    assert L.real_label_loss(batch.real, unknown).item() == pytest.approx(-torch.log(1 - p_fake).mean().item())


@pytest.mark.parametrize("label", [-1, 0])
def test_losses_stay_finite_where_the_discriminator_is_certain(label):
    for certain in (torch.tensor([[0.0, 0.0, 500.0]]), torch.tensor([[500.0, 0.0, 0.0]])):
        logits = certain.requires_grad_()
        (L.generator_loss(logits, torch.tensor([label])) + L.fake_loss(logits)).backward()
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize("label", [-1, 0, 1])
def test_generator_descends_towards_real_and_discriminator_towards_fake(label):
    torch.manual_seed(0)
    discriminator = torch.nn.Linear(6, 3).double()
    image = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    y = torch.full((4,), label)

    def probabilities():
        return discriminator(image).softmax(1).detach()

    before = probabilities()
    (gradient,) = torch.autograd.grad(L.generator_loss(discriminator(image), y), image)
    with torch.no_grad():
        image -= 0.1 * gradient
    after = probabilities()
    assert (after[:, -1] < before[:, -1]).all()
    if label >= 0:
        assert (after[:, label] > before[:, label]).all()

    real = torch.randn(4, 6, dtype=torch.float64)
    loss = L.discriminator_loss(discriminator(real), y, discriminator(image.detach()))
    gradients = torch.autograd.grad(loss, list(discriminator.parameters()))
    with torch.no_grad():
        for weight, gradient in zip(discriminator.parameters(), gradients, strict=True):
            weight -= 0.01 * gradient
    assert L.fake_loss(discriminator(image)) < -after[:, -1].log().mean()
