"""Codes, accuracies and re-estimated batch-norm statistics."""

import copy

import numpy as np
import pytest
import torch
from method_makers import make_pair
from torch import nn

from igan_lib.data.domains import Split
from igan_lib.experiment import evaluation
from igan_lib.experiment.evaluation import accuracy, codes_and_logits, recalibrated
from igan_lib.method.networks import HashNet, LeNetEncoder

BITS, CLASSES = 8, 3


def make_net(batch_norm=True):
    torch.manual_seed(0)
    encoder = LeNetEncoder(code_length=BITS, widths=(3, 4), hidden=10, batch_norm=batch_norm)
    return HashNet(encoder, BITS, CLASSES)


def images(n, seed=0):
    return torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def scaled(x):
    return x.numpy().astype(np.float64) / 127.5 - 1


def first_layer_statistics(net, x):
    """Mean and unbiased variance of the first convolution's output, by numpy."""
    weight = net.encoder.features[0].weight.detach().numpy().astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(scaled(x)[:, 0], (5, 5), axis=(1, 2))
    out = np.einsum("nijab,oab->onij", windows, weight[:, 0]).reshape(len(weight), -1)
    return out.mean(1), out.var(1, ddof=1)


def test_recalibrated_statistics_are_those_of_the_images():
    net = make_net()
    x = images(40)
    layer = recalibrated(net, x).encoder.features[1]
    mean, var = first_layer_statistics(net, x)
    assert np.allclose(layer.running_mean.numpy(), mean, atol=1e-4)
    assert np.allclose(layer.running_var.numpy(), var, rtol=1e-4)


def test_every_batch_counts_the_same_and_none_is_small(monkeypatch):
    monkeypatch.setattr(evaluation, "BATCH", 10)
    net, x = make_net(), images(24)
    layer = recalibrated(net, x).encoder.features[1]
    halves = [first_layer_statistics(net, half) for half in (x[:12], x[12:])]
    assert np.allclose(layer.running_mean.numpy(), np.mean([mean for mean, _ in halves], axis=0), atol=1e-4)
    assert np.allclose(layer.running_var.numpy(), np.mean([var for _, var in halves], axis=0), rtol=1e-4)


def test_where_there_are_many_images_evenly_spaced_ones_are_used(monkeypatch):
    monkeypatch.setattr(evaluation, "ESTIMATION_IMAGES", 20)
    net, x = make_net(), images(50)
    layer = recalibrated(net, x).encoder.features[1]
    assert np.allclose(layer.running_mean.numpy(), first_layer_statistics(net, x[::3])[0], atol=1e-4)


def test_the_net_itself_is_left_as_it_is_and_the_copy_is_in_eval_mode():
    net = make_net().train()
    before, momenta = (
        copy.deepcopy(net.state_dict()),
        [m.momentum for m in net.modules() if isinstance(m, nn.BatchNorm2d)],
    )
    copied = recalibrated(net, images(20))
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert net.training and not any(m.training for m in copied.modules())
    assert momenta == [m.momentum for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(p.requires_grad for p in net.parameters()) and not any(p.requires_grad for p in copied.parameters())
    for (name, a), (_, b) in zip(net.named_parameters(), copied.named_parameters(), strict=True):
        assert torch.equal(a, b) and a.data_ptr() != b.data_ptr(), name


def test_what_was_estimated_before_does_not_matter():
    net, x = make_net(), images(20)
    first = recalibrated(net, x)
    second = recalibrated(recalibrated(net, images(20, seed=1)), x)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_without_batch_norm_nothing_changes():
    net, x = make_net(batch_norm=False), images(20)
    copied = recalibrated(net, x)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), copied.state_dict().values(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(codes_and_logits(net, x), codes_and_logits(copied, x), strict=True))


@pytest.mark.parametrize("batch", [7, 500])
def test_codes_and_logits_keep_the_order_of_the_images(monkeypatch, batch):
    monkeypatch.setattr(evaluation, "BATCH", batch)
    net, x = make_net().eval(), images(23)
    u, logits = codes_and_logits(net, x)
    assert u.shape == (23, BITS) and logits.shape == (23, CLASSES) and not u.requires_grad
    for i in (0, 6, 7, 22):
        alone = net.encode(x[i : i + 1].float() / 127.5 - 1)
        assert torch.allclose(u[i], alone[0], atol=1e-5)
        assert torch.allclose(logits[i], net.classifier(alone)[0], atol=1e-5)


def test_accuracy_is_the_count_of_a_plain_loop():
    split = make_pair(31).target.test
    net = make_net().eval()
    hits = 0
    for image, label in zip(split.images, split.labels.tolist(), strict=True):
        logits = net.logits(image[None].float() / 127.5 - 1)[0].tolist()
        hits += logits.index(max(logits)) == label
    assert 0 < hits < 31
    assert accuracy(net, split) == pytest.approx(100 * hits / 31)
    guessed = codes_and_logits(net, split.images)[1].argmax(1)
    assert accuracy(net, Split(split.images, guessed)) == 100
    assert accuracy(net, Split(split.images, (guessed + 1) % CLASSES)) == 0


def test_large_images_go_through_a_network_in_smaller_batches():
    def sizes(shape):
        seen = []
        net = HashNet(nn.Sequential(nn.Flatten(), nn.LazyLinear(8)), 8, 2)
        net.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
        codes_and_logits(net, torch.zeros(shape, dtype=torch.uint8))
        return seen

    assert sizes((120, 1, 32, 32)) == [120] and sizes((120, 3, 64, 64)) == [50, 50, 20]
