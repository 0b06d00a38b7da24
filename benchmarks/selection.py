"""How the hyper-parameters were chosen: on pairs that no table reports.

Digits: mnist -> digits and usps -> digits. SVHN's contrast ("svhn"): svhn7k -> digits. Office-31: webcam <-> dslr; the
paper discards this pair because its images are alike, and with all of them every setting is near 100 %. So the settings
that begin with "labels", which decided, have three labelled images a class and the whole target; an earlier look
("office") had three a class on both sides.

    python benchmarks/selection.py "full T.9" --seed 0 1    train this setting, add its rows to results/selection.csv
    python benchmarks/selection.py                          print the table that is there

Accuracy, and MAP in protocol `target`, are those of the last step on all images of the target: their labels serve to
choose here, for nothing else. D_s and D_t are the shares of real and drawn images that each D tells apart, means over
the second half of the adaptation; style, how well a linear classifier tells from the codes of one class which domain
they came from. Rows that are there are not trained again; the first ones have no MAP, no D and no style.
"""

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from csv_rows import append
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from igan_lib.compared import duplex
from igan_lib.data.domains import DomainPair
from igan_lib.data.features import load_feature_domains
from igan_lib.errors import ConfigError
from igan_lib.experiment.evaluation import codes_and_logits, recalibrated, share_right
from igan_lib.experiment.methods import build
from igan_lib.experiment.presets import IMAGES_ONLY, RECOGNITION, preset
from igan_lib.experiment.run import load
from igan_lib.method.networks import HashNet
from igan_lib.retrieval.protocols import within_target
from igan_lib.training.fit import fit

PAIRS = (("mnist", "digits"), ("usps", "digits"))
OFFICE_PAIRS = (("webcam", "dslr"), ("dslr", "webcam"))
SVHN_PAIRS = (("svhn7k", "digits"),)
OUTPUT = Path(__file__).resolve().parent.parent / "results" / "selection.csv"
COLUMNS = ["setting", "pair", "seed", "accuracy", "source_only_accuracy", "map_target", "D_s", "D_t", "style"]

SHORT: dict[str, Any] = {"pretrain_steps": 300, "steps": 700}  # to leave out what is clearly worse
NO_GENERATORS = SHORT | {"losses": ("c", "s", "h")}  # a third of the time: for settings that do not concern L_a, L_1
FULL: dict[str, Any] = {}  # the schedule of the profile cpu

# As all was but for the game, whose trials came last: D's rate was G's.
BASE: dict[str, Any] = {"threshold": 0.9, "beta": 1.0, "alpha": 0.1, "epsilon": 0.1, "chi": 0.1, "adversarial": 0.1}
BASE |= {"discriminator_rate": 1.0}
STRICT = BASE | {"threshold": 0.98}
GAME = BASE | {"discriminator_rate": 4.0}
AUGMENTED = {"augment": True, "weight_average": 0.99}

# Webcam and DSLR are so alike that nothing shows. Harder: three labelled images of each of the 31 classes, all of the
# target; L_s is a mean over the classes, of which there are three times as many as digits.
FEW_LABELS = 93
OFFICE = BASE | {"beta": 10.0}
OFFICE_NO_GENERATORS = OFFICE | {"losses": ("c", "s", "h")}
ON_LITE2 = BASE | {"threshold": 0.7, "adversarial": 0.01, "discriminator_rate": 3.0, "backbone": "efficientnet_lite2"}
ON_LITE2_NO_GENERATORS = ON_LITE2 | {"losses": ("c", "s", "h")}

# An earlier look: three of each class of both domains, and the weights of the digits.
FEW = BASE | {"train_limit": 93}
FEW_NO_GENERATORS = FEW | {"losses": ("c", "s", "h")}

COMPARED = ("source-only", *RECOGNITION)


# ("" on images or "labels " on features, method) -> published keywords that the class does not have by itself there,
# since a trial was better.
PUBLISHED: dict[tuple[str, str], dict[str, Any]] = {
    ("", "duplex"): {"game": duplex.PUBLISHED},
    ("labels ", "duplex"): {"game": duplex.PUBLISHED},
    ("", "drcn"): {"balance": 0.7},
    ("", "cogan"): {"pairs": 0.01},
    ("labels ", "adda"): {"rate_share": 0.4, "discriminator_rate": 1.0},
}


def of_duplex(threshold: float, *last: tuple[float, str, str]) -> dict[str, dict[str, Any]]:
    """Trials of Duplex, name -> keywords: IGAN's T, L_a and L_r smaller beside L_c, then IGAN's ramp and D's rate.

    last: of each further trial the weight of L_a, that of L_r, and which of ramp and rate.
    """
    trials = {f"T{threshold}": replace(duplex.PUBLISHED, thresholds=(threshold, threshold))}
    ways: dict[str, dict[str, Any]] = {"": {}, " ramp": {"grows": True}, " x3": {"discriminator_rate": 3.0}}
    ways[" ramp x3"] = ways[" ramp"] | ways[" x3"]
    first = [(0.02, ".1", ""), (0.1, ".1", ""), (0.02, ".1", " x3"), (0.02, ".1", " ramp x3")]
    for weight, drawn, way in [*first, *last]:
        game = replace(trials[f"T{threshold}"], adversarial=weight, reconstruction=float(drawn), **ways[way])
        trials[f"T{threshold} adversarial{weight} reconstruction{drawn}{way}"] = game
    return {name: {"game": game} for name, game in trials.items()}


# Eight trials of each that ends below source-only with the published ones.
TRIALS: dict[tuple[str, str], dict[str, dict[str, Any]]] = {
    ("", "duplex"): of_duplex(0.9, (0.1, ".1", " ramp x3"), (0.02, ".01", " ramp x3"), (0.1, ".01", " ramp x3")),
    ("", "drcn"): {
        **{f"balance{share}": {"balance": share} for share in (0.9, 0.97, 0.99, 0.997)},
        **{f"balance{share} whole": {"balance": share, "damage": 0.0} for share in (0.7, 0.9, 0.97, 0.99)},
    },
    ("", "cogan"): {
        **{f"pairs{weight}": {"pairs": weight} for weight in (0.3, 1.0, 3.0, 10.0)},
        **{f"pairs{weight} rate0.4": {"pairs": weight, "rate_share": 0.4} for weight in (0.3, 1.0, 3.0)},
        "pairs1.0 generators x4": {"pairs": 1.0, "generator_rate": 4.0},
    },
    ("labels ", "duplex"): of_duplex(0.7, (0.1, ".1", " x3"), (0.1, ".1", " ramp"), (0.1, ".01", " ramp x3")),
    ("labels ", "adda"): {
        **{f"rate{share}": {"rate_share": share, "discriminator_rate": 1.0} for share in (0.1, 0.04, 0.02)},
        **{
            f"rate{share} x{times:.0f}": {"rate_share": share, "discriminator_rate": times}
            for share, times in ((0.1, 4.0), (0.04, 10.0), (0.02, 5.0), (0.02, 20.0), (0.02, 100.0))
        },
    },
}

SETTINGS: dict[str, dict[str, Any]] = {
    "base": SHORT | BASE,
    "T.98": SHORT | STRICT,
    "T.98 aug ema.99": SHORT | STRICT | AUGMENTED,
    "csh": NO_GENERATORS | BASE,
    "csh T.98": NO_GENERATORS | STRICT,
    "csh T.995": NO_GENERATORS | BASE | {"threshold": 0.995},
    "csh T.98 aug": NO_GENERATORS | STRICT | {"augment": True},
    "csh T.98 aug ema.99": NO_GENERATORS | STRICT | AUGMENTED,
    "csh T.98 beta.1": NO_GENERATORS | STRICT | {"beta": 0.1},
    "csh T.98 beta5": NO_GENERATORS | STRICT | {"beta": 5.0},
    "csh T.98 alpha1": NO_GENERATORS | STRICT | {"alpha": 1.0},
    "csh T.98 eps0": NO_GENERATORS | STRICT | {"epsilon": 0.0},
    "csh T.98 nobn": NO_GENERATORS | STRICT | {"batch_norm": False},
    "csh T.98 mem": NO_GENERATORS | STRICT | {"centroid_memory": 0.7},
    "csh T.98 stages350": NO_GENERATORS | STRICT | {"stages": 2},
    "csh plus": NO_GENERATORS | STRICT | {"augment": True, "centroid_memory": 0.7, "weight_average": 0.998},
    "full T.9": FULL | BASE,
    "full T.98": FULL | STRICT,
    "full T.9 stages500": FULL | BASE | {"stages": 3},
    "full plus": FULL | STRICT | AUGMENTED,
    "full plus T.9": FULL | BASE | AUGMENTED,
    "office base": FEW,
    "office csh": FEW_NO_GENERATORS,
    "office ch": FEW | {"losses": ("c", "h")},
    "office csh beta10": FEW_NO_GENERATORS | {"beta": 10.0},
    "office csh T.7": FEW_NO_GENERATORS | {"threshold": 0.7},
    "office csh1": FEW | {"losses": ("c", "s", "h", "1")},
    "office adversarial.01": FEW | {"adversarial": 0.01},
    "office beta10 adversarial.01": FEW | {"beta": 10.0, "adversarial": 0.01},
    "office beta10 adversarial.001": FEW | {"beta": 10.0, "adversarial": 0.001},
    "labels csh T.9": OFFICE_NO_GENERATORS,
    "labels csh T.7": OFFICE_NO_GENERATORS | {"threshold": 0.7},
    "labels csh T.5": OFFICE_NO_GENERATORS | {"threshold": 0.5},
    "labels csh T.3": OFFICE_NO_GENERATORS | {"threshold": 0.3},
    "labels csh T.9 beta30": OFFICE_NO_GENERATORS | {"beta": 30.0},
    "labels csh T.9 beta100": OFFICE_NO_GENERATORS | {"beta": 100.0},
    "labels csh T.9 eps1": OFFICE_NO_GENERATORS | {"epsilon": 1.0},
    "labels csh T.9 rate3e-4": OFFICE_NO_GENERATORS | {"learning_rate": 3e-4},
    "labels csh T.5 beta3": OFFICE_NO_GENERATORS | {"threshold": 0.5, "beta": 3.0},
    "labels csh T.5 alpha1": OFFICE_NO_GENERATORS | {"threshold": 0.5, "alpha": 1.0},
    "labels csh T.5 mem": OFFICE_NO_GENERATORS | {"threshold": 0.5, "centroid_memory": 0.7},
    "labels csh T.5 nobn": OFFICE_NO_GENERATORS | {"threshold": 0.5, "batch_norm": False},
    "labels full T.5": OFFICE | {"threshold": 0.5},
    "labels csh T.9 beta1": OFFICE_NO_GENERATORS | {"beta": 1.0},
    "labels csh T.7 beta1": OFFICE_NO_GENERATORS | {"threshold": 0.7, "beta": 1.0},
    "labels csh T.5 beta1": OFFICE_NO_GENERATORS | {"threshold": 0.5, "beta": 1.0},
    "labels csh T.5 rate1e-4": OFFICE_NO_GENERATORS | {"threshold": 0.5, "learning_rate": 1e-4},
    "labels csh T.9 beta1 nobn": OFFICE_NO_GENERATORS | {"beta": 1.0, "batch_norm": False},
    "labels full T.9 beta1": OFFICE | {"beta": 1.0},
    "labels full T.9 beta1 adversarial.01": OFFICE | {"beta": 1.0, "adversarial": 0.01},
    "labels full T.7 beta1 adversarial.01": OFFICE | {"beta": 1.0, "threshold": 0.7, "adversarial": 0.01},
    "labels full T.5 adversarial.01": OFFICE | {"threshold": 0.5, "adversarial": 0.01},
    "labels full T.7 beta1 adversarial.01 chi1": OFFICE
    | {"beta": 1.0, "threshold": 0.7, "adversarial": 0.01, "chi": 1.0},
    "labels full T.9 beta1 rate3e-4": OFFICE | {"beta": 1.0, "learning_rate": 3e-4, "gan_learning_rate": 3e-4},
    "labels csh T.7 beta1 alpha1": OFFICE_NO_GENERATORS | {"threshold": 0.7, "beta": 1.0, "alpha": 1.0},
    "labels csh T.7 beta1 alpha.01": OFFICE_NO_GENERATORS | {"threshold": 0.7, "beta": 1.0, "alpha": 0.01},
    "labels csh T.7 beta1 eps0": OFFICE_NO_GENERATORS | {"threshold": 0.7, "beta": 1.0, "epsilon": 0.0},
    "labels csh T.7 beta.1": OFFICE_NO_GENERATORS | {"threshold": 0.7, "beta": 0.1},
    "labels csh T.7 beta1 rate1e-4": OFFICE_NO_GENERATORS | {"threshold": 0.7, "beta": 1.0, "learning_rate": 1e-4},
    "labels csh T.9 beta1 alpha1": OFFICE_NO_GENERATORS | {"beta": 1.0, "alpha": 1.0},
    "labels csh T.9 beta1 alpha.01": OFFICE_NO_GENERATORS | {"beta": 1.0, "alpha": 0.01},
    "labels csh T.9 beta1 rate1e-4": OFFICE_NO_GENERATORS | {"beta": 1.0, "learning_rate": 1e-4},
    "labels csh1 T.7 beta1 chi3": OFFICE | {"threshold": 0.7, "beta": 1.0, "losses": ("c", "s", "h", "1"), "chi": 3.0},
    "labels csh1 T.7 beta1 chi30": OFFICE
    | {"threshold": 0.7, "beta": 1.0, "losses": ("c", "s", "h", "1"), "chi": 30.0},
    # On Lite2: D's rate, and what igan+ adds on features, dropout and the neighbours' loss.
    "labels lite2": ON_LITE2,
    "labels lite2 x1": ON_LITE2 | {"discriminator_rate": 1.0},
    "labels lite2 csh": ON_LITE2_NO_GENERATORS,
    **{f"labels lite2 csh drop{p}": ON_LITE2_NO_GENERATORS | {"feature_dropout": p} for p in (0.3, 0.5, 0.7)},
    **{
        f"labels lite2 csh drop.5 near{k} {weight}": ON_LITE2_NO_GENERATORS
        | {"feature_dropout": 0.5, "neighbour_weight": weight, "neighbours": k}
        for k, weight in ((5, 0.1), (5, 0.3), (5, 1.0), (3, 0.3), (10, 0.3), (10, 1.0), (10, 3.0), (20, 0.3), (20, 1.0))
    },
    "labels lite2 csh near5 0.3": ON_LITE2_NO_GENERATORS | {"neighbour_weight": 0.3},
    "labels lite2 drop.5": ON_LITE2 | {"feature_dropout": 0.5},
    **{
        f"labels lite2 drop.5 near{k} {weight}": ON_LITE2
        | {"feature_dropout": 0.5, "neighbour_weight": weight, "neighbours": k}
        for k, weight in ((5, 0.3), (5, 1.0), (10, 0.3), (10, 1.0))
    },
    "game csh": FULL | BASE | {"losses": ("c", "s", "h")},
    "game csh1": FULL | BASE | {"losses": ("c", "s", "h", "1")},
    **{f"game x{rate}": FULL | BASE | {"discriminator_rate": float(rate)} for rate in (1, 2, 3, 4, 8)},
    "game x3 no1": FULL | BASE | {"discriminator_rate": 3.0, "losses": ("c", "s", "h", "a")},
    "game x3 chi1": FULL | BASE | {"discriminator_rate": 3.0, "chi": 1.0},
    "game x3 chi3": FULL | BASE | {"discriminator_rate": 3.0, "chi": 3.0},
    "game steps2": FULL | BASE | {"discriminator_steps": 2},
    "game x4 steps2": FULL | GAME | {"discriminator_steps": 2},
    "game x4 spectral": FULL | GAME | {"spectral_norm": True},
    "game x4 noise.3": FULL | GAME | {"instance_noise": 0.3},
    "game x3 width32": FULL | GAME | {"discriminator_rate": 3.0, "discriminator_width": 32},
    "game x4 width32": FULL | GAME | {"discriminator_width": 32},
    "game x4 adversarial.3": FULL | GAME | {"adversarial": 0.3},
    "game x4 adversarial1": FULL | GAME | {"adversarial": 1.0},
    "game x3 T.98": FULL | STRICT | {"discriminator_rate": 3.0},
    "game x3 adversarial.03": FULL | BASE | {"discriminator_rate": 3.0, "adversarial": 0.03},
    "game x3 real/fake": FULL | BASE | {"discriminator_rate": 3.0, "discriminators": "real/fake"},
    **{
        f"labels game x{rate:.0f}": OFFICE
        | {"threshold": 0.7, "beta": 1.0, "adversarial": 0.01, "discriminator_rate": rate}
        for rate in (1.0, 2.0, 3.0, 4.0)
    },
    # The methods of Tables 1 and 2 with their published weights, and what they have to be above.
    **{
        f"{where}compared {method}": {"method": method, "keywords": PUBLISHED.get((where, method), {})}
        for where in ("", "labels ")
        for method in COMPARED
        if not (where and method in IMAGES_ONLY)
    },
    **{
        f"{where}compared {method} {name}": {"method": method, "keywords": keywords}
        for (where, method), trials in TRIALS.items()
        for name, keywords in trials.items()
    },
    # Not to choose: the published order of DRCN, by turns, each loss with an Adam of its own.
    "turns drcn": {"method": "drcn", "keywords": {"by_turns": True}},
    # Not to choose: what batch norm in E does, which Co-GAN's discriminators share and the published network lacks.
    "nobn cogan pairs1.0": {"method": "cogan", "batch_norm": False, "keywords": {"pairs": 1.0}},
    "svhn csh": NO_GENERATORS | BASE | {"contrast": False},
    "svhn csh contrast": NO_GENERATORS | BASE | {"contrast": True},
}


def pairs_of(setting: str) -> tuple[tuple[str, str], ...]:
    """The pairs that a setting is tried on, by the first word of its name."""
    return {"office": OFFICE_PAIRS, "labels": OFFICE_PAIRS, "svhn": SVHN_PAIRS}.get(setting.split()[0], PAIRS)


def measure(setting: str, source: str, target: str, seed: int) -> list[object]:
    """Train one setting on one pair and return its row."""
    values = dict(SETTINGS[setting])
    keywords = values.pop("keywords", {})
    config = preset(source, target, seed=seed, **values)
    pair = load(config)
    if setting.startswith("labels"):
        few = load_feature_domains(source, backbone=config.backbone, limit=FEW_LABELS, progress=False)
        pair = DomainPair(*few, pair.target)
    method = build(config, pair, **keywords)
    history = fit(method, pair.for_training(), config, seed=seed, progress=False)
    # Office-31 has no split: training and test images are the same.
    splits = list({id(split): split for split in (pair.target.train, pair.target.test)}.values())
    labels = torch.cat([split.labels for split in splits])
    row: list[object] = [setting, f"{source}->{target}", seed]
    for net in (method.inference_net, method.source_only):
        calibrated = recalibrated(net, pair.target.train.images)
        u, logits = map(torch.cat, zip(*(codes_and_logits(calibrated, s.images) for s in splits), strict=True))
        row.append(round(share_right(logits, labels), 2))
        if net is method.inference_net:
            map_target = round(100 * within_target(u, labels).map, 2)
    game = [entry for entry in history if entry["step"] > config.pretrain_steps + config.steps / 2 and "D_s" in entry]
    told = [round(sum(entry[d] for entry in game) / len(game), 3) if game else "" for d in ("D_s", "D_t")]
    found = style(method.inference_net, pair)
    return [*row, map_target, *told, "" if math.isnan(found) else round(found, 4)]


def style(net: HashNet, pair: DomainPair, count: int = 300) -> float:
    """How well a linear classifier tells the domain of a code within a class: from about 0.5, chance, to 1.

    The mean over classes of the accuracy in five-fold cross-validation, on at most `count` test codes of each domain
    and class, equally many of both.
    """
    read = (codes_and_logits(recalibrated(net, d.train.images), d.test.images)[0] for d in (pair.source, pair.target))
    sides, found = list(zip(read, (pair.source.test.labels, pair.target.test.labels), strict=True)), []
    for label in range(pair.n_classes):
        parts = [u[y == label][:count] for u, y in sides]
        size = min(map(len, parts))
        if size >= 30:  # the photographs of Office-31 are too few to tell
            domain = torch.arange(2).repeat_interleave(size)
            codes = torch.cat([part[:size] for part in parts])
            found.append(cross_val_score(LogisticRegression(max_iter=2000), codes, domain, cv=5).mean())
    return float(np.mean(found)) if found else math.nan


def rows_done() -> set[tuple[str, str, int]]:
    """Which rows are there already."""
    if not OUTPUT.exists():
        return set()
    table = pd.read_csv(OUTPUT)
    return set(zip(table["setting"], table["pair"], table["seed"], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="SETTING", help=f"any of: {', '.join(SETTINGS)}")
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1: run two of these side by side)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.settings if name not in SETTINGS]
    if unknown:
        raise ConfigError(f"Expected settings among {', '.join(SETTINGS)}, found {unknown}: choose some of these.")
    torch.set_num_threads(arguments.threads)
    for setting in arguments.settings:
        for source, target in pairs_of(setting):
            for seed in arguments.seed:
                if (setting, f"{source}->{target}", seed) not in rows_done():
                    start = time.perf_counter()
                    row = measure(setting, source, target, seed)
                    append([row], COLUMNS, OUTPUT)
                    print(*row, f"({time.perf_counter() - start:.0f} s)", flush=True)
    if not arguments.settings:
        table = pd.read_csv(OUTPUT)
        groups = table.groupby(["setting", "pair"])
        print(
            groups["accuracy"]
            .agg(["count", "mean", "min", "max"])
            .join(groups["map_target"].mean())
            .round(1)
            .to_string()
        )


if __name__ == "__main__":
    main()
