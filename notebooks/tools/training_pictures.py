"""Pictures of a training: its images, its codes as bits and as a map, what a loss does to them. Notebooks 00 and 03.

Images are uint8 or float in [-1, 1], N x C x H x W; codes are N x d; tensors and arrays do equally well.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from sklearn.manifold import TSNE

from igan_lib.data.domains import DomainPair
from igan_lib.files import short_name
from igan_lib.plots.style import (
    INK,
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
from tools.image_tiles import as_picture, symbol, tiles


def domains_side_by_side(pair: DomainPair, *, per_class: int = 4, classes: int = 10) -> Figure:
    """The first training images of each class, a column a class: source on the left, target on the right."""
    shown = list(range(min(classes, pair.n_classes)))
    fig, axes = new_figure(1, 2, size=(WIDTH, WIDTH / 2 * per_class / len(shown) + 0.7))
    roles = ("source", pair.source, SOURCE_COLOUR), ("target", pair.target, TARGET_COLOUR)
    for ax, (role, domain, colour) in zip(axes[0], roles, strict=True):
        images, labels = as_array(domain.train.images), as_array(domain.train.labels)
        blank = np.ones_like(as_picture(images[0]))
        columns = [[as_picture(image) for image in images[labels == label][:per_class]] for label in shown]
        columns = [column + [blank] * (per_class - len(column)) for column in columns]
        ax.imshow(tiles([list(row) for row in zip(*columns, strict=True)]), vmin=0, vmax=1)
        bare(ax)
        centres = np.arange(len(shown)) * (len(blank) + 1) + len(blank) / 2 - 0.5
        ax.set_xticks(centres, [pair.source.class_names[label] for label in shown])
        ax.set_title(f"{role}: {short_name(domain.name)} ({len(images):,} training images)", color=colour)
    return fig


def reconstructions(drawn: Mapping[str, Mapping[str, ArrayLike]], *, columns: int = 12) -> Figure:
    """For each block (a domain) labelled rows of images, such as x, G^s(u) and G^t(u).

    Args:
        drawn: block title -> row label -> images; the images of a block's rows belong together by position.
        columns: at most so many images a row.
    """
    rows = [len(block) for block in drawn.values()]
    count = min([columns, *(len(images) for block in drawn.values() for images in block.values())])
    side = WIDTH / (count + 1)
    fig, axes = new_figure(
        len(drawn), 1, size=(WIDTH, sum(rows) * side + 0.45 * len(drawn)), gridspec_kw={"height_ratios": rows}
    )
    for ax, (title, block) in zip(axes[:, 0], drawn.items(), strict=True):
        pictures = [[as_picture(image) for image in as_array(images)[:count]] for images in block.values()]
        ax.imshow(tiles(pictures), vmin=0, vmax=1)
        bare(ax)
        height = len(pictures[0][0])
        ax.set_yticks(np.arange(len(block)) * (height + 1) + height / 2 - 0.5, list(block), fontsize=11)
        ax.set_title(title)
    return fig


def code_barcodes(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]], class_names: Sequence[str], *, per_class: int = 20
) -> Figure:
    """Codes as bits, a panel a title, one row an image, sorted by class: white where u > 0, black elsewhere.

    Args:
        panels: title -> (codes n x d, labels n in 0..K-1); class_names: written at the side, K of them.
        per_class: the first so many images of each class are drawn.
    """
    fig, axes = new_figure(1, len(panels), size=(max(WIDTH, 2.6 * len(panels)), 5.5))
    for ax, (title, (codes, labels)) in zip(axes[0], panels.items(), strict=True):
        codes, labels = as_array(codes), as_array(labels)
        members = [np.flatnonzero(labels == label)[:per_class] for label in range(len(class_names))]
        ax.imshow(codes[np.concatenate(members)] > 0, vmin=0, vmax=1, aspect="auto")
        ends = np.cumsum([len(rows) for rows in members])
        for end in ends[:-1]:
            ax.axhline(end - 0.5, color=TARGET_COLOUR, linewidth=1.2)
        middles = [end - len(rows) / 2 - 0.5 for end, rows in zip(ends, members, strict=True) if len(rows)]
        bare(ax)
        ax.set_yticks(middles, [name for name, rows in zip(class_names, members, strict=True) if len(rows)])
        ax.set_xticks([0, codes.shape[1] - 1], ["bit 1", str(codes.shape[1])])
        ax.set_title(symbol(title))
    return fig


def tsne_points(codes: ArrayLike, *, seed: int = 0) -> np.ndarray:
    """Codes (n x d) embedded in the plane by t-SNE: n x 2.

    Perplexity 30 (less for fewer than about 100 codes), PCA start, fixed seed: the same codes give the same points.
    """
    codes = as_array(codes).astype(np.float64)
    return TSNE(perplexity=min(30.0, (len(codes) - 1) / 3), init="pca", random_state=seed).fit_transform(codes)


def tsne_embedding(u_s: ArrayLike, u_t: ArrayLike, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Both domains' codes (n x d, m x d) embedded jointly by `tsne_points`: n x 2 and m x 2 points."""
    points = tsne_points(np.concatenate([as_array(u_s), as_array(u_t)]), seed=seed)
    return points[: len(u_s)], points[len(u_s) :]


def tsne_panels(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]], class_names: Sequence[str]
) -> Figure:
    """Embedded codes, a panel each: source as dots, target as crosses, classes by colour and named at their medians.

    Args:
        panels: title -> (source points, source labels, target points, target labels), points n x 2 as they come from
            `tsne_embedding`. A name stands on the point that is nearest to the median of its class in the source.
    """
    fig, axes = new_figure(1, len(panels), size=(WIDTH, WIDTH / len(panels) + 0.4))
    for ax, (title, (p_s, y_s, p_t, y_t)) in zip(axes[0], panels.items(), strict=True):
        for points, labels, marker, size in ((p_s, y_s, SOURCE_MARKER, 12), (p_t, y_t, TARGET_MARKER, 16)):
            colours = [class_colour(label) for label in as_array(labels).tolist()]
            x, y = as_array(points).T
            ax.scatter(x, y, s=size, c=colours, marker=marker, linewidths=0.9, alpha=0.7, rasterized=True)
        for label, name in enumerate(class_names):
            members = as_array(p_s)[as_array(y_s) == label]
            if len(members):
                nearest = np.linalg.norm(members - np.median(members, axis=0), axis=1).argmin()
                ax.text(*members[nearest], name, weight="bold", ha="center", va="center", path_effects=_HALO)
        bare(ax)
        ax.set_title(title)
    handles = [
        plt.Line2D([], [], color=INK, marker=marker, linestyle="", label=role)
        for role, marker in (("source", SOURCE_MARKER), ("target", TARGET_MARKER))
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=2)
    return fig


def statistics_bars(values: Mapping[str, Mapping[str, float]], *, reference: str = "before") -> Figure:
    """One axis a statistic with one bar a row; a line marks the row called `reference`.

    Args:
        values: row -> statistic -> value, the same statistics in each row.
    """
    names = list(values)
    statistics = list(values[reference])
    fig, axes = new_figure(1, len(statistics), size=(WIDTH, 0.32 * len(names) + 0.8), sharey=True)
    for ax, statistic in zip(axes[0], statistics, strict=True):
        heights = [values[name][statistic] for name in names]
        mark = values[reference][statistic]
        ax.barh(names, heights, color=[INK if name == reference else SOURCE_COLOUR for name in names], height=0.6)
        ax.axvline(mark, color=INK, linewidth=1, linestyle=":")
        for name, height in zip(names, heights, strict=True):
            ax.text(height, name, f" {height:.3f}", va="center", fontsize=8, path_effects=_HALO)
        bare(ax)
        ax.set_yticks(names, [symbol(name) for name in names])
        ax.set_xlim(0, 1.35 * max(heights) or 1)
        ax.set_title(statistic)
    axes[0, 0].invert_yaxis()
    return fig


_HALO = [patheffects.withStroke(linewidth=3, foreground="white")]
