"""Two exercises to stretch: batch norm as adaptation, and the two protocols of retrieval."""

import torch
from torch import Tensor, nn

from igan_lib.exercises.exercise import Case, FunctionExercise, WrongAnswer, labels, uniform


def reestimated_statistics(batches: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance of batch norm as the library estimates them anew: plain averages over the batches.

    Each batch is B x D; both results are D. The variance of a batch divides by B - 1.
    """
    layer = nn.BatchNorm1d(batches[0].shape[1], momentum=None, dtype=batches[0].dtype)
    for batch in batches:
        layer(batch)
    return layer.running_mean, layer.running_var


def _batches(generator: torch.Generator) -> list[Case]:
    def some(count: int, size: int, features: int) -> list[Tensor]:
        return [3 * uniform(generator, size, features) + uniform(generator, features) for _ in range(count)]

    return [Case("4 batches of 6 x 3", (some(4, 6, 3),)), Case("2 batches of 10 x 5", (some(2, 10, 5),))]


def _moving(batches: list[Tensor]) -> tuple[Tensor, Tensor]:
    layer = nn.BatchNorm1d(batches[0].shape[1], dtype=batches[0].dtype)
    for batch in batches:
        layer(batch)
    return layer.running_mean, layer.running_var


def _averaged(batches: list[Tensor], correction: int) -> tuple[Tensor, Tensor]:
    means = torch.stack([batch.mean(0) for batch in batches])
    variances = torch.stack([batch.var(0, correction=correction) for batch in batches])
    return means.mean(0), variances.mean(0)


BATCH_NORM = FunctionExercise(
    name="batch_norm",
    title="Adapt by batch norm alone",
    minutes=10,
    difficulty=2,
    equation="",
    reference=reestimated_statistics,
    cases=_batches,
    wrong=(
        WrongAnswer(
            "last_batch",
            lambda batches: (batches[-1].mean(0), batches[-1].var(0)),
            "You keep the last batch alone. All batches count the same: how are their statistics put together?",
        ),
        WrongAnswer(
            "moving",
            _moving,
            "You begin with mean 0 and variance 1 and keep 90 % of the old at each batch, as in training. After few "
            "batches most of it is still the beginning.",
        ),
        WrongAnswer(
            "biased",
            lambda batches: _averaged(batches, 0),
            "Your variance divides by B. Batch norm keeps the one that divides by B - 1 for use after training.",
        ),
        WrongAnswer(
            "pooled",
            lambda batches: (torch.cat(batches).mean(0), torch.cat(batches).var(0)),
            "You put all images into one batch. That is sound, but it is not what the network saw: take the statistics "
            "of each batch first, then their averages.",
        ),
    ),
    hints=(
        "What does batch norm subtract and divide by after training? Neither needs a label.",
        "For each batch (B x D) its mean over B and its variance with B - 1, both of length D; then the averages of "
        "these over the batches.",
        "Start with the means: `means = torch.stack([batch.mean(0) for batch in batches])`",
    ),
    right="Two numbers for each feature, from images alone, are an adaptation that costs one pass over the data.",
)


def search_sides(
    protocol: str, u_t: Tensor, y_t: Tensor, u_s: Tensor, y_s: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    """Who asks and what is searched: query codes and labels, database codes and labels, whether to leave self out.

    As `retrieval.protocols`: "target", each target image queries the other ones; "cross", it queries the source.
    """
    if protocol == "target":
        return u_t, y_t, u_t, y_t, True
    return u_t, y_t, u_s, y_s, False


def _two_domains(generator: torch.Generator) -> list[Case]:
    sides = uniform(generator, 5, 8), labels(generator, 5, 3), uniform(generator, 7, 8), labels(generator, 7, 3)
    return [Case(f'the protocol "{name}"', (name, *sides)) for name in ("target", "cross")]


def _with_self(
    protocol: str, u_t: Tensor, y_t: Tensor, u_s: Tensor, y_s: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    return *search_sides(protocol, u_t, y_t, u_s, y_s)[:4], False


def _source_asks(
    protocol: str, u_t: Tensor, y_t: Tensor, u_s: Tensor, y_s: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    return search_sides("target", u_t, y_t, u_s, y_s) if protocol == "target" else (u_s, y_s, u_t, y_t, False)


def _both_domains(
    protocol: str, u_t: Tensor, y_t: Tensor, u_s: Tensor, y_s: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    if protocol == "target":
        return search_sides(protocol, u_t, y_t, u_s, y_s)
    return u_t, y_t, torch.cat([u_s, u_t]), torch.cat([y_s, y_t]), False


PROTOCOLS = FunctionExercise(
    name="protocols",
    title="Search two databases",
    minutes=8,
    difficulty=1,
    equation="Table 3",
    reference=search_sides,
    cases=_two_domains,
    wrong=(
        WrongAnswer(
            "with_self",
            _with_self,
            "Each target image finds itself first, at distance 0. That is a hit for free: leave it out.",
        ),
        WrongAnswer(
            "source_asks",
            _source_asks,
            "In your cross protocol the source asks. The images without labels are those that want an answer.",
        ),
        WrongAnswer(
            "both_domains",
            _both_domains,
            "Your cross protocol searches both domains together, so that an image can find itself and its own kind. "
            "Search the labelled images alone.",
        ),
    ),
    hints=(
        "Which images does a user have labels for, and which ones does the user ask about?",
        "target: target images query the other target images, each without itself. cross: they query the source's. "
        "Codes are n x d, labels n, and the last value is True or False.",
        'Start with the first protocol: `if protocol == "target":`',
    ),
    right="A MAP means something only beside the name of its protocol.",
)
