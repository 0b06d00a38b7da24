"""Random maps of image batches: small affine ones, a part of the variant igan+, and crops of photographs."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

DEGREES = 10.0  # hand-written digits slant by about this much from writer to writer
SCALE = 0.15  # MNIST leaves a margin of 4 of 28 pixels, USPS none: about this much in either direction
SHIFT = 0.07  # two pixels of 28
MARGIN = 0.125  # of photographs: backbones are tested on the middle 0.875 of a side


def random_affine(x: Tensor, degrees: float = DEGREES, scale: float = SCALE, shift: float = SHIFT) -> Tensor:
    """Rotate, scale (each axis on its own) and shift each image of B x C x S x S in [-1, 1] by its own random amount.

    `degrees`, `scale`, `shift`: bounds of uniform rotations, of factors around 1, and of shifts as a share of the side.
    The border is continued outwards; bilinear. Random numbers come from torch's global state on x's device.
    """
    amount = torch.rand(5, len(x), device=x.device) * 2 - 1
    angle = amount[0] * math.radians(degrees)
    sx, sy = 1 + scale * amount[1], 1 + scale * amount[2]
    cos, sin = angle.cos(), angle.sin()
    rows = torch.stack([sx * cos, -sy * sin, 2 * shift * amount[3], sx * sin, sy * cos, 2 * shift * amount[4]], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid.to(x.dtype), padding_mode="border", align_corners=False)


def random_crops(x: Tensor, margin: float = MARGIN) -> Tensor:
    """Shift each image of B x C x S x S by up to half of `margin` (a share of S) either way; mirror half of them.

    A crop of the middle, without the margin, then is a random crop. Pixels at the border are repeated.
    """
    n, size, device = len(x), x.shape[-1], x.device
    most = int(margin * size / 2)
    down, right = torch.randint(-most, most + 1, (2, n, 1), device=device)
    side = torch.arange(size, device=device)
    columns = torch.where(torch.rand(n, 1, device=device) < 0.5, side, side.flip(0))
    rows, columns = ((start + shift).clamp(0, size - 1) for start, shift in ((side, down), (columns, right)))
    return x[torch.arange(n, device=device)[:, None, None], :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
