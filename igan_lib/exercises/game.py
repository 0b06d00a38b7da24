"""Exercises on the crosswise paths and the game (Eq. 6 to 10)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from igan_lib.exercises.exercise import Case, FunctionExercise, WrongAnswer, labels, uniform
from igan_lib.method import losses

Images = dict[str, Tensor]
Generator = Callable[[Tensor], Tensor]


def drawn_images(u_s: Tensor, u_t: Tensor, g_s: Generator, g_t: Generator) -> Images:
    """Eq. 6 and 8: the four images by name. Of x_ab, a is the domain of the code and b that of the generator."""
    return {"x_ss": g_s(u_s), "x_tt": g_t(u_t), "x_st": g_t(u_s), "x_ts": g_s(u_t)}


def _two_generators(generator: torch.Generator) -> list[Case]:
    def drawing(size: int) -> Generator:
        weight, bias = uniform(generator, 4, size), uniform(generator, size)
        return lambda u: torch.tanh(u @ weight + bias)

    codes = uniform(generator, 3, 4), uniform(generator, 3, 4)
    other = uniform(generator, 2, 4), uniform(generator, 5, 4)
    return [
        Case("3 source and 3 target codes", (*codes, drawing(6), drawing(6)), (0, 1)),
        Case("2 source and 5 target codes", (*other, drawing(3), drawing(3)), (0, 1)),
    ]


CROSSWISE = FunctionExercise(
    name="crosswise",
    title="Send two codes through two generators",
    minutes=10,
    difficulty=1,
    equation="Eq. 6 and 8",
    reference=drawn_images,
    cases=_two_generators,
    wrong=(
        WrongAnswer(
            "exchanged",
            lambda u_s, u_t, g_s, g_t: drawn_images(u_s, u_t, g_s, g_t) | {"x_st": g_s(u_t), "x_ts": g_t(u_s)},
            "Your two crosswise images stand under each other's name. The first letter is the domain of the code, the "
            "second that of the generator.",
        ),
        WrongAnswer(
            "straight",
            lambda u_s, u_t, g_s, g_t: drawn_images(u_s, u_t, g_s, g_t) | {"x_st": g_s(u_s), "x_ts": g_t(u_t)},
            "Nothing crosses: all your images are drawn in the domain that their code comes from. What would the "
            "discriminators have to judge?",
        ),
        WrongAnswer(
            "one_generator",
            lambda u_s, u_t, g_s, g_t: drawn_images(u_s, u_t, g_s, g_s),
            "One generator draws everything. The paper has one for each domain, and each of them sees codes of both.",
        ),
    ),
    hints=(
        "Four arrows leave two codes. Follow each one in the picture above: from which code, into which generator?",
        "G^s draws in the style of the source, G^t in that of the target. x_ss and x_tt stay in their domain (Eq. 6), "
        "x_st and x_ts cross (Eq. 8). The codes are B x d.",
        'Start with the two that stay: `own = {"x_ss": g_s(u_s), "x_tt": g_t(u_t)}`',
    ),
    right="Each generator draws both domains' codes in its own style, so the code has to carry the class.",
)


def game_losses(real_logits: Tensor, y: Tensor, fake_logits: Tensor, y_code: Tensor) -> tuple[Tensor, Tensor]:
    """The two sides of Eq. 10 for one domain: what D descends, and what E and G descend."""
    return losses.discriminator_loss(real_logits, y, fake_logits), losses.generator_loss(fake_logits, y_code)


def _batches_of_the_game(generator: torch.Generator) -> list[Case]:
    def logits(size: int) -> Tensor:
        return 3 * uniform(generator, size, 5)

    known, some = labels(generator, 6, 4), torch.tensor([-1, 2, -1, 0])
    return [
        Case("source images, all with labels", (logits(6), known, logits(6), labels(generator, 6, 4)), (0, 2)),
        Case("target images, some without a pseudo-label", (logits(4), some, logits(4), some.flip(0)), (0, 2)),
    ]


def _first_is_fake(real_logits: Tensor, y: Tensor, fake_logits: Tensor, y_code: Tensor) -> tuple[Tensor, Tensor]:
    told = -fake_logits.log_softmax(1)[:, 0].mean()
    return losses.real_label_loss(real_logits, y) + told, losses.generator_loss(fake_logits, y_code)


def _no_label_is_fake(real_logits: Tensor, y: Tensor, fake_logits: Tensor, y_code: Tensor) -> tuple[Tensor, Tensor]:
    fake = real_logits.shape[1] - 1
    loss = nn.functional.cross_entropy(real_logits, torch.where(y < 0, fake, y)) + losses.fake_loss(fake_logits)
    return loss, losses.generator_loss(fake_logits, y_code)


GAME = FunctionExercise(
    name="game",
    title="Play the (N+1)-way game",
    minutes=10,
    difficulty=2,
    equation="Eq. 9 and 10",
    reference=game_losses,
    cases=_batches_of_the_game,
    wrong=(
        WrongAnswer(
            "told_fake",
            lambda real_logits, y, fake_logits, y_code: (
                losses.discriminator_loss(real_logits, y, fake_logits),
                losses.fake_loss(fake_logits),
            ),
            "Your generator is paid when D says that its image is fake. What does the generator wish that D says?",
        ),
        WrongAnswer(
            "no_class",
            lambda real_logits, y, fake_logits, y_code: (
                losses.discriminator_loss(real_logits, y, fake_logits),
                losses.generator_loss(fake_logits, torch.full_like(y_code, -1)),
            ),
            "Your generator is paid for any image that looks real. The paper asks for more: the image must keep the "
            "class of the code that it came from.",
        ),
        WrongAnswer(
            "first_is_fake",
            _first_is_fake,
            "You take the first output for the fake class. There the digit 0 stands; the fake class is the N + 1-th.",
        ),
        WrongAnswer(
            "no_label_is_fake",
            _no_label_is_fake,
            "Real target images without a pseudo-label are told to be fake: -1 counts from the end. They are real, "
            "only their class is not known.",
        ),
    ),
    hints=(
        "D has N + 1 answers. Write down for each of the four kinds of image which answer each player wants.",
        "D: -log p of (real, its class) on real images, plus -log p of the fake class on drawn ones. G: -log p of "
        "(real, class of the code) on drawn ones. The logits are B x (N + 1), the last column is the fake class.",
        "Start with the drawn images, as D sees them: `log_fake = fake_logits.log_softmax(1)[:, -1]`",
    ),
    right="D tells drawn images from real ones, and the generator is paid for a real look and the right class.",
)
