"""The README tells the truth: its table is that of the results, its links lead somewhere, its commands parse."""

import json
import re
import shlex
from pathlib import Path

import pytest

from igan_lib.__main__ import _parser
from igan_lib.experiment import PROFILES
from igan_lib.readme import filled
from igan_lib.studies import STUDIES
from igan_lib.tables import read_results

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(([^)#]+)\)", README)
COMMANDS = re.findall(r"python -m igan_lib [^`\n]*", re.sub(r"<!--.*?-->", "", README))


def test_the_tables_are_made_from_the_committed_results():
    results, damaged = read_results(ROOT / "results" / "runs")
    assert not damaged
    assert set(re.findall(r"<!-- study: (\S+) -->", README)) >= {"table1", "table4"}
    assert filled(README, results) == README


def test_committed_results_name_a_commit_and_no_local_change():
    results, _ = read_results(ROOT / "results" / "runs")
    assert results
    for result in results:
        assert re.fullmatch(r"[0-9a-f]{40}", result.provenance["commit"]), result.config.name
        assert result.provenance["dirty"] is False, result.config.name


@pytest.mark.parametrize("link", sorted({link for link in LINKS if "://" not in link}))
def test_links_lead_to_files(link):
    assert (ROOT / link).exists()


def test_commands_parse():
    assert len(COMMANDS) >= 5
    for command in COMMANDS:
        arguments = shlex.split(command)[3:]
        assert callable(_parser().parse_args(arguments).command), command


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    line = makefile.replace("\\\n", " ").partition("\nTABLES := ")[2].partition("\n")[0]
    tables = line.split()
    assert set(tables) == set(STUDIES)
    targets = {*re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE), *tables}
    named = set(re.findall(r"(?:^    |`)make ([a-z0-9-]+)", README, flags=re.MULTILINE))
    assert {"quickstart", "test"} <= named <= targets


def test_every_profile_stands_with_its_steps():
    for name, values in PROFILES.items():
        steps = f"{values['pretrain_steps']:,} + {values['steps']:,}"
        assert re.search(rf"^\| `{name}` \|.*\| {re.escape(steps)} \|$", README, flags=re.MULTILINE), name


def test_measured_speed_is_that_of_the_committed_benchmark():
    found = json.loads((ROOT / "results" / "benchmarks.json").read_text())
    assert f"{found['cpu']['step']['ratio']:.2f}" in README
    assert f"{found['peak_memory_mib']:.0f} MiB" in README
    for ratio in found["cpu"]["variants"].values():
        assert f"{ratio:.2f}" in README
