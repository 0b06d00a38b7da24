"""Make results/networks from checkpoints: python exercises/make_networks.py [METHOD-SOURCE-TARGET ...]

Without names, all of `RUNS`. A run whose checkpoint is not in results/checkpoints is trained first, minutes each. The
accuracy on the target is measured with the weights as they were trained and with those of the file.
"""

import argparse
from pathlib import Path

from igan_lib.checkout import ROOT
from igan_lib.data.domains import DomainPair
from igan_lib.errors import ConfigError
from igan_lib.exercises.networks import NETWORKS, load_trained, save_trained
from igan_lib.experiment.evaluation import accuracy, recalibrated
from igan_lib.experiment.presets import ExperimentConfig, preset
from igan_lib.experiment.provenance import git_state
from igan_lib.experiment.run import load, train
from igan_lib.method.networks import HashNet

DIGITS, OFFICE = (("usps", "mnist"), ("mnist", "usps")), (("amazon", "webcam"), ("webcam", "amazon"))
RUNS = [(method, *pair) for pair in DIGITS for method in ("igan", "source-only")]
RUNS += [("igan+", *pair) for pair in OFFICE]


def make(config: ExperimentConfig, results: Path, folder: Path) -> str:
    """Train or load one run, write its network, and return what is to be printed."""
    pair = load(config, progress=False)
    method, _ = train(config, pair, device="cpu", results=results)
    as_trained = measured(method.inference_net, pair)
    said = {"commit": git_state()["commit"], "accuracy": as_trained}
    name = save_trained(method.inference_net, config, pair, folder, **said)
    in_half = measured(load_trained(name, folder)[0], pair)
    save_trained(method.inference_net, config, pair, folder, **said, accuracy_of_the_file=in_half)
    size = (folder / f"{name}.pt").stat().st_size / 1e6
    return f"{name}: {size:.1f} MB, accuracy on the target {as_trained} %, of the file {in_half} %"


def measured(net: HashNet, pair: DomainPair) -> float:
    """The accuracy on the target's test images in per cent, as `experiment.measures.evaluate` has it."""
    return round(accuracy(recalibrated(net, pair.target.train.images), pair.target.test), 2)


def main() -> None:
    """Make the networks that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--profile", default="cpu", help="cpu (default) or, to see that it works, smoke")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="the folder that holds checkpoints")
    parser.add_argument("--networks", type=Path, default=NETWORKS, help="the folder that is written")
    arguments = parser.parse_args()
    runs = {"-".join(run): run for run in RUNS}
    if unknown := [name for name in arguments.names if name not in runs]:
        raise ConfigError(f"Expected networks among {', '.join(runs)}, found {unknown}: choose some of those.")
    for name in arguments.names or runs:
        method, source, target = runs[name]
        config = preset(source, target, method=method, profile=arguments.profile)
        print(make(config, arguments.results, arguments.networks), flush=True)


if __name__ == "__main__":
    main()
