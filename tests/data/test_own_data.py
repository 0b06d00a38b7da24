"""A user's own arrays and images, and every way in which they can be wrong."""

import numpy as np
import pytest
import torch
from data_makers import message, noise, write_images, write_npz
from PIL import Image

from igan_lib.data.data_root import is_present
from igan_lib.data.domains import load_domain, load_pair
from igan_lib.data.images import convert_images
from igan_lib.errors import DataError, DataWarning

# A user's own arrays


def with_stray(images):
    images[3, 5, 5] = 255
    return images


def test_npz(tmp_path):
    domain = load_domain(write_npz(tmp_path / "own.npz"))
    assert domain.class_names == ("0", "1", "2")
    assert domain.train.images.shape == (12, 1, 28, 28)
    assert domain.train.labels.dtype == torch.int64


def test_npz_with_names_colour_and_small_integers(tmp_path):
    name = write_npz(
        tmp_path / "own.npz",
        x_train=noise(12, 32, 32, 3),
        x_test=noise(12, 32, 32, 3),
        y_train=(np.arange(12) % 3).astype(np.uint8),
        class_names=np.array(["ant", "bee", "cat"]),
    )
    domain = load_domain(name, size=32, channels=3)
    assert domain.class_names == ("ant", "bee", "cat")
    np.testing.assert_array_equal(domain.train.images.permute(0, 2, 3, 1).numpy(), noise(12, 32, 32, 3))


def test_relative_path_is_sought_here_and_then_in_the_root(tmp_path, monkeypatch):
    here, root = tmp_path / "here", tmp_path / "root"
    here.mkdir()
    root.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("IGAN_DATA", str(root))
    with pytest.raises(DataError) as error:
        load_domain("npz:own.npz")
    assert "own.npz or" in message(error)
    write_npz(root / "own.npz")
    in_root = load_domain("npz:own.npz").checksum()
    write_npz(here / "own.npz", x_train=noise(12, 20, 20, seed=7))
    assert load_domain("npz:own.npz").checksum() != in_root


def test_own_data_are_present_where_loading_looks_for_them(tmp_path, monkeypatch):
    here, root = tmp_path / "here", tmp_path / "root"
    (here / "pictures").mkdir(parents=True)
    (root / "sets").mkdir(parents=True)
    (root / "sets" / "a.npz").touch()
    monkeypatch.chdir(here)
    monkeypatch.setenv("IGAN_DATA", str(root))
    assert all(map(is_present, (f"npz:{root}/sets/a.npz", "npz:sets/a.npz", "folder:sets", "folder:pictures")))
    assert not any(map(is_present, ("npz:a.npz", "npz:sets", "folder:sets/a.npz", "folder:root")))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_test": None}, "no x_test"),
        ({"y_train": None}, "found no [0, 1, 2]"),
        ({"y_test": None}, "-1 to -1"),
        ({"x_train": None, "x_test": None}, "no x_train, x_test"),
        ({"x_train": noise(12, 20, 20).astype(np.float32)}, "float32"),
        ({"x_train": noise(12, 400)}, "(12, 400)"),
        ({"x_train": noise(12, 3, 20, 20)}, "channels come last"),
        ({"x_train": noise(12, 20, 20) // 255}, "0 to 1 alone"),
        ({"x_test": noise(12, 20, 20) // 16}, "0 to 15 alone"),
        ({"x_test": with_stray(noise(12, 20, 20) // 255)}, "0 of 12 alone"),
        ({"x_test": noise(0, 20, 20), "y_test": np.arange(0)}, "(0, 20, 20)"),
        ({"y_train": np.arange(12) / 3}, "float64"),
        ({"y_train": np.eye(12, dtype=int)}, "(12, 12)"),
        ({"y_train": np.arange(12) % 3 + 1}, "no [0]"),
        ({"y_train": 2 * (np.arange(12) % 3)}, "no [1, 3]"),
        ({"y_train": np.zeros(12, dtype=int), "y_test": np.zeros(12, dtype=int)}, "two or more classes"),
        ({"y_train": np.arange(12) % 3 - 1}, "no [2]"),
        ({"y_train": np.r_[np.arange(11) % 3, -1]}, "-1 to 2"),
        ({"y_test": np.arange(12) % 4}, "no [3]"),
        ({"y_test": np.arange(11) % 3}, "12 images and 11 labels"),
        ({"y_train": np.arange(13) % 3}, "12 images and 13 labels"),
        ({"y_train": np.arange(2)}, "12 images and 2 labels"),
        ({"class_names": np.array(["a", "a", "b"])}, "different names"),
        ({"class_names": np.array(["a", "b"])}, "0 to 2"),
        ({"class_names": np.array(["a", "b", "c", "d"])}, "no [3]"),
        ({"class_names": np.array(["a", "b", None], dtype=object)}, "pickled"),
    ],
)
def test_npz_that_is_wrong(changes, words, tmp_path):
    name = write_npz(tmp_path / "own.npz", **changes)
    with pytest.raises(DataError) as error:
        load_domain(name)
    assert words in message(error)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_npz_cut_short(kept, tmp_path):
    path = tmp_path / "own.npz"
    name = write_npz(path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(DataError) as error:
        load_domain(name)
    assert "copy it again" in message(error)


def test_npz_with_a_changed_byte(tmp_path):
    path = tmp_path / "own.npz"
    name = write_npz(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load_domain(name)
    assert "copy it again" in message(error)


def test_npz_that_is_a_single_array(tmp_path):
    with (tmp_path / "own.npz").open("wb") as file:
        np.save(file, noise(3, 3))
    with pytest.raises(DataError) as error:
        load_domain(f"npz:{tmp_path / 'own.npz'}")
    assert "numpy.savez" in message(error)


# A user's own images


def test_folder_is_split_by_class(tmp_path):
    write_images(tmp_path, count=10)
    domain = load_domain(f"folder:{tmp_path}", size=32, channels=3)
    assert domain.class_names == ("cat", "dog")
    assert domain.train.labels.tolist() == [0] * 7 + [1] * 7
    assert domain.test.images.shape == (6, 3, 32, 32)
    assert domain.checksum() == load_domain(f"folder:{tmp_path}", size=32, channels=3).checksum()


def test_folder_with_its_own_splits(tmp_path):
    write_images(tmp_path / "train")
    write_images(tmp_path / "test", count=1)
    domain = load_domain(f"folder:{tmp_path}")
    assert (len(domain.train.labels), domain.test.labels.tolist()) == (8, [0, 1])
    pixels = noise(30, 40, 3)
    assert torch.equal(domain.test.images[:1], convert_images(pixels[np.newaxis], 28, 1))


@pytest.mark.parametrize("empty", [True, False])
def test_the_test_part_may_lack_classes(empty, tmp_path):
    write_images(tmp_path / "train", classes=("ant", "bee", "cat"))
    write_images(tmp_path / "test", classes=("ant", "cat"), count=1)
    if empty:
        (tmp_path / "test" / "bee").mkdir()
    with pytest.warns(DataWarning) as said:
        domain = load_domain(f"folder:{tmp_path}")
    lack = f"In {tmp_path / 'test'}, there is no picture of bee: no test is made of it."
    assert str(said[-1].message) == lack and len(said) == 1 + empty
    assert domain.class_names == ("ant", "bee", "cat") and domain.test.labels.tolist() == [0, 2]


def test_a_target_of_folders_may_lack_classes_in_both_parts(tmp_path):
    write_images(tmp_path / "source", classes=("ant", "bee", "cat"))
    write_images(tmp_path / "target" / "train", classes=("bee", "cat"))
    write_images(tmp_path / "target" / "test", classes=("cat",), count=2)
    with pytest.warns(DataWarning, match="no picture of bee"):
        pair = load_pair(f"folder:{tmp_path / 'source'}", f"folder:{tmp_path / 'target'}")
    assert pair.target.train.labels.tolist() == [1] * 4 + [2] * 4 and pair.target.test.labels.tolist() == [2, 2]


def test_folder_without_images(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    for folder in (tmp_path, tmp_path / "cat"):
        with pytest.raises(DataError) as error:
            load_domain(f"folder:{folder}")
        assert "<class>/<image>" in message(error)


@pytest.mark.parametrize("content", [b"", b"not an image", "cut"])
def test_unreadable_image(content, tmp_path):
    write_images(tmp_path)
    victim = tmp_path / "cat" / "0.png"
    victim.write_bytes(victim.read_bytes()[:200] if content == "cut" else content)
    with pytest.raises(DataError) as error:
        load_domain(f"folder:{tmp_path}")
    assert str(victim) in message(error)


def test_image_of_floats_is_refused(tmp_path):
    write_images(tmp_path)
    Image.fromarray(noise(20, 20).astype(np.float32)).save(tmp_path / "cat" / "0.tiff")
    with pytest.raises(DataError) as error:
        load_domain(f"folder:{tmp_path}")
    assert "8 bits" in message(error)


def test_folder_faults(tmp_path):
    write_images(tmp_path / "half" / "train")
    write_images(tmp_path / "odd" / "train")
    write_images(tmp_path / "odd" / "test", classes=("cat", "cow"))
    write_images(tmp_path / "single", count=1)
    write_images(tmp_path / "lonely", classes=("cat",))
    for folder, words in (("half", "both train and test"), ("odd", "no cow there"), ("single", "two images of each")):
        with pytest.raises(DataError) as error:
            load_domain(f"folder:{tmp_path / folder}")
        assert words in message(error)
    with pytest.raises(DataError) as error:
        load_domain(f"folder:{tmp_path / 'lonely'}")
    assert "two or more classes" in message(error)
    with pytest.raises(DataError) as error:
        load_domain(f"folder:{tmp_path / 'nowhere'}")
    assert "nowhere" in message(error)
