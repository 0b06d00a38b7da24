"""What is committed under results/ is what today's code makes of the committed results of runs."""

import pytest

from igan_lib.checkout import ROOT
from igan_lib.reproduction.opened import OpenStudy
from igan_lib.reproduction.report import write_report
from igan_lib.reproduction.results import read_results
from igan_lib.reproduction.studies import STUDIES
from igan_lib.reproduction.workflow import make_sweep

RESULTS = ROOT / "results"


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_tables(study, tmp_path):
    opened = OpenStudy(study, make_sweep({"results": RESULTS}))
    opened.folder = tmp_path
    opened.write()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(study.files)
    for path in tmp_path.iterdir():
        assert path.read_text() == (RESULTS / "tables" / path.name).read_text(), f"write {path.name} anew"


def test_no_table_is_left_of_a_study_that_is_gone():
    others = {"figure2.csv"}  # of notebook 08
    kept = {path.name for path in (RESULTS / "tables").iterdir() if path.is_file()}
    assert kept - others == {name for study in STUDIES.values() for name in study.files}


def test_claims_and_report(tmp_path):
    sweep = make_sweep({"results": tmp_path / "results", "figures": ROOT / "figures"})
    sweep.results.mkdir()
    for name in ("runs", "tables", "benchmarks.json", "benchmarks_methods.json"):
        (sweep.results / name).symlink_to(RESULTS / name)
    write_report(sweep)
    for path in (sweep.report, *sweep.results.glob("claims*.csv")):
        assert path.read_text() == (RESULTS / path.name).read_text(), f"write {path.name} anew: make report"


def test_results_name_a_commit_and_no_local_change():
    results, damaged = read_results(RESULTS / "runs")
    assert not damaged and len(results) > 400
    for result in results:
        parts = (result.provenance, *result.provenance.get("earlier", ()))
        assert all(part["dirty"] is False and len(part["commit"]) == 40 for part in parts), result.config.name
