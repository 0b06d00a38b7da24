"""What notebook 06 says of methods beside each other, from the committed results."""

import json

import numpy as np
import pytest
from scipy import stats

from igan_lib import open_study
from igan_lib.checkout import ROOT
from igan_lib.experiment.presets import preset
from igan_lib.experiment.result import result_path
from tools.retrieval_views import lead


def recorded(method, seed, metric):
    path = result_path(preset("usps", "mnist", method=method, seed=seed), ROOT / "results")
    return json.loads(path.read_text())["metrics"][metric]


def test_a_lead_is_the_mean_of_paired_differences_with_its_interval():
    table = lead([open_study(name) for name in ("retrieval-digits", "retrieval-digits-cross")], "igan")
    assert "SuH" not in table.index and "igan" not in table.index and "ITQ" in table.index
    for metric, where in (("map_target", "target, usps → mnist"), ("map_cross", "cross, usps → mnist")):
        ours, theirs = (np.array([recorded(name, seed, metric) for seed in range(5)]) for name in ("igan", "dah"))
        mean, low, high = (float(part.strip("()+")) for part in table.loc["DAH", where].replace(" to ", " ").split())
        assert mean == pytest.approx((ours - theirs).mean(), abs=0.051)
        interval = stats.t.interval(0.95, 4, (ours - theirs).mean(), stats.sem(ours - theirs))
        assert (low, high) == pytest.approx(interval, abs=0.051)
