r"""Co-GAN (Liu and Tuzel 2016): two generators that share all but their last layer draw pairs of images from one noise.

Two discriminators share all but their first layer, and the classes are read where they share. So what is learned from
the source's labels holds for the target as far as the pairs show the same thing twice.

Published (`mingyuliutw/CoGAN`, digits of 28 pixels): Adam at 2e-4 with beta1 = 0.5 and a weight decay of 5e-4, 10,000
steps of 64 + 64 images, noise of 100; a network of its own without batch norm; classes weigh 10, the pairs' codes 0.01
of their squared distance; the best number of the log. Here: E is the discriminators' shared part, with an own first
convolution (and its batch norm) for the target; it starts from pre-training on the source, the target's first layer
too; IGAN's generators, of 64 to 16 filters where the published ones have 1,024 to 128; this project's rates and
cosine, no weight decay, and the last step. The pairs weigh 1, the best of nine settings
(docs/selection.md): at 0.01 the target's first layer drifts away.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from igan_lib.compared.adaptation import Adaptation, domain_loss, share_all_but_last, told_apart
from igan_lib.method.components import Pretrained, Shape, build_generators
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached
from igan_lib.method.networks import HashNet

STEM = 2  # layers of an encoder that each domain has for itself: the first convolution and its batch norm


def with_own_stem(encoder: nn.Module) -> nn.Module:
    """An encoder with a copy of the first `STEM` layers of `encoder`, which shares all others with it."""
    own = copy.deepcopy(encoder)
    for place, (name, layers) in enumerate(encoder.named_children()):
        shared = layers if place else nn.Sequential(*getattr(own, name)[:STEM], *layers[STEM:])
        setattr(own, name, shared)
    return own


class CoGAN(Adaptation):
    r"""Coupled generators against coupled discriminators; images alone; arguments as `Adaptation`.

    $$L_D = \ell_{real} + \ell_{drawn} + 10\, L_c + w\, \frac{1}{B} \sum_i \lVert u(G^s(z_i)) - u(G^t(z_i)) \rVert^2,
      \qquad L_G = -\frac{1}{2B} \sum_i \left[ \log \sigma(r(G^s(z_i))) + \log \sigma(r(G^t(z_i))) \right]$$

    z: B x `noise`, standard normal. u: B x d codes, of the source's images by `source_net`, of the target's by `net`,
    which share all but the first layer. r = R(u) is B logits of "real", and $\ell_{real}$, $\ell_{drawn}$ are half
    the sum over both domains of its binary cross-entropy. E, C and R descend $L_D$, the generators $L_G$.
    `pairs`: w, 1; `classes`: 10 and `noise`: 100, both as published; `rate_share`: the rates after pre-training, as
    a share of the config's; `generator_rate`: that of the generators is so many times that.
    """

    images_only = True

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        classes: float = 10.0,
        pairs: float = 1.0,
        noise: int = 100,
        rate_share: float = 1.0,
        generator_rate: float = 1.0,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.classes, self.pairs, self.noise = classes, pairs, noise
        # The network that is evaluated is the target's; it is pre-trained, and the source's own layer copies it then.
        self.source_net = HashNet(with_own_stem(self.net.encoder), config.code_length, n_classes)
        self.source_net.classifier = self.net.classifier
        self.real = nn.Linear(config.code_length, 1)
        self.g_s, self.g_t = build_generators(shape, noise, config.generator_width, "two")
        share_all_but_last(self.g_s, self.g_t)
        both = nn.ModuleList([self.net.encoder, self.source_net.encoder, self.net.classifier, self.real])
        self.optimize("discriminators", both, rate=rate_share * config.learning_rate)
        self.optimize("generators", self.g_s, self.g_t, rate=generator_rate * rate_share * config.gan_learning_rate)

    def finish_pretraining(self) -> None:
        """Keep a copy of the source-only network, and give its first layer to the source's network."""
        super().finish_pretraining()
        self.source_net.load_state_dict(self.net.state_dict())

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of E, C and R, then one of the generators with new noise.

        x_s, x_t: B images; y_s: B labels. Returns L_c, L_u (the pairs' distance), L_D, L_G and D_s and D_t, the
        accuracies of R before its step; detached scalars.
        """
        u_s, logits_s = self.source_net(x_s)
        with torch.no_grad():
            drawn_s, drawn_t = self.draw(x_s)
        drawn_u_s, drawn_u_t = self.source_net.encode(drawn_s), self.net.encode(drawn_t)
        real = [self.judge(u_s), self.judge(self.net.encode(x_t))]
        drawn = [self.judge(drawn_u_s), self.judge(drawn_u_t)]
        losses = {"L_c": F.cross_entropy(logits_s, y_s), "L_u": (drawn_u_s - drawn_u_t).square().sum(1).mean()}
        losses["L_D"] = sum(domain_loss(*of_domain) for of_domain in zip(real, drawn, strict=True))
        total = losses["L_D"] + self.classes * losses["L_c"] + self.pairs * losses["L_u"]
        self._descend(total, "discriminators")
        drawn_s, drawn_t = self.draw(x_s)
        passed = self.judge(self.source_net.encode(drawn_s)), self.judge(self.net.encode(drawn_t))
        losses["L_G"] = sum(0.5 * F.softplus(-logits).mean() for logits in passed)
        self._descend(losses["L_G"], "generators")
        told = {
            name: told_apart(*pair) for name, pair in zip(("D_s", "D_t"), zip(real, drawn, strict=True), strict=True)
        }
        return detached(losses | told)

    def draw(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """G^s(z) and G^t(z) of one noise z, as many images as `like` has."""
        z = torch.randn(len(like), self.noise, dtype=like.dtype, device=like.device)
        return self.g_s(z), self.g_t(z)

    def judge(self, u: Tensor) -> Tensor:
        """R(u): B x d -> B logits, positive for "real"."""
        return self.real(u).squeeze(1)
