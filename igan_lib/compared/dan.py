r"""DAN (Long et al. 2015): the domains' last layers get the same distribution, by the maximum mean discrepancy.

No second network: a kernel says how unlike two samples are, and the encoder lowers that beside the source's loss.
Several kernels of different widths, whose mean counts, stand for the best one, which nobody knows.

Published (`thuml/DAN`): on fc7 and fc8 of AlexNet at weight 1 each, five Gaussian kernels whose widths double, around
the mean squared distance of the batch; an estimate in linear time from random pairs; SGD. Here: on the code and on the
logits at weight 1 each, and the estimate of all pairs, since that of B / 2 pairs is noise at B = 100. `tllib` sums its
five kernels, which makes a weight five times as large; the paper asks for weights of the kernels that sum to 1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation
from igan_lib.method.components import Pretrained, Shape
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the mean squared distance


def squared_mmd(a: Tensor, b: Tensor) -> Tensor:
    r"""The unbiased estimate of the squared MMD from all pairs (Gretton et al. 2012, Eq. 3).

    $$\frac{1}{n(n-1)} \sum_{i \neq j} k(a_i, a_j) + \frac{1}{m(m-1)} \sum_{i \neq j} k(b_i, b_j)
      - \frac{2}{nm} \sum_{i, j} k(a_i, b_j), \qquad
      k(x, y) = \frac{1}{5} \sum_{q=-2}^{2} \exp\left( -\frac{\lVert x - y \rVert^2}{2^q \bar m} \right)$$

    $\bar m$ is the mean squared distance between two different rows of both samples; no gradient flows through it.

    Args:
        a: n x D; b: m x D; n, m >= 2.

    Returns:
        A scalar in [-2, 2], below 0 by chance where the distributions are equal.
    """
    n, m = len(a), len(b)
    rows = torch.cat([a, b])
    norms = rows.square().sum(1)
    squared = (norms[:, None] + norms - 2 * rows @ rows.T).clamp(min=0)
    squared = squared - torch.diag(squared.diagonal())
    mean = squared.detach().sum() / ((n + m) * (n + m - 1))
    mean = mean.clamp(min=torch.finfo(a.dtype).tiny ** 0.5)  # equal rows: the root keeps the gradient finite
    k = sum(torch.exp(-squared / (width * mean)) for width in BANDWIDTHS) / len(BANDWIDTHS)
    within_a = (k[:n, :n].sum() - n) / (n * (n - 1))
    within_b = (k[n:, n:].sum() - m) / (m * (m - 1))
    return within_a + within_b - 2 * k[:n, n:].mean()


class DAN(Adaptation):
    r"""E and C on L_c and on the MMD between the domains' codes and logits; arguments as `Adaptation`.

    $$L = L_c + w \left( \mathrm{MMD}^2(u^s, u^t) + \mathrm{MMD}^2(C(u^s), C(u^t)) \right)$$

    Codes u are B x d, logits C(u) B x N; `squared_mmd` has the kernels. `mmd`: w, 1 as published.
    """

    def __init__(
        self, config: IGANConfig, shape: Shape, n_classes: int, backbone: Pretrained | None = None, *, mmd: float = 1.0
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.mmd = mmd

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of E and C.

        x_s, x_t: B images or feature vectors; y_s: B labels. Returns L_c and L_mmd; detached scalars.
        """
        (u_s, logits_s), (u_t, logits_t) = self.net(x_s), self.net(x_t)
        mmd = squared_mmd(u_s, u_t) + squared_mmd(logits_s, logits_t)
        losses = {"L_c": F.cross_entropy(logits_s, y_s), "L_mmd": mmd}
        self._descend(losses["L_c"] + self.mmd * mmd, "encoder", "classifier")
        return detached(losses)
