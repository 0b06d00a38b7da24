"""How well each measure without labels told the accuracy, in the runs of `benchmarks/label_free.py`: notebook 10."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from igan_lib.checkout import ROOT
from igan_lib.photos.label_free import NAMES
from igan_lib.plots.style import CLASS_COLOURS, WIDTH, new_figure

_NARROW = re.compile(r"(agreement with|soft|mean|mutual) ")  # where the name of a measure is cut in two lines
GROUP = ["pair", "backbone", "profile", "method", "setting"]


def read_runs(file: Path = ROOT / "results" / "label_free.csv") -> pd.DataFrame:
    """The rows of the project's runs."""
    return pd.read_csv(file)


def rank_correlation(values: pd.Series, accuracy: pd.Series) -> float:
    """Spearman's, NaN where one of the two is constant."""
    if values.nunique() < 2 or accuracy.nunique() < 2:
        return np.nan
    return float(spearmanr(values, accuracy).statistic)


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """A row a pair and measure; accuracies and differences in per cent.

    over seeds: the mean over settings of the rank correlation between seeds of one setting. over settings: the rank
    correlation of all settings of all methods, each the mean of its seeds. best seed chosen: how often the seed with
    the highest measure is (one of) the most accurate; over the mean seed: how much more accurate it is than the mean
    seed, and as much as labels would give, each a mean over settings.
    """
    rows = []
    for (pair, backbone, profile), of_pair in table.groupby(GROUP[:3]):
        groups = [group for _, group in of_pair.groupby(["method", "setting"])]
        means = of_pair.groupby(["method", "setting"])[["accuracy", *NAMES]].mean()
        for name in NAMES:
            chosen = [(g.loc[g[name].idxmax(), "accuracy"], g["accuracy"]) for g in groups if g[name].notna().all()]
            over_seeds = pd.Series([rank_correlation(group[name], group["accuracy"]) for group in groups])
            rows.append(
                {
                    **{"pair": pair, "backbone": backbone, "profile": profile, "measure": name},
                    **{"settings": len(groups), "over seeds": over_seeds.mean()},
                    "over settings": rank_correlation(means[name], means["accuracy"]),
                    "best seed chosen": np.mean([got == every.max() for got, every in chosen] or [np.nan]),
                    "over the mean seed": np.mean([got - every.mean() for got, every in chosen] or [np.nan]),
                    "with labels": np.mean([every.max() - every.mean() for _, every in chosen] or [np.nan]),
                }
            )
    return pd.DataFrame(rows)


def how_well(runs: pd.DataFrame) -> pd.DataFrame:
    """`correlations` by measure, means over pairs; and what a seed drawn by lot would have."""
    columns = ["over settings", "over seeds", "best seed chosen", "over the mean seed", "with labels"]
    found = correlations(runs).groupby("measure", sort=False)[columns].mean()
    found[["best seed chosen"]] *= 100
    by_lot = pd.Series({"best seed chosen": 100 * _by_lot(runs), "over the mean seed": 0.0}, name="by lot")
    return pd.concat([found.rename(NAMES), by_lot.to_frame().T]).round(2)


def _by_lot(runs: pd.DataFrame) -> float:
    """How often a seed that is drawn by lot is (one of) the most accurate of its setting."""
    of_setting = runs.groupby(GROUP)["accuracy"]
    return (runs["accuracy"] == of_setting.transform("max")).groupby([runs[name] for name in GROUP]).mean().mean()


def draw_how_well(runs: pd.DataFrame) -> Figure:
    """Each measure and the true accuracy, a point a setting (the mean of its seeds), a colour a pair of domains."""
    fig, (axes,) = new_figure(1, len(NAMES), size=(WIDTH, 2.8), sharey=True)
    means = runs.groupby(GROUP, sort=False)[["accuracy", *NAMES]].mean().reset_index()
    for ax, (name, words) in zip(axes, NAMES.items(), strict=True):
        for colour, (pair, of_pair) in zip(CLASS_COLOURS, means.groupby("pair", sort=False), strict=False):
            label = pair.replace("-", " → ")
            ax.plot(of_pair[name], of_pair["accuracy"], "o", color=colour, markersize=4, alpha=0.8, label=label)
        ax.set_xlabel(_NARROW.sub(r"\1\n", words, count=1), fontsize=9)
    axes[0].set_ylabel("accuracy on the target, %")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return fig
