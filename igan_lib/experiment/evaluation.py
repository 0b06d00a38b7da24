"""What is measured after training: codes and accuracy, with batch-norm statistics of the domain at hand.

The encoder is shared, the domains' statistics are not: before a domain is evaluated, the means and variances of the
encoder's batch norm are estimated anew on unlabelled training images of that domain, without labels or test images.
"""

import copy

import torch
from torch import Tensor, nn

from igan_lib.data.domains import Domain, Split
from igan_lib.data.images import to_input
from igan_lib.method.networks import HashNet

BATCH = 500  # images
LARGE = 64 * 64  # from so many pixels an image takes the place of ten: a deep network's activations take gigabytes
ESTIMATION_IMAGES = 10_000  # enough for means and variances to three digits; more only takes longer


def recalibrated(net: HashNet, images: Tensor) -> HashNet:
    """A copy of `net` in eval mode whose batch-norm statistics are those of `images`; `net` is left as it is.

    Args:
        images: n x C x S x S uint8 (or n x D features), unlabelled training images of a domain; evenly spaced ones are
            used where there are more than `ESTIMATION_IMAGES`, since data sets are often sorted.
    """
    net = copy.deepcopy(net).requires_grad_(False).eval()
    layers = _batch_norms(net)
    if layers:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a plain average over the batches
            layer.train()  # and no layer of another kind: dropout would change what they see
        stride = max(1, -(-len(images) // ESTIMATION_IMAGES))
        with torch.no_grad():
            for batch in _even_batches(images[::stride]):
                net.encode(to_input(batch.to(_device(net))))
    return net.eval()


def has_batch_norm(net: nn.Module) -> bool:
    """Whether statistics of batches are part of `net`."""
    return bool(_batch_norms(net))


def _batch_norms(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def _even_batches(images: Tensor) -> tuple[Tensor, ...]:
    """Batches of nearly equal size: a small last one would count as much as the others in the average."""
    return images.tensor_split(max(1, round(len(images) / _batch_size(images))))


def _batch_size(images: Tensor) -> int:
    return BATCH // 10 if images.ndim == 4 and images[0, 0].numel() >= LARGE else BATCH


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


@torch.no_grad()
def codes_and_logits(net: HashNet, images: Tensor) -> tuple[Tensor, Tensor]:
    """u (n x d) and logits (n x N) of uint8 images (n x C x S x S) or features (n x D), for a net in eval mode.

    Both come back on the CPU.
    """
    pairs = [net(to_input(batch.to(_device(net)))) for batch in images.split(_batch_size(images))]
    return torch.cat([u for u, _ in pairs]).cpu(), torch.cat([logits for _, logits in pairs]).cpu()


@torch.no_grad()
def hidden_features(net: HashNet, images: Tensor) -> Tensor:
    """What the code layer reads of uint8 images or features, n x D on the CPU, for a net in eval mode."""
    parts = [net.encoder.hidden(to_input(batch.to(_device(net)))) for batch in images.split(_batch_size(images))]
    return torch.cat(parts).cpu()


def accuracy(net: HashNet, split: Split) -> float:
    """Share of images whose most probable class is their label, in per cent."""
    return share_right(codes_and_logits(net, split.images)[1], split.labels)


def share_right(logits: Tensor, labels: Tensor) -> float:
    """Share of rows whose greatest logit (n x N) is that of their label (n), in per cent."""
    return 100.0 * (logits.argmax(1) == labels).double().mean().item()


@torch.no_grad()
def crosswise(net: HashNet, g_s: nn.Module, g_t: nn.Module, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each image, drawn by both generators from its code (Eq. 6 and 8).

    The generators normalise by their running statistics, to which the codes of both domains contributed in training, so
    that a picture does not depend on which others are drawn with it.

    Args:
        net: the encoder for these images, such as `recalibrated(method.inference_net, ...)` of their domain.
        g_s, g_t: the generators of source and target images; they are left as they are.
        images: n x C x S x S uint8.

    Returns:
        x, G^s(u) and G^t(u) for u = E(x): n x C x S x S each, in [-1, 1], on the CPU.
    """
    u, _ = codes_and_logits(net, images)
    drawn = [copy.deepcopy(g).eval()(u.to(_device(g))).cpu() for g in (g_s, g_t)]
    return to_input(images).cpu(), *drawn


def evenly_spaced(length: int, count: int) -> Tensor:
    """`count` indices (all, where there are fewer) from 0 to `length` - 1; data sets are often sorted by class."""
    return torch.linspace(0, length - 1, min(length, count)).long()


def sample_codes(net: HashNet, domain: Domain, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Codes (n x d) and labels (n) of test images, with batch-norm statistics of `domain`.

    Args:
        count: so many evenly spaced ones; None: all.
    """
    images, labels = domain.test.images, domain.test.labels
    if count is not None:
        picks = evenly_spaced(len(images), count)
        images, labels = images[picks], labels[picks]
    u, _ = codes_and_logits(recalibrated(net, domain.train.images), images)
    return u, labels
