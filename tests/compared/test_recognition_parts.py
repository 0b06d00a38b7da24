"""The parts of the methods of Tables 1 and 2, each against a plain writing, and which weights a step may touch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_makers import same_state
from recognition_makers import NAMES, data_for, make
from torch import nn

from igan_lib.compared.adaptation import (
    DomainDiscriminator,
    domain_loss,
    frozen_copy,
    reverse,
    selected_loss,
    told_apart,
)
from igan_lib.compared.cdan import multilinear
from igan_lib.compared.dan import squared_mmd
from igan_lib.compared.duplex import PUBLISHED, duplex_labels
from igan_lib.compared.mcc import class_confusion
from igan_lib.compared.shot import cluster_labels, information_loss
from igan_lib.experiment.methods import RECOGNITION_CLASSES
from igan_lib.method.config import IGANConfig

SEEDS = st.integers(0, 2**16)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---------------------------------------------------------------- shared


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, torch.tensor(0.3)])
def test_reversal_is_the_identity_whose_gradient_turns_round(share):
    u = random(4, 3).requires_grad_()
    seen = reverse(u, share)
    assert torch.equal(seen, u)
    weights = random(4, 3, seed=1)
    (seen * weights).sum().backward()
    assert torch.allclose(u.grad, -float(share) * weights)


def test_chance_costs_log_2_and_confidence_in_the_right_domain_nothing():
    zero, sure = torch.zeros(3), torch.full((3,), 50.0)
    assert domain_loss(zero, zero).item() == pytest.approx(0.693147, abs=1e-6)
    assert domain_loss(sure, -sure).item() < 1e-6 and domain_loss(-sure, sure).item() == pytest.approx(50.0)
    assert told_apart(sure, -sure) == 1 and told_apart(-sure, sure) == 0 and told_apart(sure, sure) == 0.5


def test_a_loss_without_any_label_is_zero_and_moves_nothing():
    logits = random(4, 3).requires_grad_()
    loss = selected_loss(logits, torch.full((4,), -1))
    loss.backward()
    assert loss == 0 and not logits.grad.any()
    assert selected_loss(logits, torch.tensor([-1, 2, -1, -1])) == nn.functional.cross_entropy(
        logits[1:2], torch.tensor([2])
    )


def test_a_frozen_copy_normalises_by_the_batch_and_keeps_its_statistics():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    frozen = frozen_copy(net).train()
    x = torch.randn(20, 3) * 5 + 1
    kept = frozen[1].running_mean.clone(), frozen[1].running_var.clone()
    assert torch.equal(frozen(x), net.train()(x)) and not frozen(x).requires_grad
    assert torch.equal(frozen[1].running_mean, kept[0]) and torch.equal(frozen[1].running_var, kept[1])
    assert not torch.equal(net[1].running_mean, kept[0]) and net[1].momentum == 0.1


def test_a_discriminator_of_domains_has_two_hidden_layers():
    net = DomainDiscriminator(7, dropout=0.25)
    assert [tuple(p.shape) for p in net.parameters() if p.ndim == 2] == [(500, 7), (500, 500), (1, 500)]
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.25]
    assert net(torch.zeros(5, 7)).shape == (5,)


# ---------------------------------------------------------------- losses


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 6), st.integers(2, 6))
def test_mmd_knows_no_order_no_origin_and_no_scale(seed, n, m):
    a, b = random(n, 3, seed=seed), random(m, 3, seed=seed + 1) + 1
    value = squared_mmd(a, b)
    assert -2 <= value <= 2
    torch.testing.assert_close(squared_mmd(b, a), value)
    torch.testing.assert_close(squared_mmd(a.flip(0), b.flip(0)), value)
    torch.testing.assert_close(squared_mmd(3 * a + 5, 3 * b + 5), value)


def test_mmd_is_zero_on_average_for_one_distribution_and_positive_for_two():
    same = [squared_mmd(random(20, 2, seed=2 * k), random(20, 2, seed=2 * k + 1)) for k in range(200)]
    other = [squared_mmd(random(20, 2, seed=2 * k), random(20, 2, seed=2 * k + 1) + 1) for k in range(20)]
    assert abs(sum(same) / 200) < 0.01 and min(same) < 0 and min(other) > 0.05


def test_equal_rows_have_no_mmd_and_a_finite_gradient():
    rows = torch.ones(4, 3, requires_grad=True)
    squared_mmd(rows, rows.detach()).backward()
    assert rows.grad.isfinite().all()


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 5))
def test_confusion_is_between_none_and_that_of_ignorance(seed, classes):
    logits = random(6, classes, seed=seed)
    assert 0 < class_confusion(logits, 2.5) < 1 - 1 / classes + 1e-9
    assert class_confusion(torch.zeros(6, classes), 2.5).item() == pytest.approx(1 - 1 / classes)
    sure = 1000.0 * nn.functional.one_hot(torch.arange(2 * classes) % classes)
    assert class_confusion(sure, 2.5).item() == pytest.approx(0, abs=1e-6)


def test_information_is_lowest_where_each_image_is_sure_and_the_classes_are_even():
    even = 1000.0 * nn.functional.one_hot(torch.arange(6) % 3)
    one = torch.zeros(6, 3).index_fill(1, torch.tensor([0]), 1000.0)
    assert information_loss(even).item() == pytest.approx(-torch.tensor(3.0).log().item())
    assert information_loss(one).item() == pytest.approx(0, abs=1e-6)
    assert information_loss(torch.zeros(6, 3)).item() == pytest.approx(0, abs=1e-6)
    one.requires_grad_()
    information_loss(one).backward()
    assert one.grad.isfinite().all()


def test_the_product_does_not_pass_the_gradient_to_the_predictions():
    u, logits = random(4, 3).requires_grad_(), random(4, 2, seed=1).requires_grad_()
    h = multilinear(u, logits)
    expected = [
        [float(bit * p) for bit in row for p in z.softmax(0)]
        for row, z in zip(u.detach(), logits.detach(), strict=True)
    ]
    assert torch.allclose(h, torch.tensor(expected, dtype=torch.float64)) and h.shape == (4, 6)
    h.square().sum().backward()
    assert u.grad.any() and logits.grad is None


# ---------------------------------------------------------------- pseudo-labels


def logits_of(*probabilities):
    """Of three classes: each pair is the probability of the likeliest class, and that class."""
    rows = []
    for p, label in probabilities:
        row = torch.full((3,), (1 - p) / 2)
        row[label] = p
        rows.append(row.log())
    return torch.stack(rows)


def test_pseudo_labels_of_duplex_survive_being_drawn():
    published = PUBLISHED.thresholds
    between = sum(published) / 2
    logits = logits_of((between, 0), (between, 1), (0.999, 2), (0.98, 1))
    kept = logits_of((0.4, 0), (0.5, 1), (0.4, 0), (0.9, 1))
    assert duplex_labels(logits, kept, published).tolist() == [0, 1, -1, -1]  # two of four survive: half is enough
    lost = logits_of((0.4, 0), (0.5, 2), (0.4, 0), (0.9, 1))
    assert duplex_labels(logits, lost, published).tolist() == [
        -1,
        -1,
        2,
        -1,
    ]  # one of four: the surer ones, however drawn
    assert duplex_labels(logits, kept, (0.9, 0.9)).tolist() == [0, 1, -1, 1]
    assert duplex_labels(logits, lost, (0.9, 0.9)).tolist() == [0, -1, -1, 1]


@pytest.mark.parametrize("shape", [(12,), (1, 28, 28)])
def test_duplex_draws_each_domain_in_its_own_style_while_it_trains(shape):
    # A constant column is all that names the domain, and batch norm takes a constant out of a batch.
    torch.manual_seed(0)
    encoder = {"encoder": "mlp"} if len(shape) == 1 else {}
    method = RECOGNITION_CLASSES["duplex"](IGANConfig(**encoder), shape, 3).train()
    u_s, u_t = torch.rand(6, 64), torch.rand(6, 64)
    x_ss, x_ts, x_st, x_tt = method._draw(u_s, u_t)
    assert {tuple(x.shape) for x in (x_ss, x_ts, x_st, x_tt)} == {(6, *shape)}
    assert (x_ss - x_st).abs().mean() > 0.01 and (x_ts - x_tt).abs().mean() > 0.01
    method.eval()  # by running statistics a pass for each view is the same
    views = [view(u) for u in (u_s, u_t) for view in (method.g_s, method.g_t)]
    x_ss, x_ts, x_st, x_tt = method._draw(u_s, u_t)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(views, (x_ss, x_st, x_ts, x_tt), strict=True))


def plain_clusters(u, p):
    f = [torch.cat([row, torch.ones(1, dtype=row.dtype)]) for row in u]
    f = [row / row.norm() for row in f]
    there = {int(row.argmax()) for row in p}
    weights = p.tolist()
    for _ in range(2):
        centres = {k: sum(w[k] * row for w, row in zip(weights, f, strict=True)) for k in there}

        def angle(row, centres=centres):
            cosines = {k: float(row @ c / c.norm()) if c.norm() > 0 else 0.0 for k, c in centres.items()}
            return max(sorted(cosines), key=cosines.get)

        labels = [angle(row) for row in f]
        weights = [[float(label == k) for k in range(p.shape[1])] for label in labels]
    return labels


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(3, 12), st.integers(2, 4))
def test_clusters_are_those_of_plain_loops(seed, n, classes):
    u, p = random(n, 5, seed=seed).tanh(), (3 * random(n, classes, seed=seed + 1)).softmax(1)
    assert cluster_labels(u, p).tolist() == plain_clusters(u, p)


def test_shot_finds_labels_of_all_images_a_few_times_and_of_the_images_of_each(monkeypatch):
    data = data_for("shot", n=450)
    method = make("shot", data, labellings=3).train()
    seen = []
    monkeypatch.setattr("igan_lib.compared.shot.cluster_labels", lambda u, p: seen.append(u) or p.argmax(1))
    method.batch_t = torch.arange(30)
    for step in range(30):
        method.progress = step / 30
        method.update(data.x_s[:30], data.y_s[:30], data.x_t[:30])
    assert len(seen) == 3 and all(len(u) == 450 for u in seen) and method.net.training
    with torch.no_grad():
        expected = torch.cat([method.net.logits(data.x_t[start::2]) for start in range(2)]).argmax(1)
    method.label()
    assert torch.equal(torch.cat([method.labels[0::2], method.labels[1::2]]), expected)


# ---------------------------------------------------------------- what a step may touch


def touched(name, progress=0.9):
    data = data_for(name)
    method = make(name, data).train()
    method.finish_pretraining()
    method.progress, method.batch_t = progress, torch.arange(12)
    before = {key: p.detach().clone() for key, p in method.named_parameters()}
    x_s, x_t = (x[:12].float() / (255 if x.ndim == 4 else 1) for x in (data.x_s, data.x_t))
    method.update(x_s, data.y_s[:12], x_t)
    return {key for key, p in method.named_parameters() if not torch.equal(p, before[key])}, method


PARTS = {
    "dann": ("net.encoder", "net.classifier", "discriminator"),
    "dan": ("net.encoder", "net.classifier"),
    "adda": ("net.encoder", "discriminator"),
    "cdan": ("net.encoder", "net.classifier", "discriminator"),
    "mstn": ("net.encoder", "net.classifier", "discriminator"),
    "drcn": ("net.encoder", "net.classifier", "decoder"),
    "cogan": ("net.encoder", "net.classifier", "source_net.encoder", "real", "g_s", "g_t"),
    "duplex": ("net.encoder", "net.classifier", "g_s", "d_s", "d_t"),
    "cycada": ("net.encoder", "discriminator"),
    "i2i": ("net.encoder", "net.classifier", "g_s", "g_t", "d_s", "d_t", "d_z"),
    "mcc": ("net.encoder", "net.classifier"),
    "shot": ("net.encoder",),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_step_moves_its_own_parts_and_no_other(name):
    moved, method = touched(name)
    parts = {part for part in PARTS[name] if any(key.startswith(f"{part}.") for key in moved)}
    assert parts == set(PARTS[name])
    assert not [key for key in moved if not key.startswith(tuple(f"{part}." for part in PARTS[name]))]
    assert all(p.grad is None for p in method.parameters())


def test_by_turns_each_loss_of_drcn_has_an_adam_of_its_own():
    data = data_for("drcn")
    method = make("drcn", data, by_turns=True).train()
    method.update(data.x_s[:12], data.y_s[:12], data.x_t[:12])
    encoder = list(method.net.encoder.parameters())
    for optimizer in (method.optimizers["reconstruction"], method.optimizers["encoder"]):
        assert [int(optimizer.state[p]["step"]) for p in encoder] == [1] * len(encoder)
        assert optimizer.defaults["betas"] == (0.9, 0.999)
        assert {group["lr"] for group in optimizer.param_groups} == {method.config.learning_rate}


@pytest.mark.parametrize(
    ("progress", "parts"),
    [(0.2, {"to_s", "to_t", "d_s", "d_t"}), (0.6, {"net", "retrained"}), (0.8, {"net", "discriminator"})],
)
def test_the_stages_of_cycada_move_one_thing_after_the_other(progress, parts):
    moved, method = touched("cycada", progress)
    assert {key.partition(".")[0] for key in moved} == parts
    if progress == 0.6:
        assert same_state(method.net, method.retrained)


def test_a_class_that_is_absent_does_not_move_its_centroid():
    data = data_for("mstn")
    method = make("mstn", data).train()
    method.update(data.x_s[:12], data.y_s[:12], data.x_t[:12])
    then, known = method.centroids.clone(), method.known.clone()
    assert known[0].all()
    others = data.y_s != 1
    method.update(data.x_s[others], data.y_s[others], data.x_t[others])
    assert torch.equal(method.centroids[0, 1], then[0, 1])
    assert not torch.equal(method.centroids[0, 0], then[0, 0])


def test_a_class_that_one_domain_never_had_costs_nothing():
    data = data_for("mstn")
    method = make("mstn", data).train()
    with torch.no_grad():
        method.net.classifier.weight.zero_()
        method.net.classifier.bias.copy_(torch.tensor([9.0, 0.0, 0.0]))  # all of the target is class 0
    zeros = data.y_s == 1
    losses = method.update(data.x_s[zeros], data.y_s[zeros], data.x_t[:10])
    assert losses["L_sm"] == 0 and method.known.tolist() == [[False, True, False], [True, False, False]]
