"""The pictures of notebook 06: what two networks retrieve, in both protocols. Loads torch, unlike tables and claims."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from igan_lib.data.domains import DomainPair
from igan_lib.data.features import load_crop_pair
from igan_lib.errors import DataError
from igan_lib.exercises.networks import ready_network
from igan_lib.experiment.evaluation import codes_and_logits, recalibrated
from igan_lib.experiment.measures import retrieve
from igan_lib.experiment.presets import preset
from igan_lib.experiment.run import load
from igan_lib.files import safe_name
from igan_lib.method.networks import HashNet
from igan_lib.plots.style import save_figure
from igan_lib.reproduction.opened import OpenStudy
from igan_lib.retrieval.index import HashIndex
from igan_lib.retrieval.protocols import Retrieval, both
from tools.samples import evenly_spaced

Networks = Mapping[str, tuple[HashNet, HashNet]]  # method -> network as it is used on the target, and on the source
Outcomes = Mapping[str, Mapping[str, Retrieval]]  # method -> protocol -> what was measured
PROTOCOLS = ("target", "cross")


def trained(
    source: str, target: str, methods: Sequence[str], profile: str, seed: int, results: Path | str, device: str
) -> tuple[DomainPair | None, Networks]:
    """The two domains and each method's network, ready or trained; nothing where data are missing."""
    try:
        pair = load(preset(source, target, profile=profile))
    except DataError as error:
        print(f"No pictures: {error}")
        return None, {}
    networks = {}
    for method in methods:
        config = preset(source, target, method=method, profile=profile, seed=seed)
        net = ready_network(config, pair, device=device, results=Path(results))
        networks[method] = tuple(recalibrated(net, domain.train.images) for domain in (pair.target, pair.source))
    return pair, networks


def outcomes(networks: Networks, pair: DomainPair | None) -> Outcomes:
    """Both protocols for each network."""
    return {method: retrieve(*nets, pair) for method, nets in networks.items()}


def class_codes(predicted: Tensor, n_classes: int) -> Tensor:
    """Codes that say a class and nothing else: one code a class, any two equally far apart.

    What such codes of the predicted classes retrieve is what the accuracy alone is worth in a protocol: n class numbers
    (int64) -> n x L floats of -1 and 1, L the multiple of 8 from N on.
    """
    length = 8 * -(-n_classes // 8)
    return 2.0 * one_hot(predicted, length).float() - 1.0


def against_class_codes(networks: Networks, found: Outcomes, pair: DomainPair | None) -> pd.DataFrame:
    """Accuracy and MAP of each method, beside the MAP of codes that say its predicted class alone; in per cent."""
    rows = {}
    for method, nets in networks.items():
        queries, database = pair.target.test, pair.source.train
        sides = zip(nets, (queries, database), strict=True)
        predicted = [codes_and_logits(net, split.images)[1].argmax(1) for net, split in sides]
        u_t, u_s = (class_codes(labels, pair.n_classes) for labels in predicted)
        alone = both(u_t, queries.labels, u_s, database.labels)
        rows[method] = {"accuracy a, %": 100 * (predicted[0] == queries.labels).double().mean().item()}
        for protocol in PROTOCOLS:
            rows[method][f"MAP, {protocol}, %"] = 100 * found[method][protocol].map
            rows[method][f"of the class alone, {protocol}, %"] = 100 * alone[protocol].map
    return pd.DataFrame(rows).T.round(1)


def nearest(networks: Networks, pair: DomainPair, source: str, target: str, backbone: str, k: int = 10) -> tuple:
    """The arguments of `plots.neighbours`: five queries, what each method finds first in the source, the distances."""
    pictures = pair if len(pair.shape) == 3 else load_crop_pair(source, target, backbone=backbone)
    queries, database, found, distances = pair.target.test, pair.source.train, {}, {}
    picks = evenly_spaced(len(queries.images), 5)
    for method, (net_t, net_s) in networks.items():
        index = HashIndex((u_s := codes_and_logits(net_s, database.images)[0]).shape[1])
        index.add(u_s)
        ids, distances[method] = index.search(codes_and_logits(net_t, queries.images[picks])[0], k)
        ids = torch.from_numpy(ids)
        found[method] = (pictures.source.train.images[ids], database.labels[ids] == queries.labels[picks][:, None])
    return pictures.target.test.images[picks], found, distances


def by_protocol(found: Outcomes) -> dict[str, dict[str, Retrieval]]:
    """Title -> method -> outcome, for `plots.precision_recall`."""
    return {f"protocol {name}": {method: of[name] for method, of in found.items()} for name in PROTOCOLS}


def within_radius(found: Outcomes, radius: int) -> pd.DataFrame:
    """Precision and recall within a Hamming radius, and how far the order of ties can move MAP; in per cent."""
    rows = {}
    for method, by_name in found.items():
        for protocol, outcome in by_name.items():
            rows[method, protocol] = {
                f"precision within radius {radius}, %": 100 * outcome.precision_at_radius[radius],
                f"recall within radius {radius}, %": 100 * outcome.recall_at_radius[radius],
                "MAP, worst order of ties, %": 100 * outcome.map_low,
                "MAP, best order of ties, %": 100 * outcome.map_high,
                "queries without a relevant item": outcome.without_relevant,
            }
    return pd.DataFrame(rows).T.round(1)


def by_accuracy(runs: pd.DataFrame, profile: str) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Protocol -> kind of data -> (accuracy, MAP) of each run of a preset, from a `results.frame`, without SuH."""
    kept = runs[runs["preset"] & (runs["profile"] == profile) & (runs["method"] != "suh")]
    wide = kept.pivot(index=["network", "setting", "seed"], columns="metric", values="value").reset_index()
    wide["data"] = wide["network"].eq("none").map({True: "digits", False: "Office-31"})
    wide = wide.reindex(columns=["data", "target_accuracy", *(f"map_{name}" for name in PROTOCOLS)]).dropna()
    if wide.empty:
        return {}
    return {
        name: {
            data: list(zip(of["target_accuracy"], of[f"map_{name}"], strict=True)) for data, of in wide.groupby("data")
        }
        for name in PROTOCOLS
    }


def by_length(opened: OpenStudy) -> dict[str, dict[int, list[float]]]:
    """Method -> bits -> values, for `plots.map_by_length`, from rows such as "igan, 64 bits"."""
    found: dict[str, dict[int, list[float]]] = {}
    for row in opened.study.rows:
        method, _, bits = row.label.partition(", ")
        cell = opened.study.cell(opened.runs, row, opened.study.pairs[0], opened.profile)
        if cell.n:
            found.setdefault(method, {})[int(bits.split()[0])] = list(cell.values.values())
    return found


def own_figures(folder: Path, source: str, target: str, seed: int) -> Path:
    """Where pictures of two domains go: those of the usual ones into `folder` itself."""
    usual = (source, target, seed) == ("mnist", "usps", 0)
    return folder if usual else folder / f"{safe_name(source)}-{safe_name(target)}-s{seed}"


def draw(there: Any, figure: Callable[[], Any], folder: Path, name: str) -> Any:
    """`figure()`, written to `folder`; nothing where there is nothing to draw."""
    if not there:
        return None
    drawn = figure()
    save_figure(drawn, folder, name)
    return drawn


def measured(results: Path | str, part: str) -> pd.DataFrame | str:
    """A part of benchmarks_retrieval.json as a table: "routes" or "search", by codes and way."""
    file = Path(results) / "benchmarks_retrieval.json"
    if not file.exists():
        return "benchmarks/retrieval.py was not run yet"
    found = json.loads(file.read_text(encoding="utf-8"))[part]
    return pd.DataFrame({(codes, way): row for codes, ways in found.items() for way, row in ways.items()}).T.round(3)


def lead(opened: Sequence[OpenStudy], label: str) -> pd.DataFrame:
    """What the row `label` has over each other row, seed by seed: points with the 95 % interval of the mean, as text.

    One line a row, one column a protocol and pair; a row that is not in all of the tables is left out.
    """
    found = {}
    for table in opened:
        lines = table.differences(label).query("n > 0")
        for line in lines.itertuples():
            where = f"{table.study.protocol}, {line.column.replace('->', ' → ')}"
            spread = "" if pd.isna(line.low) else f" ({line.low:+.1f} to {line.high:+.1f})"
            found.setdefault(where, {})[line.base] = f"{line.mean:+.1f}{spread}"
    return pd.DataFrame(found).dropna()
