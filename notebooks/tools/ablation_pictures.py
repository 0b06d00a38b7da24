"""What the runs of a study logged while they trained: notebook 07."""

from collections.abc import Sequence
from itertools import product

import pandas as pd
from matplotlib.figure import Figure

from igan_lib.plots.curves import LOSS_TITLES
from igan_lib.plots.style import INK, WIDTH, class_colour, method_label, new_figure


def study_curves(histories: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Logged values by step, one line a method: one row of panels for each of `names`, one column a pair.

    A line is the mean over the seeds that logged the value at that step. The rows of one name share their axis. Each
    line is thinner than the one before, so that where they run together all are seen.

    Args:
        histories: as from `training_views.histories`.
        names: logged values, such as "confident" or "L_s", in the order of the panels.
    """
    pairs, methods = (list(dict.fromkeys(histories[key])) for key in ("column", "method"))
    logged = histories.reindex(columns=["column", "method", "step", *names])
    size = (WIDTH, 0.9 + 1.9 * len(names))
    fig, axes = new_figure(len(names), max(1, len(pairs)), size=size, sharex=True, sharey="row")
    for (row, name), (at, pair) in product(enumerate(names), enumerate(pairs)):
        ax, here = axes[row, at], logged[logged["column"] == pair]
        for number, method in enumerate(methods):
            values = here[here["method"] == method].groupby("step")[name].mean().dropna()
            if len(values):
                wide = 1.0 + 0.5 * (len(methods) - 1 - number)
                ax.plot(values, color=class_colour(number), label=method_label(method), linewidth=wide)
        if name in ("D_s", "D_t"):
            ax.axhline(0.5, color=INK, linewidth=1, linestyle=":", label="chance")
        title = LOSS_TITLES.get(name, name)
        ax.set_title(f"{pair.replace('->', ' → ')}\n{title}" if row == 0 else title, fontsize=9)
    for name, ax in zip(names, axes[:, 0], strict=True):
        if name != "confident":  # a share says enough where it is; losses are compared with zero
            ax.set_ylim(bottom=0)
    for ax in axes[-1]:
        ax.set_xlabel("step", fontsize=8)
    lines = {line.get_label(): line for ax in axes.flat for line in ax.lines}
    order = [method_label(method) for method in methods if method_label(method) in lines]
    fig.legend([lines[label] for label in order], order, loc="outside lower center", ncols=3)
    return fig
