"""Watching a game changes nothing of it, and its picture shows what was kept."""

import numpy as np
import pytest
import torch

from igan_lib import load, preset
from igan_lib.experiment.methods import build
from igan_lib.training.fit import fit
from tools.game_pictures import games_side_by_side
from tools.game_views import watch


@pytest.fixture(scope="module")
def smoke():
    config = preset("mnist5k", "digits", profile="smoke", log_every=1, steps=10)
    return config, load(config)


@pytest.fixture(scope="module")
def game(smoke):
    return watch(*smoke, count=6, device="cpu")


def test_a_watched_training_is_the_same_training(smoke, game):
    config, pair = smoke
    unwatched = fit(build(config, pair), pair.for_training(), config, seed=0, progress=False)
    assert game.history == unwatched


def test_four_moments_are_kept_and_g_has_moved_between_them(game):
    assert list(game.drawn) == [1, 2, 3, 10]
    first, last = game.drawn[1], game.drawn[10]
    assert first.shape == last.shape == (6, 1, 28, 28)
    assert not torch.equal(first, last)


def test_without_the_adversarial_loss_nothing_is_drawn(smoke):
    config, pair = smoke
    game = watch(config.model_copy(update={"losses": ("c", "s", "1"), "steps": 2}), pair, device="cpu")
    assert game.drawn == {}
    assert games_side_by_side({"no game": game})


def test_the_picture_shows_accuracy_and_chance_of_each_game(game):
    fig = games_side_by_side({"one": game, "two": game})
    upper, lower = fig.axes[:2], fig.axes[2:]
    assert [ax.get_title(loc="left") or ax.get_title() for ax in upper] == ["one", "two"]
    for ax in lower:
        chance, d_s, d_t = ax.lines
        assert set(chance.get_ydata()) == {0.5}
        for line, name in ((d_s, "D_s"), (d_t, "D_t")):
            np.testing.assert_allclose(line.get_ydata(), [row[name] for row in game.history if name in row])
