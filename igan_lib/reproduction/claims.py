"""The claims of `paper_claims`, each decided from the results, by the rules of `effects`.

Conditions other than the paper's:

- A difference between two of our own rows counts at best as "direction only" where their backbone is not the paper's,
  or where an average lacks S → M, for which all of SVHN is needed. Such an average is compared with what the paper
  prints for the other columns. S → M comes in as soon as every row of the check has the seeds for a verdict there.
- A difference to another method's printed number tells about methods only where the backbone is the paper's: elsewhere
  it counts as not run.

A claim of several parts holds where all hold, and has the verdict of its worst part.
"""

import math
from collections.abc import Iterable

import pandas as pd

from igan_lib.experiment.run import RunResult
from igan_lib.reproduction.effects import VERDICTS, Effect, Evidence, readable
from igan_lib.reproduction.paper import AVERAGES, S_M, TABLES
from igan_lib.reproduction.paper_claims import CLAIMS, Claim, Step
from igan_lib.reproduction.tables import SEEDS_FOR_A_VERDICT

COLUMNS = ["claim", "section", "sentence", "verdict", "numbers", "n"]
PART_COLUMNS = ["claim", "part", "n", "mean", "low", "high", "printed", "verdict", "remark"]
OURS = "igan"  # the row of Tables 1 and 2 that is the paper's method
SHOWN = 4  # a claim of more parts is told by its weakest


def _why_missing(name: str) -> str:
    return "S → M needs all of SVHN, of which svhn7k is a part" if name == S_M else "no runs"


def _not_comparable(evidence: Evidence, study: str, name: str) -> str:
    """Why our runs can't be held against the paper's printed numbers of other methods; empty where they can."""
    backbone = evidence.other_backbone(study, OURS, name)
    return f"ours are of {backbone}, the printed number of finetuned alexnet" if backbone else ""


def over_printed(evidence: Evidence, study: str, table: str, other: str, sizes: dict[str, float]) -> list[Effect]:
    """Ours over another method's printed numbers; sizes: column -> the difference as the paper's sentence gives it."""
    effects = []
    for name, size in sizes.items():
        printed = TABLES[table][other][name]
        reason = _not_comparable(evidence, study, name)
        values = {} if reason else evidence.values(study, OURS, name)
        what = f"{OURS} over {other}'s printed {printed:.1f} {readable(name)}"
        effects.append(
            Effect(what, tuple(value - printed for value in values.values()), size, reason=reason or _why_missing(name))
        )
    return effects


def average_over_printed(evidence: Evidence, study: str, table: str, other: str, size: float) -> list[Effect]:
    """Ours over another method's average; it takes every column, since methods differ in their strong ones."""
    cells = TABLES[table][other]
    printed = sum(cells.values()) / len(cells)
    by_column = {name: evidence.values(study, OURS, name) for name in cells}
    missing = [name for name, values in by_column.items() if not values]
    reasons = [_not_comparable(evidence, study, name) for name in cells] + [_why_missing(name) for name in missing]
    reason = next(filter(None, reasons), "no seed has all columns")
    usable = [] if any(reasons) else sorted(set.intersection(*map(set, by_column.values())))
    values = tuple(sum(values[seed] for values in by_column.values()) / len(cells) - printed for seed in usable)
    return [Effect(f"{OURS}'s average over {other}'s {printed:.2f}", values, size, reason=reason)]


def over_rows(evidence: Evidence, study: str, steps: tuple[Step, ...], columns: tuple[str, ...]) -> list[Effect]:
    """One of our rows over another, column by column."""
    return [_over(evidence, study, step, [name], step.printed.get(name)) for name in columns for step in steps]


def over_rows_on_average(
    evidence: Evidence, study: str, steps: tuple[Step, ...], columns: tuple[str, ...]
) -> list[Effect]:
    """One of our rows over another, mean over the columns; S → M is left out where it has too few seeds."""
    effects, names = [], _with_runs(evidence, study, steps, columns)
    for step in steps:
        size = step.average
        if len(names) < len(columns) and step.printed:
            size = sum(step.printed[name] for name in names) / len(names)
        effects.append(_over(evidence, study, step, names, size, whole=len(names) == len(columns)))
    return effects


def first_adds_more(evidence: Evidence, study: str, steps: tuple[Step, ...], columns: tuple[str, ...]) -> list[Effect]:
    """What the first step adds, less what each other step adds, mean over the columns as in `over_rows_on_average`."""
    first, *others = steps
    effects, names = [], _with_runs(evidence, study, steps, columns)
    for other in others:
        ours, theirs = (evidence.differences(study, step, names) for step in (first, other))
        values = tuple(ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys()))
        what = f"{_added(first)} beyond {_added(other)} {readable(*names)}"
        limit = _limit(evidence, study, first.row, names, len(names) == len(columns))
        effects.append(Effect(what, values, limit=limit, reason="no runs"))
    return effects


def _with_runs(evidence: Evidence, study: str, steps: tuple[Step, ...], columns: tuple[str, ...]) -> list[str]:
    """The columns without S → M, unless every step has the seeds for a verdict there.

    With fewer it would take the verdict from the other columns: an average has the seeds that all of them have.
    """
    whole = all(len(evidence.differences(study, step, [S_M])) >= SEEDS_FOR_A_VERDICT for step in steps)
    return [name for name in columns if whole or name != S_M]


def _limit(evidence: Evidence, study: str, row: str, names: list[str], whole: bool) -> str:
    backbone = evidence.other_backbone(study, row, names[0])
    if backbone:
        return f"other conditions: {backbone}, not finetuned alexnet"
    return "" if whole else "other conditions: without S → M"


def _over(
    evidence: Evidence, study: str, step: Step, names: list[str], size: float | None, whole: bool = True
) -> Effect:
    by_seed = evidence.differences(study, step, names)
    base = evidence.average(study, step.base, names)
    room = 100 - sum(base[seed] for seed in by_seed) / len(by_seed) if by_seed else math.inf
    what = f"{step.row} over {step.base} {readable(*names)}"
    limit = _limit(evidence, study, step.row, names, whole)
    return Effect(what, tuple(by_seed.values()), size, limit, "no runs", room)


def _added(step: Step) -> str:
    """The loss that a step adds."""
    return step.row.removeprefix(f"{step.base}+")


def over_before(
    evidence: Evidence, study: str, row: str, measures: dict[str, str], columns: tuple[str, ...]
) -> list[Effect]:
    """Measures of the target's codes after adaptation, over those before it; measures: name -> as a reader sees it."""
    effects = []
    for name in columns:
        for measure, words in measures.items():
            values = tuple(evidence.rises(study, row, name, measure).values())
            limit = _limit(evidence, study, row, [name], whole=True)
            effects.append(Effect(f"{words} {readable(name)}", values, limit=limit, reason="no runs that measured it"))
    return effects


TESTS = {
    test.__name__: test
    for test in (over_printed, average_over_printed, over_rows, over_rows_on_average, first_adds_more, over_before)
}


def effects_of(evidence: Evidence, claim: Claim) -> list[tuple[str, Effect]]:
    """The differences that a claim rests on, in the order of its checks, each with its check's `beside`."""
    return [
        (check.beside, effect) for check in claim.checks for effect in TESTS[check.test](evidence, **check.arguments)
    ]


def judged(found: Iterable[tuple[str, Effect]]) -> list[Effect]:
    """Those of `effects_of` that have a say in the verdict."""
    return [effect for beside, effect in found if not beside]


def weakest(parts: Iterable[Effect]) -> Effect:
    """The one with the worst verdict, of several one that the paper prints a difference for, then the lowest mean."""
    return min(parts, key=_strength)


def decide(evidence: Evidence, claims: Iterable[Claim] = CLAIMS) -> pd.DataFrame:
    """One line a claim: verdict, the numbers behind it as a sentence, and n, the seeds of the part with the fewest."""
    lines = []
    for claim in claims:
        found = effects_of(evidence, claim)
        parts = judged(found)
        others = [f"{beside}: {effect}" for beside, effect in found if beside and effect.n]
        numbers = told(parts) + (f" Not judged: {'; '.join(others)}." if others else "")
        n = min(part.n for part in parts)
        lines.append([claim.id, claim.section, claim.sentence, weakest(parts).verdict, numbers, n])
    return pd.DataFrame(lines, columns=COLUMNS)


def claim_parts(evidence: Evidence, claims: Iterable[Claim] = CLAIMS) -> pd.DataFrame:
    """One line a difference that a claim rests on, in per cent points; `remark`: what limits it, or why it has none."""
    lines = []
    for claim in claims:
        for beside, part in effects_of(evidence, claim):
            verdict = "not judged" if beside else part.verdict
            remark = "; ".join(filter(None, (beside, part.limits if part.n else part.reason)))
            lines.append([claim.id, part.what, part.n, *part.interval, part.printed, verdict, remark])
    return pd.DataFrame(lines, columns=PART_COLUMNS).astype({"printed": float})


def decide_on_table(number: int, results: Iterable[RunResult], profile: str = "cpu") -> pd.DataFrame:
    """`decide` for the claims about one of the paper's tables, from any results."""
    return decide(Evidence(results, profile), [claim for claim in CLAIMS if claim.id.startswith(f"{number}-")])


def told(parts: list[Effect]) -> str:
    """The parts one by one; of many the weakest, and how many have which verdict."""
    if len(parts) == 1:
        return f"{parts[0]}."
    reasons = {"" if part.n else part.reason for part in parts}
    if len(reasons) == 1 and "" not in reasons:
        return f"{len(parts)} differences not run: {reasons.pop()}."
    if len(parts) <= SHOWN:
        return "; ".join(f"{part} [{part.verdict}]" if part.n else str(part) for part in parts) + "."
    verdicts = [part.verdict for part in parts]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in reversed(VERDICTS) if verdict in verdicts)
    below = sum(part.interval[2] < 0 for part in parts)  # never of NaN, where there is no interval
    return f"{len(parts)} differences: {counts}; {below} with an interval below zero; the weakest: {weakest(parts)}."


def _strength(part: Effect) -> tuple[int, bool, float]:
    mean = part.interval[0]
    return VERDICTS.index(part.verdict), part.printed is None, 0.0 if math.isnan(mean) else mean


def averages() -> pd.DataFrame:
    """Every printed average beside that of its row's printed cells, and whether rounding explains the difference."""
    lines = []
    for table, printed in AVERAGES.items():
        for row, average in printed.items():
            cells = TABLES[table][row].values()
            computed = sum(cells) / len(cells)
            label = row if isinstance(row, str) else "+".join(f"L_{loss}" for loss in row)
            # Half a hundredth, and what floating point adds to it.
            lines.append([table, label, average, computed, abs(average - computed) < 0.005 + 1e-9])
    return pd.DataFrame(lines, columns=["table", "row", "printed", "computed", "follows"])
