"""Exercises on reading results: leaks, the gain of a look at the test set, and a verdict from five seeds."""

import numpy as np
import torch
from scipy import stats

from igan_lib.exercises.exercise import Case, ChoiceExercise, Function, FunctionExercise, WrongAnswer
from igan_lib.exercises.searching import _rng
from igan_lib.reproduction.estimate import Estimate

CARDS = {
    "A": "Train on source labels and target images. Measure the target's test accuracy after each epoch. Report the "
    "best one.",
    "B": "Standardise the target's images by their own mean and deviation, without a label. Report the last step.",
    "C": "Train with ten seeds. Report the one with the highest accuracy on the target's test images.",
    "D": "Choose T on another pair of domains, which no table reports. Keep it for all pairs. Report the last step.",
    "E": "Choose T so that most pseudo-labels of the target's training images are right. Report the last step.",
}

LEAK_CARDS = ChoiceExercise(
    name="leak_cards",
    title="Find the leak",
    minutes=4,
    difficulty=1,
    equation="",
    choices="ABCDE",
    answer=frozenset("ACE"),
    replies={
        "A": "Look at card A again: who tells which epoch is the best?",
        "B": "Look at card B again: does a mean of images need a label?",
        "C": "Look at card C again: would another ten seeds, or a user without labels, give that number?",
        "D": "Look at card D again: whose labels choose T, and is that pair reported?",
        "E": "Look at card E again: how would one know that a pseudo-label is right?",
    },
    hints=(
        "Ask of each card: could someone who has no target label at all do this?",
        "Every choice that looks at target labels is a leak, whether of an epoch, a seed or a setting. Using images "
        "alone is none.",
        "Three of the five cards leak.",
    ),
    right="A, C and E choose by target labels. In use there are none, so their numbers can't be had.",
)


def selection_gain(curves: np.ndarray) -> float:
    """How much "best look" adds to "last look": S x T accuracies of S seeds -> the mean over seeds of max - last."""
    return float((curves.max(1) - curves[:, -1]).mean())


def _curves(generator: torch.Generator) -> list[Case]:
    rng = _rng(generator)
    rising = 90 - 30 * np.exp(-np.arange(12) / 4) + rng.normal(0, 2, (5, 12))
    return [
        Case("5 seeds and 12 looks", (rising,)),
        Case("3 seeds and 4 looks", (rng.uniform(50, 90, (3, 4)),)),
        Case("4 seeds and 4 looks", (rng.uniform(50, 90, (4, 4)),)),
    ]


LEAK = FunctionExercise(
    name="leak",
    title="Measure what a look at the test set gains",
    minutes=4,
    difficulty=1,
    equation="",
    reference=selection_gain,
    cases=_curves,
    wrong=(
        WrongAnswer(
            "mean_curve",
            lambda curves: curves.mean(0).max() - curves.mean(0)[-1],
            "You look for the best step of the mean curve. Each seed chooses its own best step: first the gain of each "
            "seed, then their mean.",
        ),
        WrongAnswer(
            "one_best",
            lambda curves: curves.max() - curves[:, -1].mean(),
            "You take the best of all seeds. That adds a choice of the seed to the choice of the step; here each seed "
            "stays.",
        ),
        WrongAnswer(
            "over_the_mean",
            lambda curves: (curves.max(1) - curves.mean(1)).mean(),
            "You compare the best look with the mean of all looks. What would have been reported without choosing?",
        ),
    ),
    hints=(
        "For one seed: which number would a careful author report, and which one somebody who looked?",
        "curves is seeds x looks. Per seed, the greatest value minus the last one; then the mean over seeds, a float.",
        "Start with the best look of each seed: `best = curves.max(axis=1)`",
    ),
    right="This gain is not zero although nothing was learned: it is the noise of the curve, taken at its peak.",
)


def paired_verdict(ours: list[float], others: list[float]) -> tuple[float, float, str]:
    """The 95 % interval of the mean difference of runs with the same seeds, and what it says."""
    difference = Estimate(dict(enumerate(ours))) - Estimate(dict(enumerate(others)))
    low, high = difference.interval
    return low, high, "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def _interval(middle: float, half: float) -> tuple[float, float, str]:
    low, high = float(middle - half), float(middle + half)
    return low, high, "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def _half_width(differences: np.ndarray, factor: float, ddof: int = 1, root: bool = True) -> float:
    return factor * differences.std(ddof=ddof) / (np.sqrt(len(differences)) if root else 1.0)


def _student(n: int) -> float:
    return float(stats.t.ppf(0.975, n - 1))


def _as_differences(ours: list[float], others: list[float]) -> np.ndarray:
    return np.asarray(ours) - np.asarray(others)


def _unpaired(ours: list[float], others: list[float]) -> tuple[float, float, str]:
    n, m = len(ours), len(others)
    spread = np.sqrt(np.var(ours, ddof=1) / n + np.var(others, ddof=1) / m)
    return _interval(np.mean(ours) - np.mean(others), stats.t.ppf(0.975, n + m - 2) * spread)


def _five_pairs(generator: torch.Generator) -> list[Case]:
    rng = _rng(generator)

    def runs(gain: float) -> tuple[list[float], list[float]]:
        base = rng.normal(90, 2, 5)
        return (base + gain + rng.normal(0, 0.3, 5)).tolist(), base.tolist()

    return [
        Case("five seeds that all gain", runs(2.0)),
        Case("five seeds that all lose", runs(-2.0)),
        Case("five seeds of two equal methods", runs(0.0)),
    ]


def _z(ours: list[float], others: list[float]) -> tuple[float, float, str]:
    d = _as_differences(ours, others)
    return _interval(d.mean(), _half_width(d, 1.96))


def _takes_z(answer: Function, case: Case) -> bool:
    """Whether the half width is about two standard errors: 1.96, 2, or the normal's own point."""
    low, high, _ = answer(*case.arguments)
    return abs((high - low) / 2 / _half_width(_as_differences(*case.arguments), 1.0) - 1.98) < 0.03


def _takes_both_spreads(answer: Function, case: Case) -> bool:
    """Whether the half width is that of two unrelated means, by Student's t of whichever degrees of freedom or by z."""
    low, high, _ = answer(*case.arguments)
    spread = np.sqrt(sum(np.var(runs, ddof=1) / len(runs) for runs in case.arguments))
    return 1.9 < (high - low) / 2 / spread < 2.8


def _no_root(ours: list[float], others: list[float]) -> tuple[float, float, str]:
    d = _as_differences(ours, others)
    return _interval(d.mean(), _half_width(d, _student(len(d)), root=False))


def _population(ours: list[float], others: list[float]) -> tuple[float, float, str]:
    d = _as_differences(ours, others)
    return _interval(d.mean(), _half_width(d, _student(len(d)), ddof=0))


FIVE_SEEDS = FunctionExercise(
    name="five_seeds",
    title="Give a verdict from five seeds",
    minutes=12,
    difficulty=2,
    equation="x̄ ± t s / √n",
    reference=paired_verdict,
    cases=_five_pairs,
    wrong=(
        WrongAnswer(
            "z",
            _z,
            "You take 1.96, which holds for a known spread. Five values only estimate it: Student's t has n - 1 = 4 "
            "degrees of freedom here, and is larger.",
            shows=_takes_z,
        ),
        WrongAnswer(
            "no_root",
            _no_root,
            "Your interval is that of a single run. The mean of n runs spreads less: which factor is missing?",
        ),
        WrongAnswer(
            "population",
            _population,
            "Your deviation divides by n. The mean was taken from the same five values, so divide by n - 1.",
        ),
        WrongAnswer(
            "unpaired",
            _unpaired,
            "You take the spread of each method by itself. Both runs of a seed share their starting weights and "
            "batches, so look at the five differences.",
            shows=_takes_both_spreads,
        ),
    ),
    hints=(
        "There are five pairs of runs. Which five numbers say whether one method gains over the other?",
        "With d the n differences: mean(d) ∓ t s / √n, where s is their deviation over n - 1 and t the 97.5 % point of "
        'Student\'s t with n - 1 degrees of freedom. "better" above zero, "worse" below, else "cannot tell".',
        "Start with the differences: `difference = np.array(ours) - np.array(others)`",
    ),
    right='An interval that contains zero does not say "equal": it says that five seeds can\'t tell.',
)
