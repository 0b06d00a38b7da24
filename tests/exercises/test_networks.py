"""Trained networks in files: what comes back from one, and what is said of a missing, damaged or other file."""

import hashlib
import json

import make_networks
import pytest
import torch
from data_makers import make_features, message
from method_makers import make_pair

from igan_lib.data.domains import DomainPair
from igan_lib.errors import ConfigError, DataError
from igan_lib.exercises import networks
from igan_lib.exercises.networks import load_trained, ready_network, save_trained
from igan_lib.experiment.evaluation import codes_and_logits, recalibrated
from igan_lib.experiment.methods import build
from igan_lib.experiment.presets import preset


def office_pair():
    names = tuple(f"thing {k}" for k in range(31))
    return DomainPair(*(make_features(name, 62, names, 40, seed) for seed, name in enumerate(("amazon", "webcam"))))


@pytest.fixture(params=["images", "features", "no batch norm"])
def saved(request, tmp_path):
    """A network with statistics of its own, the pair it saw, and its name in `tmp_path`."""
    pair = office_pair() if request.param == "features" else make_pair()
    domains = ("amazon", "webcam") if request.param == "features" else ("usps", "mnist")
    changes = {"batch_norm": False} if request.param == "no batch norm" else {}
    config = preset(*domains, profile="smoke", seed=3, **changes)
    net = recalibrated(build(config, pair).inference_net, pair.source.train.images)
    return net, config, pair, save_trained(net, config, pair, tmp_path, accuracy=12.5)


def test_a_network_comes_back_with_halves_for_weights(saved, tmp_path):
    net, config, pair, name = saved
    again, same = load_trained(name, tmp_path)
    assert same == config and name == f"igan-{config.source}-{config.target}" and not again.training
    for key, value in net.state_dict().items():
        other = again.state_dict()[key]
        exact = value.half().float() if value.ndim > 1 else value
        assert other.dtype == value.dtype and torch.equal(other, exact), key
    (u, logits), (u_2, logits_2) = (codes_and_logits(n, pair.target.test.images) for n in (net.eval(), again))
    assert torch.allclose(u, u_2, atol=0.01) and torch.allclose(logits, logits_2, atol=0.02)
    assert not torch.equal(u, u_2)


def test_the_list_has_each_network_s_checksum(saved, tmp_path):
    _, config, pair, name = saved
    file = tmp_path / f"{name}.pt"
    line = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "hash": config.hash8, "accuracy": 12.5}
    assert json.loads((tmp_path / "networks.json").read_text()) == {name: line}
    other = config.model_copy(update={"method": "source-only"})
    save_trained(build(config, pair).inference_net, other, pair, tmp_path)
    both = json.loads((tmp_path / "networks.json").read_text())
    assert both[name] == line and sorted(both) == sorted([name, f"source-only-{config.source}-{config.target}"])
    floats = sum(value.numel() for value in build(config, pair).inference_net.state_dict().values())
    assert file.stat().st_size < 2.2 * floats + 20_000


def test_a_run_whose_network_is_there_is_not_trained_and_another_is(saved, tmp_path, monkeypatch):
    _, config, pair, name = saved
    trained = []

    def train(asked, *_, **__):
        trained.append(asked)
        return build(asked, pair), []

    monkeypatch.setattr(networks, "train", train)
    where = {"device": "cpu", "results": tmp_path, "folder": tmp_path}
    ready, stored = (
        net.state_dict() for net in (ready_network(config, pair, **where), load_trained(name, tmp_path)[0])
    )
    assert not trained and all(torch.equal(ready[key], value) for key, value in stored.items())
    others = [config.model_copy(update=change) for change in ({"seed": 4}, {"steps": 9}, {"method": "source-only"})]
    for other in others:
        ready_network(other, pair, **where)
    assert trained == others


def refused(kind, name, folder):
    with pytest.raises(kind) as error:
        load_trained(name, folder)
    return message(error)


def test_a_missing_damaged_or_unknown_network_is_a_sentence(saved, tmp_path):
    name = saved[3]
    assert name in refused(ConfigError, "igan-a-b", tmp_path)
    assert "found none" in refused(DataError, name, tmp_path / "nowhere")
    path, whole = tmp_path / f"{name}.pt", (tmp_path / f"{name}.pt").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (whole[:-1], b"", bytes(flipped)):
        path.write_bytes(content)
        assert "SHA-256" in refused(DataError, name, tmp_path)
    path.unlink()
    assert "found no file" in refused(DataError, name, tmp_path)
    (tmp_path / "networks.json").write_text("{")
    assert "damaged" in refused(DataError, name, tmp_path)


@pytest.mark.parametrize("change", [{"format": 2}, {"config": "{}"}, {"net": {}}, {"shape": [3, 28, 28]}])
def test_a_whole_file_of_another_version_is_a_sentence(change, saved, tmp_path):
    name = saved[3]
    path = tmp_path / f"{name}.pt"
    torch.save(torch.load(path, weights_only=True) | change, path)
    known = json.loads((tmp_path / "networks.json").read_text())
    known[name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "networks.json").write_text(json.dumps(known))
    assert "of this version" in refused(DataError, name, tmp_path)


def test_the_script_takes_a_checkpoint_and_measures_before_and_after(monkeypatch, tmp_path, capsys):
    pair, config = make_pair(), preset("usps", "mnist", profile="smoke")
    monkeypatch.setattr(make_networks, "load", lambda *_, **__: pair)
    made = []
    for words in (["igan-usps-mnist"], ["igan-usps-mnist"]):
        where = ["--results", str(tmp_path), "--networks", str(tmp_path / "networks")]
        monkeypatch.setattr("sys.argv", ["make_networks.py", *words, "--profile", "smoke", *where])
        make_networks.main()
        made.append((tmp_path / "networks" / "networks.json").read_text())
    assert made[0] == made[1]  # the second time from the checkpoint
    line = json.loads(made[0])["igan-usps-mnist"]
    net, same = load_trained("igan-usps-mnist", tmp_path / "networks")
    assert same == config and line["accuracy_of_the_file"] == make_networks.measured(net, pair)
    assert f"of the file {line['accuracy_of_the_file']} %" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["make_networks.py", "igan-a-b"])
    with pytest.raises(ConfigError, match="choose some of those"):
        make_networks.main()


def test_the_networks_that_come_with_the_project_load():
    if not (known := networks._known(networks.NETWORKS)):
        pytest.skip("there are none yet")
    for name, line in known.items():
        assert load_trained(name)[1].hash8 == line["hash"]
