"""The one place where images change their size, their channels or their scale."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from igan_lib.errors import ConfigError, DataError

SIZES = (28, 32)  # edges in pixels that the networks are built for: MNIST's own and SVHN's own
CHANNELS = (1, 3)  # grey and RGB
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what PIL's convert("L") uses as well
_VALUES_AT_ONCE = 2**23  # 32 MiB as float32: bounds the memory whatever the number and size of the images
_TIE = 1e-4  # see _round
_LEAST_CONTRAST = 64  # grey levels: images of 0..1 or the raw 0..16 of the UCI digits stay below, real data don't
_LEAST_SHARE = 0.25  # of the images that must have it: 0.95 of the part of SVHN do, and all of the other digits
_LOOKED_AT = 10_000  # images at most, evenly over all


def convert_images(images: np.ndarray, size: int, channels: int) -> Tensor:
    """Bring images to `size` x `size` pixels and `channels` channels: contiguous uint8, N x channels x size x size.

    RGB becomes grey by the ITU-R 601 luma, grey becomes RGB by repeating. The resize is bilinear with antialiasing and
    does not keep the aspect ratio. Grey levels are computed as floats and rounded once, at the end. Images that already
    have the wanted size and channels come back bit for bit.

    Args:
        images: uint8, N x H x W or N x H x W x {1, 3}, grey levels 0 to 255, else DataError.
        size, channels: 28 or 32, 1 (grey) or 3 (RGB), else ConfigError.
    """
    check_format(size, channels)
    if images.dtype != np.uint8:
        raise DataError(
            f"Expected images of dtype uint8 (grey levels 0 to 255), found {images.dtype}: scale and round them first."
        )
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[3] not in CHANNELS or 0 in images.shape[1:3]:
        raise DataError(
            f"Expected images of shape N x H x W or N x H x W x 1 or 3, found {images.shape}: "
            "reorder the axes so that the channels come last."
        )
    converted = torch.empty((len(images), channels, size, size), dtype=torch.uint8)
    step = max(1, _VALUES_AT_ONCE // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), step):
        chunk = torch.from_numpy(images[start : start + step].copy()).permute(0, 3, 1, 2)
        converted[start : start + step] = _convert_chunk(chunk, size, channels)
    return converted


def to_unit_range(images: Tensor) -> Tensor:
    """Grey levels 0..255 (uint8, any shape) as float32 in [-1, 1]: x / 127.5 - 1, on the images' device.

    DataError: the images are not uint8; scaling twice would pass unseen otherwise.
    """
    if images.dtype != torch.uint8:
        raise DataError(f"Expected uint8 images to scale to [-1, 1], found {images.dtype}: pass the images as loaded.")
    return images.to(torch.float32) / 127.5 - 1.0


def to_input(x: Tensor) -> Tensor:
    """What a network takes: images (uint8, N x C x S x S) scaled to [-1, 1], features (float32, N x D) as they are."""
    return x if x.dtype == torch.float32 and x.ndim == 2 else to_unit_range(x)


def normalize_contrast(images: Tensor) -> Tensor:
    """Each image's grey levels brought to one mean and spread: (x - mean) / (3 std), clipped to [-1, 1], as uint8.

    N x C x S x S uint8 -> the same; mean and std are those of all channels of an image together. The 3 keeps nearly all
    pixels of a photograph inside the range. An image of one grey level becomes the middle grey.
    """
    out = torch.empty_like(images)
    for start in range(0, len(images), 5000):  # in portions: float copies of a whole data set take gigabytes
        x = images[start : start + 5000].float()
        centred = x - x.mean((1, 2, 3), keepdim=True)
        spread = 3 * centred.square().mean((1, 2, 3), keepdim=True).sqrt()
        scaled = (centred / spread.clamp(min=1)).clamp(-1, 1)
        out[start : start + 5000] = ((scaled + 1) * 127.5).round().to(torch.uint8)
    return out


def check_format(size: int, channels: int) -> None:
    """Raise `ConfigError` unless `size` is 28 or 32 and `channels` is 1 or 3."""
    if size not in SIZES:
        raise ConfigError(f"Expected an image size of 28 or 32 pixels, found {size!r}: choose one of the two.")
    if channels not in CHANNELS:
        raise ConfigError(f"Expected 1 channel (grey) or 3 (RGB), found {channels!r}: choose one of the two.")


def check_range(what: str, images: np.ndarray) -> None:
    """Raise `DataError` unless the images are uint8, not empty, and use the grey levels from 0 to 255.

    A slip of scale (0..1 or 0..16 stored as uint8) would look like a hard domain gap later, so it stops here.
    """
    if images.dtype != np.uint8 or images.size == 0:
        raise DataError(
            f"Expected {what} to be uint8 grey levels from 0 to 255, found {images.dtype} of shape {images.shape}: "
            "complete them, scale them and round them."
        )
    low, high = int(images.min()), int(images.max())
    if high - low < _LEAST_CONTRAST:
        raise DataError(
            f"Expected {what} to use the grey levels from 0 to 255, found {low} to {high} alone: scale them."
        )
    flat = images.reshape(len(images), -1)[:: -(-len(images) // _LOOKED_AT)]
    # Without an image's lowest and highest values: a stray 255, which has up to 3, makes no contrast of 0..1.
    stray = min(max(3, flat.shape[1] // 200), (flat.shape[1] - 1) // 2)
    ordered = np.partition(flat, (stray, flat.shape[1] - 1 - stray), axis=1)
    few = int((ordered[:, -1 - stray].astype(int) - ordered[:, stray] >= _LEAST_CONTRAST).sum())
    if few < _LEAST_SHARE * len(flat):
        raise DataError(
            f"Expected {what} to use the grey levels from 0 to 255, found {few} of {len(flat)} alone whose own levels, "
            f"but for stray pixels, are {_LEAST_CONTRAST} or more apart: scale them all alike."
        )


def _convert_chunk(chunk: Tensor, size: int, channels: int) -> Tensor:
    """uint8 NCHW -> uint8 NCHW; C may come out as 1 where 3 are wanted, the caller's assignment then repeats it."""
    to_grey = chunk.shape[1] == 3 and channels == 1
    resize = chunk.shape[2:] != (size, size)
    if not (to_grey or resize):
        return chunk
    values = chunk.to(torch.float32, memory_format=torch.contiguous_format)
    if to_grey:
        red, green, blue = values.split(1, dim=1)
        values = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    if resize:
        values = F.interpolate(values, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return _round(values)


def _round(values: Tensor) -> Tensor:
    """Nearest grey level, a half goes up.

    Interpolation weights are simple fractions, so exact halves are common, and the last bit of the float would decide
    about them: another processor would give another checksum. The small shift is above the float error at 255 and below
    the distance of any other value to a half (about 1/4096 for the digits' sizes).
    """
    return (values + (0.5 + _TIE)).floor().clamp(0, 255).to(torch.uint8)
