"""The adversarial game: what D can do, what is logged of it, and what its parameters change."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igan_lib.data.domains import load_pair
from igan_lib.data.images import to_input
from igan_lib.method import losses as L
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN

logits = st.lists(st.lists(st.floats(-30, 30), min_size=3, max_size=3), min_size=1, max_size=7).map(torch.tensor)


@given(logits, logits)
def test_accuracy_is_the_mean_of_both_kinds_share(real, fake):
    def p_fake(row):
        weights = [float(torch.tensor(float(x), dtype=torch.float64).exp()) for x in row]
        return weights[-1] / sum(weights)

    right_real = [p_fake(row) < 0.5 for row in real]
    right_fake = [p_fake(row) > 0.5 for row in fake]
    expected = (sum(right_real) / len(real) + sum(right_fake) / len(fake)) / 2
    on_the_edge = any(abs(p_fake(row) - 0.5) < 1e-6 for row in (*real, *fake))
    assert on_the_edge or float(L.discriminator_accuracy(real, fake)) == pytest.approx(expected)


def test_one_answer_to_everything_is_chance():
    same = torch.tensor([[1.0, 2.0, 0.0]]).expand(5, 3)
    assert float(L.discriminator_accuracy(same, same)) == 0.5


def digits():
    data = load_pair("mnist5k", "digits").for_training()
    return to_input(data.x_s), data.y_s, to_input(data.x_t)


def features():
    """Sparse and not negative, as behind a ReLU; of ten classes, moved by a constant in the target."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(2000) % 10
    means = torch.randn(10, 64, generator=generator)
    x_s, x_t = ((means[y] + shift + torch.randn(2000, 64, generator=generator)).relu() for shift in (0.0, 0.3))
    return x_s, y, x_t


@pytest.mark.parametrize("kind", ["n+1", "real/fake"])
@pytest.mark.parametrize(("made", "encoder"), [(digits, "lenet"), (features, "mlp")])
def test_with_e_and_g_fixed_each_d_tells_95_percent_within_200_steps(kind, made, encoder):
    x_s, y_s, x_t = made()
    torch.manual_seed(0)
    method = IGAN(IGANConfig(encoder=encoder, discriminators=kind), tuple(x_s.shape[1:]), 10).train()
    seen = []
    for step in range(200):
        generator = torch.Generator().manual_seed(step)
        picks_s, picks_t = (torch.randint(len(x), (50,), generator=generator) for x in (x_s, x_t))
        with torch.no_grad():
            u_s, u_t = method.net.encode(x_s[picks_s]), method.net.encode(x_t[picks_t])
            x_st, x_ts = method.g_t(u_s), method.g_s(u_t)
        none = torch.full((50,), L.NO_LABEL)
        seen.append(method._train_discriminators(x_s[picks_s], y_s[picks_s], x_ts, x_t[picks_t], none, x_st))
    for name in ("D_s", "D_t"):
        assert torch.stack([row[name] for row in seen[-20:]]).mean() > 0.95, name


def one_update(**settings):
    torch.manual_seed(0)
    method = IGAN(IGANConfig(generator_width=2, discriminator_width=2, **settings), (1, 28, 28), 3)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    x = torch.rand(12, 1, 28, 28, generator=torch.Generator().manual_seed(1)) * 2 - 1
    logged = method.update(x, torch.arange(12) % 3, x.flip(0))
    moved = {
        name: float((p.detach() - before[name]).abs().max()) for name, p in method.named_parameters() if name in before
    }
    return logged, moved


def test_the_rate_of_d_moves_d_alone():
    (_, usual), (_, fast) = one_update(discriminator_rate=1.0), one_update(discriminator_rate=4.0)
    for name, step in usual.items():
        if name.startswith("d_") and step:
            assert fast[name] == pytest.approx(4 * step, rel=1e-3), name
        elif name.startswith(("g_", "net.encoder")) and not step:
            assert not fast[name], name


def test_d_takes_its_own_number_of_steps():
    (_, once), (_, thrice) = one_update(), one_update(discriminator_steps=3)
    bias = "d_s.layers.7.bias"
    assert 2 * once[bias] < thrice[bias] <= 3.01 * once[bias]


def test_the_norm_of_each_layer_of_a_spectral_d_is_bounded():
    torch.manual_seed(0)
    method = IGAN(IGANConfig(spectral_norm=True, discriminator_width=4), (1, 28, 28), 3)
    layers = [m for m in method.d_s.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(layers) == 4
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2) < 1.3  # by power iterations, so about 1


def test_noise_on_what_d_sees_falls_to_nothing():
    method = IGAN(IGANConfig(instance_noise=0.5), (1, 28, 28), 3)
    x = torch.zeros(200, 1, 28, 28)
    for progress, deviation in ((0.0, 0.5), (0.6, 0.2), (1.0, 0.0)):
        method.progress = progress
        assert float(method._seen(x).std()) == pytest.approx(deviation, abs=0.01)


def test_update_says_what_each_d_tells_apart_and_nothing_without_l_a():
    logged, _ = one_update()
    assert 0 <= logged["D_s"] <= 1 and 0 <= logged["D_t"] <= 1
    assert not {"D_s", "D_t"} & set(one_update(losses=("c", "s", "h", "1"))[0])
