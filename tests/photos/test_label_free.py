"""What is measured without labels: against plain loops in float64, at its bounds, and under changes of no account."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.photos import label_free
from igan_lib.photos.label_free import (
    best,
    collapsed,
    mean_confidence,
    measure,
    mutual_information,
    neighbour_agreement,
    seed_agreement,
    soft_neighbourhood_density,
)
from igan_lib.training.neighbours import nearest_neighbours

sizes = st.tuples(st.integers(2, 12), st.integers(2, 6), st.integers(0, 1000), st.sampled_from([0.3, 1.0, 8.0]))


def outputs(n, classes, seed, sharpness=3.0):
    logits = torch.randn(n, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (sharpness * logits).softmax(1)


def entropy(values):
    return -sum(value * math.log(value) for value in values if value)


def plain_density(p, temperature):
    rows = p.tolist()
    total = 0.0
    for i, row in enumerate(rows):
        weights = []
        for j, other in enumerate(rows):
            if j != i:
                dot = sum(a * b for a, b in zip(row, other, strict=True))
                lengths = math.sqrt(sum(a * a for a in row)) * math.sqrt(sum(b * b for b in other))
                weights.append(math.exp(dot / lengths / temperature))
        total += entropy([weight / sum(weights) for weight in weights])
    return total / len(rows)


@settings(deadline=None, max_examples=40)
@given(sizes, st.sampled_from([0.05, 1.0]))
def test_density_is_the_double_loop_within_its_bounds(size, temperature):
    p = outputs(*size)
    found = soft_neighbourhood_density(p, temperature)
    assert found == pytest.approx(plain_density(p, temperature), abs=1e-9)
    assert -1e-9 <= found <= math.log(max(len(p) - 1, 1)) + 1e-9


def test_the_temperature_is_the_published_one():
    p = outputs(9, 4, 0)
    assert soft_neighbourhood_density(p) == pytest.approx(plain_density(p, 0.05))


def test_density_is_greatest_where_all_are_alike_and_counts_the_members_of_far_clusters():
    assert soft_neighbourhood_density(torch.full((7, 3), 1 / 3)) == pytest.approx(math.log(6))
    clusters = torch.eye(3).repeat_interleave(5, 0)
    assert soft_neighbourhood_density(clusters) == pytest.approx(math.log(4), abs=1e-5)


def test_density_in_parts_is_that_of_the_whole(monkeypatch):
    p = outputs(23, 4, 1)
    whole = soft_neighbourhood_density(p)
    monkeypatch.setattr(label_free, "_ROWS", 5)
    assert soft_neighbourhood_density(p) == pytest.approx(whole, rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_confidence_and_information_are_the_plain_loops(size):
    p = outputs(*size)
    rows, n, classes = p.tolist(), len(p), p.shape[1]
    assert mean_confidence(p) == pytest.approx(sum(max(row) for row in rows) / n)
    assert 1 / classes - 1e-9 <= mean_confidence(p) <= 1
    together = [sum(row[c] for row in rows) / n for c in range(classes)]
    found = mutual_information(p)
    assert found == pytest.approx(entropy(together) - sum(map(entropy, rows)) / n, abs=1e-9)
    assert -1e-9 <= found <= math.log(classes) + 1e-9


def test_information_tells_many_sure_classes_from_one_and_from_doubt():
    sure = torch.eye(4).repeat(3, 1)
    assert mutual_information(sure) == pytest.approx(math.log(4))
    assert mutual_information(sure[:1].repeat(9, 1)) == mutual_information(torch.full((9, 4), 0.25)) == 0


@settings(deadline=None, max_examples=40)
@given(sizes, st.data())
def test_agreements_are_the_plain_loops(size, data):
    n, classes, seed, _ = size
    p, other, x = outputs(*size), outputs(n, classes, seed + 1), outputs(n, 5, seed + 2)
    k = data.draw(st.integers(1, n - 1))
    nearest = nearest_neighbours(x, k)
    label, others = ([max(range(classes), key=row.__getitem__) for row in each.tolist()] for each in (p, other))
    same = sum(label[j] == label[i] for i in range(n) for j in nearest[i].tolist())
    assert neighbour_agreement(p, nearest) == pytest.approx(same / (n * k))
    assert seed_agreement(p, other) == pytest.approx(sum(a == b for a, b in zip(label, others, strict=True)) / n)
    assert seed_agreement(p, other) == seed_agreement(other, p) and seed_agreement(p, p) == 1


@settings(deadline=None, max_examples=30)
@given(st.integers(8, 20), st.integers(2, 5), st.integers(0, 100))
def test_neither_the_order_of_images_nor_that_of_classes_counts(n, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    first = {number: outputs(n, classes, seed + number) for number in (0, 1)}
    x = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    images, names = torch.randperm(n, generator=generator), torch.randperm(classes, generator=generator)
    moved = {number: p[images][:, names] for number, p in first.items()}
    found, again = measure(first, x), measure(moved, 3 * x[images] + 2)
    assert set(found[0]) == set(label_free.NAMES)
    for number in (0, 1):
        assert found[number] == pytest.approx(again[number], abs=1e-9)


def test_one_seed_has_none_to_agree_with_and_two_agree_alike():
    x = outputs(9, 5, 9)
    assert set(measure({3: outputs(9, 4, 0)}, x)[3]) == set(label_free.NAMES) - {"seeds"}
    p, q, r = (outputs(9, 4, seed) for seed in range(3))
    found = measure({5: p, 6: q, 7: r}, x)
    assert found[6]["seeds"] == pytest.approx((seed_agreement(p, q) + seed_agreement(q, r)) / 2)


def test_of_many_images_evenly_spaced_ones_are_compared(monkeypatch):
    p, x = outputs(40, 4, 0), outputs(40, 6, 1)
    monkeypatch.setattr(label_free, "MOST", 15)
    found, few = measure({0: p}, x)[0], measure({0: p[::3]}, x[::3])[0]
    assert {name: found[name] for name in ("density", "neighbours")} == {
        name: few[name] for name in ("density", "neighbours")
    }
    assert found["confidence"] == mean_confidence(p) != few["confidence"]


def test_two_images_are_enough():
    assert measure({0: outputs(2, 3, 0)}, outputs(2, 4, 1))[0]["density"] == 0


def test_the_best_seed_has_the_highest_measure_and_of_equal_ones_is_the_first():
    measures = {4: {"density": 1.0, "confidence": 3.0}, 2: {"density": 2.0, "confidence": 3.0}}
    measures = {seed: found | {"information": 1.0} for seed, found in measures.items()}
    assert best(measures, "density") == 2 and best(measures, "confidence") == 4
    assert label_free.CHOOSES in label_free.NAMES


@pytest.mark.parametrize("by", ["density", "neighbours"])
def test_a_network_that_calls_everything_one_class_is_not_the_best(by):
    x = outputs(60, 6, 0)
    good = torch.softmax(8 * x[:, :4], 1)
    one = torch.softmax(torch.tensor([9.0, 0, 0, 0], dtype=x.dtype) + 0.1 * x[:, :4], 1)
    found = measure({0: one, 1: good}, x)
    assert found[0][by] > found[1][by]  # or there is nothing to guard against
    assert collapsed(found) == [0] and best(found, by) == 1
    assert best({0: found[0]}, by) == 0  # a single one is kept, whatever it does
    assert collapsed({0: {"information": -1e-9}, 1: {"information": -1e-8}}) == [1]
