"""What is measured after training: codes and accuracy, with batch-norm statistics of the domain at hand.

The encoder is shared, the domains' statistics are not: before a domain is evaluated, the means and variances of the
encoder's batch norm are estimated anew on unlabelled training images of that domain, without labels or test images.
"""

import copy

import torch
from torch import Tensor, nn

from igan_lib.compared.adaptation import batch_norms
from igan_lib.data.domains import Split
from igan_lib.data.images import to_input
from igan_lib.method.networks import HashNet

BATCH = 500  # images
LARGE = 64 * 64  # from so many pixels an image takes the place of ten: a deep network's activations take gigabytes
ESTIMATION_IMAGES = 10_000  # enough for means and variances to three digits; more only takes longer


def recalibrated(net: HashNet, images: Tensor) -> HashNet:
    """A copy of `net` in eval mode whose batch-norm statistics are those of `images`; `net` is left as it is.

    `images`: n x C x S x S uint8 (or n x D features), unlabelled training images of a domain; evenly spaced ones are
    used where there are more than `ESTIMATION_IMAGES`, since data sets are often sorted.
    """
    net = copy.deepcopy(net).requires_grad_(False).eval()
    layers = batch_norms(net)
    if layers:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a plain average over the batches
            layer.train()  # and no layer of another kind: dropout would change what they see
        seen = images[:: max(1, -(-len(images) // ESTIMATION_IMAGES))]
        with torch.no_grad():
            # Of nearly equal size: a small last batch would count as much as the others in the average.
            for batch in seen.tensor_split(max(1, round(len(seen) / _batch_size(seen)))):
                net.encode(to_input(batch.to(_device(net))))
    return net.eval()


def _batch_size(images: Tensor) -> int:
    return BATCH // 10 if images.ndim == 4 and images[0, 0].numel() >= LARGE else BATCH


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


@torch.no_grad()
def codes_and_logits(net: HashNet, images: Tensor) -> tuple[Tensor, Tensor]:
    """u (n x d) and logits (n x N), on the CPU, of n uint8 images or features, for a net in eval mode."""
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
