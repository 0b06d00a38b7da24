"""The one conversion of images, against PIL and by its properties."""

import numpy as np
import pytest
import torch
from data_makers import message, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from igan_lib.data.domains import load_domain
from igan_lib.data.images import check_range, convert_images, normalize_contrast, to_input, to_unit_range
from igan_lib.errors import ConfigError, DataError, IganError


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (28, 3), (32, 1), (32, 3)])
@pytest.mark.parametrize(
    "shape", [(5, 16, 16), (5, 28, 28, 1), (5, 32, 32, 3), (2, 150, 90, 3), (3, 8, 8), (3, 9, 300)]
)
def test_conversion_agrees_with_pil(shape, size, channels):
    images = noise(*shape)
    squeezed = images[..., 0] if images.shape[-1] == 1 else images
    mode = "L" if channels == 1 else "RGB"
    expected = [
        np.asarray(Image.fromarray(image).convert(mode).resize((size, size), Image.Resampling.BILINEAR)).reshape(
            size, size, channels
        )
        for image in squeezed
    ]
    found = convert_images(images, size, channels)
    assert found.dtype == torch.uint8
    assert found.is_contiguous()
    difference = found.permute(0, 2, 3, 1).numpy().astype(int) - np.stack(expected)
    assert np.abs(difference).max() <= 1
    assert np.abs(difference.mean()) < 0.3  # rounded, not cut


def test_grey_is_the_luma():
    images = noise(7, 28, 28, 3)
    expected = (images.astype(int) @ np.array([299, 587, 114]) + 500) // 1000  # exact: a half goes up
    np.testing.assert_array_equal(convert_images(images, 28, 1)[:, 0].numpy(), expected)


@pytest.mark.parametrize("size", [28, 32])
def test_nothing_changes_what_fits(size):
    grey, colour = noise(4, size, size), noise(4, size, size, 3)
    np.testing.assert_array_equal(convert_images(grey, size, 1)[:, 0].numpy(), grey)
    np.testing.assert_array_equal(convert_images(colour, size, 3).permute(0, 2, 3, 1).numpy(), colour)
    repeated = convert_images(grey, size, 3)
    assert all(np.array_equal(repeated[:, channel].numpy(), grey) for channel in range(3))
    assert torch.equal(convert_images(repeated.permute(0, 2, 3, 1).numpy(), size, 1)[:, 0], torch.from_numpy(grey))


def test_chunks_make_no_difference(monkeypatch):
    images = noise(10, 40, 30, 3)
    whole = convert_images(images, 28, 1)
    monkeypatch.setattr("igan_lib.data.images._VALUES_AT_ONCE", 3 * 40 * 30 * 3)
    assert torch.equal(convert_images(images, 28, 1), whole)


def test_input_stays_and_may_be_read_only():
    images = noise(3, 28, 28)
    images.flags.writeable = False
    convert_images(images, 28, 1)[:] = 0
    np.testing.assert_array_equal(images, noise(3, 28, 28))
    assert convert_images(noise(3, 28, 28)[:, ::-1, ::-1], 28, 1)[0, 0, 0, 0] == images[0, -1, -1]


def strays(images, count, value=255):
    """One pixel of another level in each of the first images."""
    images[np.arange(count), 2, np.arange(count) % 8] = value
    return images


@pytest.mark.parametrize("shape", [(8, 8), (20, 20), (20, 20, 3)])
@pytest.mark.parametrize("count", [1, 3, 12])
def test_stray_pixels_do_not_hide_a_slip_of_scale(shape, count):
    for images in (strays(noise(12, *shape) // 128, count), strays(noise(12, *shape) // 16 + 200, count, value=0)):
        with pytest.raises(DataError) as error:
            check_range("images", images)
        assert "found 0 of 12 alone" in message(error)
        check_range("images", np.concatenate([images, noise(6, *shape)]))  # some may be dull


@pytest.mark.parametrize("size", [8, 16, 28])
def test_thin_strokes_and_low_contrast_are_no_slip_of_scale(size):
    stroke = np.zeros((12, size, size), np.uint8)
    stroke[:, : size // 2, size // 2] = 255
    check_range("strokes", stroke)
    check_range("photographs in mist", noise(12, size, size, 3) // 3 + 90)


@pytest.mark.parametrize("count", [3, 7])
def test_many_images_are_looked_at_evenly(count, monkeypatch):
    monkeypatch.setattr("igan_lib.data.images._LOOKED_AT", count)
    check_range("images", np.concatenate([noise(6, 9, 9) // 255, noise(6, 9, 9)]))
    with pytest.raises(DataError, match=r"found 0 of [36] alone"):
        check_range("images", strays(noise(12, 9, 9) // 255, 12))


image_arrays = npst.arrays(
    np.uint8,
    st.one_of(
        st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(1, 40)),
        st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3])),
    ),
)


@settings(deadline=None, max_examples=60)
@given(image_arrays, st.sampled_from([28, 32]), st.sampled_from([1, 3]))
def test_conversion_keeps_form_and_range(images, size, channels):
    found = convert_images(images, size, channels)
    assert found.shape == (len(images), channels, size, size)
    assert found.dtype == torch.uint8
    assert found.is_contiguous()
    if len(images):
        assert found.min() >= images.min()
        assert found.max() <= images.max()
    unit = to_unit_range(found)
    assert unit.dtype == torch.float32
    assert unit.abs().max() <= 1 if len(images) else unit.numel() == 0


def test_unit_range():
    found = to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(found, torch.tensor([-1.0, -0.6, 1.0]))
    with pytest.raises(DataError) as error:
        to_unit_range(found)
    assert "float32" in message(error)


@pytest.mark.parametrize(("size", "channels"), [(64, 1), (0, 1), (28, 2), (28, 4)])
def test_format_that_is_not_offered(size, channels):
    for call in (
        lambda: convert_images(noise(1, 28, 28), size, channels),
        lambda: load_domain("digits", size=size, channels=channels),
    ):
        with pytest.raises(ConfigError) as error:
            call()
        message(error)
    assert issubclass(ConfigError, IganError)


def test_input_scales_images_and_leaves_features_alone():
    images = torch.randint(0, 256, (3, 1, 4, 4), dtype=torch.uint8)
    assert torch.equal(to_input(images), to_unit_range(images))
    features = torch.randn(3, 7)
    assert to_input(features) is features
    for wrong in (features.double(), to_unit_range(images)):  # scaled twice, or of another precision
        with pytest.raises(DataError):
            to_input(wrong)


@pytest.mark.parametrize("channels", [1, 3])
def test_contrast_is_that_of_the_formula_image_by_image(channels):
    generator = torch.Generator().manual_seed(0)
    images = (torch.rand(6, channels, 8, 8, generator=generator) ** 6 * 200 + 20).to(torch.uint8)
    found = normalize_contrast(images)
    assert found.dtype == torch.uint8 and found.shape == images.shape
    for image, normalized in zip(images.double(), found, strict=True):
        expected = ((image - image.mean()) / (3 * image.std(correction=0))).clamp(-1, 1)
        torch.testing.assert_close(to_unit_range(normalized).double(), expected, atol=0.5 / 127.5 + 1e-6, rtol=0)
    assert (found == 255).any()  # the clipping takes part
    assert torch.equal(found[2:3], normalize_contrast(images[2:3]))


def test_contrast_does_not_depend_on_brightness_nor_on_its_amount():
    images = torch.randint(40, 90, (4, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    brighter, stronger = images + 60, images * 2
    for other in (brighter, stronger):
        assert (normalize_contrast(other).int() - normalize_contrast(images).int()).abs().max() <= 1


def test_contrast_of_a_flat_image_is_middle_grey():
    for level in (0, 7, 255):
        flat = torch.full((2, 1, 4, 4), level, dtype=torch.uint8)
        assert (normalize_contrast(flat) == 128).all()
