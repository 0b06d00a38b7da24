"""What a loss does to the code: the moved codes and the four distances."""

import numpy as np
import pytest
import torch

from igan_lib.method import losses as L
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from tools.probe import code_losses, code_statistics, follow_gradient

CLASSES, BITS = 3, 16


def batch(seed=0, n=12):
    generator = torch.Generator().manual_seed(seed)
    u_s, u_t = (torch.rand(n, BITS, generator=generator) * 1.6 - 0.8 for _ in range(2))
    return u_s, torch.arange(n) % CLASSES, u_t, torch.arange(n) % CLASSES


def small_method(**options):
    torch.manual_seed(0)
    config = IGANConfig(code_length=BITS, generator_width=2, discriminator_width=2, **options)
    return IGAN(config, shape=(1, 28, 28), n_classes=CLASSES).eval()


def images(n=12):
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(9)) * 2 - 1


def test_statistics_agree_with_loops():
    u_s, y_s, u_t, y_t = batch()
    found = code_statistics(u_s, y_s, u_t, y_t, CLASSES)
    s, t = u_s.double().numpy(), u_t.double().numpy()
    c_s = [s[y_s == k].mean(0) for k in range(CLASSES)]
    c_t = [t[y_t == k].mean(0) for k in range(CLASSES)]
    both = [(code, c_s[k]) for code, k in zip(s, y_s, strict=True)] + [
        (code, c_t[k]) for code, k in zip(t, y_t, strict=True)
    ]
    expected = {
        "within": np.mean([((code - centre) ** 2).mean() for code, centre in both]),
        "between": np.mean([((c_s[i] - c_s[j]) ** 2).mean() for i in range(CLASSES) for j in range(i)]),
        "domains": np.mean([((a - b) ** 2).mean() for a, b in zip(c_s, c_t, strict=True)]),
        "quantisation": np.mean([((code - np.sign(code)) ** 2).mean() for code, _ in both]),
    }
    assert found == pytest.approx(expected, rel=1e-5)


def test_each_loss_falls_when_its_gradient_is_followed():
    u_s, y_s, u_t, y_t = batch()
    losses = code_losses(small_method(), images(), y_s, images(), y_t)
    assert list(losses) == ["L_c", "L_s", "L_h", "L_a", "L_1"]
    for name, loss in losses.items():
        moved = follow_gradient(loss, u_s, u_t, steps=3, length=0.01)
        assert loss(*moved) < loss(u_s, u_t), name


def test_steps_have_the_length_that_was_asked_for_and_codes_stay_in_range():
    u_s, y_s, u_t, _ = batch()
    moved_s, moved_t = follow_gradient(lambda s, t: 1e-3 * L.hash_loss(s, y_s, 0.01), u_s, u_t, steps=1, length=0.05)
    shift = torch.cat([moved_s - u_s, moved_t - u_t])
    assert shift.square().mean().sqrt().item() == pytest.approx(0.05, rel=1e-4)
    assert torch.equal(moved_t, u_t)  # L_h does not see the target
    far_s, _ = follow_gradient(lambda s, t: -s.sum(), u_s, u_t, steps=200, length=0.05)
    assert far_s.max() == 1


def test_a_loss_that_depends_on_no_code_moves_none():
    u_s, y_s, u_t, _ = batch()
    without_labels = torch.full((len(u_t),), L.NO_LABEL)
    moved = follow_gradient(lambda s, t: L.semantic_centroid_loss(s, y_s, t, without_labels, CLASSES), u_s, u_t)
    assert torch.equal(moved[0], u_s) and torch.equal(moved[1], u_t)


@pytest.mark.parametrize("training", [False, True])
def test_following_changes_no_network_and_no_given_code(training):
    u_s, y_s, u_t, y_t = batch()
    method = small_method().train(training)
    weights = {name: value.clone() for name, value in method.state_dict().items() if torch.is_tensor(value)}
    kept = u_s.clone()
    for loss in code_losses(method, images(), y_s, images(), y_t).values():
        follow_gradient(loss, u_s, u_t, steps=1)
    assert torch.equal(u_s, kept) and not u_s.requires_grad
    assert all(torch.equal(method.state_dict()[name], value) for name, value in weights.items())
    assert all(parameter.grad is None for parameter in method.parameters())
    assert method.training == training


def test_only_losses_that_are_on_are_followed():
    _, y_s, _, y_t = batch()
    assert list(code_losses(small_method(losses=("c", "h")), images(), y_s, images(), y_t)) == ["L_c", "L_h"]
