"""A training that is watched: what G draws from the same codes at moments of the adversarial game. Notebook 03."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from igan_lib.data.domains import DomainPair
from igan_lib.experiment.evaluation import recalibrated
from igan_lib.experiment.methods import build, training_data
from igan_lib.experiment.presets import ExperimentConfig
from igan_lib.training.checkpoints import HistoryRow
from igan_lib.training.fit import fit, pick_device
from tools.samples import crosswise, evenly_spaced


@dataclass
class Game:
    """A training that was watched.

    Attributes:
        x_s: source images, n x C x S x S uint8; drawn: adaptation step -> G^t(u_s), n x C x S x S in [-1, 1].
        history: as `fit` returns it; method: as it was at the end.
    """

    x_s: Tensor
    method: nn.Module
    drawn: dict[int, Tensor] = field(default_factory=dict)
    history: list[HistoryRow] = field(default_factory=list)


def watch(
    config: ExperimentConfig, pair: DomainPair, *, count: int = 10, device: str = "auto", progress: bool = True
) -> Game:
    """Train `config` and keep what G^t draws at four moments: first step, a tenth, a third, and the end.

    The codes are those of `count` source images in the source-only network, the same at all moments.
    """
    images = pair.source.train.images
    game = Game(images[evenly_spaced(len(images), count)], build(config, pair))
    wanted = [1, config.steps // 10, config.steps // 3, config.steps]

    def look(step: int, method: nn.Module, row: HistoryRow) -> None:
        adapted = step - config.pretrain_steps
        if "a" in config.losses and wanted and adapted >= wanted[0]:
            del wanted[0]
            net = recalibrated(method.source_only, images)
            game.drawn[adapted] = crosswise(net, method.g_s, method.g_t, game.x_s)[2]

    given = {"seed": config.seed, "device": pick_device(device), "on_log": look, "progress": progress}
    game.history = fit(game.method, training_data(config, pair), config, **given)
    return game
