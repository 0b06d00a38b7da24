r"""CyCADA (Hoffman et al. 2018): translate the source's images into the target's style, learn from these, then ADDA.

Two translators go round in a cycle, each against a discriminator of its domain, and a classifier of the source watches
that an image keeps its class. The network is then trained on translated images with the source's labels.

Published (`jhoffman/cycada_release`; of its translators only SVHN -> MNIST): a ResNet of nine blocks of 64 filters and
a patch discriminator, Adam at 2e-4 with beta1 = 0.5, 200 epochs (its images are drawn at epoch 75), the last 50 drawn
images kept for D; the classifier K is trained beside them and counts once its loss is below 1; then 100 epochs on
translated images from new weights, and ADDA at 1e-5 on the ten scores for 200 epochs, with steps of the target's
encoder only while D is right in 60 %. Here: the published weights, translators with one residual block at a quarter of
the side, no kept images, K the network of pre-training, from which the second stage goes on, the first half of the
steps for the translators, a quarter each for the others, a cosine for each stage, and ADDA at the rate of `adda`
without a gate: 375 steps at 1e-5 could move a weight by 0.004 at most, and D is near chance, so that the gate would
skip most of them.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from igan_lib.compared.adaptation import frozen_copy, squares, told_apart
from igan_lib.compared.adda import ADDA
from igan_lib.method.components import Pretrained, Shape, build_discriminator
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached

TRANSLATED, RETRAINED = 0.5, 0.75  # shares of the steps at which the first and the second stage end


class Translator(nn.Module):
    """An image in the style of the other domain: two halvings, a residual block, two doublings, instance norm.

    B x C x S x S in [-1, 1] -> the same, S = 28 or 32. `width`: filters of the first convolution.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()

        def normed(filters: int) -> list[nn.Module]:
            return [nn.InstanceNorm2d(filters, affine=True), nn.ReLU(inplace=True)]

        layers: list[nn.Module] = []
        for before, after in pairwise((channels, width, 2 * width)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), *normed(after)]
        self.down = nn.Sequential(*layers)
        self.block = nn.Sequential(
            *(nn.Conv2d(2 * width, 2 * width, 3, padding=1), *normed(2 * width)),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        )
        self.up = nn.Sequential(
            *(nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1), *normed(width)),
            *(nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1), nn.Tanh()),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x C x S x S -> B x C x S x S in (-1, 1)."""
        h = self.down(x)
        return self.up(h + self.block(h))


class CyCADA(ADDA):
    r"""Translators, then E and C on translated images, then ADDA; images alone; arguments as `Adaptation`.

    Stage 1, translators $T^t$ (to the target's style) and $T^s$ against D^t and D^s, with K = `source_only`:

    $$L_T = 2 (D^t(x^{st}) - 1)^2 + (D^s(x^{ts}) - 1)^2 + |T^s(x^{st}) - x^s| + |T^t(x^{ts}) - x^t|
      + \ell(K(x^{st}), y^s) + \ell(K(x^{ts}), \arg\max K(x^t))$$
    $$L_D = \tfrac{1}{2} \left[ (D^t(x^t) - 1)^2 + D^t(x^{st})^2 + (D^s(x^s) - 1)^2 + D^s(x^{ts})^2 \right]$$

    $x^{st} = T^t(x^s)$, $x^{ts} = T^s(x^t)$, B x C x S x S; all are means. Stage 2: $\ell(C(E(x^{st})), y^s)$ descends
    E and C. Stage 3: ADDA of E against the network of stage 2, frozen, on $x^{st}$. `progress` says which stage it is.
    `semantic`: the weight of both $\ell$; `cycle`: of both $|\cdot|$; 1 as published.
    """

    images_only = True
    capturable = False  # the stage is asked of `progress`
    stage_ends = (TRANSLATED, RETRAINED)  # with one cosine over all steps the third stage would start at 0.15 of a rate

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        semantic: float = 1.0,
        cycle: float = 1.0,
        rate_share: float = 0.4,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone, rate_share=rate_share)
        self.semantic, self.cycle = semantic, cycle
        self.to_s, self.to_t = (Translator(shape[0], config.generator_width) for _ in range(2))
        self.d_s, self.d_t = (build_discriminator(shape, 0, config.discriminator_width) for _ in range(2))
        self.optimize("translators", self.to_s, self.to_t)
        self.optimize("image discriminators", self.d_s, self.d_t)
        self.retrained = frozen_copy(self.net)

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of the stage that `progress` is in.

        x_s, x_t: B images; y_s: B labels. Returns the stage's losses and accuracies of discriminators, detached
        scalars: D_s and D_t of stage 1, D of stage 3.
        """
        progress = float(self.progress)
        if progress < TRANSLATED:
            return detached(self._translate(x_s, y_s, x_t))
        with torch.no_grad():
            x_st = self.to_t(x_s)
        if progress >= RETRAINED:
            return detached(self.align(self.retrained, x_st, y_s, x_t))
        losses = self.pretrain(x_st, y_s)
        # The copy that stage 3 holds fixed follows each step, so that no step has to know whether it is the last.
        self.retrained.load_state_dict(self.net.state_dict())
        return losses

    def _translate(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        x_st, x_ts = self.to_t(x_s), self.to_s(x_t)
        real = [self.d_s(x_s), self.d_t(x_t)]
        drawn = [self.d_s(x_ts.detach()), self.d_t(x_st.detach())]
        losses = {"L_D": 0.5 * (sum(squares(d, 1.0) for d in real) + sum(squares(d, 0.0) for d in drawn))}
        self._descend(losses["L_D"], "image discriminators")
        losses["L_a"] = 2 * squares(self.d_t(x_st), 1.0) + squares(self.d_s(x_ts), 1.0)
        losses["L_cyc"] = (self.to_s(x_st) - x_s).abs().mean() + (self.to_t(x_ts) - x_t).abs().mean()
        with torch.no_grad():
            y_t = self.source_only.logits(x_t).argmax(1)
        kept = F.cross_entropy(self.source_only.logits(x_st), y_s)
        losses["L_sem"] = kept + F.cross_entropy(self.source_only.logits(x_ts), y_t)
        total = losses["L_a"] + self.cycle * losses["L_cyc"] + self.semantic * losses["L_sem"]
        self._descend(total, "translators")
        told = zip(("D_s", "D_t"), real, drawn, strict=True)
        return losses | {name: told_apart(of_real, of_drawn, border=0.5) for name, of_real, of_drawn in told}
