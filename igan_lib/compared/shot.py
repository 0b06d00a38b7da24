r"""SHOT (Liang et al. 2020): the target's images are fitted to a frozen classifier, without the source's images.

The encoder learns that target images have sure and evenly spread classes, and pseudo-labels from clusters of its own
codes. A later anchor, not of 2019: it needs the source's network and none of its images.

Published (`tim-learn/SHOT`): source stage with labels smoothed by 0.1, a layer of 256 with dropout and a classifier
with normalised weights; target stage of 30 epochs (15 for Office-31) with new pseudo-labels each; their weight is 0.1
for digits and 0.3 for Office-31; SGD. Here: pre-training is the source stage; the layer is the code of d bits and the
classifier IGAN's, with no dropout and no normalised weights, so that all methods have one network; ten labellings are
spread evenly over the adaptation steps, and codes for them are normalised by the statistics of target batches, as
everything is that is measured here; Adam and this project's cosine.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation, batch_norms
from igan_lib.data.images import to_input
from igan_lib.method.components import Pretrained, Shape
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached

BATCH = 200  # images, of a labelling


def information_loss(logits: Tensor) -> Tensor:
    r"""$\frac{1}{B} \sum_i H(p_i) - H(\frac{1}{B} \sum_i p_i)$: sure of each image, and evenly spread; B x N logits.

    H is the entropy of the softmax p. In [-log N, 0].
    """
    log_p = logits.log_softmax(1)
    log_mean = log_p.logsumexp(0) - math.log(len(log_p))  # the log of a mean of 0 has no usable gradient
    return -(log_p.exp() * log_p).sum(1).mean() + (log_mean.exp() * log_mean).sum()


def cluster_labels(u: Tensor, p: Tensor) -> Tensor:
    """The class whose centroid has the smallest angle with (u, 1): n x d codes, n x N probabilities -> n labels.

    Centroids are means weighted by p and, in a second round, those of the labels of the first. A class that no image
    is predicted as has no images here either.
    """
    f = F.normalize(torch.cat([u, u.new_ones(len(u), 1)], dim=1), dim=1)
    predicted = F.one_hot(p.argmax(1), p.shape[1]).sum(0) > 0
    weights = p
    for _ in range(2):
        centroids = weights.T @ f
        cosines = f @ F.normalize(centroids, dim=1).T
        labels = cosines.masked_fill(~predicted, -torch.inf).argmax(1)
        weights = F.one_hot(labels, p.shape[1]).to(p.dtype)
    return labels


class SHOT(Adaptation):
    r"""E on the target alone, against a frozen classifier C; arguments as `Adaptation`.

    $$L = \frac{1}{B} \sum_i H(p_i) - H\Big( \frac{1}{B} \sum_i p_i \Big) - w \frac{1}{B} \sum_i \log p_{i, \hat y_i},
      \qquad p = \mathrm{softmax}(C(u^t))$$

    $\hat y$ are the pseudo-labels of `cluster_labels` (N_t). `x_t`: all images (uint8) or features of the target for
    training, without labels. `pseudo`: w; None: 0.1 for images, 0.3 for features. `labellings`: how often $\hat y$ is
    found anew.
    """

    capturable = False  # when labels are found anew is asked of `progress`
    smoothing = 0.1

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        x_t: Tensor,
        pseudo: float | None = None,
        labellings: int = 10,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.pseudo = pseudo if pseudo is not None else (0.3 if len(self.shape) == 1 else 0.1)
        self.labellings = labellings
        self.register_buffer("x_t", x_t, persistent=False)
        self.register_buffer("labels", torch.zeros(len(x_t), dtype=torch.int64))
        self.register_buffer("labelled", torch.zeros((), dtype=torch.int64))  # how often

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of E; x_s and y_s are not read, and `batch_t` says which of the target's images x_t are.

        x_t: B images or feature vectors. Returns L_im and L_p, the pseudo-labels' part; detached scalars.
        """
        if int(self.labelled) <= int(self.labellings * float(self.progress)):
            self.label()
        logits = self.net.logits(x_t)
        losses = {"L_im": information_loss(logits), "L_p": F.cross_entropy(logits, self.labels[self.batch_t])}
        self._descend(losses["L_im"] + self.pseudo * losses["L_p"], "encoder")
        return detached(losses)

    @torch.no_grad()
    def label(self) -> None:
        """Find the pseudo-labels of all target images; batch norm sees batches of evenly spaced images."""
        self.net.eval()
        for layer in batch_norms(self.net):
            layer.train()
        spaced = torch.arange(len(self.x_t), device=self.x_t.device)
        number = max(1, len(spaced) // BATCH)
        order = torch.cat([spaced[start::number] for start in range(number)])  # data sets are often sorted
        found = [self.net(to_input(self.x_t[batch])) for batch in order.tensor_split(number)]
        codes, logits = (torch.cat(parts) for parts in zip(*found, strict=True))
        self.labels[order] = cluster_labels(codes, logits.softmax(1))
        self.labelled += 1
        self.net.train()
