"""L_n against a double loop, and what becomes of it in an update, in a whole training and in a resumed one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_makers import make_pair, one_sentence

from igan_lib.data.domains import Domain, DomainPair, Split
from igan_lib.errors import ConfigError
from igan_lib.experiment.methods import build
from igan_lib.experiment.presets import preset
from igan_lib.training.fit import fit
from igan_lib.training.neighbours import NeighbourMemory, nearest_neighbours, neighbour_loss

SMALL = {"profile": "smoke", "batch_size": 31, "steps": 6, "pretrain_steps": 3, "log_every": 1, "checkpoint_every": 2}
PLUS = {"feature_dropout": 0.5, "neighbour_weight": 0.3, "neighbours": 3}


def features(n, width, seed):
    return torch.rand(n, width, generator=torch.Generator().manual_seed(seed)) * 3


def office_like(n=62, width=40):
    names = tuple(f"thing {k}" for k in range(31))
    domains = []
    for seed, name in enumerate(("webcam", "dslr")):
        split = Split(features(n, width, seed), torch.arange(n) % 31)
        domains.append(Domain(name, split, split, names))
    return DomainPair(*domains)


def config(**settings):
    return preset("webcam", "dslr", **(SMALL | PLUS | settings))


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 100), st.data())
def test_neighbours_are_the_most_alike_by_the_cosine_of_centred_features(n, width, seed, data):
    x = features(n, width, seed).double()
    k = data.draw(st.integers(1, n - 1))
    found = nearest_neighbours(x, k)
    assert found.shape == (n, k)
    middle = [sum(row[c].item() for row in x) / n for c in range(width)]
    rows = [[row[c].item() - middle[c] for c in range(width)] for row in x]
    for i in range(n):
        cosine = {}
        for j in range(n):
            lengths = [max(sum(v * v for v in rows[m]) ** 0.5, 1e-12) for m in (i, j)]
            cosine[j] = sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) / (lengths[0] * lengths[1])
        chosen, others = found[i].tolist(), set(range(n)) - {i} - set(found[i].tolist())
        assert i not in chosen and len(set(chosen)) == k
        values = [cosine[j] for j in chosen]
        assert values == pytest.approx(sorted(values, reverse=True))
        assert not others or min(values) >= max(cosine[j] for j in others) - 1e-9


@pytest.mark.parametrize(("rows", "columns"), [(7, 10_000), (1000, 9), (7, 9), (7, 3), (1, 1)])
def test_neighbours_of_many_images_are_found_in_parts(rows, columns, monkeypatch):
    x = features(50, 8, 0)
    whole = nearest_neighbours(x, 4)
    monkeypatch.setattr("igan_lib.training.neighbours._ROWS", rows)
    monkeypatch.setattr("igan_lib.training.neighbours._COLUMNS", columns)
    assert torch.equal(nearest_neighbours(x, 4), whole)


@pytest.mark.parametrize("k", [0, 5])
def test_more_neighbours_than_there_are_others_are_refused(k):
    with pytest.raises(ConfigError, match=r"Expected from 1 to 4 neighbours among 5 images, found \d: change k"):
        nearest_neighbours(features(5, 3, 0), k)


def test_the_loss_is_the_double_loop_and_pulls_codes_to_their_neighbours():
    u = (features(4, 8, 1).double() / 1.5 - 1).requires_grad_(True)
    b = features(4 * 3, 8, 2).double().view(4, 3, 8) / 1.5 - 1
    loss = neighbour_loss(u, b)
    obvious = sum((sum(u[i, c] * b[i, j, c] for c in range(8)) / 8 - 1) ** 2 for i in range(4) for j in range(3)) / 12
    torch.testing.assert_close(loss, obvious)
    loss.backward()
    assert neighbour_loss(u.detach() - 0.01 * u.grad, b) < loss
    same = torch.ones(2, 8)
    assert neighbour_loss(same, same[:, None]) == 0 and neighbour_loss(same, -same[:, None]) == 4


def test_the_memory_holds_the_codes_that_were_seen_last():
    memory = NeighbourMemory(features(9, 5, 3), k=2, code_length=8)
    first = (features(9, 8, 4) / 1.5 - 1).requires_grad_(True)
    memory.loss(first, torch.arange(9)).backward()
    assert first.grad.abs().max() == 0  # nothing was seen before
    second = (features(3, 8, 5) / 1.5 - 1).requires_grad_(True)
    picked = torch.tensor([7, 0, 4])
    loss = memory.loss(second, picked)
    torch.testing.assert_close(loss, neighbour_loss(second, first.detach()[memory.nearest[picked]]))
    loss.backward()
    assert second.grad.abs().max() > 0
    assert torch.equal(memory.codes[picked], second.detach())
    rest = [i for i in range(9) if i not in picked]
    assert torch.equal(memory.codes[rest], first.detach()[rest])


def test_the_update_adds_the_loss_with_weight_and_ramp():
    pair, weights = office_like(), []
    for weight in (0.3, 1.0):
        method = build(config(losses=("c",), epsilon=0.0, feature_dropout=0.0, neighbour_weight=weight), pair).train()
        method.memory.codes.uniform_(-1, 1, generator=torch.Generator().manual_seed(6))
        method.progress, method.batch_t = 0.5, torch.arange(31)
        caught = []
        method._descend = lambda total, *names, caught=caught: caught.append(total.detach())
        x_s, y_s, x_t = pair.source.train.images[:31], pair.source.train.labels[:31], pair.target.train.images[:31]
        losses = method.update(x_s, y_s, x_t)
        assert set(losses) == {"L_c", "L_n", "confident"}
        weights.append((caught[0] - losses["L_c"]) / losses["L_n"])
    growth = 0.9866142981514305  # ramp(0.5)
    torch.testing.assert_close(torch.stack(weights), growth * torch.tensor([0.3, 1.0]))


def test_the_trainer_says_which_images_a_batch_holds():
    pair, seen = make_pair(), []

    class Asking(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.optimizers = {}

        def finish_pretraining(self):
            pass

        def update(self, x_s, y_s, x_t):
            seen.append((self.batch_t.clone(), x_t))
            return {"L": torch.zeros(())}

    schedule = preset("mnist", "usps", profile="smoke", batch_size=7, pretrain_steps=0, steps=9)
    fit(Asking(), pair.for_training(), schedule, seed=0, progress=False)
    for batch_t, x_t in seen:
        assert torch.equal(x_t, pair.target.train.images[batch_t].float() / 127.5 - 1)
    assert torch.cat([batch_t for batch_t, _ in seen]).unique().numel() == len(pair.target.train.images)


@pytest.mark.parametrize("losses", [("c", "s", "h"), ("c", "s", "h", "a", "1")])
def test_a_resumed_training_ends_as_one_that_was_not_interrupted(losses, tmp_path):
    pair, asked = office_like(), config(losses=losses)

    def trained(checkpoint, stop=None):
        method = build(asked, pair)

        def interrupt(step, *_):
            if step == stop:
                raise KeyboardInterrupt

        options = {"seed": 0, "progress": False, "checkpoint": checkpoint, "on_log": interrupt}
        history = fit(method, pair.for_training(), asked, **options)
        return history, method.state_dict()

    whole, weights = trained(tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut.pt", stop=7)
    history, again = trained(tmp_path / "cut.pt")
    assert history == whole and weights.keys() == again.keys()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert weights["memory.codes"].abs().sum() > 0 and "memory.nearest" not in weights
    assert {"L_n"} <= whole[-1].keys() and "L_n" not in whole[0]


def test_dropout_is_for_training_alone():
    pair = office_like()
    encoder = build(config(), pair).net.encoder
    x = pair.source.train.images
    assert not torch.equal(encoder.train()(x), encoder(x))
    assert torch.equal(encoder.eval()(x), encoder(x))
    dah = build(preset("webcam", "dslr", method="dah", profile="smoke", batch_size=31, feature_dropout=0.5), pair)
    assert dah.net.encoder.dropout.p == 0.5


@pytest.mark.parametrize(
    ("source", "target", "settings", "words"),
    [
        ("mnist", "usps", {"feature_dropout": 0.5}, "feature_dropout goes with the encoder mlp"),
        ("mnist", "usps", {"neighbour_weight": 0.3}, "features of a frozen backbone"),
        ("webcam", "dslr", {"neighbour_weight": 0.3, "regime": "finetuned"}, "features of a frozen backbone"),
        ("webcam", "dslr", {"method": "itq", "feature_dropout": 0.5}, "itq does not read feature_dropout"),
        ("webcam", "dslr", {"method": "dah", "neighbour_weight": 0.5}, "dah does not read neighbour_weight"),
    ],
)
def test_what_has_no_effect_is_refused(source, target, settings, words):
    with pytest.raises(ConfigError) as caught:
        preset(source, target, **settings)
    one_sentence(caught.value, words)
