"""How well a space keeps classes apart, in numbers: what the eye can't read off a t-SNE map."""

import numpy as np
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors


def silhouette(u: np.ndarray, y: np.ndarray) -> float:
    """Mean silhouette of the codes u (n x d) under their true classes y, in [-1, 1]; Euclidean (Rousseeuw 1987).

    1: classes are small and far apart; 0: they touch; below 0: items lie nearer to another class. At least two classes.
    """
    return float(silhouette_score(np.asarray(u, dtype=np.float64), np.asarray(y)))


def neighbour_purity(u: np.ndarray, y: np.ndarray, k: int = 10) -> float:
    """Share of the k nearest other codes (Euclidean) that have the query's class, mean over all n codes; in [0, 1].

    A class of fewer than k + 1 codes can't reach 1. k is cut to n - 1.
    """
    u, y = np.asarray(u, dtype=np.float64), np.asarray(y)
    k = min(k, len(u) - 1)
    found = NearestNeighbors(n_neighbors=k).fit(u).kneighbors(return_distance=False)  # leaves the query itself out
    return float((y[found] == y[:, None]).mean())
