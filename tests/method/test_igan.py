"""The method: each switch and each weight changes what it should and nothing else."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from igan_lib.method.config import ALL_LOSSES, IGANConfig
from igan_lib.method.igan import IGAN

CLASSES, BITS, STEPS = 3, 8, 10
COMPONENTS = {  # component -> the losses of which it needs one
    "net.encoder": "c",
    "net.classifier": "c",
    "g_s": "a1",
    "g_t": "a1",
    "d_s": "a",
    "d_t": "a",
}
SUBSETS = ["c" + "".join(rest) for n in range(5) for rest in itertools.combinations("sha1", n)]


def make(losses="csha1", seed=0, **settings):
    """A small IGAN of fixed weights: every image is confident, plain SGD-like steps, no ramp unless asked for."""
    values = {"threshold": 0.0, "optimizer": "sgd", "learning_rate": 0.05, "gan_learning_rate": 0.05, "ramp": False}
    values |= {"alpha": 1.0, "beta": 1.0, "chi": 1.0, "adversarial": 1.0, "epsilon": 1.0, "v": 0.1}
    sizes = {"code_length": BITS, "generator_width": 2, "discriminator_width": 2}
    torch.manual_seed(seed)
    return IGAN(IGANConfig(**(values | sizes | {"losses": tuple(losses)} | settings)), (1, 28, 28), CLASSES).train()


def images(seed, n=6):
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed)) * 2 - 1


X_S, X_T, OTHER_T, Y_S = images(1), images(2), images(3), torch.tensor([0, 1, 2, 0, 1, 2])


def updated(losses="csha1", x_t=X_T, step=0, **settings):
    method = make(losses, **settings)
    method.progress = step / STEPS
    method.update(X_S, Y_S, x_t)
    return method


def weights(method, component):
    return {name: p.detach().clone() for name, p in method.get_submodule(component).named_parameters()}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def same_state(first, second):
    a, b = first.state_dict(), second.state_dict()
    assert a.keys() == b.keys()
    return all(torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] for k in a)


def step_of(method, component="net.encoder", **start):
    """What the update added to the weights, as one vector in float64."""
    before = weights(make(**start), component)
    after = weights(method, component)
    return torch.cat([(after[name] - before[name]).flatten() for name in before]).double()


# ---------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"losses": ("h", "s")}, "must contain 'c'"),
        ({"losses": ("c", "h", "h")}, "each loss may be named once"),
        ({"losses": ("c", "x")}, "Input should be 'c'"),
        ({"alhpa": 0.1}, "Extra inputs are not permitted"),
        ({"code_length": 12}, "multiple of 8"),
        ({"code_length": 0}, "greater than or equal to 8"),
        ({"threshold": 1.0}, "less than 1"),
        ({"threshold": float("nan")}, "threshold"),
        ({"centroid_memory": 1.0}, "less than 1"),
        ({"weight_average": -0.1}, "greater than or equal to 0"),
        ({"alpha": -1}, "greater than or equal to 0"),
        ({"beta": float("inf")}, "finite number"),
        ({"epsilon": float("nan")}, "finite number"),
        ({"learning_rate": 0}, "greater than 0"),
        ({"generator_width": 0}, "greater than or equal to 1"),
        ({"generator_width": 0}, "greater than or equal to 1"),
        ({"encoder": "alexnet"}, "'lenet', 'conv4' or 'mlp'"),
        ({"optimizer": "lbfgs"}, "'adam' or 'sgd'"),
    ],
    ids=str,
)
def test_config_refuses(settings, message):
    with pytest.raises(ValidationError, match=message):
        IGANConfig(**settings)


def test_config_is_frozen_and_names_losses_in_one_order():
    config = IGANConfig(losses=("1", "a", "c", "h", "s"))
    assert config.losses == ALL_LOSSES and config == IGANConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.alpha = 3.0


# ---------------------------------------------------------------- switches


@pytest.mark.parametrize("losses", SUBSETS)
def test_only_what_is_on_exists_is_computed_and_moves(losses):
    method = make(losses)
    needed = {component for component, any_of in COMPONENTS.items() if set(any_of) & set(losses)}
    found = {name.rsplit(".", 1)[0] for name, _ in method.named_parameters()}
    for component in COMPONENTS:
        assert any(name.startswith(component) for name in found) == (component in needed)
    trained = {id(p) for opt in method.optimizers.values() for group in opt.param_groups for p in group["params"]}
    assert trained == {id(p) for p in method.parameters() if p.requires_grad}

    before = {component: weights(method, component) for component in needed}
    reported = method.update(X_S, Y_S, X_T)
    expected = (
        {"L_c", "confident"} | {f"L_{name}" for name in losses} | ({"L_D", "D_s", "D_t"} if "a" in losses else set())
    )
    assert set(reported) == expected
    assert all(value.shape == () and value.isfinite() and not value.requires_grad for value in reported.values())
    for component in needed:
        after = weights(method, component)
        assert all(not torch.equal(before[component][name], after[name]) for name in after), component
    assert all(p.grad is None for p in method.parameters())


@pytest.mark.parametrize("losses", SUBSETS)
@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_the_target_has_an_influence_only_through_the_losses_that_read_it(losses, epsilon):
    first, second = (updated(losses, x_t=x_t, epsilon=epsilon) for x_t in (X_T, OTHER_T))
    blind = epsilon == 0 and not set("sa1") & set(losses)
    assert same_state(first, second) == blind
    assert equal(weights(first, "net.encoder"), weights(second, "net.encoder")) == blind


def test_with_reconstruction_alone_each_generator_draws_its_own_domain():
    first, second = updated("c1"), updated("c1", x_t=OTHER_T)
    assert equal(weights(first, "g_s"), weights(second, "g_s"))
    assert not equal(weights(first, "g_t"), weights(second, "g_t"))


def test_with_the_game_alone_each_generator_sees_both_domains_as_with_all_losses():
    codes = []
    method = make("ca")
    method.net.register_forward_hook(lambda _, __, output: codes.append(output[0].detach()))
    drawn = {}
    for name in ("g_s", "g_t"):
        hook = lambda _, inputs, __, name=name: drawn.setdefault(name, []).append(inputs[0].detach())  # noqa: E731
        method.get_submodule(name).register_forward_hook(hook)
    method.update(X_S, Y_S, X_T)
    assert [len(calls) for calls in drawn.values()] == [1, 1]
    assert torch.equal(drawn["g_s"][0], torch.cat(codes)) and torch.equal(drawn["g_t"][0], torch.cat(codes))


def test_each_half_of_the_game_moves_its_own_side(monkeypatch):
    moved = []
    descend = IGAN._descend

    def watched(method, loss, *names):
        before = {component: weights(method, component) for component in COMPONENTS}
        descend(method, loss, *names)
        moved.append({c for c in COMPONENTS if not equal(before[c], weights(method, c))})

    monkeypatch.setattr(IGAN, "_descend", watched)
    updated()
    assert moved == [{"d_s", "d_t"}, {"net.encoder", "net.classifier", "g_s", "g_t"}]


@pytest.mark.parametrize(
    ("weight", "loss"),
    [("alpha", "h"), ("beta", "s"), ("chi", "1"), ("adversarial", "a"), ("epsilon", None), ("v", None)],
)
def test_a_weight_of_zero_is_a_loss_that_is_off(weight, loss):
    losses = "c" + (loss or ("h" if weight == "v" else ""))
    target = {} if weight == "epsilon" else {"epsilon": 0.0}
    off = updated(losses, **(target | {weight: 0.0}))
    on = updated(losses, **(target | {weight: 1.0}))
    for component in ("net.encoder", "net.classifier"):
        if loss:
            assert equal(weights(off, component), weights(updated("c", **target), component))
        # Only Eq. 5 reads the classifier's output; L_h, L_s, L_1 and L_a act on codes and images.
        same = component == "net.classifier" and weight != "epsilon"
        assert equal(weights(off, component), weights(on, component)) == same
    assert torch.equal(step_of(off), step_of(updated(losses, **(target | {weight: 0.0}))))
    half = updated(losses, **(target | {weight: 0.5}))
    assert torch.allclose(2 * (step_of(half) - step_of(off)), step_of(on) - step_of(off), atol=1e-6)


def test_a_zero_weight_of_a_generator_loss_stops_the_generators():
    for losses, weight in (("c1", "chi"), ("ca", "adversarial")):
        method = updated(losses, **{weight: 0.0})
        assert equal(weights(method, "g_s"), weights(make(losses), "g_s"))


# ---------------------------------------------------------------- schedule within the method


def test_ramp_is_zero_at_first_and_grows_as_written():
    start = step_of(updated(ramp=True, step=0))
    whole = step_of(updated(ramp=False)) - start
    without_target = step_of(updated(beta=0.0, epsilon=0.0, adversarial=0.0))
    assert torch.allclose(start, without_target, atol=1e-7)
    shares = []
    for step in (1, 3, STEPS - 1):
        part = step_of(updated(ramp=True, step=step)) - start
        shares.append((part @ whole / (whole @ whole)).item())
        assert torch.allclose(part, shares[-1] * whole, atol=1e-5)
        assert shares[-1] == pytest.approx(2 / (1 + math.exp(-10 * step / STEPS)) - 1, rel=1e-3)
    assert shares == sorted(shares)


def test_pretraining_sees_the_source_and_moves_encoder_and_classifier():
    for losses, names in (("csha1", {"L_c", "L_h"}), ("ca", {"L_c"})):
        method, start = make(losses), make(losses)
        assert set(method.pretrain(X_S, Y_S)) == names
        for component in COMPONENTS:
            if component in dict(method.named_modules()):
                moves = component.startswith("net")
                assert equal(weights(method, component), weights(start, component)) != moves
    without_hash, with_hash = make("c"), make("ch")
    for method in (without_hash, with_hash):
        method.pretrain(X_S, Y_S)
    assert not equal(weights(without_hash, "net.encoder"), weights(with_hash, "net.encoder"))


def test_the_source_only_network_stays_as_it_was_after_pretraining():
    method = make()
    method.pretrain(X_S, Y_S)
    method.finish_pretraining()
    kept = copy.deepcopy(method.net)
    method.update(X_S, Y_S, X_T)
    assert same_state(method.source_only, kept) and not same_state(method.net, kept)


def test_a_stage_keeps_the_encoder_and_draws_the_rest_anew():
    method = make(optimizer="adam")
    for _ in range(2):
        method.update(X_S, Y_S, X_T)
    before = {component: weights(method, component) for component in COMPONENTS}
    encoder, old = copy.deepcopy(method.net.encoder), dict(method.optimizers)
    method.start_stage()
    assert same_state(method.net.encoder, encoder)
    for component in COMPONENTS.keys() - {"net.encoder"}:
        after = weights(method, component)
        matrices = [name for name, p in after.items() if p.ndim > 1]
        assert matrices and not any(torch.equal(before[component][name], after[name]) for name in matrices)
    for name, opt in method.optimizers.items():
        assert (opt is old[name]) == (name == "encoder")
        assert bool(opt.state) == (name == "encoder")
    fresh = {component: weights(method, component) for component in COMPONENTS}
    method.update(X_S, Y_S, X_T)
    assert not any(equal(fresh[component], weights(method, component)) for component in COMPONENTS)


# ---------------------------------------------------------------- what igan+ adds


def test_centroid_memory_is_the_recursion_of_moving_averages():
    keep, n = 0.7, CLASSES
    method = make("cs", centroid_memory=keep, threshold=0.5, epsilon=0.0)
    seen = []
    method.net.register_forward_hook(lambda _, __, output: seen.append([t.detach().numpy() for t in output]))
    memory, known = np.zeros((2, n, BITS)), np.zeros((2, n), bool)
    for step, y_s in enumerate(([0, 0, 0, 0, 1, 1], [0, 1, 0, 1, 0, 1], [2, 2, 2, 1, 1, 1], [0, 0, 1, 1, 2, 2])):
        reported = method.update(images(step), torch.tensor(y_s), images(10 + step))
        (u_s, _), (u_t, logits_t) = seen[-2:]
        p = np.exp(logits_t - logits_t.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        pseudo = np.where(p.max(1) > 0.5, p.argmax(1), -1)
        for domain, (u, y) in enumerate(((u_s, np.array(y_s)), (u_t, pseudo))):
            for label in set(y.tolist()) - {-1}:
                now = u[y == label].mean(0)
                memory[domain, label] = keep * memory[domain, label] + (1 - keep) * now if known[domain, label] else now
                known[domain, label] = True
        both = known.all(0)
        expected = ((memory[0] - memory[1])[both] ** 2).sum() / (n * BITS)
        assert reported["L_s"].item() == pytest.approx(expected, abs=1e-6)
    assert known[0].all()
    assert np.allclose(method.centroids.numpy(), memory, atol=1e-6)


def test_centroid_memory_weakens_the_pull_on_the_newest_codes():
    plain, averaged = (make("cs", centroid_memory=keep, epsilon=0.0) for keep in (0.0, 0.75))
    u = torch.rand(6, BITS)
    gradients = []
    for method in (plain, averaged):
        u_s = u.clone().requires_grad_()
        method._centroid_loss(u_s, Y_S, -u, Y_S).backward()
        gradients.append(u_s.grad)
    assert torch.allclose(gradients[1], 0.25 * gradients[0])


def test_weight_average_is_its_recursion_and_is_what_is_evaluated():
    decay = 0.8
    method = make(weight_average=decay)
    method.finish_pretraining()
    expected = None
    for _ in range(4):
        method.update(X_S, Y_S, X_T)
        now = {name: t.clone().double() for name, t in method.net.state_dict().items() if t.is_floating_point()}
        expected = now if expected is None else {n: decay * expected[n] + (1 - decay) * now[n] for n in now}
    average = method.inference_net.state_dict()
    assert all(torch.allclose(average[name].double(), expected[name], atol=1e-6) for name in expected)
    method.eval()
    assert torch.equal(method.encode(X_T), method.averaged.encode(X_T))
    assert not torch.equal(method.encode(X_T), method.net.encode(X_T))
    assert torch.equal(method.logits(X_T), method.averaged(X_T)[1])


def test_without_weight_average_the_last_step_is_evaluated():
    method = updated().eval()
    assert method.inference_net is method.net
    assert torch.equal(method.encode(X_T), method.net.encoder(X_T))
    assert torch.equal(method.logits(X_T), method.net.classifier(method.net.encoder(X_T)))


def test_bf16_stays_close_to_float32():
    exact, rounded = make(), make(precision="bf16")
    a, b = (method.update(X_S, Y_S, X_T) for method in (exact, rounded))
    assert all(p.dtype == torch.float32 for p in rounded.parameters())
    for name in ("L_c", "L_h", "L_1", "L_D"):
        assert b[name].dtype == torch.float32 and b[name].item() == pytest.approx(a[name].item(), rel=0.1)
    assert not equal(weights(exact, "net.encoder"), weights(rounded, "net.encoder"))
