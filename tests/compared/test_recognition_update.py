"""One update of each method of Tables 1 and 2 on four samples, against a second, plain writing of it in float64.

The plain writing loops over samples and descends by hand, so that a gradient that reaches a part it should not, or does
not reach one that it should, shows in the weights.
"""

import copy
import math
from dataclasses import replace

import pytest
import torch
from recognition_makers import CLASSES, NAMES, make

from igan_lib.compared.duplex import PUBLISHED
from igan_lib.data.domains import TrainingData
from igan_lib.experiment.presets import IMAGES_ONLY

RATE, BITS = 0.05, 8
Y_S = torch.tensor([0, 1, 0, 1])  # class 2 is absent
N = len(Y_S)


def samples(images, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (N, 1, 28, 28) if images else (N, 6)
    return torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1


def small(name, images=False, batch_norm=False, **own):
    """The method in float64, with plain gradient descent in the place of Adam."""
    x = samples(images, 1).float()
    data = TrainingData(x, Y_S, x, CLASSES)
    method = make(name, data, seed=3, settings={"code_length": BITS, "batch_norm": batch_norm}, **own).double().train()
    with torch.no_grad():
        for net in (method.net, method.source_only):
            net.classifier.weight.mul_(6)  # predictions that are far from even
        for p in method.source_only.parameters():
            p.add_(0.1 * torch.randn_like(p))  # not the network that is trained
    for key, optimizer in method.optimizers.items():
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        method.optimizers[key] = torch.optim.SGD(parameters, lr=RATE)
    return method


# ---------------------------------------------------------------- plain writings


def mean(terms):
    terms = list(terms)
    return sum(terms) / len(terms)


def cross_entropy(logits, y):
    """The mean over the samples with a label; 0 without any."""
    terms = [-(row[k].exp() / row.exp().sum()).log() for row, k in zip(logits, y, strict=True) if k >= 0]
    return mean(terms) if terms else logits.sum() * 0


def of_domains(d_s, d_t):
    """Binary cross-entropy, source 1 and target 0, the mean over both domains' samples."""
    as_source = [-(1 / (1 + (-d).exp())).log() for d in d_s]
    return mean(as_source + [-(1 - 1 / (1 + (-d).exp())).log() for d in d_t])


def apart(first, second, border=0.0):
    return mean([float(d > border) for d in first] + [float(d < border) for d in second])


def squares(values, asked):
    return ((values - asked) ** 2).sum() / values.numel()


def absolute(a, b):
    return (a - b).abs().sum() / a.numel()


def descend(loss, *nets, sign=1):
    """One step by hand; returns what has to be added to the weights where several losses are descended at once."""
    parameters = list({id(p): p for net in nets for p in net.parameters()}.values())
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return [(p, -sign * RATE * g) for p, g in zip(parameters, gradients, strict=True) if g is not None]


@torch.no_grad()
def move(*steps):
    for p, change in [pair for step in steps for pair in step]:
        p.add_(change)


def share_of(progress):
    return 2 / (1 + math.exp(-10 * progress)) - 1


def adversarial(m, loss_c, loss_d, weight, share):
    """E and C descend L_c, D its loss, and E ascends that of D."""
    e, c = m.net.encoder, m.net.classifier
    move(
        descend(loss_c, e, c),
        descend(weight * loss_d, m.discriminator),
        descend(weight * share * loss_d, e, sign=-1),
    )


def plain_dann(m, x_s, x_t):
    u_s, u_t = m.net.encoder(x_s), m.net.encoder(x_t)
    d_s, d_t = m.discriminator(u_s), m.discriminator(u_t)
    losses = {"L_c": cross_entropy(m.net.classifier(u_s), Y_S), "L_D": of_domains(d_s, d_t), "D": apart(d_s, d_t)}
    adversarial(m, losses["L_c"], losses["L_D"], m.adversarial, share_of(m.progress))
    return losses


def plain_cdan(m, x_s, x_t):
    u_s, u_t = m.net.encoder(x_s), m.net.encoder(x_t)

    def product(u):
        rows = []
        for code in u:
            p = [float(value) for value in m.net.classifier(code).softmax(0)]  # numbers: no gradient
            rows.append(torch.stack([bit * share for bit in code for share in p]))
        return torch.stack(rows)

    d_s, d_t = m.discriminator(product(u_s)), m.discriminator(product(u_t))
    losses = {"L_c": cross_entropy(m.net.classifier(u_s), Y_S), "L_D": of_domains(d_s, d_t), "D": apart(d_s, d_t)}
    adversarial(m, losses["L_c"], losses["L_D"], m.adversarial, share_of(m.progress))
    return losses


def plain_mmd(a, b):
    rows = [*a, *b]
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
    bar = mean(((rows[i] - rows[j]) ** 2).sum() for i, j in pairs).item()

    def k(x, y):
        return mean(torch.exp(-((x - y) ** 2).sum() / (2**q * bar)) for q in (-2, -1, 0, 1, 2))

    def within(sample):
        return mean(k(x, y) for i, x in enumerate(sample) for j, y in enumerate(sample) if i != j)

    return within(a) + within(b) - 2 * mean(k(x, y) for x in a for y in b)


def plain_dan(m, x_s, x_t):
    u_s, u_t = m.net.encoder(x_s), m.net.encoder(x_t)
    z_s, z_t = m.net.classifier(u_s), m.net.classifier(u_t)
    losses = {"L_c": cross_entropy(z_s, Y_S), "L_mmd": plain_mmd(u_s, u_t) + plain_mmd(z_s, z_t)}
    move(descend(losses["L_c"] + m.mmd * losses["L_mmd"], m.net))
    return losses


def plain_confusion(logits, temperature):
    p = [(row / temperature).exp() / (row / temperature).exp().sum() for row in logits]
    sure = [1 + math.exp(-float(-(q * q.log()).sum())) for q in p]
    weights = [len(p) * w / sum(sure) for w in sure]
    size = range(logits.shape[1])
    c = [[sum(w * q[j] * q[k] for w, q in zip(weights, p, strict=True)) for k in size] for j in size]
    return sum(c[j][k] / sum(c[j]) for j in size for k in size if j != k) / logits.shape[1]


def plain_mcc(m, x_s, x_t):
    losses = {"L_c": cross_entropy(m.net.logits(x_s), Y_S), "L_mcc": plain_confusion(m.net.logits(x_t), 2.5)}
    move(descend(losses["L_c"] + m.confusion * losses["L_mcc"], m.net))
    return losses


def plain_adda(m, x_s, x_t, frozen=None):
    frozen = frozen or m.source_only
    z_s, z_t = frozen.logits(x_s).detach(), m.net.logits(x_t)
    d_s, d_t = m.discriminator(z_s), m.discriminator(z_t.detach())
    losses = {"L_c": cross_entropy(z_s, Y_S), "L_D": of_domains(d_s, d_t), "D": apart(d_s, d_t)}
    move(descend(losses["L_D"], m.discriminator))
    losses["L_a"] = mean(-(1 / (1 + (-d).exp())).log() for d in m.discriminator(z_t))
    move(descend(losses["L_a"], m.net.encoder))
    return losses


def plain_mstn(m, x_s, x_t):
    u_s, u_t = m.net.encoder(x_s), m.net.encoder(x_t)
    z_s, z_t = m.net.classifier(u_s), m.net.classifier(u_t)
    d_s, d_t = m.discriminator(u_s), m.discriminator(u_t)
    losses = {"L_c": cross_entropy(z_s, Y_S), "L_D": of_domains(d_s, d_t), "D": apart(d_s, d_t)}
    predicted = [int(row.argmax()) for row in z_t]
    l_sm, old, known = 0.0, m.centroids.clone(), m.known.clone()
    for k in range(CLASSES):
        both = []
        for domain, u, y in ((0, u_s, Y_S.tolist()), (1, u_t, predicted)):
            members = [code for code, label in zip(u, y, strict=True) if label == k]
            if members:
                now = sum(members) / len(members)
                start = old[domain, k] if known[domain, k] else now.detach()
                both.append(0.7 * start + 0.3 * now)
                m.known[domain, k] = True
            else:
                both.append(old[domain, k])
            m.centroids[domain, k] = both[-1].detach()
        if m.known[0, k] and m.known[1, k]:
            l_sm = l_sm + ((both[0] - both[1]) ** 2).sum() / (CLASSES * BITS)
    losses["L_sm"] = l_sm
    share = share_of(m.progress)
    adversarial(m, losses["L_c"] + share * l_sm, losses["L_D"], m.adversarial, share)
    return losses


def plain_drcn(m, x_s, x_t):
    kept = torch.rand(x_t.shape, dtype=torch.float64) >= 0.5
    background = [x.min() if x.ndim == 3 else torch.zeros_like(x[0]) for x in x_t]
    damaged = torch.stack([torch.where(k, x, b) for k, x, b in zip(kept, x_t, background, strict=True)])
    losses = {"L_r": squares(m.decoder(m.net.encoder(damaged)) - x_t, 0.0)}
    if m.by_turns:
        move(descend(losses["L_r"], m.net.encoder, m.decoder))
        losses["L_c"] = cross_entropy(m.net.logits(x_s), Y_S)
        move(descend(losses["L_c"], m.net))
        return losses
    losses["L_c"] = cross_entropy(m.net.logits(x_s), Y_S)
    move(descend(m.balance * losses["L_c"] + (1 - m.balance) * losses["L_r"], m.net, m.decoder))
    return losses


def plain_shot(m, x_s, x_t):
    logits = m.net.logits(x_t)
    p = [row.exp() / row.exp().sum() for row in logits]
    average = sum(p) / N
    losses = {"L_im": mean(-(q * q.log()).sum() for q in p) + (average * average.log()).sum()}
    losses["L_p"] = cross_entropy(logits, m.labels[m.batch_t])
    move(descend(losses["L_im"] + (0.1 if x_t.ndim == 4 else 0.3) * losses["L_p"], m.net.encoder))
    return losses


def plain_duplex(m, x_s, x_t):
    e, c = m.net.encoder, m.net.classifier
    both = torch.cat([e(x_s), e(x_t)])  # the generator's batch norm sees both domains
    source, target = both.new_full((2 * N, 1), -1.0), both.new_full((2 * N, 1), 1.0)
    generator = m.g_s.generator
    # And both domains' drawings, so that it can't take out what names the domain.
    as_s, as_t = generator(torch.cat([torch.cat([both, source], 1), torch.cat([both, target], 1)])).chunk(2)
    x_ss, x_ts, x_st, x_tt = as_s[:N], as_s[N:], as_t[:N], as_t[N:]
    z_s, z_t, drawn_s, drawn_t = c(both[:N]), c(both[N:]), c(e(x_st)), c(e(x_ts))
    sure = [float(row.softmax(0).max()) for row in z_t]
    labels = [int(row.argmax()) for row in z_t]
    survives, alone = m.game.thresholds
    chosen = [p > survives and y == int(row.argmax()) for p, y, row in zip(sure, labels, drawn_t, strict=True)]
    if sum(chosen) < N / 2:
        chosen = [p > alone for p in sure]
    pseudo = [y if there else -1 for y, there in zip(labels, chosen, strict=True)]
    assert -1 in pseudo and len(set(pseudo)) > 1, pseudo

    def d_loss():
        fake = [CLASSES] * N
        return (
            cross_entropy(m.d_s(x_s), Y_S)
            + cross_entropy(m.d_t(x_t), pseudo)
            + cross_entropy(m.d_t(x_st.detach()), fake)
            + cross_entropy(m.d_s(x_ts.detach()), fake)
        )

    def told(d, real, drawn):
        right = [row.softmax(0)[-1] < 0.5 for row in d(real)] + [row.softmax(0)[-1] > 0.5 for row in d(drawn)]
        return mean(map(float, right))

    losses = {"L_D": d_loss(), "D_s": told(m.d_s, x_s, x_ts), "D_t": told(m.d_t, x_t, x_st)}
    losses |= {"confident": mean(map(float, chosen)), "L_c": cross_entropy(z_s, Y_S), "L_T": cross_entropy(z_t, pseudo)}
    move(descend(losses["L_D"], m.d_s, m.d_t))
    losses["L_r"] = squares(x_ss - x_s, 0.0) + squares(x_tt - x_t, 0.0)
    losses["L_x"] = 0.2 * cross_entropy(drawn_s, Y_S) + 0.15 * cross_entropy(drawn_t, pseudo)
    losses["L_a"] = cross_entropy(m.d_t(x_st), Y_S) + cross_entropy(m.d_s(x_ts), pseudo)
    weight = m.game.adversarial * (share_of(m.progress) if m.game.grows else 1)
    total = weight * losses["L_a"] + 0.2 * losses["L_c"] + 0.15 * losses["L_T"] + m.game.reconstruction * losses["L_r"]
    total = total + (losses["L_x"] if m.progress >= 0.1 else 0.0)
    move(descend(total, m.net, generator))
    return losses


def plain_i2i(m, x_s, x_t):
    e, c, w = m.net.encoder, m.net.classifier, m.weights
    u_s, u_t = e(x_s), e(x_t)
    as_s, as_t = m.g_s(torch.cat([u_s, u_t])), m.g_t(torch.cat([u_s, u_t]))
    x_ss, x_ts, x_st, x_tt = as_s[:N], as_s[N:], as_t[:N], as_t[N:]
    games = {"D_s": (m.d_s, x_s, x_ts), "D_t": (m.d_t, x_t, x_st), "D_z": (m.d_z, u_s, u_t)}
    losses = {name: apart(d(real), d(drawn), 0.5) for name, (d, real, drawn) in games.items()}
    losses["L_c"] = cross_entropy(c(u_s), Y_S)
    losses["L_D"] = sum(
        squares(d(real.detach()), 1) + squares(d(drawn.detach()), 0) for d, real, drawn in games.values()
    )
    move(descend(losses["L_D"], m.d_s, m.d_t, m.d_z))
    losses["L_z"] = squares(m.d_z(u_t), 1)  # reaches E through the target's codes alone
    losses["L_1"] = absolute(x_ss, x_s) + absolute(x_tt, x_t)
    losses["L_a"] = squares(m.d_t(x_st), 1) + squares(m.d_s(x_ts), 1)
    total = losses["L_c"] + w["z"] * losses["L_z"] + w["id"] * losses["L_1"] + w["tr"] * losses["L_a"]
    if w["cyc"]:
        codes = torch.cat([e(x_st), e(x_ts)])
        losses["L_cyc"] = absolute(m.g_s(codes)[:N], x_s) + absolute(m.g_t(codes)[N:], x_t)
        total = total + w["cyc"] * losses["L_cyc"]
    losses["L_trc"] = cross_entropy(c(e(x_st.detach())), Y_S)
    move(descend(total + w["trc"] * losses["L_trc"], m.net, m.g_s, m.g_t))
    return losses


def plain_cogan(m, x_s, x_t):
    e_s, e_t, c = m.source_net.encoder, m.net.encoder, m.net.classifier

    def draw():
        z = torch.randn(N, m.noise, dtype=torch.float64)
        return m.g_s(z), m.g_t(z)

    drawn_s, drawn_t = (x.detach() for x in draw())
    u_s, v_s, v_t = e_s(x_s), e_s(drawn_s), e_t(drawn_t)
    r = [m.real(u)[:, 0] for u in (u_s, v_s, e_t(x_t), v_t)]
    losses = {
        "L_c": cross_entropy(c(u_s), Y_S),
        "L_u": mean(((a - b) ** 2).sum() for a, b in zip(v_s, v_t, strict=True)),
    }
    losses["L_D"] = of_domains(r[0], r[1]) + of_domains(r[2], r[3])
    losses |= {"D_s": apart(r[0], r[1]), "D_t": apart(r[2], r[3])}
    move(descend(losses["L_D"] + 10 * losses["L_c"] + m.pairs * losses["L_u"], e_s, e_t, c, m.real))
    drawn_s, drawn_t = draw()
    passed = [*m.real(e_s(drawn_s))[:, 0], *m.real(e_t(drawn_t))[:, 0]]
    losses["L_G"] = mean(-(1 / (1 + (-d).exp())).log() for d in passed)
    move(descend(losses["L_G"], m.g_s, m.g_t))
    return losses


def plain_cycada(m, x_s, x_t):
    if m.progress >= 0.75:
        return plain_adda(m, m.to_t(x_s).detach(), x_t, m.retrained)
    if m.progress >= 0.5:
        losses = {"L_c": cross_entropy(m.net.logits(m.to_t(x_s).detach()), Y_S)}
        move(descend(losses["L_c"], m.net))
        m.retrained.load_state_dict(m.net.state_dict())
        return losses
    x_st, x_ts = m.to_t(x_s), m.to_s(x_t)
    games = {"D_s": (m.d_s, x_s, x_ts), "D_t": (m.d_t, x_t, x_st)}
    losses = {name: apart(d(real), d(drawn), 0.5) for name, (d, real, drawn) in games.items()}
    losses["L_D"] = sum(0.5 * squares(d(a), 1) + 0.5 * squares(d(b.detach()), 0) for d, a, b in games.values())
    move(descend(losses["L_D"], m.d_s, m.d_t))
    losses["L_a"] = 2 * squares(m.d_t(x_st), 1) + squares(m.d_s(x_ts), 1)
    losses["L_cyc"] = absolute(m.to_s(x_st), x_s) + absolute(m.to_t(x_ts), x_t)
    k = m.source_only.logits
    losses["L_sem"] = cross_entropy(k(x_st), Y_S) + cross_entropy(k(x_ts), k(x_t).argmax(1).tolist())
    move(descend(losses["L_a"] + losses["L_cyc"] + losses["L_sem"], m.to_s, m.to_t))
    return losses


PLAIN = {name: globals()[f"plain_{name}"] for name in NAMES}
CASES = [(name, progress) for name in NAMES for progress in (0.0, 0.3)]
CASES += [("drcn by turns", 0.3), ("drcn by turns on images", 0.3)]
CASES += [("cycada", 0.6), ("cycada", 0.8), ("duplex", 0.05), ("duplex with less L_a", 0.3), ("i2i with a cycle", 0.3)]
CASES += [(f"{name} on images", 0.3) for name in ("drcn", "duplex", "i2i", "shot")]
# Each domain, and real and drawn images, are normalised by themselves: one pass for both would be another method.
CASES += [(f"{name} with batch norm", 0.3) for name in NAMES]
CASES += [("cycada with batch norm", 0.6), ("cycada with batch norm", 0.8)]


@pytest.mark.parametrize(("case", "progress"), CASES)
def test_update_is_the_plain_one(case, progress):
    name = case.partition(" ")[0]
    own = {
        "cdan": {"dropout": 0.0},
        "duplex on images": {"game": replace(PUBLISHED, thresholds=(0.5, 0.51))},
        # Four samples of a network that has hardly learned: some are surer than this, others not.
        "duplex": {"game": replace(PUBLISHED, thresholds=(0.5, 0.6))},
        "duplex with less L_a": {
            "game": replace(PUBLISHED, thresholds=(0.5, 0.6), adversarial=0.3, reconstruction=2.0, grows=True)
        },
        "drcn by turns": {"by_turns": True},
        "drcn by turns on images": {"by_turns": True},
        "i2i with a cycle": {"weights": dict.fromkeys(("z", "id", "tr", "cyc", "trc"), 0.5)},
    }
    images = name in IMAGES_ONLY or case.endswith("on images")
    method = small(name, images, case.endswith("batch norm"), **own.get(case, own.get(name, {})))
    method.progress, method.batch_t = progress, torch.tensor([2, 0, 1, 3])
    if name == "shot":
        method.labels, method.labelled = torch.tensor([0, 2, 1, 1]), torch.tensor(4)
    if name == "mstn":
        method.known = torch.tensor([[True, False, True], [True, False, True]])
        method.centroids = torch.rand(2, CLASSES, BITS, dtype=torch.float64) * method.known[:, :, None]
    x_s, x_t = samples(images, 1), samples(images, 2)
    twin, before = copy.deepcopy(method), copy.deepcopy(method.state_dict())
    torch.manual_seed(5)
    expected = PLAIN[name](twin, x_s, x_t)
    torch.manual_seed(5)
    reported = method.update(x_s, Y_S, x_t)
    assert reported.keys() == expected.keys()
    for key, value in expected.items():
        assert reported[key].item() == pytest.approx(float(torch.as_tensor(value).detach()), rel=1e-5, abs=1e-7), key
        assert not reported[key].requires_grad
    ours, obvious = method.state_dict(), twin.state_dict()
    for key, value in ours.items():
        if "num_batches_tracked" not in key and "running" not in key:  # the plain writing looks more often
            assert torch.allclose(value, obvious[key], rtol=0, atol=1e-10), key
    assert any(not torch.equal(before[key], value) for key, value in ours.items())


@pytest.mark.parametrize(("name", "smoothing"), [("dann", 0.0), ("shot", 0.1)])
def test_a_step_on_the_source_is_the_plain_one(name, smoothing):
    method, x_s = small(name), samples(False, 1)
    twin = copy.deepcopy(method)
    asked = torch.full((N, CLASSES), smoothing / CLASSES, dtype=torch.float64)
    asked[range(N), Y_S.tolist()] += 1 - smoothing
    p = [row.exp() / row.exp().sum() for row in twin.net.logits(x_s)]
    expected = mean(-(q * row.log()).sum() for q, row in zip(asked, p, strict=True))
    move(descend(expected, twin.net))
    reported = method.pretrain(x_s, Y_S)
    assert list(reported) == ["L_c"] and reported["L_c"].item() == pytest.approx(expected.item(), rel=1e-6)
    for key, value in method.state_dict().items():
        assert torch.allclose(value, twin.state_dict()[key], rtol=0, atol=1e-10), key
