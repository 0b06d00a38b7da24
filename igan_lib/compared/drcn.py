r"""DRCN (Ghifary et al. 2016): an encoder that names the source's images and reconstructs the target's.

What both tasks need stays in the code: the source's classes, and what target images look like. The decoder gets a
damaged image and has to give back the whole one, so that it can't copy.

Published (`ghif/drcn`): target images with half their pixels zeroed and shifted and turned at random; an epoch of
reconstruction, then one of classification, by turns; Adam at 3e-4, 50 epochs; 1,024 units before the decoder. Another
implementation (`pmirallesr/DRCN-Torch`), by turns too, has $\lambda$ = 0.7. Here both losses are in each step, as its
paper's formula adds them (from a second hand, with $\lambda$ from 0.4 to 0.7); `by_turns` was worse. $\lambda$ is 0.7
on features; on images 0.99 was the best of nine settings (docs/selection.md). The code of d bits is before the decoder,
IGAN's generator is the decoder. There is no dropout (published: 0.5) and no shift, so that all methods have one encoder
and the same images.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation
from igan_lib.method.components import Pretrained, Shape, build_generators
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached


class DRCN(Adaptation):
    r"""E and C on the source's classes, E and a decoder G on the target's images; arguments as `Adaptation`.

    $$L = \lambda L_c + (1 - \lambda) L_r, \qquad
      L_r = \frac{1}{B |x|} \sum_i \lVert G(E(m_i \odot x_i^t + (1 - m_i) b_i)) - x_i^t \rVert^2$$

    m is 0 for a share of the entries, drawn anew each time, else 1. b is the darkest value of an image, the background
    of a digit; 0 for features. With a fine-tuned backbone x is its features, constants as a target.

    `balance`: $\lambda$ in [0, 1]; None: 0.99 on images, 0.7 on features; `damage`: the share of zeros in m, in [0, 1],
    0.5 as published; `by_turns`: each update descends $L_r$ and then $L_c$, each with an Adam of its own, in which
    $\lambda$ has no part.
    """

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        balance: float | None = None,
        damage: float = 0.5,
        by_turns: bool = False,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.balance = balance if balance is not None else (0.7 if len(self.shape) == 1 else 0.99)
        self.damage, self.by_turns = damage, by_turns
        self.decoder, _ = build_generators(self.shape, config.code_length, config.generator_width, "two")
        self.optimize("decoder", self.decoder)
        if by_turns:
            self.optimize("reconstruction", self.net.encoder, rate=config.learning_rate, beta1=0.9)

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of E, C and G together; by turns, one of E and G and one of E and C.

        x_s, x_t: B images or feature vectors; y_s: B labels. Returns L_c and L_r; detached scalars.
        """
        if self.by_turns:
            losses = {"L_r": self._reconstruction(x_t)}
            self._descend(losses["L_r"], "reconstruction", "decoder")
            losses["L_c"] = F.cross_entropy(self.net.logits(x_s), y_s)
            self._descend(losses["L_c"], "encoder", "classifier")
            return detached(losses)
        losses = {"L_c": F.cross_entropy(self.net.logits(x_s), y_s), "L_r": self._reconstruction(x_t)}
        total = self.balance * losses["L_c"] + (1 - self.balance) * losses["L_r"]
        self._descend(total, "encoder", "classifier", "decoder")
        return detached(losses)

    def _reconstruction(self, x_t: Tensor) -> Tensor:
        x_t = self.inputs(x_t)
        return (self.decoder(self.inner(self.damaged(x_t))) - x_t.detach()).square().mean()

    def damaged(self, x: Tensor) -> Tensor:
        """x with a random share of its entries at the image's darkest value, or at 0 in features; B x shape."""
        # Not -1, where an image whose contrast was normalised has hardly a pixel.
        background = x.amin((1, 2, 3), keepdim=True) if x.ndim == 4 else x.new_zeros(())
        return torch.where(torch.rand_like(x) < self.damage, background, x)
