"""Tables: cells against values computed by hand, averages, holes, paired differences, and the files."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from claim_makers import results, table4
from method_makers import one_sentence

from igan_lib.errors import ConfigError
from igan_lib.reproduction.opened import open_study
from igan_lib.reproduction.results import frame
from igan_lib.reproduction.studies import A_D, A_W, M_U, S_M, S_M_PART, STUDIES, U_M
from igan_lib.reproduction.tables import differences, study_table, summary, wide, wide_differences

VALUES = [94.0, 95.0, 96.0, 95.5, 94.5]


def cell(table, method, column):
    (line,) = table[(table["method"] == method) & (table["column"] == column)].itertuples()
    return line


def test_a_cell_has_mean_both_intervals_and_the_paper_beside_it():
    table = study_table(STUDIES["table1"], frame(results("table1", "igan", M_U, VALUES)), "cpu")
    line, s = cell(table, "igan", "mnist->usps"), np.std(VALUES, ddof=1)
    assert (line.n, line.mean, line.paper, line.delta) == (5, 95.0, 96.8, pytest.approx(-1.8))
    assert line.high - line.mean == pytest.approx(2.776 * s / math.sqrt(5), rel=1e-3)
    assert line.predicted_high - line.mean == pytest.approx(2.776 * s * math.sqrt(1.2), rel=1e-3)
    assert line.verdict == "reproduced"
    hole = cell(table, "igan", "usps->mnist")
    assert (hole.n, hole.verdict) == (0, "not run") and math.isnan(hole.mean)
    assert cell(table, "CyCADA", "mnist->usps").verdict == "not run"
    assert cell(table, "CyCADA", "mnist->usps").paper == 95.6


def test_what_d_tells_apart_stands_beside_a_row_whose_runs_have_it():
    played = [
        one.model_copy(update={"metrics": one.metrics | {"D_accuracy": 70.0 + 4 * one.config.seed}})
        for one in results("table1", "igan", M_U, [95.0, 96.0])
    ]
    table = study_table(STUDIES["table1"], frame(played + results("table1", "igan", U_M, [97.0])), "cpu")
    assert cell(table, "igan", "mnist->usps").D_accuracy == 72.0
    assert math.isnan(cell(table, "igan", "usps->mnist").D_accuracy)
    shown = wide(table).loc["igan"]
    assert shown["mnist → usps"] == "95.5 n=2, D 72 %" and shown["usps → mnist"] == "97.0 n=1"


def test_an_average_is_over_every_column_that_was_run_but_that_of_a_part_of_svhn():
    found = results("table1", "igan", M_U, [90, 91, 92]) + results("table1", "igan", S_M_PART, [1, 1, 1])
    table = study_table(STUDIES["table1"], frame(found), "cpu")
    assert cell(table, "igan", "average").n == 0 and "average" in wide(table)  # of one column there is none
    found += results("table1", "igan", U_M, [80, 82]) + results("table1", "igan+", M_U, [93, 94])
    table = study_table(STUDIES["table1"], frame(found), "cpu")
    line = cell(table, "igan", "average")
    assert (line.n, line.mean, line.paper) == (2, 85.75, pytest.approx((96.8 + 97.8) / 2))
    assert cell(table, "igan+", "average").n == 0 and cell(table, "MSTN", "average").paper != 92.9
    assert cell(table, "ADDA", "average").paper == pytest.approx((89.4 + 90.1) / 2)
    assert wide(table).columns[-1] == "average of mnist → usps and usps → mnist"
    found += results("table1", "igan", S_M, [70, 71, 72])
    line = cell(study_table(STUDIES["table1"], frame(found), "cpu"), "igan", "average")
    assert (line.n, line.mean) == (2, pytest.approx(np.mean([90, 80, 70, 91, 82, 71])))
    assert line.paper == pytest.approx((95.6 + 96.8 + 97.8) / 3)
    assert wide(study_table(STUDIES["table1"], frame(found), "cpu")).columns[-1] == "average"


def test_other_profiles_settings_and_versions_do_not_count():
    found = [
        *results("table1", "igan", M_U, [50.0], profile="quick"),
        *results("table1", "igan", M_U, [60.0], alpha=0.7),
        *results("table1", "igan", M_U, [70.0], version=99),
    ]
    assert not study_table(STUDIES["table1"], frame(found), "cpu")["n"].any()


def test_another_backbone_is_not_comparable_and_suh_says_why():
    found = [*results("table3", "igan", A_W, VALUES), *results("table3", "SuH", A_W, [100.0] * 5)]
    table = study_table(STUDIES["table3"], frame(found), "cpu")
    assert cell(table, "igan", "amazon->webcam").verdict == cell(table, "SuH", "amazon->webcam").verdict
    assert cell(table, "igan", "amazon->webcam").verdict == "not comparable"
    assert "trained on the images that are queried" in STUDIES["table3"].row("SuH").reason
    assert "frozen efficientnet" in STUDIES["table3"].row("igan").reason
    shown = wide(table)
    assert shown.loc["igan, paper (not comparable)", "amazon → webcam"] == "73.8 (+21.2)"
    assert shown.loc["NoDA, paper", "amazon → webcam"] == "51.1"  # nothing of ours stands above it
    cross = study_table(STUDIES["table3-cross"], frame(results("table3-cross", "igan", A_W, VALUES)), "cpu")
    assert cross["paper"].isna().all()  # another protocol: the paper prints nothing


def test_for_reading_a_hole_is_a_word_and_the_paper_stands_below():
    found = frame(results("table1", "igan", M_U, VALUES) + results("table1", "igan+", M_U, [95.0]))
    shown = wide(study_table(STUDIES["table1"], found, "cpu"))
    assert shown.loc["igan", "mnist → usps"] == "95.0 (94.0 to 96.0) n=5"
    assert shown.loc["igan, paper", "mnist → usps"] == "96.8 (-1.8, reproduced)"
    assert shown.loc["igan, paper", "svhn → mnist"] == "95.6" and shown.loc["igan", "svhn → mnist"] == "not run"
    assert shown.loc["igan+", "mnist → usps"] == "95.0 n=1" and shown.loc["igan", "average"] == ""
    assert shown.loc["Co-GAN, paper", "svhn → mnist"] == "not printed"
    found = frame(results("table1", "Duplex", M_U, [90.0]) + results("table1", "Duplex", S_M_PART, [68.0]))
    shown = wide(study_table(STUDIES["table1"], found, "cpu"))  # a column that prints nothing is no exception
    assert shown.loc["Duplex, paper (not comparable)", "mnist → usps"] == "96.0 (-6.0)"


def test_differences_are_paired_with_the_row_above_or_the_first_or_a_named_one():
    runs = frame(table4((20.0, 0.9, 4.0, 0.5), (M_U,)))
    above = differences(STUDIES["table4"], runs, "cpu")
    line = cell(above, "L_c+L_s+L_h+L_a", "mnist->usps")
    assert line.base == "L_c+L_s+L_h" and line.mean == pytest.approx(4.0) and line.by_seed == pytest.approx((4.0,) * 5)
    assert line.paper == pytest.approx(5.8) and line.share == pytest.approx(4 / 5.8) and line.verdict == "below"
    first = differences(STUDIES["table4"], runs, "cpu", "first")
    assert cell(first, "L_c+L_s+L_h+L_a", "mnist->usps").mean == pytest.approx(24.9)
    over = differences(STUDIES["table4"], runs, "cpu", "L_c+L_s")
    assert over["method"].eq("L_c+L_s").all() and over.set_index("base").loc["L_c", "mean"].max() == pytest.approx(20.0)
    with pytest.raises(ConfigError) as caught:
        differences(STUDIES["table4"], runs, "cpu", "L_x")
    one_sentence(caught.value, "'L_x'", "L_c+L_s+L_h")
    text = wide_differences(above)
    assert text.loc["L_a", "mnist → usps"].startswith("+4.0 (+4.0 to +4.0), n = 5, paper +5.8, 69 % of it [below]")
    assert text.loc["L_a", "usps → mnist"] == "not run"


def test_what_a_named_row_has_over_the_others_is_averaged_seed_by_seed_over_the_columns_that_were_run():
    found = results("table1", "igan", M_U, [95.0, 96.0, 97.0]) + results("table1", "igan", U_M, [98.0, 97.0, 99.0])
    found += results("table1", "Duplex", M_U, [90.0, 92.0, 93.0]) + results("table1", "Duplex", U_M, [97.0, 93.0])
    found += results("table1", "MSTN", M_U, [94.0]) + results("table1", "Duplex", S_M_PART, [1.0])
    over = differences(STUDIES["table1"], frame(found), "cpu", "igan").set_index(["base", "column"])
    line = over.loc["Duplex", "average"]
    assert line.by_seed == pytest.approx(((5 + 1) / 2, (4 + 4) / 2)) and line["mean"] == pytest.approx(3.5)
    assert line.paper == pytest.approx((96.8 + 97.8 - 96.0 - 98.8) / 2, abs=0.01)
    assert over.loc["MSTN", "average"].n == 0 and math.isnan(over.loc["MSTN", "average"].paper)
    of_one = frame(results("table1", "igan", M_U, [95.0]) + results("table1", "Duplex", M_U, [90.0]))
    assert differences(STUDIES["table1"], of_one, "cpu", "igan").set_index("column").loc["average", "n"].eq(0).all()
    assert "average" not in set(differences(STUDIES["table4"], frame([]), "cpu")["column"])


def test_a_study_writes_csv_markdown_latex_and_differences(tmp_path):
    for result in table4((20.0, 0.9, 4.0, 0.5), (M_U,)):
        path = tmp_path / "runs" / f"{result.config.name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(result.model_dump_json())
    opened = open_study("table4", results=tmp_path, figures=tmp_path / "f")
    opened.write()
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(STUDIES["table4"].files)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "tables" / "table4.csv"), opened.table, check_dtype=False, atol=1e-4
    )
    markdown = (tmp_path / "tables" / "table4.md").read_text()
    assert opened.markdown() in markdown and "Ablation: losses added one by one, profile cpu" in markdown
    latex = (tmp_path / "tables" / "table4.tex").read_text()
    assert r"\toprule" in latex and r"L\_c+L\_s" in latex and r"mnist $\to$ usps" in latex and "→" not in latex
    before = {path: path.read_bytes() for path in (tmp_path / "tables").iterdir()}
    open_study("table4", results=tmp_path).write()
    assert before == {path: path.read_bytes() for path in (tmp_path / "tables").iterdir()}


def test_what_is_missing_is_named_once_and_unread_files_are_the_study_s_own(tmp_path):
    (tmp_path / "runs").mkdir()
    for result in results("table1", "igan", M_U, [90.0, 91.0]):
        (tmp_path / "runs" / f"{result.config.name}.json").write_text(result.model_dump_json())
    opened = open_study("table1", results=tmp_path, seeds=2)
    # Two rows measure the runs of source-only.
    assert len(opened.missing_runs) == 2 * 15 * 4 - 2 and opened.missing.startswith("118 runs are missing.")
    assert "and 98 more" in opened.missing and opened.unread == []
    broken = opened.missing_runs[0]
    for name in (broken, "dah-amazon-dslr-cpu-s0-12345678"):
        (tmp_path / "runs" / f"{name}.json").write_text("{")
    assert open_study("table1", results=tmp_path).unread == [broken]
    assert len(open_study("table1", results=tmp_path).damaged) == 2


def test_pairs_and_profiles_have_folders_of_their_own(tmp_path):
    opened = open_study("table4", profile="quick", results=tmp_path, figures=tmp_path / "f", pairs=(("a", "b"),))
    assert opened.folder == tmp_path / "tables" / "quick" / "a-b" and opened.figures == tmp_path / "f" / "quick" / "a-b"
    assert set(opened.table["column"]) == {"a->b"} and opened.table["paper"].isna().all()
    with pytest.raises(ConfigError) as caught:
        open_study("table9", results=tmp_path)
    one_sentence(caught.value, "'table9'", "table4")


def test_costs_are_those_of_the_fastest_seed(tmp_path):
    (tmp_path / "runs").mkdir()
    for number, result in enumerate(table4((1, 1, 1, 1), (M_U,), n=2)):
        slow = result.model_copy(update={"provenance": result.provenance | {"seconds": 100.0 + number}})
        (tmp_path / "runs" / f"{result.config.name}.json").write_text(slow.model_dump_json())
    (tmp_path / "benchmarks.json").write_text('{"cpu": {"losses_ms": {"28 pixels": {"L_c": 50.4}}}}')
    costs = open_study("table4", results=tmp_path).costs()
    assert list(costs.columns) == ["s a run, mnist → usps", "ms a step, 28 pixels"]
    assert costs["s a run, mnist → usps"].tolist() == ["100", "102", "104", "106", "108"]
    assert costs["ms a step, 28 pixels"].tolist() == ["50", "", "", "", ""]
    steps = {"table1": {"mnist->usps": {"Duplex": 120.3}}, "table2": {"amazon->webcam": {"igan": 9.0}}}
    (tmp_path / "benchmarks_methods.json").write_text(json.dumps(steps))
    costs = open_study("table1", results=tmp_path).costs()
    assert costs.loc["Duplex", "ms a step, mnist → usps"] == "120" and costs.loc["igan"].tolist() == ["108", ""]
    other = open_study("table1", results=tmp_path, profile="smoke").costs()  # the steps were not measured for it
    assert list(other.columns) == []


def test_the_summary_takes_presets_alone():
    found = results("table1", "igan", M_U, VALUES) + results("table1", "igan", M_U, [10.0], alpha=0.7)
    shown = summary([*found, *results("table1", "igan", A_D, [77.0])], "cpu")
    assert shown.values.tolist() == [
        ["igan", "amazon → dslr", 1, "77.0", ""],
        ["igan", "mnist → usps", 5, "95.0", "94.0 to 96.0"],
    ]
    with pytest.raises(ConfigError) as caught:
        summary(found, "cpu", "accuracy")
    one_sentence(caught.value, "'accuracy'", "target_accuracy")
