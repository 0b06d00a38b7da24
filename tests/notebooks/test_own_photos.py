"""Two folders for notebook 10, and what is said of the outcome: against plain counts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from igan_lib.photos.adapt import Adapted
from tools.own_photos import against_truth, confusions, draw_found, draw_surest, lay_out, some_of


@pytest.fixture
def laid(tmp_path, monkeypatch, capsys):
    """The embedded digits in the place of Office-31, which is not there."""
    monkeypatch.setenv("IGAN_DATA", str(tmp_path / "nothing"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unlabelled").mkdir()
    (tmp_path / "unlabelled" / "old.png").write_bytes(b"")
    labelled, unlabelled, truth = lay_out("amazon", "webcam", ".", 40)
    assert "mnist5k -> digits12 is taken" in capsys.readouterr().out
    return labelled, unlabelled, truth


def test_one_folder_has_classes_and_the_other_tells_none(laid):
    labelled, unlabelled, truth = laid
    assert sorted(path.name for path in labelled.iterdir()) == list("0123456789")
    assert len(list(labelled.rglob("*.png"))) == len(truth) == 40
    assert set(truth) == set(unlabelled.resolve().iterdir()) and set(truth.values()) == set("0123456789")
    in_order = [truth[path] for path in sorted(truth)]
    assert in_order != sorted(in_order)  # else the place of a name would tell its class
    assert not any(path.stem.strip("0123456789") for path in truth)
    with Image.open(next(iter(truth))) as picture:
        assert picture.size == (96, 96)


def test_some_of_the_labelled_pictures_come_from_many_classes(laid, tmp_path):
    labelled, _, _ = laid
    for _ in range(2):  # the second call replaces the first one's
        more = some_of(labelled, tmp_path / "more", 10)
        names = {path.read_bytes(): path.parent.name for path in labelled.rglob("*.png")}
        assert len({names[path.read_bytes()] for path in more.iterdir()}) > 5 and len(list(more.iterdir())) == 10


def outcome(n=12, seed=0):
    """n pictures of two classes, and drawn probabilities."""
    p = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)).softmax(1)
    files = [Path(f"{number}.png") for number in range(n)]
    truth = {file: ("cat", "dog")[number % 2] for number, file in enumerate(files)}
    return Adapted(files, p, ("cat", "dog"), [], [], {0: {}}, 0), truth


@pytest.mark.parametrize("n", [4, 12, 13])
def test_accuracy_by_confidence_is_counted(n):
    adapted, truth = outcome(n)
    table = against_truth(adapted, truth, parts=4)
    told = sorted(
        (
            (max(row), ("cat", "dog")[row.index(max(row))] == truth[file])
            for row, file in zip(adapted.probabilities.tolist(), adapted.files, strict=True)
        ),
        key=lambda pair: -pair[0],
    )
    places = np.array_split(range(n), 4)
    for name, part in zip(table.index, [*places, range(n)], strict=True):
        mine = [told[place] for place in part]
        assert table.loc[name, "pictures"] == len(mine)
        assert table.loc[name, "accuracy, %"] == pytest.approx(100 * np.mean([right for _, right in mine]), abs=0.06)
        mean = 100 * np.mean([confidence for confidence, _ in mine])
        assert table.loc[name, "mean confidence, %"] == pytest.approx(mean, abs=0.06)
    wrong = confusions(adapted, truth)
    assert wrong["pictures"].sum() == n - sum(right for _, right in told)
    assert (wrong["is"] != wrong["was called"]).all()


def test_right_and_wrong_ones_have_frames_of_their_own(laid):
    _, _, truth = laid
    files = sorted(truth)[:8]
    names = tuple("0123456789")
    p = torch.full((8, 10), 0.01)
    p[:, int(truth[files[0]])] = 0.91
    fig = draw_surest(Adapted(files, p, names, [], [], {0: {}}, 0), truth)
    frames = [ax.spines["left"].get_edgecolor() for ax in fig.axes if ax.spines["left"].get_visible()]
    assert len(frames) == 8 and len(set(frames)) == 2
    found = draw_found({files[0]: [(str(files[0]), 0), (str(files[1]), 3)]}, truth)
    assert [ax.get_xlabel() for ax in found.axes] == ["query", "0 bits", "3 bits"]
