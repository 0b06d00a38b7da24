r"""Duplex (Hu et al. 2018): one generator told which domain to draw, and a discriminator of classes in each domain.

IGAN without hashing, without centroids and with one generator in place of two: of all methods the one most like it.
Crosswise images must keep their class, in the eyes of the other domain's discriminator and of the classifier.

Published (`utihamartiwi/dupgan`, which does not say whose it is, very probably the authors'): 20,000 steps of
pre-training and 200,000 more, of which the first tenth are without the classifier on drawn images (phase 1); Adam at
2e-4; a classifier on a code of 512; a generator of 256 to 64 filters; pseudo-labels for p > 0.99 and a class that
survives being drawn, or p > 0.992 alone where those are fewer than half the batch, found in evaluation mode; the
maximum of many looks at the test images. Here: the published weights of the classes, IGAN's code, generator (64 to 16
filters) and discriminators, the phases as shares of the steps, pseudo-labels from the passes of the step itself, this
project's rates and cosine, and the last step. With the published thresholds the target's discriminator ends at chance
here, as one that sees no real image, and with the weights the code is spoilt, so those of `OF_IMAGES` and `OF_FEATURES`
come from trials (docs/selection.md).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation, selected_loss
from igan_lib.method import losses as L
from igan_lib.method.components import Pretrained, Shape, build_discriminator, build_generators
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached
from igan_lib.method.igan import ramp

PHASE_1 = 20_000 / 200_000  # share of the steps before the classifier sees drawn images


@dataclass(frozen=True)
class Game:
    """Settings of Duplex that trials chose; the defaults are the published ones.

    Attributes:
        thresholds: probabilities that make a pseudo-label, in [0, 1): of a class that survives being drawn, and alone.
        adversarial, reconstruction: w and w_r, the weights of L_a and L_r.
        grows: whether w grows as IGAN's does, by `igan.ramp`.
        discriminator_rate: of both D, over G's.
    """

    thresholds: tuple[float, float] = (0.99, 0.992)
    adversarial: float = 1.0
    reconstruction: float = 10.0
    grows: bool = False
    discriminator_rate: float = 1.0


PUBLISHED = Game()
OF_IMAGES = Game((0.9, 0.9), adversarial=0.02, reconstruction=0.1, grows=True, discriminator_rate=3.0)
OF_FEATURES = Game((0.7, 0.7), adversarial=0.1, reconstruction=0.1, grows=True)


def duplex_labels(logits: Tensor, drawn_logits: Tensor, thresholds: tuple[float, float]) -> Tensor:
    """Pseudo-labels of B target images, -1 for none, from B x N logits of them and of their source-like drawings.

    p above the first threshold and the same class for the drawing; p above the second alone where those are fewer than
    half.
    """
    survives, alone = thresholds
    confidence, label = logits.detach().softmax(1).max(1)
    chosen = (confidence > survives) & (drawn_logits.detach().argmax(1) == label)
    chosen = torch.where(chosen.float().mean() < 0.5, confidence > alone, chosen)
    return torch.where(chosen, label, L.NO_LABEL)


class Duplex(Adaptation):
    r"""E, C and one conditioned G against D^s and D^t, each with N + 1 classes; arguments as `Adaptation`.

    $$L_D = \ell(D^s(x^s), y^s) + \ell_T(D^t(x^t), \hat y^t) + \ell(D^t(x^{st}), f) + \ell(D^s(x^{ts}), f)$$
    $$L = w L_a + 0.2\, \ell(C(u^s), y^s) + 0.15\, \ell_T(C(u^t), \hat y^t) + w_r L_r + L_x, \qquad
      L_a = \ell(D^t(x^{st}), y^s) + \ell_T(D^s(x^{ts}), \hat y^t)$$
    $$L_r = \mathrm{MSE}(x^{ss}, x^s) + \mathrm{MSE}(x^{tt}, x^t), \qquad
      L_x = 0.2\, \ell(C(E(x^{st})), y^s) + 0.15\, \ell_T(C(E(x^{ts})), \hat y^t)$$

    $\ell$ is the cross-entropy, $\ell_T$ that of the B_T target images with a pseudo-label (`duplex_labels`), f the
    class "drawn", $x^{st} = G(u^s, t)$ and so on, all B x shape. $L_x$ is on after phase 1. `of_source`, `of_target`:
    the weights of the classes, as published; `game`: all others; None: `OF_IMAGES` or `OF_FEATURES`.
    """

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        of_source: float = 0.2,
        of_target: float = 0.15,
        game: Game | None = None,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.game = game or (OF_FEATURES if len(self.shape) == 1 else OF_IMAGES)
        self.of_source, self.of_target = of_source, of_target
        self.g_s, self.g_t = build_generators(self.shape, config.code_length, config.generator_width, "one")
        self.d_s, self.d_t = (build_discriminator(self.shape, n_classes, config.discriminator_width) for _ in range(2))
        self.optimize("generator", self.g_s, self.g_t)
        d_rate = self.game.discriminator_rate * config.gan_learning_rate
        self.optimize("discriminators", self.d_s, self.d_t, rate=d_rate)

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of both D, then one of E, C and G.

        x_s, x_t: B images or feature vectors; y_s: B labels. Returns L_c, L_T (of the target's pseudo-labels), L_r,
        L_x, L_a, L_D, `confident`, the share of pseudo-labels, and D_s and D_t, the discriminators' accuracies before
        their step; detached scalars.
        """
        x_s, x_t = self.inputs(x_s), self.inputs(x_t)
        u_s, u_t = self.inner(x_s), self.inner(x_t)
        x_s, x_t = x_s.detach(), x_t.detach()
        x_ss, x_ts, x_st, x_tt = self._draw(u_s, u_t)
        logits_s, logits_t = self.net.classifier(u_s), self.net.classifier(u_t)
        drawn_s, drawn_t = (self.net.classifier(self.inner(x)) for x in (x_st, x_ts))
        pseudo_t = duplex_labels(logits_t, drawn_t, self.game.thresholds)
        losses = self._train_discriminators(x_s, y_s, x_ts.detach(), x_t, pseudo_t, x_st.detach())
        losses["L_c"] = F.cross_entropy(logits_s, y_s)
        losses["L_T"] = selected_loss(logits_t, pseudo_t)
        losses["L_r"] = (x_ss - x_s).square().mean() + (x_tt - x_t).square().mean()
        losses["L_x"] = self.of_source * F.cross_entropy(drawn_s, y_s) + self.of_target * selected_loss(
            drawn_t, pseudo_t
        )
        losses["L_a"] = F.cross_entropy(self.d_t(x_st), y_s) + selected_loss(self.d_s(x_ts), pseudo_t)
        growth = ramp(self.progress) if self.game.grows else 1.0
        total = self.of_source * losses["L_c"] + self.of_target * losses["L_T"]
        total = total + growth * self.game.adversarial * losses["L_a"] + self.game.reconstruction * losses["L_r"]
        total = total + (self.progress >= PHASE_1) * losses["L_x"]
        self._descend(total, "encoder", "classifier", "generator")
        return detached(losses | {"confident": (pseudo_t != L.NO_LABEL).float().mean()})

    def _draw(self, u_s: Tensor, u_t: Tensor) -> tuple[Tensor, ...]:
        """x_ss, x_ts, x_st, x_tt in one pass: batch norm over one domain would take out what names that domain."""
        both = torch.cat([u_s, u_t])
        codes = [torch.cat([both, both.new_full((len(both), 1), g.domain)], dim=1) for g in (self.g_s, self.g_t)]
        return self.g_s.generator(torch.cat(codes)).split([len(u_s), len(u_t)] * 2)

    def _train_discriminators(
        self, x_s: Tensor, y_s: Tensor, x_ts: Tensor, x_t: Tensor, pseudo_t: Tensor, x_st: Tensor
    ) -> dict[str, Tensor]:
        real_s, drawn_s = self.d_s(x_s), self.d_s(x_ts)
        real_t, drawn_t = self.d_t(x_t), self.d_t(x_st)
        of_real = F.cross_entropy(real_s, y_s) + selected_loss(real_t, pseudo_t)
        loss = of_real + L.fake_loss(drawn_s) + L.fake_loss(drawn_t)
        self._descend(loss, "discriminators")
        told = {"D_s": L.discriminator_accuracy(real_s, drawn_s), "D_t": L.discriminator_accuracy(real_t, drawn_t)}
        return {"L_D": loss, **told}
