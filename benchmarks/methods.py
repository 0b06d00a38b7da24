"""What a step of each method of Tables 1 and 2 costs: `make bench`, or `python benchmarks/methods.py --help`.

All rows of a table take a step in turn (A B C A B C ...) on one thread, so a machine whose speed drifts favours none.
That is done at four points of the adaptation, since CyCADA's stages differ; the number is the mean of the four medians.
The first steps at each point are not counted, and with them SHOT's labellings: ten in a run, whose time is in the
seconds of a run. Images are random: speed does not depend on what is in them.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from run import alternate

from igan_lib.data.domains import Domain, DomainPair, Split
from igan_lib.data.images import to_input
from igan_lib.experiment.methods import build
from igan_lib.experiment.presets import ExperimentConfig
from igan_lib.files import write_text
from igan_lib.reproduction.studies import A_W, M_U, S_M_PART, STUDIES, Pair, Study, column
from igan_lib.training.augment import random_affine
from igan_lib.training.memory import keep_freed_memory

OUTPUT = Path(__file__).resolve().parent.parent / "results" / "benchmarks_methods.json"
MEASURED = (("table1", M_U), ("table1", S_M_PART), ("table2", A_W))
POINTS = (1 / 8, 3 / 8, 5 / 8, 7 / 8)  # shares of the adaptation steps
FEATURES, CLASSES = 1280, {"table1": 10, "table2": 31}  # of EfficientNet-Lite2, of Office-31


def random_pair(config: ExperimentConfig, classes: int) -> DomainPair:
    """Two domains of random inputs as `config` has them, of two batches each."""
    count = 2 * config.batch_size
    labels = torch.arange(count) % classes

    def domain(name: str) -> Domain:
        images = torch.randint(0, 256, (count, config.channels, config.size, config.size), dtype=torch.uint8)
        split = Split(torch.randn(count, FEATURES) if config.backbone != "none" else images, labels)
        return Domain(name, split, split, tuple(map(str, range(classes))))

    return DomainPair(domain(config.source), domain(config.target))


def steps_of(config: ExperimentConfig, pair: DomainPair) -> tuple[Callable[[float], None], Callable[[], object]]:
    """A function that puts a new method at a share of its steps, and one that takes a step as `fit` does."""
    method = build(config, pair).train()
    method.batch_t = torch.arange(config.batch_size)
    chosen, labels = slice(config.batch_size), pair.source.train.labels[: config.batch_size]

    def look(images: torch.Tensor) -> torch.Tensor:
        x = to_input(images[chosen])
        return random_affine(x) if config.augment else x

    def go_to(share: float) -> None:
        method.progress = share

    def step() -> None:
        found = method.update(look(pair.source.train.images), labels, look(pair.target.train.images))
        torch.stack(list(found.values())).tolist()  # the losses are fetched once a step

    method.finish_pretraining()
    return go_to, step


def milliseconds(study: Study, pair: Pair, rounds: int) -> dict[str, float]:
    """Row -> milliseconds of a step, of the rows that are runs of their own."""
    made = {}
    for row in study.rows:
        if row.metric is None:
            config = study.config(row, pair, 0, "cpu")
            torch.manual_seed(0)
            made[row.label] = steps_of(config, random_pair(config, CLASSES[study.name]))
    medians: dict[str, list[float]] = {label: [] for label in made}
    for share in POINTS:
        for go_to, _ in made.values():
            go_to(share)
        times = alternate({label: step for label, (_, step) in made.items()}, torch.device("cpu"), rounds)
        for label, spent in times.items():
            medians[label].append(1e3 * statistics.median(spent))
    return {label: statistics.mean(found) for label, found in medians.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="measurements at each of the four points (default 8)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where to write")
    arguments = parser.parse_args()
    keep_freed_memory()  # as `fit` does
    torch.set_num_threads(1)
    found: dict[str, object] = {"torch": torch.__version__, "threads": 1}
    for name, pair in MEASURED:
        measured = milliseconds(STUDIES[name], pair, arguments.rounds)
        found.setdefault(name, {})[column(pair)] = measured
        print(name, column(pair), {label: round(ms) for label, ms in measured.items()}, flush=True)
    write_text(arguments.output, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
