r"""Not in the paper: target images that a pretrained network finds alike get codes that are alike. A part of igan+.

The paper's losses draw a target image to the class that the network predicts. So its code says that class and little
else. Neighbours among the backbone's features are a second source, which no label and no prediction enters.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from igan_lib.errors import ConfigError

_ROWS, _COLUMNS = 1000, 10_000  # of the matrix of cosines at a time: 40 MB, beside 50 MB for columns of 1,280 features


def nearest_neighbours(x: Tensor, k: int) -> Tensor:
    """The k nearest rows of each row, by the cosine of centred features; a row is not its own neighbour.

    The time is quadratic in n. The memory is not: features that are mapped from disk stay there.

    Args:
        x: n x D features; k: from 1 to n - 1, else ConfigError.

    Returns:
        n x k int64, the nearest first.
    """
    if not 1 <= k < len(x):
        raise ConfigError(f"Expected from 1 to {len(x) - 1} neighbours among {len(x)} images, found {k}: change k.")
    centre = x.mean(0)
    found = []
    for start in range(0, len(x), _ROWS):
        own = F.normalize(x[start : start + _ROWS] - centre, dim=1)
        nearest, places = own.new_empty(len(own), 0), torch.empty(len(own), 0, dtype=torch.int64, device=x.device)
        for first in range(0, len(x), _COLUMNS):
            cosines = own @ F.normalize(x[first : first + _COLUMNS] - centre, dim=1).T
            itself = torch.arange(start, start + len(own), device=x.device) - first
            here = ((itself >= 0) & (itself < cosines.shape[1])).nonzero()[:, 0]
            cosines[here, itself[here]] = -torch.inf
            some = cosines.topk(min(k, cosines.shape[1]))
            nearest, places = torch.cat([nearest, some.values], 1), torch.cat([places, some.indices + first], 1)
            best = nearest.argsort(dim=1, descending=True, stable=True)[:, :k]
            nearest, places = nearest.gather(1, best), places.gather(1, best)
        found.append(places)
    return torch.cat(found)


def neighbour_loss(u: Tensor, b: Tensor) -> Tensor:
    r"""L_n: a code shall agree with those of its neighbours in every bit.

    $$\frac{1}{B k} \sum_i \sum_{j \in N_k(i)} \left( \tfrac{1}{d} u_i^\top b_j - 1 \right)^2 \qquad (i)$$

    Args:
        u: B x d codes of target images; b: B x k x d codes of their neighbours, without gradient.

    Returns:
        A scalar in [0, 4].
    """
    return ((u[:, None] * b).mean(2) - 1).square().mean()


class NeighbourMemory(nn.Module):
    """The neighbours of each target image, and the code that each image had when it was last seen.

    Args:
        x_t: n x D features of all target images for training; k: neighbours of each; code_length: d.
    """

    def __init__(self, x_t: Tensor, k: int, code_length: int) -> None:
        super().__init__()
        self.register_buffer("nearest", nearest_neighbours(x_t, k), persistent=False)
        # Zero until seen: such a neighbour adds a constant to the loss, and nothing to its gradient.
        self.register_buffer("codes", torch.zeros(len(x_t), code_length))

    def loss(self, u_t: Tensor, batch_t: Tensor) -> Tensor:
        """`neighbour_loss` of a batch; its codes are kept for the steps that follow.

        Args:
            u_t: B x d codes; batch_t: B indices of their images.
        """
        loss = neighbour_loss(u_t, self.codes[self.nearest[batch_t]].to(u_t.dtype))
        self.codes[batch_t] = u_t.detach().to(self.codes.dtype)
        return loss
