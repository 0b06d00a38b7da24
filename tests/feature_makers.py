"""Made-up features for the hashing methods, and a MAP that counts its way through every query."""

import numpy as np
import torch
from scipy.stats import ortho_group


def clustered_features(n=120, width=20, clusters=6, seed=0, spread=0.5):
    """Features around random centres, and which centre each is of."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % clusters
    x = rng.normal(0, 1, (clusters, width))[labels] + spread * rng.normal(0, 1, (n, width))
    return torch.from_numpy(x), torch.from_numpy(labels)


def rotated_codes(bits=16, codes=1000, seed=0, noise=0.05):
    """Random codes with their complements, turned, moved and a little noisy; the codes themselves."""
    rng = np.random.default_rng(seed)
    half = rng.choice([-1.0, 1.0], (codes, bits))
    z = np.vstack([half, -half])
    x = z @ ortho_group.rvs(bits, random_state=rng) + noise * rng.normal(0, 1, z.shape) + 3
    return torch.from_numpy(x), z


def obvious_map(codes, labels):
    """Mean average precision where each row queries all others; ties keep the order of the rows. In [0, 1]."""
    labels, total = labels.tolist(), []
    for query in range(len(codes)):
        distance = (codes != codes[query]).sum(1)
        order = [i for i in torch.argsort(distance, stable=True).tolist() if i != query]
        hits, precisions = 0, []
        for place, item in enumerate(order, 1):
            if labels[item] == labels[query]:
                hits += 1
                precisions.append(hits / place)
        total.append(sum(precisions) / len(precisions))
    return sum(total) / len(total)
