r"""ADDA (Tzeng et al. 2017): a source network is trained and frozen, then an encoder of the target is fitted to it.

The target's encoder starts as a copy of the source's. A discriminator tells the class scores of the two apart, and the
target's encoder learns to be taken for the source's, with the labels turned round in place of a reversed gradient.

Published (`erictzeng/adda`, SVHN -> MNIST): 10,000 steps on the source; D of two layers of 500 on the ten scores; Adam
at 2e-4 with beta1 = 0.5 for both, one step each, 10,000 steps, batches of 128, a weight decay of 2.5e-5 on D; results
from run to run between .68 and .79. Here: pre-training is the source's stage; the rate is 0.4 of this project's
5e-4, which is 2e-4 too, and falls with its cosine; there is no weight decay. On features it is 1e-5 for E^t and 2e-4
for D, the best of nine settings (docs/selection.md); a user of the published code had 1e-5 and 1e-3 for Office-31.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation, DomainDiscriminator, domain_loss, told_apart
from igan_lib.method.components import Pretrained, Shape
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached
from igan_lib.method.networks import HashNet


class ADDA(Adaptation):
    r"""The target's encoder E^t against a discriminator D of the scores z = C(E(x)), B x N; arguments as `Adaptation`.

    $$L_D = -\frac{1}{2B} \sum_i \left[ \log \sigma(D(z_i^s)) + \log (1 - \sigma(D(z_i^t))) \right], \qquad
      L_a = -\frac{1}{B} \sum_i \log \sigma(D(z_i^t))$$

    D descends $L_D$, then E^t descends $L_a$. z^s comes from the frozen network `source_only`, z^t from `net`, whose
    classifier is frozen too. `rate_share`: the rate of E^t and D as a share of the config's two rates; None: 0.4 for
    images, 0.02 for features. `discriminator_rate`: D's is so many times that; None: 1 for images, 20 for features.
    """

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        rate_share: float | None = None,
        discriminator_rate: float | None = None,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        on_features = len(self.shape) == 1
        share = rate_share if rate_share is not None else (0.02 if on_features else 0.4)
        times = discriminator_rate if discriminator_rate is not None else (20.0 if on_features else 1.0)
        self.discriminator = DomainDiscriminator(n_classes)
        self.optimize("target", self.net.encoder, rate=share * config.learning_rate)
        self.optimize("discriminator", self.discriminator, rate=times * share * config.gan_learning_rate)

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of D and one of E^t; of y_s only the logged L_c is read.

        x_s, x_t: B images or feature vectors. Returns L_c of the frozen network, L_D, L_a and D, its accuracy before
        its step; detached scalars.
        """
        return detached(self.align(self.source_only, x_s, y_s, x_t))

    def align(self, frozen: HashNet, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """The step of `update` with the network `frozen` in the place of `source_only`."""
        with torch.no_grad():
            z_s = frozen.logits(x_s)
        z_t = self.net.logits(x_t)
        d_s, d_t = self.discriminator(z_s), self.discriminator(z_t.detach())
        losses = {"L_c": F.cross_entropy(z_s, y_s), "L_D": domain_loss(d_s, d_t)}
        self._descend(losses["L_D"], "discriminator")
        losses["L_a"] = F.softplus(-self.discriminator(z_t)).mean()
        self._descend(losses["L_a"], "target")
        return losses | {"D": told_apart(d_s, d_t)}
