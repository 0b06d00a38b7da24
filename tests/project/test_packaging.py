"""The files that set the project up agree with each other, and the Makefile installs once."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DECLARED = [Requirement(line) for line in sum(EXTRAS.values(), PROJECT["dependencies"])]
REQUIREMENTS = [requirement for requirement in DECLARED if requirement.name != PROJECT["name"]]
NEEDS_MAKE = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

# Stands in for an interpreter: it notes its calls in LOG and makes a virtual environment that holds itself.
FAKE_PYTHON = """\
#!/bin/sh
echo "$@" >> {log}
case "$*" in
    "-c "*) exec {python} -c "import sys; sys.version_info = {version}; exec(sys.argv[1])" "$2" ;;
    "-m venv --clear .venv") rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip --version") test ! -e .venv/no-pip ;;
    "-m pip install"*) test ! -e broken ;;
esac
"""


def constraints() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


def test_environment_takes_python_from_conda_and_the_rest_from_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    assert environment["channels"][0] == "conda-forge"
    from_conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (from_pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert from_pip == ["-e .[dev]"]
    python = next(entry for entry in from_conda if entry.startswith("python="))
    assert python.removeprefix("python=") in SpecifierSet(PROJECT["requires-python"])
    # A package named here as well could contradict pyproject.toml.
    assert sorted(set(from_conda) - {python}) == ["pip"]


def test_requires_python_is_3_11_to_3_13():
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [minor for minor in range(8, 17) if f"3.{minor}.5" in supported] == [11, 12, 13]


def test_constraints_pin_every_direct_dependency_within_its_range():
    pins = constraints()
    for requirement in REQUIREMENTS:
        assert canonicalize_name(requirement.name) in pins, f"{requirement.name} has no pin"
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_extra_dev_takes_in_the_other_extras():
    (own,) = [requirement for requirement in DECLARED if requirement.name == PROJECT["name"]]
    assert own.extras == set(EXTRAS) - {"dev"}


def test_constraints_hold_nothing_of_one_platform_or_machine():
    text = (ROOT / "constraints.txt").read_text()
    assert text.startswith("# ")
    assert "Python 3." in text.partition("\n")[0]
    assert not re.search(r"^(nvidia|cuda|triton|igan\b|-e)|@|file:", text, re.MULTILINE | re.IGNORECASE)


def test_citation_names_the_paper_then_the_companion():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    paper = citation["preferred-citation"]
    assert paper["title"].startswith("One Network for Multi-Domains: Domain Adaptive Hashing")
    assert [author["family-names"] for author in paper["authors"]] == ["He", "Li", "Gao", "Zhang", "Song"]
    assert paper["year"] == 2019
    assert citation["type"] == "software"
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    keys = list(citation)
    assert keys.index("preferred-citation") < keys.index("title")


@NEEDS_MAKE
def test_plain_make_lists_every_target():
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert {"quickstart", "test", "lab", "lint", "bench", "help"} <= set(phony)
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, env=clean_environment())
    assert re.findall(r"^  make ([\w-]+) +\w", listed.stdout, re.MULTILINE) == phony


def clean_environment(**more: str) -> dict[str, str]:
    """Drop what an outer make hands down to its children."""
    ours = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON", "VENV", "ARGS"}
    return {name: value for name, value in os.environ.items() if name not in ours} | more


class Checkout:
    """A copy of the files that the installation depends on, with a stand-in for Python."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.log = folder / "log"
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        self.python = folder / "python"
        self.set_version((3, 12, 1))

    def set_version(self, version):
        self.python.write_text(FAKE_PYTHON.format(log=self.log, python=sys.executable, version=version))
        self.python.chmod(0o755)

    def make(self, target: str, python: str | None = None) -> subprocess.CompletedProcess:
        command = ["make", target, f"PYTHON={python or self.python}"]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=clean_environment())

    def installations(self) -> int:
        return self.log.read_text().count("-m pip install") if self.log.exists() else 0


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@NEEDS_MAKE
def test_make_installs_once_and_again_when_the_dependencies_change(checkout):
    assert checkout.make("lint").returncode == 0
    assert checkout.installations() == 1
    assert checkout.make("test").returncode == 0
    assert checkout.installations() == 1
    assert "-m pip install -e .[dev] -c constraints.txt" in checkout.log.read_text()
    for name in ("pyproject.toml", "constraints.txt"):
        later = (checkout.folder / ".venv" / ".installed").stat().st_mtime + 5
        os.utime(checkout.folder / name, (later, later))
        before = checkout.installations()
        assert checkout.make("test").returncode == 0
        assert checkout.installations() == before + 1
        os.utime(checkout.folder / name, (0, 0))
    # The environment itself was made once.
    assert checkout.log.read_text().count("-m venv") == 1


@NEEDS_MAKE
def test_make_takes_up_an_installation_that_was_cut_short(checkout):
    (checkout.folder / "broken").touch()
    assert checkout.make("lint").returncode != 0
    assert not (checkout.folder / ".venv" / ".installed").exists()
    assert "ruff" not in checkout.log.read_text()
    (checkout.folder / "broken").unlink()
    assert checkout.make("lint").returncode == 0
    assert checkout.installations() == 2


@NEEDS_MAKE
@pytest.mark.parametrize("fault", ["no python", "no pip", "old python"])
def test_make_replaces_an_environment_that_can_not_serve(checkout, fault):
    environment = checkout.folder / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / fault.replace(" ", "-")).touch()
    if fault != "no python":
        checkout.set_version((3, 10, 9) if fault == "old python" else (3, 12, 1))
        shutil.copy(checkout.python, environment / "bin")
        checkout.set_version((3, 12, 1))
    assert checkout.make("lint").returncode == 0
    assert "-m venv --clear .venv" in checkout.log.read_text()
    assert sorted(p.name for p in environment.iterdir()) == [".installed", "bin"]


@NEEDS_MAKE
@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 9), (3, 14, 0)])
def test_make_says_which_python_it_needs(checkout, version):
    checkout.set_version(version)
    refused = checkout.make("test")
    assert refused.returncode != 0
    assert f"igan needs Python 3.11 to 3.13 but found {version[0]}.{version[1]};" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (checkout.folder / ".venv").exists()


@NEEDS_MAKE
def test_make_says_so_when_there_is_no_python(checkout):
    refused = checkout.make("test", python="no-such-python")
    assert refused.returncode != 0
    assert "igan needs Python 3.11 to 3.13 but found no no-such-python;" in refused.stderr
    assert not (checkout.folder / ".venv").exists()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(("given", "lies_beside"), [(None, True), (None, False), ("/mine", True)])
def test_ci_script_lints_then_tests_with_the_data_beside_the_checkout(tmp_path, given, lies_beside):
    script = tmp_path / "checkout" / ".ci" / "run"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", script)
    data = tmp_path / "shared" / "data"
    if lies_beside:
        data.mkdir(parents=True)
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text('#!/bin/sh\necho "$1 $(basename "$PWD") ${IGAN_DATA:-none}"\ntest ! -e "fail-$1"\n')
    make.chmod(0o755)
    environment = clean_environment(PATH=f"{make.parent}{os.pathsep}{os.environ['PATH']}")
    environment.pop("IGAN_DATA", None)
    if given:
        environment["IGAN_DATA"] = given

    def run_script():
        return subprocess.run([script], cwd=tmp_path, capture_output=True, text=True, env=environment)

    expected = given or (str(data) if lies_beside else "none")
    done = run_script()
    assert done.stdout.splitlines() == [f"lint checkout {expected}", f"test checkout {expected}"]
    assert done.returncode == 0
    for target, calls in (("test", 2), ("lint", 1)):
        (tmp_path / "checkout" / f"fail-{target}").touch()
        failed = run_script()
        assert failed.returncode != 0
        assert len(failed.stdout.splitlines()) == calls
