"""The paper's claims (`sentences`) held against the results: an `Estimate` a comparison and column, a verdict each."""

from collections.abc import Iterable, Mapping

import pandas as pd

from igan_lib.reproduction.estimate import VERDICTS, Estimate
from igan_lib.reproduction.results import weighted_sum
from igan_lib.reproduction.sentences import AVERAGE, CLAIMS, Claim, Comparison
from igan_lib.reproduction.studies import QUOTED, STUDIES, Study
from igan_lib.reproduction.tables import NUMBERS, numbers

COLUMNS = ["claim", "section", "sentence", "verdict", "n", "numbers"]
PARTS = ["claim", "comparison", "column", *NUMBERS, "share", "verdict", "reason", "beside"]
COMPARED = [name for name in VERDICTS if name not in ("not comparable", "not run")]  # from worst to best
SHOWN = 7  # a claim of more parts is summed up in a line


def estimates(comparison: Comparison, runs: pd.DataFrame, profile: str, studies: Mapping[str, Study]):
    """Column (or `AVERAGE`) -> `Estimate` of one comparison, from a `results.frame`."""
    study = studies[comparison.study]

    def total(name: str, less: float) -> Estimate:
        pair = tuple(name.split("->"))
        rows = [(study.row(label), metric, weight) for (label, metric), weight in comparison.weights.items()]
        cells = [study.cell(runs, row, pair, profile, metric) for row, metric, _ in rows]
        weights = [weight for _, _, weight in rows]
        found = weighted_sum((weight, cell.values) for weight, cell in zip(weights, cells, strict=True))
        reasons = [] if comparison.ours else [row.reason.replace(QUOTED, "").strip("; ") for row, _, _ in rows]
        for (row, _, _), cell in zip(rows, cells, strict=True):
            if QUOTED in row.reason and (cell - study.cell(runs, study.row("source-only"), pair, profile)).mean < 0:
                reasons.append(f"the mean of {row.label} is below that of source-only on {name.replace('->', ' → ')}")
        values = {seed: value - less for seed, value in found.items()}
        return _held_against(values, comparison.printed.get(name), reasons)

    if not comparison.average:
        return {name: total(name, comparison.less.get(name, 0.0)) for name in comparison.columns}
    parts = [total(name, 0.0) for name in comparison.columns]
    mean = weighted_sum((1 / len(parts), part.values) for part in parts)
    values = {seed: value - comparison.less.get(AVERAGE, 0.0) for seed, value in mean.items()}
    return {AVERAGE: _held_against(values, comparison.printed.get(AVERAGE), [part.reason for part in parts])}


def _held_against(values: dict[int, float], printed: float | None, reasons: Iterable[str]) -> Estimate:
    reason = "; ".join(dict.fromkeys(filter(None, reasons)))
    return Estimate(values, printed, "direction" if printed is None else "difference", reason)


def claim_parts(
    runs: pd.DataFrame, profile: str = "cpu", claims: Iterable[Claim] = CLAIMS, studies: Mapping[str, Study] = STUDIES
) -> pd.DataFrame:
    """One line a comparison and column, in points; `text` holds its numbers as a reader sees them."""
    lines = []
    for claim in claims:
        for comparison in claim.comparisons:
            for name, found in estimates(comparison, runs, profile, studies).items():
                head, where = [claim.id, comparison.what, name], name.replace("->", " → ")
                place = "on average" if name == AVERAGE else f"on {where}"
                line = [*head, *numbers(found), found.share, found.verdict, found.reason, comparison.beside]
                lines.append([*line, f"{comparison.what} {place}: {found}"])
    return pd.DataFrame(lines, columns=[*PARTS, "text"])


def verdict_of(verdicts: Iterable[str]) -> str:
    """That of a claim from those of its parts: the worst of what was compared, else why nothing was."""
    verdicts = list(verdicts)
    for verdict in (*COMPARED, "not comparable"):
        if verdict in verdicts:
            return verdict
    return "not run"


def claim_verdicts(
    runs: pd.DataFrame, profile: str = "cpu", claims: Iterable[Claim] = CLAIMS, studies: Mapping[str, Study] = STUDIES
) -> pd.DataFrame:
    """One line a claim: its verdict, n (the seeds of the compared part with the fewest), and the numbers behind it."""
    claims = list(claims)
    parts = claim_parts(runs, profile, claims, studies)
    lines = []
    for claim in claims:
        own = parts[(parts["claim"] == claim.id) & (parts["beside"] == "")]
        verdict = verdict_of(own["verdict"])
        if verdict in COMPARED and not awaited(own).empty:
            verdict = verdict_of([verdict, "undecided"])
        deciding = own[own["verdict"] == verdict]
        n = int((awaited(own) if deciding.empty else deciding)["n"].min())
        lines.append([claim.id, claim.section, claim.sentence, verdict, n, summarize(own)])
    return pd.DataFrame(lines, columns=COLUMNS)


def awaited(own: pd.DataFrame) -> pd.DataFrame:
    """The parts of a claim without a run, in columns where others have one: "the best" may fall with any of them."""
    return own[(own["n"] == 0) & own["column"].isin(own.loc[own["n"] > 0, "column"])]


def summarize(own: pd.DataFrame) -> str:
    """The parts of a claim as text, with "; " between two; of many parts, how many have which verdict."""
    if len(set(own["verdict"])) == 1 and own["verdict"].iloc[0] == "not run":
        return "not run"
    texts = [f"{line.text} [{_why(line)}]" for line in own.itertuples() if line.n]
    names = own["column"].where(~own.index.isin(awaited(own).index), own["comparison"] + ", " + own["column"])
    missing = list(dict.fromkeys(names[own["n"] == 0].str.replace("->", " → ")))
    if len(texts) > SHOWN:
        counts = own["verdict"].value_counts().reindex(VERDICTS).dropna().astype(int)
        texts = [", ".join(f"{count} {verdict}" for verdict, count in counts.items())]
    return "; ".join([*texts, *([f"not run: {', '.join(missing)}"] if missing else [])])


def _why(line) -> str:
    return f"{line.verdict}: {line.reason.replace('; ', ', ')}" if line.verdict == "not comparable" else line.verdict


def claims_about(study: str, runs: pd.DataFrame, profile: str, studies: Mapping[str, Study]) -> pd.DataFrame:
    """`claim_verdicts` for the claims whose comparisons read one study."""
    chosen = [claim for claim in CLAIMS if claim.comparisons[0].study == study]
    return claim_verdicts(runs, profile, chosen, STUDIES | studies)
