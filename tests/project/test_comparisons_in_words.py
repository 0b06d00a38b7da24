"""Sentences that hold IGAN against the methods of Tables 1 and 2: the results say the same."""

import pandas as pd
from result_words import README, average_lead, open_study, paired, text_of

from igan_lib.checkout import ROOT
from igan_lib.reproduction import paper
from igan_lib.reproduction.estimate import SEEDS_FOR_A_VERDICT
from igan_lib.reproduction.studies import A_D, A_W, D_A, M_U, OFFICE_RECOGNITION, RECOGNITION_ROWS, S_M_PART, U_M, W_A
from tools.beside_others import LEVEL

COLUMNS = ["mnist->usps", "usps->mnist"]


def counts(opened, pairs):
    """The seeds that a row has in each of these columns: label -> the least of them."""
    rows = [row for row in opened.study.rows if row.label in RECOGNITION_ROWS]
    return {row.label: min(opened.study.cell(opened.runs, row, pair, "cpu").n for pair in pairs) for row in rows}


def how(interval):
    low, high = interval
    if not low <= 0 <= high:
        return "ahead" if low > 0 else "behind"
    return "level" if low >= -LEVEL and high <= LEVEL else "open"


def test_the_compared_methods_on_digits_in_words():
    text, opened = text_of("04_table1_digits"), open_study("table1")
    seeds = counts(opened, (M_U, U_M))
    assert len(seeds) == 12 and set(seeds.values()) == {SEEDS_FOR_A_VERDICT} == {5} and "and five seeds:" in text
    leads = {name: average_lead(opened, "igan", name, (M_U, U_M)) for name in seeds}
    told = {name: how(lead.interval) for name, lead in leads.items()}
    assert {name for name in told if told[name] == "level"} == {"CDAN-M"}
    assert {name for name in told if told[name] == "open"} == {"MSTN", "MCC"} and "behind" not in told.values()
    mean = {name: f"{lead.mean:.1f}" for name, lead in leads.items()}
    low, high = leads["CDAN-M"].interval
    shown = f"{-leads['CDAN-M'].mean:.1f} points ahead (0.0 to {-low:.1f}, with zero just inside), and ahead in all"
    assert f"**CDAN-M is level with `igan`:** {shown} five seeds." in text and 0 < high < 0.05
    assert max(leads["CDAN-M"].values.values()) < 0
    mcc = f"{mean['MCC']} behind ({_interval(leads['MCC'].interval)})."
    # Two decimals: with one, its end looks like that of a level method.
    mstn = "{:.2f} behind ({:.2f} to {:.2f}).".format(leads["MSTN"].mean, *leads["MSTN"].interval)
    assert f"**MSTN is open:** {mstn}" in text and f"MCC is open too: {mcc}" in text
    assert f"SHOT and DANN are {mean['SHOT']} and {mean['DANN']} points behind." in text
    assert f"ADDA and DAN are {mean['ADDA']} and {mean['DAN']} points behind" in text
    shown = "I2I by {I2I} points, Duplex by {Duplex}, CyCADA by {CyCADA}, Co-GAN by {Co-GAN} and DRCN by {DRCN}."
    assert shown.format(**mean) in text
    assert f"MSTN is level on Office-31 and open on digits: {mstn}" in " ".join(README.split())


def _interval(ends):
    return " to ".join(f"{end:.1f}" for end in ends)


def test_single_pairs_of_digits_in_words():
    text, opened = text_of("04_table1_digits"), open_study("table1")
    printed = paper.TABLE1["IGAN"]["mnist->usps"] - paper.TABLE1["CDAN-M"]["mnist->usps"]
    lead, *ends = paired("table1", "igan", "CDAN-M", M_U)
    shown = f"a lead of {printed:.1f} over CDAN-M on MNIST → USPS; ours is {lead:.1f} ({_interval(ends)})."
    assert f"The paper prints {shown}" in text
    (over, _, most), (_, *other) = (paired("table1", "igan", "MCC", pair) for pair in (M_U, U_M))
    assert f"MCC is ahead of IGAN by {-over:.1f} on MNIST → USPS," in " ".join(README.split())
    assert f"On MNIST → USPS it is {-over:.1f} ahead." in text and most < 0 and how(other) == "open"
    seeds = opened.study.cell(opened.runs, opened.study.row("MCC"), U_M, "cpu").values
    *first, last = (f"{seeds[seed]:.1f}" for seed in range(5))
    assert f"its seeds end at {', '.join(first)} and {last}." in text


def test_who_is_not_above_source_only_on_mnist_to_usps_in_words():
    gains = {name: paired("table1", name, "source-only", M_U) for name in RECOGNITION_ROWS}
    assert {name for name in gains if gains[name][2] < 0} == {"ADDA", "DAN"}
    assert {name for name in gains if gains[name][1] <= 0 <= gains[name][2]} == {"CyCADA", "DRCN"}
    adda, dan = (f"{-m:.1f} ({-high:.1f} to {-low:.1f})" for m, low, high in (gains["ADDA"], gains["DAN"]))
    text = text_of("04_table1_digits")
    assert f"On MNIST → USPS they end below `source-only`, by {adda} and {dan}." in text
    assert "On MNIST → USPS CyCADA and DRCN are not shown to be above `source-only`." in text


def test_what_class_shares_do_in_words():
    table = pd.read_csv(ROOT / "results" / "class_shares.csv")
    assert set(table["pair"]) == {"mnist->usps"} and set(table["profile"]) == {"cpu"}
    assert (table.groupby(["method", "source"])["seed"].apply(sorted).map(tuple) == (0, 1, 2)).all()
    mean = table.groupby(["source", "method"])[["accuracy", "from_source", "from_target"]].mean()
    before, after = mean.loc["as it is"], mean.loc["in the target's shares"]
    text = text_of("04_table1_digits")
    apart = f"{table.loc[table['source'] == 'as it is', 'source_from_target'].mean():.0f} % of the images."
    assert f"Between MNIST and USPS the shares differ by {apart}" in text
    ends = {name: tuple(f"{before.at[name, column]:.0f}" for column in mean.columns[1:]) for name in before.index}
    shown = "end {} % from MNIST's shares and {} % from the true ones, DAN's {} and {} %, DANN's {} and {} %."
    assert f"ADDA's predictions {shown}".format(*ends["adda"], *ends["dan"], *ends["dann"]) in text
    found = zip(before.index, before["accuracy"], after["accuracy"], strict=True)
    rises = {name: f"from {old:.1f} to {new:.1f}" for name, old, new in found}
    assert "ADDA rises {adda}, DAN {dan} and DANN {dann}".format(**rises) in text
    gains = (after - before)["accuracy"].map("{:.1f}".format)
    page = " ".join((ROOT / "docs" / "compared_methods.md").read_text(encoding="utf-8").split())
    assert f"they gain {gains['adda']} and {gains['dan']} points, DANN {gains['dann']} (" in page
    # What resampling does without a method that matches the shares.
    alone, other = (f"{side.at['source-only', 'accuracy']:.1f}" for side in (before, after))
    assert f"The other images alone are not it: `source-only` goes from {alone} to {other}." in text
    assert f"`source-only` loses {-float(gains['source-only']):.1f}." in page
    cycada = open_study("table1").table.set_index(["method", "column"]).at[("CyCADA", "mnist->usps"), "mean"]
    assert f"CyCADA ends with ADDA, and has {cycada:.1f} on MNIST → USPS." in text


def test_why_cycada_has_no_gate_in_words():
    told = open_study("table1").table.set_index("method").loc["CyCADA", "D_accuracy"].dropna()
    page = " ".join((ROOT / "docs" / "compared_methods.md").read_text(encoding="utf-8").split())
    assert len(told) == 3 and f"since D is right in {told.min():.0f} to {told.max():.0f} % at the end" in page


def test_the_part_of_svhn_in_words():
    text, opened = text_of("04_table1_digits"), open_study("table1")
    assert set(counts(opened, (S_M_PART,)).values()) == {3}
    assert "The methods from `CyCADA` to `SHOT` have three seeds there, fewer than a verdict asks for." in text
    mean = opened.table[opened.table["column"] == "svhn7k->mnist"].set_index("method")["mean"]
    ranked = mean[["igan", *RECOGNITION_ROWS]].sort_values(ascending=False)
    assert list(ranked.index[:4]) == ["SHOT", "MCC", "igan", "MSTN"]
    leads = {name: paired("table1", "igan", name, S_M_PART) for name in RECOGNITION_ROWS}
    told = {name: how(lead[1:]) for name, lead in leads.items()}
    assert {name for name in told if told[name] == "behind"} == {"SHOT"} and "level" not in told.values()
    shot, low, high = leads["SHOT"]
    above = f"**SHOT ({mean['SHOT']:.1f}) is ahead of `igan` ({mean['igan']:.1f})** by {-shot:.1f} points"
    assert f"{above} ({-high:.1f} to {-low:.1f})" in text
    assert f"and SHOT by {-shot:.1f} on a part of SVHN (three seeds)." in " ".join(README.split())
    assert {name for name in told if told[name] == "open"} == {"MCC", "MSTN", "CDAN-M", "I2I", "Duplex"}
    numbers = {name: f"{name} ({mean[name]:.1f})" for name in RECOGNITION_ROWS}
    assert "{MCC}, {MSTN}, {CDAN-M}, {I2I} and {Duplex} are open".format(**numbers) in text
    duplex = opened.study.cell(opened.runs, opened.study.row("Duplex"), S_M_PART, "cpu").values
    first, second, third = (f"{duplex[seed]:.1f}" for seed in range(3))
    assert f"the seeds of Duplex end at {first}, {second} and {third}." in text
    behind = {name: f"{lead:.1f} ({_interval(ends)})" for name, (lead, *ends) in leads.items() if told[name] == "ahead"}
    shown = "ADDA by {ADDA}, DANN by {DANN}, DAN by {DAN}, CyCADA by {CyCADA}, DRCN by {DRCN} and Co-GAN by {Co-GAN}."
    assert len(behind) == 6 and shown.format(**behind) in text
    gains = {name: paired("table1", name, "source-only", S_M_PART) for name in RECOGNITION_ROWS}
    assert {name for name, (_, low, _) in gains.items() if low <= 0} == {"CyCADA", "Duplex", "DRCN", "Co-GAN"}
    assert "CyCADA, Duplex and DRCN are not shown to be above `source-only` there." in text
    assert f"Co-GAN ends {-gains['Co-GAN'][0]:.0f} points below it" in text and gains["Co-GAN"][2] < 0


def test_how_far_a_source_network_moved_with_the_rounding_in_words():
    """But for SHOT, whose labels are smoothed, all methods make the same steps on the source."""
    opened, found = open_study("table1"), {}
    for label in set(RECOGNITION_ROWS) - {"SHOT"}:
        for pair in (M_U, U_M, S_M_PART):
            cell = opened.study.cell(opened.runs, opened.study.row(label), pair, "cpu", "source_only_accuracy")
            for seed, value in cell.values.items():
                found.setdefault((pair, seed), []).append(value)
    assert round(max(max(values) - min(values) for values in found.values())) == 2
    docs = {
        name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("running", "compared_methods")
    }
    assert "ended up to two points apart here" in " ".join(docs["running"].split())
    assert "A source network moved by up to two points that way" in " ".join(docs["compared_methods"].split())


def test_our_versions_beside_what_is_printed_in_words():
    text, opened = text_of("04_table1_digits"), open_study("table1")
    under = -opened.table.set_index(["method", "column"])["delta"].round()
    duplex, cycada = ([f"{under[name, column]:.0f}" for column in COLUMNS] for name in ("Duplex", "CyCADA"))
    assert duplex[0] == duplex[1]
    both = f"Our Duplex ends {duplex[0]} points below its printed numbers on both pairs"
    assert f"{both}, our CyCADA {cycada[0]} and {cycada[1]}." in text
    printed = [sum(paper.TABLE1[name][column] for column in COLUMNS) / 2 for name in ("Duplex", "IGAN")]
    assert "by Table 1 the two are level here, {:.1f} and {:.1f}.".format(*printed) in text


def test_the_library_s_own_runs_beside_ours_in_words():
    text, cells = text_of("04_table1_digits"), open_study("table1").table.set_index(["method", "column"])["mean"]
    library = paper.LIBRARY["table1"]
    more = {(name, column): cells[name, column] - library[name][column] for name in library for column in COLUMNS}
    assert all(abs(more[name, column]) < 1 for name in ("DAN", "CDAN-M") for column in COLUMNS)
    assert all(more[name, column] > 0 for name in ("DANN", "MCC") for column in COLUMNS)
    assert "our DAN and CDAN-M are within a point of it, and our DANN and MCC are above." in text
    theirs, dann, adda = library["ADDA"][COLUMNS[0]], cells["DANN", COLUMNS[0]], cells["ADDA", COLUMNS[0]]
    assert f"It has {theirs:.1f} on MNIST → USPS, our DANN {dann:.1f} and our ADDA {adda:.1f}." in text


def test_the_compared_methods_on_features_in_words():
    text, opened = text_of("05_table2_office31"), open_study("table2")
    seeds = counts(opened, OFFICE_RECOGNITION)
    assert set(seeds.values()) == {5} and "On the average of the four columns, with five seeds:" in text
    leads = {name: average_lead(opened, "igan", name, OFFICE_RECOGNITION) for name in seeds}
    told = {name: how(lead.interval) for name, lead in leads.items()}
    assert {name for name in told if told[name] == "level"} == {"MSTN", "CDAN-M"}
    assert {name for name in told if told[name] == "open"} == {"MCC"} and "behind" not in told.values()
    average = opened.table[opened.table["column"] == "average"].set_index("method")["mean"].map("{:.1f}".format)
    assert f"{average['MSTN']} and {average['CDAN-M']}, where `igan` has {average['igan']}." in text
    assert f"MCC ({average['MCC']}) is open" in text
    mean = {name: f"{lead.mean:.1f}" for name, lead in leads.items()}
    assert mean["ADDA"] == mean["DRCN"] and mean["DANN"] == mean["I2I"]
    shown = "SHOT by {SHOT} points, DANN and I2I by {DANN}, Duplex by {Duplex}, DAN by {DAN}, ADDA and DRCN by {ADDA}."
    assert shown.format(**mean) in text
    assert "undecided here whether `igan` has the highest average" in text
    assert opened.claims().set_index("claim")["verdict"]["2-office"] == "undecided"


def test_where_igan_and_a_level_method_differ_on_features_in_words():
    text = text_of("05_table2_office31")
    found = {
        (one, other, pair)
        for name in ("MSTN", "CDAN-M")
        for one, other in (("igan", name), (name, "igan"))
        for pair in OFFICE_RECOGNITION
        if paired("table2", one, other, pair)[1] > 0
    }
    assert found == {("CDAN-M", "igan", A_W), ("igan", "CDAN-M", A_D), ("igan", "MSTN", A_D)}
    (mean, low, high), *others = (paired("table2", *where) for where in sorted(found))
    opened = open_study("table2")
    cdan, igan = (opened.study.cell(opened.runs, opened.study.row(name), A_W, "cpu") for name in ("CDAN-M", "igan"))
    by_seed = (cdan - igan).values.values()
    assert len(by_seed) == 5 and min(by_seed) > 0
    assert f"CDAN-M is ahead of `igan` by {mean:.1f} points ({low:.1f} to {high:.1f}), in all five seeds." in text
    cdan, mstn = (f"{lead:.1f} ({low:.1f} to {high:.1f})" for lead, low, high in others)
    assert f"On amazon → dslr `igan` is ahead of CDAN-M by {cdan} and of MSTN by {mstn}." in text
    assert f"on amazon → webcam CDAN-M is ahead by {mean:.1f}." in " ".join(README.split())


def test_what_the_games_on_features_do_in_words():
    cells = open_study("table2").table.set_index(["method", "column"])["D_accuracy"]
    text = text_of("05_table2_office31")
    assert "Duplex's D is near chance here, and I2I's nearly always wins" in text
    assert cells["Duplex"].dropna().between(50, 60).all() and cells["I2I"].dropna().gt(94).all()
    assert "With amazon as target ADDA's D still tells the domains apart" in text
    assert cells[("ADDA", "webcam->amazon")] > 80 and cells[("ADDA", "dslr->amazon")] > 80


def test_where_no_label_had_a_part_in_the_choice_igan_leads_neither_mstn_nor_cdan():
    ahead = {
        name: {pair for pair in OFFICE_RECOGNITION if paired("table2", "igan", name, pair)[1] > 0}
        for name in ("MSTN", "CDAN-M", "DANN", "MCC")
    }
    text = text_of("05_table2_office31")
    assert ahead["MSTN"] == ahead["CDAN-M"] == {A_D}
    assert "Over MSTN and CDAN-M `igan` is ahead on amazon → dslr alone." in text
    where = "In the two columns into amazon, whose labels had no part in the choice of T and the weights,"
    assert f"{where} `igan` is ahead of neither, nor of DANN and MCC." in text
    assert not (ahead["DANN"] | ahead["MCC"]) & {W_A, D_A}
