"""The house: imports run one way, files are short, and what a reader of tables asks for loads no network library."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import igan_lib

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "igan_lib"
FILES = {path.relative_to(LIBRARY).as_posix(): path for path in sorted(LIBRARY.rglob("*.py"))}
TOOLS = sorted((ROOT / "notebooks" / "tools").glob("*.py"))  # of single notebooks
# A part may import from the lines above its own, and from itself. Those in one line are siblings.
ORDER = (
    ("checkout", "errors", "files"),
    ("pictures",),
    ("data", "method", "retrieval"),
    ("training", "compared"),
    ("experiment",),
    ("plots", "photos"),
    ("reproduction",),
    ("exercises",),
    ("cli",),
    ("__main__",),
)
LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts}
BOUNDS = {"pictures": 400, "photos": 1050, "exercises": 2500}  # lines of parts that are not the paper's
HEAVY = {"torch", "numba", "faiss"}


def part_of(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


def is_aside(file: str) -> bool:
    """The compared methods, a user's own photographs and the class stand beside the companion of the paper."""
    return part_of(file) == "compared" or part_of(file) in BOUNDS


def imported_parts(path: Path) -> set[str]:
    """The parts of the library that a file imports from, also within functions; a lazy name is its module's."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            modules |= {f"{node.module}.{igan_lib._HOMES.get(alias.name, alias.name)}" for alias in node.names}
    return {module.split(".")[1] for module in modules if module.startswith("igan_lib.")}


def child(code: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("file", [file for file in FILES if file != "__init__.py"])
def test_imports_run_one_way(file):
    own = part_of(file)
    wrong = {part for part in imported_parts(FILES[file]) - {own} if LEVEL[part] >= LEVEL[own]}
    assert not wrong, f"{own} imports {', '.join(sorted(wrong))}"


def test_the_library_does_not_know_the_notebooks():
    named = {
        alias for path in FILES.values() for alias in re.findall(r"(?:from|import) (\w+)", path.read_text("utf-8"))
    }
    assert "igan_lib" in named and TOOLS and not named & {"tools", "notebooks"}


def test_pictures_take_arrays_and_frames_and_no_network():
    files = [path for file, path in FILES.items() if part_of(file) == "plots"]
    files += [path for path in TOOLS if path.stem.endswith("_pictures")]
    imported = set().union(*map(imported_parts, files))
    assert "files" in imported and not imported & {"method", "training", "compared", "experiment"}


def test_no_file_is_long_and_the_library_is_thin():
    lines = {file: len(path.read_text(encoding="utf-8").splitlines()) for file, path in FILES.items()}
    of_tools = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in TOOLS}
    assert {file: count for file, count in (lines | of_tools).items() if count > 300} == {}
    assert 0 < sum(count for file, count in lines.items() if part_of(file) == "method") < 1000
    assert sum(count for file, count in lines.items() if not is_aside(file)) < 7390
    own = {part: sum(count for file, count in lines.items() if part_of(file) == part) for part in BOUNDS}
    assert all(0 < own[part] < most for part, most in BOUNDS.items()), own


@pytest.mark.parametrize(
    "words", [["-c", "import igan_lib"], ["-m", "igan_lib", "--help"], ["-m", "igan_lib", "table", "-h"]]
)
def test_help_and_the_bare_import_load_no_network_library(words):
    command = [sys.executable, "-X", "importtime", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0 and "igan_lib" in loaded
    assert not loaded & (HEAVY | {"numpy", "pandas", "pydantic"})


TABLES = """
import sys
from pathlib import Path
from igan_lib.cli import main
from igan_lib.experiment.presets import preset
from igan_lib.experiment.result import RunResult, result_path
from igan_lib.files import write_text
from igan_lib.reproduction.opened import open_study

results = Path(sys.argv[1])
for seed, value in enumerate((97.0, 98.0, 98.5)):
    config = preset("usps", "mnist", seed=seed)
    made = {"seconds": 1.0, "git": {"commit": "0" * 40, "dirty": False}, "device": "cpu"}
    result = RunResult(
        config=config, hash=config.hash8, metrics={"target_accuracy": value}, history=[], provenance=made
    )
    write_text(result_path(config, results), result.model_dump_json())
assert main(["table", "table1", "--results", str(results)]) == 0
assert main(["table", "--results", str(results)]) == 0
assert main(["show", "--results", str(results)]) == 0
assert len(open_study("table1", results=results).claims())
assert main(["report", "--results", str(results), "--figures", str(results)]) == 0
print("loaded:", *sorted({"torch", "numba", "faiss"} & set(sys.modules)))
"""


def test_a_table_the_claims_and_the_report_load_no_network_library(tmp_path):
    done = child(TABLES, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "97.8" in done.stdout and done.stdout.splitlines()[-1] == "loaded:"
    assert (tmp_path / "report.html").exists() and (tmp_path / "tables" / "table1.csv").exists()


@pytest.mark.parametrize("name", igan_lib.__all__)
def test_a_lazy_name_is_the_object_of_that_name(name):
    found = getattr(igan_lib, name)
    if inspect.ismodule(found):
        assert found is importlib.import_module(found.__name__) and found.__name__.endswith(f".{name}")
    else:
        assert found.__name__ == name and found.__module__.startswith("igan_lib.")
        assert getattr(importlib.import_module(found.__module__), name) is found


def test_the_first_names_are_listed_and_others_are_an_attribute_error():
    listed = "load_pair load_domain preset load run train IGAN losses evaluate_retrieval HashIndex open_study frame"
    assert (
        {*listed.split(), "compare", "Estimate", "plots", "load_trained"} == set(igan_lib.__all__) <= set(dir(igan_lib))
    )
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = igan_lib.trian
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert igan_lib.__version__ == project["version"]
