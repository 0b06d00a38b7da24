"""The methods of Table 3 as runs: what they see, what is measured, and that each starts from the same network."""

import json
from dataclasses import replace

import pytest
import torch
from method_makers import make_pair

from igan_lib.compared.itq import ITQ
from igan_lib.data.domains import DomainPair, Split
from igan_lib.experiment import feature_hashing
from igan_lib.experiment import run as experiment
from igan_lib.experiment.evaluation import hidden_features, recalibrated
from igan_lib.experiment.feature_hashing import FEATURE_METHODS, equal_shares, source_only
from igan_lib.experiment.methods import build, training_data
from igan_lib.experiment.presets import METHODS, RECOGNITION, preset
from igan_lib.experiment.result import result_path
from igan_lib.experiment.run import checkpoint_path, run, train
from igan_lib.retrieval.protocols import across, within_target

TRAINED = ("noda", "dah", "suh")
GAMES = {"dann", "adda", "cdan", "mstn", "cogan", "duplex", "cycada", "i2i"}
SMALL = {"code_length": 8, "batch_size": 12}


@pytest.fixture
def pair(monkeypatch):
    made = make_pair(30)
    monkeypatch.setattr(experiment, "load", lambda config, **_: made)
    return made


def config_of(method, **settings):
    return preset("bright", "pale", profile="smoke", method=method, **(SMALL | settings))


def finished(method, tmp_path, **settings):
    return run(config_of(method, **settings), device="cpu", results=tmp_path, progress=False)


def test_every_method_is_built_or_fitted():
    igan_like = {"igan", "igan+", "source-only"}
    assert set(METHODS) == igan_like | set(TRAINED) | set(FEATURE_METHODS) | set(RECOGNITION)


@pytest.mark.parametrize("method", [*TRAINED, *FEATURE_METHODS, *RECOGNITION])
def test_a_run_measures_map_in_both_protocols(pair, tmp_path, method):
    result = finished(method, tmp_path)
    expected = {"map_target", "map_cross"}
    if method in (*TRAINED, *RECOGNITION):
        expected |= {"target_accuracy", "source_accuracy", "running_statistics_accuracy"}
        expected |= {"target_silhouette", "target_purity"}
    if method in GAMES:
        expected |= {"D_accuracy"}
    if method in ("cogan", "duplex", "i2i"):
        expected |= {"D_s_accuracy", "D_t_accuracy"}
    if method in ("noda", "dah", *RECOGNITION):
        expected |= {f"source_only_{name}" for name in ("accuracy", "map_target", "map_cross")}
        expected |= {"source_only_silhouette", "source_only_purity"}
    assert set(result.metrics) == expected
    assert all(0 < value <= 100 or "silhouette" in name for name, value in result.metrics.items())
    assert json.loads(result_path(result.config, tmp_path).read_text())["config"]["method"] == method
    assert len(result.history) >= 3 and all(len(row) > 1 for row in result.history)


def shuffled_target(pair):
    train = pair.target.train
    labels = train.labels[torch.randperm(30, generator=torch.Generator().manual_seed(1))]
    assert not torch.equal(labels, train.labels)
    return DomainPair(pair.source, replace(pair.target, train=Split(train.images, labels)))


@pytest.mark.parametrize("method", METHODS)
def test_target_labels_reach_suh_alone(method):
    pair, config = make_pair(30), config_of(method)
    data, other = (training_data(config, p) for p in (pair, shuffled_target(pair)))
    same = all(torch.equal(getattr(data, name), getattr(other, name)) for name in ("x_s", "y_s", "x_t"))
    assert same == (method != "suh")
    if method == "suh":
        assert torch.equal(data.x_s, pair.target.train.images) and torch.equal(data.y_s, pair.target.train.labels)
        assert torch.equal(data.x_t, data.x_s)
    else:
        assert torch.equal(data.x_s, pair.source.train.images) and torch.equal(data.y_s, pair.source.train.labels)


def test_trained_methods_start_from_the_encoder_of_igan():
    pair = make_pair(30)
    encoders = [build(config_of(method), pair).net.encoder.state_dict() for method in ("igan", *TRAINED)]
    for other in encoders[1:]:
        assert other.keys() == encoders[0].keys()
        assert all(torch.equal(other[name], encoders[0][name]) for name in other)


def test_batch_size_and_rate_of_the_run_reach_the_method():
    method = build(config_of("dah", batch_size=12, learning_rate=0.125), make_pair(30))
    assert (method.config.batch_size, method.config.learning_rate, method.config.code_length) == (12, 0.125, 8)


def test_features_are_those_of_the_source_only_run(pair, tmp_path):
    result = finished("itq", tmp_path, seed=3)
    base = source_only(config_of("itq", seed=3))
    assert base == config_of("source-only", seed=3)
    assert checkpoint_path(base, tmp_path).exists() and not result_path(base, tmp_path).exists()
    network, _ = train(base, pair, device="cpu", results=tmp_path, progress=False)
    net_s, net_t = (recalibrated(network.net, domain.train.images) for domain in (pair.source, pair.target))
    train_s, train_t, test_t = (
        hidden_features(net, images)
        for net, images in (
            (net_s, pair.source.train.images),
            (net_t, pair.target.train.images),
            (net_t, pair.target.test.images),
        )
    )
    itq = ITQ(code_length=8).fit(equal_shares(train_s, train_t, 3), seed=3)
    u_s, u_t = itq.encode(train_s), itq.encode(test_t)
    y_s, y_t = pair.source.train.labels, pair.target.test.labels
    expected = {"map_target": 100 * within_target(u_t, y_t).map, "map_cross": 100 * across(u_t, y_t, u_s, y_s).map}
    assert result.metrics == pytest.approx(expected)
    assert [row["objective"] for row in result.history] == itq.objective_history


@pytest.mark.parametrize("method", FEATURE_METHODS)
def test_no_label_changes_the_codes_of_a_method_on_features(monkeypatch, method):
    pair, seen = make_pair(30), []
    network = build(config_of("source-only"), pair)
    monkeypatch.setattr(feature_hashing, "map_metrics", lambda u_t, y_t, u_s, y_s: seen.append(u_t) or {})
    labels = torch.randperm(30, generator=torch.Generator().manual_seed(2))
    source = replace(pair.source, train=Split(pair.source.train.images, pair.source.train.labels[labels]))
    for other in (pair, DomainPair(source, shuffled_target(pair).target)):
        feature_hashing.hash_features(config_of(method), network, other)
    assert torch.equal(*seen)


def test_features_of_a_backbone_are_taken_as_they_are(monkeypatch):
    pair = make_pair(30)

    def as_features(domain):
        splits = {
            part: Split(getattr(domain, part).images.flatten(1)[:, ::40].float(), getattr(domain, part).labels)
            for part in ("train", "test")
        }
        return replace(domain, **splits)

    features = DomainPair(as_features(pair.source), as_features(pair.target))
    seen = []

    class Spy(ITQ):
        def fit(self, x, *, seed):
            seen.append(x)
            return super().fit(x, seed=seed)

    monkeypatch.setitem(feature_hashing.FEATURE_METHODS, "itq", Spy)
    metrics, _ = feature_hashing.hash_features(config_of("itq"), None, features)
    both = torch.cat([features.source.train.images, features.target.train.images])
    assert torch.equal(seen[0].sort(0).values, both.sort(0).values)
    assert set(metrics) == {"map_target", "map_cross"}


def test_each_domain_has_an_equal_share_without_repetition():
    x_s, x_t = torch.arange(50.0)[:, None], torch.arange(100.0, 120.0)[:, None]
    shares = equal_shares(x_s, x_t, seed=0)
    assert len(shares) == 40 and sorted(shares[20:, 0].tolist()) == list(range(100, 120))
    chosen = shares[:20, 0].tolist()
    assert len(set(chosen)) == 20 and max(chosen) < 50 and chosen != equal_shares(x_s, x_t, seed=1)[:20, 0].tolist()


def test_the_hidden_features_are_those_of_the_encoder(pair):
    method = build(config_of("igan"), pair)
    net = recalibrated(method.net, pair.target.train.images)
    x = pair.target.test.images.float() / 127.5 - 1
    torch.testing.assert_close(hidden_features(net, pair.target.test.images), net.encoder.hidden(x))
