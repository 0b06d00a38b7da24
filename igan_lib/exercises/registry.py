"""All exercises by name, in the order of the notebooks, and the questions of the numbered notebooks."""

from igan_lib.exercises import codes, game, gradients, labelling, predictions, reading, searching, stretch
from igan_lib.exercises.exercise import ChoiceExercise, Exercise

SITTINGS: dict[str, tuple[Exercise, ...]] = {
    "1_codes_and_labels": (
        reading.LEAK_CARDS,
        reading.LEAK,
        codes.HASH_LOSS,
        codes.QUANTIZATION,
        labelling.PSEUDO_LABELS,
        labelling.CENTROIDS,
    ),
    "2_game": (game.CROSSWISE, game.GAME, gradients.GRADIENTS),
    "3_search_and_verdict": (searching.HAMMING, searching.AVERAGE_PRECISION, reading.FIVE_SEEDS),
    "4_stretch": (stretch.BATCH_NORM, stretch.PROTOCOLS),
}
EXERCISES: dict[str, Exercise] = {exercise.name: exercise for sitting in SITTINGS.values() for exercise in sitting}
PREDICTIONS: dict[str, ChoiceExercise] = predictions.read()
