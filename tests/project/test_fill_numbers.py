"""Tables and times in a text stand for the results, and everything else stays as it was."""

import json

import nbformat
import pytest
from claim_makers import results
from fill_numbers import fill, fill_text, format_seconds
from method_makers import one_sentence

from igan_lib.errors import ConfigError
from igan_lib.reproduction.studies import A_W, M_U

TIMES = (
    "A lesson of <!-- time: notebook 00_quickstart -->5 s<!-- end -->, or "
    "<!-- time: run igan mnist usps -->old<!-- end -->; 3 min for the rest.\n"
)
VALUES = [96.0, 96.2, 96.4, 96.6, 96.8]


def some_results():
    return results("table1", "igan", M_U, VALUES) + results("table3", "igan", A_W, VALUES)


def write_copy(folder, seconds):
    (folder / "notebooks").mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(metadata={"papermill": {"duration": seconds}})
    nbformat.write(notebook, folder / "notebooks" / "00_quickstart.ipynb")
    return folder


def test_the_results_table_has_a_line_a_column_of_the_paper_s_own_rows(tmp_path):
    text = "Before\n<!-- results -->\nold\n<!-- end -->\nafter\n"
    found = fill_text(text, some_results(), tmp_path)
    lines = {tuple(cell.strip() for cell in line.strip("|").split("|")) for line in found.splitlines() if "→" in line}
    assert ("1", "mnist → usps", "96.8", "96.4 (96.0 to 96.8)", "95.4 to 97.4", "reproduced") in lines
    assert ("1", "usps → mnist", "97.8", "not run", "", "not run") in lines and len(lines) == 4 + 4 + 3
    assert ("3", "amazon → webcam", "73.8", "96.4 (96.0 to 96.8)", "95.4 to 97.4", "not comparable") in lines
    assert found.startswith("Before\n<!-- results -->\n|") and found.endswith("\n<!-- end -->\nafter\n")
    assert "old" not in found and fill_text(found, some_results(), tmp_path) == found


def test_claims_are_filled_with_their_verdicts(tmp_path):
    made = [*some_results(), *results("table1", "CDAN-M", M_U, [96.5] * 5)]
    found = fill_text("<!-- claims -->\nold\n<!-- end -->\n", made, tmp_path)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines() if line.startswith("|")
    ]
    assert rows[0] == ["section", "the paper", "verdict", "numbers, in points"] and len(rows) == 2 + 15
    (ours,) = [row for row in rows if "0.3% higher than CDAN-M" in row[1]]
    assert ours[2] == "undecided" and ours[3].startswith("igan over CDAN-M on mnist → usps: -0.1 (")


def test_trials_are_those_of_methods_that_have_more_than_one_setting(tmp_path):
    (tmp_path / "selection.csv").write_text(
        "setting,pair,seed,accuracy,D_s,D_t\n"
        "compared a x3,m->d,0,65.0,,\ncompared a x3,u->d,0,70.1,,\n"
        "compared a,m->d,0,60.04,0.5,0.61\ncompared a,u->d,0,70.0,,\n"
        "compared a x9,m->d,0,20.0,,\n"
        "compared b,m->d,0,60.0,,\ncompared b,u->d,0,70.0,,\nfull,m->d,0,1.0,,\n"
        "labels compared a,w->d,0,50.0,,\nlabels compared a,d->w,0,50.0,,\n"
    )
    found = fill_text("<!-- trials --><!-- end -->", [], tmp_path)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()[3:-1]]
    assert rows == [
        ["images: a", "60.0", "70.0", "65.0", "0.50", "0.61"],
        ["images: a x3", "65.0", "70.1", "**67.5**", "", ""],
        ["images: a x9", "20.0", "cut", "", "", ""],
    ]


def test_a_measured_number_is_filled_by_its_keys_and_format(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps({"cpu": {"bf16 autocast": {"ratio": 0.7651}}}))
    text = "<!-- measured: b.json cpu/bf16 autocast/ratio .2f -->old<!-- end --> and more"
    assert fill_text(text, [], tmp_path) == text.replace("old", "0.77")
    for wrong in ("b.json cpu/fp8/ratio .2f", "b.json cpu/bf16 autocast/ratio/x .2f", "c.json cpu .2f"):
        with pytest.raises(ConfigError) as caught:
            fill_text(f"<!-- measured: {wrong} --><!-- end -->", [], tmp_path)
        one_sentence(caught.value, wrong.split()[0], "make bench")


def test_a_file_is_written_only_when_it_changes(tmp_path):
    path, folder = tmp_path / "README.md", write_copy(tmp_path, 88.0)
    path.write_text(TIMES)
    assert fill(path, some_results(), folder) and not fill(path, some_results(), folder)
    assert path.read_text() == fill_text(TIMES, some_results(), folder)
    plain = tmp_path / "plain.md"
    plain.write_text("no comment")
    assert not fill(plain, some_results(), folder)


def test_times_are_filled_and_the_rest_is_kept(tmp_path):
    folder = write_copy(tmp_path, 88.0)
    found = fill_text(TIMES, some_results(), folder)
    assert found == TIMES.replace(">5 s<", ">90 s<").replace(">old<", ">6 min<")
    assert fill_text(found, some_results(), folder) == found


def test_markdown_cells_of_a_notebook_are_filled_and_its_code_is_not(tmp_path):
    path, folder = tmp_path / "lesson.ipynb", write_copy(tmp_path / "results", 88.0)
    cells = [nbformat.v4.new_markdown_cell(TIMES), nbformat.v4.new_code_cell(f"text = {TIMES!r}")]
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)) + "\n")
    assert fill(path, some_results(), folder) and not fill(path, some_results(), folder)
    markdown, code = nbformat.read(path, as_version=4).cells
    assert markdown.source == fill_text(TIMES, some_results(), folder) and code.source == f"text = {TIMES!r}"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("time: notebook", "'time: notebook'"),
        ("time: walk", "'time: walk'"),
        ("time: notebook 01_data", "01_data.ipynb"),
        ("time: run igan usps mnist", "igan on usps -> mnist"),
    ],
)
def test_an_unknown_time_is_named(tmp_path, what, words):
    with pytest.raises(ConfigError) as caught:
        fill_text(f"<!-- {what} --><!-- end -->", some_results(), write_copy(tmp_path, 88.0))
    one_sentence(caught.value, words)


def test_a_comment_without_an_end_swallows_nothing(tmp_path):
    for text in (
        "<!-- time: notebook 00_quickstart -->5 s\n",
        "<!-- claims -->\nkept\n<!-- results -->\n<!-- end -->\n",
    ):
        with pytest.raises(ConfigError) as caught:
            fill_text(text, some_results(), write_copy(tmp_path / text[5:9], 88.0))
        one_sentence(caught.value, "found one without")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "5 s"),
        (7.4, "5 s"),
        (88, "90 s"),
        (97.4, "95 s"),
        (97.6, "1.5 min"),
        (240, "4 min"),
        (3600, "1 h"),
        (9000, "2.5 h"),
    ],
)
def test_a_time_is_rounded_to_plan_by(seconds, expected):
    assert format_seconds(seconds) == expected


@pytest.mark.parametrize("wrong", [-1, float("nan")])
def test_what_is_no_time_is_refused(wrong):
    with pytest.raises(ConfigError) as caught:
        format_seconds(wrong)
    one_sentence(caught.value, "seconds")
