"""What is reported of a trained method: accuracies, mean average precision, and how its codes keep classes apart."""

from statistics import fmean

import torch
from torch import Tensor, nn

from igan_lib.compared.adaptation import batch_norms
from igan_lib.compared.suh import SuH
from igan_lib.data.domains import Domain, DomainPair
from igan_lib.experiment.evaluation import accuracy, codes_and_logits, recalibrated, share_right
from igan_lib.method.networks import HashNet
from igan_lib.retrieval.clusters import neighbour_purity, silhouette
from igan_lib.retrieval.protocols import Retrieval, across, both, within_target
from igan_lib.training.checkpoints import HistoryRow
from igan_lib.training.schedule import Schedule

CLUSTER_IMAGES = 5000  # of a target with more, such as MNIST, no clusters are measured: the time is quadratic


def evaluate(method: nn.Module, pair: DomainPair, *, reestimate_batch_norm: bool = True) -> dict[str, float]:
    """What is reported, in per cent: accuracies, mean average precision in both protocols (`protocols`), clusters.

    Of the last step: target_accuracy, source_accuracy (test images; those of Office-31 are the training images),
    map_target, map_cross. Of the source-only network: source_only_accuracy, source_only_map_target,
    source_only_map_cross. Of the target's codes of both networks, up to `CLUSTER_IMAGES`: target_silhouette (in
    hundredths) and target_purity, source_only_silhouette and source_only_purity (`clusters`). With batch norm,
    running_statistics_accuracy is the target accuracy without re-estimated statistics. Target labels serve to count
    here (and to train SuH, which is given them on purpose), nowhere else; of a user's own target, those that are known.
    Without any, source_accuracy alone is measured; without two of one class, neither map_target nor clusters.
    """

    def net_for(net: HashNet, domain: Domain) -> HashNet:
        return recalibrated(net, domain.train.images) if reestimate_batch_norm else net.eval()

    test, database = pair.target.known_test, pair.source.train
    if not len(test.labels):
        return {"source_accuracy": accuracy(net_for(method.inference_net, pair.source), pair.source.test)}
    nets = {"": method.inference_net}
    if not isinstance(method, SuH):  # it has no stage without target labels
        nets["source_only_"] = method.source_only
    metrics = {}
    for prefix, net in nets.items():
        net_t, net_s = net_for(net, pair.target), net_for(net, pair.source)
        (u_t, logits_t), (u_s, _) = codes_and_logits(net_t, test.images), codes_and_logits(net_s, database.images)
        metrics[f"{prefix}accuracy" if prefix else "target_accuracy"] = share_right(logits_t, test.labels)
        if not prefix:
            metrics["source_accuracy"] = accuracy(net_s, pair.source.test)
        maps = map_metrics(u_t, test.labels, u_s, database.labels)
        metrics |= {f"{prefix}{name}": value for name, value in maps.items()}
        if 1 < len(test.labels.unique()) < len(test.labels) <= CLUSTER_IMAGES:
            u, y = u_t.numpy(), test.labels.numpy()
            metrics[f"{prefix or 'target_'}silhouette"] = 100.0 * silhouette(u, y)
            metrics[f"{prefix or 'target_'}purity"] = 100.0 * neighbour_purity(u, y)
    if batch_norms(method.inference_net):
        metrics["running_statistics_accuracy"] = accuracy(method.inference_net.eval(), test)
    return metrics


def game_metrics(history: list[HistoryRow], schedule: Schedule) -> dict[str, float]:
    """D_s_accuracy, D_t_accuracy and their mean, D_accuracy: what D tells apart, in per cent, over the last tenth.

    Of a method with one discriminator, which logs D, D_accuracy alone.
    """
    last = [row for row in history if row["step"] > schedule.pretrain_steps + 0.9 * schedule.steps]
    logged = [name for name in ("D_s", "D_t", "D") if last and name in last[-1]]
    told = {f"{name}_accuracy": 100.0 * fmean(row[name] for row in last) for name in logged}
    return told | ({"D_accuracy": fmean(told.values())} if told else {})


def map_metrics(u_t: Tensor, y_t: Tensor, u_s: Tensor, y_s: Tensor) -> dict[str, float]:
    """map_target and map_cross in per cent, as `protocols.both`; no map_target where no label y_t comes twice."""
    threads = torch.get_num_threads()
    found = {"target": within_target(u_t, y_t, threads=threads)} if len(y_t.unique()) < len(y_t) else {}
    found["cross"] = across(u_t, y_t, u_s, y_s, threads=threads)
    return {f"map_{protocol}": 100.0 * outcome.map for protocol, outcome in found.items()}


def retrieve(net_t: HashNet, net_s: HashNet, pair: DomainPair, **options) -> dict[str, Retrieval]:
    """`protocols.both` for a pair.

    `net_t`, `net_s`: the network in eval mode as it is used on the target and on the source; the same one twice where
    nothing is re-estimated. `options`: `places`, `divisor`, `threads` of `protocols.evaluate_retrieval`.
    """
    queries, database = pair.target.known_test, pair.source.train
    u_t, _ = codes_and_logits(net_t, queries.images)
    u_s, _ = codes_and_logits(net_s, database.images)
    return both(u_t, queries.labels, u_s, database.labels, **options)
