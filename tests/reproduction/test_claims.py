"""Claims: what the paper says, computed from results made so that the answer is known."""

import re

import pytest
from claim_makers import results, table4

from igan_lib.data.data_root import data_root
from igan_lib.reproduction.claims import claim_parts, claim_verdicts, verdict_of
from igan_lib.reproduction.estimate import VERDICTS
from igan_lib.reproduction.paper import AVERAGES, SLIPS, TABLES, averages
from igan_lib.reproduction.results import frame
from igan_lib.reproduction.sentences import AVERAGE, CLAIMS
from igan_lib.reproduction.studies import A_D, A_W, D_A, M_U, S_M, S_M_PART, STUDIES, U_M, W_A, office_studies

every_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
STEPS = [-0.02, -0.01, 0.0, 0.01, 0.02]


def of(claim, found, **options):
    runs = frame(found)
    (line,) = claim_verdicts(runs, claims=[c for c in CLAIMS if c.id == claim], **options).itertuples()
    return line


def near(value):
    return [value + step for step in STEPS]


# ---------------------------------------------------------------- verdicts


def test_a_claim_is_as_good_as_the_worst_part_that_was_compared():
    assert verdict_of(["reproduced", "above", "not run"]) == "above"
    assert verdict_of(["reproduced", "undecided", "above", "not comparable"]) == "undecided"
    assert verdict_of(["below", "undecided"]) == "below"
    assert verdict_of(["not run", "not comparable"]) == "not comparable" and verdict_of(["not run"] * 2) == "not run"
    assert list(VERDICTS)[:4] == ["below", "undecided", "above", "reproduced"]


def test_without_results_nothing_is_run():
    assert set(claim_verdicts(frame([]))["verdict"]) == {"not run"} and set(claim_verdicts(frame([]))["n"]) == {0}


@pytest.mark.parametrize(("over", "verdict"), [(-1.0, "reproduced"), (-2.9, "below"), (0.5, "above")])
def test_ours_over_another_method_is_decided_against_our_own_row(over, verdict):
    found = results("table1", "igan", U_M, near(95.0)) + results("table1", "Duplex", U_M, [95.0 - over] * 5)
    assert of("1-usps-mnist", found).verdict == verdict  # printed are 97.8 and 98.8
    parts = claim_parts(frame(found), claims=[c for c in CLAIMS if c.id == "1-usps-mnist"])
    own, beside = parts.itertuples()
    assert own.mean == pytest.approx(over) and (own.paper, own.reason, own.beside) == (-1.0, "", "")
    assert beside.mean == pytest.approx(95.0 - 98.8) and beside.beside == "against the printed number"


def test_a_method_that_fails_here_gives_no_win():
    found = results("table1", "igan", U_M, near(95.0)) + results("table1", "Duplex", U_M, [60.0] * 5)
    assert of("1-usps-mnist", found).verdict == "above"
    line = of("1-usps-mnist", found + results("table1", "source-only", U_M, [70.0] * 5))
    below = "the mean of Duplex is below that of source-only on usps → mnist"
    assert line.verdict == "not comparable" and below in line.numbers
    assert of("1-usps-mnist", found + results("table1", "source-only", U_M, [50.0] * 5)).verdict == "above"
    # Of an average one column is enough.
    for pair, value in ((M_U, 90.0), (U_M, 60.0)):
        found += results("table1", "source-only", pair, [70.0] * 5)
        if pair == M_U:
            found += results("table1", "igan", pair, near(95.0)) + results("table1", "Duplex", pair, [value] * 5)
    parts = claim_parts(frame(found), claims=[c for c in CLAIMS if c.id == "1-average"])
    two = parts[parts["beside"] == "MNIST and USPS alone"].set_index("comparison")["verdict"]
    assert two["igan over Duplex"] == "not comparable" and two["igan over MSTN"] == "not run"
    # Seed by seed: a run of source-only that the method has no partner of says nothing.
    weak = results("table1", "source-only", U_M, [60.0] * 3 + [90.0] * 2)
    few = results("table1", "igan", U_M, near(95.0)) + results("table1", "Duplex", U_M, [61.0] * 3)
    assert "is below that" not in of("1-usps-mnist", few + weak).numbers


def test_best_of_a_column_means_above_each_row_that_is_printed_there():
    found = results("table1", "igan", M_U, near(96.0))
    for other in ("CDAN-M", "CyCADA", "Duplex", "MSTN", "ADDA", "Co-GAN", "DRCN"):
        found += results("table1", other, M_U, [90.0] * 5)
    best = [part for part in claim_parts(frame(found)).itertuples() if part.claim == "1-mnist-usps" and not part.beside]
    assert [part.verdict for part in best] == ["above", *["reproduced"] * 6]
    found = [run for run in found if run.config.method != "mstn"]
    line = of("1-mnist-usps", found)  # the one that is missing may be the best
    assert line.verdict == "undecided" and line.n == 0 and "not run: igan over MSTN, mnist → usps" in line.numbers
    found += results("table1", "MSTN", M_U, [97.0] * 5)
    assert of("1-mnist-usps", found).verdict == "below"


def test_an_average_over_another_method_needs_every_column():
    found = []
    for pair in (M_U, U_M):
        found += results("table1", "igan", pair, near(98.0)) + results("table1", "Duplex", pair, [97.0] * 5)
    assert of("1-average", found).verdict == "not run"
    parts = claim_parts(frame(found), claims=[c for c in CLAIMS if c.id == "1-average"])
    two = parts[parts["beside"] == "MNIST and USPS alone"].set_index("comparison")
    assert {f"igan over {name}" for name in TABLES["Table 1"] if name != "IGAN"} == {*two.index}
    assert two.loc["igan over Duplex", "mean"] == pytest.approx(1.0) and two["n"].sum() == 5
    assert two.loc["igan over Duplex", "paper"] == pytest.approx((96.8 + 97.8 - 96.0 - 98.8) / 2)
    found += results("table1", "igan", S_M, near(94.1)) + results("table1", "Duplex", S_M, [93.31] * 5)
    line = of("1-average", found)
    assert line.verdict == "undecided" and line.n == 0 and "not run: igan over CyCADA, average" in line.numbers
    for other in ("CyCADA", "CDAN-M", "ADDA", "DRCN"):
        for pair in (M_U, U_M, S_M):
            found += results("table1", other, pair, [90.0] * 5)
    line = of("1-average", found)
    assert line.verdict == "reproduced" and line.n == 5 and "on average: +0.9" in line.numbers
    parts = claim_parts(frame(found), claims=[c for c in CLAIMS if c.id == "1-average"]).set_index("beside")
    assert parts.loc["against the printed number", "mean"] == pytest.approx((98 + 98 + 94.1) / 3 - 95.7667, abs=1e-3)


def test_each_loss_is_held_pair_by_pair_and_an_average_hides_none():
    # L_s as printed on one pair, a quarter of it on the other: the average would look like half an effect.
    found = table4((4.0, 0, 0, 0), (M_U,)) + table4((6.0, 0, 0, 0), (U_M,))
    line = of("4-centroids", found)
    assert line.verdict == "below" and "[reproduced]" in line.numbers and "[below]" in line.numbers
    assert "22 % of it" in line.numbers and "not run: svhn → mnist" in line.numbers
    parts = claim_parts(frame(found), claims=[c for c in CLAIMS if c.id == "4-centroids"])
    assert parts.loc[parts["column"] == "usps->mnist", "share"].iloc[0] == pytest.approx(6 / 27)


def test_what_stands_beside_has_no_part_in_the_verdict():
    found = table4((4.0, 0.8, 5.8, 0.7), (M_U,)) + table4((27.0, 0.7, 7.7, 0.6), (U_M,))
    assert of("4-adversarial", found).verdict == "reproduced"
    worse = table4((0, 0, -9, 0), (M_U, U_M), study="table4-no-batch-norm") + table4((0, 0, -9, 0), (S_M_PART,))
    assert of("4-adversarial", found + worse).verdict == "reproduced"
    parts = claim_parts(frame(found + worse), claims=[c for c in CLAIMS if c.id == "4-adversarial"])
    beside = parts[(parts["beside"] != "") & (parts["n"] > 0)]
    assert set(beside["beside"]) == {"without batch norm in the encoder", "a part of SVHN", "against L_s"}


def test_the_first_loss_must_add_more_than_the_others():
    found = [run for pair in (M_U, U_M) for run in table4((4.0, 6.5, 5.8, 0.7), (pair,))]
    parts = claim_parts(frame(found), claims=[c for c in CLAIMS if c.id == "4-adversarial"]).set_index("comparison")
    beyond = parts.loc["what L_a adds beyond what L_h adds"]
    assert beyond[beyond["n"] > 0]["mean"].tolist() == pytest.approx([-0.7, -0.7])
    assert beyond[beyond["n"] > 0]["verdict"].eq("below").all()


@pytest.mark.parametrize(("ours", "verdict"), [(1.0, "reproduced"), (-1.0, "below"), (0.0, "undecided")])
def test_a_direction_alone_is_held_against_zero(ours, verdict):
    found = []
    for pair in (M_U, U_M):
        found += results("arguments", "igan", pair, [90 + ours + step for step in STEPS])
        found += results("arguments", "real/fake discriminators", pair, [90 - step for step in STEPS])
    assert of("a-discriminators", found).verdict == verdict


# What the presets have where a backbone is fine-tuned
PAPER_S = {"backbone": "alexnet", "regime": "finetuned", "random_crops": True}


def test_on_another_backbone_numbers_are_shown_and_not_compared():
    found = []
    for label, value in (("igan", 70.0), ("DAH", 60.0)):
        for pair in (W_A, A_W):
            found += results("table3", label, pair, near(value))
    line = of("3-unsupervised", found)
    assert line.verdict == "not comparable" and "frozen efficientnet_lite2, not finetuned alexnet" in line.numbers
    assert "+10.0" in line.numbers
    for label in ("NoDA", "ITQ", "UH-BDNN", "BA"):
        found += [run for pair in (W_A, A_W) for run in results("table3", label, pair, near(59.0))]
    # Under the paper's own conditions the same numbers are.
    own = STUDIES | office_studies("alexnet", "finetuned")
    changed = [run.model_copy(update={"config": run.config.model_copy(update=PAPER_S)}) for run in found]
    assert of("3-unsupervised", changed, studies=own).verdict == "above"


def test_who_is_above_in_table_2_is_decided_between_rows_of_ours_and_by_how_much_is_not():
    others = [name for name in TABLES["Table 2"] if name != "IGAN"]
    found = [run for pair in STUDIES["table2"].pairs for run in results("table2", "igan", pair, near(80.0))]
    for other in others:
        for pair in STUDIES["table2"].pairs:
            found += results("table2", other, pair, [82.0 if (other, pair) == ("MSTN", A_W) else 75.0] * 5)
    parts = claim_parts(frame(found), claims=[c for c in CLAIMS if c.id == "2-office"])
    own = parts[parts["beside"] == ""]
    decided = own[own["verdict"] == "reproduced"]
    pairs = [("MSTN over igan", "amazon->webcam"), *(("igan over MSTN", "->".join(p)) for p in (A_D, W_A, D_A))]
    averages = [(f"igan over {other}", AVERAGE) for other in others]
    assert list(zip(decided["comparison"], decided["column"], strict=True)) == pairs + averages
    assert own["verdict"].isin(["reproduced", "not comparable"]).all()
    # The same rows under the paper's sizes: of another network.
    sizes = own[own["paper"].notna()]
    assert len(sizes) == 5 and sizes["verdict"].eq("not comparable").all()
    assert of("2-office", found).verdict == "reproduced"
    better = [run for run in found if run.config.method != "mstn"]
    better += [run for pair in STUDIES["table2"].pairs for run in results("table2", "MSTN", pair, [85.0] * 5)]
    assert of("2-office", better).verdict == "below"


def test_figure_2_is_a_measure_after_over_the_same_before():
    made = results("table2", "igan", A_W, [80.0] * 5)
    measured = {"target_silhouette": 60.0, "source_only_silhouette": 31.0}
    runs = [run.model_copy(update={"metrics": run.metrics | measured}) for run in made]
    parts = claim_parts(frame(runs), claims=[c for c in CLAIMS if c.id == "f-figure2"])
    assert parts[parts["n"] == 5]["mean"].tolist() == [29.0] and parts["n"].tolist() == [5, 0, 0, 0]


# ---------------------------------------------------------------- what the paper says


def paper_lines():
    """The lines of the paper's text where it lies beside the data, with arrows as arrows."""
    files = sorted(data_root().parent.glob("paper/*.txt"))
    if not files:
        pytest.skip("the paper's text is not beside the data root")
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return text.replace(r"\rightarrow", "→").splitlines()


def paper_text():
    """The same with one space between words."""
    return re.sub(r"\s+", " ", " ".join(paper_lines()))


@every_claim
def test_the_sentence_stands_in_the_paper(claim):
    text, position = paper_text(), 0
    for piece in claim.sentence.split(" … "):
        position = text.find(piece, position)
        assert position >= 0, piece


@every_claim
def test_its_rows_exist_and_its_printed_differences_follow_from_the_cells(claim):
    assert any(not comparison.beside for comparison in claim.comparisons)
    for comparison in claim.comparisons:
        study = STUDIES[comparison.study]
        rows = {label: study.row(label) for label, _ in comparison.weights}
        for column, printed in comparison.printed.items():
            if column == AVERAGE:
                table = AVERAGES[{"table1": "Table 1", "table2": "Table 2"}[comparison.study]]
                other = re.search(r"over ([\w-]+)", comparison.what)[1]
                if comparison.beside != "MNIST and USPS alone":
                    assert printed == pytest.approx(table["IGAN"] - table[other])
                continue
            if comparison.less:
                table = TABLES[{"table1": "Table 1", "table2": "Table 2"}[comparison.study]]
                assert printed == pytest.approx(table["IGAN"][column] - comparison.less[column])
            elif not comparison.beside:
                cells = sum(weight * rows[label].paper[column] for (label, _), weight in comparison.weights.items())
                assert printed == pytest.approx(cells)


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if "%" in claim.sentence], ids=lambda claim: claim.id)
def test_the_sizes_in_a_sentence_are_those_that_it_is_held_against(claim):
    quoted = [float(number) for number in re.findall(r"(\d+(?:\.\d+)?)%", claim.sentence)]
    sizes = [abs(size) for comparison in claim.comparisons for size in comparison.printed.values()]
    assert sizes[: len(quoted)] == pytest.approx(quoted)


def test_every_cell_and_average_is_as_printed():
    """Read anew from the text's own tables: a head line, lines of numbers between tabs, the caption below."""
    domains = dict(zip("SMUAWD", ("svhn", "mnist", "usps", "amazon", "webcam", "dslr"), strict=True))
    names, read, block = {"Ours": "IGAN"}, {}, []
    for line in paper_lines():
        caption = re.match(r"(Table \d):", line)
        if "\t" in line:
            block.append(line.replace("$", "").split("\t"))
        elif caption:
            (_, *heads, _), *rows = block
            columns = ["->".join(domains[end.strip()] for end in head.split("→")) for head in heads]
            for name, *cells, average in rows:
                losses = "".join(name.replace("L_", "").split("+"))
                key = losses if caption[1] == "Table 4" else names.get(name, name)
                numbers = {column: float(cell) for column, cell in zip(columns, cells, strict=True) if cell != "-"}
                read.setdefault(caption[1], {})[key] = (numbers, float(average))
            block = []
    ours = {
        table: {row: (cells, AVERAGES[table][row]) for row, cells in rows.items()} for table, rows in TABLES.items()
    }
    assert read == ours


def test_the_averages_that_do_not_follow_are_found():
    assert [(table, row, printed, round(computed, 3)) for table, row, printed, computed in averages()] == [
        ("Table 1", "Duplex", 95.80, 95.767),
        ("Table 1", "CDAN-M", 94.30, 94.267),
        ("Table 2", "Duplex", 66.96, 66.975),
        ("Table 4", "L_c+L_s+L_h+L_a", 95.87, 95.9),
    ]


def test_the_slips_name_equation_12_and_the_caption():
    text = " ".join(slip for _, slip in SLIPS)
    assert "Eq. 12 has α at L_s" in text and "Office-Home" in text
    equation = paper_text().partition(r"(12)")[0][-400:]
    assert r"\alpha \frac{\partial L_s}" in equation and r"\beta \frac{\partial L_h}" in equation


def test_the_method_is_not_superior_on_every_pair_of_its_own_tables():
    assert "four public benchmark datasets, all of which show that our method is superior" in paper_text()
    above = {
        (method, pair)
        for table in ("Table 1", "Table 2")
        for method, cells in TABLES[table].items()
        for pair, value in cells.items()
        if value > TABLES[table]["IGAN"][pair]
    }
    assert above == {("Duplex", "usps->mnist"), ("MSTN", "amazon->webcam")}


def test_a_slip_that_begins_with_an_equation_stands_under_its_section():
    section, found = "", {}
    for line in paper_lines():
        if heading := re.match(r"(\d(?:\.\d)?) [A-Z]\w+", line):
            section = heading[1]
        if tag := re.search(r"\((\d+)\)\s*\$\$$", line):
            found[tag[1]] = section
    assert sorted(map(int, found)) == list(range(1, 15))
    named = [(where, re.match(r"Eq\. (\d+)", slip)) for where, slip in SLIPS]
    named = [(where, equation[1]) for where, equation in named if equation]
    assert len(named) >= 4 and all(found[equation] == where for where, equation in named)
