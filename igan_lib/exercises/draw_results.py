"""Pictures of the exercises on search and on results. Each takes the function that it shows."""

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from igan_lib.compared.adaptation import batch_norms
from igan_lib.data.domains import load_domain
from igan_lib.data.images import to_input
from igan_lib.exercises import trained
from igan_lib.exercises.exercise import Function, uniform
from igan_lib.exercises.searching import ap_of_order
from igan_lib.experiment.evaluation import accuracy
from igan_lib.method.networks import HashNet
from igan_lib.plots.style import CLASS_COLOURS, INK, SOURCE_COLOUR, TARGET_COLOUR, WIDTH, new_figure
from igan_lib.retrieval.protocols import evaluate_retrieval

HEIGHT = 3.0


def look_at_the_peak(gain: Function) -> Figure:
    """Accuracy on the target while five seeds train, at a constant rate and at one that falls to zero."""
    data = trained.arrays()
    fig, (axes,) = new_figure(1, 2, size=(WIDTH, HEIGHT), sharey=True)
    for ax, decay, name in zip(axes, ("constant", "cosine"), ("Constant rate", "Rate falls to zero"), strict=True):
        curves, steps = data[f"curves_{decay}"], data["steps"]
        for seed, values in enumerate(curves):
            colour = CLASS_COLOURS[seed]
            ax.plot(steps, values, color=colour, linewidth=1)
            ax.plot(steps[values.argmax()], values.max(), "^", color=colour, markersize=6, zorder=3)
            ax.plot(steps[-1], values[-1], "o", color=colour, markersize=4.5, clip_on=False, zorder=3)
        ax.set_title(f"{name}: best - last = {float(gain(curves)):.1f} points", fontsize=10)
        ax.set(xlabel="step", xlim=(steps[0], steps[-1]))
    axes[0].set_ylabel("accuracy on the target, %")
    axes[1].text(0.98, 0.03, "▲ best look   ● last look", transform=axes[1].transAxes, ha="right", fontsize=9)
    return fig


def distances_by_class(hamming: Function) -> Figure:
    """How far the target's codes lie from codes of their own class and from others, before and after adaptation."""
    data = trained.arrays()
    y = data["labels"]
    same, other = y[:, None] == y[None, :], y[:, None] != y[None, :]
    np.fill_diagonal(same, False)
    fig, (axes,) = new_figure(1, 2, size=(WIDTH, HEIGHT), sharey=True)
    for ax, when, title in zip(axes, ("before", "after"), ("Source only", "After adaptation (igan+)"), strict=True):
        packed = np.packbits(data[f"codes_{when}"] >= 0, axis=1)
        distances, bins = np.asarray(hamming(packed, packed)), np.arange(0, 66, 2)
        for pairs, colour in ((same, SOURCE_COLOUR), (other, TARGET_COLOUR)):
            weights = np.full(pairs.sum(), 100 / pairs.sum())
            ax.hist(distances[pairs], bins, weights=weights, color=colour, alpha=0.6)
        ax.set(title=title, xlabel="Hamming distance of two target codes, of 64", xlim=(0, 64))
    axes[0].set_ylabel("% of pairs")
    axes[0].text(0.98, 0.95, "one class", color=SOURCE_COLOUR, transform=axes[0].transAxes, ha="right", va="top")
    axes[0].text(0.98, 0.85, "two classes", color=TARGET_COLOUR, transform=axes[0].transAxes, ha="right", va="top")
    return fig


def shuffled_database(average_precision: Function) -> Figure:
    """AP by a plain sort for 400 orders of one database, beside the answer's one number; eight bits of real codes."""
    data = trained.arrays()
    bits = data["codes_before"][:, :8] >= 0
    y, query = data["labels"], 1
    others = np.arange(len(y)) != query
    distances = (bits[query] != bits[others]).sum(1)
    relevant = y[others] == y[query]
    rng, sorted_aps = np.random.default_rng(0), []
    for _ in range(400):
        order = rng.permutation(len(distances))
        sorted_aps.append(ap_of_order(relevant[order][np.argsort(distances[order], kind="stable")]))
    expected = float(average_precision(distances, relevant))
    fig, axes = new_figure(size=(0.75 * WIDTH, HEIGHT))
    ax = axes[0, 0]
    ax.hist(sorted_aps, 30, color=TARGET_COLOUR, alpha=0.6)
    ax.axvline(expected, color=SOURCE_COLOUR, linewidth=2)
    ax.set(title="One query, codes of 8 bits, one database in 400 orders", xlabel="AP", ylabel="orders")
    top = ax.get_ylim()[1]
    ax.set_ylim(0, 1.25 * top)
    ax.text(expected, 1.22 * top, f"  tie-aware: {expected:.3f}", color=SOURCE_COLOUR, va="top")
    spread = f"  plain sort: {min(sorted_aps):.3f} to {max(sorted_aps):.3f}"
    ax.text(expected, 1.11 * top, spread, color=TARGET_COLOUR, va="top")
    return fig


def intervals_and_words(verdict: Function) -> Figure:
    """Paired differences of five seeds of the committed runs, with the answer's interval and word."""
    runs = trained.five_seeds()
    compared = (("L_c+L_s", "source-only"), ("L_c+L_s+L_h", "L_c+L_s"), ("igan", "L_c+L_s+L_h"), ("igan+", "igan"))
    fig, (axes,) = new_figure(1, 2, size=(WIDTH, HEIGHT), sharey=True, gridspec_kw={"wspace": 0.05})
    for ax, pair in zip(axes, ("mnist->usps", "usps->mnist"), strict=True):
        for row, (ours, others) in enumerate(compared):
            a, b = (_values(runs, pair, method, "target_accuracy") for method in (ours, others))
            low, high, word = verdict(a.tolist(), b.tolist())
            colour = INK if word == "cannot tell" else SOURCE_COLOUR if word == "better" else TARGET_COLOUR
            ax.plot([low, high], [row, row], color=colour, linewidth=2)
            ax.plot(a - b, [row - 0.22] * len(a), "o", color="#777777", markersize=2.5)
            ax.annotate(word, (high, row), xytext=(6, 0), textcoords="offset points", va="center", color=colour)
        ax.axvline(0, color=INK, linewidth=0.8, zorder=0)
        ax.set_xscale("symlog", linthresh=1)
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, -1.2), 8 * high)
        ax.set_xticks([-1, 0, 1, 10], ["-1", "0", "1", "10"])
        ax.minorticks_off()
        ax.set(title=pair.replace("->", " → "), xlabel="difference, points (dots: seeds)")
    axes[0].set_yticks(range(4), [f"{_short(ours)} against {_short(others)}" for ours, others in compared])
    axes[0].set_ylim(3.6, -0.6)
    return fig


def _values(runs: pd.DataFrame, pair: str, method: str, metric: str) -> np.ndarray:
    rows = runs[(runs["pair"] == pair) & (runs["method"] == method)].sort_values("seed")
    return rows[metric].to_numpy()


def _short(method: str) -> str:
    return method if not method.startswith("L_") else f"${method}$"


def two_statistics(reestimate: Function) -> Figure:
    """A feature of two domains before and after the answer's statistics; and the committed accuracies with both."""
    generator = torch.Generator().manual_seed(0)
    source, target = (scale * uniform(generator, 6, 200, 3).sum(2, keepdim=True) + at for scale, at in ((1, 0), (2, 4)))
    fig, (axes,) = new_figure(1, 3, size=(WIDTH, HEIGHT), gridspec_kw={"width_ratios": [1, 1, 1.35]})
    own, bins = reestimate([*source]), np.linspace(-4, 8, 49)
    panels = ((axes[0], "Statistics of the source", own), (axes[1], "Statistics of the target", reestimate([*target])))
    for ax, title, of_target in panels:
        for batches, (mean, variance), colour in ((source, own, SOURCE_COLOUR), (target, of_target, TARGET_COLOUR)):
            seen = (batches.flatten() - mean) / variance.sqrt()
            ax.hist(seen.numpy(), bins, color=colour, alpha=0.55)
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="feature after batch norm", yticks=[], xlim=(-4, 8))
    axes[0].text(0.98, 0.95, "source", color=SOURCE_COLOUR, transform=axes[0].transAxes, ha="right", va="top")
    axes[0].text(0.98, 0.84, "target", color=TARGET_COLOUR, transform=axes[0].transAxes, ha="right", va="top")
    runs, digits = trained.five_seeds(), load_domain("digits12")
    pairs, metrics = ("mnist->usps", "usps->mnist"), ("running_statistics_accuracy", "target_accuracy")
    groups = [[_values(runs, pair, "source-only", metric).mean() for metric in metrics] for pair in pairs]
    net = trained.network_of_mnist()
    as_trained = accuracy(net, digits.test)
    groups.append([as_trained, accuracy(with_statistics(net, digits.train.images, reestimate), digits.test)])
    for place, values in enumerate(groups):
        for shift, value, colour in zip((-0.2, 0.2), values, ("#94a4a2", INK), strict=True):
            axes[2].bar(place + shift, value, 0.36, color=colour)
            axes[2].text(place + shift, value + 1.5, f"{value:.0f}", ha="center", color=INK, fontsize=9)
    axes[2].set_title("Source only: five seeds; one, here", fontsize=9)
    axes[2].set(ylabel="accuracy on the target, %", ylim=(0, 118), yticks=[0, 50, 100])
    axes[2].set_xticks([0, 1, 2], ["mnist\n→ usps", "usps\n→ mnist", "mnist\n→ digits12"])
    axes[2].text(0.02, 0.99, "as trained", color="#717f7d", transform=axes[2].transAxes, va="top", fontsize=9)
    axes[2].text(0.98, 0.99, "estimated anew", color=INK, transform=axes[2].transAxes, va="top", ha="right", fontsize=9)
    return fig


@torch.no_grad()
def with_statistics(net: HashNet, images: Tensor, reestimate: Function) -> HashNet:
    """`net`, whose batch norm now has the answer's statistics of what each of its layers sees of the images.

    As in `experiment.evaluation.recalibrated`, the layers divide by those of the batch meanwhile. Float64, since a sum
    over all pixels of a batch in float32 is right to three digits only.
    """
    seen: dict[torch.nn.Module, list[Tensor]] = {layer: [] for layer in batch_norms(net)}
    for layer, batches in seen.items():
        layer.train().register_forward_pre_hook(
            lambda _, given, batches=batches: batches.append(given[0].double().movedim(1, -1).flatten(0, -2))
        )
    for batch in images.tensor_split(3):
        net.encode(to_input(batch))
    for layer, batches in seen.items():
        layer.running_mean, layer.running_var = (values.float() for values in reestimate(batches))
    return net.eval()


def two_databases(sides: Function) -> Figure:
    """MAP of the short run by the answer's protocols, before and after; and of the committed runs."""
    data = {name: torch.from_numpy(value) for name, value in trained.arrays().items()}
    fig, (axes,) = new_figure(1, 2, size=(WIDTH, HEIGHT), sharey=True)
    groups: dict[str, list[float]] = {}
    for protocol in ("target", "cross"):
        for when in ("before", "after"):
            u_t, u_s = data[f"codes_{when}"], data[f"source_codes_{when}"]
            *codes, exclude_self = sides(protocol, u_t, data["labels"], u_s, data["source_labels"])
            found = evaluate_retrieval(*codes, exclude_self=bool(exclude_self), device="cpu")
            groups.setdefault(protocol, []).append(100 * found.map)
    _bars(axes[0], groups, ["source only", "igan+"])
    axes[0].set_title("The short run, mnist5k → digits")
    runs, methods = trained.five_seeds(), ("source-only", "igan")
    committed = {
        protocol: [_values(runs, "mnist->usps", method, f"map_{protocol}").mean() for method in methods]
        for protocol in ("target", "cross")
    }
    _bars(axes[1], committed, ["source only", "igan"])
    axes[1].set_title("mnist → usps, mean of five seeds")
    axes[0].set(ylabel="MAP, %", ylim=(0, 122), yticks=[0, 50, 100])
    axes[0].text(0.02, 0.99, "target", color=TARGET_COLOUR, transform=axes[0].transAxes, va="top")
    axes[0].text(0.2, 0.99, "cross", color=SOURCE_COLOUR, transform=axes[0].transAxes, va="top")
    return fig


def _bars(ax: Axes, groups: dict[str, list[float]], names: list[str]) -> None:
    for shift, colour, values in zip((-0.2, 0.2), (TARGET_COLOUR, SOURCE_COLOUR), groups.values(), strict=True):
        for place, value in enumerate(values):
            ax.bar(place + shift, value, 0.36, color=colour, alpha=0.75)
            ax.text(place + shift, value + 1.5, f"{value:.0f}", ha="center", color=INK, fontsize=9)
    ax.set_xticks(range(len(names)), names)
