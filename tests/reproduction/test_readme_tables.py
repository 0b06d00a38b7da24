"""Tables and times in a text stand for the results, and everything else stays as it was."""

import json

import nbformat
import pytest
from claim_makers import results
from igan_lib.reproduction.effects import Evidence
from igan_lib.reproduction.study_tables import study_table, to_markdown, wide
from method_makers import one_sentence

from igan_lib.errors import ConfigError
from igan_lib.experiment.presets import preset
from igan_lib.experiment.result import RunResult
from igan_lib.reproduction.claims import claim_parts, decide
from igan_lib.reproduction.readme import fill, filled
from igan_lib.reproduction.studies import A_D, A_W, M_U, STUDIES, TABLE1, W_A

TEXT = (
    "# Title\n\nBefore\n<!-- study: table1 -->\nold\n\nrows\n<!-- end -->\n"
    "between\n<!-- study: table4 -->\n<!-- end -->\n"
)


TIMES = (
    "A lesson of <!-- time: notebook 00_quickstart -->5 s<!-- end -->, or "
    "<!-- time: run igan mnist usps -->old<!-- end -->; 3 min for the rest.\n"
)


def some_results():
    config = preset("mnist", "usps")
    metrics, provenance = {"target_accuracy": 91.25}, {"seconds": 240.0}
    return [RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance=provenance)]


def write_copy(folder, seconds):
    (folder / "notebooks").mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(metadata={"papermill": {"duration": seconds}})
    nbformat.write(notebook, folder / "notebooks" / "00_quickstart.ipynb")
    return folder


def test_blocks_are_filled_and_the_rest_is_kept(tmp_path):
    found = filled(TEXT, some_results(), tmp_path)
    expected = to_markdown(wide(study_table(TABLE1, some_results(), "cpu")))
    assert f"Before\n<!-- study: table1 -->\n{expected}\n<!-- end -->\nbetween\n" in found
    assert "91.2 n=1" in expected and "old" not in found and "| L_c+L_s+L_h |" in found
    assert found.startswith("# Title\n\nBefore\n") and filled(found, some_results(), tmp_path) == found


def test_what_the_losses_add_is_filled_without_lines_that_were_not_run(tmp_path):
    results = []
    for study, gain in (("table4", 2.0), ("table4-no-batch-norm", 5.0)):
        for place, row in enumerate(STUDIES[study].rows[:2]):
            for seed in range(5):
                config = STUDIES[study].config(row, M_U, seed, "cpu")
                metrics = {"target_accuracy": 80.0 + gain * place + 0.1 * seed * place}
                results.append(RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance={}))
    text = "<!-- added: table4 with batch norm, table4-no-batch-norm without -->\nold\n<!-- end -->\nafter\n"
    lines = filled(text, results, tmp_path).splitlines()
    assert lines[1:3] == ["| added | with batch norm | without | paper |", "|---|---|---|---|"]
    (line,) = lines[3:-2]
    assert line.startswith("| L_s, mnist → usps | higher, +2.2 (") and "| higher, +5.2 (" in line
    assert line.endswith("| +4.0 |") and lines[-1] == "after"
    for other in ("table5", "table1"):  # there is none; it is about no differences
        with pytest.raises(ConfigError) as caught:
            filled(text.replace("table4 with", f"{other} with"), results, tmp_path)
        one_sentence(caught.value, other)


def test_what_a_change_does_is_filled_as_the_difference_to_the_first_row(tmp_path):
    study, results = STUDIES["arguments"], []
    for place, row in enumerate(study.rows[:3]):
        for seed in range(3):
            config = study.config(row, M_U, seed, "cpu")
            metrics = {"target_accuracy": 80.0 + [0, 1, 5][place] + 0.1 * seed * place}
            results.append(RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance={}))
    lines = filled("<!-- added: arguments difference to igan -->\n<!-- end -->\n", results, tmp_path).splitlines()
    assert lines[1] == "| changed | difference to igan |"
    assert [line.partition(" (")[0] for line in lines[3:-1]] == [
        "| one generator for both domains, mnist → usps | too few seeds, +1.1",
        "| real/fake discriminators, mnist → usps | too few seeds, +5.2",
    ]


def test_what_a_row_costs_is_filled_from_runs_and_benchmarks(tmp_path):
    steps = {"28 pixels": {"L_c": 50.4, "L_c+L_s+L_h+L_a+L_1": 130.6}}
    (tmp_path / "benchmarks.json").write_text(json.dumps({"cpu": {"losses_ms": steps}}))
    lines = filled("<!-- costs: table4 -->\nold\n<!-- end -->\n", some_results(), tmp_path).splitlines()
    assert lines[1] == "| method | s a run, mnist → usps | ms a step, 28 pixels |"
    assert lines[3] == "| L_c |  | 50 |" and lines[-2] == "| L_c+L_s+L_h+L_a+L_1 | 240 | 131 |"
    # The networks whose steps were measured have batch norm.
    plain = filled("<!-- costs: table4-no-batch-norm -->\n<!-- end -->\n", some_results(), tmp_path)
    assert "ms a step" not in plain


def test_a_measured_number_is_filled_by_its_keys_and_format(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps({"cpu": {"bf16 autocast": {"ratio": 0.7651}}}))
    text = "<!-- measured: b.json cpu/bf16 autocast/ratio .2f -->old<!-- end --> and more"
    assert filled(text, [], tmp_path) == text.replace("old", "0.77")
    for wrong in ("b.json cpu/fp8/ratio .2f", "b.json cpu/bf16 autocast/ratio/x .2f", "c.json cpu .2f"):
        with pytest.raises(ConfigError) as caught:
            filled(f"<!-- measured: {wrong} --><!-- end -->", [], tmp_path)
        one_sentence(caught.value, wrong.split()[0], "make bench")


def test_claims_are_filled_with_their_verdicts(tmp_path):
    lines = filled("<!-- claims: verdicts -->\nold\n<!-- end -->\n", some_results(), tmp_path).splitlines()
    assert lines[1] == "| section | the paper | verdict | the weakest difference behind it |"
    evidence = Evidence(some_results(), "cpu")
    parts = claim_parts(evidence).set_index("claim")["part"]
    told = []
    for line, claim in zip(lines[3:-1], decide(evidence).itertuples(), strict=True):
        head, _, weakest = line.removesuffix(" |").rpartition(" | ")
        assert head == f"| {claim.section} | {claim.sentence} | {claim.verdict}"
        what, numbers = weakest.split(": ", 1)
        assert what in parts.loc[[claim.claim]].tolist()
        told.append(numbers)
    assert told[1] == "-5.25, n = 1, paper +0.30" and set(told[3:]) >= {"not run, no runs"}  # 91.25 - 96.5


def test_a_claim_names_the_conditions_under_which_it_was_decided(tmp_path):
    found = [
        run
        for label, value in (("igan", 60.0), ("DAH", 70.0))
        for pair in (W_A, A_W, A_D)
        for run in results("table3", label, pair, [value] * 5)
    ]
    text = filled("<!-- claims: verdicts -->\n<!-- end -->", found, tmp_path)
    (line,) = [line for line in text.splitlines() if "the other unsupervised hashing methods" in line]
    assert "| not reproduced |" in line and "-10.00" in line
    assert line.endswith("paper +3.00, other conditions: frozen efficientnet_lite0, not finetuned alexnet |")


def test_a_file_is_written_only_when_it_changes(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(TEXT)
    assert fill(path, some_results(), tmp_path) and not fill(path, some_results(), tmp_path)
    assert path.read_text() == filled(TEXT, some_results(), tmp_path)


def test_times_are_filled_and_the_rest_is_kept(tmp_path):
    folder = write_copy(tmp_path, 88.0)
    found = filled(TIMES, some_results(), folder)
    assert found == TIMES.replace(">5 s<", ">90 s<").replace(">old<", ">4 min<")
    assert filled(found, some_results(), folder) == found


def test_markdown_cells_of_a_notebook_are_filled_and_its_code_is_not(tmp_path):
    path, folder = tmp_path / "lesson.ipynb", write_copy(tmp_path / "results", 88.0)
    cells = [nbformat.v4.new_markdown_cell(TIMES), nbformat.v4.new_code_cell(f"text = {TIMES!r}")]
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)) + "\n")
    assert fill(path, some_results(), folder) and not fill(path, some_results(), folder)
    markdown, code = nbformat.read(path, as_version=4).cells
    assert markdown.source == filled(TIMES, some_results(), folder) and code.source == f"text = {TIMES!r}"


@pytest.mark.parametrize("what", ["notebook", "run igan mnist", "walk", "notebook 00_quickstart quick"])
def test_an_unknown_time_is_named(tmp_path, what):
    with pytest.raises(ConfigError) as caught:
        filled(f"<!-- time: {what} --><!-- end -->", [], tmp_path)
    one_sentence(caught.value, repr(what), "'run igan mnist usps'")


def test_a_time_without_an_end_is_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        filled("<!-- time: notebook 00_quickstart -->5 s\n", [], write_copy(tmp_path, 88.0))
    one_sentence(caught.value, "found one without", "time: WHAT")


def test_an_unknown_table_is_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        filled("<!-- study: table9 -->\n<!-- end -->", [], tmp_path)
    one_sentence(caught.value, "'table9'", "table4")


def test_a_block_without_an_end_swallows_nothing(tmp_path):
    text = "<!-- study: table1 -->\nkept\n<!-- study: table4 -->\n<!-- end -->\n"
    with pytest.raises(ConfigError) as caught:
        filled(text, [], tmp_path)
    one_sentence(caught.value, "found one without")
