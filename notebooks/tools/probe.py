"""What a loss does to the code: follow its gradient on the codes alone, and measure what has changed.

The codes of one batch are moved as if each were free. The encoder can't do that (its weights move all codes at once),
so this shows where a loss pulls, not how far training goes.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from igan_lib.method import losses as L
from igan_lib.method.igan import IGAN

CodeLoss = Callable[[Tensor, Tensor], Tensor]  # of the source's and the target's codes


def code_losses(method: IGAN, x_s: Tensor, y_s: Tensor, x_t: Tensor, pseudo_t: Tensor) -> dict[str, CodeLoss]:
    """The losses of Eq. 11 that are on in `method`, as functions of the codes of one batch, without their weights.

    C, G and D are held fixed as they are in `method`, in the mode they are in; the source-only classifier gives L_c.
    The functions use a copy: in training mode each call would move the batch-norm statistics.

    Args:
        x_s, x_t: B x C x S x S in [-1, 1]; y_s: labels; pseudo_t: pseudo-labels, -1 for none.
    """
    method = copy.deepcopy(method)
    cfg, classifier = method.config, method.source_only.classifier
    every: dict[str, CodeLoss] = {
        "c": lambda u_s, u_t: L.classification_loss(classifier(u_s), y_s, classifier(u_t), pseudo_t, cfg.epsilon),
        "s": lambda u_s, u_t: L.semantic_centroid_loss(u_s, y_s, u_t, pseudo_t, method.n_classes),
        "h": lambda u_s, u_t: L.hash_loss(u_s, y_s, cfg.v),
        "a": lambda u_s, u_t: method.adversarial_loss(method.g_t(u_s), y_s, method.g_s(u_t), pseudo_t),
        "1": lambda u_s, u_t: L.reconstruction_loss(x_s, method.g_s(u_s)) + L.reconstruction_loss(x_t, method.g_t(u_t)),
    }
    return {f"L_{name}": loss for name, loss in every.items() if name in cfg.losses}


def follow_gradient(
    loss: CodeLoss, u_s: Tensor, u_t: Tensor, steps: int = 10, length: float = 0.02
) -> tuple[Tensor, Tensor]:
    """Move codes down the gradient of `loss`; every step has the same length, whatever the loss's scale.

    Args:
        u_s, u_t: B x d codes in [-1, 1]; they are left as they are.
        steps, length: so many steps, each of this root mean square over all entries before clamping to [-1, 1].

    Returns:
        The moved codes, B x d each. Codes that the loss does not depend on stay.
    """
    codes = torch.cat([u_s, u_t]).detach()
    for _ in range(steps):
        codes.requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(*codes.split([len(u_s), len(u_t)])), codes)
        size = gradient.square().mean().sqrt().clamp(min=1e-12)
        codes = (codes.detach() - length * gradient / size).clamp(-1, 1)
    return codes[: len(u_s)], codes[len(u_s) :]


def code_statistics(u_s: Tensor, y_s: Tensor, u_t: Tensor, y_t: Tensor, n_classes: int) -> dict[str, float]:
    """Four mean squared distances between codes, per bit, so that opposite corners are 4 apart.

    Args:
        u_s, u_t: B x d codes; y_s, y_t: their true labels (the target's are for looking only).

    Returns:
        `within`: code to its class's centroid in its domain; `between`: centroids of two classes of the source;
        `domains`: a class's centroid in the source to that in the target; `quantisation`: code to its bits.
    """
    c_s, in_s = L.class_centroids(u_s, y_s, n_classes)
    c_t, in_t = L.class_centroids(u_t, y_t, n_classes)
    codes, centroids = torch.cat([u_s, u_t]), torch.cat([c_s[y_s], c_t[y_t]])
    source, both = c_s[in_s], in_s & in_t
    pairs = torch.pdist(source).square() / source.shape[1]
    return {
        "within": (codes - centroids).square().mean().item(),
        "between": pairs.mean().item(),
        "domains": (c_s - c_t)[both].square().mean().item(),
        "quantisation": (codes - codes.sign()).square().mean().item(),
    }
