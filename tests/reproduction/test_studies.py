"""The studies name the runs that they mean, and no run twice."""

import pytest
from method_makers import one_sentence

from igan_lib.errors import ConfigError
from igan_lib.experiment.presets import preset
from igan_lib.reproduction.paper import TABLE1, TABLE2, TABLE3, TABLE4
from igan_lib.reproduction.studies import (
    M_U,
    QUOTED,
    RECOGNITION_ROWS,
    STUDIES,
    column,
    office_studies,
    on_pairs,
    printed_for,
    recognition_rows,
)

ABLATION = STUDIES["table4"]


@pytest.mark.parametrize(
    ("pair", "name"),
    [
        (("mnist", "usps"), "mnist->usps"),
        (("svhn7k", "mnist"), "svhn7k->mnist"),
        (("folder:/a/b", "x"), "b->x"),
        (("npz:my/mnist.npz", "usps"), "mnist->usps"),
    ],
)
def test_a_column_is_the_pair(pair, name):
    assert column(pair) == name


def test_a_user_s_file_called_mnist_has_no_number_of_the_paper():
    cells = {"mnist->usps": 96.8}
    assert printed_for(("mnist", "usps"), cells) == 96.8 and printed_for(("npz:my/mnist.npz", "usps"), cells) is None


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_no_two_cells_share_a_run_and_seeds_come_in_turn(study):
    configs = study.configs("smoke", [0, 1])
    own = [row for row in study.rows if row.metric is None]
    assert len(configs) == 2 * len(study.rows) * len(study.pairs)
    assert len({config.hash8 for config in configs}) == 2 * len(own) * len(study.pairs)
    assert [config.seed for config in configs] == [0] * (len(configs) // 2) + [1] * (len(configs) // 2)
    assert {config.profile for config in configs} == {"smoke"}


def test_the_ablation_adds_the_losses_of_table_4_and_ends_with_the_whole_method():
    for row, (losses, printed) in zip(ABLATION.rows, TABLE4.items(), strict=True):
        assert ABLATION.config(row, M_U, 3, "cpu").losses == tuple(losses)
        assert row.paper == printed
    assert ABLATION.config(ABLATION.rows[-1], M_U, 3, "cpu") == preset("mnist", "usps", seed=3)
    assert ABLATION.rows[-1].paper == TABLE1["IGAN"]


def test_only_the_paper_s_own_conditions_compare_with_its_numbers_of_office_31():
    ours, theirs = office_studies(), office_studies("alexnet", "finetuned")
    assert {name: STUDIES[name] for name in ours} == ours
    for other in (ours, office_studies("alexnet"), office_studies("efficientnet_lite2", "finetuned")):
        assert all(row.reason for study in other.values() for row in study.rows if row.paper)
    printed = {row.label: row.paper for row in theirs["table2"].rows}
    assert printed.pop("igan") == TABLE2["IGAN"] and set(printed) > {"source-only"}
    others = {label: cells for label, cells in printed.items() if cells}
    assert others == {label: cells for label, cells in TABLE2.items() if label != "IGAN"}
    assert all(theirs["table2"].row(label).reason == QUOTED for label in others)
    assert not theirs["table2"].row("igan").reason and QUOTED in ours["table2"].row("MSTN").reason
    found = [row.paper for row in theirs["table3"].rows if row.label not in ("DAH, dropout", "igan+")]
    names = ["NoDA", "ITQ", "BDNN", "BA", "DAH", "IGAN", "SuH"]
    assert found == [TABLE3[name] for name in names]
    assert [row.label for row in theirs["table3"].rows if row.reason] == ["SuH"]
    assert not any(row.paper for row in theirs["table3-cross"].rows)  # another protocol
    assert [column(pair) for pair in theirs["table3"].pairs] == list(TABLE3["IGAN"])


def test_without_batch_norm_there_is_no_printed_number():
    study = STUDIES["table4-no-batch-norm"]
    assert all(not row.paper for row in study.rows)
    assert not any(config.batch_norm for config in study.configs("cpu", [0]))


def test_each_argument_changes_the_settings_of_igan_or_how_it_is_measured():
    plain, *others = STUDIES["arguments"].rows
    assert plain.label == "igan" and not plain.settings and plain.metric is None
    assert all(bool(row.settings) != (row.metric is not None) for row in others)


def test_each_method_that_tables_1_and_2_print_has_a_row_to_be_run():
    for printed, pair, on_features in ((TABLE1, M_U, False), (TABLE2, ("amazon", "webcam"), True)):
        rows = recognition_rows(printed, on_features=on_features)
        assert set(printed) - {"IGAN"} <= {row.label for row in rows} and len(rows) == (10 if on_features else 12)
        assert {row.label: row.paper for row in rows if row.paper} == {k: v for k, v in printed.items() if k != "IGAN"}
        runs = [preset(*pair, method=row.method, **row.settings) for row in rows]
        assert len({run.hash8 for run in runs}) == len(rows) and all(row.reason for row in rows)


def test_off_office_31_tables_and_rows_of_features_are_left_out():
    chosen = on_pairs(STUDIES.values(), (M_U,))
    assert {study.name for study in STUDIES.values() if study.on_features} == set(STUDIES) - {s.name for s in chosen}
    for study in chosen:
        assert study.rows and study.pairs == (M_U,) and len(study.configs("smoke", [0])) == len(study.rows)
    assert "DAH, dropout" not in [row.label for row in next(s for s in chosen if s.name == "table3").rows]
    assert {"CyCADA", "Co-GAN"} < {row.label for row in next(s for s in chosen if s.name == "table1").rows}
    photographs = on_pairs(STUDIES.values(), (("dslr", "webcam"),))
    assert len(photographs) == len(STUDIES) and photographs[1].row("source-only, dropout")
    assert all(len(study.configs("smoke", [0])) == len(study.rows) for study in photographs)  # none draws features
    labels = {row.label for row in photographs[0].rows} & set(RECOGNITION_ROWS)
    assert labels == set(RECOGNITION_ROWS) - {"CyCADA", "Co-GAN"}
    with pytest.raises(ConfigError) as caught:
        on_pairs([STUDIES["backbones"]], (M_U,))
    one_sentence(caught.value, "pairs of Office-31")
