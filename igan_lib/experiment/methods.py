"""From a configuration to the method that it names, and to the data that this method may see."""

from typing import Any

import torch
from torch import nn

from igan_lib.compared.adaptation import Adaptation
from igan_lib.compared.adda import ADDA
from igan_lib.compared.cdan import CDAN
from igan_lib.compared.cogan import CoGAN
from igan_lib.compared.cycada import CyCADA
from igan_lib.compared.dah import DAH, DAHConfig, NoDA
from igan_lib.compared.dan import DAN
from igan_lib.compared.dann import DANN
from igan_lib.compared.drcn import DRCN
from igan_lib.compared.duplex import Duplex
from igan_lib.compared.i2i import I2I
from igan_lib.compared.mcc import MCC
from igan_lib.compared.mstn import MSTN
from igan_lib.compared.shot import SHOT
from igan_lib.compared.suh import SuH, reveal_target_labels
from igan_lib.data.backbones import find_backbone
from igan_lib.data.domains import DomainPair, TrainingData
from igan_lib.experiment.presets import ExperimentConfig
from igan_lib.method.components import Pretrained, build_encoder
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.training.neighbours import NeighbourMemory

RECOGNITION_CLASSES: dict[str, type[Adaptation]] = {
    **{"dann": DANN, "dan": DAN, "adda": ADDA, "cdan": CDAN, "mstn": MSTN, "drcn": DRCN},
    **{"cogan": CoGAN, "duplex": Duplex, "cycada": CyCADA, "i2i": I2I},
    **{"mcc": MCC, "shot": SHOT},
}


def build(config: ExperimentConfig, pair: DomainPair, **keywords: Any) -> nn.Module:
    """The untrained method of `config` for the inputs of `pair`; weights depend on the seed alone.

    `keywords`: of a class of `RECOGNITION_CLASSES`, in the place of its published weights, for trials.
    """
    backbone = pretrained(config.backbone) if config.regime == "finetuned" else None
    torch.manual_seed(config.seed)
    if config.method in ("noda", "dah", "suh"):
        asked = (config.encoder, pair.shape, config.code_length, config.batch_norm, backbone)
        encoder = build_encoder(*asked, dropout=config.feature_dropout)
        names = ("code_length", "batch_size", "learning_rate")
        settings = DAHConfig(**{name: getattr(config, name) for name in names})
        if config.method == "suh":
            return SuH(encoder, settings, reveal_target_labels(pair))
        return (DAH if config.method == "dah" else NoDA)(encoder, settings, pair.n_classes)
    values = {name: getattr(config, name) for name in IGANConfig.model_fields}
    asked = (IGANConfig(**values), pair.shape, pair.n_classes, backbone)
    if config.method in RECOGNITION_CLASSES:
        seen = {"x_t": pair.target.train.images} if config.method == "shot" else {}
        return RECOGNITION_CLASSES[config.method](*asked, **seen, **keywords)
    method = IGAN(*asked)
    if config.neighbour_weight:
        method.memory = NeighbourMemory(pair.target.train.images, config.neighbours, config.code_length)
    return method


def pretrained(name: str, *, download: bool = False) -> Pretrained:
    """The backbone called `name`, ready to be fine-tuned; errors as `backbones.Backbone.network`."""
    backbone = find_backbone(name)
    transform, network = backbone.transform, backbone.network(download=download)
    return Pretrained(network, backbone.dimension, transform.crop, transform.mean, transform.std)


def training_data(config: ExperimentConfig, pair: DomainPair) -> TrainingData:
    """What `fit` is handed: no target label, but for SuH, the upper bound that is trained on them and says so."""
    return reveal_target_labels(pair).for_training() if config.method == "suh" else pair.for_training()
