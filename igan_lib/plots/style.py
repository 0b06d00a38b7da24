"""The one style sheet of all figures (sizes, spines, colours, markers) and how a figure begins and ends."""

import re
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from igan_lib.files import atomic_path

STYLE = Path(__file__).with_name("igan.mplstyle")
# Petroff's ten accessible colours (arXiv:2107.02270); with more classes they come round again.
CLASS_COLOURS = mpl.rc_params_from_file(STYLE, use_default_template=False)["axes.prop_cycle"].by_key()["color"]
# Two of Okabe and Ito's colours: they differ in lightness too, so they survive a grey print.
SOURCE_COLOUR = "#0072b2"
TARGET_COLOUR = "#d55e00"
SOURCE_MARKER = "o"
TARGET_MARKER = "x"
INK = "#333333"  # text and axes: dark, but lighter than the data
SHADE = "#eeeeee"  # regions behind curves
WIDTH = 9.0  # inches: fills the text column of a notebook at 100 dpi


def use_style() -> None:
    """Use the style for all figures that are drawn from here on; call it once, after the imports."""
    plt.style.use(STYLE)


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
