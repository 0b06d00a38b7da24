"""Make what the exercises show of trained networks: results/exercises/trained.npz and five_seeds.csv.

    python exercises/make_data.py            both; trains eleven short runs, ten minutes on one core
    python exercises/make_data.py --runs     five_seeds.csv alone, from results/runs, in seconds

The short runs are mnist5k -> digits with profile quick, whose images come inside Python packages. Ten leave the
generators out (losses c, s and h) and show how the accuracy on the target moves while they train: five seeds at a
constant learning rate, and the same seeds with the rate that falls along a cosine. One is igan+, of which codes, logits
and crosswise images are kept.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from igan_lib.checkout import ROOT
from igan_lib.data.images import to_input
from igan_lib.experiment.evaluation import accuracy, codes_and_logits, recalibrated
from igan_lib.experiment.presets import preset
from igan_lib.experiment.run import load, train
from igan_lib.files import atomic_path, write_text
from igan_lib.reproduction.results import frame, read_results

FOLDER = ROOT / "results" / "exercises"
PAIR = ("mnist5k", "digits")
SHOWN = 8  # images of each domain of which the crosswise ones are kept
SOURCE_CODES = 500  # enough for a histogram of distances and for a ranking

# What five_seeds.csv holds: the columns of Table 1 and 4 that the exercises compare, seed by seed.
PAIRS = (("mnist", "usps"), ("usps", "mnist"))
SETTINGS = {
    "source-only": {"method": "source-only"},
    "L_c+L_s": {"losses": ("c", "s")},
    "L_c+L_s+L_h": {"losses": ("c", "s", "h")},
    "igan": {},
    "igan+": {"method": "igan+"},
}
METRICS = ("target_accuracy", "running_statistics_accuracy", "map_target", "map_cross")


def five_seeds() -> pd.DataFrame:
    """One row a pair, method and seed with `METRICS` in per cent, of the committed results of profile cpu."""
    results, _ = read_results(ROOT / "results" / "runs")
    runs = frame(results)
    rows = []
    for source, target in PAIRS:
        for label, change in SETTINGS.items():
            wanted = preset(source, target, **change)
            of_setting = runs[runs["setting"] == wanted.model_copy(update={"seed": 0}).hash8]
            table = of_setting[of_setting["metric"].isin(METRICS)].pivot(index="seed", columns="metric", values="value")
            for seed, values in table.sort_index().iterrows():
                rows.append({"pair": f"{source}->{target}", "method": label, "seed": seed, **values.round(2)})
    return pd.DataFrame(rows, columns=["pair", "method", "seed", *METRICS])


def followed(seed: int, decay: str, folder: Path) -> tuple[list[int], list[float]]:
    """Steps of one short run, and the accuracy on the target's test images there, in per cent."""
    config = preset(*PAIR, seed=seed, profile="quick", losses=("c", "s", "h"), decay=decay)
    pair, seen = load(config), ([], [])

    def look(step: int, method: torch.nn.Module, row: dict[str, float]) -> None:
        if step >= config.pretrain_steps:
            seen[0].append(step)
            seen[1].append(accuracy(recalibrated(method.net, pair.target.train.images), pair.target.test))

    train(config, pair, device="cpu", results=folder, on_log=look, progress=False)
    return seen


def of_one_run(folder: Path) -> dict[str, np.ndarray]:
    """Codes, logits and labels of the target's test images before and after, and images drawn from a few codes."""
    config = preset(*PAIR, seed=0, profile="quick", method="igan+")
    pair = load(config)
    method, _ = train(config, pair, device="cpu", results=folder, progress=False)
    kept = {"labels": pair.target.test.labels, "source_labels": pair.source.test.labels[:SOURCE_CODES]}
    for when, net in (("before", method.source_only), ("after", method.inference_net)):
        u, logits = codes_and_logits(recalibrated(net, pair.target.train.images), pair.target.test.images)
        kept |= {f"codes_{when}": u.half(), f"logits_{when}": logits.half()}
        u, _ = codes_and_logits(recalibrated(net, pair.source.train.images), pair.source.test.images[:SOURCE_CODES])
        kept[f"source_codes_{when}"] = u.half()
    method.eval()
    for side, domain in (("s", pair.source), ("t", pair.target)):
        few = [int((domain.test.labels == label).nonzero()[0]) for label in range(SHOWN)]
        images = domain.test.images[few]
        with torch.no_grad():
            u = recalibrated(method.inference_net, domain.train.images).encode(to_input(images))
            kept |= {f"x_{side}": images[:, 0], f"u_{side}": u}
            for generator, net in (("s", method.g_s), ("t", method.g_t)):
                drawn = (net(u)[:, 0] + 1) * 127.5
                kept[f"g_{generator}_of_u_{side}"] = drawn.round().clamp(0, 255).byte()
    return {name: value.numpy() for name, value in kept.items()}


def main() -> None:
    """Write the files that the command line asks for."""
    write_text(FOLDER / "five_seeds.csv", five_seeds().to_csv(index=False))
    if "--runs" in sys.argv[1:]:
        return
    with tempfile.TemporaryDirectory() as folder:
        kept = of_one_run(Path(folder))
        for decay in ("constant", "cosine"):
            runs = [followed(seed, decay, Path(folder)) for seed in range(5)]
            kept |= {"steps": np.array(runs[0][0]), f"curves_{decay}": np.array([values for _, values in runs])}
    with atomic_path(FOLDER / "trained.npz") as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **kept)


if __name__ == "__main__":
    main()
