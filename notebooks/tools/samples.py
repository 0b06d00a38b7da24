"""What a notebook shows of a trained method: codes of some test images, and what the generators draw from codes."""

import copy

import torch
from torch import Tensor, nn

from igan_lib.data.domains import Domain
from igan_lib.data.images import to_input
from igan_lib.experiment.evaluation import codes_and_logits, recalibrated
from igan_lib.method.networks import HashNet


@torch.no_grad()
def crosswise(net: HashNet, g_s: nn.Module, g_t: nn.Module, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Images and what both generators draw from their codes (Eq. 6, 8): x, G^s(E(x)), G^t(E(x)), on the CPU.

    Of n x C x S x S uint8 images. The generators normalise by their running statistics, to which the codes of both
    domains contributed in training, so that a picture does not depend on which others are drawn with it. `net`: the
    encoder for these images, such as `recalibrated(method.inference_net, ...)` of their domain.
    """
    u, _ = codes_and_logits(net, images)
    drawn = [copy.deepcopy(g).eval()(u.to(next(g.parameters()).device)).cpu() for g in (g_s, g_t)]
    return to_input(images).cpu(), *drawn


def evenly_spaced(length: int, count: int) -> Tensor:
    """`count` indices (all, where there are fewer) from 0 to `length` - 1; data sets are often sorted by class."""
    return torch.linspace(0, length - 1, min(length, count)).long()


def sample_codes(net: HashNet, domain: Domain, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Codes (n x d) and labels (n) of `count` evenly spaced test images (None: all), with `domain`'s own statistics."""
    picks = evenly_spaced(len(domain.test.images), len(domain.test.images) if count is None else count)
    u, _ = codes_and_logits(recalibrated(net, domain.train.images), domain.test.images[picks])
    return u, domain.test.labels[picks]
