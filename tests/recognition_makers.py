"""Small data with a known shift, and small methods of Tables 1 and 2, for their tests."""

import torch

from igan_lib.data.domains import TrainingData
from igan_lib.experiment.methods import RECOGNITION_CLASSES
from igan_lib.experiment.presets import IMAGES_ONLY
from igan_lib.method.config import IGANConfig

NAMES = list(RECOGNITION_CLASSES)
OF_FEATURES = [name for name in NAMES if name not in IMAGES_ONLY]
# What tells real from drawn, or source from target, in the history's last row.
DISCRIMINATORS = {
    **{name: {"D"} for name in ("dann", "adda", "cdan", "mstn", "cycada")},
    **{name: {"D_s", "D_t"} for name in ("cogan", "duplex")},
    "i2i": {"D_s", "D_t", "D_z"},
}
CLASSES = 3


def two_views(n=300, seed=0):
    """Features that show the class twice: in the target the stronger view is weaker and names the next class.

    Returns the training data, which has no target labels, and these labels.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % CLASSES
    one = torch.nn.functional.one_hot(labels, CLASSES).float()

    def domain(strength, moved):
        features = torch.cat([strength * one.roll(moved, 1), 0.65 * one.repeat(1, 3)], dim=1)
        return features + 0.2 * torch.randn(features.shape, generator=generator)

    return TrainingData(domain(1.0, 0), labels, domain(0.55, 1), CLASSES), labels


def stripes(n=90, seed=0, shift="moved"):
    """Images of 28 pixels with a bright bar at one of three heights; data and target labels as `two_views`.

    In the target the bar is 3 pixels lower ("moved") or has half its contrast and, somewhere, a like bar ("decoy").
    """
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % CLASSES

    def domain(is_target):
        images = torch.randint(0, 60, (n, 1, 28, 28), generator=generator)
        for image, label in zip(images, labels.tolist(), strict=True):
            top = 3 + 8 * label + int(torch.randint(-1, 2, (), generator=generator))
            lower, bright = (3, 190) if shift == "moved" else (0, 90)
            image[:, top + is_target * lower :][:, :5] += bright if is_target else 190
            if is_target and shift == "decoy":
                row = int(torch.randint(0, 24, (), generator=generator))
                image[:, row : row + 3] += 120
        return images.clamp(max=255).to(torch.uint8)

    return TrainingData(domain(False), labels, domain(True), CLASSES), labels


def make(name, data, seed=0, settings=None, **own):
    """The method called `name` for `data`, with small networks; `own`: its own settings."""
    torch.manual_seed(seed)
    shape = tuple(data.x_s.shape[1:])
    sizes = {"code_length": 32, "generator_width": 4, "discriminator_width": 4}
    sizes["encoder"] = "mlp" if len(shape) == 1 else "lenet"
    seen = {"x_t": data.x_t} if name == "shot" else {}
    return RECOGNITION_CLASSES[name](IGANConfig(**(sizes | (settings or {}))), shape, data.n_classes, **seen, **own)


def data_for(name, n=30):
    """A few samples: images for methods of images, else features."""
    return (stripes if name in IMAGES_ONLY else two_views)(n)[0]
