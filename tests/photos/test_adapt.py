"""The three commands on small pictures and a random backbone: what comes out, what goes on, what is refused."""

import csv
import io
import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from data_makers import message
from photo_makers import photo, write_photos
from PIL import Image

from igan_lib.cli import main
from igan_lib.errors import ConfigError, DataError
from igan_lib.experiment.presets import preset
from igan_lib.photos.adapt import Adapted, adapt
from igan_lib.photos.label_free import CHOOSES, NAMES, best, measure
from igan_lib.photos.settings import PHOTO_METHODS, default_backbone, photo_settings
from igan_lib.photos.trained import OUTPUTS, UNFINISHED, Trained, add, read_index, search
from igan_lib.retrieval.bits import hamming, pack

SHORT = {"pretrain_steps": 60, "steps": 40, "batch_size": 12, "backbone": "tiny", "progress": False, "device": "cpu"}
WORDS = ["--backbone", "tiny", "--quiet", "--device", "cpu", "--set", "pretrain_steps=20", "steps=10", "batch_size=12"]


@pytest.fixture
def folders(tmp_path, monkeypatch, tiny):
    monkeypatch.setenv("IGAN_FEATURES", str(tmp_path / "features"))
    return write_photos(tmp_path)


def said(capsys):
    return capsys.readouterr().err.strip()


def test_what_comes_out(folders, tmp_path):
    shop, phone = folders
    (phone / "broken.jpg").write_bytes(b"no picture")
    (phone / "notes.txt").touch()
    adapted = adapt(shop, phone, tmp_path / "out", **SHORT)
    out = tmp_path / "out"
    assert sorted(entry.name for entry in out.iterdir()) == sorted(OUTPUTS)
    rows = list(csv.DictReader(io.StringIO((out / "predictions.csv").read_text())))
    assert list(rows[0]) == ["file", "class", "confidence", "second class"] and len(rows) == 24
    right = [row["class"] in row["file"].rpartition("/")[2] for row in rows]
    assert np.mean(right) > 0.9
    assert all(row["class"] != row["second class"] and 1 / 3 <= float(row["confidence"]) <= 1 for row in rows)
    assert [row["file"] for row in rows] == [str(file.resolve()) for file in adapted.files]
    index, files = read_index(out)
    assert len(index) == 24 and files == [row["file"] for row in rows]
    with np.load(out / "codes.npz") as codes:
        assert codes["unlabelled"].shape == codes["labelled"].shape == (24, 1)
        assert codes["labels"].tolist() == [0] * 8 + [1] * 8 + [2] * 8
        assert index.search(codes["unlabelled"][:1], 1)[1].tolist() == [[0]]
    left = list(csv.DictReader(io.StringIO((out / "left_out.csv").read_text())))
    assert {(row["path"].rpartition("/")[2], row["why"]) for row in left} == {
        ("broken.jpg", "damaged"),
        ("notes.txt", "of another kind than pictures"),
    }
    (note,) = adapted.notes
    assert "1 damaged (broken.jpg)" in note and "notes.txt" in note
    state = torch.load(out / "network.pt", weights_only=True)
    assert state["class_names"] == ["blue", "green", "red"]


def test_the_page_shows_each_class_and_what_was_left_out(folders, tmp_path):
    shop, phone = folders
    (phone / "<b>&.jpg").write_bytes(b"")
    adapt(shop, phone, tmp_path / "out", **SHORT)
    page = (tmp_path / "out" / "page.html").read_text()
    shown = sum(int(count) for count in re.findall(r"<h2>(?:blue|green|red): (\d+)</h2>", page))
    assert shown == 24 and "surest" in page and "&lt;b&gt;&amp;.jpg: damaged" in page and "<b>" not in page
    assert 10 < page.count("data:image/jpeg;base64,") <= 24 and "http" not in page


def test_classes_without_a_sure_picture_seem_absent(folders, tmp_path):
    shop, phone = folders
    for file in phone.rglob("red*.png"):
        file.unlink()
    adapted = adapt(shop, phone, tmp_path / "out", **{**SHORT, "pretrain_steps": 150, "method": "source-only"})
    assert adapted.absent == ["red"] and "seem absent, since" in (tmp_path / "out" / "page.html").read_text().lower()


def test_search_finds_the_picture_itself_and_then_its_like(folders, tmp_path):
    shop, phone = folders
    adapt(shop, phone, tmp_path / "out", **SHORT)
    query = phone / "day0" / "red3.png"
    ((first, *others),) = search(tmp_path / "out", [query], 8)
    distances = [far for _, far in (first, *others)]
    assert distances == sorted(distances) and first[1] == 0
    with np.load(tmp_path / "out" / "codes.npz") as codes:
        files = codes["unlabelled_files"].tolist()
        table = hamming(codes["unlabelled"], codes["unlabelled"])[files.index(str(query.resolve()))]
    assert distances == sorted(table.tolist())[:8] and all(table[files.index(file)] == far for file, far in others)


def test_the_network_is_the_same_after_a_trip_through_its_file(folders, tmp_path):
    adapted = adapt(*folders, tmp_path / "out", **SHORT)
    trained = Trained.load(tmp_path / "out")
    x, _, _ = trained.store().features(adapted.files, what="again", progress=False)
    u, probabilities = trained.encode(x)
    assert torch.allclose(probabilities, adapted.probabilities)
    with np.load(tmp_path / "out" / "codes.npz") as codes:
        assert np.array_equal(pack(u >= 0), codes["unlabelled"])


def test_batch_norm_has_the_statistics_of_the_unlabelled_pictures(folders, tmp_path):
    adapted = adapt(*folders, tmp_path / "out", **SHORT)
    trained = Trained.load(tmp_path / "out")
    x, _, _ = trained.store().features(adapted.files, what="again", progress=False)
    first, norm = trained.net.encoder.layers[:2]
    assert torch.allclose(norm.running_mean, first(x).mean(0), atol=1e-5)


def test_the_page_begins_with_the_surest_and_goes_on_with_the_least_sure(folders, tmp_path):
    adapted = adapt(*folders, tmp_path / "out", **{**SHORT, "pretrain_steps": 10, "steps": 5})
    page = (tmp_path / "out" / "page.html").read_text()
    confidence, label = adapted.probabilities.max(1)
    for number, name in enumerate(adapted.class_names):
        part = page.partition(f"<h2>{name}: ")[2].partition("<h2>")[0]
        shown = [int(value) for value in re.findall(r"<figcaption>(\d+)%", part)]
        sorted_all = [int(f"{value:.0%}"[:-1]) for value in sorted(confidence[label == number].tolist(), reverse=True)]
        assert shown[:6] == sorted_all[:6] and shown[6:] == sorted_all[6:][::-1][:6]


def test_add_takes_new_pictures_alone_and_says_whether_they_look_alike(folders, tmp_path):
    shop, phone = folders
    adapt(shop, phone, tmp_path / "out", **SHORT)
    more = tmp_path / "more"
    more.mkdir()
    for seed in range(12):
        photo("green", 5000 + seed, light=0.8).save(more / f"{seed}.png")
    (more / "cut.png").write_bytes((more / "0.png").read_bytes()[:99])
    added = add(tmp_path / "out", more, progress=False)
    assert (added.new, added.known, [entry.why for entry in added.left]) == (12, 0, ["damaged"])
    assert added.unlike < 0.5
    again = add(tmp_path / "out", more, progress=False)
    assert (again.new, again.known) == (0, 12)
    index, files = read_index(tmp_path / "out")
    assert len(index) == len(files) == 36
    ((first, *_),) = search(tmp_path / "out", [more / "5.png"], 36)
    assert first[1] == 0
    other = tmp_path / "other"
    other.mkdir()
    for seed in range(10):
        stripes = np.zeros((24, 30, 3), np.uint8)
        stripes[:, seed % 3 :: 3] = 255
        Image.fromarray(stripes).save(other / f"{seed}.png")
    assert add(tmp_path / "out", other, progress=False).unlike > 0.8


def test_an_add_that_was_killed_between_its_files_is_done_again(folders, tmp_path):
    shop, phone = folders
    adapt(shop, phone, tmp_path / "out", **SHORT)
    names = json.loads((tmp_path / "out" / "files.json").read_text())
    more = tmp_path / "more"
    more.mkdir()
    photo("green", 5000, light=0.8).save(more / "new.png")
    (tmp_path / "out" / "files.json").write_text(json.dumps([*names, str(more / "new.png")]))
    assert read_index(tmp_path / "out")[1] == names
    assert add(tmp_path / "out", more, progress=False).new == 1
    index, files = read_index(tmp_path / "out")
    assert len(index) == 25 and files == [*names, str((more / "new.png").resolve())]


def test_pictures_that_are_there_twice_do_not_make_new_ones_look_unlike(folders, tmp_path):
    shop, phone = folders
    for file in sorted(phone.rglob("*.png")):
        shutil.copyfile(file, file.with_name(f"copy of {file.name}"))
    adapt(shop, phone, tmp_path / "out", **SHORT)
    more = tmp_path / "more"
    for seed, name in enumerate(["red", "green", "blue"] * 4):
        more.mkdir(exist_ok=True)
        photo(name, 5000 + seed, light=0.8).save(more / f"{seed}.png")
    assert add(tmp_path / "out", more, progress=False).unlike < 0.5
    trained = Trained.load(tmp_path / "out")
    x, _, _ = trained.store().features(sorted(phone.rglob("*.png")), what="again", progress=False)
    assert trained.unlike(x) == 0
    assert len(trained.reference) == 24 and len(x) == 48


def test_what_a_user_keeps_beside_the_outputs_stays(folders, tmp_path):
    own = tmp_path / "out" / "checkpoints" / "mine.pt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    predictions = tmp_path / "out" / "predictions.csv"
    predictions.write_text("mine")
    with pytest.raises(ConfigError) as error:
        adapt(*folders, tmp_path / "out", **SHORT)
    assert "predictions.csv" in message(error) and predictions.read_text() == "mine"
    adapt(*folders, str(tmp_path / "out"), **SHORT, force=True)
    assert own.read_text() == "mine" and not (tmp_path / "out" / UNFINISHED).exists()


def test_settings_that_are_no_settings_are_refused_before_any_work(folders, tmp_path, capsys):
    command = ["adapt", *map(str, folders), "--out", str(tmp_path / "out"), "--backbone", "tiny", "--quiet", "--set"]
    for words, said_of in (
        (["force=true"], "force"),
        (["n_classes=3"], "n_classes"),
        (["backbone=none"], "backbone"),
        (['encoder="lenet"'], "encoder"),
        (["steps=3", "steps=4"], "twice"),
    ):
        assert main([*command, *words]) == 2 and said_of in said(capsys)
    assert not (tmp_path / "features").exists() and not (tmp_path / "out").exists()


def test_nothing_is_overwritten_without_force(folders, tmp_path, capsys):
    command = ["adapt", *map(str, folders), "--out", str(tmp_path / "out"), *WORDS]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "24 pictures, 3 classes" in printed and "page.html" in printed
    before = {name: (tmp_path / "out" / name).read_bytes() for name in OUTPUTS}
    assert main(command) == 2
    assert "--force" in said(capsys) and before == {n: (tmp_path / "out" / n).read_bytes() for n in OUTPUTS}
    assert main([*command[:4], str(tmp_path / "out"), "--force", "--seed", "1", *WORDS]) == 0
    assert (tmp_path / "out" / "network.pt").read_bytes() != before["network.pt"]


def test_the_same_command_gives_the_same_bits(folders, tmp_path):
    for name in ("a", "b"):
        adapt(*folders, tmp_path / name, **SHORT)
    for name in ("predictions.csv", "page.html", "index", "files.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_training_that_was_stopped_goes_on(folders, tmp_path, monkeypatch):
    from igan_lib.photos import adapt as module

    settings = {**SHORT, "checkpoint_every": 20}
    adapt(*folders, tmp_path / "whole", **settings)

    fit = module.fit

    def stop_at_30(method, *rest, **more):
        count, update = iter(range(1000)), method.update

        def counted(*batch):
            if next(count) == 30:
                raise KeyboardInterrupt
            return update(*batch)

        method.update = counted
        return fit(method, *rest, **more)

    monkeypatch.setattr(module, "fit", stop_at_30)
    with pytest.raises(KeyboardInterrupt):
        adapt(*folders, tmp_path / "parts", **settings)
    assert [entry.name for entry in (tmp_path / "parts").iterdir()] == [UNFINISHED]
    monkeypatch.setattr(module, "fit", fit)
    adapt(*folders, tmp_path / "parts", **settings)
    for name in ("predictions.csv", "index"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_search_as_text_json_and_page(folders, tmp_path, capsys):
    out, query = str(tmp_path / "out"), str(folders[1] / "day1" / "green0.png")
    assert main(["adapt", *map(str, folders), "--out", out, *WORDS]) == 0
    capsys.readouterr()
    assert main(["search", out, query, query, "-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and lines[0] == query and lines[1].startswith("    0 bits  ")
    page = tmp_path / "found.html"
    assert main(["search", out, query, "--json", "--page", str(page)]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["picture"] == query and len(found["nearest"]) == 10 and found["nearest"][0]["distance"] == 0
    assert page.read_text().count("data:image/jpeg") == 11
    assert main(["search", out, query, "--page", str(page)]) == 2 and "--force" in said(capsys)
    for words, part in ((["-k", "99"], "from 1 to the 24"), (["-k", "0"], "found 0")):
        assert main(["search", out, query, *words]) == 2 and part in said(capsys)
    for place in (tmp_path, tmp_path / "nowhere" / "found.html"):
        assert main(["search", out, query, "--page", str(place), "--force"]) == 2 and "--page" in said(capsys)
    assert search(out, []) == []
    assert main(["search", out, str(tmp_path / "gone.png")]) == 2 and "gone.png" in said(capsys)
    assert main(["search", str(tmp_path), query]) == 2 and "run adapt first" in said(capsys)
    assert main(["add", out, str(folders[1])]) == 0 and "0 pictures added, 24 were there" in capsys.readouterr().out


def test_wrong_folders_are_refused_in_a_sentence(folders, tmp_path):
    shop, phone = folders
    (tmp_path / "empty").mkdir()
    shutil.copytree(shop, tmp_path / "both" / "train")
    shutil.copytree(shop, tmp_path / "both" / "test")
    (tmp_path / "one").mkdir()
    shutil.copytree(shop / "red", tmp_path / "one" / "red")
    for given, words in (
        ((shop, tmp_path / "nowhere"), "nowhere"),
        ((shop, shop), "twice"),
        ((tmp_path, phone), "lies in the other"),
        ((shop, tmp_path), "lies in the other"),
        ((shop, tmp_path / "empty"), "found none"),
        ((tmp_path / "empty", phone), "class folders"),
        ((tmp_path / "both", phone), "name one of them"),
        ((tmp_path / "one", phone), "two or more class folders"),
    ):
        with pytest.raises(DataError) as error:
            adapt(*given, tmp_path / "out", **SHORT)
        assert words in message(error) and not (tmp_path / "out").exists()
    for file in (shop / "red").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError) as error:
        adapt(shop, phone, tmp_path / "out", **SHORT)
    assert "damaged ones alone in red" in message(error)


def test_an_output_that_can_not_be_made_is_refused_before_any_work(folders, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError) as error:
            adapt(*folders, out, **SHORT)
        assert "--out" in message(error) and not (tmp_path / "features").exists()


@pytest.mark.parametrize("wrong", [{"method": "suh"}, {"backbone": "none"}, {"step": 3}, {"steps": 0}, {"seed": -1}])
def test_wrong_settings_are_refused_before_any_work(wrong, folders, tmp_path):
    with pytest.raises(ConfigError) as error:
        adapt(*folders, tmp_path / "out", **SHORT | wrong)
    assert message(error) and not (tmp_path / "features").exists()


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_a_damaged_network_is_named(content, folders, tmp_path):
    adapt(*folders, tmp_path / "out", **SHORT)
    path = tmp_path / "out" / "network.pt"
    path.write_bytes(path.read_bytes()[:-500] if content is None else content)
    with pytest.raises(DataError) as error:
        Trained.load(tmp_path / "out")
    assert str(path) in message(error)


@pytest.mark.parametrize(("classes", "batch"), [(2, 310), (3, 309), (31, 310), (200, 400), (1000, 1000)])
def test_a_batch_holds_every_class_equally_often(classes, batch):
    settings = photo_settings(classes, method="igan", backbone="efficientnet_lite0")
    assert settings.batch_size == batch and settings.balanced and settings.encoder == "mlp"


@pytest.mark.parametrize("method", PHOTO_METHODS)
def test_the_settings_are_those_of_office31(method):
    found = photo_settings(31, method=method, backbone="efficientnet_lite2", unlabelled=795)
    office = preset("amazon", "webcam", method=method)
    shared = set(type(found).model_fields) & set(type(office).model_fields)
    assert {name: getattr(found, name) for name in shared} == {name: getattr(office, name) for name in shared}


@pytest.mark.parametrize(("unlabelled", "k"), [(2, 1), (30, 1), (100, 5), (795, 10), (100_000, 10)])
def test_of_few_pictures_fewer_neighbours_count(unlabelled, k):
    chosen = {"method": "igan+", "backbone": "efficientnet_lite2", "unlabelled": unlabelled}
    assert photo_settings(10, **chosen).neighbours == k
    assert photo_settings(10, **chosen, neighbours=7).neighbours == 7


def test_the_default_backbone_is_one_whose_weights_are_there(monkeypatch):
    from igan_lib.photos import settings

    assert default_backbone() in ("efficientnet_lite2", "efficientnet_lite0")
    monkeypatch.setattr(settings, "find_spec", lambda name: None)
    assert default_backbone() == "efficientnet_lite0"


def test_how_well_it_went_is_measured_on_all_pictures_printed_and_shown(folders, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["adapt", *map(str, folders), "--out", str(out), *WORDS]) == 0
    printed, page = capsys.readouterr().out, (out / "page.html").read_text()
    written = json.loads((out / "measures.json").read_text())
    assert (written["kept"], written["by"], list(written["seeds"])) == (0, None, ["0"]) and "Kept" not in printed + page
    predicted = list(csv.DictReader(io.StringIO((out / "predictions.csv").read_text())))
    mean = np.mean([float(row["confidence"]) for row in predicted])
    assert written["seeds"]["0"]["confidence"] == pytest.approx(mean, abs=1e-4)
    trained = Trained.load(out)
    x, _, _ = trained.store().features([Path(row["file"]) for row in predicted], what="again", progress=False)
    found = measure({0: trained.encode(x)[1]}, x)[0]
    assert written["seeds"]["0"] == pytest.approx(found, abs=1e-5)
    for name, value in written["seeds"]["0"].items():
        assert f"{NAMES[name]} {value:.3f}" in printed and NAMES[name] in page and f"<td>{value:.3f}</td>" in page


def test_of_several_seeds_the_one_of_the_highest_measure_is_kept(folders, tmp_path, monkeypatch):
    from igan_lib.photos import adapt as module

    by = "density"  # by their neighbours all networks for such simple pictures are equal
    monkeypatch.setattr(module, "CHOOSES", by)
    monkeypatch.setattr(module, "best", partial(best, by=by))
    few = SHORT | {"pretrain_steps": 5, "steps": 3}  # trained for longer, all seeds are perfect and alike
    alone = {seed: adapt(*folders, tmp_path / str(seed), **few, seed=seed) for seed in (4, 5, 6)}
    together = adapt(*folders, tmp_path / "all", **few, seed=4, seeds=3)
    assert list(together.measures) == [4, 5, 6]
    for seed, values in together.measures.items():
        agreed = values.pop("seeds")
        assert values == alone[seed].measures[seed]
        label, *others = (alone[n].probabilities.argmax(1) for n in (seed, *({4, 5, 6} - {seed})))
        assert agreed == pytest.approx(np.mean([(label == other).double().mean() for other in others]))
    first = max((4, 5, 6), key=lambda seed: alone[seed].measures[seed][by])
    assert together.seed == first and torch.equal(together.probabilities, alone[first].probabilities)
    for name in ("predictions.csv", "index", "files.json"):
        assert (tmp_path / "all" / name).read_bytes() == (tmp_path / str(first) / name).read_bytes(), name
    written = json.loads((tmp_path / "all" / "measures.json").read_text())
    assert (written["kept"], written["by"], len(written["seeds"])) == (first, by, 3)
    assert f"Kept seed {first}, whose {NAMES[by]} is the highest" in (tmp_path / "all" / "page.html").read_text()
    assert len({values[by] for values in together.measures.values()}) == 3  # or the choice was none


def test_a_choice_among_equal_seeds_says_so():
    def kept(*values):
        measures = {seed: {"information": 1.0, CHOOSES: value} for seed, value in enumerate(values, 4)}
        return Adapted([], torch.empty(0, 2), ("cat", "dog"), [], [], measures, best(measures)).kept

    assert kept(0.5, 0.7, 0.7).startswith(f"Kept seed 5, the first of those whose {NAMES[CHOOSES]} is the highest")
    assert kept(0.5, 0.7, 0.6).startswith("Kept seed 5, whose ") and kept(0.5) == ""


def test_a_choice_that_leaves_a_collapsed_seed_out_names_it():
    measures = {0: {"information": 0.01, CHOOSES: 1.0}, 1: {"information": 1.5, CHOOSES: 0.8}}
    adapted = Adapted([], torch.empty(0, 2), ("cat", "dog"), [], [], measures, best(measures))
    assert adapted.seed == 1 and "highest among those that tell classes apart (not 0): 1.000 of seed 0" in adapted.kept


def test_several_seeds_that_were_stopped_go_on_and_train_none_twice(folders, tmp_path, monkeypatch):
    from igan_lib.photos import adapt as module

    fit, steps = module.fit, {}

    def counted(method, *rest, seed, **more):
        if seed == 1 and not steps[0]["again"]:
            steps[0]["again"] = True
            raise KeyboardInterrupt
        taken = steps.setdefault(seed, {"again": False, "count": 0})
        pretrain, update = method.pretrain, method.update

        def count(step):
            def one(*batch):
                taken["count"] += 1
                return step(*batch)

            return one

        method.pretrain, method.update = count(pretrain), count(update)
        return fit(method, *rest, seed=seed, **more)

    monkeypatch.setattr(module, "fit", counted)
    with pytest.raises(KeyboardInterrupt):
        adapt(*folders, tmp_path / "parts", **SHORT, seeds=2)
    assert [entry.name for entry in (tmp_path / "parts").iterdir()] == [UNFINISHED]
    parts = adapt(*folders, tmp_path / "parts", **SHORT, seeds=2)
    assert {seed: taken["count"] for seed, taken in steps.items()} == {0: 100, 1: 100}
    monkeypatch.setattr(module, "fit", fit)
    whole = adapt(*folders, tmp_path / "whole", **SHORT, seeds=2)
    assert parts.measures == whole.measures and parts.seed == whole.seed
    assert (tmp_path / "parts" / "index").read_bytes() == (tmp_path / "whole" / "index").read_bytes()


@pytest.mark.parametrize("seeds", [0, -1, 1.5, "2"])
def test_a_wrong_number_of_seeds_is_refused_before_any_work(seeds, folders, tmp_path):
    with pytest.raises(ConfigError) as error:
        adapt(*folders, tmp_path / "out", **SHORT, seeds=seeds)
    assert "seeds" in message(error) and not (tmp_path / "features").exists()
