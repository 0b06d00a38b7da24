"""The docs tell the truth: links lead somewhere, commands and targets exist, hooks use the tested versions."""

import re
import shlex
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import yaml
from result_words import text_of

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
TEXTS = {path.name: re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL) for path in DOCS}
CODE = {name: re.findall(r"^    (.+)$|`([^`]+)`", text, re.MULTILINE) for name, text in TEXTS.items()}
LINES = ["".join(found) for name in CODE for found in CODE[name]]
COMMANDS = sorted({line for line in LINES if "python -m igan_lib " in line})
TARGETS = sorted({line.split()[1] for line in LINES if line.startswith("make ")})
TITLES = re.compile(r"^#+ (.+)$", re.MULTILINE)


def test_each_document_is_there():
    expected = "benchmarks choices compared_methods data photographs reproducibility running selection teaching"
    assert [path.stem for path in DOCS] == expected.split()


@pytest.mark.parametrize("name", TEXTS)
def test_every_relative_link_leads_to_a_file(name):
    links = re.findall(r"\]\(([^)]+)\)", TEXTS[name])
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        if not path.startswith("http"):
            file = ROOT / "docs" / path if path else ROOT / "docs" / name
            assert file.exists(), link
            if anchor:
                titles = TITLES.findall(file.read_text(encoding="utf-8"))
                assert anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, link


@cache
def help_of(command):
    return subprocess.run(
        [sys.executable, "-m", "igan_lib", command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_option_exists(line):
    command, *words = shlex.split(line.partition("python -m igan_lib ")[2])
    offered = set(re.findall(r"(?<!\w)--?[a-z-]+", help_of(command)))
    assert {word for word in words if word.startswith("-")} <= offered


def test_every_target_is_the_makefile_s():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    tables = re.search(r"^TABLES := ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)[1].replace("\\\n", " ").split()
    known = {*tables, *re.findall(r"^([a-z0-9-]+)[a-z0-9 -]*:", makefile, re.MULTILINE), "figure2"}
    assert len(TARGETS) > 8 and set(TARGETS) <= known


def test_values_of_choices_are_those_of_the_configuration():
    from igan_lib.experiment.presets import preset

    digits, office = preset("mnist", "usps"), preset("amazon", "webcam")
    for name in ("v", "epsilon", "generator_width"):
        assert re.search(rf"`{name}`[^|]* (is|are) {getattr(digits, name):g} ", TEXTS["choices.md"]), name
    assert f"`threshold` is {digits.threshold:g}, on Office-31 {office.threshold:g}" in TEXTS["choices.md"]
    assert f"{digits.adversarial:g}, on Office-31 {office.adversarial:g}" in TEXTS["choices.md"]
    assert f"`alpha` {digits.alpha:g}, `beta` {digits.beta:g}, `chi` {digits.chi:g}" in TEXTS["choices.md"]
    assert f"`stages` is {digits.stages}" in TEXTS["choices.md"]


def test_settings_that_are_named_exist():
    from igan_lib.experiment.presets import ExperimentConfig

    used = [word for command in COMMANDS if "--set" in command for word in shlex.split(command)]
    names = {word.partition("=")[0] for word in used if "=" in word}
    names |= set(re.findall(r"\(`([a-z_]+)`\)", TEXTS["choices.md"]))
    assert len(names) > 10 and names <= set(ExperimentConfig.model_fields)


@pytest.mark.parametrize("profile", ["smoke", "quick", "cpu", "paper"])
def test_profiles_have_the_steps_that_are_written(profile):
    from igan_lib.experiment.presets import PROFILES

    (line,) = [line for line in TEXTS["running.md"].splitlines() if line.startswith(f"| `{profile}` |")]
    steps = [int(number.replace(",", "")) for number in line.split("|")[3].split("+")]
    assert steps == [PROFILES[profile][name] for name in ("pretrain_steps", "steps")]


def test_hooks_use_the_versions_that_were_tested():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    pins = {pin for hook in hooks for pin in hook["additional_dependencies"]}
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert {hook["id"] for hook in hooks} == {"ruff-check", "ruff-format", "nbstripout"}
    assert {pin for pin in pins if pin.startswith("ruff")} <= set(tested)
    (strip,) = [hook for hook in hooks if hook["id"] == "nbstripout"]
    assert "metadata.papermill" in strip["entry"]
    assert re.match(strip["files"], "notebooks/00_quickstart.ipynb")
    assert not re.match(strip["files"], "results/notebooks/00_quickstart.ipynb")


def test_a_weight_of_a_compared_method_can_be_tried_as_the_page_says():
    (block,) = re.findall(
        r"((?:^    .*\n|^\n)*^    method = build.*\n(?:^    .*\n)*)", TEXTS["compared_methods.md"], re.MULTILINE
    )
    code = textwrap.dedent(block).replace('"mnist", "usps"', '"mnist5k", "digits", profile="smoke"')
    assert "smoke" in code
    names = {}
    exec(code, names)
    assert names["method"].adversarial == 0.5 and names["method"].progress > 0


def test_every_compared_method_has_a_row_in_each_table():
    from igan_lib.experiment.presets import RECOGNITION

    rows = re.findall(r"^\| `(\w+)` \|", TEXTS["compared_methods.md"], re.MULTILINE)
    assert sorted(rows) == sorted(2 * RECOGNITION)


def test_the_trials_of_the_compared_methods_are_those_of_the_csv():
    table = pd.read_csv(ROOT / "results" / "selection.csv").set_index(["setting", "pair"])["accuracy"]
    text = (ROOT / "docs" / "selection.md").read_text(encoding="utf-8")
    head, *lines = re.search(r"\| published weights .*?\n\n", text, re.DOTALL)[0].strip().splitlines()
    pairs = [name.strip().replace(" → ", "->") for name in head.split("|")[2:-1]]
    compared = 0
    for line in lines[1:]:
        name, *cells = [cell.strip(" *`") for cell in line.split("|")[1:-1]]
        for pair, cell in zip(pairs, cells, strict=True):
            where = "labels " if "dslr" in pair else ""
            found = table.get((f"{where}compared {name.split('`')[0]}", pair))
            assert (found is None) == (cell == ""), (name, pair)
            if found is not None:
                assert abs(float(cell) - found) <= 0.05 + 1e-9, (name, pair)
                compared += 1
    assert compared == 2 * 13 - 1 + 2 * 11


def test_what_the_trials_left_of_each_failing_method_in_words():
    table = pd.read_csv(ROOT / "results" / "selection.csv")
    tried = table[table["setting"].str.startswith("compared ")].groupby("setting")["accuracy"]
    means = tried.mean()[tried.count() == 2]

    def over_source_only(method):
        return means[means.index.str.startswith(f"compared {method}")].max() - means["compared source-only"]

    found = {name: over_source_only(name) for name in ("drcn", "cogan", "duplex")}
    assert -1.5 < found["drcn"] < -1 and -1.5 < found["cogan"] < -1 and abs(found["duplex"]) < 0.1
    assert means[means.index.str.startswith("compared drcn")].idxmax() == "compared drcn balance0.99"
    text = text_of("04_table1_digits")
    assert "the best of DRCN and of Co-GAN is a point below `source-only`, and that of Duplex equals it" in text


def test_drcn_by_turns_in_words():
    table = pd.read_csv(ROOT / "results" / "selection.csv").set_index(["setting", "pair"])["accuracy"]
    (one, first), (two, second) = table["turns drcn"].items()
    shown = f'it has {first:.1f} and {second:.1f} ("turns drcn"), less than any trial'
    assert shown in " ".join(TEXTS["selection.md"].split())
    tried = table[table.index.get_level_values(0).str.startswith("compared drcn")].groupby("pair").min()
    assert (one, two) == ("mnist->digits", "usps->digits") and first < tried[one] and second < tried[two]


def test_cogan_without_batch_norm_in_words():
    table = pd.read_csv(ROOT / "results" / "selection.csv").set_index(["setting", "pair"])
    line = table.loc[("nobn cogan pairs1.0", "mnist->digits")]
    shown = f"from its source network's {line['source_only_accuracy']:.1f} to {line['accuracy']:.1f}"
    text = " ".join(TEXTS["selection.md"].split())
    assert shown in text and f"these win less often ({line['D_s']:.2f} and {line['D_t']:.2f})" in text
    assert line["accuracy"] < table.loc[("compared cogan pairs1.0", "mnist->digits"), "accuracy"]


def test_what_the_trials_on_features_show_in_words():
    table = pd.read_csv(ROOT / "results" / "selection.csv")
    means = table[table["setting"].str.startswith("labels compared ")].groupby("setting")["accuracy"].mean()
    text = " ".join(TEXTS["selection.md"].split())
    adda = means[means.index.str.startswith("labels compared adda")] - means["labels compared source-only"]
    faster = adda.index.str.contains(" x")
    assert (adda[~faster] < 0).sum() == len(adda[~faster]) == 4 and "each of four rates ended below" in text
    assert (adda[faster] > 0).sum() == 3 and len(adda[faster]) == 5 and "three of five settings ended above it" in text
    duplex = means[means.index.str.startswith("labels compared duplex")].sort_values()
    working = duplex[duplex.index.str.contains("x3")]
    assert working.index[-1].endswith(" adversarial0.02 reconstruction.1 ramp x3")
    less = duplex.iloc[-1] - working.iloc[-1]
    assert f"with D at three times the rate and 0.02 on $L_a$ it works, for {less:.1f} points less" in text
    assert f"works it had {less:.1f} points less on the pairs used for choosing" in text_of("05_table2_office31")
