r"""MCC (Jin et al. 2020): target predictions that do not confuse classes with each other; a later anchor, not of 2019.

The classifier's predictions on a batch say how often two classes are given to one image, a soft confusion matrix
without labels. Its entries off the diagonal are the loss; an image counts more where the network is sure of its class.

Published (`thuml/Versatile-Domain-Adaptation`): weight 1, temperature 2.5, batches of 28 to 36 of Office-31, SGD. Here
the same weight and temperature, with this project's batches and Adam.
"""

import torch.nn.functional as F
from torch import Tensor

from igan_lib.compared.adaptation import Adaptation
from igan_lib.method.components import Pretrained, Shape
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import detached


def class_confusion(logits: Tensor, temperature: float) -> Tensor:
    r"""How much the classes are mixed up in B x N logits: 0 where each image has one class, up to 1 - 1/N.

    $$\frac{1}{N} \sum_{j \neq k} \frac{C_{jk}}{\sum_{k'} C_{jk'}}, \qquad C = \sum_i w_i p_i p_i^\top, \qquad
      p_i = \mathrm{softmax}(z_i / T), \qquad w_i = \frac{B (1 + e^{-H(p_i)})}{\sum_{i'} (1 + e^{-H(p_{i'})})}$$

    H is the entropy; no gradient flows through the weights w, as in the published code.
    """
    log_p = (logits / temperature).log_softmax(1)
    p = log_p.exp()
    sure = 1 + (p * log_p).sum(1).detach().exp()
    weights = len(p) * sure / sure.sum()
    confusion = (weights[:, None] * p).T @ p
    confusion = confusion / confusion.sum(1, keepdim=True)
    return (confusion.sum() - confusion.diagonal().sum()) / len(confusion)


class MCC(Adaptation):
    r"""E and C on L_c and on the confusion of the target's classes; arguments as `Adaptation`.

    $$L = L_c + w L_{mcc}(C(u^t))$$

    with B x N logits C(u^t) (`class_confusion`). `confusion`: w; `temperature`: T; 1 and 2.5 as published.
    """

    def __init__(
        self,
        config: IGANConfig,
        shape: Shape,
        n_classes: int,
        backbone: Pretrained | None = None,
        *,
        confusion: float = 1.0,
        temperature: float = 2.5,
    ) -> None:
        super().__init__(config, shape, n_classes, backbone)
        self.confusion, self.temperature = confusion, temperature

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step of E and C.

        x_s, x_t: B images or feature vectors; y_s: B labels. Returns L_c and L_mcc; detached scalars.
        """
        losses = {"L_c": F.cross_entropy(self.net.logits(x_s), y_s)}
        losses["L_mcc"] = class_confusion(self.net.logits(x_t), self.temperature)
        self._descend(losses["L_c"] + self.confusion * losses["L_mcc"], "encoder", "classifier")
        return detached(losses)
