r"""DANN (Ganin et al. 2016), of which many methods are variants: codes that do not say which domain they are of.

A discriminator learns to tell source codes from target codes. Its gradient comes back to the encoder with the sign
turned round, so that the encoder learns to make them alike while it learns the source's classes.

Published (as `tllib` and the mode DANN of `thuml/CDAN` have it): the mean of both halves of the domain loss at weight
1, a ramp from 0 to 1 over some thousand steps, SGD with weight decay, two hidden layers of 1,024 with batch norm, or of
500 with dropout. Here: Adam and this project's cosine without weight decay, as all methods have; D is that of ADDA and
MSTN, 500 units without dropout; p is the share of the adaptation steps.
"""

import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation, DomainDiscriminator, domain_loss, reverse, told_apart
from igan_lib.method.components import Pretrained, Shape
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached
from igan_lib.method.igan import ramp


class DANN(Adaptation):
    r"""Domain-adversarial training of E against one discriminator D of domains; arguments as `Adaptation`.

    $$L = L_c + w L_D, \qquad L_D = -\frac{1}{2B} \sum_i \left[ \log \sigma(D(u_i^s))
      + \log (1 - \sigma(D(u_i^t))) \right]$$

    D descends $L_D$ of B x d codes; of E's part the gradient is turned round and times
    $\lambda_p = \frac{2}{1 + e^{-10 p}} - 1$ (`igan.ramp`).

    `adversarial`: w, 1 as published.
    """

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        adversarial: float = 1.0,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.adversarial = adversarial
        self.discriminator = DomainDiscriminator(config.code_length)
        self.optimize("discriminator", self.discriminator)

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of E, C and D together.

        x_s, x_t: B images or feature vectors; y_s: B labels. Returns L_c, L_D and D, its accuracy; detached scalars.
        """
        u_s, logits_s = self.net(x_s)
        share = ramp(self.progress)
        d_s, d_t = (self.discriminator(reverse(u, share)) for u in (u_s, self.net.encode(x_t)))
        losses = {"L_c": F.cross_entropy(logits_s, y_s), "L_D": domain_loss(d_s, d_t)}
        self._descend(losses["L_c"] + self.adversarial * losses["L_D"], "encoder", "classifier", "discriminator")
        return detached(losses | {"D": told_apart(d_s, d_t)})
