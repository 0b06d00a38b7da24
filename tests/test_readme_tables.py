"""Tables in a text stand for the results, and everything else stays as it was."""

import pytest
from method_makers import one_sentence

from igan_lib.errors import ConfigError
from igan_lib.experiment import RunResult, preset
from igan_lib.readme import fill, filled
from igan_lib.studies import TABLE1
from igan_lib.study_tables import study_table, to_markdown, wide

TEXT = (
    "# Title\n\nBefore\n<!-- study: table1 -->\nold\n\nrows\n<!-- end -->\n"
    "between\n<!-- study: table4 -->\n<!-- end -->\n"
)


def some_results():
    config = preset("mnist", "usps")
    return [RunResult(config=config, hash=config.hash8, metrics={"target_accuracy": 91.25}, history=[], provenance={})]


def test_blocks_are_filled_and_the_rest_is_kept():
    found = filled(TEXT, some_results())
    expected = to_markdown(wide(study_table(TABLE1, some_results(), "cpu")))
    assert f"Before\n<!-- study: table1 -->\n{expected}\n<!-- end -->\nbetween\n" in found
    assert "91.2 n=1" in expected and "old" not in found and "| L_c+L_s+L_h |" in found
    assert found.startswith("# Title\n\nBefore\n") and filled(found, some_results()) == found


def test_a_file_is_written_only_when_it_changes(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(TEXT)
    assert fill(path, some_results()) and not fill(path, some_results())
    assert path.read_text() == filled(TEXT, some_results())


def test_an_unknown_table_is_named():
    with pytest.raises(ConfigError) as caught:
        filled("<!-- study: table9 -->\n<!-- end -->", [])
    one_sentence(caught.value, "'table9'", "table4")


def test_a_block_without_an_end_swallows_nothing():
    text = "<!-- study: table1 -->\nkept\n<!-- study: table4 -->\n<!-- end -->\n"
    with pytest.raises(ConfigError) as caught:
        filled(text, [])
    one_sentence(caught.value, "found one without")
