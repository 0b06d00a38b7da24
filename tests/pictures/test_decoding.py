"""A picture is read as a viewer shows it, or refused in a sentence that names it."""

import pickle
import warnings

import numpy as np
import pytest
from data_makers import message, noise
from PIL import Image

from igan_lib.errors import DataError
from igan_lib.pictures.decoding import PictureError, open_rgb

# EXIF 2.32, table of tag 274: what is to be done with the stored pixels.
TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_a_picture_stands_as_its_camera_was_held(orientation, tmp_path):
    pixels, exif = noise(6, 9, 3), Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(open_rgb(str(tmp_path / "a.png"))), TURNS[orientation](pixels))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode, tmp_path):
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2:5, 2:5] = 255
    black = Image.fromarray(np.dstack([np.zeros((8, 8, 3), np.uint8), alpha]))
    if mode == "P":
        picture = Image.fromarray(np.where(alpha, 1, 0).astype(np.uint8), "P")
        picture.putpalette([200, 10, 10, 0, 0, 0])
        picture.save(tmp_path / "a.png", transparency=0)
    else:
        black.convert(mode).save(tmp_path / "a.png")
    assert np.array_equal(np.asarray(open_rgb(str(tmp_path / "a.png")))[..., 0], 255 - alpha)


def test_half_transparent_is_half_way_to_white(tmp_path):
    Image.new("RGBA", (3, 3), (100, 0, 50, 51)).save(tmp_path / "a.png")
    assert np.abs(np.asarray(open_rgb(str(tmp_path / "a.png")))[0, 0] - [224, 204, 214]).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_become_8(suffix, tmp_path):
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(grey * 257).save(tmp_path / f"a{suffix}")
    assert np.array_equal(np.asarray(open_rgb(str(tmp_path / f"a{suffix}"))), np.dstack([grey] * 3))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_levels_of_fewer_bits_than_the_file_s_are_not_black(bits, dtype, tmp_path):
    levels = np.linspace(0, 2**bits - 1, 64).astype(dtype).reshape(8, 8)
    Image.fromarray(levels).save(tmp_path / "a.tif")
    drawn = np.asarray(open_rgb(str(tmp_path / "a.tif")))[..., 0]
    assert np.array_equal(drawn, np.round(levels / (2**bits - 1) * 255).astype(np.uint8))


def test_the_one_transparent_level_of_16_bits_is_white(tmp_path):
    levels = np.array([[0, 1, 300, 40000, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png", transparency=0)
    assert np.asarray(open_rgb(str(tmp_path / "a.png")))[0, :, 0].tolist() == [255, 0, 1, 156, 255]


def test_more_pixels_than_pillow_reads_at_once_are_said(tmp_path, monkeypatch):
    Image.fromarray(noise(20, 20)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 199)
    with pytest.raises(PictureError, match="up to 398 pixels") as error:
        open_rgb(str(tmp_path / "a.png"))
    assert error.value.why == "of more pixels than Pillow reads at once" and message(error)
    assert pickle.loads(pickle.dumps(error.value)).why == error.value.why  # from a process that decodes
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 399)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert open_rgb(str(tmp_path / "a.png")).size == (20, 20)
    assert not said


def test_a_torn_exif_part_is_no_warning(tmp_path):
    exif = Image.Exif()
    exif[274], exif[270] = 6, "a long description of the picture"
    Image.fromarray(noise(6, 9, 3)).save(tmp_path / "a.jpg", exif=exif.tobytes()[:20])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert open_rgb(str(tmp_path / "a.jpg")).size == (9, 6)
    assert not said


def test_what_is_not_there_or_closed_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(file):
        raise PermissionError(13, "Permission denied", file)

    def failure(path):
        with pytest.raises(PictureError) as error:
            open_rgb(str(path))
        assert str(path) in message(error)
        return message(error), error.value.why

    text, why = failure(tmp_path / "gone.png")
    assert "found none" in text and why == "missing"
    text, why = failure(tmp_path)
    assert "found a folder" in text and why == "a folder"
    monkeypatch.setattr(Image, "open", refuse)
    text, why = failure(tmp_path / "a.png")
    assert "may not be read" in text and why == "unreadable"


def test_a_moving_picture_is_its_first_frame(tmp_path):
    frames = [Image.new("L", (9, 9), level) for level in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.asarray(open_rgb(str(tmp_path / "a.gif"))).max() == 10


@pytest.mark.parametrize("mode", ["1", "L", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(mode, tmp_path):
    Image.new("RGB", (4, 4), "white").convert(mode).save(tmp_path / "a.tif")
    assert np.asarray(open_rgb(str(tmp_path / "a.tif"))).tolist() == [[[255] * 3] * 4] * 4


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF0000WEBP", b"II*\x00"])
def test_what_is_no_picture_is_named(content, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError) as error:
        open_rgb(str(tmp_path / "a.png"))
    assert str(tmp_path / "a.png") in message(error)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".tif", ".jp2", ".avif"])
def test_a_file_cut_short_is_named(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise(40, 40, 3)).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError) as error:
        open_rgb(str(path))
    assert str(path) in message(error)
