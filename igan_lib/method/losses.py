r"""The losses of IGAN, one pure function an equation of the paper.

Symbols: B images a batch, N classes, d bits. u in (-1, 1)^d is a code, y in {0..N-1} a label, y~ in {-1, 0..N-1} a
pseudo-label (-1: none). Every sum over a batch is a mean here, so that a weight keeps its meaning when the batch grows;
each docstring says over what. All functions work in any float dtype and are differentiable in their float arguments.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

NO_LABEL = -1  # Eq. 4's value for "not confident"


def pairwise_hash_loss(u: Tensor, y: Tensor) -> Tensor:
    r"""First term of Eq. 2: equal labels pull codes together, different ones push them to opposite corners.

    $$\frac{1}{2} \sum_{s_{ij} \in S^s} \left( \tfrac{1}{d} u_i^\top u_j - s_{ij} \right)^2, \qquad
      s_{ij} = 1 \text{ if } y_i = y_j \text{ else } -1$$

    The mean over the B(B-1) ordered pairs with i != j: a code's product with itself carries no label.

    Args:
        u: B x d codes; y: B labels.

    Returns:
        A scalar in [0, 2]; 0 for a batch of one.
    """
    batch, d = u.shape
    if batch < 2:
        return u.sum() * 0.0
    s = torch.where(y[:, None] == y[None, :], 1.0, -1.0).to(u.dtype)
    squared = (u @ u.T / d - s).square()
    return 0.5 * (squared.sum() - squared.diagonal().sum()) / (batch * (batch - 1))


def quantization_loss(u: Tensor) -> Tensor:
    r"""Second term of Eq. 2 without its weight v: how far codes are from their bits.

    $$\frac{1}{2} \sum_i \lVert u_i - \mathrm{sign}(u_i) \rVert^2$$

    The mean over the B x d entries, so in [0, 1/2]. sign is constant almost everywhere: no gradient flows through it.
    """
    return 0.5 * (u - u.detach().sign()).square().mean()


def hash_loss(u: Tensor, y: Tensor, v: float) -> Tensor:
    """L_h, Eq. 2: `pairwise_hash_loss` + v x `quantization_loss`, on source codes u (B x d) and labels y (B)."""
    return pairwise_hash_loss(u, y) + v * quantization_loss(u)


def class_centroids(u: Tensor, y: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    r"""The class means of Eq. 3, $\frac{1}{m_i} \sum_{y = i} u$, and which classes have one.

    Args:
        u: B x d codes; y: B labels in {-1, 0..N-1}; -1 belongs to no class.

    Returns:
        centroids (N x d, zero where a class is absent) and present (N, bool).
    """
    members = F.one_hot(y + 1, n_classes + 1)[:, 1:].to(u.dtype)
    counts = members.sum(0)
    return members.T @ u / counts.clamp(min=1)[:, None], counts > 0


def centroid_distance(c_s: Tensor, c_t: Tensor, both: Tensor) -> Tensor:
    r"""Eq. 3 from given centroids: $\frac{1}{N d} \sum_{i \in \text{both}} \lVert c_i^s - c_i^t \rVert^2$.

    Args:
        c_s, c_t: N x d centroids of the two domains; both: N, bool, the classes that have a centroid in each.

    Returns:
        A scalar in [0, 4]. Dividing by N d makes the weight independent of the numbers of classes and of bits.
    """
    return ((c_s - c_t).square() * both[:, None]).sum() / c_s.numel()


def semantic_centroid_loss(u_s: Tensor, y_s: Tensor, u_t: Tensor, pseudo_t: Tensor, n_classes: int) -> Tensor:
    r"""L_s, Eq. 3: squared Euclidean distance between the two domains' class centroids, taken on the mini-batch.

    $$\sum_{i=1}^{N} \varphi\Big( \frac{1}{m_i} \sum_{y^s = i} u^s, \frac{1}{k_i} \sum_{\tilde y^t = i} u^t \Big),
      \qquad \varphi(a, b) = \lVert a - b \rVert^2$$

    The equation prints x where the text speaks of the common space: the centroids are of the codes u. A class that is
    absent from either half of the batch has no centroid and adds nothing. Scaled as in `centroid_distance`.

    Args:
        u_s, u_t: B x d codes; y_s: B source labels; pseudo_t: B pseudo-labels, -1 for none.
    """
    c_s, in_s = class_centroids(u_s, y_s, n_classes)
    c_t, in_t = class_centroids(u_t, pseudo_t, n_classes)
    return centroid_distance(c_s, c_t, in_s & in_t)


def pseudo_labels(logits_t: Tensor, threshold: float) -> Tensor:
    r"""y~^t, Eq. 4: the most probable class where its probability exceeds T, else -1.

    Args:
        logits_t: B x N classifier outputs on target images; threshold: T in [0, 1).

    Returns:
        B int64 pseudo-labels in {-1, 0..N-1}, without gradient.
    """
    confidence, label = logits_t.detach().softmax(1).max(1)
    return torch.where(confidence > threshold, label, NO_LABEL)


def classification_loss(
    logits_s: Tensor, y_s: Tensor, logits_t: Tensor, pseudo_t: Tensor, epsilon: float | Tensor
) -> Tensor:
    r"""L_c, Eq. 5: cross-entropy on source labels plus epsilon times that on target pseudo-labels.

    $$-\sum_i y_i^s \log p(x_i^s) - \varepsilon \sum_i \tilde y_i^t \log p(x_i^t)$$

    Means over the B_s source images and over all B_t target images, so a batch with few confident pseudo-labels
    weighs less, as in the printed sum.

    Args:
        logits_s, logits_t: B x N classifier outputs; y_s: B labels; pseudo_t: B pseudo-labels, -1 for none.
    """
    loss = F.cross_entropy(logits_s, y_s)
    on_target = F.cross_entropy(logits_t, pseudo_t, ignore_index=NO_LABEL, reduction="sum") / len(pseudo_t)
    return loss + epsilon * on_target


def reconstruction_loss(x: Tensor, x_hat: Tensor) -> Tensor:
    r"""One domain's half of L_1, Eq. 7: $\lVert x - \tilde x \rVert_1$ with x~ from the domain's own generator (Eq. 6).

    The mean over all pixels, so in [0, 2] for images in [-1, 1].
    """
    return (x - x_hat).abs().mean()


def real_label_loss(logits: Tensor, y: Tensor) -> Tensor:
    r"""-log of the probability that an (N+1)-way discriminator gives to "real, class y"; the terms of Eq. 10.

    $-\log D(x)_y$ where a label is known; where it is not (y = -1) the image is still known to be real, and
    $-\log \sum_{k < N} D(x)_k = -\log (1 - D(x)_{fake})$ asks for no more than that.

    Args:
        logits: B x (N + 1), the last one "fake"; y: B labels in {-1, 0..N-1}.

    Returns:
        The mean over B.
    """
    log_p = logits.log_softmax(1)
    of_class = log_p.gather(1, y.clamp(min=0)[:, None]).squeeze(1)
    of_real = log_p[:, :-1].logsumexp(1)
    return -torch.where(y == NO_LABEL, of_real, of_class).mean()


def fake_loss(logits: Tensor) -> Tensor:
    r"""-log of the probability of "fake": $-\log D(\tilde x)_{N+1}$, the y^f terms of Eq. 10; mean over B."""
    return -logits.log_softmax(1)[:, -1].mean()


def discriminator_accuracy(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""Share of real and drawn images (B x (N + 1) logits each) that D tells apart: real where $1 - D(x)_{fake} > 1/2$.

    In [0, 1], without gradient; 1/2 is chance, whichever of the two kinds D prefers.
    """
    right = real_logits.detach().softmax(1)[:, -1] < 0.5, fake_logits.detach().softmax(1)[:, -1] > 0.5
    return 0.5 * sum(of_kind.float().mean() for of_kind in right)


def discriminator_loss(real_logits: Tensor, y: Tensor, fake_logits: Tensor) -> Tensor:
    r"""The discriminator's side of L_a, Eq. 10, for one domain: name the class of real images, tell crosswise ones.

    For D^s: $-y^s \log D^s(x^s) - y^f \log D^s(\tilde x^{ts})$; for D^t: $-\tilde y^t \log D^t(x^t)
    - y^f \log D^t(\tilde x^{st})$. Only the crosswise images of Eq. 8 count as fake, as printed.

    Args:
        real_logits: B x (N + 1) on the domain's own images, with y their labels or pseudo-labels (-1: none);
        fake_logits: B x (N + 1) on the images that this domain's generator drew from the other domain's codes.
    """
    return real_label_loss(real_logits, y) + fake_loss(fake_logits)


def generator_loss(fake_logits: Tensor, y: Tensor) -> Tensor:
    r"""The generators' and encoder's side of L_a for one domain: a crosswise image must pass as real, with its class.

    Eq. 9 and 10 leave the sign to the reader. The text asks that "the reproduced image has the same class label with
    the original input image", so $G^t$ is paid for $D^t(G^t(u^s)) = y^s$ and $G^s$ for $D^s(G^s(u^t)) = \tilde y^t$
    (the non-saturating form of Goodfellow et al. 2014). Without a confident pseudo-label, passing as real is enough.

    Args:
        fake_logits: B x (N + 1) on crosswise images; y: the label of the image whose code they were drawn from.
    """
    return real_label_loss(fake_logits, y)
