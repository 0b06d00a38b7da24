r"""The losses of DAH (Venkateswara et al. 2017), one pure function an equation; NoDA and SuH use the first.

Symbols as in `method.losses`: u in (-1, 1)^d is a code, y in {0..N-1} a label. Every sum over a batch is a mean here;
the published sums and what their weights become stand in `dah.DAHConfig`. All functions work in any float dtype and are
differentiable in their float arguments. The quantisation term is `losses.quantization_loss`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BANDWIDTHS = tuple(2.0**power for power in range(-8, 9))  # 17 Gaussians, as published


def pairwise_likelihood_loss(u: Tensor, y: Tensor, similar_weight: float = 10.0) -> Tensor:
    r"""The supervised hash loss: -log of the probability of the given similarities, of which there are few.

    $$\sum_{i \neq j} w_{ij} \left[ \log(1 + e^{\theta_{ij}}) - s_{ij} \theta_{ij} \right], \qquad
      \theta_{ij} = \tfrac{1}{2} u_i^\top u_j, \quad s_{ij} = 1 \text{ if } y_i = y_j \text{ else } 0$$

    w_ij is `similar_weight` where s_ij = 1, else 1. The mean over the B(B-1) ordered pairs.

    Args:
        u: B x d codes; y: B labels.

    Returns:
        A scalar >= 0; 0 for a batch of one.
    """
    batch = len(u)
    if batch < 2:
        return u.sum() * 0.0
    theta = u @ u.T / 2
    similar = y[:, None] == y[None, :]
    # log(1 + e^theta) - s theta is softplus(theta) or softplus(-theta), which no theta makes overflow.
    terms = torch.where(similar, similar_weight * F.softplus(-theta), F.softplus(theta))
    return (terms.sum() - terms.diagonal().sum()) / (batch * (batch - 1))


def multi_kernel_mmd(a: Tensor, b: Tensor) -> Tensor:
    r"""Linear-time estimate of the squared maximum mean discrepancy of two samples (Gretton et al. 2012).

    $$\frac{2}{n} \sum_{i=1}^{n/2}
      k(a_{2i-1}, a_{2i}) + k(b_{2i-1}, b_{2i}) - k(a_{2i-1}, b_{2i}) - k(a_{2i}, b_{2i-1}), \qquad
      k(x, y) = \frac{1}{17} \sum_{q=-8}^{8} \exp\left( -2^q \frac{\lVert x - y \rVert^2}{m} \right)$$

    m is the median of the squared distances in the sum; no gradient flows through it. Unbiased, so it is zero in
    expectation for equal distributions and may be negative; it takes the rows in pairs as they come.

    Args:
        a, b: B x D activations of the two domains. Of unequal lengths, the first rows of the longer one are used.

    Returns:
        A scalar in [-2, 2]; 0 where there is no pair.
    """
    pairs = min(len(a), len(b)) // 2
    if pairs == 0:
        return a.sum() * 0.0 + b.sum() * 0.0
    a_1, a_2, b_1, b_2 = a[0 : 2 * pairs : 2], a[1 : 2 * pairs : 2], b[0 : 2 * pairs : 2], b[1 : 2 * pairs : 2]
    within = torch.stack([(a_1 - a_2).square().sum(1), (b_1 - b_2).square().sum(1)])
    across = torch.stack([(a_1 - b_2).square().sum(1), (a_2 - b_1).square().sum(1)])
    # Equal rows have the median 0; the root keeps the gradient's 1 / median finite.
    median = torch.cat([within, across]).detach().median().clamp(min=torch.finfo(a.dtype).tiny ** 0.5)
    scales = torch.tensor(BANDWIDTHS, dtype=a.dtype, device=a.device)[:, None, None]

    def kernel(squared: Tensor) -> Tensor:
        return torch.exp(-scales * squared / median).mean(0)

    return (kernel(within) - kernel(across)).sum(0).mean()


def rank_in_class(y: Tensor, n_classes: int) -> Tensor:
    """How many earlier entries of y have the same label: B labels -> B counts from 0."""
    earlier = F.one_hot(y, n_classes).cumsum(0) - 1
    return earlier.gather(1, y[:, None]).squeeze(1)


def class_similarities(u: Tensor, codes: Tensor, known: Tensor) -> Tensor:
    r"""How like each class's source codes a code is: $\log \frac{1}{K_j} \sum_{k=1}^{K_j} \exp(u^\top u^s_{jk})$.

    The softmax over classes is DAH's p_ij, the probability that u belongs to class j. There every class has K samples;
    a random batch may hold fewer of one, so the mean is taken.

    Args:
        u: B x d; codes: N x K x d source codes by class; known: N x K, bool, which of them there are.

    Returns:
        B x N; -inf (and no usable gradient) for a class without a code.
    """
    scores = (u @ codes.flatten(0, 1).T).unflatten(1, known.shape).masked_fill(~known, -torch.inf)
    return scores.logsumexp(2) - known.sum(1).clamp(min=1).to(u.dtype).log()


def target_entropy(u_t: Tensor, u_s: Tensor, y_s: Tensor, n_classes: int, per_class: int = 5) -> Tensor:
    r"""Each target code shall be like one class of the source alone.

    $$-\sum_i \sum_j p_{ij} \log p_{ij}, \qquad
      p_{ij} = \frac{\sum_k \exp(u_i^{t\top} u^s_{jk})}{\sum_{j'} \sum_k \exp(u_i^{t\top} u^s_{j'k})}$$

    The mean over the B target codes. A class with fewer than K samples in the batch is treated as in
    `class_similarities`; one that is absent from it has no part in the sum.

    Args:
        u_t: B x d target codes; u_s: M x d source codes with labels y_s (M); per_class: K, 5 as published; the first K
            of each class are taken.

    Returns:
        A scalar in [0, log N]; gradients flow into both domains' codes.
    """
    rank = rank_in_class(y_s, n_classes)
    first = (rank < per_class).nonzero().squeeze(1)
    place = torch.full((n_classes, per_class), -1, device=y_s.device)
    place[y_s[first], rank[first]] = first
    place = place[place[:, 0] >= 0]
    log_p = class_similarities(u_t, u_s[place.clamp(min=0)], place >= 0).log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean()
