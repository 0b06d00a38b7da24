"""How well measures without labels tell the true accuracy, over runs on frozen features of Office-31.

    python benchmarks/label_free.py amazon-webcam webcam-amazon     train what is missing of these pairs, add its rows

Of each pair every setting of every method (`SETTINGS`) is trained with all seeds, since a measure compares the seeds
with each other; then its rows go to results/label_free.csv together, and it is not trained again. Two processes of one
thread may share the work: name other pairs to each. The labels of the target count the accuracy, and nothing else.
Notebook 10 shows what the rows say.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from csv_rows import append

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
SLOW = {"learning_rate": 1e-4}
# Of each method its usual setting and others, good and bad, so that there is something to be told apart.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "source-only": {
        "usual": {},
        "30 steps": {"pretrain_steps": 30, "steps": 30},
        "rate 1e-4": SLOW,
        "no batch norm": {"batch_norm": False},
    },
    "noda": {"usual": {}, "short": SHORT},
    "dah": {"usual": {}, "short": SHORT},
    "igan": {
        "usual": {},
        "without L_a and L_1": {"losses": ("c", "s", "h")},
        "adversarial 0.3": {"adversarial": 0.3},
    },
    "igan+": {
        "usual": {},
        "short": SHORT,
        "rate 1e-4": SLOW,
        "no dropout": {"feature_dropout": 0.0},
        "no neighbours": {"neighbour_weight": 0.0},
        "neighbours 10": {"neighbour_weight": 10.0},
        "T 0.3": {"threshold": 0.3},
        "beta 100": {"beta": 100.0},
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", metavar="PAIR", help=f"any of: {', '.join(PAIRS)}")
    parser.add_argument("--methods", nargs="+", default=list(SETTINGS), help="default: all")
    parser.add_argument("--settings", nargs="+", help="by name (default: all of each method)")
    parser.add_argument("--seeds", type=int, default=3, help="of each setting (default 3)")
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
                append(rows, COLUMNS, arguments.output)
                accuracies = ", ".join(f"{row[COLUMNS.index('accuracy')]:.1f}" for row in rows)
                print(pair, method, setting, accuracies, f"({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
