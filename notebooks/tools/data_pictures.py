"""Figures of the data sets, before any training; the figures are closed for pyplot as those of `plots.py` are."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from igan_lib.data.domains import Domain
from igan_lib.files import short_name
from igan_lib.plots.style import SOURCE_COLOUR, TARGET_COLOUR, WIDTH, as_array, bare, class_colour, new_figure
from tools.image_tiles import as_picture, tiles


def samples_by_class(domains: Sequence[Domain], *, per_class: int = 2, classes: int = 10) -> Figure:
    """The first `per_class` training images of each of the first `classes` classes; a band of rows a domain."""
    side = WIDTH / (min(classes, max(d.n_classes for d in domains)) + 1.5)
    size = (WIDTH, len(domains) * (per_class * side + 0.35))
    fig, axes = new_figure(len(domains), 1, size=size)
    for ax, domain in zip(axes[:, 0], domains, strict=True):
        images, labels = as_array(domain.train.images), as_array(domain.train.labels)
        shown = range(min(classes, domain.n_classes))
        columns = [[as_picture(image) for image in images[labels == label][:per_class]] for label in shown]
        blank = np.ones_like(as_picture(images[0]))
        columns = [column + [blank] * (per_class - len(column)) for column in columns]
        ax.imshow(tiles([list(row) for row in zip(*columns, strict=True)]), vmin=0, vmax=1)
        bare(ax)
        centres = np.arange(len(shown)) * (images.shape[3] + 1) + images.shape[3] / 2 - 0.5
        ax.set_xticks(centres, domain.class_names[: len(shown)])
        ax.set_title(short_name(domain.name))
    return fig


def class_shares(shares: Mapping[str, tuple[ArrayLike, ArrayLike]], class_names: Sequence[str]) -> Figure:
    """Share of each class in per cent, an axis a domain: bars are the training split, dots the test split.

    Args:
        shares: domain -> (training shares, test shares), N values each.
    """
    fig, axes = new_figure(1, len(shares), size=(WIDTH, 2.5), sharey=True)
    positions = np.arange(len(class_names))
    for ax, (name, (train, test)) in zip(axes[0], shares.items(), strict=True):
        ax.bar(positions, as_array(train), color="#c4c4c4", label="train")
        ax.plot(positions, as_array(test), "o", color=TARGET_COLOUR, markersize=4, label="test")
        ax.axhline(100 / len(class_names), color="black", linewidth=0.8, linestyle=":")
        ax.set_title(short_name(name))
        ax.set_xticks(positions, class_names, fontsize=7)
    axes[0, 0].set_ylabel("share of the split (%)")
    handles, names = axes[0, 0].get_legend_handles_labels()
    in_order = [names.index("train"), names.index("test")]  # matplotlib lists lines before bars
    fig.legend([handles[i] for i in in_order], ["train", "test"], loc="outside lower center", ncols=2, fontsize=9)
    return fig


def grey_histograms(counts: Mapping[str, ArrayLike], *, bins: int = 16) -> Figure:
    """Share of pixels by grey level on a logarithmic axis, a line a domain, named in a legend above the lines.

    Args:
        counts: domain -> 256 counts; `bins`, a divisor of 256, groups them.
    """
    fig, axes = new_figure(size=(WIDTH, 3.2))
    ax = axes[0, 0]
    edges = np.arange(bins + 1) * (256 // bins)
    shares = {name: 100 * as_array(c).reshape(bins, -1).sum(1) / as_array(c).sum() for name, c in counts.items()}
    for number, (name, share) in enumerate(shares.items()):
        ax.stairs(
            share,
            edges,
            color=class_colour(number),
            linestyle=("-", (0, (4, 2)))[number % 2],
            linewidth=1.8,
            label=short_name(name),
        )
    ax.set(yscale="log", xlim=(0, 256), xlabel="grey level", ylabel="share of pixels (%)")
    ax.set_xticks([0, 64, 128, 192, 255])
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(loc="upper center", ncols=len(shares))
    return fig


def class_means_compared(means: Mapping[str, ArrayLike], class_names: Sequence[str]) -> Figure:
    """Class means of two domains in two rows and their difference in a third, a column a class.

    Args:
        means: two entries, domain -> N x C x H x W grey levels 0 to 255. The difference is the first minus the second,
            averaged over the channels: blue where the second is brighter, red where the first is.
    """
    (first, a), (second, b) = means.items()
    a, b = as_array(a), as_array(b)
    fig, axes = new_figure(3, len(class_names), size=(WIDTH, 3 * WIDTH / (len(class_names) + 1) + 0.9))
    labels = (short_name(first), short_name(second), "difference")
    for row, (label, images) in enumerate(zip(labels, (a, b, a - b), strict=True)):
        for column, ax in enumerate(axes[row]):
            if row < 2:
                ax.imshow(as_picture(images[column].round().astype(np.uint8)), vmin=0, vmax=1)
            else:
                drawn = ax.imshow(images[column].mean(0), cmap="RdBu_r", vmin=-255, vmax=255)
            bare(ax)
            if row == 0:
                ax.set_title(class_names[column], loc="center", fontsize=10)
        axes[row, 0].set_ylabel(label)
    # Under all three rows, half as wide as they: beside the third row there is no room for a bar that can be read.
    bar = fig.colorbar(drawn, ax=axes, location="bottom", ticks=[-255, 0, 255], shrink=0.5, aspect=35, pad=0.04)
    bar.set_ticklabels([f"{labels[1]} brighter\n−255", "equal\n0", f"{labels[0]} brighter\n+255"], fontsize=9)
    return fig


def mean_images_with_boxes(means: Mapping[str, ArrayLike], margins: Mapping[str, ArrayLike]) -> Figure:
    """The mean image of each domain; around it the median box of the ink, whose size is written above.

    Args:
        means: domain -> C x H x W grey levels; margins: domain -> (top, bottom, left, right) in pixels.
    """
    fig, axes = new_figure(1, len(means), size=(min(WIDTH, 2.3 * len(means)), WIDTH / max(len(means), 4) + 0.4))
    for ax, (name, mean) in zip(axes[0], means.items(), strict=True):
        picture = as_picture(as_array(mean).round().astype(np.uint8))
        height, width = picture.shape[:2]
        top, bottom, left, right = as_array(margins[name]).tolist()
        high, wide = height - top - bottom, width - left - right
        ax.imshow(picture, vmin=0, vmax=0.6)  # means are dark: few pixels are ink in every image
        ax.add_patch(Rectangle((left - 0.5, top - 0.5), wide, high, fill=False, edgecolor=TARGET_COLOUR, linewidth=2))
        # The box of a full frame lies on the edge of the axes.
        ax.set(xlim=(-1.5, width + 0.5), ylim=(height + 0.5, -1.5))
        bare(ax)
        ax.set_title(f"{short_name(name)}: {high:g} × {wide:g}")
    return fig


def accuracy_matrices(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Accuracies in per cent, an axis a table: a row a training domain, a column a test domain.

    Args:
        tables: title -> accuracies with the names of domains as index and columns; they may differ in size.
    """
    n = max(len(table) for table in tables.values())
    fig, axes = new_figure(1, len(tables), size=(WIDTH, WIDTH / len(tables) * min(1, (n + 2) / (n + 3)) + 0.4))
    for ax, (title, table) in zip(axes[0], tables.items(), strict=True):
        bare(ax)
        named = table.rename(index=short_name, columns=short_name)
        sns.heatmap(named, ax=ax, annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, cbar=False)
        same = [index == column for index in table.index for column in table.columns]
        for text, bold in zip(ax.texts, same, strict=True):
            text.set_weight("bold" if bold else "normal")
        ax.tick_params(axis="y", labelrotation=0)
        ax.set(title=title, xlabel="tested on", ylabel="trained on")
        ax.xaxis.label.set_color(TARGET_COLOUR)
        ax.yaxis.label.set_color(SOURCE_COLOUR)
    return fig
