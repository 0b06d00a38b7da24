"""Cells, averages, differences and holes of the studies' tables, on made-up results."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from igan_lib.experiment import presets
from igan_lib.experiment.run import RunResult
from igan_lib.reproduction.paper import TABLE1
from igan_lib.reproduction.studies import M_U, S_M, S_M_PART, STUDIES, U_M, Row, Study, office_studies
from igan_lib.reproduction.study_tables import (
    COLUMNS,
    advantage,
    differences_to_first,
    histories,
    missing_runs,
    paired_differences,
    run_seconds,
    study_table,
    to_latex,
    to_markdown,
    wide,
    write_tables,
)

ROWS = (
    Row("first", settings={"losses": ("c",)}, paper={"mnist->usps": 80.0, "usps->mnist": 60.0}),
    Row("second", paper={"mnist->usps": 90.0}),
    Row("second, measured otherwise", metric="other"),
)
STUDY = Study("made_up", "A made-up table", ROWS, (M_U, U_M))


def result(row, pair, seed, value, profile="smoke", other=1.0):
    config = STUDY.config(row, pair, seed, profile)
    metrics = {"target_accuracy": value, "other": other}
    return RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance={})


def some_results():
    values = {(0, M_U): [70, 72, 74, 71, 73], (0, U_M): [50, 54], (1, M_U): [81, 80, 86, 79, 84]}
    found = [result(ROWS[i], pair, seed, v) for (i, pair), vs in values.items() for seed, v in enumerate(vs)]
    stale = result(ROWS[1], U_M, 0, 1.0)
    other_profile = result(ROWS[1], U_M, 0, 2.0, profile="quick")
    alpha = stale.config.model_copy(update={"alpha": 0.7})
    return [*found, other_profile, RunResult(**(dict(stale) | {"config": alpha, "hash": alpha.hash8}))]


@pytest.fixture
def table():
    return study_table(STUDY, some_results(), "smoke").set_index(["method", "column"])


def test_a_cell_is_mean_and_t_interval_of_exactly_its_runs(table):
    cell, values = table.loc["second", "mnist->usps"], [81, 80, 86, 79, 84]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert [cell["n"], cell["mean"], cell["low"], cell["high"]] == pytest.approx([5, 82.0, low, high])
    assert cell["delta"] == pytest.approx(82.0 - 90.0) and cell["verdict"] == "not reproduced"
    assert table.loc["first", "usps->mnist"]["verdict"] == "too few seeds"


def test_runs_of_another_profile_or_setting_leave_a_hole(table):
    hole = table.loc["second", "usps->mnist"]
    assert hole["n"] == 0 and hole["verdict"] == "not run" and math.isnan(hole["mean"])


def test_the_average_is_seed_by_seed_and_only_where_no_cell_is_missing(table):
    average = table.loc["first", "average"]
    assert [average["n"], average["mean"], average["paper"]] == pytest.approx([2, (60 + 63) / 2, 70.0])
    assert table.loc["second", "average"]["n"] == 0 and math.isnan(table.loc["second", "average"]["paper"])


def digits_of(values, seeds=2):
    """Runs of the row `igan` of Table 1: pair -> value of seed 0."""
    (row,) = [row for row in STUDIES["table1"].rows if row.label == "igan"]
    made = []
    for pair, value in values.items():
        for seed in range(seeds):
            config = STUDIES["table1"].config(row, pair, seed, "cpu")
            metrics = {"target_accuracy": value + seed}
            made.append(RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance={}))
    return made


def test_a_part_of_svhn_is_in_no_average():
    values = {S_M_PART: 10.0, M_U: 96.0, U_M: 98.0}
    table = study_table(STUDIES["table1"], digits_of(values), "cpu").set_index(["method", "column"])
    assert table.loc["igan", "svhn7k->mnist"]["mean"] == 10.5 and math.isnan(
        table.loc["igan", "svhn7k->mnist"]["paper"]
    )
    assert table.loc["igan", "svhn->mnist"]["verdict"] == table.loc["igan", "average"]["verdict"] == "not run"
    table = study_table(STUDIES["table1"], digits_of(values | {S_M: 91.0}), "cpu").set_index(["method", "column"])
    average = table.loc["igan", "average"]
    assert [average["mean"], average["paper"]] == pytest.approx([95.5, (95.6 + 96.8 + 97.8) / 3])


def test_the_papers_other_rows_stand_beside_ours_with_their_holes():
    table = study_table(STUDIES["table1"], [], "cpu")
    cells = wide(table)
    others = [name for name in TABLE1 if name != "IGAN"]
    assert cells.index.tolist()[-len(others) :] == [f"{name}, paper" for name in others]
    assert cells.loc["Duplex, paper"].tolist() == ["92.5", "", "96.0", "98.8", "95.8"]
    assert cells.loc["MSTN, paper"].tolist() == ["91.7", "", "92.9", "not printed", ""]
    assert cells.loc["igan, paper"].tolist() == ["95.6", "", "96.8", "97.8", "96.7"]
    elsewhere = replace(STUDIES["table1"], pairs=(("mnist5k", "digits"),))
    assert "Duplex" not in set(study_table(elsewhere, [], "cpu")["method"])


def test_a_table_of_one_pair_has_no_average():
    assert "average" not in set(study_table(STUDIES["code-length"], [], "cpu")["column"])
    # one of the paper's pairs alone, as by PAIRS=mnist:usps
    cells = wide(study_table(replace(STUDIES["table1"], pairs=(M_U,)), [], "cpu"))
    assert list(cells.columns) == ["mnist → usps"] and cells.loc["Duplex, paper"].tolist() == ["96.0"]


@pytest.mark.parametrize(("settings", "verdict"), [({}, "reproduced"), ({"losses": ("c",)}, "above the paper")])
def test_more_than_the_paper_has_is_as_good_for_the_whole_method_alone(settings, verdict):
    row = Row("x", settings=settings, paper={"mnist->usps": 50.0})
    results = [result(row, M_U, seed, 90.0 + 0.1 * seed) for seed in range(5)]
    (line,) = study_table(Study("made_up", "", (row,), (M_U,)), results, "smoke").itertuples()
    assert line.verdict == verdict


def test_a_row_may_measure_the_same_runs_otherwise(table):
    cell = table.loc["second, measured otherwise", "mnist->usps"]
    assert [cell["n"], cell["mean"]] == [5, 1.0]


def test_differences_are_taken_on_the_same_seeds():
    results = some_results()
    del results[1]  # seed 1 of the first row on mnist->usps
    found = paired_differences(STUDY, results, "smoke").set_index(["method", "column"]).loc["second", "mnist->usps"]
    differences = np.array([81, 86, 79, 84]) - np.array([70, 74, 71, 73])
    low, high = stats.t.interval(0.95, 3, differences.mean(), stats.sem(differences))
    assert [found[key] for key in ("n", "mean", "low", "high", "paper")] == pytest.approx(
        [4, differences.mean(), low, high, 10.0]
    )


def test_a_difference_without_common_seeds_is_a_hole():
    found = paired_differences(STUDY, some_results(), "smoke").set_index(["method", "column"])
    hole = found.loc["second", "usps->mnist"]
    assert hole["n"] == 0 and math.isnan(hole["mean"]) and math.isnan(hole["paper"])


def test_differences_to_the_first_row():
    found = differences_to_first(STUDY, some_results(), "smoke").set_index(["method", "column"])
    assert found.loc["second", "mnist->usps"]["mean"] == pytest.approx(82 - 72)
    assert found.loc["second, measured otherwise", "mnist->usps"]["mean"] == pytest.approx(1 - 72)


def test_advantage_is_over_each_other_row_under_its_name():
    found = advantage(STUDY, some_results(), "smoke", "second").set_index(["method", "column"])
    assert set(found.index.get_level_values("method")) == {"first", "second, measured otherwise"}
    assert found.loc["first", "mnist->usps"][["n", "mean", "paper"]].tolist() == pytest.approx([5, 82 - 72, 10.0])
    assert found.loc["second, measured otherwise", "mnist->usps"]["mean"] == pytest.approx(82 - 1)


def test_missing_runs_are_those_without_a_result_each_once():
    missing = missing_runs(STUDY, some_results(), "smoke", range(3))
    expected = [(ROWS[0], U_M, 2), *((ROWS[1], U_M, seed) for seed in range(3))]
    assert missing == sorted((STUDY.config(*cell, "smoke") for cell in expected), key=lambda config: config.seed)


def test_a_result_without_the_metric_is_missing_too():
    whole = result(ROWS[0], M_U, 0, 1.0)
    older = whole.model_copy(update={"metrics": {"other": 1.0}})
    assert whole.config not in missing_runs(STUDY, [whole], "smoke", [0])
    assert older.config in missing_runs(STUDY, [older], "smoke", [0])


def test_run_seconds_are_the_fastest_of_the_seeds_that_all_rows_have():
    study = replace(STUDY, rows=(*ROWS, Row("never run", settings={"alpha": 0.7})))
    times = {(0, M_U): [20, 15, 90, 7], (1, M_U): [31, 41, 21], (0, U_M): [60]}
    results = [
        result(ROWS[row], pair, seed, 1.0).model_copy(update={"provenance": {"seconds": float(seconds)}})
        for (row, pair), by_seed in times.items()
        for seed, seconds in enumerate(by_seed)
    ]
    found = run_seconds(study, results, "smoke")
    assert list(found.index) == [row.label for row in study.rows]
    assert found["mnist->usps"].tolist()[:3] == [15, 21, 21] and math.isnan(found["mnist->usps"].iloc[3])
    assert found.loc["first", "usps->mnist"] == 60 and found["usps->mnist"].isna().sum() == 3
    assert run_seconds(study, [*results[:4], result(ROWS[1], M_U, 9, 1.0)], "smoke").empty


def test_wide_shows_cells_holes_and_the_paper():
    cells = wide(study_table(STUDY, some_results(), "smoke"))
    assert list(cells.columns) == ["mnist → usps", "usps → mnist", "average"]
    assert list(cells.index) == ["first", "first, paper", "second", "second, paper", "second, measured otherwise"]
    low, high = stats.t.interval(0.95, 4, 72, stats.sem([70, 72, 74, 71, 73]))
    assert cells.loc["first", "mnist → usps"] == f"72.0 ({low:.1f} to {high:.1f}) n=5"
    assert cells.loc["second"].tolist()[1:] == ["not run", ""]
    assert cells.loc["first, paper"].tolist() == [
        "80.0 (-8.0, not reproduced)",
        "60.0 (-8.0, too few seeds)",
        "70.0 (-8.5, too few seeds)",
    ]
    assert cells.loc["second, paper"].tolist() == ["90.0 (-8.0, not reproduced)", "not printed", ""]
    lines = to_markdown(cells).splitlines()
    assert lines[0] == "| method | mnist → usps | usps → mnist | average |" and len(lines) == 2 + len(cells)
    latex = to_latex(cells, "A 100 % made-up table")
    assert r"method & mnist $\to$ usps & usps $\to$ mnist & average \\" in latex
    assert latex.count(r"\\") == 1 + len(cells) and r"100 \% made-up" in latex


def test_files_hold_the_same_table_in_three_forms(tmp_path):
    table = write_tables(STUDY, some_results(), "smoke", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made_up.csv", "made_up.md", "made_up.tex"]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "made_up.csv"), table, check_exact=False, rtol=1e-3)
    assert list(table.columns) == COLUMNS
    assert to_markdown(wide(table)) in (tmp_path / "made_up.md").read_text()


@pytest.mark.parametrize(("kind", "made"), [("above", paired_differences), ("first", differences_to_first)])
def test_a_study_that_is_about_differences_has_them_in_a_file(tmp_path, kind, made):
    study = replace(STUDY, differences=kind)
    thirds = [
        run.model_copy(update={"metrics": {name: value / 3 for name, value in run.metrics.items()}})
        for run in some_results()
    ]
    write_tables(study, thirds, "smoke", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(study.files) and len(study.files) == 4
    found = pd.read_csv(tmp_path / "made_up-differences.csv")
    expected = made(study, thirds, "smoke")
    for told, values, n in zip(found["by_seed"].fillna(""), expected["by_seed"], expected["n"], strict=True):
        assert [float(value) for value in str(told).split()] == pytest.approx(values, abs=1e-4) and len(values) == n
    found, expected = (table.drop(columns="by_seed") for table in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=1e-3, check_dtype=False)


def test_a_table_takes_results_from_before_a_later_field(monkeypatch):
    results = some_results()
    before = study_table(STUDY, results, "smoke")
    monkeypatch.setattr(presets, "LATER_FIELDS", presets.LATER_FIELDS - {"contrast"})
    assert study_table(STUDY, results, "smoke")["n"].sum() == 0 < before["n"].sum()


def test_a_column_s_head_names_the_backbone_and_its_regime():
    heads = [wide(study_table(study, [], "cpu")).columns.tolist() for study in (STUDIES["table2"], STUDIES["table1"])]
    assert heads[0][0] == "amazon → webcam, frozen efficientnet_lite0" and heads[0][-1] == "average"
    assert heads[1] == ["svhn → mnist", "svhn7k → mnist", "mnist → usps", "usps → mnist", "average"]
    tuned = office_studies("alexnet", "finetuned")["table3"]
    assert wide(study_table(tuned, [], "cpu")).columns[0] == "webcam → amazon, finetuned alexnet"


def test_histories_are_those_of_the_study_s_runs_row_by_row():
    logged = {(0, 0): [{"step": 1, "L_c": 2.0}, {"step": 9, "L_c": 1.0}], (1, 3): [{"step": 9, "L_c": 0.5, "L_h": 0.1}]}
    found = [
        result(ROWS[row], M_U, seed, 1.0).model_copy(update={"history": history})
        for (row, seed), history in logged.items()
    ]
    other = result(ROWS[0], U_M, 0, 1.0, profile="quick").model_copy(update={"history": logged[0, 0]})
    table = histories(STUDY, [*found, other], "smoke")
    lines = [
        ("first", 0, 1, 2.0),
        ("first", 0, 9, 1.0),
        ("second", 3, 9, 0.5),
        ("second, measured otherwise", 3, 9, 0.5),
    ]
    assert list(table[["method", "seed", "step", "L_c"]].itertuples(index=False, name=None)) == lines
    assert set(table["column"]) == {"mnist->usps"}
    assert table["L_h"].isna().tolist() == [True, True, False, False]
    assert histories(STUDY, [], "smoke").empty
