"""Figures of retrieval: queries with what was found, precision against recall, MAP by code length, and Figure 2."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from igan_lib.plots.style import CLASS_COLOURS, INK, WIDTH, as_array, bare, new_figure
from tools.image_tiles import as_picture

RIGHT, WRONG = "#009e73", "#d55e00"  # two of Okabe and Ito's colours
# The classes of Office-31 outnumber any palette: eight colours times four markers tell 32 apart.
MARKERS = ("o", "s", "^", "D")
COLOURS = CLASS_COLOURS[:8]


def neighbours(
    queries: ArrayLike,
    found: Mapping[str, tuple[ArrayLike, ArrayLike]],
    distances: Mapping[str, ArrayLike] | None = None,
) -> Figure:
    """Each query and, in a line a method, what it finds first; right ones have a green frame, wrong ones an orange one.

    Args:
        queries: q x C x S x S images.
        found: method -> (images q x k x C x S x S, right q x k, bool).
        distances: method -> q x k Hamming distances, written below the images.
    """
    queries = as_array(queries)
    lines = [(name, number) for number in range(len(queries)) for name in found]
    k = len(as_array(next(iter(found.values()))[1])[0])
    side = WIDTH / (k + 2.2)
    fig, axes = new_figure(len(lines), k + 1, size=(WIDTH, len(lines) * (side + 0.14)))
    for row, (name, number) in zip(axes, lines, strict=True):
        images, right = as_array(found[name][0])[number], as_array(found[name][1])[number]
        bare(row[0])
        if name == next(iter(found)):
            row[0].imshow(as_picture(queries[number]), vmin=0, vmax=1)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for place, ax in enumerate(row[1:]):
            ax.imshow(as_picture(images[place]), vmin=0, vmax=1)
            bare(ax)
            ax.spines[:].set(visible=True, color=RIGHT if right[place] else WRONG, linewidth=2.5)
            if distances is not None:
                ax.set_xlabel(str(int(as_array(distances[name])[number][place])), fontsize=7, labelpad=1)
    return fig


def precision_recall(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Precision against recall over all Hamming radii: a panel a title, a line a method, named at the right."""
    fig, axes = new_figure(1, len(curves), size=(WIDTH, 3.6), sharey=True)
    for ax, (title, methods) in zip(axes[0], curves.items(), strict=True):
        for number, (name, outcome) in enumerate(methods.items()):
            precision, recall = (np.array(values) for values in (outcome.precision_at_radius, outcome.recall_at_radius))
            reached = recall > 0  # a radius within which no query finds anything relevant is no point of the curve
            ax.plot(100 * recall[reached], 100 * precision[reached], color=CLASS_COLOURS[number], label=name)
        ax.set(title=title, xlabel="recall, %", xlim=(0, 101), ylim=(0, 102))
    axes[0, 0].set_ylabel("precision, %")
    axes[0, -1].legend(loc="lower left")
    return fig


def map_by_accuracy(outcomes: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]) -> Figure:
    """MAP against accuracy a, both in per cent, with the lines of a, a^2 and a^3: a colour a protocol, a dot a run.

    Codes that say a predicted class and nothing else (`protocols.class_codes`) have a MAP of about a in `cross`, and
    between a^3 and a^2 in `target`: see notebook 06.

    Args:
        outcomes: protocol -> data -> (accuracy, MAP) of each run; each kind of data has a marker.
    """
    fig, axes = new_figure(size=(WIDTH / 2, WIDTH / 2))
    ax = axes[0, 0]
    share = np.linspace(0, 1, 101)
    for power, text, at in ((1, "$a$", 0.58), (2, "$a^2$", 0.85), (3, "$a^3$", 0.85)):  # where few dots are
        ax.plot(100 * share, 100 * share**power, color=INK, linewidth=0.8, alpha=0.5)
        ax.annotate(text, (100 * at, 100 * at**power), xytext=(5, -9), textcoords="offset points", fontsize=9)
    for number, (protocol, by_data) in enumerate(outcomes.items()):
        for marker, (data, points) in zip(MARKERS, by_data.items(), strict=False):
            style = {"color": CLASS_COLOURS[number], "markersize": 3.5, "alpha": 0.7}
            ax.plot(*zip(*points, strict=True), marker, label=f"{protocol}, {data}", **style)
    values = [
        value for by_data in outcomes.values() for points in by_data.values() for point in points for value in point
    ]
    low = 10 * np.floor(max(0.0, min(values, default=0.0) - 1) / 10)
    ax.set(xlabel="accuracy a on the target, %", ylabel="MAP, %", xlim=(low, 101), ylim=(low, 101))
    ax.legend(loc="upper left")
    return fig


def map_by_length(values: Mapping[str, Mapping[int, Sequence[float]]]) -> Figure:
    """MAP in per cent by code length: a line a method through the means over seeds, each run as a dot."""
    fig, axes = new_figure(size=(WIDTH / 2, 3.4))
    ax = axes[0, 0]
    lengths = sorted({length for of_method in values.values() for length in of_method})
    for number, (name, of_method) in enumerate(values.items()):
        colour = CLASS_COLOURS[number]
        own = sorted(of_method)
        ax.plot(own, [np.mean(of_method[length]) for length in own], color=colour, label=name)
        for length in own:
            ax.plot([length] * len(of_method[length]), of_method[length], "o", color=colour, markersize=3)
    ax.set_xscale("log", base=2)
    ax.set_xticks(lengths, [str(length) for length in lengths])
    ax.minorticks_off()
    ax.set(xlabel="bits", ylabel="MAP, %")
    ax.legend()
    return fig


def class_maps(panels: Mapping[str, tuple[ArrayLike, ArrayLike]], *, columns: int = 2) -> Figure:
    """Figure 2: embedded codes, a panel a title; a class has one colour and one marker in all panels.

    Args:
        panels: title -> (points n x 2, labels n, at most 32 classes).
    """
    rows = -(-len(panels) // columns)
    fig, axes = new_figure(rows, columns, size=(WIDTH, rows * WIDTH / columns * 0.85))
    for ax, (title, (points, labels)) in zip(axes.flat, panels.items(), strict=False):
        points, labels = as_array(points), as_array(labels)
        for label in np.unique(labels):
            x, y = points[labels == label].T
            colour, marker = COLOURS[label % len(COLOURS)], MARKERS[label // len(COLOURS) % len(MARKERS)]
            ax.scatter(x, y, s=9, color=colour, marker=marker, linewidths=0, alpha=0.8, rasterized=True)
        bare(ax)
        ax.set_title(title)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    return fig


def class_key(class_names: Sequence[str], *, columns: int = 6) -> Figure:
    """The key to `class_maps`: each class with its colour and marker, at the size of a caption."""
    fig, axes = new_figure(size=(WIDTH, 0.24 * -(-len(class_names) // columns) + 0.1))
    handles = [
        Line2D([], [], linestyle="", color=COLOURS[n % len(COLOURS)], marker=MARKERS[n // len(COLOURS) % len(MARKERS)])
        for n in range(len(class_names))
    ]
    names = [name.replace("_", " ") for name in class_names]
    axes[0, 0].legend(handles, names, ncols=columns, fontsize=8, loc="center", labelcolor=INK, handletextpad=0.1)
    axes[0, 0].set_axis_off()
    return fig
