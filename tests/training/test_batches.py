"""Which images make up a batch."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_makers import Stub, one_sentence, stub_data

from igan_lib.errors import ConfigError
from igan_lib.training.batches import BalancedStream, BatchStream
from igan_lib.training.fit import fit
from igan_lib.training.schedule import Schedule

SIZES = {"n": st.integers(1, 30), "batch": st.integers(1, 70), "seed": st.integers(0, 10**6)}


@given(**SIZES, epochs=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_each_epoch_is_a_permutation(n, batch, seed, epochs):
    stream = BatchStream(n, batch, seed)
    steps = math.ceil(epochs * n / batch)
    batches = [stream[step] for step in range(steps)]
    assert all(len(b) == batch and b.dtype == torch.int64 for b in batches)
    flat = torch.cat(batches).tolist()
    for epoch in range(epochs):
        assert sorted(flat[epoch * n : (epoch + 1) * n]) == list(range(n))


@given(**SIZES, steps=st.lists(st.integers(0, 40), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_batch_depends_on_seed_and_step_alone(n, batch, seed, steps):
    stream = BatchStream(n, batch, seed)
    torch.manual_seed(len(steps))
    for step in steps:  # in any order
        assert torch.equal(stream[step], BatchStream(n, batch, seed)[step])


def test_seeds_and_epochs_are_shuffled_differently():
    first, second = BatchStream(50, 50, 0), BatchStream(50, 50, 1)
    orders = [first[0], first[1], second[0], second[1]]
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_batches_leave_torch_s_random_state_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    BatchStream(10, 3, 0)[5]
    assert torch.equal(torch.get_rng_state(), before)


@given(counts=st.lists(st.integers(1, 9), min_size=2, max_size=5), each=st.integers(1, 6), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_balanced_batches_hold_each_class_equally_often_and_each_image_once_an_epoch_of_its_class(counts, each, seed):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    stream = BalancedStream(labels, len(counts), each * len(counts), seed)
    drawn = torch.cat([stream[step] for step in range(12)])
    for step in range(3):
        assert labels[stream[step]].bincount(minlength=len(counts)).tolist() == [each] * len(counts)
    for label, count in enumerate(counts):
        times = torch.bincount(drawn, minlength=len(labels))[labels == label]
        assert times.sum() == 12 * each and times.max() - times.min() <= (12 * each % count > 0)
    for step in (7, 2, 11):  # in any order
        assert torch.equal(stream[step], BalancedStream(labels, len(counts), each * len(counts), seed)[step])


def test_balanced_classes_and_seeds_are_shuffled_differently():
    labels = torch.arange(90) % 3
    batches = [BalancedStream(labels, 3, 30, seed)[0] for seed in (0, 1)]
    # Which ten of its thirty images each class begins with; their order is that of the batch, not of the class.
    begun = [frozenset((batch[labels[batch] == label] // 3).tolist()) for batch in batches for label in range(3)]
    assert len(set(begun)) == 6


def test_neighbours_in_a_balanced_batch_are_of_one_class_no_more_often_than_by_chance():
    labels = torch.arange(310) % 31
    stream = BalancedStream(labels, 31, 310, 0)
    pairs = torch.cat([labels[stream[step]].view(-1, 2) for step in range(40)])
    assert (pairs[:, 0] == pairs[:, 1]).float().mean() == pytest.approx(9 / 309, abs=0.01)


@pytest.mark.parametrize(("batch_size", "take"), [(7, 6), (2, 3)])
def test_a_balanced_batch_that_is_no_multiple_of_the_classes_is_refused(batch_size, take):
    with pytest.raises(ConfigError) as caught:
        BalancedStream(torch.arange(6) % 3, 3, batch_size, 0)
    one_sentence(caught.value, "multiple of the 3 classes", f"found {batch_size}", f"take {take}")


@pytest.mark.parametrize("balanced", [False, True])
def test_fit_draws_source_batches_as_the_schedule_says(balanced):
    stub, data = Stub(), stub_data(n_s=6)
    data.y_s.copy_(torch.tensor([0, 1, 1, 1, 1, 1]))
    schedule = Schedule(batch_size=2, pretrain_steps=3, steps=6, balanced=balanced)
    fit(stub, type(data)(data.x_s, data.y_s, data.x_t, 2), schedule, seed=0, progress=False)
    mixed = [sorted(batch[1].tolist()) == [0, 1] for batch in stub.batches]
    assert all(mixed) == balanced and len(mixed) == 9
