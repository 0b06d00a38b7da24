"""Made-up results for the claims: values by study, row and pair, one a seed."""

from igan_lib.experiment.result import RunResult
from igan_lib.reproduction.studies import STUDIES

PROVENANCE = {
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
    "python": "3.11.9",
    "packages": {"torch": "2.14.1", "numpy": "2.4.6"},
    "device": "cpu",
    "device_name": "a <processor>",
    "threads": 1,
    "seconds": 360.0,
}


def results(study, label, pair, values, profile="cpu", **settings):
    """The runs of one cell, seeds 0, 1, ...; `settings` replace what the study has."""
    study = STUDIES[study]
    (row,) = [row for row in study.rows if row.label == label]
    made = []
    for seed, value in enumerate(values):
        config = study.config(row, pair, seed, profile)
        config = config.model_copy(update=settings)
        metrics = {row.metric or study.metric: value}
        made.append(RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance=PROVENANCE))
    return made


def table4(gains, pairs, n=5, study="table4"):
    """Runs of Table 4 whose rows rise by `gains` from 50, each seed a little otherwise than the one before."""
    made, value = [], 50.0
    for row, gain in zip(STUDIES[study].rows, (0.0, *gains), strict=True):
        value += gain
        for pair in pairs:
            made += results(study, row.label, pair, [value + 0.1 * seed for seed in range(n)])
    return made
