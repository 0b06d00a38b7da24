"""The random affine maps of igan+, and the random crops of photographs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from method_makers import Stub, stub_data

from igan_lib.training import fit as training
from igan_lib.training.augment import random_affine, random_crops
from igan_lib.training.schedule import Schedule


def images(n=4, channels=1, size=28, seed=0):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def numpy_shift(image, right, down):
    """The image moved by whole pixels, its border continued."""
    size = image.shape[-1]
    rows = np.clip(np.arange(size) - down, 0, size - 1)
    columns = np.clip(np.arange(size) - right, 0, size - 1)
    return image[..., rows[:, None], columns]


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32)])
def test_zero_amounts_change_nothing(channels, size):
    x = images(channels=channels, size=size)
    assert torch.allclose(random_affine(x, degrees=0, scale=0, shift=0), x, atol=1e-4)


def test_range_shape_and_dtype_are_kept():
    x = images(64, 3, 32)
    y = random_affine(x, degrees=45, scale=0.5, shift=0.3)
    assert y.shape == x.shape and y.dtype == x.dtype
    assert y.min() >= -1 - 1e-6 and y.max() <= 1 + 1e-6
    assert torch.allclose(random_affine(torch.full((8, 1, 28, 28), -1.0)), torch.tensor(-1.0))  # no new ground appears


@pytest.mark.parametrize(("right", "down"), [(2, 0), (0, 3), (-1, 2), (0, -2)])
def test_shift_is_that_of_numpy(monkeypatch, right, down):
    size = 28
    x = images(2)
    # The grid says where each pixel comes from: a shift of s * amount takes it from further right and down.
    amount = torch.zeros(5, 2)
    amount[3], amount[4] = -right, -down
    monkeypatch.setattr(torch, "rand", lambda *_, **__: (amount + 1) / 2)
    y = random_affine(x, degrees=0, scale=0, shift=1 / size)
    assert np.allclose(y.numpy(), numpy_shift(x.numpy(), right, down), atol=1e-4)


def test_quarter_turn_is_that_of_numpy(monkeypatch):
    x = images(2)
    amount = torch.zeros(5, 2)
    amount[0] = 1
    monkeypatch.setattr(torch, "rand", lambda *_, **__: (amount + 1) / 2)
    y = random_affine(x, degrees=90, scale=0, shift=0).numpy()
    assert np.allclose(y, np.rot90(x.numpy(), 1, axes=(2, 3)), atol=1e-4)


def test_scale_shrinks_and_enlarges_along_each_axis(monkeypatch):
    x = -torch.ones(1, 1, 28, 28)
    x[..., 10:18, 10:18] = 1  # a square of 8 x 8
    for sx, sy in ((1, 0), (0, 1), (-1, -1)):
        amount = torch.tensor([0.0, sx, sy, 0, 0])[:, None]
        monkeypatch.setattr(torch, "rand", lambda *_, amount=amount, **__: (amount + 1) / 2)
        square = random_affine(x, degrees=0, scale=0.5, shift=0)[0, 0] > 0
        wide, high = square.any(0).sum().item(), square.any(1).sum().item()
        assert wide == pytest.approx(8 / (1 + 0.5 * sx), abs=1)
        assert high == pytest.approx(8 / (1 + 0.5 * sy), abs=1)


def test_amounts_stay_below_their_bounds_and_differ_between_images():
    torch.manual_seed(0)
    ramp = torch.linspace(-1, 1, 28).expand(200, 1, 28, 28)
    moved = random_affine(ramp, degrees=0, scale=0, shift=0.1)
    pixels = (moved - ramp)[:, 0, 14, 14] / (2 / 27)  # in pixels
    assert pixels.abs().max() <= 2.8 + 1e-3
    assert pixels.min() < -2 and pixels.max() > 2 and pixels.unique().numel() > 100


def test_random_numbers_come_from_the_global_state():
    x = images()
    torch.manual_seed(3)
    first, second = random_affine(x), random_affine(x)
    torch.manual_seed(3)
    assert torch.equal(random_affine(x), first) and not torch.equal(first, second)


def test_the_trainer_augments_both_domains_and_only_where_asked(monkeypatch):
    seen = []
    monkeypatch.setattr(training, "random_affine", lambda x: seen.append(len(x)) or x)
    for augment, expected in ((False, 0), (True, 1 + 2 * 3)):
        seen.clear()
        schedule = Schedule(batch_size=2, pretrain_steps=1, steps=3, augment=augment)
        training.fit(Stub(), stub_data(), schedule, seed=0, progress=False)
        assert seen == [2] * expected


@given(size=st.integers(4, 12), margin=st.floats(0, 0.5), seed=st.integers(0, 99))
def test_a_random_crop_is_a_window_of_the_image_or_of_its_mirror_image(size, margin, seed):
    torch.manual_seed(seed)
    x = torch.rand(3, 2, size, size)
    most = int(margin * size / 2)
    middle = slice(most, size - most)
    for before, after in zip(x, random_crops(x, margin), strict=True):
        places = range(2 * most + 1)
        windows = [
            image[:, top : top + size - 2 * most, left : left + size - 2 * most]
            for image in (before, before.flip(-1))
            for top in places
            for left in places
        ]
        assert any(torch.equal(after[:, middle, middle], window) for window in windows)


def test_every_place_comes_up_and_half_of_the_crops_are_mirrored():
    torch.manual_seed(0)
    place = torch.arange(8.0) + 8 * torch.arange(8.0)[:, None]  # each pixel tells where it was
    moved = random_crops(place.expand(2000, 1, 8, 8), margin=0.5)[:, 0]
    mirrored = moved[:, 4, 4] < moved[:, 4, 3]
    assert 0.45 < mirrored.float().mean() < 0.55
    assert moved[:, 3, 3].unique().numel() == 5 * 6  # up to two pixels up or down; mirrored, the middle is one further
