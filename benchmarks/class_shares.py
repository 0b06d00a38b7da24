"""What a difference in class shares does to methods that match two domains: on MNIST -> USPS, as in Table 1.

    python benchmarks/class_shares.py       train what is missing, add its rows to results/class_shares.csv

Each method is trained twice: on the source as it is, and on as many source images of each class that the shares are
those of the target. The second reads the target's labels. So it explains a number, and is none of its own.
`source-only` says what the other images do alone. A row has the accuracy on the target's test images, how far the
shares of the predicted classes of its training images end from the source's and from the true ones, and how far these
two are apart: half the sum of absolute differences, in per cent.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from csv_rows import append
from torch import Tensor

from igan_lib.experiment.evaluation import accuracy, codes_and_logits, recalibrated
from igan_lib.experiment.methods import build, training_data
from igan_lib.experiment.presets import ExperimentConfig, preset
from igan_lib.experiment.run import load
from igan_lib.training.fit import fit

OUTPUT = Path(__file__).resolve().parent.parent / "results" / "class_shares.csv"
METHODS = ("adda", "dan", "dann", "source-only")
AS_IT_IS, RESAMPLED = "as it is", "in the target's shares"
GROUP = ["pair", "profile", "method", "source", "seed"]
COLUMNS = [*GROUP, "accuracy", "from_source", "from_target", "source_from_target"]


def shares(y: Tensor, n_classes: int) -> Tensor:
    """The share of each class among labels y: N numbers, their sum is 1."""
    return torch.bincount(y, minlength=n_classes).double() / len(y)


def distance(p: Tensor, q: Tensor) -> float:
    """Half the sum of |p - q| over the classes (total variation), in per cent: 0 for equal shares, at most 100."""
    return 50 * float((p - q).abs().sum())


def resample(y: Tensor, asked: Tensor, seed: int) -> Tensor:
    """Indices of y, none twice, whose classes have the shares `asked`: as many as the scarcest class allows."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.bincount(y, minlength=len(asked))
    total = float((counts / asked)[asked > 0].min())
    chosen = []
    for label, share in enumerate(asked.tolist()):
        of_class = (y == label).nonzero().squeeze(1)
        chosen.append(of_class[torch.randperm(len(of_class), generator=generator)[: round(total * share)]])
    return torch.cat(chosen)


def measure(config: ExperimentConfig, source: str) -> list[object]:
    """Train one method on one source, and return its row."""
    pair = load(config, progress=False)
    data, n, y_t = training_data(config, pair), pair.n_classes, pair.target.train.labels
    if source == RESAMPLED:
        chosen = resample(data.y_s, shares(y_t, n), config.seed)
        data = replace(data, x_s=data.x_s[chosen], y_s=data.y_s[chosen])
    method = build(config, pair)
    fit(method, data, config, seed=config.seed, device="cpu", progress=False)
    net = recalibrated(method.inference_net, pair.target.train.images)
    predicted = shares(codes_and_logits(net, pair.target.train.images)[1].argmax(1), n)
    of_s, of_t = shares(data.y_s, n), shares(y_t, n)
    distances = [round(distance(*two), 2) for two in ((predicted, of_s), (predicted, of_t), (of_s, of_t))]
    named = [f"{config.source}->{config.target}", config.profile, config.method, source, config.seed]
    return [*named, round(accuracy(net, pair.target.test), 2), *distances]


def done(output: Path) -> set[tuple[object, ...]]:
    """The rows that are there, without what was measured."""
    return set(pd.read_csv(output)[GROUP].itertuples(index=False, name=None)) if output.exists() else set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", nargs=2, default=("mnist", "usps"), metavar=("SOURCE", "TARGET"))
    parser.add_argument("--methods", nargs="+", default=METHODS, help=f"default: {', '.join(METHODS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--profile", default="cpu", help="cpu (default) or, to see that it works, smoke")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1: run two of these side by side)")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for seed in arguments.seeds:
        for method in arguments.methods:
            config = preset(*arguments.pair, method=method, seed=seed, profile=arguments.profile)
            for source in (AS_IT_IS, RESAMPLED):
                group = (f"{config.source}->{config.target}", config.profile, method, source, seed)
                if group not in done(arguments.output):
                    start = time.perf_counter()
                    row = measure(config, source)
                    append([row], COLUMNS, arguments.output)
                    print(*row, f"({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
