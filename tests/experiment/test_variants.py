"""What the paper argues against (one generator, real/fake discriminators), and IGAN on features."""

import pytest
import torch
from method_makers import one_sentence

from igan_lib.data.domains import TrainingData
from igan_lib.errors import ConfigError
from igan_lib.experiment.evaluation import codes_and_logits, recalibrated
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.training.fit import fit
from igan_lib.training.schedule import Schedule

CLASSES, BITS, SHAPE = 3, 8, (1, 28, 28)
Y_S, OTHER_Y = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([2, 2, 1, 1, 0, 0])


def make(shape=SHAPE, **settings):
    sizes = {"code_length": BITS, "generator_width": 2, "discriminator_width": 2, "threshold": 0.0}
    torch.manual_seed(0)
    return IGAN(IGANConfig(**(sizes | {"ramp": False} | settings)), shape, CLASSES).train()


def inputs(seed, shape=SHAPE, n=6):
    x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))
    return x * 2 - 1 if len(shape) == 3 else x * 3


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()]).clone()


# ---------------------------------------------------------------- one generator


def test_one_generator_is_shared_and_told_the_domain():
    method = make(generators="one")
    shared = method.g_s.generator
    assert method.g_t.generator is shared
    ids = [id(p) for group in method.optimizers["generators"].param_groups for p in group["params"]]
    assert len(ids) == len(set(ids)) and set(ids) == {id(p) for p in shared.parameters()}
    u = torch.rand(4, BITS) * 2 - 1
    seen = []
    shared.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    drawn_s, drawn_t = method.g_s(u), method.g_t(u)
    assert not torch.equal(drawn_s, drawn_t)
    for codes, domain in zip(seen, (-1.0, 1.0), strict=True):
        assert torch.equal(codes, torch.cat([u, torch.full((4, 1), domain)], dim=1))


def test_two_generators_share_nothing():
    method = make()
    assert not {id(p) for p in method.g_s.parameters()} & {id(p) for p in method.g_t.parameters()}


def test_the_one_generator_learns_from_both_domains_and_both_losses():
    for losses in (("c", "1"), ("c", "a")):
        method = make(generators="one", losses=losses)
        before = weights(method.g_s)
        method.update(inputs(1), Y_S, inputs(2))
        assert not torch.equal(weights(method.g_s), before)
        assert torch.equal(weights(method.g_s), weights(method.g_t))


def test_one_generator_goes_through_a_checkpoint_and_a_stage(tmp_path):
    data = TrainingData(*(torch.zeros(6, *SHAPE, dtype=torch.uint8), Y_S, torch.ones(6, *SHAPE, dtype=torch.uint8)), 3)
    schedule = Schedule(pretrain_steps=1, steps=4, batch_size=6, stages=2, checkpoint_every=3)
    straight, first, second = (make(generators="one") for _ in range(3))
    fit(straight, data, schedule, seed=0, progress=False)
    path = tmp_path / "one.pt"

    class Stopped(Exception):
        pass

    def stop(step, *_):
        if step == 4:
            raise Stopped

    with pytest.raises(Stopped):
        fit(first, data, schedule.model_copy(update={"log_every": 1}), seed=0, checkpoint=path, on_log=stop)
    fit(second, data, schedule, seed=0, checkpoint=path, progress=False)
    assert torch.equal(weights(straight), weights(second))
    assert second.g_s.generator is second.g_t.generator


# ---------------------------------------------------------------- real/fake discriminators


def test_real_fake_discriminators_do_not_see_the_classes():
    moved = {}
    for kind in ("n+1", "real/fake"):
        for labels in (Y_S, OTHER_Y):
            method = make(discriminators=kind, losses=("c", "a"), epsilon=0.0)
            assert method.d_s(inputs(1)).shape == (6, 4 if kind == "n+1" else 2)
            method.update(inputs(1), labels, inputs(2))
            moved[kind, labels is Y_S] = torch.cat([weights(part) for part in (method.d_s, method.d_t, method.g_t)])
    assert torch.equal(moved["real/fake", True], moved["real/fake", False])
    assert not torch.equal(moved["n+1", True], moved["n+1", False])


def test_real_fake_losses_are_binary_cross_entropies():
    method = make(discriminators="real/fake", losses=("c", "a"), gan_learning_rate=1e-12)
    x_s, x_t = inputs(1), inputs(2)
    with torch.no_grad():
        u_s, u_t = method.net.encoder(x_s), method.net.encoder(x_t)
        both = torch.cat([u_s, u_t])  # the generators' batch norm sees both domains
        game = [(method.d_s, x_s, method.g_s(both)[6:]), (method.d_t, x_t, method.g_t(both)[:6])]
        p_real = [[d(x).softmax(1)[:, 0] for x in (real, fake)] for d, real, fake in game]
    losses = method.update(x_s, Y_S, x_t)
    expected_d = sum(-real.log().mean() - (1 - fake).log().mean() for real, fake in p_real)
    expected_g = sum(-fake.log().mean() for _, fake in p_real)
    torch.testing.assert_close(losses["L_D"], expected_d, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(losses["L_a"], expected_g, atol=1e-5, rtol=1e-5)


# ---------------------------------------------------------------- features


def feature_data(n=60, width=12):
    """Three classes as three bright thirds of the vector; in the target the thirds are paler."""
    labels = torch.arange(n) % CLASSES
    thirds = torch.nn.functional.one_hot(labels, CLASSES).float().repeat_interleave(width // CLASSES, dim=1)
    noise = torch.rand(2, n, width, generator=torch.Generator().manual_seed(3))
    return TrainingData(3 * thirds + noise[0], labels, 1.5 * thirds + noise[1], CLASSES)


def test_igan_learns_on_features_as_on_images():
    data = feature_data()
    method = make((12,), encoder="mlp", threshold=0.5, learning_rate=5e-3, gan_learning_rate=5e-3)
    schedule = Schedule(pretrain_steps=10, steps=30, batch_size=30, balanced=True, log_every=1)
    history = fit(method, data, schedule, seed=0, progress=False)
    assert {"L_c", "L_h", "L_s", "L_a", "L_1", "L_D", "confident"} <= history[-1].keys()
    assert history[-1]["L_c"] < 0.5 * history[0]["L_c"] and history[-1]["L_1"] < 0.9 * history[10]["L_1"]
    u, logits = codes_and_logits(recalibrated(method.net, data.x_t), data.x_t)
    assert u.shape == (60, BITS) and (logits.argmax(1) == data.y_s).float().mean() > 0.9


def test_features_reach_every_component():
    method = make((12,), encoder="mlp")
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    method.update(inputs(1, (12,)), Y_S, inputs(2, (12,)))
    still = {name for name, p in method.named_parameters() if torch.equal(p, before[name])}
    assert still == {name for name in before if name.startswith("source_only.")}


def test_features_are_not_augmented():
    schedule = Schedule(pretrain_steps=1, steps=1, batch_size=6, augment=True)
    with pytest.raises(ConfigError) as caught:
        fit(make((12,), encoder="mlp"), feature_data(), schedule, seed=0, progress=False)
    one_sentence(caught.value, "augment", "features")
