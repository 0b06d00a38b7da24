"""Trained networks that come with the project, in place of training: results/networks and its list networks.json.

    from igan_lib import load, load_trained
    net, config = load_trained("igan-usps-mnist")  # encoder and classifier, and the run that made them
    pair = load(config)

A file holds the weights in half precision. Before a domain is evaluated, its batch-norm statistics are estimated as
after any run (`experiment.evaluation.recalibrated`). `exercises/make_networks.py` makes the files.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from igan_lib.checkout import ROOT
from igan_lib.data.domains import DomainPair
from igan_lib.errors import ConfigError, DataError
from igan_lib.experiment.presets import ExperimentConfig
from igan_lib.experiment.run import train
from igan_lib.files import atomic_path, write_text
from igan_lib.method.components import build_encoder
from igan_lib.method.networks import HashNet

NETWORKS = ROOT / "results" / "networks"
_FORMAT = 1


def load_trained(name: str, folder: Path = NETWORKS) -> tuple[HashNet, ExperimentConfig]:
    """The network called <method>-<source>-<target>, in eval mode on the CPU, and its configuration.

    ConfigError: there is none of this name. DataError: networks.json or the file is missing or damaged.
    """
    known = _known(folder)
    if not known:
        raise DataError(
            f"Expected trained networks in {folder}, found none: get that folder of the project, or train with run()."
        )
    if name not in known:
        raise ConfigError(f"Expected a network among {', '.join(known)}, found {name!r}: choose one of those.")
    path = folder / f"{name}.pt"
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if found != known[name]["sha256"]:
        raise DataError(
            f"Expected the SHA-256 {known[name]['sha256'][:8]} of networks.json in {path}, found {found[:8]}: get the "
            "file of the project anew."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["format"] != _FORMAT:
            raise ValueError(f"format {state['format']}")
        config = ExperimentConfig.model_validate_json(state["config"])
        encoder = build_encoder(config.encoder, tuple(state["shape"]), config.code_length, config.batch_norm)
        net = HashNet(encoder, config.code_length, state["classes"])
        net.load_state_dict(state["net"])  # whose halves become the float32 of the parameters
    except Exception as error:  # what torch, pydantic and pickle raise on a file of another version is open-ended
        raise DataError(
            f"Expected a network of this version in {path}, found another ({type(error).__name__}): get the file anew."
        ) from error
    return net.eval(), config


def ready_network(
    config: ExperimentConfig, pair: DomainPair, *, device: str, results: Path, folder: Path = NETWORKS
) -> HashNet:
    """The network of this very run where `folder` has it; else trained, or loaded from its checkpoint in `results`."""
    name = _name(config)
    if _known(folder).get(name, {}).get("hash") == config.hash8:
        return load_trained(name, folder)[0]
    return train(config, pair, device=device, results=results, progress=False)[0].inference_net


def save_trained(net: HashNet, config: ExperimentConfig, pair: DomainPair, folder: Path = NETWORKS, **said: Any) -> str:
    """Write a network and its line in networks.json, with what is `said` of it; returns its name.

    Matrices and filters become halves. Vectors are few, and a variance can exceed a half's 65,504: they stay.
    """
    name = _name(config)
    weights = {key: value.half() if value.ndim > 1 else value for key, value in net.cpu().state_dict().items()}
    state = {"format": _FORMAT, "config": config.model_dump_json(), "net": weights}
    with atomic_path(folder / f"{name}.pt") as partial:
        torch.save(state | {"shape": list(pair.shape), "classes": pair.n_classes}, partial)
    digest = hashlib.sha256((folder / f"{name}.pt").read_bytes()).hexdigest()
    known = _known(folder) | {name: {"sha256": digest, "hash": config.hash8, **said}}
    write_text(folder / "networks.json", json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    return name


def _name(config: ExperimentConfig) -> str:
    return f"{config.method}-{config.source}-{config.target}"


def _known(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / "networks.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"Expected the list of networks in {path}, found a damaged file: get it anew.") from error
