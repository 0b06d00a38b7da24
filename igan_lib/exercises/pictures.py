"""`picture`: what a right answer does, drawn with the learner's function where it is right, else with the library's."""

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from igan_lib.errors import ConfigError
from igan_lib.exercises import draw_method, draw_results
from igan_lib.exercises.asking import find
from igan_lib.exercises.judge import judge
from igan_lib.plots.style import INK

DRAWN: dict[str, Callable[..., Figure]] = {
    "leak": draw_results.look_at_the_peak,
    "hash_loss": draw_method.pair_of_codes,
    "quantization": draw_method.way_to_the_corners,
    "pseudo_labels": draw_method.coverage_and_purity,
    "centroids": draw_method.centroid_of_a_rare_class,
    "crosswise": draw_method.crosswise_images,
    "game": draw_method.two_wishes,
    "gradients": draw_method.who_moves,
    "hamming": draw_results.distances_by_class,
    "average_precision": draw_results.shuffled_database,
    "five_seeds": draw_results.intervals_and_words,
    "batch_norm": draw_results.two_statistics,
    "protocols": draw_results.two_databases,
}


def picture(name: str, answer: Any) -> Figure:
    """The picture of the exercise `name`; the title says whose function drew it.

    ConfigError: no such exercise, or one without a picture. DataError: results/exercises is not there.
    """
    exercise = find(name)
    if name not in DRAWN:
        raise ConfigError(
            f"Expected an exercise with a picture ({', '.join(DRAWN)}), found {name!r}: name one of them."
        )
    own = judge(exercise, answer).status == "right"
    fig = DRAWN[name](answer if own else exercise.reference)
    whose = "drawn with your function" if own else "drawn with the library's function, until yours is right"
    fig.suptitle(whose, x=0.99, ha="right", fontsize=8, style="italic", color=INK)
    return fig
