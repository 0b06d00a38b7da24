"""Targets of a user's own that lack labels, or classes of the source, on their way through a run."""

import numpy as np
import pytest
from data_makers import message, noise, write_images, write_npz

from igan_lib.data.domains import DomainPair, load_domain, load_pair
from igan_lib.errors import ConfigError, DataError
from igan_lib.experiment.presets import preset
from igan_lib.experiment.run import run

LABELS = np.arange(12) % 3


def pair_of(tmp_path, **changes):
    return load_pair(write_npz(tmp_path / "s.npz"), write_npz(tmp_path / "t.npz", x_train=noise(9, 20, 20), **changes))


@pytest.mark.parametrize("labels", [None, np.full(9, -1)])
def test_a_target_may_have_no_labels(labels, tmp_path):
    pair = pair_of(tmp_path, y_train=labels, y_test=None)
    assert pair.target.class_names == ("0", "1", "2") and pair.target.train.labels.tolist() == [-1] * 9
    assert len(pair.target.known_test.labels) == 0 and len(pair.for_training().x_t) == 9


def test_known_labels_of_a_target_are_kept(tmp_path):
    some = np.where(np.arange(12) < 5, LABELS, -1)
    target = pair_of(tmp_path, y_train=LABELS[:9], y_test=some).target
    assert target.known_test.labels.tolist() == [0, 1, 2, 0, 1]
    assert np.array_equal(target.known_test.images, target.test.images[:5])


def test_a_target_may_lack_classes(tmp_path):
    without = np.where(LABELS == 1, 2, LABELS)
    target = pair_of(tmp_path, y_train=without[:9], y_test=without).target
    assert target.test.labels.tolist() == without.tolist() and target.n_classes == 3
    write_images(tmp_path / "s", classes=("ant", "bee", "cat"))
    write_images(tmp_path / "t", classes=("bee", "cat"))
    pair = load_pair(f"folder:{tmp_path / 's'}", f"folder:{tmp_path / 't'}")
    assert pair.target.class_names == ("ant", "bee", "cat") and set(pair.target.train.labels.tolist()) == {1, 2}


def test_classes_are_matched_by_name(tmp_path):
    source = write_npz(tmp_path / "s.npz", class_names=np.array(["ant", "bee", "cat"]))
    target = write_npz(tmp_path / "t.npz", class_names=np.array(["cat", "ant", "bee"]))
    assert load_pair(source, target).target.test.labels.tolist() == ((LABELS + 2) % 3).tolist()
    other = write_npz(tmp_path / "o.npz", class_names=np.array(["cat", "ant", "emu"]))
    with pytest.raises(DataError, match="bee, emu in one alone"):
        load_pair(source, other)


@pytest.mark.parametrize(("label", "words"), [(3, "0, 1, 2, 3|3 in one alone"), (-2, "-2 to 2")])
def test_labels_that_are_neither_known_nor_unknown_are_refused(label, words, tmp_path):
    with pytest.raises(DataError, match=words):
        pair_of(tmp_path, y_train=np.r_[LABELS[:8], label], y_test=LABELS)


def test_a_label_beyond_the_names_is_refused(tmp_path):
    names = np.array(["0", "1"])
    with pytest.raises(DataError, match="labels from 0 to 2"):
        pair_of(tmp_path, y_train=LABELS[:9], class_names=names)


def test_a_source_needs_labels(tmp_path):
    unlabelled = write_npz(tmp_path / "u.npz", y_train=None, y_test=None)
    with pytest.raises(DataError) as error:
        load_pair(unlabelled, "digits")
    assert message(error)
    source = load_domain("digits")
    target = load_domain(unlabelled, classes=source.class_names)
    with pytest.raises(DataError) as error:
        DomainPair(target, source)
    assert "labelled source" in message(error)


@pytest.mark.parametrize("method", ["igan", "itq"])
def test_a_run_measures_what_labels_allow(method, tmp_path):
    source = write_npz(tmp_path / "s.npz", x_train=noise(90, 28, 28), y_train=np.arange(90) % 3)
    labels = {None: None, **{n: np.where(np.arange(12) < n, LABELS, -1) for n in (3, 6)}}
    found = {}
    for name, y_test in labels.items():
        target = write_npz(tmp_path / f"{name}.npz", x_train=noise(90, 28, 28, seed=1), y_train=None, y_test=y_test)
        config = preset(source, target, profile="smoke", method=method)
        found[name] = run(config, results=tmp_path, progress=False, device="cpu").metrics
    assert not [metric for metric in found[None] if "target" in metric or "cross" in metric]
    assert {"map_target", "map_cross"} <= set(found[6]) and all(np.isfinite([*found[3].values(), *found[6].values()]))
    assert "map_cross" in found[3] and "map_target" not in found[3]  # one picture a class: nothing to find


def test_the_upper_bound_needs_labels(tmp_path):
    source, target = write_npz(tmp_path / "s.npz"), write_npz(tmp_path / "t.npz", y_train=None)
    with pytest.raises(ConfigError, match="labelled target for SuH"):
        run(preset(source, target, profile="smoke", method="suh"), results=tmp_path, progress=False)
