"""One whole update against a second, plain writing of it; and the state that an update depends on."""

import copy

import pytest
import torch

from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN

CLASSES, BITS = 3, 8
WEIGHTS = {"alpha": 0.3, "beta": 0.7, "chi": 0.4, "adversarial": 0.2, "epsilon": 0.5, "v": 0.05, "threshold": 0.4}
SIZES = {"code_length": BITS, "generator_width": 2, "discriminator_width": 2}
RATE, GAN_RATE = 0.05, 0.03


def make(seed=0, **settings):
    torch.manual_seed(seed)
    return IGAN(IGANConfig(**(WEIGHTS | SIZES | settings)), (1, 28, 28), CLASSES).train()


def images(seed, n=8):
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


X_S, X_T, Y_S = images(1), images(2), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])


def obvious_update(e, c, g_s, g_t, d_s, d_t, share):
    """Eq. 2-14 for one batch, sample by sample, with plain gradient descent; `share` is the ramp."""
    n, eta = len(X_S), WEIGHTS
    u_s, u_t = e(X_S), e(X_T)
    p_s, p_t = c(u_s).softmax(1), c(u_t).softmax(1)
    pseudo = [int(p.argmax()) if p.max() > eta["threshold"] else -1 for p in p_t]
    assert -1 in pseudo and len(set(pseudo)) > 2, pseudo  # both cases of Eq. 4, and two classes

    l_c = sum(-p_s[i, Y_S[i]].log() for i in range(n)) / n
    l_c_target = sum(-p_t[i, pseudo[i]].log() for i in range(n) if pseudo[i] >= 0) / n
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    l_h = sum((u_s[i] @ u_s[j] / BITS - (1 if Y_S[i] == Y_S[j] else -1)) ** 2 / 2 for i, j in pairs) / len(pairs)
    l_q = ((u_s - u_s.detach().sign()) ** 2).mean() / 2
    l_s = 0
    for label in range(CLASSES):
        mine, yours = [i for i in range(n) if Y_S[i] == label], [i for i in range(n) if pseudo[i] == label]
        if mine and yours:
            l_s = l_s + ((u_s[mine].mean(0) - u_t[yours].mean(0)) ** 2).sum() / (CLASSES * BITS)

    both = torch.cat([u_s, u_t])
    x_ss, x_ts = g_s(both)[:n], g_s(both)[n:]
    x_st, x_tt = g_t(both)[:n], g_t(both)[n:]
    l_1 = (X_S - x_ss).abs().mean() + (X_T - x_tt).abs().mean()

    def as_real(p, label):
        return -(p[label] if label >= 0 else 1 - p[-1]).log()

    def of_discriminators():
        total = 0
        for i in range(n):
            total = total + as_real(d_s(X_S[i : i + 1]).softmax(1)[0], int(Y_S[i]))
            total = total - d_s(x_ts[i : i + 1].detach()).softmax(1)[0, -1].log()
            total = total + as_real(d_t(X_T[i : i + 1]).softmax(1)[0], pseudo[i])
            total = total - d_t(x_st[i : i + 1].detach()).softmax(1)[0, -1].log()
        return total / n

    def told_apart(d, real, fake):
        right = [d(x[None]).softmax(1)[0, -1] < 0.5 for x in real] + [d(x[None]).softmax(1)[0, -1] > 0.5 for x in fake]
        return torch.stack(right).double().mean()

    accuracies = {"D_s": told_apart(d_s, X_S, x_ts), "D_t": told_apart(d_t, X_T, x_st)}
    l_d = of_discriminators()
    descend([d_s, d_t], l_d, 3 * GAN_RATE)  # D learns at three times G's rate

    l_a = sum(as_real(d_t(x_st[i : i + 1]).softmax(1)[0], int(Y_S[i])) for i in range(n)) / n
    l_a = l_a + sum(as_real(d_s(x_ts[i : i + 1]).softmax(1)[0], pseudo[i]) for i in range(n)) / n
    total = l_c + share * eta["epsilon"] * l_c_target + eta["alpha"] * (l_h + eta["v"] * l_q)
    total = total + share * eta["beta"] * l_s + eta["chi"] * l_1 + share * eta["adversarial"] * l_a
    gradients = torch.autograd.grad(total, [p for net in (e, c, g_s, g_t) for p in net.parameters()])
    apply([e, c], gradients[: sum(1 for net in (e, c) for _ in net.parameters())], RATE)
    apply([g_s, g_t], gradients[-sum(1 for net in (g_s, g_t) for _ in net.parameters()) :], GAN_RATE)
    return {"L_c": l_c + share * eta["epsilon"] * l_c_target, "L_h": l_h + eta["v"] * l_q, "L_s": l_s, "L_1": l_1} | {
        "L_a": l_a,
        "L_D": l_d,
        **accuracies,
    }


def descend(nets, loss, rate):
    apply(nets, torch.autograd.grad(loss, [p for net in nets for p in net.parameters()]), rate)


def apply(nets, gradients, rate):
    with torch.no_grad():
        for p, gradient in zip([p for net in nets for p in net.parameters()], gradients, strict=True):
            p -= rate * gradient


@pytest.mark.parametrize(("ramp", "step", "share"), [(False, 0, 1.0), (True, 0, 0.0), (True, 5, 0.9866142981514305)])
def test_update_is_the_obvious_one(ramp, step, share):
    plain = {"optimizer": "sgd", "batch_norm": False}
    method = make(3, ramp=ramp, learning_rate=RATE, gan_learning_rate=GAN_RATE, **plain).double()
    method.progress = step / 10
    with torch.no_grad():  # codes far from zero, and some target images confident while others are not
        method.net.encoder.code[-2].weight.mul_(20)
        method.net.classifier.weight.mul_(4)
    parts = (method.net.encoder, method.net.classifier, method.g_s, method.g_t, method.d_s, method.d_t)
    second = copy.deepcopy(parts)
    expected = obvious_update(*second, share)
    reported = method.update(X_S, Y_S, X_T)
    assert reported.keys() == expected.keys() | {"confident"}
    for name, value in expected.items():
        assert reported[name].item() == pytest.approx(value.item(), rel=1e-6), name
    for ours, obvious in zip(parts, second, strict=True):
        for (name, a), (_, b) in zip(ours.named_parameters(), obvious.named_parameters(), strict=True):
            assert torch.allclose(a, b, rtol=0, atol=1e-10), name


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("extras", [{}, {"centroid_memory": 0.7, "weight_average": 0.9}])
def test_state_taken_over_gives_the_same_next_update_to_the_bit(optimizer, extras):
    x_s, x_t = X_S.float(), X_T.float()
    first, second = (make(seed, optimizer=optimizer, **extras) for seed in (0, 1))
    for _ in range(3):
        first.update(x_s, Y_S, x_t)
    second.load_state_dict(copy.deepcopy(first.state_dict()), strict=True)
    for name, opt in second.optimizers.items():
        opt.load_state_dict(copy.deepcopy(first.optimizers[name].state_dict()))
    for method in (first, second):
        torch.manual_seed(5)
        for _ in range(2):
            method.update(x_s, Y_S, x_t)
    a, b = first.state_dict(), second.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a if isinstance(a[k], torch.Tensor))


def test_weights_come_from_the_seed_alone():
    a, b, c = make(0).state_dict(), make(0).state_dict(), make(1).state_dict()
    tensors = [k for k in a if isinstance(a[k], torch.Tensor)]
    assert all(torch.equal(a[k], b[k]) for k in tensors)
    assert not torch.equal(a["net.encoder.features.0.weight"], c["net.encoder.features.0.weight"])
    assert not torch.equal(a["g_s.layers.1.weight"], a["g_t.layers.1.weight"])
    assert not torch.equal(a["d_s.layers.0.weight"], a["d_t.layers.0.weight"])


def test_generators_and_discriminators_share_no_parameter():
    method = make()
    places = [{p.data_ptr() for p in net.parameters()} for net in (method.g_s, method.g_t, method.d_s, method.d_t)]
    assert len(set().union(*places)) == sum(map(len, places))
