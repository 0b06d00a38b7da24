"""SuH: the supervised hash loss with the target's labels, the upper bound of Table 3 and the one method that sees them.

The trainer knows no target labels and stays as it is: to it, SuH is a method whose "source" is the labelled target.

    labelled = reveal_target_labels(pair)
    method = SuH(encoder, config, labelled)
    fit(method, labelled.for_training(), schedule, seed=seed)
"""

from dataclasses import dataclass

from torch import Tensor, nn

from igan_lib.compared.dah import DAHConfig, NoDA
from igan_lib.data.domains import DomainPair, TrainingData
from igan_lib.errors import ConfigError


@dataclass(frozen=True, eq=False)
class LabelledTarget:
    """The target's training images with their labels; no method but SuH takes it, and SuH takes nothing else.

    x_t: N_t images or feature vectors. y_t: int64, N_t.
    """

    x_t: Tensor
    y_t: Tensor
    n_classes: int

    def for_training(self) -> TrainingData:
        """What `training.fit` takes, with the labelled target in the place of the source."""
        return TrainingData(x_s=self.x_t, y_s=self.y_t, x_t=self.x_t, n_classes=self.n_classes)


def reveal_target_labels(pair: DomainPair) -> LabelledTarget:
    """The target's training images and labels, for the upper bound alone: what is trained on them adapts nothing."""
    train = pair.target.train
    if (train.labels < 0).any():
        raise ConfigError(f"Expected a labelled target for SuH, found {pair.target.name} without labels: train NoDA.")
    return LabelledTarget(train.images, train.labels, pair.n_classes)


class SuH(NoDA):
    """The loss of NoDA on the labelled target; see `dah.NoDA`, of which `source_only` means "after pre-training" here.

    Args:
        encoder, config: as for NoDA.
        labelled: from `reveal_target_labels`; it is asked for, so that nobody trains SuH without knowing what it sees,
            and only its number of classes is kept.

    Raises:
        ConfigError: anything but a `LabelledTarget`, such as the data of the other methods.
    """

    def __init__(self, encoder: nn.Module, config: DAHConfig, labelled: LabelledTarget) -> None:
        if not isinstance(labelled, LabelledTarget):
            raise ConfigError(
                f"Expected a LabelledTarget for SuH, found {type(labelled).__name__}: "
                "make one with suh.reveal_target_labels, or train NoDA."
            )
        super().__init__(encoder, config, labelled.n_classes)
