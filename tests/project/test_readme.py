"""The README tells the truth: its table is that of the results, its links lead somewhere, its commands parse."""

import json
import re
import shlex
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from igan_lib.__main__ import _parser
from igan_lib.experiment.run import PROFILES, preset
from igan_lib.reproduction.claims import claim_parts, decide
from igan_lib.reproduction.durations import step_milliseconds
from igan_lib.reproduction.effects import Evidence
from igan_lib.reproduction.paper import MDD, TABLE2, TABLE3, TABLE4
from igan_lib.reproduction.readme import filled
from igan_lib.reproduction.studies import STUDIES
from igan_lib.reproduction.study_tables import advantage, differences_to_first, paired_differences, study_table
from igan_lib.reproduction.tables import is_stale, read_results, t_interval

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(([^)#]+)\)", README)
READ = re.sub(r"<!--.*?-->", "", README)  # as a reader sees it
COMMANDS = re.findall(r"python -m igan_lib [^`\n]*", READ)


def test_tables_and_times_are_made_from_the_committed_results():
    results, damaged = read_results(ROOT / "results" / "runs")
    assert not damaged
    assert set(re.findall(r"<!-- study: (\S+) -->", README)) >= {"table1", "table4"}
    assert filled(README, results, ROOT / "results") == README


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_each_notebook_s_time_is_that_of_its_executed_copy(path):
    results, _ = read_results(ROOT / "results" / "runs")
    head = nbformat.read(path, as_version=4).cells[0].source
    assert (
        f"- **Time:** about <!-- time: notebook {path.stem} -->" in head
        and filled(head, results, ROOT / "results") == head
    )
    row = next(line for line in README.splitlines() if line.startswith(f"| [{path.stem}]"))
    assert f"<!-- time: notebook {path.stem} -->" in row


def values(method, pair, metric="target_accuracy", profile="cpu"):
    """Seed -> value of the preset runs of a method, in per cent."""
    results, _ = read_results(ROOT / "results" / "runs")
    return {
        result.config.seed: result.metrics[metric]
        for result in results
        if (result.config.method, result.config.source, result.config.target) == (method, *pair)
        and result.config.profile == profile
        and not is_stale(result)
    }


def mean(*arguments):
    found = values(*arguments)
    return sum(found.values()) / len(found)


M_U, U_M = ("mnist", "usps"), ("usps", "mnist")


def test_differences_in_the_text_are_those_of_the_results():
    igan, plus = ([mean(method, pair) for pair in (M_U, U_M)] for method in ("igan", "igan+"))
    only = [mean("source-only", pair) for pair in (M_U, U_M)]
    raw = [mean("source-only", pair, "running_statistics_accuracy") for pair in (M_U, U_M)]
    assert f"its 96.8 is {96.8 - igan[0]:.1f} points" in README
    end = t_interval(values("igan", U_M).values())[2]
    assert 0 < end - 97.8 < 0.01 and f"less than a test image (its end is {end:.3f})" in README  # of 10,000
    assert f"gains {plus[0] - igan[0]:.1f} points on MNIST → USPS" in README
    both = [values(method, U_M, "target_accuracy") for method in ("igan+", "igan")]
    added, low, high = t_interval(both[0][seed] - both[1][seed] for seed in both[0].keys() & both[1].keys())
    assert low < 0 < high and f"on USPS → MNIST no gain shows ({added:.1f}, {low:.1f} to {high:.1f})" in README
    bn, whole = ([a - b for a, b in zip(first, raw, strict=True)] for first in (only, igan))
    assert f"{bn[0]:.0f} of {whole[0]:.0f} points on MNIST → USPS and {bn[1]:.0f} of {whole[1]:.0f} on" in README
    ceiling = t_interval(values("source-only", U_M, "source_accuracy").values())
    assert "gets {:.1f} ({:.1f} to {:.1f}) on USPS's test".format(*ceiling) in README


def test_the_encoders_on_svhn7k_in_the_text_are_those_of_the_results():
    results, _ = read_results(ROOT / "results" / "runs")
    found = {result.hash: result.metrics for result in results}
    changes = ({"encoder": "lenet"}, {}, {"encoder": "lenet", "pretrain_steps": 1000})
    ended = [found[preset("npz:svhn7k.npz", "mnist", **change).hash8]["target_accuracy"] for change in changes]
    text = " ".join(README.split())
    wording = "`igan` ends at {:.1f} instead of {:.1f}, with 1,000 source-only steps besides at {:.1f}"
    assert wording.format(*ended) in text


def test_igan_without_re_estimation_in_the_text_is_that_of_the_results():
    found = [
        values("igan", pair, "running_statistics_accuracy", "cpu") for pair in (("mnist", "usps"), ("usps", "mnist"))
    ]
    means = [sum(by_seed.values()) / len(by_seed) for by_seed in found]
    assert "`igan` without re-estimation has {:.1f} and {:.1f}.".format(*means) in README


def test_the_gain_on_office_31_in_the_text_is_that_of_the_results():
    gains, over_raw = [], []
    for name, printed in TABLE2["IGAN"].items():
        pair = name.split("->")
        base, ours = (values(method, pair).values() for method in ("source-only", "igan"))
        assert len(base) == len(ours) == 5 and sum(ours) / 5 > printed
        gains.append(sum(ours) / 5 - sum(base) / 5)
        over_raw.append(sum(ours) / 5 - mean("source-only", pair, "running_statistics_accuracy"))
    first, second = (f"{min(found):.1f} to {max(found):.1f}" for found in (gains, over_raw))
    assert f"gains {first} points over `source-only` in every direction, {second} over the first row" in README
    assert values("igan", ("webcam", "amazon")) and mean("igan", ("webcam", "amazon")) > MDD["webcam->amazon"]


def test_how_narrowly_a_claim_is_reproduced_is_said():
    results, _ = read_results(ROOT / "results" / "runs")
    verdicts = decide(Evidence(results)).set_index("claim")["verdict"]
    assert verdicts[verdicts == "reproduced"].index.tolist() == ["1-usps-mnist", "a-discriminators"]
    part = claim_parts(Evidence(results)).set_index("claim").loc["1-usps-mnist"]
    assert 0 < part["high"] - part["printed"] < 0.015
    text = " ".join(README.split())
    assert f"its interval ends at {-part['high']:.2f} below Duplex, where {-part['printed']:.1f} is printed" in text


def test_figure_2_in_the_text_is_what_the_runs_of_table_2_measured():
    text = " ".join(README.split())
    for pair, wording in (
        (
            ("amazon", "webcam"),
            "rises from {:.2f} to {:.2f}, the share of the ten nearest neighbours that have the same "
            "class from {:.1f} to {:.1f} %",
        ),
        (("webcam", "amazon"), "rises from {:.2f} to {:.2f}, but that share does not ({:.1f} and {:.1f} %)"),
    ):
        silhouettes = [mean("igan", pair, f"{when}_silhouette") / 100 for when in ("source_only", "target")]
        purities = [mean("igan", pair, f"{when}_purity") for when in ("source_only", "target")]
        assert wording.format(*silhouettes, *purities) in text
        assert len(values("igan", pair, "target_purity")) == 5
    parts = claim_parts(Evidence(read_results(ROOT / "results" / "runs")[0]))
    verdicts = parts[parts["claim"] == "f-figure2"].set_index("part")["verdict"]
    assert (verdicts.filter(like="amazon → webcam") == "direction only").all()
    assert verdicts["ten-neighbour purity on webcam → amazon"] == "undecided"


def test_table_3_in_the_text_is_that_of_the_results():
    results, _ = read_results(ROOT / "results" / "runs")
    ahead = advantage(STUDIES["table3"], results, "cpu", "igan").set_index(["column", "method"])
    across = advantage(STUDIES["table3-cross"], results, "cpu", "igan").set_index(["column", "method"])
    w_a, a_w, a_d = (ahead.loc[name].drop("SuH") for name in ("webcam->amazon", "amazon->webcam", "amazon->dslr"))
    assert (a_d.drop("UH-BDNN")["low"] > 0).all() and a_d.loc["UH-BDNN", "low"] < 0 < a_d.loc["UH-BDNN", "high"]
    assert (a_w.loc[["ITQ", "UH-BDNN"], "high"] < 0).all()
    assert (a_w.loc[["DAH", "BA"], "low"] < 0).all() and (a_w.loc[["DAH", "BA"], "high"] > 0).all()
    assert (w_a.drop("NoDA")["high"] < 0).all()
    over_dah = [part.loc["DAH"] for part in (w_a, a_w, a_d)]
    text = " ".join(README.split())
    assert "DAH by {:.1f} points".format(-over_dah[0]["mean"]) in text
    assert "Here it is {:.1f}, {:.1f} and {:.1f}:".format(*(line["mean"] for line in over_dah)) in text
    printed = [TABLE3["IGAN"][name] - TABLE3["DAH"][name] for name in TABLE3["IGAN"]]
    assert over_dah[0]["high"] < printed[0] and over_dah[1]["high"] < printed[1] and over_dah[2]["low"] > printed[2]
    for name in ("amazon->webcam", "amazon->dslr"):
        assert (across.loc[name]["low"] > 0).all()
    assert across.loc[("webcam->amazon", "DAH"), "low"] < 0 < across.loc[("webcam->amazon", "DAH"), "high"]
    pairs = [("webcam", "amazon"), ("amazon", "webcam"), ("amazon", "dslr")]
    maps, accuracies = ([mean("igan", pair, metric) for pair in pairs] for metric in ("map_target", "target_accuracy"))
    assert "MAP in `target` is {:.1f}, {:.1f} and {:.1f}".format(*maps) in text
    assert "the accuracy is {:.1f}, {:.1f} and {:.1f}.".format(*(value**2 / 100 for value in accuracies)) in text
    reached = [value >= TABLE3["IGAN"]["->".join(pair)] for value, pair in zip(maps, pairs, strict=True)]
    assert reached == [False, True, True] and "73.8 and 74.6 are reached, its 61.2 is not" in text


def test_the_share_of_pseudo_labels_in_the_text_is_that_of_the_histories():
    results, _ = read_results(ROOT / "results" / "runs")
    shares = [
        round(100 * result.history[-1]["confident"])
        for result in results
        if (result.config.method, result.config.source, result.config.profile) == ("igan", "mnist", "cpu")
        and not is_stale(result)
    ]
    assert len(shares) == 5
    assert f"{min(shares)} to {max(shares)} % of the training images have" in " ".join(README.split())


def test_the_quickstart_s_seeds_are_those_of_the_results():
    cells = json.loads((ROOT / "notebooks" / "00_quickstart.ipynb").read_text(encoding="utf-8"))["cells"]
    text = " ".join("".join(cell["source"]) for cell in cells).replace("\n> ", " ")
    pair = ("mnist5k", "digits")
    for method, wording in (("igan", "ended at {}, {} and {} %"), ("igan+", "`igan+` at {}, {} and {} %")):
        by_seed = values(method, pair, "target_accuracy", "quick")
        assert wording.format(*(f"{by_seed[seed]:.0f}" for seed in range(3))) in text


def test_selection_in_the_text_is_that_of_the_trials():
    trials = pd.read_csv(ROOT / "results" / "selection.csv").set_index(["setting", "pair", "seed"])["accuracy"]

    def said(setting, pair, digits=1, seed=0):
        return f"{trials[setting, pair, seed]:.{digits}f}"

    w_d, d_w, svhn = "webcam->dslr", "dslr->webcam", "npz:svhn7k.npz->digits"
    text = " ".join(README.split())
    assert f"{said('svhn csh contrast', svhn)} instead of {said('svhn csh', svhn)} on svhn7k" in text
    by_pair = {pair: [said(f"labels csh T.{t}", pair) for t in (9, 7, 5, 3)] for pair in (w_d, d_w)}
    first, second = ("{}, {}, {} and {}".format(*by_pair[pair]) for pair in (w_d, d_w))
    assert f"gave {first} on webcam → dslr" in text and f"{second} on dslr → webcam" in text


def test_later_trials_in_the_text_are_those_of_the_table():
    trials = pd.read_csv(ROOT / "results" / "selection.csv")
    means = trials.groupby("setting")[["accuracy", "map_target"]].mean()
    weights = ("beta1 alpha1", "beta1 alpha.01", "beta1 rate1e-4")
    later = [f"labels csh T.{t} {weight}" for t in (7, 9) for weight in weights]
    later += ["labels csh T.7 beta1 eps0", "labels csh T.7 beta.1", *(f"labels csh1 T.7 beta1 chi{x}" for x in (3, 30))]
    assert len(later) == 10 and (trials[trials["setting"].isin(later)]["seed"] == 0).all()
    low, high, best = means.loc[later].min(), means.loc[later].max(), means.loc["labels full T.7 beta1 adversarial.01"]
    assert not (means.loc[later] > best).all(axis=1).any()
    text = " ".join(README.split())
    assert f"between {low['accuracy']:.1f} and {high['accuracy']:.1f} by accuracy" in text
    assert f"between {low['map_target']:.1f} and {high['map_target']:.1f} by MAP" in text


def test_selection_by_retrieval_in_the_text_is_that_of_the_trials():
    trials = pd.read_csv(ROOT / "results" / "selection.csv").dropna(subset="map_target")
    trials = trials[trials["setting"].str.startswith("labels")]
    assert set(trials["pair"]) == {"webcam->dslr", "dslr->webcam"}
    text = " ".join(README.split())

    def both(setting, seeds):
        found = trials[(trials["setting"] == f"labels {setting}") & trials["seed"].isin(range(seeds))]
        assert len(found) == 2 * seeds
        half_up = found[["accuracy", "map_target"]].mean() + 1e-9  # 81.65 is 81.7, whatever its last binary digit
        return "{:.1f} and {:.1f}".format(*half_up)

    assert f"T 0.5 {both('csh T.5', 2)}; T 0.9 with β 1 {both('csh T.9 beta1', 2)};" in text
    assert f"a rate of 1e-4 {both('csh T.5 rate1e-4', 2)}; T 0.5 and no batch norm {both('csh T.5 nobn', 2)};" in text
    assert f"no batch norm {both('csh T.9 beta1 nobn', 2)}; T 0.7 with β 1 {both('csh T.7 beta1', 2)}." in text
    assert f"T 0.9 with β 1 ended at {both('full T.9 beta1', 1)}, below source-only" in text
    source_only = trials[trials["setting"] == "labels full T.9 beta1"].set_index("pair")["source_only_accuracy"]
    ended = trials[trials["setting"] == "labels full T.9 beta1"].set_index("pair")["accuracy"]
    assert (ended < source_only).all()
    assert f"0.1 it was {both('full T.9 beta1 adversarial.01', 1)}." in text
    assert f"β 1 and 0.01 it was {both('full T.7 beta1 adversarial.01', 3)} over seeds 0 to 2" in text
    assert f"β 10 and 0.1 it was {both('full T.5', 3)}." in text
    assert f"added nothing to it ({both('full T.7 beta1 adversarial.01 chi1', 1)}, seed 0)." in text


def test_the_ablation_in_the_text_is_that_of_the_results():
    results, _ = read_results(ROOT / "results" / "runs")
    text, pairs = " ".join(README.split()), ["mnist->usps", "usps->mnist"]
    tables = {name: STUDIES[name] for name in ("table4", "table4-no-batch-norm")}
    added = {name: paired_differences(study, results, "cpu") for name, study in tables.items()}
    added = {name: table.set_index(["method", "column"]) for name, table in added.items()}
    with_it, without = tables
    l_s, l_h, l_a, l_1 = (row.label for row in tables[with_it].rows[1:])

    def two(name, row, value="mean"):
        return "{:.1f} and {:.1f}".format(*(added[name].loc[(row, pair), value] for pair in pairs))

    def shown(name, row):
        lines = [added[name].loc[(row, pair)] for pair in pairs]
        return [line["low"] > 0 or line["high"] < 0 for line in lines]

    assert {added[name].loc[(row, pair), "n"] for name in tables for row in (l_s, l_h, l_a, l_1) for pair in pairs} == {
        5
    }
    assert shown(with_it, l_s) == shown(without, l_s) == [True, True]
    assert f"adds {two(with_it, l_s)} points with batch norm, {two(without, l_s)} without" in text
    assert f"(the paper: {two(with_it, l_s, 'paper')})" in text
    assert (shown(with_it, l_a), shown(without, l_a)) == ([False, True], [False, False])
    assert f"has it add {two(with_it, l_a, 'paper')} points. Here it adds {two(with_it, l_a)} with batch norm" in text
    assert f"and {two(without, l_a)} without" in text
    highs = [added[name].loc[(l_a, pair), "high"] for name in tables for pair in pairs]
    assert max(highs[0::2]) < TABLE4[tuple("csha")][pairs[0]] - TABLE4[tuple("csh")][pairs[0]]
    assert max(highs[1::2]) < TABLE4[tuple("csha")][pairs[1]] - TABLE4[tuple("csh")][pairs[1]]
    assert not any(shown(name, row) != [False, False] for name in tables for row in (l_h, l_1))

    part = added[with_it].xs("svhn7k->mnist", level="column")
    assert (part["n"] == 5).all() and (part["low"] > 0).tolist() == [True, False, False, False]
    assert (part["high"] > 0).all()
    numbers = ("{:.1f} points ({:.1f} to {:.1f})", "does not show ({:.1f}, {:.1f} to {:.1f})")
    for row, wording in zip((l_s, l_a), numbers, strict=True):
        assert wording.format(*part.loc[row, ["mean", "low", "high"]]) in text
    assert f"the paper's {added[with_it].loc[(l_a, 'svhn->mnist'), 'paper']:.1f} points of $L_a$ on S → M" in text
    plain = added[without].xs("svhn7k->mnist", level="column")
    means = {
        name: study_table(study, results, "cpu").set_index(["method", "column"])["mean"]
        for name, study in tables.items()
    }
    assert (plain["n"] == 5).all()
    assert [(line["low"] > 0, line["high"] < 0) for _, line in plain.iterrows()] == [
        (True, False),
        (False, True),
        (True, False),
        (False, False),
    ]
    here = {row: plain.loc[row, ["mean", "low", "high"]].tolist() for row in plain.index}
    wording = "$L_a$ is a gain there,** {:.1f} points ({:.1f} to {:.1f}) above a row of {:.1f}, as on usps → mnist"
    assert wording.format(*here[l_a], means[without][l_h, "svhn7k->mnist"]) in text
    assert "$L_s$ adds {:.1f} ({:.1f} to {:.1f})".format(*here[l_s]) in text
    assert "$L_h$ takes {:.1f} away ({:.1f} to {:.1f})".format(-here[l_h][0], *here[l_h][1:]) in text
    assert "and $L_1$ does not show ({:.1f}, {:.1f} to {:.1f}).".format(*here[l_1]) in text
    whole = [means[name][l_1, "svhn7k->mnist"] for name in (without, with_it)]
    assert "together have {:.1f}, below the {:.1f} with batch norm".format(*whole) in text

    def cells(name, label, column="mean"):
        table = study_table(tables[name], results, "cpu").set_index(["method", "column"])
        return "{:.1f} and {:.1f}".format(*(table.loc[(label, pair), column] for pair in pairs))

    first, second = cells(without, "L_c"), cells(without, l_s)
    assert f"near the paper's:** {first}, printed {cells(with_it, 'L_c', 'paper')}." in text
    assert f"alone has {cells(with_it, 'L_c')}." in text
    assert f"second row has {second} where the paper's has {cells(with_it, l_s, 'paper')}:" in text

    # Of the errors that the row before leaves, in per cent.
    def removed(row, base, gain):
        return round(100 * gain / (100 - row[base]))

    def of_ours(name):
        table = study_table(tables[name], results, "cpu").set_index(["column", "method"])["mean"]
        return [removed(table.loc[pair], l_h, added[name].loc[(l_a, pair), "mean"]) for pair in pairs]

    printed = [TABLE4[tuple("csh")][pair] for pair in pairs]
    of_paper = [
        removed({"csh": cell}, "csh", TABLE4[tuple("csha")][pair] - cell)
        for pair, cell in zip(pairs, printed, strict=True)
    ]
    shares = [*of_paper, *of_ours(with_it), *of_ours(without)]
    wording = "removes {} and {} % in the paper, {} and {} % here with batch norm, {} and {} % without."
    assert wording.format(*shares) in text
    by_seed = sorted(added[without].loc[(l_a, "mnist->usps"), "by_seed"])
    rest = sum(by_seed[1:]) / 4
    mean_, worst = added[without].loc[(l_a, "mnist->usps"), "mean"], by_seed[0]
    assert f"The {mean_:.1f} is one seed: without its {worst:.1f} the mean is {rest:.1f}." in text
    notebook = (ROOT / "notebooks" / "07_table4_ablation.ipynb").read_text(encoding="utf-8")
    assert "removes {} % on M → U and {} % on U → M".format(*of_paper) in notebook
    steps = step_milliseconds(ROOT / "results")["28 pixels, batches of 100, lenet"]
    assert f"makes a step {steps[l_a] / steps[l_h]:.1f} times as long" in text


def test_the_arguments_in_the_text_are_those_of_the_results():
    results, _ = read_results(ROOT / "results" / "runs")
    changes = differences_to_first(STUDIES["arguments"], results, "cpu").set_index(["method", "column"])
    assert (changes["n"] == 5).all()
    pairs = ["mnist->usps", "usps->mnist"]

    def words(label):
        lines = [changes.loc[(label, pair)] for pair in pairs]
        return ["higher" if line["low"] > 0 else "lower" if line["high"] < 0 else "not shown" for line in lines]

    def cost(label):
        return "{:.1f} and {:.1f}".format(*(-changes.loc[(label, pair), "mean"] for pair in pairs))

    batches = {size: f"batches of {size}, equal steps" for size in (25, 50, 200)}
    for label in ("real/fake discriminators", batches[25], "stages of 500 steps"):
        assert words(label) == ["lower", "lower"]
    for label in ("one generator for both domains", batches[200], "pseudo-labels without a threshold"):
        assert words(label) == ["not shown", "not shown"]
    assert words(batches[50]) == ["not shown", "lower"]
    text = " ".join(README.split())
    assert f"**Real/fake discriminators cost points,** {cost('real/fake discriminators')}:" in text
    half = -changes.loc[(batches[50], "usps->mnist"), "mean"]
    assert f"of 25 cost {cost(batches[25])} points, of 50 {half:.1f} on usps → mnist; 200 gain nothing" in text
    assert f"as we run them, cost {cost('stages of 500 steps')} points" in text


def test_committed_results_name_a_commit_and_no_local_change():
    results, _ = read_results(ROOT / "results" / "runs")
    assert results
    for result in results:
        assert re.fullmatch(r"[0-9a-f]{40}", result.provenance["commit"]), result.config.name
        for part in (result.provenance, *result.provenance.get("earlier", ())):
            assert part["dirty"] is False, result.config.name


@pytest.mark.parametrize("link", sorted({link for link in LINKS if "://" not in link}))
def test_links_lead_to_files(link):
    assert (ROOT / link).exists()


def test_commands_parse():
    assert len(COMMANDS) >= 5
    for command in COMMANDS:
        arguments = shlex.split(command)[3:]
        assert callable(_parser().parse_args(arguments).command), command


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    line = makefile.replace("\\\n", " ").partition("\nTABLES := ")[2].partition("\n")[0]
    tables = line.split()
    assert set(tables) == set(STUDIES)
    targets = {*re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE), *tables}
    named = set(re.findall(r"(?:^    |`)make ([a-z0-9-]+)", README, flags=re.MULTILINE))
    assert {"quickstart", "test"} <= named <= targets


def test_every_profile_stands_with_its_steps():
    for name, values in PROFILES.items():
        steps = f"{values['pretrain_steps']:,} + {values['steps']:,}"
        assert re.search(rf"^\| `{name}` \|.*\| {re.escape(steps)} \|$", README, flags=re.MULTILINE), name


def test_measured_retrieval_is_that_of_the_committed_benchmark():
    found = json.loads((ROOT / "results" / "benchmarks_retrieval.json").read_text())
    routes, memory = found["routes"]["random"], found["memory"]
    own = routes["this library, whole evaluation"]["gpair_per_s"]
    assert f"codes: pairs of query and code on one thread | {own:.1f} billion a second |" in READ
    slower = [routes[name]["times_own"] for name in ("float products and argsort", "faiss binary flat, full ranking")]
    assert "full ranking | × {:.0f}; × {:.0f} |".format(*slower) in READ
    assert f"10,000 queries × 1,000,000 codes | {memory['additional_mib']:.0f} MiB |" in READ


def test_measured_extraction_is_that_of_the_committed_benchmark():
    found = json.loads((ROOT / "results" / "benchmarks_features.json").read_text())
    ways = [found["ways"][way] for way in ("contiguous", "batches of 64", "bf16 autocast")]
    assert found["all_images"] == 4110 and found["threads"] == 2
    assert f"Office-31 (two threads) | {found['all_images_seconds']} s |" in READ
    assert "with bf16 | × {:.2f}; × {:.2f}; × {:.2f} |".format(*(way["of_the_time"] for way in ways)) in READ
    assert f"bf16 moves them by {ways[2]['off_percent']:.1f} % of their" in READ


def test_measured_threads_are_those_of_the_committed_benchmark():
    found = json.loads((ROOT / "results" / "benchmarks_threads.json").read_text())
    assert found["cores"] == 2
    assert f"two one-thread runs over one two-thread run | × {found['ratio']:.2f} |" in READ


def test_measured_speed_is_that_of_the_committed_benchmark():
    found = json.loads((ROOT / "results" / "benchmarks.json").read_text())
    assert f"{found['peak_memory_mib']:.0f} MiB" in READ
    assert f"`python -m igan_lib quickstart` (two threads) | {found['quickstart_seconds']:.0f} s |" in READ
    step = found["cpu"]["step"]
    assert f"networks | {step['ratio']:.2f} ({step['step_ms']:.0f} ms with {found['threads']} thread) |" in READ
    rows = {
        "contiguous instead of channels-last": "with contiguous instead of channels-last",
        "two generator passes instead of one": (
            "with two passes of each generator instead of one for both domains' codes"
        ),
        "plain Adam instead of fused": "with Adam without fusing",
        "bf16 autocast": "with bf16 autocast (`--set precision=bf16`)",
        "without L_a and L_1 (no generators)": "with L_a and L_1 off",
    }
    assert rows.keys() == found["cpu"]["variants"].keys()
    for variant, ratio in found["cpu"]["variants"].items():
        assert f"| step time {rows[variant]} | × {ratio:.2f} |" in READ
