"""The two retrieval protocols, which differ in what is searched; a MAP without the name of its protocol says nothing.

target: queries and database are images of the target domain; every image queries the rest. This is the protocol of DAH
(Venkateswara et al. 2017) and, by the columns that it seems to take over from there, of Table 3.
cross: images of the target query the source's labelled training images, as the later literature has it.
"""

from torch import Tensor
from torch.nn.functional import one_hot

from igan_lib.data.domains import DomainPair
from igan_lib.experiment.evaluation import codes_and_logits
from igan_lib.method.networks import HashNet
from igan_lib.retrieval.evaluate import Retrieval, evaluate_retrieval


def within_target(u_t: Tensor, y_t: Tensor, **options) -> Retrieval:
    """Protocol `target`: n x d codes of the target's test images and their labels; options as `evaluate_retrieval`."""
    return evaluate_retrieval(u_t, y_t, u_t, y_t, exclude_self=True, **options)


def across(u_t: Tensor, y_t: Tensor, u_s: Tensor, y_s: Tensor, **options) -> Retrieval:
    """Protocol `cross`: the target's test images query the source's training images."""
    return evaluate_retrieval(u_t, y_t, u_s, y_s, **options)


def both(u_t: Tensor, y_t: Tensor, u_s: Tensor, y_s: Tensor, **options) -> dict[str, Retrieval]:
    """Both protocols, by name, from the codes and labels of the target's test and the source's training images."""
    return {"target": within_target(u_t, y_t, **options), "cross": across(u_t, y_t, u_s, y_s, **options)}


def class_codes(predicted: Tensor, n_classes: int) -> Tensor:
    """Codes that say a class and nothing else: one code a class, any two equally far apart.

    What such codes of the predicted classes retrieve is what the accuracy alone is worth in a protocol.

    Args:
        predicted: n class numbers (int64); n_classes: N.

    Returns:
        n x L float codes of -1 and 1, L the multiple of 8 from N on.
    """
    length = 8 * -(-n_classes // 8)
    return 2.0 * one_hot(predicted, length).float() - 1.0


def retrieve(net_t: HashNet, net_s: HashNet, pair: DomainPair, **options) -> dict[str, Retrieval]:
    """`both` for a pair.

    Args:
        net_t, net_s: the network in eval mode as it is used on the target and on the source; the same one twice where
            nothing is re-estimated.
        options: `places`, `divisor`, `threads` of `retrieval.evaluate_retrieval`.
    """
    queries, database = pair.target.test, pair.source.train
    u_t, _ = codes_and_logits(net_t, queries.images)
    u_s, _ = codes_and_logits(net_s, database.images)
    return both(u_t, queries.labels, u_s, database.labels, **options)
