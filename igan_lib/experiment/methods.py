"""From a configuration to the method that it names, and to the data that this method may see."""

import torch
from torch import nn

from igan_lib.compared.dah import DAH, DAHConfig, NoDA
from igan_lib.compared.suh import SuH, reveal_target_labels
from igan_lib.data.domains import DomainPair, TrainingData
from igan_lib.experiment.presets import ExperimentConfig
from igan_lib.method.components import build_encoder
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.training.finetuning import pretrained


def build(config: ExperimentConfig, pair: DomainPair) -> nn.Module:
    """The untrained method of `config` for the inputs of `pair`; weights depend on the seed alone."""
    backbone = pretrained(config.backbone) if config.regime == "finetuned" else None
    torch.manual_seed(config.seed)
    if config.method in ("noda", "dah", "suh"):
        encoder = build_encoder(config.encoder, pair.shape, config.code_length, config.batch_norm, backbone)
        # DAH's published weights of quantisation and entropy, 1, are of sums over a batch beside a sum over its n^2
        # pairs: divided by the pairs they are weights of means. The quantisation is a mean over the d bits besides.
        n, d = config.batch_size, config.code_length
        settings = DAHConfig(
            code_length=d,
            quantization=2 * d / n,
            entropy=1 / n,
            learning_rate=config.learning_rate,
            steps=config.steps,
        )
        if config.method == "suh":
            return SuH(encoder, settings, reveal_target_labels(pair))
        return (DAH if config.method == "dah" else NoDA)(encoder, settings, pair.n_classes)
    values = {name: getattr(config, name) for name in IGANConfig.model_fields}
    return IGAN(IGANConfig(**values), pair.shape, pair.n_classes, backbone)


def training_data(config: ExperimentConfig, pair: DomainPair) -> TrainingData:
    """What `fit` is handed: no target label, but for SuH, the upper bound that is trained on them and says so."""
    return reveal_target_labels(pair).for_training() if config.method == "suh" else pair.for_training()
