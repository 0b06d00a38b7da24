"""What `check` accepts and refuses: wrong answers as learners write them, constants, inputs, NaN."""

import re
import time

import numpy as np
import pytest
import torch
from exercise_answers import (
    RIGHT,
    T4,
    WRONG,
    ap_sorted_backwards,
    update,
    verdict_normal,
    verdict_two_errors,
    verdict_unpaired,
    word,
)
from torch import nn

from igan_lib.exercises import EXERCISES, asking, check, hint
from igan_lib.exercises.exercise import ChoiceExercise
from igan_lib.exercises.judge import judge
from igan_lib.exercises.record import Record
from igan_lib.exercises.registry import PREDICTIONS

FUNCTIONS = {name: e for name, e in EXERCISES.items() if not isinstance(e, ChoiceExercise)}
CASES = [(name, wrong) for name in WRONG for wrong in WRONG[name]]
every_function = pytest.mark.parametrize("name", FUNCTIONS)


@pytest.fixture(autouse=True)
def own_record(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asking, "RECORD", Record())


def test_there_are_eleven_and_two_to_stretch():
    assert len(EXERCISES) == 11 + 2 + 1  # the leak is two
    assert all(2 <= len(e.wrong) <= 4 for e in FUNCTIONS.values())
    assert all(len(e.hints) == 3 and 1 <= e.difficulty <= 3 and e.minutes > 0 for e in EXERCISES.values())


@every_function
@pytest.mark.parametrize("seed", range(5))
def test_the_library_s_own_function_is_right(name, seed):
    exercise = EXERCISES[name]
    assert judge(exercise, exercise.reference, seed).status == "right"


@every_function
@pytest.mark.parametrize("seed", range(3))
def test_a_right_answer_of_another_kind_is_right(name, seed):
    verdict = judge(EXERCISES[name], RIGHT[name], seed)
    assert verdict.status == "right", verdict.text


def test_every_named_wrong_answer_is_tried():
    assert {name: list(WRONG[name]) for name in WRONG} == {
        name: [wrong.name for wrong in sorted(e.wrong, key=lambda w: list(WRONG[name]).index(w.name))]
        for name, e in FUNCTIONS.items()
    }


@pytest.mark.parametrize(("name", "wrong"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_answer_gets_its_own_hint(name, wrong, seed):
    exercise = EXERCISES[name]
    verdict = judge(exercise, WRONG[name][wrong], seed)
    (own,) = [known.hint for known in exercise.wrong if known.name == wrong]
    assert (verdict.status, verdict.wrong, verdict.text) == ("wrong", wrong, own)
    assert len({known.hint for known in exercise.wrong}) == len(exercise.wrong)


@every_function
def test_the_library_s_wrong_answers_are_wrong_in_their_own_way(name):
    for wrong in EXERCISES[name].wrong:
        assert judge(EXERCISES[name], wrong.function).wrong == wrong.name


def test_forms_of_one_misconception_are_told_as_one():
    assert judge(EXERCISES["average_precision"], ap_sorted_backwards).wrong == "sorted"
    assert judge(EXERCISES["gradients"], update(detach_d=False, retain=True)).wrong == "not_detached"
    assert judge(EXERCISES["gradients"], update()).status == "right"
    for forgets in (("opt_d",), ("opt_eg",)):
        assert judge(EXERCISES["gradients"], update(forgets=forgets)).wrong == "not_zeroed"


@pytest.mark.parametrize("seed", range(20))
def test_a_verdict_s_misconception_is_known_by_the_width_of_its_interval(seed):
    exercise = EXERCISES["five_seeds"]
    for answer in (verdict_normal, verdict_two_errors):
        assert judge(exercise, answer, seed).wrong == "z"
    for t in (1.96, T4):
        assert judge(exercise, lambda ours, others, t=t: verdict_unpaired(ours, others, t), seed).wrong == "unpaired"
    for answer in ("no_root", "population"):
        assert judge(exercise, WRONG["five_seeds"][answer], seed).wrong == answer
    # an interval of a width that is neither's
    other = judge(exercise, lambda ours, others: word(np.mean(ours) - 9, np.mean(ours) + 9), seed)
    assert other.status == "wrong" and not other.wrong


def test_a_list_of_results_counts_as_results():
    assert judge(EXERCISES["five_seeds"], lambda *runs: list(RIGHT["five_seeds"](*runs))).status == "right"
    assert judge(EXERCISES["pseudo_labels"], lambda *a: RIGHT["pseudo_labels"](*a).tolist()).status == "right"


def sentences(text):
    """How many there are; code between backticks is none."""
    return len(re.findall(r"[.?!](?= [A-Z0-9]|$)", re.sub("`.*?`", "code", text)))


@pytest.mark.parametrize("name", EXERCISES | PREDICTIONS)
def test_a_reply_has_one_or_two_sentences(name):
    exercise = EXERCISES.get(name) or PREDICTIONS[name]
    known = exercise.replies.values() if isinstance(exercise, ChoiceExercise) else [w.hint for w in exercise.wrong]
    assert {text: sentences(text) for text in (exercise.right, *known) if not 1 <= sentences(text) <= 2} == {}


def test_a_reply_is_broken_between_words_and_never_inside_code(capsys):
    for name, exercise in EXERCISES.items():
        for level, text in enumerate(exercise.hints, 1):
            hint(name, level)
            told = capsys.readouterr().out
            assert " ".join(told.split()) == f"Hint {level} of 3: {' '.join(text.split())}"
            code = re.findall("`.*?`", text)
            assert all(part in told for part in code)
            assert all(len(line) <= 80 or "`" in line for line in told.splitlines())
    check("hash_loss", lambda u, y: EXERCISES["hash_loss"].wrong[1].function(u, y))
    told = capsys.readouterr().out.splitlines()
    assert len(told) > 1 and max(map(len, told)) <= 80


def test_the_order_of_named_results_is_free():
    reference = EXERCISES["crosswise"].reference
    assert judge(EXERCISES["crosswise"], lambda *a: dict(reversed(reference(*a).items()))).status == "right"


def full_of(value):
    """An answer of the right form, whatever is asked, with one value everywhere."""

    def fill(part):
        if isinstance(part, dict):
            return {key: fill(v) for key, v in part.items()}
        if isinstance(part, tuple):
            return tuple(fill(v) for v in part)
        if isinstance(part, torch.Tensor):
            return torch.full_like(part, int(value) if not part.is_floating_point() and value == value else value)
        if isinstance(part, np.ndarray):
            return np.full(part.shape, value)
        return part if isinstance(part, str | bool) else type(part)(value)

    return fill


@every_function
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, float("nan")])
def test_constants_and_nan_are_refused_also_in_the_right_form(name, value):
    exercise = EXERCISES[name]
    assert judge(exercise, lambda *_: value).status == "wrong"

    def constant(*arguments):
        made = exercise.reference(*arguments)
        whole = [p for p in (made if isinstance(made, tuple) else [made]) if isinstance(p, torch.Tensor)]
        if value != value and any(not p.is_floating_point() for p in whole):
            return value
        return full_of(value)(made)

    if name != "gradients":  # returns nothing
        assert judge(exercise, constant).status == "wrong"


@every_function
@pytest.mark.parametrize("place", [0, -1])
def test_an_argument_given_back_is_refused(name, place):
    assert judge(EXERCISES[name], lambda *arguments: arguments[place]).status == "wrong"


@every_function
def test_what_stops_is_told_in_a_sentence(name, capsys):
    def my_answer(*arguments):
        return arguments[7]

    def my_blank(*arguments):
        raise NotImplementedError

    check(name, my_answer)
    told = capsys.readouterr().out
    assert told.startswith("✘ Not yet. With ") and "`return arguments[7]` with IndexError" in " ".join(told.split())
    assert "Traceback" not in told and told.count("\n") <= 3
    for blank in (my_blank, ...):
        check(name, blank)
        assert capsys.readouterr().out.startswith("○ Not started.")
    check(name, 3)
    assert "Expected your function itself" in capsys.readouterr().out
    check(name, lambda *_: None)
    assert capsys.readouterr().out.startswith("✘")


@every_function
def test_a_check_takes_less_than_a_second(name):
    exercise = EXERCISES[name]
    judge(exercise, exercise.reference)
    started = time.process_time()  # of the processor, which others may keep busy
    judge(exercise, lambda *_: 0.0)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda u, y: EXERCISES["hash_loss"].reference(u, y).float(), "as float64, found float32"),
        (lambda u, y: EXERCISES["hash_loss"].reference(u, y)[None], "of shape (), found (1,)"),
        (lambda u, y: EXERCISES["hash_loss"].reference(u, y).detach(), "right, but no gradient reaches u"),
        (lambda u, y: EXERCISES["hash_loss"].reference(u, y).item(), "right, but no gradient reaches u"),
        (lambda u, y: 2 + EXERCISES["hash_loss"].reference(u, y), "as the value, found 2."),
        (lambda u, y: EXERCISES["hash_loss"].reference(u.detach() + 0 * u, y), "gradient"),
        (lambda u, y: u.data.mul_(0).sum(), "changes its argument u"),
    ],
)
def test_the_first_property_that_fails_is_named(answer, said):
    verdict = judge(EXERCISES["hash_loss"], answer)
    assert verdict.status == "wrong" and said in verdict.text and not verdict.wrong


def test_a_constant_that_should_have_no_gradient_is_told():
    answer = judge(EXERCISES["quantization"], lambda u: 0.5 * (u.detach() - u.sign()).square().mean() + 0 * u.sum())
    assert answer.wrong == "no_gradient"


def test_letters():
    exercise = EXERCISES["leak_cards"]
    for right in ({"A", "C", "E"}, ["e", "c", "a"], lambda: {"A", "C", "E"}):
        assert judge(exercise, right).status == "right"
    for blank in (..., "", "?"):
        assert judge(exercise, blank).status == "not started"
    for wrong, named in (({"A", "C"}, "E"), ({"A", "B", "C", "E"}, "B"), (set(), "A"), ("A", "C")):
        verdict = judge(exercise, wrong)
        assert (verdict.status, verdict.wrong, verdict.text) == ("wrong", named, exercise.replies[named])
    for other in ({"Z"}, float("nan"), 3, None, lambda: None, lambda x: x, torch.zeros(2)):
        assert judge(exercise, other).status == "wrong"


@pytest.mark.parametrize("name", PREDICTIONS)
def test_predictions_know_one_letter(name):
    exercise = PREDICTIONS[name]
    (right,) = exercise.answer
    assert judge(exercise, right).status == judge(exercise, right.upper()).status == "right"
    for blank in ("?", "", ...):
        assert judge(exercise, blank).status == "not started" and "one letter of a, b" in judge(exercise, blank).text
    for letter in set(exercise.choices) - {right}:
        assert judge(exercise, letter).text == exercise.replies[letter]
    assert judge(exercise, "z").status == judge(exercise, {"a", "b"}).status == "wrong"


def test_hints_and_names(capsys):
    hint("hash_loss")
    hint("hash_loss", 3)
    assert re.findall("^Hint . of 3(?=: )", capsys.readouterr().out, re.MULTILINE) == ["Hint 1 of 3", "Hint 3 of 3"]
    with pytest.raises(asking.ConfigError, match="did you mean 'hash_loss'"):
        check("hash_los", ...)
    with pytest.raises(asking.ConfigError, match="level from 1 to 3, found 4"):
        hint("hash_loss", 4)


# the references are what the library does


def test_crosswise_and_statistics_are_those_of_the_method():
    from igan_lib import preset
    from igan_lib.experiment.evaluation import recalibrated

    torch.manual_seed(0)
    config = preset("mnist5k", "digits", generator_width=2, discriminator_width=2)
    igan = build(config)
    u_s, u_t = torch.rand(2, 64), torch.rand(2, 64)
    for generator in (igan.g_s, igan.g_t):
        generator.eval()
    x_ss, x_ts, x_tt, x_st = igan._reconstruct(u_s, u_t)
    ours = EXERCISES["crosswise"].reference(u_s, u_t, igan.g_s, igan.g_t)
    for name, theirs in {"x_ss": x_ss, "x_ts": x_ts, "x_tt": x_tt, "x_st": x_st}.items():
        torch.testing.assert_close(ours[name], theirs, rtol=1e-4, atol=1e-5)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def encode(self, x):
            return self.norm(x)

    features = torch.randn(1000, 3)
    norm = recalibrated(Net(), features).norm
    mean, variance = EXERCISES["batch_norm"].reference([features[:500], features[500:]])
    torch.testing.assert_close((norm.running_mean, norm.running_var), (mean, variance))


def test_a_network_with_the_answer_s_statistics_is_the_recalibrated_one():
    from igan_lib.compared.adaptation import batch_norms
    from igan_lib.data.domains import load_domain
    from igan_lib.exercises.draw_results import with_statistics
    from igan_lib.exercises.trained import network_of_mnist
    from igan_lib.experiment.evaluation import codes_and_logits, recalibrated

    digits = load_domain("digits12")
    images = digits.train.images
    own = with_statistics(network_of_mnist(), images, EXERCISES["batch_norm"].reference)
    library = recalibrated(network_of_mnist(), images)
    assert len(batch_norms(own)) == 3
    for theirs, ours in zip(batch_norms(library), batch_norms(own), strict=True):
        torch.testing.assert_close(ours.running_mean, theirs.running_mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=1e-4, atol=1e-5)
    u, again = (codes_and_logits(net, digits.test.images)[0] for net in (own, library))
    torch.testing.assert_close(u, again, rtol=1e-3, atol=1e-3)


def build(config):
    from types import SimpleNamespace

    from igan_lib.experiment.methods import build as of_library

    return of_library(config, SimpleNamespace(shape=(1, 28, 28), n_classes=10))


def test_protocols_are_those_of_the_library():
    from igan_lib.retrieval.protocols import both, evaluate_retrieval

    generator = torch.Generator().manual_seed(0)
    u_t, u_s = torch.rand(20, 16, generator=generator) - 0.5, torch.rand(30, 16, generator=generator) - 0.5
    y_t, y_s = torch.arange(20) % 3, torch.arange(30) % 3
    for name, theirs in both(u_t, y_t, u_s, y_s).items():
        *sides, exclude_self = EXERCISES["protocols"].reference(name, u_t, y_t, u_s, y_s)
        assert evaluate_retrieval(*sides, exclude_self=exclude_self).map == theirs.map


def test_centroids_move_as_those_of_igan_with_a_memory():
    config = {"centroid_memory": 0.7, "generator_width": 2, "discriminator_width": 2}
    from igan_lib import preset

    igan = build(preset("mnist5k", "digits", **config))
    old = torch.rand(2, 10, 64)
    igan.centroids.copy_(old)
    igan.centroids_known.fill_(True)
    u_s, u_t = torch.rand(6, 64), torch.rand(6, 64)
    y_s, pseudo_t = torch.tensor([0, 0, 1, 2, 3, 3]), torch.tensor([-1, -1, 4, 4, 0, 9])
    igan._centroid_loss(u_s, y_s, u_t, pseudo_t)
    move = EXERCISES["centroids"].reference
    torch.testing.assert_close(igan.centroids[0], move(old[0], u_s, y_s, 0.7))
    torch.testing.assert_close(igan.centroids[1], move(old[1], u_t, pseudo_t, 0.7))
