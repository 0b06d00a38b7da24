"""The parts of the methods of Tables 1 and 2, each against a plain writing, and which weights a step may touch."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_makers import same_state
from recognition_makers import NAMES, data_for, make, stripes
from torch import nn

from igan_lib.compared import adaptation, cycada, dan, duplex
from igan_lib.compared.adaptation import (
    DomainDiscriminator,
    domain_loss,
    frozen_copy,
    reverse,
    selected_loss,
    told_apart,
)
from igan_lib.compared.cdan import multilinear
from igan_lib.compared.cogan import with_own_stem
from igan_lib.compared.cycada import Translator
from igan_lib.compared.dan import squared_mmd
from igan_lib.compared.duplex import PUBLISHED, duplex_labels
from igan_lib.compared.mcc import class_confusion
from igan_lib.compared.shot import cluster_labels, information_loss
from igan_lib.experiment.methods import RECOGNITION
from igan_lib.experiment.presets import OF_IMAGES, VERSIONS, preset
from igan_lib.method.components import build_encoder
from igan_lib.method.config import IGANConfig
from igan_lib.training.captured import make_capturable

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
    published = PUBLISHED["thresholds"]
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
    method = RECOGNITION["duplex"](IGANConfig(**encoder), shape, 3).train()
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


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize(("name", "size"), [("lenet", 28), ("lenet", 32), ("conv4", 28), ("conv4", 32)])
def test_the_target_has_its_own_first_layer_and_shares_the_rest(name, size):
    encoder = build_encoder(name, (1, size, size), 8)
    own = with_own_stem(encoder)
    ids = {key: id(p) for key, p in encoder.named_parameters()}
    apart = {key for key, p in own.named_parameters() if id(p) != ids[key]}
    first = "features" if name == "lenet" else "layers"
    assert (
        apart == {f"{first}.{key}" for key in ("0.weight", "1.weight", "1.bias")}
        and own.state_dict().keys() == encoder.state_dict().keys()
    )
    x = torch.rand(4, 1, size, size)
    assert torch.equal(own.eval()(x), encoder.eval()(x)) and own.hidden(x).shape == encoder.hidden(x).shape


@pytest.mark.parametrize("name", ["cogan", "i2i"])
def test_generators_share_all_but_the_last_layer(name):
    data = stripes(12)[0] if name == "cogan" else data_for("i2i")
    method = make(name, data)
    s, t = ({key: id(p) for key, p in g.named_parameters()} for g in (method.g_s, method.g_t))
    last = max(int(key.split(".")[1]) for key in s)
    assert {key for key in s if s[key] != t[key]} == {f"layers.{last}.weight", f"layers.{last}.bias"}


@pytest.mark.parametrize("size", [28, 32])
@pytest.mark.parametrize("name", [*OF_IMAGES, "drcn", "duplex", "i2i"])
def test_methods_that_draw_work_on_images_of_both_sizes(name, size):
    config = preset("mnist", "usps", method=name, size=size, encoder="conv4", generator_width=2, discriminator_width=2)
    torch.manual_seed(0)
    values = {key: getattr(config, key) for key in IGANConfig.model_fields}
    method = RECOGNITION[name](IGANConfig(**values), (1, size, size), 3).train()
    x = torch.rand(6, 1, size, size) * 2 - 1
    losses = method.update(x, torch.tensor([0, 1, 2, 0, 1, 2]), -x)
    assert all(value.isfinite() for value in losses.values())


@pytest.mark.parametrize("size", [28, 32])
def test_a_translated_image_is_an_image(size):
    x = torch.rand(3, 2, size, size) * 2 - 1
    drawn = Translator(2, 4)(x)
    assert drawn.shape == x.shape and drawn.abs().max() < 1


# ---------------------------------------------------------------- settings


OWN = {
    "dann": {"adversarial": 1.0},
    "dan": {"mmd": 1.0},
    "adda": {"rate_share": None, "discriminator_rate": None},
    "cdan": {"adversarial": 1.0, "dropout": 0.5},
    "mstn": {"adversarial": 0.2, "keep": 0.7},
    "drcn": {"balance": None, "damage": 0.5},
    "cogan": {"classes": 10.0, "pairs": 1.0, "noise": 100, "rate_share": 1.0, "generator_rate": 1.0},
    "duplex": {"of_source": 0.2, "of_target": 0.15, "game": None},
    "cycada": {"semantic": 1.0, "cycle": 1.0, "rate_share": 0.4},
    "i2i": {"weights": None},
    "mcc": {"confusion": 1.0, "temperature": 2.5},
    "shot": {"pseudo": None, "labellings": 10},
}


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_those_of_this_version(name):
    """They are in no configuration's hash, but the version is: who changes one raises it, and writes both here."""
    parameters = inspect.signature(RECOGNITION[name]).parameters.values()
    own = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "x_t"}
    assert own == OWN[name] and VERSIONS[name] == {"duplex": 2}.get(name, 1)


def test_shares_sizes_and_published_settings_are_those_that_are_written():
    written = {"thresholds": (0.99, 0.992), "adversarial": 1.0, "reconstruction": 10.0}
    assert written | {"ramp": False, "discriminator_rate": 1.0} == PUBLISHED and duplex.PHASE_1 == 0.1
    assert (cycada.TRANSLATED, cycada.RETRAINED, adaptation.HIDDEN) == (0.5, 0.75, 500)
    assert dan.BANDWIDTHS == (0.25, 0.5, 1.0, 2.0, 4.0)


def test_settings_that_depend_on_the_input():
    on_features = {"z": 0.1, "id": 0.2, "tr": 0.005, "cyc": 0.0, "trc": 0.1}
    assert make("i2i", data_for("i2i")).weights == on_features
    assert make("i2i", stripes(12)[0]).weights == {"z": 0.05, "id": 0.1, "tr": 0.02, "cyc": 0.1, "trc": 0.1}
    assert [make("shot", data).pseudo for data in (data_for("shot"), stripes(12)[0])] == [0.3, 0.1]


@pytest.mark.parametrize("name", NAMES)
def test_rates_are_those_of_the_configuration(name):
    method = make(name, data_for(name), settings={"learning_rate": 0.25, "gan_learning_rate": 0.125})
    rates = {key: (opt.param_groups[0]["lr"], opt.param_groups[0]["betas"]) for key, opt in method.optimizers.items()}
    assert rates.pop("encoder") == rates.pop("classifier") == (0.25, (0.9, 0.999))
    # ADDA's are of features here.
    share, times = {"adda": (0.02, 20.0), "cycada": (0.4, 1.0)}.get(name, (1.0, 1.0))
    expected = {"target": 0.25 * share, "discriminator": 0.125 * share * times}
    for key, (rate, betas) in rates.items():
        if name == "cogan" and key == "discriminators":  # E and C are among them
            assert (rate, betas) == (0.25, (0.5, 0.999))
        else:
            assert rate == pytest.approx(expected.get(key, 0.125)) and betas == (0.5, 0.999)
    assert all("capturable" in group for opt in method.optimizers.values() for group in opt.param_groups)
    assert not make_capturable(method.optimizers, torch.device("cpu"))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"shot", "cycada"}))
def test_a_step_asks_nothing_of_the_device(name):
    """What a graph replays: `progress` is a tensor there, and a step that reads one would raise on the meta device."""
    data = data_for(name)
    method = make(name, data).train().to("meta")
    method.progress, method.batch_t = torch.zeros((), device="meta"), torch.zeros(12, dtype=torch.int64, device="meta")
    for opt in method.optimizers.values():
        opt.step = lambda: None
    x = torch.zeros(12, *data.x_s.shape[1:], device="meta")
    losses = method.update(x, torch.zeros(12, dtype=torch.int64, device="meta"), x)
    assert method.capturable and all(value.ndim == 0 for value in losses.values())


def test_methods_whose_stage_depends_on_progress_are_not_captured():
    assert not RECOGNITION["shot"].capturable and not RECOGNITION["cycada"].capturable


@pytest.mark.parametrize(
    ("name", "own", "expected"),
    [
        ("adda", {"rate_share": 0.5, "discriminator_rate": 3.0}, {"target": 0.125, "discriminator": 0.1875}),
        ("cogan", {"rate_share": 0.5, "generator_rate": 4.0}, {"discriminators": 0.125, "generators": 0.25}),
        (
            "duplex",
            {"game": PUBLISHED | {"discriminator_rate": 3.0}},
            {"encoder": 0.25, "generator": 0.125, "discriminators": 0.375},
        ),
    ],
)
def test_shares_of_the_rates_are_of_what_comes_after_pre_training(name, own, expected):
    method = make(name, data_for(name), settings={"learning_rate": 0.25, "gan_learning_rate": 0.125}, **own)
    rates = {key: opt.param_groups[0]["lr"] for key, opt in method.optimizers.items()}
    assert rates == pytest.approx({"encoder": 0.25, "classifier": 0.25} | expected)


def test_settings_that_trials_chose_are_of_images_or_of_features():
    def of(name, shape):
        encoder = {"encoder": "mlp"} if len(shape) == 1 else {}
        return RECOGNITION[name](IGANConfig(**encoder), shape, 3)

    images, features = (1, 28, 28), (12,)
    for shape, sure, adversarial, times in ((images, 0.9, 0.02, 3), (features, 0.7, 0.1, 1)):
        method = of("duplex", shape)
        found = [method.thresholds, method.adversarial, method.reconstruction, method.ramp]
        assert found == [(sure, sure), adversarial, 0.1, True]
        assert method.optimizers["discriminators"].param_groups[0]["lr"] == pytest.approx(times * 5e-4)
    assert (of("drcn", images).balance, of("drcn", features).balance) == (0.99, 0.7)
    rates = [
        of(name, shape).optimizers[part].param_groups[0]["lr"]
        for name, shape in (("adda", images), ("adda", features), ("cycada", images))
        for part in ("target", "discriminator")
    ]
    assert rates == pytest.approx([2e-4, 2e-4, 1e-5, 2e-4, 2e-4, 2e-4])
