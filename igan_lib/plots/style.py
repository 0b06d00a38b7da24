"""The one style sheet of all figures (sizes, spines, colours, markers) and how a figure begins and ends."""

import re
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from igan_lib.files import atomic_path

# Petroff's ten accessible colours (arXiv:2107.02270), in his order; with more classes they come round again.
CLASS_COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
# Two of Okabe and Ito's colours: they differ in lightness too, so they survive a grey print.
SOURCE_COLOUR = "#0072b2"
TARGET_COLOUR = "#d55e00"
SOURCE_MARKER = "o"
TARGET_MARKER = "x"
INK = "#333333"  # text and axes: dark, but lighter than the data
SHADE = "#eeeeee"  # regions behind curves
WIDTH = 9.0  # inches: fills the text column of a notebook at 100 dpi

STYLE = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "savefig.facecolor": "white",
    "svg.hashsalt": "igan",  # the same figure gives the same file
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.prop_cycle": cycler(color=CLASS_COLOURS),
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
}


def use_style() -> None:
    """Use the style for all figures that are drawn from here on; call it once, after the imports."""
    mpl.rcParams.update(STYLE)


def class_colour(label: int) -> str:
    """The colour of a class, the same in every figure."""
    return CLASS_COLOURS[label % len(CLASS_COLOURS)]


def new_figure(rows: int = 1, columns: int = 1, *, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """`plt.subplots` with an array of axes (rows x columns), closed at once so that it is not shown on its own."""
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    plt.close(fig)
    return fig, axes


def save_figure(fig: Figure, folder: Path | str, name: str) -> list[Path]:
    """Write `folder`/`name`.png and .svg, each whole or not at all; return the two paths."""
    paths = [Path(folder) / f"{name}.{kind}" for kind in ("png", "svg")]
    for path in paths:
        kind = path.suffix[1:]
        with atomic_path(path) as partial:
            fig.savefig(partial, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return paths


def as_array(values: ArrayLike) -> np.ndarray:
    """A tensor (any device) or an array-like as a numpy array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


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


def method_label(method: str) -> str:
    """The row of a table: a sum of losses, such as L_c+L_s, as a formula; any other one as it is, on lines of 34."""
    if re.fullmatch(r"L_\w(\+L_\w)*", method):
        return f"${method}$"
    return textwrap.fill(method, 34, break_on_hyphens=False)


def bare(ax: Axes) -> None:
    """Take away spines and ticks; tick labels that are set afterwards come without marks."""
    ax.spines[:].set_visible(False)
    ax.set(xticks=[], yticks=[])
    ax.tick_params(length=0)
