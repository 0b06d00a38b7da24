"""Figures that explain the method: codes, centroids, the threshold, the crosswise paths of Figure 1, the schedules."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import ArrayLike

from igan_lib.plots.style import (
    INK,
    SHADE,
    SOURCE_COLOUR,
    SOURCE_MARKER,
    TARGET_COLOUR,
    TARGET_MARKER,
    WIDTH,
    as_array,
    bare,
    class_colour,
    new_figure,
)


def value_matrices(panels: Mapping[str, ArrayLike], labels: Sequence[str], *, limit: float = 1.0) -> Figure:
    """Small square matrices side by side with their values written in; blue is -limit, white 0, red +limit."""
    fig, axes = new_figure(1, len(panels), size=(WIDTH, WIDTH / len(panels) + 0.3))
    for ax, (title, matrix) in zip(axes[0], panels.items(), strict=True):
        bare(ax)
        table = pd.DataFrame(as_array(matrix), labels, labels)
        ends = {"vmin": -1.25 * limit, "vmax": 1.25 * limit, "cmap": "RdBu_r", "cbar": False}
        sns.heatmap(table, ax=ax, annot=True, fmt=".3g", annot_kws={"fontsize": 13}, square=True, **ends)
        ax.tick_params(axis="y", labelrotation=0)
        ax.set_title(title)
    return fig


def centroid_pulls(
    u_s: ArrayLike, y_s: ArrayLike, u_t: ArrayLike, y_t: ArrayLike, c_s: ArrayLike, c_t: ArrayLike, both: ArrayLike
) -> Figure:
    """Codes in the plane, a colour a class; arrows between the two centroids of each class that has both.

    Args:
        u_s, u_t: B x 2 codes; y_s, y_t: labels and pseudo-labels, -1 (drawn in grey) for none.
        c_s, c_t: N x 2 centroids; both: N, bool.
    """
    fig, axes = new_figure(size=(5.2, 4.6))
    ax = axes[0, 0]
    for u, y, marker in ((u_s, y_s, SOURCE_MARKER), (u_t, y_t, TARGET_MARKER)):
        colours = [class_colour(label) if label >= 0 else "#aaaaaa" for label in as_array(y).tolist()]
        ax.scatter(*as_array(u).T, c=colours, marker=marker, s=45, linewidths=1.8)
    for label in np.flatnonzero(as_array(both)):
        ends = as_array(c_s)[label], as_array(c_t)[label]
        for marker, end in zip("sD", ends, strict=True):
            ax.scatter(*end, marker=marker, s=110, facecolors="white", edgecolors=class_colour(label), linewidths=2)
        ax.add_patch(FancyArrowPatch(*ends, arrowstyle="<->", mutation_scale=14, shrinkA=7, shrinkB=7, color=INK))
    for marker, text in ((SOURCE_MARKER, "source code"), (TARGET_MARKER, "target code")):
        ax.scatter([], [], c=INK, marker=marker, label=text)
    for marker, text in (("s", "source centroid"), ("D", "target centroid")):
        ax.scatter([], [], marker=marker, s=60, facecolors="white", edgecolors=INK, label=text)
    for label in range(len(as_array(c_s))):
        ax.scatter([], [], c=class_colour(label), marker="_", linewidths=4, label=f"class {label}")
    ax.scatter([], [], c="#aaaaaa", marker="_", linewidths=4, label="no label")
    fig.legend(loc="outside right center", fontsize=9)
    ax.set(xlim=(-1, 1), ylim=(-1, 1), xlabel="$u_1$", ylabel="$u_2$", aspect="equal")
    return fig


_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])


def confidence_triangle(p: ArrayLike, panels: Mapping[str, tuple[float, ArrayLike]]) -> Figure:
    """Probabilities of three classes as points of a triangle; a shaded corner is where one class exceeds T.

    Args:
        p: n x 3, rows sum to 1.
        panels: title -> T in [1/2, 1) and the n pseudo-labels that it gives (-1 for none), an axis each.
    """
    fig, axes = new_figure(1, len(panels), size=(WIDTH, WIDTH / max(len(panels), 2) * 0.8))
    for ax, (name, (threshold, label)) in zip(axes[0], panels.items(), strict=True):
        ax.fill(*_CORNERS.T, facecolor="white", edgecolor=INK, linewidth=1.2)
        for k, corner in enumerate(_CORNERS):
            # On the side from corner k to another one, p_k falls from 1 to 0: it is T at the share 1 - T of the way.
            others = [corner + (1 - threshold) * (_CORNERS[j] - corner) for j in range(3) if j != k]
            ax.fill(*np.array([corner, *others]).T, color=class_colour(k), alpha=0.45, linewidth=0)
            below = 1 if k == 2 else -1
            ax.annotate(f"$p_{k} = 1$", corner, (0, 9 * below), textcoords="offset points", ha="center", va="center")
        for point, y in zip(as_array(p) @ _CORNERS, as_array(label).tolist(), strict=True):
            ax.plot(*point, "o", color=INK, markersize=6)
            text = "no label" if y < 0 else f"class {y}"
            # Outside, at the point's height beyond the nearer side: near a corner there is no room for words inside.
            right, inset = point[0] >= 0.5, point[1] / np.sqrt(3)
            outside = (1 - inset + 0.09, point[1]) if right else (inset - 0.09, point[1])
            place = {"ha": "left" if right else "right", "va": "center", "fontsize": 10}
            line = {"arrowstyle": "-", "color": INK, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 4}
            ax.annotate(text, point, outside, arrowprops=line, **place)
        ax.set(aspect="equal", xlim=(-0.35, 1.35), ylim=(-0.12, 1.0))
        bare(ax)
        ax.set_title(f"{name}: T = {threshold:g}")
    return fig


def crosswise_paths() -> Figure:
    """Figure 1 of the paper redrawn: one encoder, two generators, two discriminators and the crosswise images."""
    fig, axes = new_figure(size=(WIDTH, 4.3))
    ax = axes[0, 0]
    ax.set(xlim=(0, 100), ylim=(0, 47))
    bare(ax)
    s, t, own = SOURCE_COLOUR, TARGET_COLOUR, INK
    texts = [(5, 37, "$x^s$, $y^s$", s), (35, 37, "$u^s$", s), (5, 10, "$x^t$", t), (35, 10, "$u^t$", t)]
    texts += [(71, 41.5, r"$\tilde{x}^{s}$", s), (71, 31, r"$\tilde{x}^{ts}$", t)]
    texts += [(71, 16, r"$\tilde{x}^{st}$", s), (71, 5.5, r"$\tilde{x}^{t}$", t)]
    for x, y, text, colour in texts:
        ax.text(x, y, text, color=colour, fontsize=15, ha="center", va="center")
    boxes = [
        (19, 23.5, "E"),
        (35, 23.5, "C"),
        (54, 36, "$G^s$"),
        (54, 11, "$G^t$"),
        (87, 31, "$D^s$"),
        (87, 16, "$D^t$"),
    ]
    for x, y, text in boxes:
        _box(ax, x, y, text)
    arrows = [(9, 35, 16, 26.5, s), (9, 12, 16, 20.5, t), (22, 26.5, 32.5, 35, s), (22, 20.5, 32.5, 12, t)]
    arrows += [(35, 34.5, 35, 27, s), (35, 12.5, 35, 20, t)]  # codes to the classifier
    arrows += [(37.5, 37, 50, 37, s), (37.5, 10, 50, 10, t), (37.5, 35, 50.5, 13.5, s), (37.5, 12, 50.5, 33.5, t)]
    arrows += [(58, 37, 68, 41, s), (58, 35, 68, 31.5, t), (58, 12, 68, 15.5, s), (58, 10, 68, 6, t)]
    arrows += [(74, 31, 83, 31, t), (74, 16, 83, 16, s)]  # crosswise images to the discriminators
    for x0, y0, x1, y1, colour in arrows:
        ax.add_patch(FancyArrowPatch((x0, y0), (x1, y1), arrowstyle="-|>", mutation_scale=11, color=colour))
    for x, y, text in (
        (79.5, 44.5, "$L_1$: like $x^s$ (Eq. 6, 7)"),
        (79.5, 2, "$L_1$: like $x^t$ (Eq. 6, 7)"),
        (92.5, 37.5, "real $x^s$"),
        (92.5, 9.5, "real $x^t$"),
        (81, 23.5, "crosswise images (Eq. 8) against\nreal ones: $L_a$ (Eq. 10)"),
        (27.2, 23.5, "$L_c$ (5)"),
        (35, 41.5, "$L_h$ (2)"),
        (35, 4.5, "$L_s$ (3): class means of $u^t$ near those of $u^s$"),
    ):
        ax.text(x, y, text, color=own, fontsize=9, ha="center", va="center")
    for y0, y1 in ((36.3, 34.8), (10.7, 12.2)):
        ax.add_patch(FancyArrowPatch((90, y0), (88.5, y1), arrowstyle="-|>", mutation_scale=9, color=own))
    return fig


def _box(ax: Axes, x: float, y: float, text: str) -> None:
    patch = FancyBboxPatch((x - 3, y - 2.5), 6, 5, boxstyle="round,pad=0.8", facecolor=SHADE, edgecolor=INK)
    ax.add_patch(patch)
    ax.text(x, y, text, fontsize=15, ha="center", va="center")


def schedule_curves(progress: ArrayLike, curves: Mapping[str, ArrayLike]) -> Figure:
    """Factors between 0 and 1 over the training's progress p, named in a legend."""
    fig, axes = new_figure(size=(WIDTH * 0.7, 3.0))
    ax = axes[0, 0]
    for number, (name, values) in enumerate(curves.items()):
        ax.plot(as_array(progress), as_array(values), color=(SOURCE_COLOUR, TARGET_COLOUR, INK)[number % 3], label=name)
    ax.set(xlim=(0, 1), ylim=(0, 1.05), xlabel="p, share of the adaptation steps taken", ylabel="factor")
    ax.legend(loc="center right")
    return fig
