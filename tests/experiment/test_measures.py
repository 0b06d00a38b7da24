"""What is reported of a run, against plain loops, and measured again from its checkpoint."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from method_makers import make_pair

from igan_lib.data.domains import Split
from igan_lib.experiment import measures
from igan_lib.experiment.evaluation import recalibrated
from igan_lib.experiment.measures import evaluate
from igan_lib.experiment.methods import build
from igan_lib.experiment.presets import preset
from igan_lib.experiment.run import train
from igan_lib.retrieval.protocols import across, both, within_target
from tools.retrieval_views import class_codes

ACCURACIES = {"target_accuracy", "source_accuracy", "source_only_accuracy"}
MAPS = {"map_target", "map_cross", "source_only_map_target", "source_only_map_cross"}

CLUSTERS = {f"{when}_{name}" for when in ("target", "source_only") for name in ("silhouette", "purity")}


def plain_logits(net, image):
    return net.logits(image[None].float() / 127.5 - 1)[0].tolist()


def bits(net, images):
    return (net.encode(images.float() / 127.5 - 1) > 0).tolist()


def plain_map(queries, y_q, database, y_d, skip_self):
    """MAP in per cent: at each distance the mean over all places that an item can take among its ties."""
    precisions = []
    for i, (q, label) in enumerate(zip(queries, y_q, strict=True)):
        ranked = [
            (sum(a != b for a, b in zip(q, d, strict=True)), other == label)
            for j, (d, other) in enumerate(zip(database, y_d, strict=True))
            if not (skip_self and i == j)
        ]
        total = sum(relevant for _, relevant in ranked)
        ap = seen = hits = 0.0
        for distance in sorted({distance for distance, _ in ranked}):
            tied = [relevant for other, relevant in ranked if other == distance]
            n, p = len(tied), sum(tied)
            for place in range(1, n + 1):  # a relevant item here, with the others spread evenly before it
                before = (p - 1) * (place - 1) / (n - 1) if n > 1 else 0.0
                ap += p / n * (hits + before + 1) / (seen + place)
            seen, hits = seen + n, hits + p
        precisions.append(ap / total)
    return 100 * sum(precisions) / len(precisions)


def plain_silhouette(codes, y):
    """Mean of (b - a) / max(a, b): a the mean distance to one's own class, b that to the nearest other one."""
    scores = []
    for i, code in enumerate(codes):
        by_class = {}
        for j, other in enumerate(codes):
            if i != j:
                by_class.setdefault(y[j], []).append(math.dist(code, other))
        means = {label: sum(values) / len(values) for label, values in by_class.items()}
        own = means.pop(y[i], None)
        nearest = min(means.values())
        scores.append(0.0 if own is None else (nearest - own) / max(nearest, own))
    return sum(scores) / len(scores)


def plain_purity(codes, y, k):
    shares = []
    for i, code in enumerate(codes):
        nearest = sorted((math.dist(code, other), j) for j, other in enumerate(codes) if j != i)[:k]
        shares.append(sum(y[j] == y[i] for _, j in nearest) / k)
    return sum(shares) / len(shares)


@pytest.mark.parametrize("method", ["igan", "igan+"])
@pytest.mark.parametrize("reestimate", [True, False])
def test_evaluate_counts_and_ranks_like_plain_loops(tmp_path, method, reestimate):
    pair = make_pair(30)
    config = preset("bright", "pale", profile="smoke", method=method, learning_rate=3e-3)
    trained, _ = train(config, pair, device="cpu", results=tmp_path, progress=False)
    found = evaluate(trained, pair, reestimate_batch_norm=reestimate)
    assert set(found) == ACCURACIES | MAPS | CLUSTERS | {"running_statistics_accuracy"}

    def used_on(net, domain):
        return recalibrated(net, domain.train.images) if reestimate else net.eval()

    nets = {
        "target_accuracy": (used_on(trained.inference_net, pair.target), pair.target),
        "source_accuracy": (used_on(trained.inference_net, pair.source), pair.source),
        "source_only_accuracy": (used_on(trained.source_only, pair.target), pair.target),
        "running_statistics_accuracy": (trained.inference_net.eval(), pair.target),
    }
    for name, (net, domain) in nets.items():
        hits = 0
        for image, label in zip(domain.test.images, domain.test.labels.tolist(), strict=True):
            logits = plain_logits(net, image)
            hits += logits.index(max(logits)) == label
        assert found[name] == pytest.approx(100 * hits / 30), name
    test, train_s = pair.target.test, pair.source.train
    y_t, y_s = test.labels.tolist(), train_s.labels.tolist()
    for prefix, net in (("", trained.inference_net), ("source_only_", trained.source_only)):
        queries = bits(used_on(net, pair.target), test.images)
        database = bits(used_on(net, pair.source), train_s.images)
        assert found[f"{prefix}map_target"] == pytest.approx(plain_map(queries, y_t, queries, y_t, True))
        assert found[f"{prefix}map_cross"] == pytest.approx(plain_map(queries, y_t, database, y_s, False))
        whose, calibrated = prefix or "target_", used_on(net, pair.target)
        codes = [calibrated.encode(image[None].float() / 127.5 - 1)[0].tolist() for image in test.images]
        assert found[f"{whose}silhouette"] == pytest.approx(100 * plain_silhouette(codes, y_t), abs=1e-3)
        assert found[f"{whose}purity"] == pytest.approx(100 * plain_purity(codes, y_t, 10))


def test_one_class_makes_no_clusters():
    pair = make_pair(30)
    method = build(preset("bright", "pale", profile="smoke"), pair)
    test = Split(pair.target.test.images[:3], torch.tensor([1, 1, 1]))
    odd = replace(pair, target=replace(pair.target, test=test))
    assert not CLUSTERS & set(evaluate(method, odd))


@pytest.mark.parametrize("labels", [[0, 1], [1]])
def test_one_picture_a_class_has_nothing_to_find_in_the_target(labels):
    pair = make_pair(30)
    method = build(preset("bright", "pale", profile="smoke"), pair)
    test = Split(pair.target.test.images[: len(labels)], torch.tensor(labels))
    found = set(evaluate(method, replace(pair, target=replace(pair.target, test=test))))
    assert found >= ACCURACIES and found & (MAPS | CLUSTERS) == {"map_cross", "source_only_map_cross"}


def test_clusters_of_a_large_target_are_not_measured(monkeypatch):
    monkeypatch.setattr(measures, "CLUSTER_IMAGES", 29)
    method = build(preset("bright", "pale", profile="smoke"), make_pair(30))
    assert not CLUSTERS & set(evaluate(method, make_pair(30)))


def test_protocols_take_the_options_of_the_evaluation():
    u, y = torch.tensor([[1.0] * 8, [1.0] * 8, [-1.0] * 8]), torch.tensor([0, 0, 1])
    inside = within_target(u, y, places=(1,))
    assert (inside.map, inside.queries, inside.without_relevant, inside.precision_at) == (1.0, 3, 1, {1: 1.0})
    assert across(u[:1], y[:1], u[1:], y[1:]).map == 1.0
    assert across(u[:1], y[:1], -u[1:], y[1:]).map == 0.5


def test_running_statistics_are_those_of_the_network_as_it_was_trained(monkeypatch):
    pair, asked = make_pair(30), []
    method = build(preset("bright", "pale", profile="smoke", method="igan+"), pair)
    share = measures.accuracy
    monkeypatch.setattr(measures, "accuracy", lambda net, split: asked.append((net, split)) or share(net, split))
    found = evaluate(method, pair)
    (source_net, source_split), (net, split) = asked
    assert net is method.inference_net and not net.training and split is pair.target.test
    assert source_net is not method.inference_net and source_split is pair.source.test
    assert found["running_statistics_accuracy"] == share(method.inference_net, pair.target.test)


def test_without_batch_norm_nothing_is_re_estimated():
    method = build(preset("bright", "pale", profile="smoke", batch_norm=False, losses=("c",)), make_pair(30))
    assert "running_statistics_accuracy" not in evaluate(method, make_pair(30))


def test_evaluate_uses_no_test_image_to_re_estimate(monkeypatch):
    pair, seen = make_pair(30), []
    method = build(preset("bright", "pale", profile="smoke"), pair)
    whole = measures.recalibrated
    monkeypatch.setattr(measures, "recalibrated", lambda net, images: seen.append(images) or whole(net, images))
    evaluate(method, pair)
    assert [images is pair.target.train.images for images in seen] == [True, False] * 2
    assert seen[1] is seen[3] is pair.source.train.images


@pytest.mark.parametrize("n_classes", [2, 8, 31])
def test_codes_of_a_class_are_equally_far_apart(n_classes):
    u = class_codes(torch.arange(n_classes), n_classes)
    assert u.shape[1] % 8 == 0 and set(u.unique().tolist()) == {-1.0, 1.0}
    distances = (u[:, None] != u[None]).sum(2)
    assert torch.equal(distances, 2 * (1 - torch.eye(n_classes, dtype=torch.int64)))


@pytest.mark.parametrize("together", [False, True])
def test_what_a_class_alone_is_worth_is_a_across_and_a_cubed_to_a_squared_within(together):
    """What notebook 06 says of the protocols, for errors that scatter and for errors of a class that go together."""
    rng, n_classes, n, a = np.random.default_rng(0), 31, 3100, 0.75
    y = torch.arange(n) % n_classes
    wrong = torch.from_numpy(rng.random(n) >= a)
    shift = 1 if together else torch.from_numpy(rng.integers(1, n_classes, n))
    predicted = torch.where(wrong, (y + shift) % n_classes, y)
    sure = class_codes(y, n_classes)
    found = both(class_codes(predicted, n_classes), y, sure, y)
    assert found["cross"].map == pytest.approx(a, abs=0.03)
    assert a**3 - 0.03 < found["target"].map < a**2 + 0.03
