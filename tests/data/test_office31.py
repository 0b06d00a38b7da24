"""Office-31 as files: layouts, order, counts, and every way in which the folder can be wrong."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from data_makers import message
from office_makers import OFFICE_CLASSES, OFFICE_COUNTS, office_labels, write_office

from igan_lib.__main__ import main
from igan_lib.data.data_root import data_root, domain_status
from igan_lib.data.domains import load_domain
from igan_lib.data.office31 import (
    CLASSES,
    COUNTS,
    FOLDERS,
    OFFICE_DOMAINS,
    content_hash,
    list_office31,
)
from igan_lib.errors import DataError
from tools.office31_duplicates import duplicates, duplicates_by_domain


def statuses(root):
    return {status.name: status for status in domain_status(root) if status.name in OFFICE_DOMAINS}


def test_published_numbers():
    assert {name: sum(counts) for name, counts in COUNTS.items()} == {"amazon": 2817, "webcam": 795, "dslr": 498}
    assert tuple(COUNTS) == OFFICE_DOMAINS
    assert {len(counts) for counts in COUNTS.values()} == {len(set(CLASSES))} == {31}
    assert list(CLASSES) == sorted(CLASSES)


@pytest.mark.parametrize("name", OFFICE_DOMAINS)
def test_files_are_in_the_order_of_classes_and_names(office, name):
    listing = list_office31(name, office)
    assert listing.name == name
    assert listing.class_names == OFFICE_CLASSES
    assert listing.labels.dtype == np.int64
    assert listing.labels.tolist() == office_labels(name)
    expected = [
        f"{class_name}/frame_{number:04}.jpg"
        for class_name, count in zip(OFFICE_CLASSES, OFFICE_COUNTS[name], strict=True)
        for number in range(1, count + 1)
    ]
    assert list(listing.files) == expected
    assert [path.relative_to(office / "office31" / name / "images").as_posix() for path in listing.paths] == expected
    assert all(path.is_file() for path in listing.paths)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("images", ["", "/images"])
def test_layouts(office, tmp_path, folder, images):
    other = write_office(tmp_path / "other", layout=f"{folder}/{{}}{images}")
    for name in OFFICE_DOMAINS:
        assert list_office31(name, other).files == list_office31(name, office).files
    assert all(status.present and status.remedy == "" for status in statuses(other).values())


def test_what_desktops_leave_behind_is_passed_over(office):
    images = office / "office31" / "amazon" / "images"
    files = list_office31("amazon", office).files
    (images / ".cache").mkdir()
    for left in (images / ".DS_Store", images / "bike" / "Thumbs.db", images / "bike" / "._frame_0001.jpg"):
        left.write_bytes(b"x")
    assert list_office31("amazon", office).files == files


def test_endings_in_capitals_count(office):
    bike = office / "office31" / "amazon" / "images" / "bike"
    (bike / "frame_0002.jpg").rename(bike / "frame_0002.JPG")
    assert list_office31("amazon", office).files[1] == "bike/frame_0002.JPG"


def remove_domain(images):
    shutil.rmtree(images.parent)


def remove_class(images):
    shutil.rmtree(images / "mug")


def empty_class(images):
    for file in (images / "mug").iterdir():
        file.unlink()


def add_class(images):
    (images / "bottle").mkdir()


def remove_image(images):
    (images / "pen" / "frame_0003.jpg").unlink()


def add_image(images):
    shutil.copy(images / "pen" / "frame_0003.jpg", images / "bike" / "frame_0009.jpg")


def move_image(images):
    (images / "pen" / "frame_0003.jpg").rename(images / "bike" / "frame_0009.jpg")


@pytest.mark.parametrize(
    ("spoil", "words", "noticed"),
    [
        (remove_domain, ("no folder of it", "domainadapt", "office31/amazon/images/<class>/*.jpg", "IGAN_DATA"), True),
        (remove_class, ("3 class folders", "no mug:", "domainadapt"), True),
        (empty_class, ("9 images", "0 in mug (not 2):"), False),
        (add_class, ("bottle as well", "remove"), False),
        (remove_image, ("3 in pen (not 4):",), False),
        (add_image, ("4 in bike (not 3):",), False),
        (move_image, ("4 in bike (not 3), 3 in pen (not 4):",), False),
    ],
)
def test_folder_that_is_wrong(office, spoil, words, noticed):
    spoil(office / "office31" / "amazon" / "images")
    with pytest.raises(DataError) as error:
        list_office31("amazon", office)
    assert all(word in message(error) for word in words)
    assert len(list_office31("webcam", office).files) == 7
    # The status looks for folders alone; it promises what loading keeps where it finds something amiss.
    found = statuses(office)
    assert found["amazon"].present is not noticed
    assert ("domainadapt" in found["amazon"].remedy) is noticed
    assert found["webcam"].present


def test_nothing_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IGAN_DATA", str(tmp_path))
    for name in OFFICE_DOMAINS:
        with pytest.raises(DataError) as error:
            list_office31(name, tmp_path)
        assert f"{FOLDERS[0]}/{name}/images" in message(error)
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name:10} missing" in out and f"office31/{name}/images/<class>" in out for name in OFFICE_DOMAINS)


def test_unknown_domain():
    with pytest.raises(DataError) as error:
        list_office31("amazn", Path("unused"))
    assert "amazon, webcam, dslr" in message(error)
    with pytest.raises(DataError) as error:
        load_domain("amazn")
    assert "did you mean amazon?" in message(error)


@pytest.mark.parametrize("name", OFFICE_DOMAINS)
def test_images_are_not_loaded_without_a_backbone(office, name):
    with pytest.raises(DataError) as error:
        load_domain(name)
    assert "load_feature_pair" in message(error)


# Duplicates


def test_duplicates(office):
    assert duplicates(office) == []
    place = {name: office / "office31" / name / "images" for name in OFFICE_DOMAINS}
    for source, copy in [
        (place["amazon"] / "bike" / "frame_0001.jpg", place["amazon"] / "pen" / "frame_0004.jpg"),
        (place["amazon"] / "bike" / "frame_0001.jpg", place["amazon"] / "bike" / "frame_0003.jpg"),
        (place["amazon"] / "mug" / "frame_0002.jpg", place["dslr"] / "mug" / "frame_0001.jpg"),
        (place["webcam"] / "mug" / "frame_0001.jpg", place["webcam"] / "mug" / "frame_0003.jpg"),
        (place["webcam"] / "pen" / "frame_0001.jpg", place["webcam"] / "pen" / "frame_0002.jpg"),
    ]:
        shutil.copy(source, copy)
    groups = duplicates(office)
    assert groups == [
        ("amazon/bike/frame_0001.jpg", "amazon/bike/frame_0003.jpg", "amazon/pen/frame_0004.jpg"),
        ("amazon/mug/frame_0002.jpg", "dslr/mug/frame_0001.jpg"),
        ("webcam/mug/frame_0001.jpg", "webcam/mug/frame_0003.jpg"),
        ("webcam/pen/frame_0001.jpg", "webcam/pen/frame_0002.jpg"),
    ]
    assert duplicates_by_domain(groups) == {("amazon",): (1, 2), ("amazon", "dslr"): (1, 1), ("webcam",): (2, 2)}
    assert duplicates_by_domain([]) == {}


def test_images_of_one_size_in_bytes_are_not_taken_for_duplicates(office):
    bike = office / "office31" / "amazon" / "images" / "bike"
    content = bytearray((bike / "frame_0001.jpg").read_bytes())
    content[-1] ^= 1
    (bike / "frame_0002.jpg").write_bytes(content)
    assert duplicates(office) == []


def test_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError) as error:
        content_hash(tmp_path)
    assert str(tmp_path) in message(error)


# The data set itself


@pytest.mark.real_data("office31")
def test_real_data_set_is_complete():
    for name, count in (("amazon", 2817), ("webcam", 795), ("dslr", 498)):
        listing = list_office31(name, data_root())
        assert len(listing.files) == len(set(listing.files)) == count
        assert np.bincount(listing.labels).tolist() == list(COUNTS[name])
        assert listing.files[0] == "back_pack/frame_0001.jpg"
        assert listing.files[-1].startswith("trash_can/")


@pytest.mark.real_data("office31")
def test_real_duplicates():
    groups = duplicates(data_root())
    assert duplicates_by_domain(groups) == {("amazon",): (49, 71)}
    assert ("amazon/desk_chair/frame_0018.jpg", "amazon/desk_chair/frame_0024.jpg") in groups
