"""Made-up codes with labels."""

import numpy as np


def data(seed, n_queries, size, length, classes, flips=0.5):
    """Codes around one centre a class: the lower `flips`, the more of them are the same."""
    rng = np.random.default_rng(seed)
    centres = rng.choice([-1.0, 1.0], (classes, length))
    made = []
    for count in (n_queries, size):
        labels = rng.integers(0, classes, count)
        noise = np.where(rng.random((count, length)) < flips, -1.0, 1.0)
        made += [centres[labels] * noise * rng.uniform(0.1, 1, (count, length)), labels]
    return made
