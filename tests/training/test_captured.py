"""Steps that become a graph, on a make-believe CUDA; what a graph computes is tested on a GPU (test_gpu.py)."""

import contextlib

import pytest
import torch
from method_makers import Stub, make_pair, stub_data

from igan_lib.errors import TrainingError
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN, ramp
from igan_lib.training import captured, fit
from igan_lib.training.batches import BalancedStream, BatchStream, Portions
from igan_lib.training.captured import WARM_UP, Stepper, make_capturable, set_learning_rates
from igan_lib.training.schedule import Schedule


class Counter:
    """A step whose loss is how many were made; in a capture nothing is made, as on a device."""

    def __init__(self, fails_with=None):
        self.made, self.losses, self.recording, self.fails_with = 0, torch.zeros(1), False, fails_with
        self.ways = []

    def __call__(self):
        if self.recording:
            if self.fails_with:
                raise self.fails_with
            return ["L"], self.losses
        self.run("eager")
        return ["L"], self.losses.clone()

    def run(self, way):
        self.made += 1
        self.ways.append(way)
        self.losses.fill_(self.made)


@pytest.fixture
def cuda(monkeypatch):
    """A torch.cuda that records the step of `cuda.step`."""

    class Fake:
        step = None

        class Stream:
            def wait_stream(self, other):
                pass

        class CUDAGraph:
            def replay(self):
                Fake.step.run("graph")

        @staticmethod
        @contextlib.contextmanager
        def graph(_):
            Fake.step.recording = True
            try:
                yield
            finally:
                Fake.step.recording = False

        class Generator:
            copied = 0

            def clone_state(self):
                return "copy"

            def graphsafe_set_state(self, state):
                self.copied += state == "copy"

        default_generators = (Generator(),)
        current_device = staticmethod(lambda: 0)
        stream, current_stream = staticmethod(lambda _: contextlib.nullcontext()), staticmethod(lambda: Fake.Stream())

    monkeypatch.setattr(captured.torch, "cuda", Fake)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda self, stream: None)
    return Fake


def test_each_call_is_one_step_and_the_fourth_is_a_graph(cuda):
    cuda.step = Counter()
    stepper = Stepper(cuda.step, capture=True)
    assert [stepper()[1].item() for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    assert cuda.step.ways == ["eager"] * WARM_UP + ["graph"] * 3


def test_without_capture_every_step_is_eager():
    step = Counter()  # torch.cuda is the real one here: without a GPU it would fail
    stepper = Stepper(step, capture=False)
    assert [stepper()[1].item() for _ in range(6)] == [1, 2, 3, 4, 5, 6] and step.ways == ["eager"] * 6


def test_what_cannot_be_captured_goes_on_eagerly_and_says_why_once(cuda, capsys):
    cuda.step = Counter(RuntimeError("operation not permitted when stream is capturing\nmore"))
    stepper = Stepper(cuda.step, capture=True)
    assert [stepper()[1].item() for _ in range(6)] == [1, 2, 3, 4, 5, 6] and cuda.step.ways == ["eager"] * 6
    assert cuda.default_generators[0].copied == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].endswith("graph: operation not permitted when stream is capturing")


def test_too_little_memory_is_no_reason_to_go_on(cuda):
    cuda.step = Counter(torch.OutOfMemoryError("all gone"))
    stepper = Stepper(cuda.step, capture=True)
    for _ in range(WARM_UP):
        stepper()
    with pytest.raises(torch.OutOfMemoryError):
        stepper()


def test_a_rate_from_cuda_is_a_number_again_elsewhere():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizers = {"a": torch.optim.Adam([weight], lr=0.5), "b": torch.optim.SGD([weight], lr=0.25)}
    optimizers["a"].param_groups[0] |= {"lr": torch.tensor(0.125), "initial_lr": 0.5, "capturable": True}
    assert make_capturable(optimizers, torch.device("cpu")) is False
    (a,), (b,) = (optimizer.param_groups for optimizer in optimizers.values())
    assert (a["lr"], a["initial_lr"], a["capturable"]) == (0.125, 0.5, False) and isinstance(a["lr"], float)
    assert (b["lr"], b["initial_lr"]) == (0.25, 0.25)
    set_learning_rates(optimizers, 0.5)
    assert (a["lr"], b["lr"]) == (0.25, 0.125)


def test_a_rate_that_is_a_tensor_keeps_its_place():
    optimizers = {"a": torch.optim.Adam([torch.nn.Parameter(torch.ones(1))], lr=torch.tensor(0.5))}
    group = optimizers["a"].param_groups[0]
    group["initial_lr"], place = 0.5, group["lr"].data_ptr()
    set_learning_rates(optimizers, 0.25)
    assert group["lr"].data_ptr() == place and group["lr"].item() == 0.125


@pytest.mark.parametrize("extras", [{}, {"instance_noise": 0.2, "weight_average": 0.9, "centroid_memory": 0.5}])
def test_progress_may_be_a_tensor(extras):
    pair, histories = make_pair(12).for_training(), []
    x_s, x_t = (x.float() / 127.5 - 1 for x in (pair.x_s, pair.x_t))
    for kind in (float, torch.tensor):
        torch.manual_seed(0)
        sizes = {"code_length": 8, "generator_width": 2, "discriminator_width": 2, "threshold": 0.3}
        method = IGAN(IGANConfig(**sizes, **extras), (1, 28, 28), 3).train()
        rows = []
        for step in range(50):
            method.progress = kind(step / 50)
            rows.append(torch.stack(list(method.update(x_s, pair.y_s, x_t).values())))
        histories.append(torch.stack(rows))
    assert torch.allclose(*histories, rtol=1e-2, atol=1e-3)
    for p in (0.0, 0.3, 1.0):
        assert ramp(torch.tensor(p)).item() == pytest.approx(ramp(p), abs=1e-6)


def test_portions_are_the_batches_of_the_stream(monkeypatch):
    monkeypatch.setattr(Portions, "STEPS", 4)
    labels = torch.arange(12) % 3
    for make in (lambda: BatchStream(7, 3, seed=5), lambda: BalancedStream(labels, 3, 6, seed=5)):
        stream, portions = make(), Portions(make(), torch.device("cpu"))
        for step in (0, 1, 3, 4, 9, 2, 17):
            assert torch.equal(portions[step], stream[step])


def test_a_device_is_read_only_where_a_row_is_due_and_a_loss_between_is_found(monkeypatch):
    """As on a GPU: nothing is read between two rows, and the sentence names the step all the same."""
    read = []
    monkeypatch.setattr(
        fit, "_read", lambda unread, last, total, real=fit._read: read.append(last) or real(unread, last, total)
    )
    monkeypatch.setattr(fit.torch, "device", lambda device: type("Device", (), {"type": "mps"})())
    monkeypatch.setattr(fit, "Portions", lambda stream, device: stream)
    monkeypatch.setattr(
        fit.torch, "zeros", lambda *size, real=torch.zeros, device=None, **kwargs: real(*size, **kwargs)
    )
    monkeypatch.setattr(type(stub_data()), "to", lambda self, device: self)
    monkeypatch.setattr(Stub, "to", lambda self, device: self)
    schedule = Schedule(batch_size=2, pretrain_steps=2, steps=10, log_every=5, checkpoint_every=4)
    history = fit.fit(Stub(), stub_data(), schedule, seed=0, progress=False)
    assert read == [1, 4, 6, 8, 11, 12] and [row["step"] for row in history] == [1, 6, 11, 12]
    spoilt = Stub(lambda step: {"L_c": float("nan") if step == 3 else 1.0})
    with pytest.raises(TrainingError, match="L_c = nan at step 3 of 12"):
        fit.fit(spoilt, stub_data(), schedule, seed=0, progress=False)
