"""Every notebook: how it is built, and that it runs from top to bottom on embedded data and leaves what it promises."""

import ast
import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from igan_lib.experiment.notebooks import declared_parameters, execute
from igan_lib.experiment.presets import preset
from igan_lib.experiment.run import load, train
from igan_lib.retrieval.clusters import neighbour_purity, silhouette
from tools.samples import sample_codes

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)

# What makes a notebook quick where it has no `profile`.
SMALLEST = {
    "01_data": {"extra_domains": [], "images_per_domain": 200},
    "10_your_own_photographs": {"limit": 20, "steps": 4, "backbone": "efficientnet_lite0"},
}


def read(notebook):
    return nbformat.read(notebook, as_version=4)


def code_cells(notebook):
    return [cell for cell in read(notebook).cells if cell.cell_type == "code"]


def is_parameters(cell):
    return "parameters" in cell.metadata.get("tags", [])


# how it is built


def test_there_are_notebooks():
    assert {"00_quickstart", "03_training"} <= {path.stem for path in NOTEBOOKS}


@every_notebook
def test_header_says_question_section_time_inputs_and_outputs(notebook):
    first = read(notebook).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    for word in ("question", "paper", "section", "time", "inputs", "outputs"):
        assert word in first.source.lower(), word
    assert re.search(r"\d+ (s|seconds|min|minutes)\b", first.source), "no measured time"


@every_notebook
def test_has_one_cell_of_typed_parameters_with_a_reason_each(notebook):
    (cell,) = [cell for cell in code_cells(notebook) if is_parameters(cell)]
    lines = [line for line in cell.source.splitlines() if line.strip()]
    assert len(declared_parameters(notebook)) == len(lines)
    for line in lines:
        comment = line.rpartition("#")[2].strip()
        assert "#" in line and len(comment) > 10 and "=" not in comment, line


@every_notebook
def test_has_one_import_cell_which_comes_first(notebook):
    first, *others = [ast.parse(cell.source.replace("%", "#")) for cell in code_cells(notebook)]
    imports = (ast.Import, ast.ImportFrom)
    assert any(isinstance(node, imports) for node in first.body)
    assert not any(isinstance(node, imports) for tree in others for node in ast.walk(tree))


@every_notebook
def test_is_stored_without_outputs_for_any_python3_kernel(notebook):
    stored = read(notebook)
    nbformat.validate(stored)
    assert stored.metadata.kernelspec.name == "python3"
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code_cells(notebook))
    assert not any("papermill" in part.metadata for part in (stored, *stored.cells))
    ids = [cell.id for cell in stored.cells]
    assert len(set(ids)) == len(ids)


@every_notebook
def test_cells_are_short(notebook):
    lengths = {cell.id: len(cell.source.splitlines()) for cell in code_cells(notebook)}
    assert max(lengths.values()) <= 20, max(lengths, key=lengths.get)
    cells = read(notebook).cells
    asked = sum('exercises.check("predict_' in cell.source for cell in cells)
    assert len(cells) - 2 * asked <= 40  # a question parts a heading from its text, by a cell that checks the answer


@every_notebook
def test_cells_read_like_a_story(notebook):
    """Few imports, no error handling, no dictionary built in a loop, no function of more than five lines."""
    first, *others = [ast.parse(cell.source.replace("%", "#")) for cell in code_cells(notebook)]
    assert sum(isinstance(node, (ast.Import, ast.ImportFrom)) for node in first.body) <= 6
    for tree in others:
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Try)
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 5, node.name
            if isinstance(node, ast.For):
                stored = [n for n in ast.walk(node) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
                assert not stored, ast.unparse(node)


@every_notebook
def test_holds_no_class_and_trains_nothing_itself(notebook):
    for cell in code_cells(notebook):
        nodes = list(ast.walk(ast.parse(cell.source.replace("%", "#"))))
        assert not any(isinstance(node, (ast.ClassDef, ast.While)) for node in nodes), cell.source
        called = {node.func.attr for node in nodes if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
        assert not called & {"step", "zero_grad"}, cell.source


@every_notebook
def test_every_heading_has_text_and_links_lead_to_files(notebook):
    cells = read(notebook).cells
    for cell in cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#]+)\)", cell.source):
                if "://" not in target:
                    assert (notebook.parent / target).exists(), target
            assert len(re.sub(r"^#+ .*", "", cell.source, flags=re.M).strip()) > 0 or cell.source.startswith("## ")


@every_notebook
def test_names_no_folder_of_one_machine(notebook):
    assert not re.search(r"/(home|root|work|tmp|Users)/", notebook.read_text(encoding="utf-8"))


# that it runs


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A copy of the project's notebooks, so that their default folders lie in the test's own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IGAN_DATA", str(tmp_path))  # nothing is there: embedded data alone
    monkeypatch.setenv("IGAN_FEATURES", str(tmp_path / "features"))
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    return tmp_path


def run(place, name, **parameters):
    executed = execute(place / "notebooks" / f"{name}.ipynb", place / "executed" / f"{name}.ipynb", parameters)
    outputs = [output for cell in code_cells(executed) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    text = [output.get("text", "") + "".join(output.get("data", {}).get("text/markdown", "")) for output in outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert not list(place.rglob("*.partial*")) and not list(place.rglob("*.failed*"))
    return "\n".join(text), pictures


def figures(place, folder="."):
    return {path.name for path in (place / "figures" / folder).iterdir()}


def png_and_svg(*names):
    return {f"{name}.{kind}" for name in names for kind in ("png", "svg")}


DATA = os.environ.get("IGAN_DATA", "")  # as it was before a test hides it; empty is the default folder


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """One folder of features for the tests on Office-31: to compute those of a domain takes a minute."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture
def office31(place, features, monkeypatch):
    monkeypatch.setenv("IGAN_DATA", DATA)
    monkeypatch.setenv("IGAN_FEATURES", str(features))


OWN = {"00_quickstart", "03_training", "06_table3_retrieval", "08_figure2_tsne", "09_claims"}


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS if path.stem not in OWN])
def test_runs_on_embedded_data(place, name):
    declared = declared_parameters(ROOT / "notebooks" / f"{name}.ipynb")
    _, pictures = run(place, name, **SMALLEST.get(name, {"profile": "smoke"} if "profile" in declared else {}))
    assert pictures


def test_quickstart_leaves_result_row_and_figures(place):
    text, pictures = run(place, "00_quickstart", profile="smoke")
    own = place / "results" / "quickstart"  # a committed result of the same name is not taken for this one
    stored = [json.loads(path.read_text()) for path in (own / "runs").glob("*.json")]
    table = (own / "quickstart.md").read_text()
    assert {run["config"]["method"] for run in stored} == {"igan", "igan+"}
    for metrics in (run["metrics"] for run in stored):
        assert f"| {metrics['source_only_accuracy']:.1f} % | {metrics['target_accuracy']:.1f} % |" in table
    assert table in text
    names = ("quickstart_domains", "quickstart_reconstructions", "quickstart_codes", "quickstart_tsne")
    assert {path.name for path in (own / "figures").iterdir()} == png_and_svg(*names)
    assert not (place / "figures").exists() and [path.name for path in (place / "results").iterdir()] == ["quickstart"]
    assert len(pictures) == 4


def test_training_shows_the_run_and_what_each_loss_does(place):
    text, pictures = run(place, "03_training", profile="smoke", overrides='{"alpha": 0.2}')
    stored = [json.loads(path.read_text()) for path in (place / "results" / "runs").glob("*.json")]
    result, filled = sorted(stored, key=lambda one: one["config"]["target"], reverse=True)
    assert result["config"]["alpha"] == 0.2 and result["config"]["target"] == "digits12"
    assert f"| igan | mnist5k → digits | smoke | 0 | {filled['metrics']['source_only_accuracy']:.1f} % |" in text
    assert f"| {result['metrics']['target_accuracy']:.1f} % | none |" in text
    names = ("domains", "losses", "games", "losses_on_codes", "bits", "filled_frame")
    (own,) = figures(place)  # those of the notebook's own parameters would lie in the folder itself
    assert own.startswith("igan-mnist5k-digits12-smoke-s0-")
    assert figures(place, own) == png_and_svg(*(f"training_{name}" for name in names))
    assert len(pictures) == 6, "live curves are one picture, not one a drawing"


def test_retrieval_shows_what_was_found_and_leaves_tables_with_holes(place):
    run(place, "06_table3_retrieval", profile="smoke", source="mnist5k", target="digits")
    assert figures(place, "smoke") == {"mnist5k-digits-s0", *png_and_svg("table3")}
    assert figures(place, "smoke/mnist5k-digits-s0") == png_and_svg("retrieval_nearest", "retrieval_precision_recall")
    # The committed tables and figures are of profile cpu, and stay what they are.
    assert figures(place) == {"smoke"} and [path.name for path in (place / "results" / "tables").iterdir()] == ["smoke"]
    tables = {path.name for path in (place / "results" / "tables" / "smoke").iterdir()}
    assert {"table3.csv", "table3-cross.md", "retrieval-digits.tex", "retrieval-digits-cross.csv"} <= tables


def test_figure_2_names_what_is_missing_and_writes_nothing(place):
    text, pictures = run(place, "08_figure2_tsne", profile="smoke")
    assert "Nothing is drawn anew. Expected Office-31's amazon" in text and not pictures
    assert not (place / "figures").exists() and not (place / "results").exists()


@pytest.mark.real_data("office31")
@pytest.mark.usefixtures("office31")
def test_figure_2_measures_the_networks_before_and_after(place):
    run(place, "08_figure2_tsne", profile="smoke", directions=["webcam->dslr"])
    # Neither the profile nor the directions are Figure 2's.
    assert figures(place, "smoke") == png_and_svg("figure2_dslr_webcam", "figure2_dslr_webcam_key")
    table = pd.read_csv(place / "results" / "tables" / "smoke" / "figure2_dslr_webcam.csv")
    assert table["panel"].tolist() == [f"webcam → dslr, {when}" for when in ("source only", "igan", "igan+")]
    assert table.loc[0, ["backbone", "profile", "seed"]].tolist() == ["efficientnet_lite2", "smoke", 0]
    configs = [preset("webcam", "dslr", profile="smoke", method=method) for method in ("igan", "igan+")]
    pair = load(configs[0])
    igan, plus = (train(config, pair, results=place / "results", progress=False)[0] for config in configs)
    nets = (igan.source_only, igan.inference_net, plus.inference_net)
    for line, net in zip(table.itertuples(), nets, strict=True):
        u, y = sample_codes(net, pair.target)
        assert line.silhouette == pytest.approx(silhouette(u, y), abs=6e-4)
        assert line[3] == pytest.approx(100 * neighbour_purity(u.numpy(), y.numpy()), abs=6e-4)
    assert table["silhouette"].nunique() == 3


@pytest.mark.real_data("office31")
def test_figure_2_without_the_backbone_s_weights_shows_what_is_committed(place, monkeypatch, tmp_path):
    monkeypatch.setenv("IGAN_DATA", DATA)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # where torchvision would have put them
    text, pictures = run(place, "08_figure2_tsne", profile="smoke", backbone="alexnet")
    assert "alexnet" in text and "efficientnet_lite2" in text and not pictures
    assert not (place / "figures").exists() and not (place / "results" / "tables").exists()


@pytest.mark.real_data("office31")
@pytest.mark.usefixtures("office31")
def test_retrieval_shows_photographs_of_office_31(place):
    run(place, "06_table3_retrieval", profile="smoke", source="webcam", target="dslr", methods=["noda"])
    assert png_and_svg("retrieval_nearest", "retrieval_precision_recall") <= figures(place, "smoke/webcam-dslr-s0")


def test_table_2_of_another_backbone_stands_by_itself(place):
    run(place, "05_table2_office31", backbone="alexnet", regime="finetuned")
    folder = place / "results" / "tables" / "alexnet-finetuned"
    assert "Recognition on Office-31, finetuned alexnet" in (folder / "table2.md").read_text()
    assert [path.name for path in (place / "results" / "tables").iterdir()] == ["alexnet-finetuned"]
    assert figures(place, "alexnet-finetuned") == png_and_svg("table2", "igan_plus")


def test_claims_without_results_are_all_not_run(place):
    text, _ = run(place, "09_claims")
    assert "100 runs are missing." in text and "Eq. 12" in text and "Table 2, Duplex: printed 66.96" in text
    cells = code_cells(place / "executed" / "09_claims.ipynb")
    lists = [output.data.get("text/markdown", "") for cell in cells for output in cell.outputs if "data" in output]
    (claims,) = [text for text in lists if "**Not run**" in text]
    assert claims.count("**Not run**") == claims.count("\n> ") == claims.count("- not run") >= 15
    assert not (place / "figures").exists() and not (place / "results").exists()


EXECUTED = sorted((ROOT / "results" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", EXECUTED, ids=[path.stem for path in EXECUTED])
def test_committed_copies_are_of_today_s_notebooks_and_their_links_lead_to_files(path):
    copy, notebook = (nbformat.read(file, as_version=4) for file in (path, ROOT / "notebooks" / path.name))
    injected = [cell for cell in copy.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    sources = [cell.source.replace("](../../", "](../") for cell in copy.cells if cell not in injected]
    assert sources == [cell.source for cell in notebook.cells]
    for link in re.findall(r"\]\(([^)#:]+)\)", "".join(c.source for c in copy.cells if c.cell_type == "markdown")):
        assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", EXECUTED, ids=[path.stem for path in EXECUTED])
def test_committed_copies_show_no_warning(path):
    cells = nbformat.read(path, as_version=4).cells
    told = [output.text for cell in cells for output in cell.get("outputs", ()) if output.get("name") == "stderr"]
    # Bars of progress are drawn there, too.
    assert not [text for text in told if "Warning" in text or "Error" in text]


def write_own_data(path, seed):
    """Three classes with names, colour, odd size: bars at three places, on grounds of two brightnesses."""
    random = np.random.default_rng(seed)
    arrays = {"class_names": np.array(["ant", "bee", "cat"])}
    for part, n in (("train", 30), ("test", 12)):
        labels = np.arange(n) % 3
        images = random.integers(0, 60 + 60 * seed, (n, 20, 24, 3), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, 3 + 7 * label : 6 + 7 * label] = 255
        arrays |= {f"x_{part}": images, f"y_{part}": labels}
    np.savez(path, **arrays)


def test_training_takes_own_data_and_the_variant_without_generators(place):
    for seed, name in enumerate(("mine", "yours")):
        write_own_data(place / "notebooks" / f"{name}.npz", seed)
    text, _ = run(
        place,
        "03_training",
        source="npz:mine.npz",
        target="npz:yours.npz",
        profile="smoke",
        method="source-only",
    )
    assert "| source-only | npz:mine.npz → npz:yours.npz | smoke | 0 |" in text
    # The pictures that are committed are of the notebook's own parameters, and stay what they are.
    (own,) = figures(place)
    assert own.startswith("source-only-") and "training_bits.png" in figures(place, own)


@pytest.mark.real_data("mnist", "usps")
def test_training_shows_the_papers_number_of_its_pairs(place, monkeypatch):
    monkeypatch.setenv("IGAN_DATA", DATA)
    text, _ = run(place, "03_training", source="usps", target="mnist", profile="smoke")
    assert "| 97.8 % |" in text
