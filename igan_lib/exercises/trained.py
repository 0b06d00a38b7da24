"""What the exercises show of trained networks: results/exercises, and one network of results/networks."""

from pathlib import Path

import numpy as np
import pandas as pd

from igan_lib.checkout import ROOT
from igan_lib.errors import DataError
from igan_lib.exercises.networks import load_trained
from igan_lib.method.networks import HashNet


def results_folder() -> Path:
    """results/exercises, of a folder above the working one or of the checkout. DataError: there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents, ROOT):
        if (folder / "results" / "exercises" / "trained.npz").exists():
            return folder / "results" / "exercises"
    raise DataError(
        f"Expected results/exercises/trained.npz in a folder above {here.name}, found none: open the notebook inside "
        "the unpacked class folder."
    )


def arrays() -> dict[str, np.ndarray]:
    """The arrays of trained.npz by name (`exercises/make_data.py` lists them); codes and logits in float32."""
    with np.load(results_folder() / "trained.npz") as stored:
        found = {name: stored[name] for name in stored}
    return {name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in found.items()}


def five_seeds() -> pd.DataFrame:
    """One row a pair, method and seed, in per cent: the committed runs of profile cpu."""
    return pd.read_csv(results_folder() / "five_seeds.csv")


def network_of_mnist() -> HashNet:
    """A network that has learned MNIST alone. DataError: the folder networks beside results/exercises lacks it."""
    return load_trained("source-only-mnist-usps", results_folder().parent / "networks")[0]
