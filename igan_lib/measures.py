"""What is reported of a trained method: accuracies and mean average precision."""

import torch
from torch import nn

from igan_lib.baselines.suh import SuH
from igan_lib.domains import Domain, DomainPair
from igan_lib.evaluation import accuracy, has_batch_norm, recalibrated
from igan_lib.networks import HashNet
from igan_lib.protocols import retrieve


def evaluate(method: nn.Module, pair: DomainPair, *, reestimate_batch_norm: bool = True) -> dict[str, float]:
    """What is reported, in per cent: accuracies, and mean average precision in both protocols (`protocols`).

    Of the last step: target_accuracy, source_accuracy (test images; those of Office-31 are the training images),
    map_target, map_cross. Of the source-only network: source_only_accuracy, source_only_map_target,
    source_only_map_cross. With batch norm, running_statistics_accuracy is the target accuracy without re-estimated
    statistics. Target labels serve to count here (and to train SuH, which is given them on purpose), nowhere else.
    """

    def net_for(net: HashNet, domain: Domain) -> HashNet:
        return recalibrated(net, domain.train.images) if reestimate_batch_norm else net.eval()

    metrics = {}
    nets = {"": method.inference_net}
    if not isinstance(method, SuH):  # it has no stage without target labels
        nets["source_only_"] = method.source_only
    for prefix, net in nets.items():
        net_t, net_s = net_for(net, pair.target), net_for(net, pair.source)
        if prefix:
            metrics["source_only_accuracy"] = accuracy(net_t, pair.target.test)
        else:
            metrics["target_accuracy"] = accuracy(net_t, pair.target.test)
            metrics["source_accuracy"] = accuracy(net_s, pair.source.test)
        found = retrieve(net_t, net_s, pair, threads=torch.get_num_threads())
        metrics |= {f"{prefix}map_{protocol}": 100.0 * outcome.map for protocol, outcome in found.items()}
    if has_batch_norm(method.inference_net):
        metrics["running_statistics_accuracy"] = accuracy(method.inference_net.eval(), pair.target.test)
    return metrics
