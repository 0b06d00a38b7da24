"""ITQ, BA and UH-BDNN in an experiment: fitted on features of both domains, without labels, and measured as the others.

Features are what a frozen backbone gives (Office-31) or, for images, what the code layer of the source-only network
reads, with batch-norm statistics of the domain at hand. So on images these methods rest on a network that has seen the
source's labels; NoDA, DAH and SuH train the same encoder from random weights.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from igan_lib.compared.ba import BA
from igan_lib.compared.interface import FeatureHash
from igan_lib.compared.itq import ITQ
from igan_lib.compared.uh_bdnn import UHBDNN
from igan_lib.data.domains import Domain, DomainPair
from igan_lib.data.splits import UNKNOWN
from igan_lib.experiment.evaluation import hidden_features, recalibrated
from igan_lib.experiment.measures import map_metrics
from igan_lib.experiment.presets import METHODS, VERSIONS, ExperimentConfig
from igan_lib.method.igan import IGAN
from igan_lib.training.fit import HistoryRow

FEATURE_METHODS: dict[str, Callable[..., FeatureHash]] = {"itq": ITQ, "ba": BA, "uh-bdnn": UHBDNN}


def source_only(config: ExperimentConfig) -> ExperimentConfig:
    """The run whose network gives the features: `config` as method source-only."""
    return config.model_copy(
        update={"method": "source-only", "version": VERSIONS["source-only"], **METHODS["source-only"]}
    )


def domain_features(
    network: IGAN | None, domain: Domain, *, reestimate_batch_norm: bool = True
) -> tuple[Tensor, Tensor]:
    """Features of the training and of the test images: n x D and m x D float32."""
    if network is None:
        return domain.train.images, domain.test.images
    net = network.inference_net
    net = recalibrated(net, domain.train.images) if reestimate_batch_norm else net.eval()
    return hidden_features(net, domain.train.images), hidden_features(net, domain.test.images)


def equal_shares(x_s: Tensor, x_t: Tensor, seed: int) -> Tensor:
    """As many rows of each domain as the smaller one has, drawn by `seed`: n x D and m x D -> 2 min(n, m) x D.

    MNIST has eight times as many images as USPS; a hash function of their union would be one of MNIST.
    """
    count, generator = min(len(x_s), len(x_t)), torch.Generator().manual_seed(seed)
    return torch.cat([x[torch.randperm(len(x), generator=generator)[:count]] for x in (x_s, x_t)])


def hash_features(
    config: ExperimentConfig, network: IGAN | None, pair: DomainPair
) -> tuple[dict[str, float], list[HistoryRow]]:
    """Fit the method of `config` on equally many training features of each domain.

    `network`: the trained method of `source_only(config)`; None for a pair of features. Returns map_target and
    map_cross in per cent, and the objective after each step as history.
    """
    reestimate = config.reestimate_batch_norm
    train_s, _ = domain_features(network, pair.source, reestimate_batch_norm=reestimate)
    train_t, test_t = domain_features(network, pair.target, reestimate_batch_norm=reestimate)
    method = FEATURE_METHODS[config.method](code_length=config.code_length)
    method.fit(equal_shares(train_s, train_t, config.seed), seed=config.seed)
    known = pair.target.test.labels != UNKNOWN
    queries, database = (method.encode(test_t)[known], pair.target.known_test.labels), pair.source.train
    metrics = map_metrics(*queries, method.encode(train_s), database.labels) if known.any() else {}
    history = [{"step": step, "objective": value} for step, value in enumerate(method.objective_history, start=1)]
    return metrics, history
