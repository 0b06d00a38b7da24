"""The exercise on who gets which gradient (Eq. 11 to 14), on small networks that update themselves."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from igan_lib.exercises.exercise import Case, Function, FunctionExercise, WrongAnswer, labels, uniform
from igan_lib.method import losses


class Descent:
    """Gradient descent without momentum; the first of torch's optimisers takes seconds to load, more than a check may.

    `before` is called at each step, before the weights move.
    """

    def __init__(self, parameters: list[nn.Parameter], rate: float = 0.1) -> None:
        self.parameters, self.rate = parameters, rate
        self.before: Callable[[], None] = lambda: None

    def step(self) -> None:
        """Move each weight down its gradient; one without a gradient stays."""
        self.before()
        with torch.no_grad():
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter -= self.rate * parameter.grad

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None


@dataclass
class Players:
    """Small networks and their optimisers: e, g_s, g_t, d_s, d_t, and opt_d (of both D) and opt_eg (of E, G^s, G^t)."""

    e: nn.Module
    g_s: nn.Module
    g_t: nn.Module
    d_s: nn.Module
    d_t: nn.Module
    opt_d: Descent
    opt_eg: Descent

    @property
    def groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of E, G and D."""
        modules = {"E": (self.e,), "G": (self.g_s, self.g_t), "D": (self.d_s, self.d_t)}
        return {name: [p for module in group for p in module.parameters()] for name, group in modules.items()}


def make_players(generator: torch.Generator, inputs: int = 6, bits: int = 4, n_classes: int = 3) -> Players:
    """Linear networks with random weights; a step is the gradient times 0.1."""

    def layer(size: int, outputs: int) -> nn.Module:
        made = nn.Linear(size, outputs, dtype=torch.float64)
        for parameter in made.parameters():
            parameter.data = uniform(generator, *parameter.shape)
        return made

    e = nn.Sequential(layer(inputs, bits), nn.Tanh())
    g_s, g_t = layer(bits, inputs), layer(bits, inputs)
    d_s, d_t = layer(inputs, n_classes + 1), layer(inputs, n_classes + 1)
    of_d, of_eg = ([p for module in group for p in module.parameters()] for group in ((d_s, d_t), (e, g_s, g_t)))
    return Players(e, g_s, g_t, d_s, d_t, Descent(of_d), Descent(of_eg))


Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def make_batch(generator: torch.Generator, inputs: int = 6, n_classes: int = 3) -> Batch:
    """x_s, y_s, x_t, pseudo_t of eight images each."""
    pseudo_t = labels(generator, 8, n_classes, low=-1)
    return uniform(generator, 8, inputs), labels(generator, 8, n_classes), uniform(generator, 8, inputs), pseudo_t


def alternating_update(players: Players, x_s: Tensor, y_s: Tensor, x_t: Tensor, pseudo_t: Tensor) -> None:
    """One step of Eq. 14, then one of Eq. 12 and 13 on L_a alone: D first, then E and G."""
    x_st, x_ts = players.g_t(players.e(x_s)), players.g_s(players.e(x_t))
    loss_d(players, x_s, y_s, x_t, pseudo_t, x_st.detach(), x_ts.detach()).backward()
    players.opt_d.step()
    players.opt_d.zero_grad()
    loss_eg(players, y_s, pseudo_t, x_st, x_ts).backward()
    players.opt_eg.step()
    players.opt_eg.zero_grad()
    players.opt_d.zero_grad()


def loss_d(
    players: Players, x_s: Tensor, y_s: Tensor, x_t: Tensor, pseudo_t: Tensor, x_st: Tensor, x_ts: Tensor
) -> Tensor:
    """What D descends, Eq. 14: both domains' sides of Eq. 10."""
    of_s = losses.discriminator_loss(players.d_s(x_s), y_s, players.d_s(x_ts))
    return of_s + losses.discriminator_loss(players.d_t(x_t), pseudo_t, players.d_t(x_st))


def loss_eg(players: Players, y_s: Tensor, pseudo_t: Tensor, x_st: Tensor, x_ts: Tensor) -> Tensor:
    """What E and G descend: crosswise images must pass as real, with the class of their code."""
    return losses.generator_loss(players.d_t(x_st), y_s) + losses.generator_loss(players.d_s(x_ts), pseudo_t)


def weights_after(function: Function, arguments: tuple) -> dict[str, Tensor]:
    """The weights of E, G and D after two updates with `function`, on copies of the players."""
    players, batch = copy.deepcopy(arguments[0]), arguments[1:]
    for _ in range(2):
        function(players, *batch)
    return _weights(players)


def _weights(players: Players) -> dict[str, Tensor]:
    groups = players.groups.items()
    return {f"the weights of {name}": torch.cat([p.detach().flatten() for p in group]) for name, group in groups}


def _not_detached(players: Players, x_s: Tensor, y_s: Tensor, x_t: Tensor, pseudo_t: Tensor) -> None:
    x_st, x_ts = players.g_t(players.e(x_s)), players.g_s(players.e(x_t))
    loss_d(players, x_s, y_s, x_t, pseudo_t, x_st, x_ts).backward(retain_graph=True)
    players.opt_d.step()
    players.opt_d.zero_grad()
    loss_eg(players, y_s, pseudo_t, x_st, x_ts).backward()
    players.opt_eg.step()
    players.opt_eg.zero_grad()
    players.opt_d.zero_grad()


def _not_zeroed(players: Players, x_s: Tensor, y_s: Tensor, x_t: Tensor, pseudo_t: Tensor) -> None:
    x_st, x_ts = players.g_t(players.e(x_s)), players.g_s(players.e(x_t))
    loss_d(players, x_s, y_s, x_t, pseudo_t, x_st.detach(), x_ts.detach()).backward()
    players.opt_d.step()
    loss_eg(players, y_s, pseudo_t, x_st, x_ts).backward()
    players.opt_eg.step()


def _wrong_side(players: Players, x_s: Tensor, y_s: Tensor, x_t: Tensor, pseudo_t: Tensor) -> None:
    x_st, x_ts = players.g_t(players.e(x_s)).detach(), players.g_s(players.e(x_t)).detach()
    loss_d(players, x_s, y_s, x_t, pseudo_t, x_st, x_ts).backward()
    players.opt_d.step()
    players.opt_d.zero_grad()


def _moved(function: Function, case: Case) -> dict[str, bool]:
    now, before = weights_after(function, case.arguments), weights_after(lambda *_: None, case.arguments)
    return {name.rpartition(" ")[2]: not torch.equal(now[name], before[name]) for name in now}


def _helps_d(function: Function, case: Case) -> bool:
    """Whether D's loss reaches E and G: by the weights, or because their graph is gone at the second backward pass."""
    try:
        now = weights_after(function, case.arguments)
    except RuntimeError as error:
        return "second time" in str(error)
    wrong = weights_after(_not_detached, case.arguments)
    return all(torch.allclose(now[name], wrong[name]) for name in wrong)


def _only_d_moves(function: Function, case: Case) -> bool:
    moved = _moved(function, case)
    return moved["D"] and not moved["E"] and not moved["G"]


def _stale_alone(function: Function, case: Case) -> bool:
    """Whether all is right once each step forgets every gradient by itself."""

    class Forgetful(Descent):
        def step(self) -> None:
            super().step()
            for group in players.groups.values():
                for parameter in group:
                    parameter.grad = None

    players = copy.deepcopy(case.arguments[0])
    players.opt_d, players.opt_eg = Forgetful(players.opt_d.parameters), Forgetful(players.opt_eg.parameters)
    expected = weights_after(alternating_update, case.arguments)
    for _ in range(2):
        function(players, *case.arguments[1:])
    return all(torch.allclose(weights, expected[name]) for name, weights in _weights(players).items())


GRADIENTS = FunctionExercise(
    name="gradients",
    title="Say who gets which gradient",
    minutes=12,
    difficulty=3,
    equation="Eq. 11 to 14",
    reference=alternating_update,
    cases=lambda generator: [Case("two updates", (make_players(generator), *make_batch(generator)))],
    call=weights_after,
    wrong=(
        WrongAnswer(
            "not_detached",
            _not_detached,
            "D's loss also reaches E and G: their gradients of both losses add up, and they learn to help D. Where "
            "must the drawn images be cut from the networks that drew them?",
            shows=_helps_d,
        ),
        WrongAnswer(
            "not_zeroed",
            _not_zeroed,
            "Gradients of earlier steps are still there: the loss of E and G also leaves some on D, and they add up to "
            "D's next ones. When should each optimiser forget?",
            shows=_stale_alone,
        ),
        WrongAnswer(
            "wrong_side",
            _wrong_side,
            "E and G never move. Their loss gets images that are cut from them: only D's loss should see such images.",
            shows=_only_d_moves,
        ),
    ),
    hints=(
        "Ask of each of the two losses: which networks may it change, and through which image does it reach others?",
        "Eq. 14: D descends its loss on drawn images that count as constants. Eq. 12 and 13: E and G descend theirs "
        "through D, which stays as it is. Between two backward passes a gradient is kept until zero_grad.",
        "Start with the images of both paths: `x_st, x_ts = players.g_t(players.e(x_s)), players.g_s(players.e(x_t))`",
    ),
    right="Each loss moves its own networks alone: D its own, E and G theirs.",
)


def update_norms(function: Function, players: Players, batch: Batch) -> dict[str, dict[str, float]]:
    """For each optimiser step of `function`: the length of the gradient that E, G and D hold at that moment."""
    players = copy.deepcopy(players)
    seen: dict[str, dict[str, float]] = {}

    def note(name: str) -> None:
        norms = {}
        for group, parameters in players.groups.items():
            squares = [p.grad.square().sum() for p in parameters if p.grad is not None]
            norms[group] = float(sum(squares)) ** 0.5 if squares else 0.0
        seen[name] = norms

    players.opt_d.before = lambda: note("step of D")
    players.opt_eg.before = lambda: note("step of E and G")
    function(players, *batch)
    return seen
