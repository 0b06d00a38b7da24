"""Features picture by picture: those of a plain pass, each computed once, whatever was killed or damaged."""

import os
import sys
from pathlib import Path

import pytest
import torch
from data_makers import message
from office_makers import tiny_backbone
from photo_makers import write_photos
from PIL import Image

from igan_lib.data.features import extract
from igan_lib.errors import DataError
from igan_lib.photos.store import FeatureStore


@pytest.fixture
def files(tmp_path):
    return sorted(write_photos(tmp_path, count=9)[0].rglob("*.png"))


def store_at(folder):
    backbone, network = tiny_backbone()
    return FeatureStore(backbone, network, cache=folder), network, backbone


def features_of(store, files):
    return store.features(files, what="test", progress=False)


def test_features_are_those_of_one_pass_and_computed_once(files, tmp_path):
    store, network, backbone = store_at(tmp_path / "cache")
    found, kept, left = features_of(store, files)
    assert kept == list(range(27)) and not left and network.seen == 27
    assert torch.allclose(found, extract(network, backbone.transform, files), atol=1e-6)
    again, network, _ = store_at(tmp_path / "cache")
    assert torch.equal(features_of(again, files[::-1])[0], found.flip(0)) and network.seen == 0


def test_new_pictures_cost_only_themselves_and_copies_nothing(files, tmp_path):
    store, network, _ = store_at(tmp_path / "cache")
    features_of(store, files[:20])
    copy = tmp_path / "copy.png"
    copy.write_bytes(files[3].read_bytes())
    found, kept, _ = features_of(store, [*files, copy])
    assert network.seen == 27 and kept == list(range(28)) and torch.equal(found[3], found[27])


def test_a_known_file_is_not_read_again_and_a_changed_one_is(files, tmp_path, monkeypatch):
    from igan_lib.photos import store as module

    read, content_hash = [], module.content_hash
    monkeypatch.setattr(module, "content_hash", lambda path: (read.append(path), content_hash(path))[1])
    store, _, _ = store_at(tmp_path / "cache")
    first, _, _ = features_of(store, files)
    assert read == files
    with open(store.folder / "files", "a") as lines:
        lines.write('\n["/cut')  # of a call that was killed
    Image.new("RGB", (30, 24), "black").save(files[5])
    again, _, _ = features_of(store, files)
    assert read == [*files, files[5]]
    unchanged = [place for place in range(27) if place != 5]
    assert torch.equal(again[unchanged], first[unchanged]) and not torch.equal(again[5], first[5])
    features_of(store, files)
    assert len(read) == 28
    os.utime(files[7], ns=(1, 1))  # as long as before, and written at another time
    features_of(store, files)
    assert read[28:] == [files[7]]


def test_a_killed_extraction_goes_on_where_it_was(files, tmp_path, monkeypatch):
    store, network, _ = store_at(tmp_path / "cache")
    forward, calls = store._forward, []

    def killed(crops):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return forward(crops)

    monkeypatch.setattr(store, "_forward", killed)
    with pytest.raises(KeyboardInterrupt):
        features_of(store, files)
    store, network, _ = store_at(tmp_path / "cache")
    whole, *_ = features_of(store, files)
    assert network.seen == 27 - 16
    assert torch.allclose(whole, features_of(store_at(tmp_path / "other")[0], files)[0], atol=1e-6)


@pytest.mark.parametrize(("name", "cut", "anew"), [("features", 5, 1), ("pictures", 5, 1), ("pictures", 75, 2)])
def test_what_was_cut_off_is_computed_anew(name, cut, anew, files, tmp_path):
    store, _, _ = store_at(tmp_path / "cache")
    whole, *_ = features_of(store, files)
    path = store.folder / name
    path.write_bytes(path.read_bytes()[:-cut])
    store, network, _ = store_at(tmp_path / "cache")
    found, *_ = features_of(store, files)
    assert network.seen == anew and torch.allclose(found, whole, atol=1e-6)
    assert torch.equal(features_of(store, files)[0], found) and network.seen == anew


def test_a_damaged_row_is_computed_anew(files, tmp_path):
    store, _, _ = store_at(tmp_path / "cache")
    whole, *_ = features_of(store, files)
    values = bytearray((store.folder / "features").read_bytes())
    values[4 * 6 * 5] ^= 255
    (store.folder / "features").write_bytes(values)
    for anew in (1, 0):
        store, network, _ = store_at(tmp_path / "cache")
        assert torch.allclose(features_of(store, files)[0], whole, atol=1e-6) and network.seen == anew


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's list of maps")
def test_features_are_mapped_from_a_file_that_leaves_nothing_behind(files, tmp_path):
    store, _, _ = store_at(tmp_path / "cache")
    found, *_ = features_of(store, files[::-1])
    whole, inside = found.clone(), {entry.name for entry in store.folder.iterdir()}
    assert inside == {"features", "files", "pictures", "lock"}
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if "deleted" in line]
    assert any(str(store.folder) in line for line in mapped)
    found[0] += 1  # nobody else's
    again, *_ = features_of(store, files[::-1])
    assert torch.equal(again, whole) and not torch.equal(found, whole)
    assert features_of(store, [])[0].shape == (0, 6)


def test_rows_are_copied_in_parts(files, tmp_path):
    store, _, _ = store_at(tmp_path / "cache")
    few, *_ = features_of(store, files)
    order = torch.arange(2500) * 7 % 27
    many, *_ = features_of(store, [files[i] for i in order])
    assert torch.equal(many, few[order])


def test_a_full_disk_is_a_sentence(files, tmp_path, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("igan_lib.photos.store.tempfile.TemporaryFile", full)
    with pytest.raises(DataError) as error:
        features_of(store_at(tmp_path / "cache")[0], files)
    assert "free some space" in message(error)


def test_damaged_and_unreadable_pictures_are_left_and_named(files, tmp_path):
    files[4].write_bytes(b"")
    files[6].unlink()
    store, network, _ = store_at(tmp_path / "cache")
    found, kept, left = features_of(store, files)
    assert len(found) == 25 and kept == [i for i in range(27) if i not in (4, 6)] and network.seen == 25
    assert {(entry.path, entry.why) for entry in left} == {(files[4], "damaged"), (files[6], "unreadable")}


def test_worker_processes_find_the_same_and_leave_the_same_out(files, tmp_path):
    files[4].write_bytes(b"")
    Image.new("RGB", (41, 1)).save(files[20])
    backbone, network = tiny_backbone()
    alone, several = (FeatureStore(backbone, network, cache=tmp_path / str(n)) for n in (0, 2))
    assert alone.workers == 0
    several.workers = 2
    drawn = torch.random.get_rng_state()
    (x, kept, left), (x_2, kept_2, left_2) = features_of(alone, files), features_of(several, files)
    assert torch.equal(x, x_2) and kept == kept_2 and len(kept) == 25
    assert left == left_2 and {entry.path for entry in left} == {files[4], files[20]}
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_a_picture_too_narrow_to_resize_is_left_and_named(files, tmp_path):
    Image.new("RGB", (30_000, 1)).save(files[2])
    Image.new("RGB", (1, 40)).save(files[3])
    store, network, _ = store_at(tmp_path / "cache")
    _, kept, left = features_of(store, files)
    assert len(kept) == network.seen == 26 and [entry.path for entry in left] == [files[2]] and "ratio" in left[0].why
    with pytest.raises(DataError) as error:
        store.of_picture(files[2])
    assert "(30000, 1)" in message(error)


def test_other_weights_have_a_store_of_their_own(files, tmp_path):
    store, _, backbone = store_at(tmp_path / "cache")
    _, network = tiny_backbone()
    with torch.no_grad():
        network.norm.weight[0] += 1
    other = FeatureStore(backbone, network, cache=tmp_path / "cache")
    assert other.folder != store.folder and not torch.equal(features_of(other, files)[0], features_of(store, files)[0])
