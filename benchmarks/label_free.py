"""How well measures without labels tell the true accuracy, over runs on frozen features of Office-31.

    python benchmarks/label_free.py amazon-webcam webcam-amazon     train what is missing of these pairs, add its rows
    python benchmarks/label_free.py                                 print the rank correlations of the rows there

Of each pair every setting of every method (`SETTINGS`) is trained with all seeds, since a measure compares the seeds
with each other; then its rows go to results/label_free.csv together, and it is not trained again. Two processes of one
thread may share the work: name other pairs to each. The labels of the target count the accuracy, and nothing else.
"""

import argparse
import csv
import fcntl
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from igan_lib.errors import ConfigError
from igan_lib.experiment.evaluation import codes_and_logits, recalibrated, share_right
from igan_lib.experiment.methods import build, training_data
from igan_lib.experiment.presets import ExperimentConfig, preset
from igan_lib.experiment.run import load
from igan_lib.photos.label_free import NAMES, measure
from igan_lib.training.fit import fit

PAIRS = ("amazon-webcam", "amazon-dslr", "webcam-amazon", "dslr-amazon")
OUTPUT = Path(__file__).resolve().parent.parent / "results" / "label_free.csv"
GROUP = ["pair", "backbone", "profile", "method", "setting"]
COLUMNS = [*GROUP, "seed", "hash", "accuracy", *NAMES]

SHORT = {"pretrain_steps": 100, "steps": 100}
# Of each method its usual setting and others, good and bad, so that there is something to be told apart.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "source-only": {
        "usual": {},
        "30 steps": {"pretrain_steps": 30, "steps": 30},
        "rate 1e-4": {"learning_rate": 1e-4},
        "no batch norm": {"batch_norm": False},
    },
    "noda": {"usual": {}, "short": SHORT, "rate 1e-4": {"learning_rate": 1e-4}},
    "dah": {"usual": {}, "short": SHORT, "rate 1e-4": {"learning_rate": 1e-4}},
    "igan": {
        "usual": {},
        "short": SHORT,
        "without L_a and L_1": {"losses": ("c", "s", "h")},
        "T 0.3": {"threshold": 0.3},
        "T 0.95": {"threshold": 0.95},
        "beta 0.1": {"beta": 0.1},
        "beta 100": {"beta": 100.0},
        "adversarial 0.3": {"adversarial": 0.3},
        "rate 1e-4": {"learning_rate": 1e-4},
    },
}


def configurations(pair: str, method: str, setting: str, seeds: int, **named: str) -> list[ExperimentConfig]:
    """One a seed; `named`: profile and backbone."""
    source, target = pair.split("-")
    changes = SETTINGS[method][setting] if named["profile"] != "smoke" else {}  # which has steps of its own
    return [preset(source, target, method=method, seed=seed, **named | changes) for seed in range(seeds)]


def rows_of(pair: str, method: str, setting: str, configs: list[ExperimentConfig]) -> list[list[object]]:
    """Train every seed, and measure with and without labels."""
    data = load(configs[0], progress=False)
    x, labels, outputs, accuracies = data.target.train.images, data.target.test.labels, {}, {}
    for config in configs:
        trained = build(config, data)
        fit(trained, training_data(config, data), config, seed=config.seed, device="cpu", progress=False)
        logits = codes_and_logits(recalibrated(trained.inference_net, x), x)[1]
        outputs[config.seed], accuracies[config.seed] = logits.softmax(1), share_right(logits, labels)
    rows = []
    for config, found in zip(configs, measure(outputs, x).values(), strict=True):
        named = [pair, config.backbone, config.profile, method, setting, config.seed, config.hash8]
        values = [round(found[name], 5) if name in found else "" for name in NAMES]
        rows.append([*named, round(accuracies[config.seed], 2), *values])
    return rows


def done(output: Path) -> set[tuple[str, ...]]:
    """The groups that are there."""
    return set(pd.read_csv(output)[GROUP].itertuples(index=False, name=None)) if output.exists() else set()


def append(rows: Iterable[list[object]], output: Path) -> None:
    """Add the rows of a group; two processes may do so at the same time."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output, "a", newline="", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.tell() == 0:
            csv.writer(file).writerow(COLUMNS)
        csv.writer(file).writerows(rows)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="*", metavar="PAIR", help=f"any of: {', '.join(PAIRS)}")
    parser.add_argument("--methods", nargs="+", default=list(SETTINGS), help="default: all")
    parser.add_argument("--settings", nargs="+", help="by name (default: all of each method)")
    parser.add_argument("--seeds", type=int, default=5, help="of each setting (default 5)")
    parser.add_argument("--backbone", default="efficientnet_lite2")
    parser.add_argument("--profile", default="cpu", help="cpu (default) or, to see that it works, smoke")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1: run two of these side by side)")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    for asked, known in ((arguments.pairs, PAIRS), (arguments.methods, SETTINGS)):
        if unknown := [name for name in asked if name not in known]:
            raise ConfigError(f"Expected some of {', '.join(known)}, found {unknown}: choose among these.")
    torch.set_num_threads(arguments.threads)
    named = {"profile": arguments.profile, "backbone": arguments.backbone}
    for pair in arguments.pairs:
        for method in arguments.methods:
            for setting in SETTINGS[method]:
                group = (pair, arguments.backbone, arguments.profile, method, setting)
                if setting not in (arguments.settings or [setting]) or group in done(arguments.output):
                    continue
                start, configs = time.perf_counter(), configurations(pair, method, setting, arguments.seeds, **named)
                rows = rows_of(pair, method, setting, configs)
                append(rows, arguments.output)
                accuracies = ", ".join(f"{row[COLUMNS.index('accuracy')]:.1f}" for row in rows)
                print(pair, method, setting, accuracies, f"({time.perf_counter() - start:.0f} s)", flush=True)
    if not arguments.pairs:
        found = correlations(pd.read_csv(arguments.output))
        print(found.round(2).to_string(index=False))
        numbers = found.select_dtypes("number").columns.drop("settings")
        print("\nmeans over pairs")
        print(found.groupby(["backbone", "profile", "measure"], sort=False)[numbers].mean().round(2).to_string())


if __name__ == "__main__":
    main()
