"""Exercises on codes (Eq. 1 and 2): the pairwise hash loss, and the quantisation loss."""

import torch
from torch import Tensor

from igan_lib.exercises.exercise import Case, FunctionExercise, WrongAnswer, labels, uniform
from igan_lib.method import losses


def _batches_of_codes(generator: torch.Generator) -> list[Case]:
    few = uniform(generator, 7, 8), labels(generator, 7, 3)
    more = uniform(generator, 12, 16, dtype=torch.float32), labels(generator, 12, 4)
    return [
        Case("7 codes of 8 bits and 3 classes", few, (0,)),
        Case("12 codes of 16 bits in float32", more, (0,)),
        Case("5 codes of one class", (uniform(generator, 5, 6), torch.ones(5, dtype=torch.int64)), (0,)),
    ]


def _squares(u: Tensor, s: Tensor) -> Tensor:
    return (u @ u.T / u.shape[1] - s).square()


def _signs(u: Tensor, y: Tensor) -> Tensor:
    return torch.where(y[:, None] == y[None, :], 1.0, -1.0).to(u.dtype)


def _off_diagonal(squares: Tensor) -> Tensor:
    size = len(squares)
    return 0.5 * (squares.sum() - squares.diagonal().sum()) / (size * (size - 1))


HASH_LOSS = FunctionExercise(
    name="hash_loss",
    title="Write the pairwise hash loss",
    minutes=10,
    difficulty=2,
    equation="Eq. 1 and 2, first term",
    reference=losses.pairwise_hash_loss,
    cases=_batches_of_codes,
    wrong=(
        WrongAnswer(
            "index",
            lambda u, y: _off_diagonal(_squares(u, 2 * torch.eye(len(u), dtype=u.dtype) - 1)),
            "Your similarity asks whether two images are the same image. It should ask whether their labels are equal: "
            "which pairs of y are that?",
        ),
        WrongAnswer(
            "zero_one",
            lambda u, y: _off_diagonal(_squares(u, (y[:, None] == y[None, :]).to(u.dtype))),
            "Your similarity is 1 and 0. With 0, two classes are asked to be at right angles; the paper asks for "
            "opposite corners, so what is s of a pair of two classes?",
        ),
        WrongAnswer(
            "diagonal",
            lambda u, y: 0.5 * _squares(u, _signs(u, y)).mean(),
            "Your mean counts each code's product with itself. That pair says nothing about labels: leave the diagonal "
            "out, and divide by the number of pairs that are left.",
        ),
        WrongAnswer(
            "no_half",
            lambda u, y: 2 * _off_diagonal(_squares(u, _signs(u, y))),
            "Your loss is twice as large as it should be: Eq. 1 has a factor in front of the sum.",
        ),
    ),
    hints=(
        "Look at Eq. 1 for one pair. Which number says that two codes agree, and which one do the labels ask for?",
        "With u of shape B x d: half the mean of (u_i · u_j / d - s_ij)² over the B (B - 1) ordered pairs i ≠ j, where "
        "s_ij is 1 for equal labels and -1 for others. All products at once are a B x B matrix.",
        "Start with: `batch, d = u.shape`",
    ),
    right="Equal labels pull codes together, different ones push them to opposite corners.",
)

QUANTIZATION = FunctionExercise(
    name="quantization",
    title="Pull codes to their bits, and keep a gradient",
    minutes=6,
    difficulty=1,
    equation="Eq. 2, second term",
    reference=losses.quantization_loss,
    cases=lambda generator: [
        Case("5 codes of 8 bits", (uniform(generator, 5, 8),), (0,)),
        Case("3 codes of 4 bits in float32", (uniform(generator, 3, 4, dtype=torch.float32),), (0,)),
    ],
    wrong=(
        WrongAnswer(
            "no_gradient",
            lambda u: 0.5 * (u.detach() - u.detach().sign()).square().mean(),
            "The value is right, but no gradient reaches u, so the network would never learn it. Only the bits are "
            "constants here; the code itself is not.",
        ),
        WrongAnswer(
            "zero_one_bits",
            lambda u: 0.5 * (u - (u > 0).to(u.dtype)).square().mean(),
            "Your bits are 0 and 1. The paper's are -1 and 1, since the code ends in a tanh.",
        ),
        WrongAnswer(
            "sum",
            lambda u: 0.5 * (u - u.sign()).square().sum(),
            "Your loss is a sum: it grows with the batch and with the code length. Take the mean over all entries, so "
            "that its weight v keeps its meaning.",
        ),
        WrongAnswer(
            "one_corner",
            lambda u: 0.5 * (u - 1).square().mean(),
            "Your loss pulls every entry to +1, so all images would get one code. Each entry should go to the nearer "
            "of its two bits.",
        ),
    ),
    hints=(
        "What is the nearest bit of an entry 0.3, and of -0.9? How far is each away from it?",
        "Half the mean of (u - sign(u))² over all B x d entries. The derivative of sign is 0 almost everywhere, so "
        "sign(u) counts as a constant.",
        "Start with the bits, as constants: `bits = u.detach().sign()`",
    ),
    right="The sign alone has no gradient; this distance to it has one, and it points to the nearer bit.",
)
