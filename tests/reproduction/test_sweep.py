"""What the Snakefile asks: pairs from text, arguments of runs and notebooks, devices, folders, what did not finish."""

import json
from collections import Counter
from pathlib import Path

import pytest
from data_makers import message
from hypothesis import given, settings
from hypothesis import strategies as st

from igan_lib.cli import _configs, _parser, main
from igan_lib.errors import ConfigError
from igan_lib.experiment.notebooks import declared_parameters, parse_parameters
from igan_lib.experiment.presets import BASELINES, METHODS, PROFILES, RECOGNITION, preset
from igan_lib.experiment.result import RunResult, result_path
from igan_lib.files import write_text
from igan_lib.method.config import ALL_LOSSES
from igan_lib.reproduction.notebooks import NOTEBOOKS
from igan_lib.reproduction.pairs import pairs_text, parse_pairs
from igan_lib.reproduction.studies import STUDIES
from igan_lib.reproduction.workflow import (
    make_sweep,
    run_arguments,
    visible_device,
)

ROOT = Path(__file__).resolve().parents[2]

PATHS = st.text(st.characters(exclude_characters=":,/", exclude_categories=("C",)), min_size=1, max_size=8)
DOMAINS = st.sampled_from(["digits", "mnist5k", "svhn"]) | st.builds(
    "{}:{}".format, st.sampled_from(["npz", "folder"]), PATHS
)
SETTINGS = {
    "losses": st.sets(st.sampled_from(ALL_LOSSES[1:])).map(lambda chosen: ("c", *sorted(chosen))),
    "alpha": st.floats(0, 1e300),
    "optimizer": st.sampled_from(["adam", "sgd"]),
    "batch_norm": st.booleans(),
    "batch_size": st.integers(2, 500),
    "train_limit": st.none() | st.integers(10, 1000),
    "size": st.sampled_from([28, 32]),
    "generators": st.sampled_from(["one", "two"]),
}


def log_of_table(plan, name="table1"):
    return plan.log_of(plan.tables / f"{name}.csv")


def log_of_run(plan, config):
    return plan.log_of(result_path(config, plan.results))


def sweep(**values):
    return make_sweep({"studies": "table1", "profile": "smoke", "seeds": 2, "pairs": "mnist5k:digits"} | values)


@pytest.mark.parametrize("there", [{"svhn"}, {"svhn7k"}, {"svhn", "svhn7k"}, set()])
def test_runs_of_svhn_and_of_its_part_are_asked_for_where_they_are_or_where_they_are_named(monkeypatch, there):
    monkeypatch.setattr("igan_lib.data.data_root.is_present", lambda name: name in there)
    own = make_sweep({"studies": "table4", "seeds": 2})
    (study,) = own.chosen()
    asked = Counter(run.source for run in own.runs(study).values())
    assert asked == dict.fromkeys({"mnist", "usps", *there}, 2 * len(study.rows))
    for pairs in ("svhn:mnist", "svhn7k:mnist"):
        named = make_sweep({"studies": "table4", "seeds": 2, "pairs": pairs})
        assert len(named.runs(*named.chosen())) == 2 * len(study.rows)


# ---------------------------------------------------------------- from text and to arguments


@settings(max_examples=60, deadline=None)
@given(
    DOMAINS,
    DOMAINS,
    st.integers(0, 2**32 - 1),
    st.sampled_from(list(PROFILES)),
    st.sampled_from(list(METHODS)),
    st.data(),
)
def test_the_arguments_of_a_run_make_the_same_configuration(source, target, seed, profile, method, data):
    if source == target:
        return
    changes = {} if method in (*BASELINES, *RECOGNITION) else data.draw(st.fixed_dictionaries({}, optional=SETTINGS))
    config = preset(source, target, seed=seed, profile=profile, method=method, **changes)
    assert _configs(_parser().parse_args(run_arguments(config))) == [config]


def test_only_what_a_preset_has_otherwise_is_set():
    assert run_arguments(preset("npz:one.npz", "mnist", seed=3)) == [
        *("run", "npz:one.npz", "mnist", "--method", "igan", "--profile", "cpu", "--seed", "3")
    ]
    assert run_arguments(preset("usps", "mnist", method="igan+", batch_size=100, threshold=0.5))[-2:] == [
        "--set",
        "threshold=0.5",
    ]


def test_every_run_of_every_study_is_made_by_its_arguments():
    plan = make_sweep({"seeds": 2})
    for study in plan.chosen():
        for name, config in plan.runs(study).items():
            (made,) = _configs(_parser().parse_args(run_arguments(config)))
            assert made.name == name


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(DOMAINS, DOMAINS), min_size=1, max_size=3))
def test_pairs_from_text_are_the_pairs(pairs):
    try:
        assert parse_pairs(pairs_text(tuple(pairs))) == tuple(pairs)
    except ConfigError as error:
        assert "a column each" in str(error)  # the same stem twice


def test_pairs_with_paths_are_split_where_a_domain_ends():
    expected = (("npz:a/b.npz", "folder:c d"), ("folder:e", "digits"), ("mnist5k", "npz:f.npz"))
    assert parse_pairs("npz:a/b.npz:folder:c d,folder:e:digits,mnist5k:npz:f.npz") == expected


@pytest.mark.parametrize(
    "text", ["mnist5k", "a:b:c", "usps:mnist,", ":b", "a:", "npz:a.npz", "npz:a.npz:npz", "npz::a", ""]
)
def test_text_that_is_not_pairs_is_refused(text):
    with pytest.raises(ConfigError) as error:
        parse_pairs(text)
    assert "mnist5k:digits,usps:digits" in message(error)


def test_two_pairs_of_one_column_are_refused():
    with pytest.raises(ConfigError) as error:
        parse_pairs("npz:a/x.npz:digits,npz:b/x.npz:digits")
    assert "x->digits, x->digits" in message(error)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seed": 3}, "profile, seeds, pairs, backbone, regime, results, figures, holes, gpus, runs_per_gpu, found"),
        ({"studies": "table1,tabel4"}, "table4, table4-no-batch-norm, arguments, found 'tabel4'"),
        ({"profile": "cpuu"}, "profile"),
        ({"seeds": 0}, "seeds"),
        ({"seeds": "five"}, "seeds"),
        ({"pairs": "digits"}, "source:target"),
        ({"backbone": "none"}, "backbone"),
        ({"regime": "fine-tuned"}, "regime"),
        ({"gpus": -1}, "gpus"),
        ({"runs_per_gpu": 0}, "runs_per_gpu"),
    ],
)
def test_wrong_values_are_one_sentence(values, words):
    with pytest.raises(ConfigError) as error:
        make_sweep(values)
    assert words in message(error)


def test_a_sweep_without_values_is_all_of_the_reproduction():
    plan = make_sweep({"pairs": None})
    assert plan == make_sweep({}) and plan.chosen() == list(STUDIES.values())
    assert (plan.profile, plan.seeds, plan.gpus) == ("cpu", 5, 0)


def test_pairs_take_the_place_of_those_of_every_table():
    plan = sweep(studies="table4,arguments", pairs="mnist5k:digits,npz:a.npz:digits")
    assert [study.pairs for study in plan.chosen()] == [(("mnist5k", "digits"), ("npz:a.npz", "digits"))] * 2
    assert all(study.title.endswith("(here on other pairs)") for study in plan.chosen())
    runs = plan.runs(plan.chosen()[0])
    assert len(runs) == 5 * 2 * 2 and all(config.name == name for name, config in runs.items())


def test_a_backbone_and_a_regime_are_those_of_the_office_tables_alone():
    plan, usual = make_sweep({"backbone": "alexnet", "regime": "finetuned"}), make_sweep({})
    for study, as_usual in zip(plan.chosen(), usual.chosen(), strict=True):
        configs = study.configs("cpu", [0])
        if study.name in ("table2", "table3", "table3-cross"):
            assert {(config.backbone, config.regime) for config in configs} == {("alexnet", "finetuned")}
            assert study.title == as_usual.title.replace("frozen efficientnet_lite2", "finetuned alexnet")
        else:
            assert study == as_usual
    assert make_sweep({"regime": "finetuned"}).chosen()[1].configs("cpu", [0])[0].backbone == "efficientnet_lite2"


# ---------------------------------------------------------------- folders


def test_tables_of_other_profiles_and_pairs_lie_in_folders_of_their_own(tmp_path):
    def folder(**values):
        return make_sweep({"results": tmp_path} | values).tables.relative_to(tmp_path).as_posix()

    assert folder() == "tables"
    assert folder(profile="quick") == "tables/quick"
    assert folder(backbone="resnet50") == "tables/resnet50-frozen"
    assert folder(profile="paper", regime="finetuned") == "tables/paper/efficientnet_lite2-finetuned"
    assert folder(pairs="mnist5k:digits") == "tables/cpu/mnist5k-digits"
    assert (
        folder(profile="smoke", pairs="mnist5k:digits,npz:x/y.npz:usps")
        == "tables/smoke/mnist5k-digits+npz_x_y.npz-usps"
    )


def test_logs_of_a_table_are_told_apart_as_the_tables_are(tmp_path):
    plans = [sweep(results=tmp_path), sweep(results=tmp_path, profile="quick"), make_sweep({"results": tmp_path})]
    logs = {log_of_table(plan) for plan in plans}
    assert len(logs) == 3 and all(tmp_path / "logs" in log.parents for log in logs)


def test_figures_and_copies_are_told_apart_as_the_tables_are(tmp_path):
    for values in ({}, {"profile": "quick"}, {"backbone": "resnet50"}, {"pairs": "mnist5k:digits"}):
        plan = make_sweep({"results": tmp_path, "figures": tmp_path / "figures"} | values)
        own = plan.tables.relative_to(tmp_path / "tables")
        assert plan.pictures == tmp_path / "figures" / own
        assert plan.copy_of(NOTEBOOKS[0]) == tmp_path / "notebooks" / own / "04_table1_digits.ipynb"
        assert plan.log_of(plan.copy_of(NOTEBOOKS[0])) == tmp_path / "logs" / "notebooks" / own / "04_table1_digits.log"


# ---------------------------------------------------------------- notebooks


def numbers(**values):
    return [notebook.name[:2] for notebook in make_sweep(values).notebooks()]


def test_notebooks_are_those_of_the_chosen_studies():
    assert numbers() == ["04", "05", "06", "07", "08", "09"]
    assert numbers(profile="quick", studies="code-length,arguments") == ["06", "07", "09"]
    assert numbers(studies="table2") == ["05", "08", "09"]
    assert {name for notebook in NOTEBOOKS[:-1] for name in notebook.studies} == set(STUDIES)


def test_a_notebook_that_would_show_the_usual_pairs_or_backbone_is_left_out():
    assert numbers(pairs="mnist5k:digits") == []
    assert numbers(backbone="resnet50") == numbers(regime="finetuned") == ["05", "06", "08"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook_takes_what_it_declares_of_a_sweep(notebook):
    declared = declared_parameters(notebook.file)
    assert set(notebook.takes) == set(declared) & set(type(make_sweep({})).model_fields)
    assert "profile" in notebook.takes and "results" in notebook.takes


def test_the_arguments_of_a_notebook_are_what_the_sweep_has_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    first = NOTEBOOKS[0]
    usual = make_sweep({})
    assert usual.notebook_arguments(first) == [
        *("notebook", str(ROOT / "notebooks" / "04_table1_digits.ipynb"), "results/notebooks/04_table1_digits.ipynb")
    ]
    plan = make_sweep({"profile": "smoke", "seeds": 2, "backbone": "resnet50", "results": tmp_path, "figures": "drawn"})
    for notebook in NOTEBOOKS:
        found = _parser().parse_args(plan.notebook_arguments(notebook))
        values = parse_parameters(found.parameters, found.notebook)
        assert (found.notebook.parent / values.pop("results")).resolve() == tmp_path
        assert found.output == plan.copy_of(notebook)
        expected = {"profile": "smoke", "seeds": 2, "backbone": "resnet50", "figures": "../drawn"}
        assert values == {name: value for name, value in expected.items() if name in notebook.takes}


# ---------------------------------------------------------------- devices


@pytest.mark.parametrize("gpus", [1, 2, 3, 4])
@pytest.mark.parametrize("pairs", ["mnist:usps", "mnist:usps,usps:mnist", "mnist:usps,usps:mnist,svhn:digits"])
def test_devices_get_equal_shares_of_a_seed_and_none_a_pair(gpus, pairs):
    plan = sweep(studies="table4", pairs=pairs, gpus=gpus, seeds=1)
    (study,) = plan.chosen()
    dealt = plan.devices()
    assert dealt.keys() == plan.runs(study).keys()
    shares = Counter(dealt.values())
    assert max(shares.values()) - min(shares[number] for number in range(gpus)) <= len(study.pairs)
    for source, _ in study.pairs:
        used = {dealt[name] for name, config in plan.runs(study).items() if config.source == source}
        assert used == set(range(gpus))


def test_without_devices_none_is_dealt_and_slots_may_be_given():
    assert sweep().devices() == {}
    assert [sweep(gpus=n).slots for n in (1, 2)] == [6, 6]
    assert [sweep(gpus=n, runs_per_gpu=2).slots for n in (1, 2)] == [2, 2]


@pytest.mark.parametrize(
    ("number", "visible", "expected"),
    [(1, None, "1"), (1, "", "1"), (0, "4,5", "4"), (1, "4,5", "5"), (1, "7", "7"), (2, "4,5", "4")],
)
def test_a_device_is_one_of_those_that_are_left_visible(number, visible, expected):
    assert visible_device(number, visible) == expected


# ---------------------------------------------------------------- what did not finish


def finish(plan, configs):
    for config in configs:
        metrics = {"target_accuracy": 50.0}
        result = RunResult(config=config, hash=config.hash8, metrics=metrics, history=[], provenance={})
        write_text(result_path(config, plan.results), result.model_dump_json())


@pytest.fixture
def begun(tmp_path):
    """A sweep of six runs: two done, three with a log that tells of their end, one not begun."""
    plan = sweep(results=tmp_path)
    configs = list(plan.runs(plan.chosen()[0]).values())
    finish(plan, configs[:2])
    logs = [
        "done",
        "done",
        "a | b\nerror: Expected x, found y: do z.\n",
        'Traceback\n  File "a"\nValueError: bad\n\n',
        "",
    ]
    for config, text in zip(configs, logs, strict=False):
        write_text(log_of_run(plan, config), text)
    return plan, configs


def test_runs_with_a_log_and_no_result_are_unfinished(begun):
    plan, configs = begun
    found = plan.unfinished({"table1"})
    assert [item["name"] for item in found] == [config.name for config in configs[2:5]]
    assert [item["log"] for item in found] == [str(log_of_run(plan, config)) for config in configs[2:5]]
    assert [item["cause"] for item in found[:2]] == ["Expected x, found y: do z.", "ValueError: bad"]
    assert "killed" in found[2]["cause"]


def test_a_table_with_a_log_and_no_file_is_unfinished(begun):
    plan, configs = begun
    finish(plan, configs)
    write_text(log_of_table(plan), "error: Expected a whole result, found a part: delete it.")
    (found,) = plan.unfinished({"table1"})
    assert (found["name"], found["cause"]) == ("table1", "Expected a whole result, found a part: delete it.")
    write_text(plan.tables / "table1.csv", "")
    assert plan.unfinished({"table1"}) == []


def test_a_notebook_with_a_log_and_no_copy_is_unfinished(tmp_path):
    plan = make_sweep({"results": tmp_path, "studies": "table1"})
    notebook = plan.notebooks()[0]
    write_text(plan.log_of(plan.copy_of(notebook)), "error: 04_table1_digits.ipynb failed in cell In [4].")
    (found,) = plan.unfinished({"table1", notebook.name})
    assert (found["name"], found["cause"]) == (notebook.name, "04_table1_digits.ipynb failed in cell In [4].")
    assert plan.unfinished({"table1"}) == []
    write_text(plan.copy_of(notebook), "{}")
    assert plan.unfinished({notebook.name}) == []


def test_what_was_not_asked_for_is_not_told(begun):
    plan, configs = begun
    both = make_sweep(plan.model_dump() | {"studies": "table1,table4"})
    old = next(config for name, config in both.runs(both.chosen()[1]).items() if config not in configs)
    write_text(log_of_run(both, old), "error: Expected x, found y: do z.")
    write_text(log_of_table(both, "table4"), "error: of an earlier call")
    ours, others = {config.name for config in configs[2:5]}, {old.name, "table4"}
    assert {item["name"] for item in both.unfinished({"table1", "run_seed0"})} == ours
    assert others <= {item["name"] for item in both.unfinished({"table4"})}
    assert {item["name"] for item in both.unfinished()} == ours | others


def test_a_hole_is_written_for_tables_that_were_asked_for_and_wait(begun):
    plan, _ = begun
    plan.write_tables_with_holes({"table4", "run_seed0"})
    assert not plan.tables.exists()
    plan.write_tables_with_holes({"table1"})
    assert "50.0" in (plan.tables / "table1.md").read_text() and "not run" in (plan.tables / "table1.md").read_text()


def test_a_table_that_failed_with_all_its_runs_there_is_left_missing(begun):
    plan, configs = begun
    finish(plan, configs)
    plan.write_tables_with_holes({"table1"})
    assert not plan.tables.exists()


# ---------------------------------------------------------------- the command line


def test_the_arguments_of_a_table_write_it_where_the_workflow_expects_it(begun, capsys):
    plan, _ = begun
    (study,) = plan.chosen()
    assert main(plan.table_arguments(study)) == 0
    captured = capsys.readouterr()
    assert "mnist5k → digits" in captured.out and captured.err == f"written: {plan.tables / 'table1'}.*\n"
    assert sorted(path.name for path in plan.tables.iterdir()) == ["table1.csv", "table1.md", "table1.tex"]
    own = make_sweep({"studies": "table1", "results": plan.results})
    assert main(own.table_arguments(*own.chosen())) == 0
    assert (plan.results / "tables" / "table1.csv").exists() and "mnist → usps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table", "--pairs", "mnist5k:digits"], "name"),
        (["table", "table4", "--pairs", "mnist5k"], "source:target"),
        (["table", "table4", "--pairs", "mnist5k:digist"], "digist"),
        (["table", "table4", "--metric", "map_target"], "--metric"),
        (["table", "tabel4"], "table4"),
        (["table", "table4", "--profile", "cpuu"], "profile"),
    ],
)
def test_a_wrong_table_is_one_sentence(arguments, words, tmp_path, capsys):
    assert main([*arguments, "--results", str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: Expected") and words in printed and printed.count("\n") == 1
    assert not list(Path(tmp_path).iterdir())


def test_the_log_of_a_failed_run_is_what_a_list_can_tell(tmp_path, capsys):
    """The command's own words, not made-up ones: its sentence begins with "error: " on a line of its own."""
    plan = sweep(results=tmp_path, pairs="npz:missing.npz:digits", seeds=1)
    config = next(iter(plan.runs(plan.chosen()[0]).values()))
    assert main([*run_arguments(config), "--quiet", "--results", str(tmp_path)]) == 2
    write_text(log_of_run(plan, config), capsys.readouterr().err)
    (found,) = plan.unfinished({"table1"})
    assert found["cause"].startswith("Expected a file at missing.npz") and json.dumps(found["cause"]).count("\\n") == 0


def test_a_run_that_finetunes_has_a_device_to_itself():
    assert [make_sweep({"gpus": 1, "regime": regime}).slots for regime in ("frozen", "finetuned")] == [6, 1]
    assert make_sweep({"gpus": 1, "regime": "finetuned", "runs_per_gpu": 2}).slots == 2
