"""Images as imshow wants them, and many of them as one picture."""

import re

import numpy as np


def as_picture(image: np.ndarray) -> np.ndarray:
    """One image, C x H x W, uint8 or float in [-1, 1], as imshow wants it: H x W or H x W x 3, in [0, 1]."""
    scaled = image / 255.0 if image.dtype == np.uint8 else np.clip((image + 1) / 2, 0, 1)
    return scaled[0] if len(scaled) == 1 else np.moveaxis(scaled, 0, 2)


def tiles(rows: list[list[np.ndarray]], gap: int = 1) -> np.ndarray:
    """Pictures of one size as one picture, row by row, with a white gap of so many pixels between them."""
    across = [np.concatenate([_framed(picture, gap) for picture in row], axis=1) for row in rows]
    return np.concatenate(across, axis=0)[gap:, gap:]


def _framed(picture: np.ndarray, gap: int) -> np.ndarray:
    """The picture with a white edge at its top and its left."""
    return np.pad(picture, [(gap, 0), (gap, 0)] + [(0, 0)] * (picture.ndim - 2), constant_values=1.0)


def symbol(name: str) -> str:
    """The name of a loss, such as L_c, as a formula; any other text as it is."""
    return f"${name}$" if re.fullmatch(r"L_\w", name) else name
