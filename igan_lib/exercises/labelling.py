"""Exercises on pseudo-labels and centroids (Eq. 3 and 4)."""

import torch
from torch import Tensor

from igan_lib.exercises.exercise import Case, FunctionExercise, WrongAnswer, labels, uniform
from igan_lib.method import losses


def _batches_of_logits(generator: torch.Generator) -> list[Case]:
    return [
        Case("12 images, 5 classes and T = 0.6", (4 * uniform(generator, 12, 5), 0.6)),
        Case("9 images, 3 classes and T = 0.9", (6 * uniform(generator, 9, 3, dtype=torch.float32), 0.9)),
        Case("6 images of which none is sure", (0.1 * uniform(generator, 6, 4), 0.9)),
    ]


def _most_probable(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    confidence, label = logits.softmax(1).max(1)
    return confidence > threshold, label


PSEUDO_LABELS = FunctionExercise(
    name="pseudo_labels",
    title="Label what the network is sure of",
    minutes=8,
    difficulty=1,
    equation="Eq. 4",
    reference=losses.pseudo_labels,
    cases=_batches_of_logits,
    wrong=(
        WrongAnswer(
            "logits",
            lambda logits_t, threshold: torch.where(logits_t.max(1)[0] > threshold, logits_t.argmax(1), -1),
            "You hold T against the logits. They have no scale: T is a probability, and probabilities come out of a "
            "softmax.",
        ),
        WrongAnswer(
            "batch",
            lambda logits_t, threshold: torch.where(logits_t.softmax(0).max(0)[0] > threshold, logits_t.argmax(0), -1),
            "You look for the best image of each class. Each image needs its best class: along which dimension do the "
            "classes lie in B x N?",
        ),
        WrongAnswer(
            "zero",
            lambda logits_t, threshold: torch.where(*_most_probable(logits_t, threshold), 0),
            "You give 0 to images that the network is not sure of, so they would all be trained as class 0. Use a "
            "number that belongs to no class.",
        ),
        WrongAnswer(
            "all",
            lambda logits_t, threshold: logits_t.argmax(1),
            "Every image gets a label, also where the network is not sure. Which of them stay above T?",
        ),
    ),
    hints=(
        "Two things are asked of each image: which class is the most probable, and is it probable enough?",
        "p = softmax of the logits over the N classes, B x N. The label is argmax p where max p > T, else -1: "
        "B integers.",
        "Start with: `confidence, label = logits.softmax(1).max(1)`",
    ),
    right="A higher T labels fewer images and labels them better: coverage against purity.",
)


def moved_centroids(centroids: Tensor, u: Tensor, y: Tensor, keep: float) -> Tensor:
    """One step of the moving averages: N x d centroids, B x d codes, B labels (-1: none) -> N x d.

    A class that the batch has moves to keep x old + (1 - keep) x its mean; one that it has not stays where it is.
    """
    now, present = losses.class_centroids(u, y, len(centroids))
    return torch.where(present[:, None], keep * centroids + (1 - keep) * now, centroids)


def _dragged(centroids: Tensor, u: Tensor, y: Tensor, keep: float) -> Tensor:
    now, _ = losses.class_centroids(u, y, len(centroids))
    return keep * centroids + (1 - keep) * now


def _not_a_number(centroids: Tensor, u: Tensor, y: Tensor, keep: float) -> Tensor:
    means = torch.stack([u[y == k].sum(0) / (y == k).sum() for k in range(len(centroids))])
    return keep * centroids + (1 - keep) * means


def _last_class(centroids: Tensor, u: Tensor, y: Tensor, keep: float) -> Tensor:
    return moved_centroids(centroids, u, y % len(centroids), keep)


def _by_batch(centroids: Tensor, u: Tensor, y: Tensor, keep: float) -> Tensor:
    now, present = losses.class_centroids(u, y, len(centroids))
    share = torch.stack([(y == k).to(u.dtype).mean() for k in range(len(centroids))])[:, None]
    return torch.where(present[:, None], keep * centroids + (1 - keep) * now * share, centroids)


def _batches_with_an_absent_class(generator: torch.Generator) -> list[Case]:
    some = torch.tensor([0, 1, 2, 4, 4, 2, 0, -1, -1, 1])
    return [
        Case("a batch without class 3", (uniform(generator, 5, 4), uniform(generator, 10, 4), some, 0.7), (1,)),
        Case(
            "random pseudo-labels",
            (uniform(generator, 4, 6), uniform(generator, 9, 6), labels(generator, 9, 4, low=-1), 0.5),
            (1,),
        ),
        Case(
            "labels of one class alone", (uniform(generator, 3, 4), uniform(generator, 4, 4), some[:4] * 0, 0.9), (1,)
        ),
    ]


CENTROIDS = FunctionExercise(
    name="centroids",
    title="Move centroids, also past a batch without a class",
    minutes=10,
    difficulty=2,
    equation="Eq. 3",
    reference=moved_centroids,
    cases=_batches_with_an_absent_class,
    wrong=(
        WrongAnswer(
            "dragged",
            _dragged,
            "The centroid of a class that the batch lacks shrinks towards zero, as in the public code of a well-known "
            "method. No image says anything about that class, so what should its centroid do?",
        ),
        WrongAnswer(
            "nan",
            _not_a_number,
            "The mean of no images is 0 / 0, and the centroid of an absent class becomes NaN for ever. Which classes "
            "does the batch have at all?",
        ),
        WrongAnswer(
            "last_class",
            _last_class,
            "Images with the pseudo-label -1 move the last class: -1 counts from the end. They belong to no class.",
        ),
        WrongAnswer(
            "whole_batch",
            _by_batch,
            "You divide a class's sum by the size of the whole batch. Its mean needs the number of its own images.",
        ),
    ),
    hints=(
        "Take one class at a time. Which rows of u are its images, and what if there are none?",
        "For a class k with rows in the batch: keep times the old centroid plus (1 - keep) times the mean of its rows, "
        "a vector of d. A class without rows keeps its old one. centroids is N x d, u is B x d.",
        "Start with a copy of the old ones: `moved = centroids.clone()`",
    ),
    right="An absent class stays where it is, and images without a pseudo-label move nothing.",
)
