r"""I2I (Murez et al. 2018): one encoder, a generator for each domain, and losses on images, codes and both ways round.

Translated images must look like the other domain's and keep their class; codes of the target must look like the
source's. No code of it is public, and the two readings of the paper that we had disagree on its weights for digits:
provisional.

Published, by the more careful reading: for digits the weights below ("images"), for Office-31 those of "features"; Adam
at 2e-4 with beta1 = 0.5; generators that share their first layers. By the other reading: least squares on codes, an
improved Wasserstein game on images, 0.2 for the codes, 0.05 for the cycle and 0 for translated classes. Here: least
squares on images too, as the Wasserstein game asks for several steps of D for one of G; IGAN's discriminators with one
output, generators that share all but the last layer, this project's rates and cosine.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation, DomainDiscriminator, share_all_but_last, squares, told_apart
from igan_lib.method.components import Pretrained, Shape, build_discriminator, build_generators
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached

OF_IMAGES = {"z": 0.05, "id": 0.1, "tr": 0.02, "cyc": 0.1, "trc": 0.1}
OF_FEATURES = {"z": 0.1, "id": 0.2, "tr": 0.005, "cyc": 0.0, "trc": 0.1}


class I2I(Adaptation):
    r"""E and C, two generators, discriminators of images D^s and D^t and of codes D^z; arguments as `Adaptation`.

    $$L = Q_c + \lambda_z Q_z + \lambda_{id} Q_{id} + \lambda_{tr} Q_{tr} + \lambda_{cyc} Q_{cyc}
      + \lambda_{trc} Q_{trc}$$

    - $Q_c$: the cross-entropy of C(u^s) and y^s.
    - $Q_z = (D^z(u^t) - 1)^2$: of the target's codes (B x d) alone.
    - $Q_{id} = |G^s(u^s) - x^s| + |G^t(u^t) - x^t|$: means over all entries.
    - $Q_{tr} = (D^t(x^{st}) - 1)^2 + (D^s(x^{ts}) - 1)^2$ with $x^{st} = G^t(u^s)$, $x^{ts} = G^s(u^t)$.
    - $Q_{cyc} = |G^s(E(x^{st})) - x^s| + |G^t(E(x^{ts})) - x^t|$.
    - $Q_{trc}$: the cross-entropy of $C(E(x^{st}))$ and y^s; its gradient stops at $x^{st}$.

    The three D descend $(D(real) - 1)^2 + D(drawn)^2$, where for $D^z$ the source's codes are real and the target's
    drawn. `weights`: by name; None: `OF_IMAGES` or `OF_FEATURES`.
    """

    names: ClassVar = {"z": "L_z", "id": "L_1", "tr": "L_a", "cyc": "L_cyc", "trc": "L_trc"}  # in the history

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        weights: dict[str, float] | None = None,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.weights = weights if weights is not None else (OF_FEATURES if len(self.shape) == 1 else OF_IMAGES)
        self.g_s, self.g_t = build_generators(self.shape, config.code_length, config.generator_width, "two")
        share_all_but_last(self.g_s, self.g_t)
        self.d_s, self.d_t = (build_discriminator(self.shape, 0, config.discriminator_width) for _ in range(2))
        self.d_z = DomainDiscriminator(config.code_length)
        self.optimize("generators", self.g_s, self.g_t)
        self.optimize("discriminators", self.d_s, self.d_t, self.d_z)

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of the three D, then one of E, C and both G.

        x_s, x_t: B images or feature vectors; y_s: B labels. Returns the losses of `names` (L_cyc if it weighs more
        than 0), L_c, L_D, and D_s, D_t and D_z, the discriminators' accuracies before their step; detached scalars.
        """
        x_s, x_t = self.inputs(x_s), self.inputs(x_t)
        u_s, u_t = self.inner(x_s), self.inner(x_t)
        x_s, x_t = x_s.detach(), x_t.detach()
        x_ss, x_ts = self.g_s(torch.cat([u_s, u_t])).split([len(u_s), len(u_t)])
        x_st, x_tt = self.g_t(torch.cat([u_s, u_t])).split([len(u_s), len(u_t)])
        losses = {"L_c": F.cross_entropy(self.net.classifier(u_s), y_s)}
        losses |= self._train_discriminators(x_s, x_t, x_st.detach(), x_ts.detach(), u_s.detach(), u_t.detach())
        parts = {"z": squares(self.d_z(u_t), 1.0)}
        parts["id"] = (x_ss - x_s).abs().mean() + (x_tt - x_t).abs().mean()
        parts["tr"] = squares(self.d_t(x_st), 1.0) + squares(self.d_s(x_ts), 1.0)
        if self.weights["cyc"]:
            both = torch.cat([self.inner(x_st), self.inner(x_ts)])
            back_s, back_t = self.g_s(both)[: len(u_s)], self.g_t(both)[len(u_s) :]
            parts["cyc"] = (back_s - x_s).abs().mean() + (back_t - x_t).abs().mean()
        parts["trc"] = F.cross_entropy(self.net.classifier(self.inner(x_st.detach())), y_s)
        total = losses["L_c"] + sum(self.weights[name] * value for name, value in parts.items())
        self._descend(total, "encoder", "classifier", "generators")
        return detached(losses | {self.names[name]: value for name, value in parts.items()})

    def _train_discriminators(self, x_s: Tensor, x_t: Tensor, x_st: Tensor, x_ts: Tensor, *codes: Tensor) -> dict:
        told, loss = {}, 0.0
        games = {"D_s": (self.d_s, x_s, x_ts), "D_t": (self.d_t, x_t, x_st), "D_z": (self.d_z, *codes)}
        for name, (net, real, drawn) in games.items():
            of_real, of_drawn = net(real), net(drawn)
            loss = loss + squares(of_real, 1.0) + squares(of_drawn, 0.0)
            told[name] = told_apart(of_real, of_drawn, border=0.5)
        self._descend(loss, "discriminators")
        return {"L_D": loss, **told}
