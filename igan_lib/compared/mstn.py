r"""MSTN (Xie et al. 2018): DANN, and moving averages of both domains' class centroids that are drawn together.

The target's centroids are those of the predicted classes. Averaging over steps lets many right predictions outweigh a
few wrong ones, where a mini-batch has a handful of images a class.

Published (`Mid-Push/Moving-Semantic-Transfer-Network`): features are the ten logits for digits and a layer of 256 for
Office-31; $\lambda_p$ with p = step / 10,000 on both losses and 0.1 on the discriminator's; 0.7 of the old centroid is
kept; SGD at 0.01 with weight decay, some 200,000 steps. There a class that is absent from a batch counts as a centroid
of zeros, which shrinks the average; the averages start at zero. Here: features are the code, as for Office-31; p =
step / steps; an absent class keeps its centroid, the first centroid is the first batch's, and a class enters the loss
once both domains have had one; Adam and this project's cosine, no weight decay.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation, DomainDiscriminator, domain_loss, reverse, told_apart
from igan_lib.method import losses as L
from igan_lib.method.components import Pretrained, Shape
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached
from igan_lib.method.igan import ramp


class MSTN(Adaptation):
    r"""DANN with a moving semantic loss; arguments as `Adaptation`.

    $$L = L_c + \lambda_p L_{sm} + w L_D, \qquad L_{sm} = \frac{1}{N d} \sum_{k=1}^N \lVert c_k^s - c_k^t \rVert^2,
      \qquad c_k \leftarrow \theta c_k + (1 - \theta) \frac{1}{|B_k|} \sum_{i \in B_k} u_i$$

    u: B x d codes; c: N x d centroids of labels in the source and of argmax C(u) in the target, without a threshold.
    The gradient flows through the batch's part alone. $L_D$ is DANN's, of E's part turned round and times $\lambda_p$
    (`igan.ramp`). `keep`: $\theta$, 0.7 as published. `adversarial`: w; published is 0.1 of the sum of both domains'
    terms, which is 0.2 of $L_D$, their mean.
    """

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        adversarial: float = 0.2,
        keep: float = 0.7,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.adversarial, self.keep = adversarial, keep
        self.discriminator = DomainDiscriminator(config.code_length)
        self.optimize("discriminator", self.discriminator)
        self.register_buffer("centroids", torch.zeros(2, n_classes, config.code_length))
        self.register_buffer("known", torch.zeros(2, n_classes, dtype=torch.bool))

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of E, C and D together.

        x_s, x_t: B images or feature vectors; y_s: B labels. Returns L_c, L_sm, L_D and D, its accuracy; detached
        scalars.
        """
        (u_s, logits_s), (u_t, logits_t) = self.net(x_s), self.net(x_t)
        share = ramp(self.progress)
        d_s, d_t = (self.discriminator(reverse(u, share)) for u in (u_s, u_t))
        losses = {"L_c": F.cross_entropy(logits_s, y_s), "L_D": domain_loss(d_s, d_t)}
        moved = [self._moved(0, u_s, y_s), self._moved(1, u_t, logits_t.argmax(1))]
        losses["L_sm"] = L.centroid_distance(*moved, self.known.all(0))
        total = losses["L_c"] + share * losses["L_sm"] + self.adversarial * losses["L_D"]
        self._descend(total, "encoder", "classifier", "discriminator")
        return detached(losses | {"D": told_apart(d_s, d_t)})

    def _moved(self, domain: int, u: Tensor, y: Tensor) -> Tensor:
        """The averages (N x d) of a domain after its codes u (B x d) of classes y (B), which are kept for later."""
        now, present = L.class_centroids(u, y, self.n_classes)
        old = torch.where(self.known[domain][:, None], self.centroids[domain], now.detach())
        moved = torch.where(present[:, None], self.keep * old + (1 - self.keep) * now, old)
        self.centroids[domain] = moved.detach()
        self.known[domain] |= present
        return moved
