"""How long, in what portions and at which rates a method is trained; the one owner of `steps`. Loads no torch."""

import math
from bisect import bisect_left
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Schedule(BaseModel):
    """What `fit` reads. Extra keys are refused, values are checked, instances are immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # strict: "7" is no number, 1 no truth value

    batch_size: Annotated[int, Field(ge=2)] = 100  # 3.2: 100 for M <-> U, 200 for S -> M; of each domain
    pretrain_steps: Annotated[int, Field(ge=0)] = 500  # not given; source-only training error is near zero by then
    steps: Annotated[int, Field(ge=1)] = 1500  # adaptation steps, the length of ramp and decay; not given
    stages: Annotated[int, Field(ge=1)] = 1  # 3.2: in each later one all but E is drawn anew; no number given
    decay: Literal["cosine", "constant"] = "cosine"  # not given; without decay accuracy swings by points to the end
    balanced: bool = False  # source batches with equally many images a class: Office-31, whose classes are uneven
    augment: bool = False  # igan+: small random affine maps of both domains' images
    random_crops: bool = False  # of photographs, with mirror images; on where a backbone is fine-tuned
    log_every: Annotated[int, Field(ge=1)] = 25  # steps between two rows of the history
    checkpoint_every: Annotated[int, Field(ge=1)] = 200  # a checkpoint costs milliseconds, a step tenths of seconds

    def starts_stage(self, adapted: int) -> bool:
        """Whether a second or later stage begins with the adaptation step `adapted`, counted from 0."""
        return adapted > 0 and adapted % self._stage_steps == 0

    def rate(self, adapted: int, ends: tuple[float, ...] = ()) -> float:
        """The factor of all rates at step `adapted`; the decay restarts with each stage and at the shares `ends`."""
        if self.decay == "constant":
            return 1.0
        own = (bisect_left(range(self.steps), share, key=lambda step: step / self.steps) for share in ends)
        borders = {*range(0, self.steps, self._stage_steps), *own, self.steps}
        start = max(border for border in borders if border <= adapted)
        end = min(border for border in borders if border > adapted)
        return cosine_decay((adapted - start) / (end - start))

    @property
    def _stage_steps(self) -> int:
        return -(-self.steps // self.stages)


def cosine_decay(progress: float) -> float:
    r"""The factor of the learning rates: $\frac{1}{2} (1 + \cos \pi p)$, from 1 at p = 0 to 0 at p = 1.

    p in [0, 1] is the share of the stage's steps taken. Not in the paper; half a cosine as in Loshchilov and Hutter
    (2017).
    """
    return 0.5 * (1 + math.cos(math.pi * progress))
