"""The report holds every table, claim and hole, is one well-formed file, and needs nothing from elsewhere."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from browser import LAPTOP, faults, look, needs_browser
from claim_makers import results, table4

from igan_lib.cli import main
from igan_lib.reproduction.claims import SHOWN, claim_parts
from igan_lib.reproduction.estimate import VERDICTS
from igan_lib.reproduction.paper import SLIPS
from igan_lib.reproduction.report import formula, parts_of, pictures, provenance_lines, write_report
from igan_lib.reproduction.results import frame, read_results
from igan_lib.reproduction.sentences import CLAIMS
from igan_lib.reproduction.studies import A_D, A_W, M_U, STUDIES, U_M, W_A
from igan_lib.reproduction.tables import differences, study_table, wide, wide_differences
from igan_lib.reproduction.workflow import make_sweep

COMMITTED = Path(__file__).parents[2] / "results" / "report.html"
VOID = {"meta", "img", "link", "br", "hr", "input"}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CAUSE = "Expected <one> | found none: get it."


class Page(HTMLParser):
    """A page as its elements, whether each that was opened was closed in turn, and its text."""

    def __init__(self, html):
        super().__init__()
        self.stack, self.elements, self.text = [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.text += "_" if tag == "sub" else ""
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, f"{tag} closes something else"
        self.text += " " if tag in ("td", "th") else ""

    def handle_data(self, data):
        self.text += data

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]


def some_results():
    found = table4((20.0, 0.9, 4.0, 0.5), (M_U, U_M))
    found += table4((1, 1, 1, 1), (M_U,), study="table4-no-batch-norm")
    for label in ("igan", "DAH"):
        for pair in (W_A, A_W, A_D):
            found += results("table3", label, pair, [70, 71, 72])
    return found


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    sweep = make_sweep({"results": folder / "results", "figures": folder / "figures"})
    (sweep.results / "runs").mkdir(parents=True)
    for run in some_results() + results("table1", "igan", M_U, [1.0], profile="quick"):
        (sweep.results / "runs" / f"{run.config.name}.json").write_text(run.model_dump_json())
    (sweep.results / "runs" / "broken.json").write_text("{")
    steps = {"28 pixels": {"L_c": 50.4, "L_c+L_s+L_h+L_a": 130.6}, "32 pixels": {"L_c": 200.0}}
    (sweep.results / "benchmarks.json").write_text(json.dumps({"cpu": {"losses_ms": steps}}))
    sweep.tables.mkdir()
    log = sweep.log_of(sweep.outputs({"table1"})["table1"])
    log.parent.mkdir(parents=True)
    log.write_text(f"error: {CAUSE}\n")
    (folder / "figures").mkdir()
    for name in ("table4", "figure2"):
        (folder / "figures" / f"{name}.png").write_bytes(PNG)
    (folder / "figures" / "figure2.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    damaged = read_results(sweep.results / "runs")[1]
    assert len(damaged) == 1 and "broken.json" in damaged[0]
    write_report(sweep)
    return sweep


@pytest.fixture(scope="module")
def page(sweep):
    page = Page(sweep.report.read_text(encoding="utf-8"))
    page.text = " ".join(page.text.split())
    return page


def test_it_is_well_formed_and_made_for_phones_and_dark_rooms(sweep, page):
    html = sweep.report.read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>") and not page.stack
    (viewport,) = [attrs for tag, attrs in page.elements if attrs.get("name") == "viewport"]
    assert viewport["content"].startswith("width=device-width")
    assert "@media (prefers-color-scheme: dark)" in html
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in page.attributes("href")} <= set(ids)


def test_it_loads_nothing(sweep, page):
    html = sweep.report.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[\w+/=]+", "", html))
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe"}
    assert all(source.startswith("data:image/") for source in page.attributes("src"))


def test_every_table_is_there_in_a_box_that_scrolls(page):
    for study in STUDIES.values():
        assert study.name in page.attributes("id") and study.title in page.text
        cells = wide(study_table(study, frame(some_results()), "cpu"))
        for row in cells.values.tolist():
            assert " ".join(filter(None, row)) in page.text.replace("\xa0", " ") or not any(row)
    tags = [(tag, attrs.get("class", "")) for tag, attrs in page.elements]
    tables = [index for index, (tag, _) in enumerate(tags) if tag == "table"]
    assert len(tables) >= len(STUDIES)
    assert all(tags[index - 1] == ("div", "scroll") for index in tables)


def test_every_claim_and_slip_is_there_with_its_verdict(sweep, page):
    table = pd.read_csv(sweep.report.with_name("claims.csv"))
    assert table["claim"].tolist() == [claim.id for claim in CLAIMS]
    plain = page.text
    for claim, verdict in zip(CLAIMS, table["verdict"], strict=True):
        assert f"claim-{claim.id}" in page.attributes("id")
        start = plain.index(claim.sentence)
        assert plain[:start].rstrip().rpartition("Section")[0].rstrip().endswith(verdict)
    assert all(slip in plain for _, slip in SLIPS)
    assert "Table 2 Duplex 66.96 66.975" in plain
    assert f"{(table['verdict'] == 'below').sum()} below" in plain


def part_of(page, title):
    """The text from one study's heading to the next one's."""
    titles = [study.title for study in STUDIES.values()]
    rest = page.text[page.text.index(f" {title} Profile") :]
    ends = [rest.index(f" {other} Profile") for other in titles if f" {other} Profile" in rest[1:]]
    return rest[: min((end for end in ends if end), default=None)]


def test_table_4_tells_what_a_run_and_a_step_of_each_row_cost(page):
    text = part_of(page, STUDIES["table4"].title)
    costs = text[text.index("What a row costs") :]
    assert "s a run, mnist → usps s a run, usps → mnist ms a step, 28 pixels ms a step, 32 pixels" in costs
    assert "L_c 360 360 50 200 L_c+L_s 360 360" in costs and "L_c+L_s+L_h+L_a 360 360 131" in costs
    # The networks whose steps were measured have batch norm.
    without = part_of(page, STUDIES["table4-no-batch-norm"].title)
    assert "What a row costs" in without and "ms a step" not in without


def test_differences_stand_in_numbers_too(page):
    for name in ("table4", "arguments"):
        study = STUDIES[name]
        text = part_of(page, study.title)
        cells = wide_differences(differences(study, frame(some_results()), "cpu"))
        assert all(f"{head} {' '.join(row)}" in text for head, row in zip(cells.index, cells.values, strict=True))
        assert len(cells) >= 4
    assert "Differences on the same seeds" not in part_of(page, STUDIES["table1"].title)


def test_every_difference_behind_a_claim_is_told_with_its_verdict(page):
    for part in claim_parts(frame(some_results())).itertuples():
        if part.beside and part.n:
            assert f"{part.beside[0].upper()}{part.beside[1:]}: {part.text}" in page.text
        elif not part.beside:
            why = f": {part.reason}" if part.reason else ""
            assert f"{part.text} [{part.verdict}{why}]" in page.text
    assert "All 21 differences" in page.text


def test_holes_failures_and_damaged_files_are_listed(page):
    assert "table1: 290 of 300 runs are missing" in page.text
    assert "table4: 50 of 100 runs are missing" in page.text
    assert "Expected <one> | found none: get it." in page.text and "in results/runs/broken.json, found" in page.text


def test_pictures_that_are_there_are_in_it_the_smaller_of_two(sweep, page):
    sources = page.attributes("src")
    assert [source.partition(";")[0] for source in sources] == ["data:image/png", "data:image/svg+xml"]
    assert base64.b64decode(sources[0].partition(",")[2]) == PNG
    assert pictures({"none": "x"}, sweep.results) == []


def test_provenance_says_what_the_results_recorded(page):
    runs = some_results()
    assert f"results {len(runs)} recorded time {len(runs) * 360 / 3600:.1f} h in total" in page.text
    for text in (
        "commit 0123456789 (",
        "device cpu a <processor> (",
        "threads 1 (",
        "torch 2.14.1 (",
        "Python 3.11.9 (",
    ):
        assert f"{text}{len(runs)})" in page.text


def test_provenance_counts_what_differs_and_marks_local_changes():
    one, two, three = results("table1", "igan", M_U, [1, 2, 3])
    two = two.model_copy(update={"provenance": one.provenance | {"dirty": True, "threads": 2}})
    three = three.model_copy(update={"provenance": {}})
    lines = dict(provenance_lines([one, two, three]))
    assert lines["commit"] == "0123456789 (1), 0123456789, with local changes (1), unknown (1)"
    assert lines["threads"] == "1 (1), 2 (1), unknown (1)" and lines["recorded time"] == "0.2 h in total"


def test_a_run_in_parts_names_each_commit_once():
    (one,) = results("table1", "igan", M_U, [1])
    earlier = [{"commit": "f" * 40, "dirty": False}, {"commit": one.provenance["commit"], "dirty": False}]
    one = one.model_copy(update={"provenance": one.provenance | {"earlier": earlier}})
    assert dict(provenance_lines([one]))["commit"] == "ffffffffff and 0123456789 (1)"


def test_it_tells_what_each_verdict_means(page):
    for verdict, rule in VERDICTS.items():
        assert f"{verdict.capitalize()}: {rule}" in page.text


def test_the_same_results_give_the_same_file(sweep):
    before = sweep.report.read_bytes()
    write_report(sweep)
    assert sweep.report.read_bytes() == before


def test_a_cell_breaks_before_the_number_of_seeds_and_before_what_the_paper_has():
    assert parts_of("95.1 (94.5 to 95.7) n=5, D 86 %") == ["95.1 (94.5 to 95.7)", "n=5, D 86 %"]
    told = ["+4.2 (+2.8 to +5.5), n = 5,", "paper +4.0,", "104 % of it [reproduced]"]
    assert parts_of(" ".join(told)) == told and parts_of("not run") == ["not run"]


def test_a_long_claim_is_summed_up_and_a_short_one_told_difference_by_difference(sweep, page):
    claims = pd.read_csv(sweep.report.with_name("claims.csv"))
    parts = pd.read_csv(sweep.report.with_name("claims_parts.csv"))
    compared = parts[parts["beside"].isna() & (parts["n"] > 0)].groupby("claim").size()
    assert compared.max() > SHOWN and (compared > 1).sum() > (compared > SHOWN).sum()  # else this says nothing
    for claim in claims[claims["claim"].isin(compared.index[compared > 1])].itertuples():
        told = " ".join(formula(claim.numbers).striptags().split())
        assert (told in " ".join(page.text.split())) == (compared[claim.claim] > SHOWN)


def test_names_of_losses_become_formulas_and_nothing_else_becomes_html():
    assert formula("L_c+L_1 <b> map_target n = 5") == (
        "<i>L</i><sub>c</sub>+<i>L</i><sub>1</sub> &lt;b&gt; map_target n&nbsp;=&nbsp;5"
    )


def test_the_command_writes_it_beside_the_tables_of_another_profile(tmp_path, capsys):
    code = main(["report", "--profile", "smoke", "--studies", "table1", "--seeds", "1", "--results", str(tmp_path)])
    path = tmp_path / "tables" / "smoke" / "report.html"
    assert code == 0 and capsys.readouterr().out.strip() == str(path)
    html = path.read_text(encoding="utf-8")
    assert "60 of 60 runs are missing" in html and STUDIES["table4"].title not in html
    assert path.with_name("claims.csv").exists() and not (tmp_path / "claims.csv").exists()


def test_the_command_takes_what_the_workflow_gives_it():
    given = make_sweep({"studies": "table1,table4", "profile": "quick", "seeds": 2, "pairs": "mnist5k:digits"})
    from igan_lib.cli import _parser

    found = _parser().parse_args(given.report_arguments())
    keys = {name: getattr(found, name) for name in ("studies", "profile", "seeds", "pairs", "results")}
    assert make_sweep(keys) == given


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_browser_shows_all_of_it_on_a_phone(sweep, tmp_path, dark):
    seen = look(sweep.report, tmp_path, dark=dark)
    assert faults(seen) == []
    assert seen["articles"] == len(CLAIMS) and len(seen["images"]) == 2
    assert "What the paper argues for without an experiment" in seen["text"]
    assert faults(look(COMMITTED, tmp_path, dark=dark)) == []  # its tables, names and pictures are larger


@needs_browser
def test_a_laptop_shows_every_table_whole(tmp_path):
    seen = look(COMMITTED, tmp_path, dark=False, width=LAPTOP)
    assert faults(seen) == [] and seen["scrolling"] == []
    scrolling = look(COMMITTED, tmp_path, dark=False)["scrolling"]  # what does not fit a phone scrolls in its box
    assert STUDIES["table1"].title in scrolling


@needs_browser
@pytest.mark.parametrize(
    ("broken", "dark", "fault"),
    [
        ('<div style="width: 2000px">wide</div>', False, "the page is 2016 pixels wide"),
        ('<div class="scroll"><div style="width: 2000px">wide</div></div>', False, None),
        ('<div class="scroll"><img src="data:image/png,x" alt="x"></div>', False, "the image 'x' is broken"),
        ('<p style="color: #16181b">dark</p>', True, "'dark' is hard to read"),
        ('<p style="color: #16181b">dark</p>', False, None),
        ("<style>* { background: white !important; color: black !important }</style>", True, "the page is bright"),
    ],
)
def test_a_page_that_a_reader_could_not_read_is_noticed(sweep, tmp_path, broken, dark, fault):
    page = tmp_path / "page.html"
    page.write_text(sweep.report.read_text(encoding="utf-8").replace("</h1>", f"</h1>{broken}"), encoding="utf-8")
    found = faults(look(page, tmp_path, dark=dark))
    assert [sentence.startswith(fault) for sentence in found] == ([True] if fault else [])
