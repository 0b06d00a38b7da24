"""Loss curves: of a finished history, of all runs of a study, and live while `fit` runs."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure

from igan_lib.plots.style import INK, SHADE, TARGET_COLOUR, WIDTH, new_figure

# What the trainer logs, in the order in which it is drawn; the numbers are the paper's equations.
LOSS_TITLES = {
    "L_c": "$L_c$ classification (5)",
    "L_h": "$L_h$ hash code (2)",
    "L_s": "$L_s$ class centroids (3)",
    "L_1": "$L_1$ reconstruction (7)",
    "L_a": "$L_a$ for G and E (9, 10)",
    "L_D": "$L_a$ for D (10)",
    "D_s": "$D^s$: share told apart",
    "D_t": "$D^t$: share told apart",
    "confident": "pseudo-labelled share (4)",
}


def loss_curves(history: Sequence[Mapping[str, float]], pretrain_steps: int = 0) -> Figure:
    """One small axis for each loss in the history rows (`step` and losses); the pre-training steps are shaded."""
    present = {name for row in history for name in row} - {"step"}
    names = [name for name in LOSS_TITLES if name in present] + sorted(present - set(LOSS_TITLES))
    columns = min(4, max(1, len(names)))
    rows = max(1, math.ceil(len(names) / columns))
    fig, axes = new_figure(rows, columns, size=(WIDTH, 2.0 * rows), sharex=True)
    last = max((row["step"] for row in history), default=1)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, names, strict=False):
        points = [(row["step"], row[name]) for row in history if name in row]
        ax.plot(*zip(*points, strict=True), color=INK, linewidth=1.2, label=name, clip_on=False)
        if pretrain_steps:
            ax.axvspan(0, min(pretrain_steps, last), color=SHADE, zorder=0, linewidth=0)
        if name in ("D_s", "D_t"):
            ax.axhline(0.5, color=TARGET_COLOUR, linewidth=1, linestyle=":", label="chance")
        ax.set_title(LOSS_TITLES.get(name, name), fontsize=9)
        ax.set_xlim(0, last)
        ax.set_ylim(0, 1.05 * max(value for _, value in points) or 1)
    for ax in axes.flat[max(0, len(names) - columns) : len(names)]:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("step (shaded: source only)" if pretrain_steps else "step", fontsize=8)
    return fig


class LiveCurves:
    """Loss curves that are redrawn in a notebook while `fit` runs; pass an instance as `on_log`.

    Outside IPython it only collects the rows. `pretrain_steps`: how many steps to shade; `every`: least seconds between
    two drawings, each of which takes about a quarter of a second.
    """

    def __init__(self, pretrain_steps: int = 0, every: float = 3.0) -> None:
        self.pretrain_steps, self.every = pretrain_steps, every
        self.rows: list[Mapping[str, float]] = []
        self.drawings = 0
        self._next = 0.0
        self._handle = None

    def __call__(self, step: int, method: Any, row: Mapping[str, float]) -> None:
        """Take a new row of the history and redraw, if the last drawing is long enough ago."""
        self.rows.append(row)
        if len(self.rows) > 1 and time.monotonic() >= self._next:
            self._show(loss_curves(self.rows, self.pretrain_steps))
            self._next = time.monotonic() + self.every

    def finish(self, history: Sequence[Mapping[str, float]] | None = None) -> Figure:
        """Draw the whole history (default: the rows seen here) in the same place and return the figure."""
        fig = loss_curves(history if history is not None else self.rows, self.pretrain_steps)
        self._show(fig)
        return fig

    def _show(self, fig: Figure) -> None:
        if get_ipython() is None:
            return
        self.drawings += 1
        if self._handle is None:
            self._handle = display(fig, display_id=True)
        else:
            self._handle.update(fig)
