"""What changes with the progress p of the training: pure functions of p, the share of the adaptation steps taken."""

import math


def ramp(progress: float) -> float:
    r"""The factor of epsilon, beta and L_a's weight: $\frac{2}{1 + e^{-10 p}} - 1$, from 0 at p = 0 to 0.9999 at 1.

    Not in the paper; the authors' released code has it, as Ganin and Lempitsky (2015) do.

    Args:
        progress: p in [0, 1].
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


def cosine_decay(progress: float) -> float:
    r"""The factor of the learning rates: $\frac{1}{2} (1 + \cos \pi p)$, from 1 at p = 0 to 0 at p = 1.

    Not in the paper; half a cosine as in Loshchilov and Hutter (2017), without restarts.

    Args:
        progress: p in [0, 1].
    """
    return 0.5 * (1 + math.cos(math.pi * progress))
