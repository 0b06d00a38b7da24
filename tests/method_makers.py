"""Made-up domains, a method that only notes how it is called, and what every error message must look like."""

import torch
from torch import nn

from igan_lib.data.domains import Domain, DomainPair, Split, TrainingData
from igan_lib.errors import IganError
from igan_lib.training.schedule import Schedule


def make_split(n, classes, size, channels, seed, contrast):
    """Noise with a bright bar whose row tells the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    images = torch.randint(0, 80, (n, channels, size, size), generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        top = 2 + label * (size - 4) // classes
        image[:, top : top + 4] += contrast
    return Split(images.to(torch.uint8), labels)


def make_pair(n=30, classes=3, size=28, channels=1, seed=0):
    """A pair of `n` training and `n` test images a domain; the target's bars are paler."""
    names = tuple(str(k) for k in range(classes))
    source, target = (
        Domain(
            name,
            make_split(n, classes, size, channels, 4 * seed + part, contrast),
            make_split(n, classes, size, channels, 4 * seed + part + 1, contrast),
            names,
        )
        for name, part, contrast in (("bright", 0, 170), ("pale", 2, 100))
    )
    return DomainPair(source, target)


class Stub(nn.Module):
    """A method that notes how it is called; its weight counts the steps."""

    def __init__(self, losses=lambda step: {"L_c": 1.0 / step}):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.optimizers = {"all": torch.optim.SGD(self.parameters(), lr=1.0)}
        self.calls, self.batches, self.losses = [], [], losses

    def _step(self, call, *batch):
        assert self.training
        self.calls.append(call)
        self.batches.append(batch)
        with torch.no_grad():
            self.weight += 1
        return {name: torch.tensor(value) for name, value in self.losses(int(self.weight)).items()}

    def pretrain(self, x_s, y_s):
        return self._step("pretrain", x_s, y_s)

    def update(self, x_s, y_s, x_t):
        return self._step("update", x_s, y_s, x_t)

    def finish_pretraining(self):
        self.calls.append("finish")

    def start_stage(self):
        self.calls.append("stage")


def stub_data(n_s=5, n_t=7):
    """Each image is its own index, in every pixel; labels are the same index."""

    def images(n):
        return torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 2, 2).clone()

    return TrainingData(images(n_s), torch.arange(n_s), images(n_t), n_s)


def one_sentence(error, *parts):
    """The message says what was expected, what was found and what to do, in one sentence, and contains `parts`."""
    text = str(error)
    assert isinstance(error, IganError) and "\n" not in text and text.endswith(".")
    assert text.lower().startswith("expected ") and "found" in text and ":" in text
    for part in parts:
        assert part in text, text


SHORT = Schedule(batch_size=6, pretrain_steps=3, steps=4, log_every=1, checkpoint_every=2)


def same_state(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a if isinstance(a[k], torch.Tensor))
