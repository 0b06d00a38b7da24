"""Sentences of the notebooks and the README that name numbers of ours: the results say the same."""

from result_words import README, mean, open_study, paired, text_of

from igan_lib.checkout import ROOT
from igan_lib.experiment.presets import preset
from igan_lib.photos.label_free import CHOOSES, NAMES, best
from igan_lib.reproduction.results import frame, read_results, values
from igan_lib.reproduction.studies import OFFICE_RECOGNITION
from tools import label_free_views

COMPARED = ("NoDA", "ITQ", "UH-BDNN", "BA", "DAH")
PARTS, ROWS = ("igan-plus", "igan-plus-retrieval"), ("and dropout", "and neighbours", "and both: igan+")
DAHS = ("DAH", "DAH, dropout")


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
    pairs = ("mnist->usps", "usps->mnist")
    told = [mean("table1", row, pair, "D_accuracy") for row in ("igan", "igan+") for pair in pairs]
    assert (
        f"those of `igan` and `igan+` tell {min(told):.0f} to {max(told):.0f} % of real and drawn images apart"
        in README
    )


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


def test_the_quickstart_s_seeds_in_words():
    results, damaged = read_results(ROOT / "results" / "runs")
    assert not damaged
    runs, text = frame(results), text_of("00_quickstart")
    for method, target, ending, seeds in (
        ("igan", "digits12", "{:.1f}, {:.1f}, {:.1f}, {:.1f} and {:.1f} % (seeds 0 to 4)", 5),
        ("igan+", "digits12", "{:.1f}, {:.1f} and {:.1f} % (seeds 0 to 2)", 3),
        ("igan", "digits", "seed 0 of `igan` ends at {:.0f} %", 1),
    ):
        found = values(runs, preset("mnist5k", target, method=method, profile="quick"))
        assert ending.format(*(found[seed] for seed in range(seeds))) in text


def test_what_carries_the_adaptation_in_words():
    text, gains = text_of("07_table4_ablation"), {}
    rows = [("table1", "source-only"), ("table1", "igan"), ("table4", "L_c"), ("table4", "L_c+L_s")]
    for pair in ("mnist->usps", "usps->mnist"):
        start, whole, with_c, with_s = (mean(*row, pair) for row in rows)
        gains[pair] = [with_c - start, with_s - with_c, whole - start]
    (c_usps, s_usps, _), (c_mnist, s_mnist, _) = gains.values()
    assert f"L_c with its pseudo-labels gains {c_usps:.1f} and {c_mnist:.1f} points." in text
    assert f"L_s adds {s_usps:.1f} and {s_mnist:.1f} more" in text
    shown = [sum(found) / 2 for found in zip(*gains.values(), strict=True)]
    assert "carry the adaptation: {:.1f} and {:.1f} of {:.1f} points.".format(*shown) in README
