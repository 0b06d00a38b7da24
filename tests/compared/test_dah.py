"""NoDA and DAH: one update against a plain writing of it, what each loss and each method reads, whole runs."""

import copy
from collections import deque
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_makers import SHORT, make_pair, one_sentence, same_state
from torch import nn

from igan_lib.compared import dah_losses as L
from igan_lib.compared.dah import DAH, DAHConfig, NoDA, SimilarityClassifier, code_and_last_layer
from igan_lib.experiment.measures import evaluate
from igan_lib.method.components import build_encoder
from igan_lib.training.fit import fit
from igan_lib.training.schedule import Schedule

CLASSES, BITS = 3, 8
WEIGHTS = {"quantization": 0.7, "mmd": 2.0, "entropy": 0.3, "code_length": BITS, "batch_size": 8, "references": 4}
OFF = {"quantization": 0.0, "mmd": 0.0, "entropy": 0.0}
X_S, X_T = (torch.rand(8, 12, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in (1, 2))
Y_S = torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])


def make_encoder(seed=0, batch_norm=True):
    torch.manual_seed(seed)
    norm = nn.BatchNorm1d(10) if batch_norm else nn.Identity()
    return nn.Sequential(nn.Linear(12, 10), norm, nn.ReLU(), nn.Linear(10, BITS), nn.Tanh()).double()


def make(method=DAH, *, descent=None, batch_norm=True, **settings):
    """On feature vectors, in float64; with `descent`, plain gradient descent at that rate."""
    rate = {} if descent is None else {"learning_rate": descent}
    made = (
        method(make_encoder(batch_norm=batch_norm), DAHConfig(**(WEIGHTS | rate | settings)), CLASSES).double().train()
    )
    if descent is not None:
        made.optimizers["encoder"] = torch.optim.SGD(made.net.encoder.parameters(), lr=descent)
    return made


def change(method, *, x_t=X_T, call="update"):
    """How one step moves the encoder's weights, and what it reports."""
    before = torch.cat([p.detach().flatten() for p in method.net.encoder.parameters()])
    reported = method.update(X_S, Y_S, x_t) if call == "update" else method.pretrain(X_S, Y_S)
    return torch.cat([p.detach().flatten() for p in method.net.encoder.parameters()]) - before, reported


# ---------------------------------------------------------------- one step


def test_update_descends_the_sum_of_its_losses():
    method = make(descent=0.1, batch_norm=False)
    first, _, relu, last, _ = net = copy.deepcopy(method.net.encoder)

    def layers(x):
        hidden = relu(first(x))
        return hidden, last(hidden), last(hidden).tanh()

    (hidden_s, out_s, u_s), (hidden_t, out_t, u_t) = layers(X_S), layers(X_T)
    expected = {
        "L_h": L.pairwise_likelihood_loss(u_s, Y_S, 10.0),
        "L_q": 0.5 * ((u_s - u_s.detach().sign()) ** 2).mean(),
        "L_mmd": L.multi_kernel_mmd(hidden_s, hidden_t) + L.multi_kernel_mmd(out_s, out_t),
        "L_e": L.target_entropy(u_t, u_s, Y_S, CLASSES, 5),
    }
    weighted = 0.7 * (2 * BITS / 8) * expected["L_q"] + 0.3 / 8 * expected["L_e"]
    total = expected["L_h"] + 2.0 * expected["L_mmd"] + weighted
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(total, list(net.parameters()))])
    moved, reported = change(method)
    assert torch.allclose(moved, -0.1 * gradient, rtol=0, atol=1e-12)
    assert reported.keys() == expected.keys()
    for name, value in expected.items():
        assert reported[name].item() == pytest.approx(value.item(), rel=1e-5), name
        assert not reported[name].requires_grad


def test_each_switch_adds_its_own_gradient_and_no_other():
    weights = {"quantization": 0.7, "mmd": 2.0, "entropy": 0.3}
    names = {"quantization": "L_q", "mmd": "L_mmd", "entropy": "L_e"}
    alone, reported = change(make(descent=0.1, **OFF))
    assert reported.keys() == {"L_h"}
    parts = []
    for switch, weight in weights.items():
        moved, reported = change(make(descent=0.1, **(OFF | {switch: weight})))
        assert reported.keys() == {"L_h", names[switch]}
        parts.append(moved - alone)
        assert parts[-1].abs().max() > 1e-6, switch
        doubled, _ = change(make(descent=0.1, **(OFF | {switch: 2 * weight})))
        assert torch.allclose(doubled - alone, 2 * parts[-1], atol=1e-12)
    whole, _ = change(make(descent=0.1))
    assert torch.allclose(whole - alone, sum(parts), atol=1e-12)


def test_dah_without_its_target_losses_is_noda_and_reads_no_target():
    noda, dah = make(NoDA), make(DAH, mmd=0.0, entropy=0.0)
    for method in (noda, dah):
        method.update(X_S, Y_S, X_T)
        method.update(X_S, Y_S, X_T + 1)
    assert same_state(noda, dah)
    other = make(NoDA)
    for _ in range(2):
        other.update(X_S, Y_S, torch.full_like(X_T, torch.nan))
    assert same_state(noda, other)


def test_the_order_of_the_target_matters_to_the_pairing_of_mmd_alone():
    order = torch.tensor([3, 1, 0, 2, 7, 6, 4, 5])
    (moved, _), (other, _) = (change(make(descent=0.1, mmd=0.0), x_t=x) for x in (X_T, X_T[order]))
    assert torch.allclose(moved, other, atol=1e-12) and moved.abs().max() > 1e-3
    (moved, _), (other, _) = (change(make(descent=0.1, entropy=0.0), x_t=x) for x in (X_T, X_T[order]))
    assert not torch.allclose(moved, other, atol=1e-6)


def test_pretraining_and_noda_are_the_same_step_at_the_first_rate():
    (before, reported), (after, _) = change(make(NoDA), call="pretrain"), change(make(NoDA))
    assert torch.equal(before, after)
    assert reported.keys() == {"L_h", "L_q"}
    (dah, _) = change(make(DAH), call="pretrain")
    assert torch.equal(before, dah)


def test_the_optimiser_is_that_of_igan():
    from igan_lib.method.config import IGANConfig
    from igan_lib.method.igan import IGAN

    torch.manual_seed(0)
    igan = IGAN(IGANConfig(code_length=8, generator_width=1, discriminator_width=1), (1, 28, 28), 3).optimizers[
        "encoder"
    ]
    mine = make(NoDA).optimizers["encoder"]
    assert type(igan) is type(mine)
    keys = igan.defaults.keys()
    assert {k: igan.defaults[k] for k in keys} == {k: mine.defaults[k] for k in keys}


@pytest.mark.parametrize(("name", "size"), [("lenet", 28), ("conv4", 32)])
def test_mmd_looks_at_the_input_and_the_output_of_the_last_layer(name, size):
    torch.manual_seed(0)
    encoder = build_encoder(name, (1, size, size), 16).eval()
    x = torch.rand(4, 1, size, size)
    u, (hidden, out) = code_and_last_layer(encoder, x)
    assert torch.equal(u, encoder(x)) and torch.allclose(u, out.tanh())
    assert hidden.shape == (4, 500 if name == "lenet" else 4096) and out.shape == (4, 16)
    assert hidden.min() == 0  # behind a ReLU
    assert not any(module._forward_hooks for module in encoder.modules())


def test_an_encoder_without_a_layer_is_refused():
    with pytest.raises(Exception) as error:
        NoDA(nn.Sequential(nn.Flatten(), nn.Tanh()), DAHConfig(batch_size=8), 3)
    one_sentence(error.value, "Sequential", "build_encoder")


# ---------------------------------------------------------------- classifying by similarity


@given(
    batches=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7), min_size=1, max_size=5),
    references=st.integers(1, 4),
)
@settings(max_examples=40, deadline=None)
def test_the_latest_codes_of_each_class_are_kept(batches, references):
    classifier = SimilarityClassifier(2, CLASSES, references).double()
    kept = [deque(maxlen=references) for _ in range(CLASSES)]
    stamp = 0.0
    for labels in batches:
        u = torch.arange(stamp, stamp + len(labels), dtype=torch.float64)[:, None].repeat(1, 2)
        stamp += len(labels)
        classifier.remember(u, torch.tensor(labels))
        for code, label in zip(u[:, 0].tolist(), labels, strict=True):
            kept[label].append(code)
    for label in range(CLASSES):
        there = min(int(classifier.seen[label]), references)
        assert sorted(classifier.codes[label, :there, 0].tolist()) == sorted(kept[label])
    u = torch.tensor([[0.1, -0.2], [0.0, 0.3]], dtype=torch.float64)
    logits = classifier(u)
    for i in range(2):
        for label in range(CLASSES):
            if not kept[label]:
                assert logits[i, label] == torch.finfo(torch.float64).min
                continue
            scores = [torch.exp(u[i].sum() * code) for code in kept[label]]
            assert logits[i, label].item() == pytest.approx(torch.log(sum(scores) / len(scores)).item())


def test_a_network_that_has_seen_nothing_finds_all_classes_alike():
    method = make(NoDA)
    assert torch.allclose(method.logits(X_S).softmax(1), torch.full((8, CLASSES), 1 / CLASSES, dtype=torch.float64))


def test_remembered_codes_are_part_of_the_state_but_not_of_training():
    method = make(NoDA)
    method.update(X_S, Y_S, X_T)
    names = [name for name, _ in method.named_parameters() if "classifier" in name]
    assert names == []
    assert {"net.classifier.codes", "net.classifier.seen"} <= method.state_dict().keys()
    assert method.net.classifier.seen.tolist() == [4, 2, 2]
    assert not method.net.classifier.codes.requires_grad


# ---------------------------------------------------------------- whole runs


def image_method(method=DAH, seed=0, **settings):
    torch.manual_seed(seed)
    config = DAHConfig(**({"code_length": BITS, "batch_size": SHORT.batch_size} | settings))
    return method(build_encoder("lenet", (1, 28, 28), BITS), config, CLASSES)


def trained(data, method=DAH, schedule=SHORT, **arguments):
    made = image_method(method)
    history = fit(made, data, schedule, seed=0, progress=False, **arguments)
    return made, history


def test_noda_is_the_same_to_the_bit_whatever_the_target():
    a, b = make_pair(), make_pair(seed=7)
    first, _ = trained(a.for_training(), NoDA)
    second, _ = trained(replace(a.for_training(), x_t=b.for_training().x_t), NoDA)
    assert same_state(first, second)
    dah, _ = trained(a.for_training())
    other, _ = trained(replace(a.for_training(), x_t=b.for_training().x_t))
    assert not same_state(dah, other)


def test_shuffled_target_labels_change_nothing_in_dah():
    pair = make_pair()
    labels = pair.target.train.labels
    shuffled = replace(pair.target.train, labels=labels[torch.randperm(len(labels))])
    other = replace(pair, target=replace(pair.target, train=shuffled))
    assert not torch.equal(shuffled.labels, labels)
    assert same_state(trained(pair.for_training())[0], trained(other.for_training())[0])


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    data, path = make_pair().for_training(), tmp_path / "run.pt"
    whole, history = trained(data)

    class Killed(Exception):
        pass

    def kill(step, method, row):
        if step == 6:
            raise Killed

    with pytest.raises(Killed):
        trained(data, checkpoint=path, on_log=kill)
    resumed, again = trained(data, checkpoint=path)
    assert same_state(whole, resumed) and again == history
    assert {"L_h", "L_q", "L_mmd", "L_e"} <= history[-1].keys()


@pytest.mark.parametrize("method", [NoDA, DAH])
def test_a_run_learns_the_source_and_is_evaluated_by_similarity(method):
    pair = make_pair()
    schedule = Schedule(batch_size=12, pretrain_steps=12, steps=6, stages=2)
    made, history = trained(pair.for_training(), method, schedule)
    metrics = evaluate(made, pair)
    assert metrics["source_accuracy"] > 90
    assert history[-1]["L_h"] < history[0]["L_h"]
    assert {"target_accuracy", "source_accuracy", "source_only_accuracy", "map_target"} <= set(metrics)
    assert not same_state(made.net, made.source_only)
    codes = made.eval().encode(pair.target.test.images.float() / 127.5 - 1)
    assert codes.shape == (30, BITS) and codes.abs().max() < 1


def test_source_only_is_the_network_as_it_was_after_pretraining():
    method = make(NoDA)
    method.pretrain(X_S, Y_S)
    then = copy.deepcopy(method.net)
    method.finish_pretraining()
    method.update(X_S, Y_S, X_T)
    method.start_stage()
    method.update(X_S, Y_S, X_T)
    assert same_state(method.source_only, then)
    assert not same_state(method.net, then)
    assert not any(p.requires_grad for p in method.source_only.parameters())


def test_settings_are_checked():
    for wrong in ({"mmd": -1}, {"code_length": 12}, {"per_class": 0}, {"gamma": 1}, {"similar_weight": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            DAHConfig(**wrong)
