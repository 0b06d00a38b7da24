"""Pictures of the exercises on losses, labels and the game. Each takes the function that it shows."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igan_lib.exercises import gradients, trained
from igan_lib.exercises.exercise import Function, uniform
from igan_lib.plots.style import INK, SHADE, SOURCE_COLOUR, TARGET_COLOUR, WIDTH, bare, new_figure

HEIGHT = 3.0


def pair_of_codes(hash_loss: Function) -> Figure:
    """The loss of two codes of 16 bits, by how many of their bits agree."""
    bits = 16
    agree = np.arange(bits + 1)
    fig, axes = new_figure(size=(0.6 * WIDTH, HEIGHT))
    ax = axes[0, 0]
    for labels, colour in (((0, 0), SOURCE_COLOUR), ((0, 1), TARGET_COLOUR)):
        values = []
        for count in agree:
            second = torch.ones(bits, dtype=torch.float64)
            second[count:] = -1
            u = torch.stack([torch.ones(bits, dtype=torch.float64), second])
            values.append(float(hash_loss(u, torch.tensor(labels))))
        ax.plot(agree, values, "o-", color=colour, markersize=3.5, clip_on=False)
    ax.text(5.5, 1.05, "equal labels", color=SOURCE_COLOUR)
    ax.text(11.5, 1.3, "different labels", color=TARGET_COLOUR, ha="right")
    ax.set(title="Loss of two codes", xlabel="bits that agree, of 16", xlim=(0, bits), ylim=(0, 2.05))
    ax.set_xticks([0, 4, 8, 12, 16])
    return fig


def way_to_the_corners(quantization: Function) -> Figure:
    """The loss and its gradient for one entry; and codes that descend it."""
    fig, (axes,) = new_figure(1, 2, size=(WIDTH, HEIGHT))
    entries = torch.linspace(-1, 1, 82, dtype=torch.float64)  # an even number: 0 has no nearer bit
    values = np.array([float(quantization(entry.view(1, 1))) for entry in entries])
    slopes = np.array([_slope(quantization, entry.view(1, 1)) for entry in entries])
    half = len(entries) // 2
    for part in (slice(0, half), slice(half, None)):
        axes[0].plot(entries[part], values[part], color=SOURCE_COLOUR)
        axes[0].plot(entries[part], slopes[part], color=TARGET_COLOUR)
    axes[0].axhline(0, color=INK, linewidth=0.6)
    axes[0].text(0.45, 0.22, "loss", color=SOURCE_COLOUR)
    axes[0].text(-0.95, 0.7, "its gradient", color=TARGET_COLOUR)
    axes[0].set(title="One entry", xlabel="u", xlim=(-1, 1))
    u = uniform(torch.Generator().manual_seed(0), 40, 1).squeeze(1)
    path = [u.numpy()]
    for _ in range(30):
        u = u - 0.1 * torch.tensor([_slope(quantization, entry.view(1, 1)) for entry in u])
        path.append(u.numpy())
    for track in np.array(path).T:
        axes[1].plot(track, color=SOURCE_COLOUR if track[0] > 0 else TARGET_COLOUR, linewidth=0.8)
    axes[1].set(title="Forty entries that descend it", xlabel="step", ylabel="u", xlim=(0, 30), ylim=(-1.05, 1.05))
    return fig


def _slope(loss: Function, entry: torch.Tensor) -> float:
    entry = entry.clone().requires_grad_()
    return float(torch.autograd.grad(loss(entry), entry)[0])


def coverage_and_purity(pseudo_labels: Function) -> Figure:
    """The share of target images that get a pseudo-label, and the share of these that are right, by T."""
    data = trained.arrays()
    y, thresholds = data["labels"], np.linspace(0.2, 0.995, 60)
    fig, (axes,) = new_figure(1, 2, size=(WIDTH, HEIGHT), sharey=True)
    for ax, when, title in zip(axes, ("before", "after"), ("Source only", "After adaptation (igan+)"), strict=True):
        logits = torch.from_numpy(data[f"logits_{when}"])
        given = [np.asarray(pseudo_labels(logits, float(threshold))) for threshold in thresholds]
        coverage = [100 * (label >= 0).mean() for label in given]
        purity = [100 * (label == y)[label >= 0].mean() if (label >= 0).any() else np.nan for label in given]
        ax.plot(thresholds, coverage, color=SOURCE_COLOUR)
        ax.plot(thresholds, purity, color=TARGET_COLOUR)
        ax.axvline(0.9, color=INK, linewidth=0.8, linestyle=":")
        ax.set(title=title, xlabel="threshold T", xlim=(0.2, 1), ylim=(0, 103))
    axes[0].set_ylabel("% of images")
    axes[0].text(0.76, 34, "labelled (coverage)", color=SOURCE_COLOUR, fontsize=9, ha="right")
    axes[0].text(0.23, 67, "of these right (purity)", color=TARGET_COLOUR, fontsize=9, va="top")
    axes[0].text(0.89, 4, "T = 0.9", color=INK, fontsize=9, ha="right")
    return fig


def centroid_of_a_rare_class(centroids: Function) -> Figure:
    """The length of the centroid of a class that is in one batch of five, over 40 batches."""
    generator, keep, bits = torch.Generator().manual_seed(0), 0.7, 16
    corner = torch.ones(bits, dtype=torch.float64)
    right = torch.stack([corner, -corner])
    dragged, lengths = right[0].clone(), []
    present = [step % 5 == 0 for step in range(41)]
    for here in present:
        y = torch.tensor([0, 0, 1] if here else [1, 1, 1])
        u = torch.where(y == 0, 1.0, -1.0)[:, None] * (0.9 + 0.1 * uniform(generator, 3, bits))
        right = centroids(right, u, y, keep)
        own = u[y == 0].mean(0) if here else torch.zeros(bits, dtype=torch.float64)
        dragged = keep * dragged + (1 - keep) * own
        lengths.append([float(c.norm()) / bits**0.5 for c in (right[0], dragged)])
    fig, axes = new_figure(size=(0.75 * WIDTH, HEIGHT))
    ax = axes[0, 0]
    for values, colour in zip(np.array(lengths).T, (SOURCE_COLOUR, TARGET_COLOUR), strict=True):
        ax.plot(values, color=colour, clip_on=False)
    for step in np.flatnonzero(present):
        ax.axvspan(step - 0.3, step + 0.3, color=SHADE, zorder=0, linewidth=0)
    ax.text(40, 0.8, "absent class stays", color=SOURCE_COLOUR, ha="right", va="top")
    ax.text(40, 0.62, "absent class counts as zero", color=TARGET_COLOUR, ha="right", va="top")
    ax.set(title="Centroid of a rare class", xlabel="batch (shaded: has the class)", ylabel="length / √d")
    ax.set(xlim=(-0.5, 40), ylim=(0, 1.03))
    return fig


def crosswise_images(crosswise: Function) -> Figure:
    """Real images and the four that the answer names, of a trained run; the generators are looked up by code."""
    data = trained.arrays()

    def generator(name: str) -> Function:
        return lambda u: data[f"g_{name}_of_u_{'s' if np.array_equal(u, data['u_s']) else 't'}"]

    drawn = crosswise(data["u_s"], data["u_t"], generator("s"), generator("t"))
    rows = {"$x^s$": data["x_s"], "x_ss": drawn["x_ss"], "x_st": drawn["x_st"]}
    rows |= {"$x^t$": data["x_t"], "x_tt": drawn["x_tt"], "x_ts": drawn["x_ts"]}
    fig, (axes,) = new_figure(1, 2, size=(WIDTH, 2.5), gridspec_kw={"wspace": 0.05})
    for ax, names, title in zip(axes, (list(rows)[:3], list(rows)[3:]), ("Source codes", "Target codes"), strict=True):
        ax.imshow(np.block([[*rows[name]] for name in names]), cmap="gray", interpolation="nearest")
        bare(ax)
        ax.set_yticks([14, 42, 70], names)
        ax.set_title(title)
    return fig


def two_wishes(game: Function) -> Figure:
    """What D and the generator pay for a drawn image, by how D's answer is spread."""
    share = np.linspace(0.02, 0.96, 60)
    fig, (axes,) = new_figure(1, 2, size=(WIDTH, HEIGHT), sharey=True)
    panels = (("D says: the right class, or fake", 0), ("D says: another class, or fake", 1))
    for ax, (title, named) in zip(axes, panels, strict=True):
        paid = []
        for fake in share:
            p = torch.full((4,), 0.01, dtype=torch.float64)
            p[3] = fake
            p[named] = 1 - fake - 0.02
            real = torch.tensor([[20.0, 0, 0, 0]], dtype=torch.float64)  # a real image that costs D nothing
            paid.append([float(v) for v in game(real, torch.tensor([0]), p.log()[None], torch.tensor([0]))])
        for values, colour in zip(np.array(paid).T, (SOURCE_COLOUR, TARGET_COLOUR), strict=True):
            ax.plot(share, values, color=colour)
        ax.set(title=title, xlabel="probability that D gives to fake", xlim=(0, 1), ylim=(0, 5))
    axes[0].set_ylabel("loss")
    axes[0].text(0.1, 2.6, "D", color=SOURCE_COLOUR)
    axes[0].text(0.86, 2.6, "G", color=TARGET_COLOUR)
    axes[1].text(0.1, 2.6, "D", color=SOURCE_COLOUR)
    axes[1].text(0.5, 4.05, "G: a wrong class is no success", color=TARGET_COLOUR, ha="center")
    return fig


def who_moves(update: Function) -> Figure:
    """The length of the gradient that each group holds at each optimiser step, as numbers in a table."""
    generator = torch.Generator().manual_seed(1)
    norms = gradients.update_norms(update, gradients.make_players(generator), gradients.make_batch(generator))
    groups = ("E", "G", "D")
    table = np.array([[row[group] for group in groups] for row in norms.values()])
    fig, axes = new_figure(size=(0.62 * WIDTH, 2.0))
    ax: Axes = axes[0, 0]
    ax.imshow(np.where(table > 0, 1.0, 0.0), cmap="Blues", vmin=0, vmax=2.5, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        ax.text(column, row, f"{value:.2f}" if value else "none", ha="center", va="center", color=INK)
    bare(ax)
    ax.set_xticks(range(3), groups)
    ax.set_yticks(range(len(norms)), list(norms))
    ax.set_title("Length of the gradient at each step")
    return fig
