"""Effects: differences on the same seeds, what is said of one, and where they come from.

An effect is in per cent points, with its 95 % t-interval over seeds. `Effect.verdict` follows `RULES`. The paper's
difference may be one that no result could reach, where the row that ours is compared with leaves less of 100 %: then
the sign decides, and this counts at best as "direction only".
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from igan_lib.experiment.run import RunResult
from igan_lib.reproduction.paper_claims import Step
from igan_lib.reproduction.studies import STUDIES, Row, Study, column
from igan_lib.reproduction.study_tables import Cells
from igan_lib.reproduction.tables import SEEDS_FOR_A_VERDICT, UNDECIDED, by_width_alone, t_interval

# As report and notebook 09 tell them, from best to worst: a claim of several parts is as good as the worst of them.
RULES = {
    "reproduced": "the interval lies above zero, and the difference that the paper prints lies inside it or below it; "
    "where the paper prints none, the sign decides. A deficit that the paper concedes is reproduced where the printed "
    "one lies inside the interval or below it: ours is not shown to be larger.",
    "direction only": "the interval lies above zero, and below the printed difference, or that lies inside it by its "
    "width alone. No more than this is said under conditions other than the paper's, or where the row that ours is "
    "compared with leaves fewer points than are printed: there the sign decides.",
    "undecided": "the interval holds zero, and what is claimed too; or it holds a conceded deficit by its width alone.",
    "too few seeds": f"fewer than {SEEDS_FOR_A_VERDICT}.",
    "not run": "there are no values, or nothing that they may be compared with.",
    "not reproduced": "the interval ends at zero or below it, or it holds zero and ends below the printed difference. "
    "Of a conceded deficit: it ends below what is printed.",
}
BY_WIDTH = f"By its width alone: the interval reaches further than {UNDECIDED:g} points from its middle."
VERDICTS = tuple(reversed(RULES))  # from worst to best
NARROW = 0.05  # points, a test image of USPS: how narrowly a printed difference is reached is said below it


@dataclass(frozen=True)
class Effect:
    """A difference that a claim rests on, seed by seed, in per cent points."""

    what: str
    values: tuple[float, ...] = ()
    printed: float | None = None  # None: only a sign is claimed
    limit: str = ""  # why it counts at best as "direction only"
    reason: str = ""  # why there are no values
    room: float = math.inf  # points from what it is compared with to 100 %: no difference can be larger

    @property
    def n(self) -> int:
        """The number of seeds."""
        return len(self.values)

    @property
    def interval(self) -> tuple[float, float, float]:
        """Mean and ends of the 95 % t-interval; NaN where there is none."""
        return t_interval(self.values) if self.values else (math.nan, math.nan, math.nan)

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`, by `RULES`."""
        _, low, high = self.interval
        if len(self.values) < SEEDS_FOR_A_VERDICT:
            return "too few seeds" if self.values else "not run"
        size = None if self._no_room else self.printed
        reached = size is None or size <= high
        chance = size is not None and by_width_alone(size, low, high)
        if size is not None and size < 0:
            found = "undecided" if chance else "reproduced" if reached else "not reproduced"
        elif low > 0:
            found = "reproduced" if reached and not chance else "direction only"
        else:
            found = "undecided" if reached and high > 0 else "not reproduced"
        return "direction only" if self.limits and found == "reproduced" else found

    @property
    def _no_room(self) -> bool:
        return self.printed is not None and self.printed > self.room

    @property
    def limits(self) -> str:
        """Why it counts at best as "direction only"; empty where it may be more."""
        room = f"the other row leaves {self.room:.1f} points, less than printed" if self._no_room else ""
        return "; ".join(filter(None, (self.limit, room)))

    @property
    def numbers(self) -> str:
        """Mean, interval, seeds and the paper's difference, or why there is none."""
        if not self.values:
            return f"not run, {self.reason}"
        mean, low, high = self.interval
        spread = "" if math.isnan(low) else f" ({low:+.2f} to {high:+.2f})"
        printed = "" if self.printed is None else f", paper {self.printed:+.2f}"
        if self.printed is not None and self.verdict == "reproduced" and high - self.printed < NARROW:
            printed += f" (reached by {high - self.printed:.3f})"
        return f"{mean:+.2f}{spread}, n = {self.n}{printed}"

    def __str__(self) -> str:
        limits = f", {self.limits}" if self.values and self.limits else ""
        return f"{self.what}: {self.numbers}{limits}"


class Evidence:
    """The results of one profile, as the tests ask for them.

    Args:
        results: any results; only those that are exactly a run of a study under `profile` count.
        studies: the tables by name.
    """

    def __init__(
        self,
        results: Iterable[RunResult],
        profile: str = "cpu",
        studies: dict[str, Study] = STUDIES,
    ) -> None:
        results = list(results)
        self.profile = profile
        self._cells = {name: Cells(study, results, profile) for name, study in studies.items()}

    def _row(self, study: str, label: str) -> Row:
        (row,) = [row for row in self._cells[study].study.rows if row.label == label]
        return row

    def values(self, study: str, label: str, name: str) -> dict[int, float]:
        """Seed -> value of the cell, also of a column that is not the study's own; empty without runs."""
        return self._cells[study].values(self._row(study, label), as_pair(name))

    def rises(self, study: str, label: str, name: str, measure: str) -> dict[int, float]:
        """Seed -> how far a measure of the target is above that of the same run's source-only network."""
        found = self._cells[study].results(self._row(study, label), as_pair(name))
        after, before = f"target_{measure}", f"source_only_{measure}"
        return {
            seed: result.metrics[after] - result.metrics[before]
            for seed, result in found.items()
            if {after, before} <= result.metrics.keys()
        }

    def other_backbone(self, study: str, label: str, name: str) -> str:
        """The backbone of the cell and its regime, where the paper fine-tunes AlexNet and we do not; else empty."""
        config = self._cells[study].study.config(self._row(study, label), as_pair(name), 0, self.profile)
        return "" if config.network in ("none", "finetuned alexnet") else config.network

    def differences(self, study: str, step: Step, names: Iterable[str]) -> dict[int, float]:
        """Seed -> row minus base, mean over the columns, of the seeds that all of their cells have."""
        by_column = []
        for name in names:
            row, base = self.values(study, step.row, name), self.values(study, step.base, name)
            by_column.append({seed: row[seed] - base[seed] for seed in row.keys() & base.keys()})
        return _mean_by_seed(by_column)

    def average(self, study: str, label: str, names: Iterable[str]) -> dict[int, float]:
        """Seed -> value of a row, mean over the columns, of the seeds that all of them have."""
        return _mean_by_seed([self.values(study, label, name) for name in names])


def _mean_by_seed(by_column: list[dict[int, float]]) -> dict[int, float]:
    common = set.intersection(*map(set, by_column)) if by_column else set()
    return {seed: sum(values[seed] for values in by_column) / len(by_column) for seed in sorted(common)}


def as_pair(name: str) -> tuple[str, str]:
    """The pair of a column's name: "mnist->usps" or, for a user's file, "npz:FILE->usps"."""
    source, _, target = name.partition("->")
    return source, target


def readable(*names: str) -> str:
    """Columns as a reader sees them: "on mnist → usps", or "on average over mnist → usps and usps → mnist"."""
    texts = [column(as_pair(name)).replace("->", " → ") for name in names]
    return f"on {texts[0]}" if len(texts) == 1 else f"on average over {', '.join(texts[:-1])} and {texts[-1]}"
