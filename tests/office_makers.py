"""A tiny Office-31 and a tiny random backbone, for the tests of Office-31, of the backbones and of their features."""

import numpy as np
import torch
from data_makers import noise
from PIL import Image
from torch import nn

from igan_lib.data.backbones import Backbone, Transform

OFFICE_CLASSES = ("bike", "mug", "pen")
OFFICE_COUNTS = {"amazon": (3, 2, 4), "webcam": (2, 3, 2), "dslr": (1, 2, 2)}
TINY = Transform(resize=20, crop=16, interpolation="bilinear", mean=(120.0, 110.0, 100.0), std=(60.0, 50.0, 40.0))


def write_office(root, layout="office31/{}/images"):
    """All three domains below `root`; written against the order of the classes and names, in many sizes."""
    for seed, (domain, counts) in enumerate(OFFICE_COUNTS.items()):
        for label, count in reversed(list(enumerate(counts))):
            folder = root / layout.format(domain) / OFFICE_CLASSES[label]
            folder.mkdir(parents=True)
            for number in reversed(range(1, count + 1)):
                pixels = noise(24 + 5 * number, 30 + 3 * label, 3, seed=100 * seed + 10 * label + number)
                Image.fromarray(pixels).save(folder / f"frame_{number:04}.jpg")
    return root


class TinyNet(nn.Module):
    """3 x 16 x 16 -> 6 features, with layers that act otherwise in training mode; counts the images that it sees."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(16, 6))
        self.seen = 0

    def forward(self, x):
        self.seen += len(x)
        return self.head(self.norm(self.conv(x)).relu())


def tiny_backbone(transform=TINY):
    """A backbone that gives the same random network whenever it is asked, and that network."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = TinyNet()
        network.norm.running_mean.normal_()
        network.norm.running_var.uniform_(0.5, 2.0)
    return Backbone("tiny", 6, transform, lambda download: network), network


def office_labels(domain):
    return np.repeat(np.arange(len(OFFICE_CLASSES)), OFFICE_COUNTS[domain]).tolist()
