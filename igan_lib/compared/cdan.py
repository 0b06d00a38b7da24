r"""CDAN-M (Long et al. 2018): DANN whose discriminator also sees the predicted class.

The discriminator gets the outer product of code and class probabilities, so that it can ask for each class whether the
domains differ. "M" is the whole product, without random projections and without weights by entropy ("+E").

Published (`thuml/CDAN`): weight 1, $\lambda_p$ with p = step / 10,000, dropout 0.5 in D's two layers of 500, one pass
of both domains, SGD with weight decay, whose rate falls every few epochs. Here: p = step / steps, since a run of 1,500
steps would end at $\lambda$ = 0.64, Adam and this project's cosine, no weight decay, and a pass for each domain as in
IGAN. On Office-31 the published D has 1,024 units.
"""

import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation, DomainDiscriminator, domain_loss, reverse, told_apart
from igan_lib.method.components import Pretrained, Shape
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached
from igan_lib.method.igan import ramp


def multilinear(u: Tensor, logits: Tensor) -> Tensor:
    r"""$u \otimes \mathrm{softmax}(z)$: B x d codes and B x N logits -> B x dN; no gradient flows into the logits."""
    return (u[:, :, None] * logits.detach().softmax(1)[:, None, :]).flatten(1)


class CDAN(Adaptation):
    r"""Conditional adversarial training of E against one discriminator D; arguments as `Adaptation`.

    $$L = L_c + w L_D, \qquad h = u \otimes \mathrm{softmax}(C(u)), \qquad
      L_D = -\frac{1}{2B} \sum_i \left[ \log \sigma(D(h_i^s)) + \log (1 - \sigma(D(h_i^t))) \right]$$

    h is B x dN (`multilinear`). D descends $L_D$; of E's part the gradient is turned round and times $\lambda_p$
    (`igan.ramp`). `adversarial`: w, 1 as published; `dropout`: of D.
    """

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        adversarial: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.adversarial = adversarial
        self.discriminator = DomainDiscriminator(config.code_length * n_classes, dropout)
        self.optimize("discriminator", self.discriminator)

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of E, C and D together.

        x_s, x_t: B images or feature vectors; y_s: B labels. Returns L_c, L_D and D, its accuracy; detached scalars.
        """
        (u_s, logits_s), (u_t, logits_t) = self.net(x_s), self.net(x_t)
        share = ramp(self.progress)
        d_s = self.discriminator(reverse(multilinear(u_s, logits_s), share))
        d_t = self.discriminator(reverse(multilinear(u_t, logits_t), share))
        losses = {"L_c": F.cross_entropy(logits_s, y_s), "L_D": domain_loss(d_s, d_t)}
        self._descend(losses["L_c"] + self.adversarial * losses["L_D"], "encoder", "classifier", "discriminator")
        return detached(losses | {"D": told_apart(d_s, d_t)})
