"""Answers as a learner would write them, in plain Python: wrong ones, by their name, and right ones."""

import math
from statistics import NormalDist, fmean, stdev

import numpy as np
import torch
import torch.nn.functional as F


def pairs_loss(u, s, *, diagonal=False, half=0.5):
    """A double loop over pairs; s: a function of two indices."""
    size, d = u.shape
    terms = [(u[i] @ u[j] / d - s(i, j)) ** 2 for i in range(size) for j in range(size) if diagonal or i != j]
    return half * sum(terms) / len(terms)


def same_label(y, no=-1.0):
    return lambda i, j: 1.0 if y[i] == y[j] else no


def hash_by_index(u, y):
    return pairs_loss(u, lambda i, j: 1.0 if i == j else -1.0)


def hash_zero_one(u, y):
    return pairs_loss(u, same_label(y, 0.0))


def hash_with_diagonal(u, y):
    return pairs_loss(u, same_label(y), diagonal=True)


def hash_without_half(u, y):
    return pairs_loss(u, same_label(y), half=1.0)


def quantization_of_detached(u):
    return ((u.detach() - torch.sign(u.detach())) ** 2).mean() / 2


def quantization_to_zero_one(u):
    return ((u - torch.heaviside(u.detach(), torch.zeros_like(u))) ** 2).mean() / 2


def quantization_sum(u):
    return sum((entry - torch.sign(entry.detach())) ** 2 for entry in u.flatten()) / 2


def quantization_to_one(u):
    return ((1 - u) ** 2).mean() / 2


def labels_by(scores, dimension, threshold, none=-1):
    best, label = scores.max(dimension)
    label = label.clone()
    label[best <= threshold] = none
    return label


def pseudo_of_logits(logits, threshold):
    return labels_by(logits, 1, threshold)


def pseudo_over_batch(logits, threshold):
    return labels_by(F.softmax(logits, dim=0), 0, threshold)


def pseudo_zero(logits, threshold):
    return labels_by(F.softmax(logits, dim=1), 1, threshold, none=0)


def pseudo_all(logits, threshold):
    return F.softmax(logits, dim=1).argmax(dim=1)


def centroid_loop(centroids, u, y, keep, mean):
    return torch.stack([keep * centroids[k] + (1 - keep) * mean(u[y == k], k) for k in range(len(centroids))])


def centroids_dragged(centroids, u, y, keep):
    return centroid_loop(centroids, u, y, keep, lambda rows, k: rows.sum(0) / max(1, len(rows)))


def centroids_nan(centroids, u, y, keep):
    return centroid_loop(centroids, u, y, keep, lambda rows, k: rows.mean(0))


def centroids_last_class(centroids, u, y, keep):
    moved = centroids.clone()
    for k in {int(label) for label in y}:
        moved[k] = keep * centroids[k] + (1 - keep) * u[
            (y == k) | (y == k - len(centroids)) | (y == k + len(centroids))
        ].mean(0)
    return moved


def centroids_whole_batch(centroids, u, y, keep):
    moved = centroids.clone()
    for k in range(len(centroids)):
        if (y == k).any():
            moved[k] = keep * centroids[k] + (1 - keep) * u[y == k].sum(0) / len(u)
    return moved


def crosswise_exchanged(u_s, u_t, g_s, g_t):
    return {"x_ss": g_s(u_s), "x_ts": g_t(u_s), "x_tt": g_t(u_t), "x_st": g_s(u_t)}


def crosswise_straight(u_s, u_t, g_s, g_t):
    return {"x_ss": g_s(u_s), "x_st": g_s(u_s), "x_tt": g_t(u_t), "x_ts": g_t(u_t)}


def crosswise_one_generator(u_s, u_t, g_s, g_t):
    return {"x_ss": g_s(u_s), "x_st": g_s(u_s), "x_tt": g_s(u_t), "x_ts": g_s(u_t)}


def real_term(logits, y):
    log_p = F.log_softmax(logits, dim=1)
    terms = [row[:-1].exp().sum().log() if label < 0 else row[label] for row, label in zip(log_p, y, strict=True)]
    return -sum(terms) / len(terms)


def column(logits, place):
    return -F.log_softmax(logits, dim=1)[:, place].mean()


def game_told_fake(real_logits, y, fake_logits, y_code):
    return real_term(real_logits, y) + column(fake_logits, -1), column(fake_logits, -1)


def game_no_class(real_logits, y, fake_logits, y_code):
    return real_term(real_logits, y) + column(fake_logits, -1), real_term(fake_logits, -torch.ones_like(y_code))


def game_first_is_fake(real_logits, y, fake_logits, y_code):
    return real_term(real_logits, y) + column(fake_logits, 0), real_term(fake_logits, y_code)


def game_no_label_is_fake(real_logits, y, fake_logits, y_code):
    log_p = F.log_softmax(real_logits, dim=1)
    of_real = -sum(row[label] for row, label in zip(log_p, y, strict=True)) / len(y)
    return of_real + column(fake_logits, -1), real_term(fake_logits, y_code)


def update(detach_d=True, detach_g=False, zero=True, retain=False, forgets=("opt_d", "opt_eg")):
    from igan_lib.exercises.gradients import loss_d, loss_eg

    def cut(x, off):
        return x.detach() if off else x

    def my_update(players, x_s, y_s, x_t, pseudo_t):
        x_st, x_ts = players.g_t(players.e(x_s)), players.g_s(players.e(x_t))
        if zero:
            for name in forgets:
                getattr(players, name).zero_grad()
        seen = cut(x_st, detach_d), cut(x_ts, detach_d)
        loss_d(players, x_s, y_s, x_t, pseudo_t, *seen).backward(retain_graph=retain)
        players.opt_d.step()
        loss_eg(players, y_s, pseudo_t, cut(x_st, detach_g), cut(x_ts, detach_g)).backward()
        players.opt_eg.step()

    return my_update


def hamming_bytes(queries, database):
    return np.array([[np.count_nonzero(q != x) for x in database] for q in queries])


def bit_counts(queries, database, operation):
    return np.array([[sum(int(b).bit_count() for b in operation(q, x)) for x in database] for q in queries])


def hamming_common(queries, database):
    return bit_counts(queries, database, np.bitwise_and)


def hamming_overflow(queries, database):
    return bit_counts(queries, database, np.bitwise_xor).astype(np.uint8)


def hamming_not_halved(queries, database):
    q, x = (np.unpackbits(side, axis=1) * 2.0 - 1 for side in (queries, database))
    return (q.shape[1] - q @ x.T).astype(int)


def ap_of(relevant):
    hits, precisions = 0, []
    for place, hit in enumerate(relevant, 1):
        hits += bool(hit)
        precisions += [hits / place] if hit else []
    return fmean(precisions)


def ap_optimistic(distances, relevant):
    return ap_of(
        [hit for _, hit in sorted(zip(distances, relevant, strict=True), key=lambda item: (item[0], not item[1]))]
    )


def ap_sorted(distances, relevant):
    return ap_of(relevant[np.argsort(distances)])


def ap_sorted_backwards(distances, relevant):
    return ap_of(relevant[np.lexsort((-np.arange(len(distances)), distances))])


def ap_end_of_tie(distances, relevant):
    places = [(distances <= d).sum() for d in distances]
    hits = [relevant[distances <= d].sum() for d in distances]
    return fmean(h / n for h, n, r in zip(hits, places, relevant, strict=True) if r)


def word(low, high):
    return low, high, "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def around(differences, half):
    return word(fmean(differences) - half, fmean(differences) + half)


T4 = 2.7764451051977987  # Student's t with four degrees of freedom, 97.5 %


def verdict_z(ours, others):
    d = [a - b for a, b in zip(ours, others, strict=True)]
    return around(d, 1.96 * stdev(d) / math.sqrt(5))


def verdict_two_errors(ours, others):
    d = [a - b for a, b in zip(ours, others, strict=True)]
    return around(d, 2 * stdev(d) / math.sqrt(5))


def verdict_normal(ours, others):
    d = [a - b for a, b in zip(ours, others, strict=True)]
    return around(d, NormalDist().inv_cdf(0.975) * stdev(d) / math.sqrt(5))


def verdict_unpaired(ours, others, t=2.3060041350333704):
    half = t * math.sqrt(stdev(ours) ** 2 / 5 + stdev(others) ** 2 / 5)
    return word(fmean(ours) - fmean(others) - half, fmean(ours) - fmean(others) + half)


def verdict_no_root(ours, others):
    d = [a - b for a, b in zip(ours, others, strict=True)]
    return around(d, T4 * stdev(d))


def verdict_population(ours, others):
    d = [a - b for a, b in zip(ours, others, strict=True)]
    return around(d, T4 * stdev(d) * math.sqrt(4 / 5) / math.sqrt(5))


def gain_mean_curve(curves):
    mean = [fmean(column) for column in curves.T]
    return max(mean) - mean[-1]


def gain_one_best(curves):
    return max(map(max, curves)) - fmean(row[-1] for row in curves)


def gain_over_mean(curves):
    return fmean(max(row) - fmean(row) for row in curves)


def statistics_last(batches):
    return batches[-1].mean(0), batches[-1].std(0) ** 2


def statistics_moving(batches):
    mean, variance = torch.zeros_like(batches[0][0]), torch.ones_like(batches[0][0])
    for batch in batches:
        mean, variance = 0.9 * mean + 0.1 * batch.mean(0), 0.9 * variance + 0.1 * batch.var(0)
    return mean, variance


def statistics_biased(batches):
    means = [batch.mean(0) for batch in batches]
    variances = [((batch - mean) ** 2).mean(0) for batch, mean in zip(batches, means, strict=True)]
    return sum(means) / len(batches), sum(variances) / len(batches)


def statistics_pooled(batches):
    every = torch.cat(batches)
    return every.mean(0), ((every - every.mean(0)) ** 2).sum(0) / (len(every) - 1)


def sides_with_self(protocol, u_t, y_t, u_s, y_s):
    return (u_t, y_t, *((u_t, y_t) if protocol == "target" else (u_s, y_s)), False)


def sides_source_asks(protocol, u_t, y_t, u_s, y_s):
    return (u_t, y_t, u_t, y_t, True) if protocol == "target" else (u_s, y_s, u_t, y_t, False)


def sides_both(protocol, u_t, y_t, u_s, y_s):
    if protocol == "target":
        return u_t, y_t, u_t, y_t, True
    return u_t, y_t, torch.cat((u_s, u_t)), torch.cat((y_s, y_t)), False


def centroids_right(centroids, u, y, keep):
    moved = [c if not (y == k).any() else keep * c + (1 - keep) * u[y == k].mean(0) for k, c in enumerate(centroids)]
    return torch.stack(moved)


def ap_right(distances, relevant):
    """The mean over the places that each relevant item may take in its tie, all with the same chance."""
    total = 0.0
    for i in np.flatnonzero(relevant):
        nearer, tied = distances < distances[i], distances == distances[i]
        first, n, hits = nearer.sum(), tied.sum(), relevant[nearer].sum()
        others = relevant[tied].sum() - 1
        for place in range(n):  # of item i within its tie, each with the same chance
            before = hits + (others * place / (n - 1) if n > 1 else 0)
            total += (before + 1) / (first + place + 1) / n
    return total / relevant.sum()


def verdict_right(ours, others):
    d = [a - b for a, b in zip(ours, others, strict=True)]
    return around(d, T4 * stdev(d) / math.sqrt(5))


def statistics_right(batches):
    count = len(batches)
    return sum(b.mean(0) for b in batches) / count, sum(b.std(0) ** 2 for b in batches) / count


RIGHT = {
    "leak": lambda curves: fmean(max(row) - row[-1] for row in curves),
    "hash_loss": lambda u, y: pairs_loss(u, same_label(y)),
    "quantization": lambda u: sum((abs(entry) - 1) ** 2 for entry in u.flatten()) / 2 / u.numel(),
    "pseudo_labels": lambda logits, threshold: labels_by(F.softmax(logits, dim=1), 1, threshold),
    "centroids": centroids_right,
    "crosswise": lambda u_s, u_t, g_s, g_t: {"x_st": g_t(u_s), "x_ss": g_s(u_s), "x_ts": g_s(u_t), "x_tt": g_t(u_t)},
    "game": lambda real, y, fake, y_code: (real_term(real, y) + column(fake, -1), real_term(fake, y_code)),
    "gradients": update(),
    "hamming": lambda queries, database: bit_counts(queries, database, np.bitwise_xor),
    "average_precision": ap_right,
    "five_seeds": verdict_right,
    "batch_norm": statistics_right,
    "protocols": lambda protocol, u_t, y_t, u_s, y_s: (
        (u_t, y_t) + ((u_t, y_t, True) if protocol == "target" else (u_s, y_s, False))
    ),
}
WRONG = {
    "leak": {"mean_curve": gain_mean_curve, "one_best": gain_one_best, "over_the_mean": gain_over_mean},
    "hash_loss": {
        "index": hash_by_index,
        "zero_one": hash_zero_one,
        "diagonal": hash_with_diagonal,
        "no_half": hash_without_half,
    },
    "quantization": {
        "no_gradient": quantization_of_detached,
        "zero_one_bits": quantization_to_zero_one,
        "sum": quantization_sum,
        "one_corner": quantization_to_one,
    },
    "pseudo_labels": {"logits": pseudo_of_logits, "batch": pseudo_over_batch, "zero": pseudo_zero, "all": pseudo_all},
    "centroids": {
        "dragged": centroids_dragged,
        "nan": centroids_nan,
        "last_class": centroids_last_class,
        "whole_batch": centroids_whole_batch,
    },
    "crosswise": {
        "exchanged": crosswise_exchanged,
        "straight": crosswise_straight,
        "one_generator": crosswise_one_generator,
    },
    "game": {
        "told_fake": game_told_fake,
        "no_class": game_no_class,
        "first_is_fake": game_first_is_fake,
        "no_label_is_fake": game_no_label_is_fake,
    },
    "gradients": {
        "not_detached": update(detach_d=False),
        "not_zeroed": update(zero=False),
        "wrong_side": update(detach_g=True),
    },
    "hamming": {
        "bytes": hamming_bytes,
        "common": hamming_common,
        "overflow": hamming_overflow,
        "not_halved": hamming_not_halved,
    },
    "average_precision": {"optimistic": ap_optimistic, "end_of_tie": ap_end_of_tie, "sorted": ap_sorted},
    "five_seeds": {
        "z": verdict_z,
        "unpaired": verdict_unpaired,
        "no_root": verdict_no_root,
        "population": verdict_population,
    },
    "batch_norm": {
        "last_batch": statistics_last,
        "moving": statistics_moving,
        "biased": statistics_biased,
        "pooled": statistics_pooled,
    },
    "protocols": {"with_self": sides_with_self, "source_asks": sides_source_asks, "both_domains": sides_both},
}
