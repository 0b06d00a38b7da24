"""The comparison methods' own settings are in no configuration's hash, but their version is (`presets.VERSIONS`).

So they are held here, as they were when results/runs was made. Whoever changes one raises that method's version, makes
its results anew, and writes both here.
"""

import inspect

import pytest
from method_makers import make_pair

from igan_lib.compared.dah_losses import BANDWIDTHS
from igan_lib.experiment.feature_hashing import FEATURE_METHODS
from igan_lib.experiment.methods import build
from igan_lib.experiment.presets import BASELINES, VERSIONS, preset

MU_SCHEDULE = ((0.0, 4), (5e-4, 4), (1e-3, 3), (2e-3, 2), (5e-3, 2), (0.01, 2), (0.05, 2), (0.2, 1))
OF_FEATURES = {
    "itq": {"iterations": 50},
    "ba": {"mu_schedule": MU_SCHEDULE, "svm_c": 1.0, "svm_iterations": 20, "max_samples": 10_000},
    "uh-bdnn": {
        "lambdas": (1e-5, 5e-2, 1e-2, 5e-7),
        "hidden": None,
        "rounds": 20,
        "sweeps": 10,
        "first_iterations": 200,
        "iterations": 20,
        "tolerance": 1e-4,
        "max_samples": 4000,
    },
}


@pytest.mark.parametrize("method", FEATURE_METHODS)
def test_methods_on_features_are_set_as_when_the_results_were_made(method):
    parameters = inspect.signature(FEATURE_METHODS[method]).parameters
    assert {name: p.default for name, p in parameters.items()} == {"code_length": 64} | OF_FEATURES[method]


@pytest.mark.parametrize("method", ["noda", "dah", "suh"])
def test_trained_methods_are_set_as_when_the_results_were_made(method):
    settings = build(preset("mnist", "usps", method=method), make_pair()).config.model_dump()
    assert settings == {
        "code_length": 64,
        "similar_weight": 10.0,
        "batch_size": 100,
        "quantization": 1.0,
        "mmd": 2.0,
        "entropy": 1.0,
        "per_class": 5,
        "references": 50,
        "learning_rate": 5e-4,
    }


def test_these_settings_are_those_of_these_versions():
    assert {name: VERSIONS[name] for name in BASELINES} == dict.fromkeys(BASELINES, 1) | {"uh-bdnn": 2}
    assert tuple(2.0**power for power in range(-8, 9)) == BANDWIDTHS
