"""The README tells the truth: its table is that of the results, its links lead somewhere, its commands parse."""

import json
import re
import shlex
import statistics

import nbformat
import pytest
from fill_numbers import fill_text
from scipy import stats

from igan_lib.checkout import ROOT
from igan_lib.cli import _parser
from igan_lib.experiment.presets import preset
from igan_lib.photos.label_free import CHOOSES, NAMES, best
from igan_lib.reproduction.estimate import Estimate
from igan_lib.reproduction.opened import open_study
from igan_lib.reproduction.results import frame, read_results, values
from igan_lib.reproduction.studies import OFFICE_RECOGNITION, RECOGNITION, STUDIES
from tools import label_free_views

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(([^)#]+)\)", README)
COMMANDS = [line.strip() for line in README.splitlines() if line.startswith("    igan ")]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMPARED = ("NoDA", "ITQ", "UH-BDNN", "BA", "DAH")
PARTS, ROWS = ("igan-plus", "igan-plus-retrieval"), ("and dropout", "and neighbours", "and both: igan+")
DAHS = ("DAH", "DAH, dropout")
FILLED = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def results():
    found, damaged = read_results(ROOT / "results" / "runs")
    assert not damaged
    return found


def test_it_is_a_page_and_a_half():
    assert len(README.splitlines()) <= 130


@pytest.mark.parametrize("path", FILLED, ids=lambda path: path.name)
def test_tables_and_times_are_made_from_the_committed_results(path, results):
    text = path.read_text(encoding="utf-8")
    assert fill_text(text, results, ROOT / "results") == text, "make readme"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_s_time_is_that_of_its_executed_copy(path, results):
    head = nbformat.read(path, as_version=4).cells[0].source
    assert f"- **Time:** about <!-- time: notebook {path.stem} -->" in head
    assert fill_text(head, results, ROOT / "results") == head
    row = next(line for line in README.splitlines() if line.startswith(f"| [{path.stem}]"))
    assert f"<!-- time: notebook {path.stem} -->" in row


@pytest.mark.parametrize("link", sorted({link for link in LINKS if "://" not in link}))
def test_links_lead_to_files(link):
    assert (ROOT / link).exists()


def test_commands_parse():
    assert len(COMMANDS) >= 3
    for command in COMMANDS:
        assert callable(_parser().parse_args(shlex.split(command)[1:]).command), command


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    tables = makefile.replace("\\\n", " ").partition("\nTABLES := ")[2].partition("\n")[0].split()
    assert set(tables) == set(STUDIES)
    targets = {*re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE), *tables}
    named = set(re.findall(r"(?:^    |`)make ([a-z0-9-]+)", README, flags=re.MULTILINE))
    assert {"quickstart", "test"} <= named <= targets


def test_every_function_of_the_map_exists():
    import igan_lib
    from igan_lib.photos import adapt, trained
    from igan_lib.reproduction import claims
    from tools import figure2, probe

    scope = {name: getattr(igan_lib, name) for name in igan_lib.__all__}
    scope |= {name: getattr(igan_lib.losses, name) for name in dir(igan_lib.losses)}
    scope |= {"probe": probe, "claims": claims, "figure2": figure2}
    scope |= {"adapt": adapt.adapt, "search": trained.search, "add": trained.add}
    rows = [line.strip("|").split("|") for line in README.splitlines() if line.startswith(("| [0", "| [1"))]
    assert len(rows) == len(NOTEBOOKS)
    for _, _, functions, *_ in rows:
        named = re.findall(r"`([\w.]+)", functions)
        assert named
        for name in named:
            first, *rest = name.split(".")
            assert first in scope and (not rest or hasattr(scope[first], rest[0])), name


# ---------------------------------------------------------------- numbers in the text of notebooks and README


def text_of(name):
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return " ".join(text.replace("\n> ", " ").split())


def mean(study, label, column, metric=None):
    opened = open_study(study)
    pair = tuple(column.split("->"))
    return opened.study.cell(opened.runs, opened.study.row(label), pair, "cpu", metric).mean


def test_table_1_in_words():
    text = text_of("04_table1_digits")
    m_u, u_m = "mnist->usps", "usps->mnist"
    assert f"ends {96.8 - mean('table1', 'igan', m_u):.1f} points below the paper" in text
    assert f"`igan+` gains {mean('table1', 'igan+', m_u) - mean('table1', 'igan', m_u):.1f} points" in text
    of_part = "svhn7k->mnist"
    assert f"and {mean('table1', 'igan+', of_part) - mean('table1', 'igan', of_part):.1f} on the part of SVHN" in text
    opened = open_study("table1")
    seeds = opened.study.cell(opened.runs, opened.study.row("igan+"), ("svhn7k", "mnist"), "cpu").values.values()
    assert max(seeds) - min(seeds) < 1
    without = [mean("table1", "igan", column, "running_statistics_accuracy") for column in (m_u, u_m)]
    assert "Without it `igan` has {:.1f} and {:.1f}".format(*without) in text
    own = opened.study.cell(opened.runs, opened.study.row("source-only"), ("usps", "mnist"), "cpu", "source_accuracy")
    assert f"gets {own.mean:.1f} ({own.interval[0]:.1f} to {own.interval[1]:.1f}): the paper's number" in text
    assert f"variant `igan+` at {mean('table1', 'igan+', m_u):.1f}" in README


def test_office_31_in_words():
    table, text = open_study("table2").table.set_index(["method", "column"])["mean"], text_of("05_table2_office31")
    columns = table["igan"].index[:4]
    over = {m: [table[m, c] - table["source-only", c] for c in columns] for m in ("igan", "source-only, dropout")}
    gains = over["igan"]
    assert f"(`igan`) gains {min(gains):.1f} to {max(gains):.1f} points over `source-only`" in text
    gains = over["source-only, dropout"]
    assert f"gives `source-only` {min(gains):.1f} to {max(gains):.1f} points" in text
    plus = [table["igan+", column] for column in columns]
    maps = [mean("table3", "igan+", column) for column in ("webcam->amazon", "amazon->webcam", "amazon->dslr")]
    shown = "has {:.1f}, {:.1f}, {:.1f} and {:.1f}; MAP {:.1f}, {:.1f} and {:.1f}".format(*plus, *maps)
    assert shown in README


def test_the_parts_of_igan_plus_in_words():
    text, columns = text_of("05_table2_office31"), ["amazon->webcam", "amazon->dslr", "webcam->amazon", "dslr->amazon"]
    found = {name: open_study(name).differences().set_index(["method", "column"]) for name in PARTS}
    accuracy, maps = (found[name]["mean"] for name in PARTS)
    dropout, near, both = ([accuracy[row, c] for c in columns] for row in ROWS)
    spans = [f"{min(maps[row]):.1f} to {max(maps[row]):.1f} points" for row in ROWS]
    assert (
        f"gains {dropout[0]:.1f} points on amazon → webcam and {dropout[1]:.1f} on amazon → dslr, and {spans[0]} of MAP"
        in text
    )
    assert f"gain {near[1]:.1f} points on amazon → dslr and lose {-near[2]:.1f} on webcam → amazon" in text
    assert f"They gain {spans[1]} of MAP" in text
    assert (
        "have {:.1f} and {:.1f} points on the pairs from Amazon. To Amazon they have {:.1f} and {:.1f}".format(*both)
        in text
    )
    assert f"MAP gains {spans[2]} on every pair" in text
    # What the text calls level, or nothing: the interval of the mean includes zero, or the mean is below half a point.
    lines = found[PARTS[0]]
    for row, pairs in (("igan, no generators", columns), ("and both: igan+", columns[2:])):
        for line in (lines.loc[(row, pair)] for pair in pairs):
            assert line["low"] < 0 < line["high"] or abs(line["mean"]) < 0.5


def test_the_backbones_in_words():
    text, joined = text_of("05_table2_office31"), "Lite0, 1 and 2"
    accuracy, maps = (
        open_study(f"backbones{end}").table.set_index(["method", "column"])["mean"] for end in ("", "-retrieval")
    )

    def span(method, values, better, other, sign=1):
        names = [name for name in values[f"{method}, {better}"].index if name != "average"]
        found = [sign * (values[f"{method}, {better}", name] - values[f"{method}, {other}", name]) for name in names]
        return f"{min(found):.1f} to {max(found):.1f}"

    spans = [span(method, accuracy, "Lite2", "Lite0") for method in ("source-only", "igan", "igan+")]
    assert "gives `source-only` {} points over Lite0, `igan` {} and `igan+` {}.".format(*spans) in text
    for column in ("amazon->webcam", "amazon->dslr"):
        assert accuracy["igan+, Lite0", column] > accuracy["igan, Lite2", column]
    assert f"as it is ({span('igan+', accuracy, joined, 'Lite2')} points over Lite2)" in text
    assert f"cost {span('igan+', maps, joined, 'Lite2', -1)} points of MAP" in text


def paired(study, row, base, pair):
    """Mean and 95 % interval of a row over another one, seed by seed."""
    opened = open_study(study)
    found = [opened.study.cell(opened.runs, opened.study.row(label), pair, "cpu").values for label in (row, base)]
    over = [found[0][seed] - found[1][seed] for seed in sorted(found[0].keys() & found[1].keys())]
    return (statistics.mean(over), *stats.t.interval(0.95, len(over) - 1, statistics.mean(over), stats.sem(over)))


def test_what_each_addition_is_worth_beyond_the_other_in_words():
    text, (a_w, a_d, w_a, d_a) = text_of("05_table2_office31"), OFFICE_RECOGNITION
    both, alone = "and both: igan+", "and dropout"
    gains = ["{:.1f} ({:.1f} to {:.1f})".format(*paired("igan-plus", both, alone, pair)) for pair in (a_w, a_d)]
    lost = [paired("igan-plus", both, alone, pair) for pair in (w_a, d_a)]
    assert f"neighbours add {gains[0]} and {gains[1]} points from Amazon and" in text
    assert f"take {-lost[0][0]:.1f} and {-lost[1][0]:.1f} to Amazon, both outside zero" in text
    assert all(high < 0 for _, _, high in lost)
    maps = [paired("igan-plus-retrieval", both, alone, pair) for pair in (a_w, a_d, w_a)]
    shown = ["{:.1f} ({:.1f} to {:.1f})".format(*found) for found in maps[:2]]
    assert f"In MAP they add {shown[0]} and {shown[1]} from Amazon, and nothing on webcam → amazon" in text
    assert maps[2][1] < 0 < maps[2][2]


def test_the_part_of_svhn_in_words():
    text, pair = text_of("07_table4_ablation"), ("svhn7k", "mnist")
    taken = paired("table4", "L_c+L_s+L_h+L_a", "L_c+L_s+L_h", pair)
    given = paired("table4", "L_c+L_s+L_h+L_a+L_1", "L_c+L_s+L_h+L_a", pair)
    both = paired("table4", "L_c+L_s+L_h+L_a+L_1", "L_c+L_s+L_h", pair)
    shown = f"{-taken[0]:.1f} points away ({-taken[2]:.1f} to {-taken[1]:.1f})"
    assert f"it takes {shown}, in each of the five seeds" in text and f"takes {shown}" in README
    assert "L_1 gives {:.1f} back ({:.1f} to {:.1f})".format(*given) in text
    assert f"the reconstruction loss gives {given[0]:.1f} back" in README
    assert "together are worth {:.1f} points ({:.1f} to {:.1f})".format(*both) in text and both[1] < 0 < both[2]
    three, four, five = "L_c+L_s+L_h", "L_c+L_s+L_h+L_a", "L_c+L_s+L_h+L_a+L_1"
    plain = "table4-no-batch-norm"
    adds = [paired(plain, row, base, pair) for row, base in ((four, three), (five, four), (five, three))]
    l_a, l_1, together = ("{:.1f} ({:.1f} to {:.1f})".format(*found) for found in adds)
    assert f"$L_a$ adds {l_a.replace(' ', ' points ', 1)} and $L_1$ adds {l_1}" in text
    assert f"together add {together}, in each of the five seeds" in text
    opened = open_study(plain)
    by_row = [opened.study.cell(opened.runs, opened.study.row(row), pair, "cpu").values for row in (five, three)]
    assert len(by_row[0]) == 5 and all(by_row[0][seed] > by_row[1][seed] for seed in by_row[0])
    assert f"without batch norm the two add {together.replace(' ', ' points there ', 1)}" in README
    start = mean("table4", three, "svhn7k->mnist")
    assert f"they add {both[0]:.1f}, but from a higher start: {start:.1f}" in text
    others = [
        paired(name, five, three, of) for name in ("table4", plain) for of in (("mnist", "usps"), ("usps", "mnist"))
    ]
    assert adds[2][0] > max(both[0], *(found[0] for found in others))


def test_the_measures_without_labels_in_words():
    runs = label_free_views.read_runs()
    table = label_free_views.how_well(runs)
    chosen, others, density = (table.loc[NAMES[name]] for name in (CHOOSES, "seeds", "density"))
    text = " ".join((ROOT / "docs" / "photographs.md").read_text(encoding="utf-8").split())
    assert f"Over {runs.groupby(label_free_views.GROUP).ngroups} settings of {runs['method'].nunique()} methods" in (
        text.replace("five methods", "5 methods")
    )
    assert runs["pair"].nunique() == 3 and (runs.groupby(label_free_views.GROUP).size() == 3).all()
    assert f"of {chosen['over settings']:.2f} between settings and of {chosen['over seeds']:.2f} between seeds" in text
    for _, group in runs.groupby(label_free_views.GROUP):  # what `adapt` would choose is what the table counts
        assert best(group.set_index("seed")[[*NAMES]].T.to_dict()) == group.loc[group[CHOOSES].idxmax(), "seed"]
    for column in ("over settings", "over seeds", "best seed chosen"):
        assert chosen[column] == table[column].max()
    often, by_lot = chosen["best seed chosen"], table.loc["by lot", "best seed chosen"]
    assert f"in {often:.0f} % of the settings, where chance alone gives {by_lot:.0f} %" in text
    assert f"three in {often:.0f} % of our trials, where chance alone gives {by_lot:.0f} %" in README
    assert f"gained {chosen['over the mean seed']:.1f} points of the {chosen['with labels']:.1f} that" in text
    assert f"gained more, {others['over the mean seed']:.1f} points" in text and density["over the mean seed"] < 0


def test_retrieval_in_words():
    pairs = ("webcam->amazon", "amazon->webcam", "amazon->dslr")
    maps = [mean("table3", "igan", column) for column in pairs]
    squares = [mean("table3", "igan", column, "target_accuracy") ** 2 / 100 for column in pairs]
    wording = "is {:.1f}, {:.1f} and {:.1f}, where the square of the accuracy is {:.1f}, {:.1f} and {:.1f}"
    text = text_of("06_table3_retrieval")
    assert wording.format(*maps, *squares) in text
    cross = {row: [mean("table3-cross", row, column) for column in pairs] for row in ("igan", *COMPARED)}
    assert all(ours > value for row in COMPARED for ours, value in zip(cross["igan"], cross[row], strict=True))
    assert mean("table3", "DAH", pairs[0]) > maps[0]
    assert all(mean("table3", row, pairs[2]) > maps[2] for row in ("ITQ", "BA", "UH-BDNN"))


def test_the_lead_of_igan_plus_in_words():
    open_intervals = set()
    for name in ("table3", "table3-cross"):
        for line in open_study(name).differences("igan+").itertuples():
            if line.base != "SuH":
                assert line.mean > 0
                if line.low < 0:
                    open_intervals.add((name, line.base, line.column))
    assert open_intervals == {("table3", "DAH", "webcam->amazon"), ("table3-cross", "igan", "webcam->amazon")}
    dah = [[mean("table3", row, c) for c in ("webcam->amazon", "amazon->webcam", "amazon->dslr")] for row in DAHS]
    assert abs(sum(dah[1]) - sum(dah[0])) / 3 < 1  # "none on average"


def test_the_ablation_in_words():
    text, opened = text_of("07_table4_ablation"), open_study("table4")
    shares = opened.differences().set_index(["method", "column"])["share"]["L_c+L_s+L_h+L_a"]
    shown = f"{100 * shares['mnist->usps']:.0f} and {100 * shares['usps->mnist']:.0f} %"
    assert f"{shown} of it" in text and f"adds {shown} of what is printed" in README
    plain = open_study("table4-no-batch-norm")
    first = [mean("table4-no-batch-norm", "L_c", column) for column in ("mnist->usps", "usps->mnist")]
    assert "near the paper's: {:.1f} and {:.1f}, printed 85.5 and 61.8".format(*first) in text
    added = plain.differences().set_index(["method", "column"])
    centroids = added["mean"]["L_c+L_s"]
    assert f"adds {centroids['mnist->usps']:.1f} and {centroids['usps->mnist']:.1f} points" in text
    line = plain.differences().set_index(["method", "column"]).loc[("L_c+L_s+L_h+L_a", "usps->mnist")]
    shown = f"{line['mean']:.1f} ({line['low']:.1f} to {line['high']:.1f}) on usps → mnist"
    assert f"{added['mean']['L_c+L_s+L_h+L_a', 'mnist->usps']:.1f} points on mnist → usps" in text and shown in text
    line = opened.differences().set_index(["method", "column"]).loc[("L_c+L_s+L_h+L_a", "usps->mnist")]
    assert f"that is {line['mean']:.1f} points ({line['low']:.1f} to {line['high']:.1f})" in text
    rows = [("table1", "igan"), ("table1", "igan+")] + [("table4", f"L_c+L_s+L_h+L_a{end}") for end in ("", "+L_1")]
    told = [mean(*row, pair, "D_accuracy") for row in rows for pair in ("mnist->usps", "usps->mnist")]
    assert f"tell {min(told):.0f} to {max(told):.0f} % of real and drawn images apart" in README


def test_the_arguments_in_words():
    found = open_study("arguments").differences().set_index(["method", "column"])["mean"]

    def costs(label):
        return f"{-found[label, 'mnist->usps']:.1f} and {-found[label, 'usps->mnist']:.1f}"

    text = text_of("07_table4_ablation")
    assert f"Batches of 25 cost {costs('batches of 25, equal steps')} points." in text


def test_figure_2_in_words():
    def measured(column, method="igan"):
        names = ("source_only_silhouette", "target_silhouette", "source_only_purity", "target_purity")
        return [mean("table2", method, column, name) for name in names]

    text = text_of("08_figure2_tsne")
    a, b, c, d = measured("amazon->webcam")
    shown = f"from {a / 100:.2f} to {b / 100:.2f}, the share of like neighbours from {c:.1f} to {d:.1f} %"
    assert shown in text
    _, b, _, d = measured("amazon->webcam", "igan+")
    assert f"`igan+` they end at {b / 100:.2f} and {d:.1f} %" in text
    a, b, c, d = measured("webcam->amazon")
    hardly = f"but the share of like neighbours hardly moves ({c:.1f} and {d:.1f} %)"
    assert f"from {a / 100:.2f} to {b / 100:.2f}, {hardly}" in text and d - c < 1.5
    assert f"There `igan+` has {measured('webcam->amazon', 'igan+')[3]:.1f} %" in text


def test_the_quickstart_s_seeds_are_those_of_the_results(results):
    runs, text = frame(results), text_of("00_quickstart")
    for method, target, ending, seeds in (
        ("igan", "digits12", "{:.1f}, {:.1f}, {:.1f}, {:.1f} and {:.1f} % (seeds 0 to 4)", 5),
        ("igan+", "digits12", "{:.1f}, {:.1f} and {:.1f} % (seeds 0 to 2)", 3),
        ("igan", "digits", "seed 0 of `igan` ends at {:.0f} %", 1),
    ):
        found = values(runs, preset("mnist5k", target, method=method, profile="quick"))
        assert ending.format(*(found[seed] for seed in range(seeds))) in text


def average_lead(opened, row, base):
    """What a row of a study has over another on the average of its columns, on the seeds that both have in each."""
    rows, pairs = (opened.study.row(label) for label in (row, base)), opened.study.pairs
    ours, others = ([opened.study.cell(opened.runs, one, pair, "cpu") for pair in pairs] for one in rows)
    leads = [(cell - other).values for cell, other in zip(ours, others, strict=True)]
    seeds = set.intersection(*map(set, leads))
    return Estimate({seed: sum(lead[seed] for lead in leads) / len(leads) for seed in seeds}, kind="difference")


def test_the_compared_methods_on_features_in_words():
    text, over = text_of("05_table2_office31"), open_study("table2").differences("igan").set_index(["base", "column"])
    found = {name: over.loc[name] for name in RECOGNITION if name in over.index}
    assert all(cells["n"].min() >= 3 for cells in found.values())
    level = ["MSTN", "CDAN-M", "MCC"]
    assert {name for name, cells in found.items() if cells["mean"].min() > 0} == set(found) - set(level)
    assert "ahead of Duplex, I2I, ADDA, DRCN, DAN, DANN and SHOT in every direction. **MSTN, CDAN-M and MCC are" in text
    opened = open_study("table2")
    average = opened.table[opened.table["column"] == "average"].set_index("method")["mean"].round(1)
    first, second, third = average[level]
    assert f"{first}, {second} and {third}, where `igan` has {average['igan']}." in text
    behind = {name: average_lead(opened, "igan", name) for name in (*level, "Duplex")}
    assert all(behind[name].interval[0] <= 0 <= behind[name].interval[1] for name in level)
    assert f"most like IGAN, is {behind['Duplex'].mean:.1f} points behind" in text and behind["Duplex"].interval[0] > 0


def test_benchmarks_are_there():
    for name in (
        "benchmarks",
        "benchmarks_retrieval",
        "benchmarks_features",
        "benchmarks_threads",
        "benchmarks_methods",
    ):
        assert json.loads((ROOT / "results" / f"{name}.json").read_text())


def test_the_compared_methods_in_words():
    text, opened, pairs = text_of("04_table1_digits"), open_study("table1"), (("mnist", "usps"), ("usps", "mnist"))
    names = ("MSTN", "CDAN-M", "DANN", "SHOT", "MCC", "ADDA", "DAN")
    over = {name: [paired("table1", "igan", name, pair) for pair in pairs] for name in names}
    level = {name: [low <= 0 <= high for _, low, high in found] for name, found in over.items()}
    assert level["MSTN"] == level["CDAN-M"] == [True, True] and level["DANN"] == level["SHOT"] == [True, False]
    shown = f"{over['DANN'][1][0]:.1f} and {over['SHOT'][1][0]:.1f} points behind on the other pair"
    assert f"DANN and SHOT are level on MNIST → USPS, and {shown}" in text
    assert f"MCC, of 2020, is {-over['MCC'][0][0]:.1f} points ahead on MNIST → USPS" in text and level["MCC"] == [
        False,
        True,
    ]
    behind = [mean for name in ("ADDA", "DAN") for mean, _, _ in over[name]]
    assert (
        f"ADDA and DAN are {min(behind):.1f} to {max(behind):.1f} points behind; on MNIST → USPS both end below" in text
    )
    assert max(paired("table1", name, "source-only", pairs[0])[0] for name in ("ADDA", "DAN")) < 0
    cells = [opened.study.cell(opened.runs, opened.study.row(name), pair, "cpu") for name in names for pair in pairs]
    words = {3: "three seeds so far", 5: "five seeds"}[min(cell.n for cell in cells)]
    assert f"({words}" in README and f"({words})" in text
    few = {
        name: {opened.study.cell(opened.runs, opened.study.row(name), p, "cpu").n for p in pairs}
        for name in RECOGNITION
    }
    assert {name for name, counts in few.items() if counts == {0}} == {"Duplex", "Co-GAN"}
    assert {name for name, counts in few.items() if counts == {1}} == {"CyCADA", "I2I", "DRCN"}
    assert "Duplex and Co-GAN are not run yet; CyCADA, I2I and DRCN have one seed" in text
