"""Folders as users have them: what is a class, what is left out, and that it is said."""

import os
import warnings

import numpy as np
import pytest
from data_makers import message, noise, write_images
from PIL import Image
from torchvision.datasets import ImageFolder

from igan_lib.cli import main
from igan_lib.data.domains import load_domain
from igan_lib.errors import DataError, DataWarning
from igan_lib.pictures.folders import find_splits, list_classes, list_heap


def names(found, folder):
    return [os.path.relpath(file, folder) for file in found.files]


def reasons(found, folder):
    return {os.path.relpath(entry.path, folder): entry.why for entry in found.left}


def test_plain_folders_are_listed_as_torchvision_lists_them(tmp_path):
    write_images(tmp_path, classes=("Bee", "ant", "cat"), count=11)
    write_images(tmp_path / "cat", classes=("z", "a b"), count=2)
    other, found = ImageFolder(str(tmp_path)), list_classes(tmp_path)
    assert [(str(file), label) for file, label in zip(found.files, found.labels, strict=True)] == other.samples
    assert list(found.class_names) == other.classes and not found.left and found.nested == ["cat"]


@pytest.mark.parametrize("junk", [".ipynb_checkpoints", "__MACOSX", ".git", "@eaDir"])
def test_what_systems_leave_is_no_class_and_no_picture(junk, tmp_path):
    write_images(tmp_path)
    before = names(list_classes(tmp_path), tmp_path)
    write_images(tmp_path, classes=(junk,))
    write_images(tmp_path / "cat", classes=(junk,))
    (tmp_path / "cat" / "._0.png").write_bytes(b"resource fork")
    found = list_classes(tmp_path)
    assert names(found, tmp_path) == before and found.class_names == ("cat", "dog")
    assert set(reasons(found, tmp_path)) == {junk, f"cat/{junk}", "cat/._0.png"}
    assert set(names(list_heap(tmp_path), tmp_path)) == set(before)
    assert "3 hidden or a system's (" in found.notes(tmp_path)[0] and junk in found.notes(tmp_path)[0]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("training", "validation"),
        ("TRAIN", "val"),
        ("train", "Testing"),
        ("training_set", "test_set"),
        ("seg_train", "seg_test"),
        ("my-TRAIN.2", "Test images"),
        ("train_val", "test"),
    ],
)
def test_splits_by_other_names_are_splits(train, test, tmp_path):
    write_images(tmp_path / train)
    write_images(tmp_path / test, count=1)
    domain = load_domain(f"folder:{tmp_path}")
    assert domain.class_names == ("cat", "dog") and (len(domain.train.labels), len(domain.test.labels)) == (8, 2)


def test_what_lies_beside_the_splits_is_named(tmp_path):
    for split in ("train", "test", "val", "notes"):
        write_images(tmp_path / split)
    with pytest.warns(DataWarning, match=r"2 beside train and test \(notes, val\)"):
        domain = load_domain(f"folder:{tmp_path}")
    assert (len(domain.train.labels), len(domain.test.labels)) == (8, 8)  # and nothing of them is read


def test_the_plain_name_counts_first(tmp_path):
    for split in ("train", "a_train", "val", "old_test", "test"):
        write_images(tmp_path / split)
    train, test, left = find_splits(tmp_path)
    assert (train.name, test.name, len(left)) == ("train", "test", 3)


@pytest.mark.parametrize("strays", [("Train", "Test"), ("Train",), ("Test",)])
def test_a_stray_picture_makes_no_class_of_a_split(strays, tmp_path):
    for split in ("Train", "Test"):
        write_images(tmp_path / split)
    for split in strays:
        Image.fromarray(noise(9, 9, 3)).save(tmp_path / split / "cover.jpg")
    with pytest.warns(DataWarning) as said:
        assert load_domain(f"folder:{tmp_path}").class_names == ("cat", "dog")
    left = "Left out of {}: 1 beside the class folders (cover.jpg)."
    assert [str(note.message) for note in said] == [left.format(tmp_path / split) for split in strays]


def test_words_of_splits_in_names_of_classes_make_no_split(tmp_path):
    write_images(tmp_path, classes=("steam train", "test tube"))
    assert find_splits(tmp_path) is None
    write_images(tmp_path / "steam train", classes=("old",), count=3)
    write_images(tmp_path / "test tube", classes=("long",), count=3)
    assert find_splits(tmp_path) is None
    write_images(tmp_path / "more", classes=("test_tube",))
    write_images(tmp_path / "more" / "bus", classes=("red",))
    write_images(tmp_path / "more" / "steam_train", classes=("old",))
    assert find_splits(tmp_path / "more") is None


@pytest.mark.parametrize(("alone", "other"), [("Train", "test"), ("val", "train")])
def test_one_split_alone_is_refused_with_the_path_to_name(alone, other, tmp_path):
    write_images(tmp_path / alone)
    with pytest.raises(DataError) as error:
        find_splits(tmp_path)
    assert f"name {tmp_path / alone} to use it by itself, or give {other} some" in message(error)


def test_a_train_is_a_thing_too(tmp_path):
    write_images(tmp_path, classes=("car", "train"))
    assert find_splits(tmp_path) is None and load_domain(f"folder:{tmp_path}").class_names == ("car", "train")


@pytest.mark.parametrize("suffix", [".gif", ".jp2", ".avif", ".jfif", ".JPEG", ".webp", ".tif"])
def test_every_kind_that_pillow_reads_is_read(suffix, tmp_path):
    write_images(tmp_path)
    kind = {".jfif": "JPEG"}.get(suffix)
    Image.fromarray(noise(20, 20, 3)).save(tmp_path / "cat" / f"more{suffix}", kind)
    domain = load_domain(f"folder:{tmp_path}")
    assert len(domain.train.labels) + len(domain.test.labels) == 9


def test_files_of_other_kinds_are_counted_and_named(tmp_path):
    write_images(tmp_path)
    for name in ("cat/notes.txt", "dog/raw.heic", "read.me", "dog/gone.png"):
        (tmp_path / name).touch()
    (tmp_path / "dog" / "gone.png").unlink()
    (tmp_path / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.warns(DataWarning) as said:
        load_domain(f"folder:{tmp_path}")
    text = str(said[0].message)
    for words in ("2 of another kind", "cat/notes.txt", "dog/raw.heic", "1 beside the class folders (read.me)"):
        assert words in text
    assert "1 leading nowhere (dog/gone.png)" in text and "\n" not in text


def test_links_that_loop_are_read_once(tmp_path):
    write_images(tmp_path)
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat", target_is_directory=True)
    (tmp_path / "cat" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a_link").symlink_to(tmp_path / "dog", target_is_directory=True)
    found = list_classes(tmp_path)
    assert found.class_names == ("cat", "dog") and len(found.files) == 8
    assert set(reasons(found, tmp_path)) == {"cat/again", "cat/up", "a_link"}
    assert sorted(os.path.realpath(f) for f in list_heap(tmp_path).files) == sorted(map(str, found.files))


UP = "a link to a folder above"


def test_no_link_leads_above_what_was_named(tmp_path):
    phone, shop = tmp_path / "phone", tmp_path / "shop"
    write_images(tmp_path, classes=("beside",))
    write_images(phone, classes=("may",))
    write_images(shop)
    for link, to in (("phone/up", ".."), ("phone/may/all", "/"), ("shop/cat/up", "../.."), ("shop/u", ".")):
        (tmp_path / link).symlink_to(to, target_is_directory=True)
    heap, classes = list_heap(phone), list_classes(shop)
    assert names(heap, phone) == [f"may/{number}.png" for number in range(4)]
    assert reasons(heap, phone) == {"up": UP, "may/all": UP}
    assert classes.class_names == ("cat", "dog") and len(classes.files) == 8
    assert reasons(classes, shop) == {"cat/up": UP, "u": UP}


def test_a_link_out_of_the_folder_leads_no_further_up(tmp_path):
    write_images(tmp_path / "store", classes=("birds", "others"))
    write_images(tmp_path / "own", classes=("may",))
    (tmp_path / "store" / "birds" / "up").symlink_to(tmp_path / "store", target_is_directory=True)
    (tmp_path / "own" / "bird").symlink_to(tmp_path / "store" / "birds", target_is_directory=True)
    found = list_heap(tmp_path / "own")
    assert len(found.files) == 8 and reasons(found, tmp_path / "own") == {"bird/up": UP}


def test_a_split_that_links_to_a_folder_above_is_none(tmp_path):
    write_images(tmp_path / "own" / "train")
    (tmp_path / "own" / "test").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(DataError, match="found them in train alone"):
        find_splits(tmp_path / "own")


@pytest.mark.parametrize("read", [list_heap, list_classes])
def test_a_hidden_folder_is_read_through_a_link_to_it(read, tmp_path):
    write_images(tmp_path, classes=(".store", "cat"))
    (tmp_path / "pics").symlink_to(".store", target_is_directory=True)
    found = read(tmp_path)
    assert len(found.files) == 8 and reasons(found, tmp_path) == {".store": "hidden or a system's"}


@pytest.mark.parametrize("closed", ["dog", "cat/in", "cat/0.png"])
def test_what_may_be_listed_but_not_entered_is_unreadable(closed, tmp_path, monkeypatch):
    write_images(tmp_path, classes=("cat", "cow", "dog"))
    write_images(tmp_path / "cat", classes=("in",))
    stat = os.stat

    def refusing(path, **options):
        if str(path) == str(tmp_path / closed):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refusing)
    for read in (list_heap, list_classes):
        found = read(tmp_path)
        assert reasons(found, tmp_path) == {closed: "unreadable"}
        assert len(found.files) == (15 if closed == "cat/0.png" else 12)
    assert find_splits(tmp_path) is None


def test_a_link_into_another_class_moves_no_picture_there(tmp_path):
    write_images(tmp_path)
    write_images(tmp_path / "dog", classes=("puppies",))
    (tmp_path / "cat" / "dogs").symlink_to(tmp_path / "dog", target_is_directory=True)
    (tmp_path / "cat" / "young").symlink_to(tmp_path / "dog" / "puppies", target_is_directory=True)
    found = list_classes(tmp_path)
    assert found.labels == [0] * 4 + [1] * 8 and set(reasons(found, tmp_path)) == {"cat/dogs", "cat/young"}


def test_a_class_that_is_a_link_to_pictures_elsewhere_is_a_class(tmp_path):
    write_images(tmp_path / "store", classes=("birds",))
    write_images(tmp_path / "own")
    (tmp_path / "own" / "bird").symlink_to(tmp_path / "store" / "birds", target_is_directory=True)
    found = list_classes(tmp_path / "own")
    assert found.class_names == ("bird", "cat", "dog") and not found.left
    assert found.labels == [0] * 4 + [1] * 4 + [2] * 4


def test_an_empty_class_folder_is_named_and_the_rest_is_read(tmp_path):
    write_images(tmp_path)
    (tmp_path / "emu").mkdir()
    with pytest.warns(DataWarning, match=r"1 without a picture \(emu\)"):
        assert load_domain(f"folder:{tmp_path}").class_names == ("cat", "dog")


def test_a_class_with_sub_folders_is_read_whole_and_said(tmp_path):
    write_images(tmp_path)
    write_images(tmp_path / "dog", classes=("puppies",), count=3)
    with pytest.warns(DataWarning, match=r"sub-folders were read as a part of their class: dog\."):
        domain = load_domain(f"folder:{tmp_path}")
    assert len(domain.train.labels) + len(domain.test.labels) == 11


def test_the_command_line_says_it_as_a_note(tmp_path, capsys):
    for side in ("a", "b"):
        write_images(tmp_path / side, count=5)
    (tmp_path / "b" / "emu").mkdir()
    words = ["--profile", "smoke", "--results", str(tmp_path / "results"), "--quiet", "--device", "cpu"]
    assert main(["run", f"folder:{tmp_path / 'a'}", f"folder:{tmp_path / 'b'}", *words]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == [f"note: Left out of {tmp_path / 'b'}: 1 without a picture (emu)."]


def test_plain_folders_give_no_note(tmp_path):
    write_images(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_domain(f"folder:{tmp_path}").class_names == ("cat", "dog")


def test_a_heap_is_read_at_any_depth_and_in_order(tmp_path):
    write_images(tmp_path / "2024" / "may", count=2)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "top.png")
    found = list_heap(tmp_path)
    paths = ["2024/may/cat/0.png", "2024/may/cat/1.png", "2024/may/dog/0.png", "2024/may/dog/1.png"]
    assert names(found, tmp_path) == ["top.png", *paths] and not found.labels


def test_a_folder_without_any_picture_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    for read in (list_heap, list_classes):
        with pytest.raises(DataError) as error:
            read(tmp_path)
        assert "found none" in message(error)
