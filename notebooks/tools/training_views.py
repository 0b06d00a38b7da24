"""What notebooks 00, 01, 03 and 07 need and no other module has: tables, folders, histories, classifiers of pixels."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from IPython.display import Markdown
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from torch import Tensor, nn

from igan_lib.data.data_root import domain_status, is_present
from igan_lib.data.domains import Domain, DomainPair, Split
from igan_lib.errors import ConfigError
from igan_lib.experiment.evaluation import recalibrated
from igan_lib.experiment.presets import ExperimentConfig, preset
from igan_lib.experiment.result import RunResult
from igan_lib.files import write_text
from igan_lib.reproduction.opened import OpenStudy
from igan_lib.reproduction.studies import column
from tools import domain_stats
from tools.samples import crosswise, evenly_spaced


def configure(source: str, target: str, *, overrides: str, **named: str | int) -> ExperimentConfig:
    """`preset`, with the values to replace as JSON, the one form in which papermill passes a mapping.

    ConfigError: `overrides` is no JSON mapping in quotes, or as `preset`.
    """
    try:
        replaced = json.loads(overrides)
    except (TypeError, ValueError):
        replaced = None
    if not isinstance(replaced, dict):
        example = """'{"alpha": 0.2}'"""
        raise ConfigError(f"Expected JSON such as {example}, found {overrides!r}: write overrides with all quotes.")
    return preset(source, target, **named, **replaced)


def folders(results: str, figures: str, own: str = "") -> tuple[Path, Path]:
    """The folders of results and of pictures; those of a run that is not the notebook's usual one lie in `own`."""
    return Path(results), Path(figures) / own


def comparison(runs: list[RunResult], paper: Mapping[str, float] | None = None, file: Path | None = None) -> Markdown:
    """One row a run: accuracy on the target's test images in per cent, before and after; written to `file` too.

    With `paper`, the printed numbers by column, such as "usps->mnist", stand beside ours; without it, the change does.
    """
    last = ["change"] if paper is None else ["paper", "difference"]
    head = ["method", "source → target", "profile", "seed", "source only", "adapted", *last]
    rows = [head, ["---"] * len(head)]
    for config, metrics in ((result.config, result.metrics) for result in runs):
        before, after = metrics["source_only_accuracy"], metrics["target_accuracy"]
        row = [config.method, f"{config.source} → {config.target}", config.profile, str(config.seed)]
        row += [f"{before:.1f} %", f"{after:.1f} %"]
        printed = (paper or {}).get(f"{config.source}->{config.target}")
        beside = ["none", ""] if printed is None else [f"{printed:.1f} %", f"{after - printed:+.1f}"]
        rows.append(row + ([f"{after - before:+.1f}"] if paper is None else beside))
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    if file is not None:
        write_text(file, text)
    return Markdown(text)


def changes(statistics: Mapping[str, Mapping[str, float]], reference: str) -> pd.DataFrame:
    """The change of each row of `statistics` against the row `reference`, in per cent of it."""
    table = pd.DataFrame(statistics).T
    return (100 * (table / table.loc[reference] - 1)).drop(index=reference)


def crosswise_rows(methods: Mapping[str, nn.Module], pair: DomainPair, count: int) -> dict[str, dict[str, Tensor]]:
    """`count` test images of each domain, drawn by both generators (`crosswise`), for `plots.reconstructions`."""
    rows, blocks = ("$x$", "$G^s(u)$", "$G^t(u)$"), {}
    for name, method in methods.items():
        for role, domain in (("source", pair.source), ("target", pair.target)) if method.uses_generators else ():
            net, x = recalibrated(method.inference_net, domain.train.images), domain.test.images
            drawn = crosswise(net, method.g_s, method.g_t, x[evenly_spaced(len(x), count)])
            blocks[f"{name}, {role}: {domain.name}"] = dict(zip(rows, drawn, strict=True))
    return blocks


def find_domains(own: Sequence[str] = ()) -> pd.DataFrame:
    """`name`, `present` and `what to do` of each named domain, of Office-31's, and of one's `own` (npz:, folder:)."""
    rows = [(status.name, status.present, status.remedy) for status in domain_status()]
    for name in own:
        there = ":" not in name or is_present(name)  # a name without a kind is loaded, which says what names there are
        rows.append((name, there, "" if there else "correct the path, or set IGAN_DATA to where it starts"))
    return pd.DataFrame(rows, columns=["name", "present", "what to do"])


def pixel_transfer(domains: Sequence[Domain], n: int, seed: int) -> dict[str, pd.DataFrame]:
    """`domain_stats.transfer_accuracy` of two classifiers on raw pixels, a table each, in per cent."""
    classifiers = {"Nearest class mean": NearestCentroid(), "Linear": LogisticRegression(C=0.01, max_iter=500)}
    return {name: domain_stats.transfer_accuracy(domains, c, n, seed) for name, c in classifiers.items()}


def at_one_scale(domain: Domain, n: int, seed: int) -> Domain:
    """At most `n` images of each split (`domain_stats.sample`), each enlarged until its ink fills the frame."""
    kept = (domain_stats.sample(split, n, seed) for split in (domain.train, domain.test))
    return Domain(domain.name, *(Split(domain_stats.fill_frame(s.images), s.labels) for s in kept), domain.class_names)


def histories(opened: OpenStudy) -> pd.DataFrame:
    """What the runs of a study logged while they trained: method, column, seed, step, and the logged values."""
    rows, found = [], {result.hash: result for result in opened.all}
    for seed in sorted({result.config.seed for result in opened.all}):
        for row, pair, config in opened.study.cells(opened.profile, seed):
            head = {"method": row.label, "column": column(pair), "seed": seed}
            rows += [head | logged for logged in (found[config.hash8].history if config.hash8 in found else ())]
    return pd.DataFrame(rows, columns=None if rows else ["method", "column", "seed", "step"])
