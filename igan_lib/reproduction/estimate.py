"""One number over seeds, held against the number that the paper prints: mean, two intervals, and one verdict.

The paper prints one number, most likely of one run. So it is held against the 95 % prediction interval for one further
run of ours: a true replication passes 95 times in 100, at any number of seeds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scipy import stats

SEEDS_FOR_A_VERDICT = 5
# Of two values the t-interval hangs on a single difference: 12.7 standard errors to either side.
SEEDS_FOR_AN_INTERVAL = 3
WIDE = 5.0  # points to either side of a mean
ROUNDING = 1e-9  # of floating point, where all seeds agree

# From worst to best; a claim of several parts is as good as the worst part that was compared.
VERDICTS = {
    "below": "not reproduced: the printed number lies above our prediction interval; where only a direction is "
    "claimed, the interval of our mean lies below zero.",
    "undecided": "fewer than five seeds; or the printed number lies inside our prediction interval, and so does the "
    f"zero of a difference, or it reaches further than {WIDE:g} points from the mean; or, where only a direction is "
    "claimed, the interval of our mean contains zero.",
    "above": "the printed number lies below our prediction interval: ours is larger.",
    "reproduced": "the printed number lies inside our prediction interval; where only a direction is claimed, the "
    "interval of our mean lies above zero.",
    "not comparable": "another backbone, protocol or data than the paper's, or a method that fails here (it ends below "
    "source-only); the reason stands beside it.",
    "not run": "there are no results.",
}

Kind = Literal["value", "difference", "direction"]


@dataclass(frozen=True)
class Estimate:
    """Values of runs that differ by their seed alone, in per cent or in points.

    Attributes:
        values: seed -> value.
        printed: what the paper prints for it; None: nothing.
        kind: "value", "difference" (zero is no effect) or "direction" (the paper claims a sign and prints no number).
        reason: why it can't be compared with what the paper prints; empty: it can.
    """

    values: Mapping[int, float]
    printed: float | None = None
    kind: Kind = "value"
    reason: str = ""

    def __sub__(self, other: "Estimate") -> "Estimate":
        """The paired difference on the seeds that both have; printed where both are."""
        common = sorted(self.values.keys() & other.values.keys())
        both = self.printed is not None and other.printed is not None
        printed = round(self.printed - other.printed, 2) if both else None
        values = {seed: self.values[seed] - other.values[seed] for seed in common}
        return Estimate(values, printed, "difference", self.reason or other.reason)

    @property
    def n(self) -> int:
        """The number of seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean over seeds; NaN without values."""
        return sum(self.values.values()) / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        r"""The 95 % interval of the mean, $\bar x \mp t s / \sqrt n$; NaN below `SEEDS_FOR_AN_INTERVAL` seeds."""
        return self._around_mean(1 / self.n if self.n else math.nan)

    @property
    def predicted(self) -> tuple[float, float]:
        r"""The 95 % interval for one further run, $\bar x \mp t s \sqrt{1 + 1/n}$; NaN as `interval`."""
        return self._around_mean(1 + 1 / self.n if self.n else math.nan)

    def _around_mean(self, variance: float) -> tuple[float, float]:
        """`variance`: of what is to be covered, in units of one run's."""
        if self.n < SEEDS_FOR_AN_INTERVAL:
            return math.nan, math.nan
        mean = self.mean
        spread = math.sqrt(sum((value - mean) ** 2 for value in self.values.values()) / (self.n - 1) * variance)
        half = float(stats.t.ppf(0.975, self.n - 1)) * spread
        return mean - half, mean + half

    @property
    def share(self) -> float:
        """Which share of a printed gain was found; NaN where no gain is printed, or we found none."""
        gains = self.kind == "difference" and self.printed is not None and min(self.printed, self.mean) > 0
        return self.mean / self.printed if gains else math.nan

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`; empty where the paper says nothing that this could be held against."""
        if not self.n:
            return "not run"
        if self.kind != "direction" and self.printed is None:
            return ""
        if self.reason:
            return "not comparable"
        if self.n < SEEDS_FOR_A_VERDICT:
            return "undecided"
        if self.kind == "direction":
            low, high = self.interval
            return "reproduced" if low > 0 else "below" if high < 0 else "undecided"
        low, high = self.predicted[0] - ROUNDING, self.predicted[1] + ROUNDING
        if not low <= self.printed <= high:
            return "below" if self.printed > high else "above"
        wide = high - self.mean > WIDE or (self.kind == "difference" and low <= 0 <= high)
        return "undecided" if wide else "reproduced"

    def __str__(self) -> str:
        """As in "+4.2 (+2.8 to +5.5), n = 5, paper +4.0, 105 % of it"; a value has no signs."""
        if not self.n:
            return f"not run{', ' if self.reason else ''}{self.reason}"
        form = "{:.1f}" if self.kind == "value" else "{:+.1f}"
        ends = " to ".join(form.format(end) for end in self.interval)
        spread = f" ({ends})" if self.n >= SEEDS_FOR_AN_INTERVAL else ""
        printed = "" if self.printed is None else f", paper {form.format(self.printed)}"
        share = "" if math.isnan(self.share) else f", {self.share:.0%} of it".replace("%", " %")
        return f"{form.format(self.mean)}{spread}, n = {self.n}{printed}{share}"
