"""The site: formulas without a server, links that resolve, pages that can be read on a phone and in the dark."""

import base64
import importlib
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import nbformat
import pytest
from browser import faults, look, needs_browser
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from igan_lib.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))
site = importlib.import_module("build_site")

PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNiAAAABgADNjd8qAAAAABJRU5ErkJggg==")
).decode()
FORMULA = r"$$L_c = \min_{W^E} \Big( -\sum_{i=1}^{n_s} y_i^s \log p(x_i^s) \Big) \qquad (5)$$"
CASES = r"$$\tilde y = \begin{cases} \arg\max(p) & \text{if } p > T \\ -1 & \text{otherwise} \end{cases}$$"
TABLE = "| $\\lVert u \\rVert$ | long |\n|---|---|\n| $\\frac{1}{d}$ | " + "word " * 200 + "|\n"


def first_notebook():
    code = new_code_cell('print("$5 and $6")  # a $ in code stays', execution_count=1)
    png = new_output("execute_result", {"image/png": PIXEL, "text/plain": "x"}, execution_count=1)
    table = new_output("display_data", {"text/html": "<table><tr><td>$L_a$</td></tr></table>"})
    bar = new_output(
        "display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "bar"}
    )
    code.outputs = [new_output("stream", text="$5 and $6\n"), png, table, bar]
    text = "Next: [second](second.ipynb#read-the-codes), [code](../igan_lib/method/losses.py), [doc](../docs/guide.md)."
    head = "# First: $u$\n\n- **Question:** does $u = E(x)$\n  work?\n- **Time:** <!-- time: x -->5 s<!-- end -->"
    return new_notebook(
        cells=[*map(new_markdown_cell, (head, f"## Look\n\n{FORMULA}\n\n{CASES}\n\n{TABLE}", text)), code]
    )


def second_notebook():
    return new_notebook(
        cells=[new_markdown_cell("# Second\n\nBack: [first](first.ipynb).\n\n## Read the codes\n\nText.")]
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("docs", "notebooks", "results/notebooks", "igan_lib/method", "figures"):
        (root / folder).mkdir(parents=True)
    (root / "igan_lib/method/losses.py").write_text("")
    (root / "figures/one.png").write_bytes(base64.b64decode(PIXEL))
    guide = "# Guide\n\nWhat it is for.\n\n## Start\n\n![one](../figures/one.png) [up](#start) <https://example.org/>\n"
    guide += "[report](../results/report.html) [readme](../README.md) [all](../notebooks)\n"
    (root / "docs/guide.md").write_text(guide)
    (root / "README.md").write_text("# igan\n\nA companion; see [guide](docs/guide.md).\n\n    cost = $5\n")
    (root / "results/report.html").write_text("<!DOCTYPE html><html><body><h1>Report</h1></body></html>")
    for name, notebook in (("first", first_notebook()), ("second", second_notebook())):
        nbformat.write(notebook, root / "results/notebooks" / f"{name}.ipynb")
    return root


@pytest.fixture(scope="module")
def pages(checkout):
    """File name -> soup of the page."""
    written = site.build(checkout, checkout / "results/notebooks", checkout / "site")
    assert sorted(written) == sorted((checkout / "site").iterdir())  # and nothing half-written beside them
    return {path.name: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in written}


def test_there_is_a_page_for_each_source_and_the_report(pages):
    assert set(pages) == {"index.html", "readme.html", "guide.html", "first.html", "second.html", "report.html"}


def test_index_lists_all_pages_with_what_they_are_about(pages):
    main = pages["index.html"].main
    assert {link["href"] for link in main.find_all("a")} >= set(pages) - {"index.html"}
    assert "What it is for." in main.text and "Does" in main.text and main.math
    assert "5 s" not in main.text  # the question alone


def test_formulas_are_mathml_and_no_dollar_is_left_outside_code(pages):
    assert len(pages["first.html"].main.find_all("math")) >= 5
    for page in pages.values():
        for text in page.find_all(string=re.compile(r"\$")):
            assert text.find_parent(["pre", "code", "style"]), text
    assert "$5 and $6" in pages["first.html"].text
    assert pages["first.html"].select_one(".output_html td math")["alttext"] == "L_a"


def test_nothing_is_asked_of_a_server(pages):
    for name, page in pages.items():
        assert not page.find_all(["script", "iframe", "object", "link"]), name
        assert all(image["src"].startswith("data:") and image["alt"] for image in page.find_all("img")), name
        assert not re.search(r"@import|url\(", "".join(style.text for style in page.find_all("style"))), name
    assert len(pages["first.html"].find_all("img")) == len(pages["guide.html"].find_all("img")) == 1


def test_every_link_resolves_to_a_page_and_an_anchor(pages):
    seen = set()
    for name, page in pages.items():
        for link in page.find_all("a"):
            file, _, anchor = link["href"].partition("#")
            if file.startswith("https://"):
                continue
            seen.add(link["href"])
            assert not anchor or pages[file or name].find(id=anchor), link
            assert not file or file in pages, link
    assert {"second.html#read-the-codes", "guide.html", "#start", "report.html", "readme.html"} <= seen


def test_a_file_without_a_page_is_named_and_not_linked(pages):
    named = pages["first.html"].main.find("span", class_="file")
    assert (named.text, named["title"]) == ("code", "igan_lib/method/losses.py")


def test_every_page_leads_back_to_the_index_and_to_all_others(pages):
    for name in set(pages) - {"index.html", "report.html"}:
        linked = {link["href"].partition("#")[0] for link in pages[name].header.find_all("a")}
        assert linked >= set(pages), name
    assert pages["report.html"].nav.a["href"] == "index.html"


def test_progress_bars_and_comments_are_left_out(pages):
    assert "bar" not in pages["first.html"].main.text.split()
    assert "<!-- " not in str(pages["first.html"].main)


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_shows_it_whole_and_readable(pages, checkout, tmp_path, dark):
    assert faults(look(checkout / "site" / "first.html", tmp_path, dark=dark)) == []


@pytest.mark.parametrize(
    ("latex", "found"),
    [
        (r"\min_{W} a", "munder"),
        (r"\lVert a \rVert", "‖"),
        (r"\underbrace{a}_{b}", "munder"),
        (r"\log p", "mspace"),
        (r"\Big(a\Big)^2", "<msup><mrow><mo"),
    ],
)
def test_formula_holds_what_it_should(latex, found):
    made = site.mathml(latex, "block")
    assert found in made
    assert ET.fromstring(made).get("display") == "block"


@pytest.mark.parametrize("latex", [r"\nosuchcommand x", r"\frac{1}{", r"\enclose{box}{x}"])
def test_formula_that_can_not_be_drawn_fails_the_build(checkout, tmp_path, latex):
    with pytest.raises(ConfigError, match="Expected"):
        site.mathml(latex)
    notebook = new_notebook(cells=[new_markdown_cell(f"# Wrong\n\n${latex}$")])
    nbformat.write(notebook, tmp_path / "wrong.ipynb")
    with pytest.raises(ConfigError):
        site.build(checkout, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_notebooks_and_images_are_one_sentence(checkout, tmp_path):
    with pytest.raises(ConfigError, match="Expected executed notebooks in"):
        site.build(checkout, tmp_path, tmp_path / "out")
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A\n\n![x](gone.png)")]), tmp_path / "a.ipynb")
    with pytest.raises(ConfigError, match=r"found no gone\.png"):
        site.build(checkout, tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "notebooks").glob("*.ipynb")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"],
    ids=lambda path: path.name,
)
def test_every_formula_of_notebooks_and_docs_can_be_drawn(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    page = site.Page(path, path.parent, "page.html", "Documents")
    names = {path.resolve(): "page.html"}
    body = site.MarkdownWithMath(renderer=site.SiteRenderer(page, names, ROOT)).render(site.COMMENT.sub("", text))
    soup = BeautifulSoup(body, "html.parser")
    assert not [text for text in soup.find_all(string=re.compile(r"\$")) if not text.find_parent(["pre", "code"])]
    assert bool(soup.find("math")) == ("$" in re.sub(r"`[^`]*`|```.*?```", "", text, flags=re.DOTALL))
