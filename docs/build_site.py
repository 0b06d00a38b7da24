"""The project as static pages: docs, executed notebooks and the report, to be read without a connection.

    python docs/build_site.py [--notebooks results/notebooks] [--out site]

Formulas become MathML here, images are embedded, and no page asks a server for anything. Look and frame of a page:
page.html.jinja; formulas: mathml.py.
"""

import argparse
import base64
import html
import mimetypes
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from mathml import mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from igan_lib.checkout import ROOT
from igan_lib.errors import ConfigError, IganError
from igan_lib.files import write_text

REPORT = "report.html"
WIDGET = "application/vnd.jupyter.widget-view+json"
CODE_STYLES = {"light": "xcode", "dark": "monokai"}  # contrast of 4.5 or more on --shade
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass
class Page:
    """One page to be: its source, the folder that its links start from, its file name, and what it is found to hold."""

    source: Path
    folder: Path
    name: str
    group: str
    title: str = ""
    about: str = ""
    headings: list[tuple[str, str]] = field(default_factory=list)  # id and HTML of each of level 2
    body: str = ""


class SiteRenderer(IPythonRenderer):
    """Markdown to HTML: formulas as MathML, images embedded, links to pages of the site, wide things in a box."""

    def __init__(self, page: Page, pages: dict[Path, str], root: Path) -> None:
        super().__init__(escape=False)
        self.page, self.pages, self.root = page, pages, root

    def inline_math(self, body: str) -> str:
        """A formula in a line; browsers break none, so a long one scrolls on a phone."""
        return f'<span class="formula">{mathml(body)}</span>' if len(body) > 30 else mathml(body)

    def block_math(self, body: str) -> str:
        """A formula on its own, in a box that scrolls."""
        return f'<span class="scroll">{mathml(body, "block")}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        """An environment without dollars around it."""
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    def table(self, text: str) -> str:
        """A table in a box that scrolls."""
        return f'<div class="scroll"><table>\n{text}</table></div>\n'

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        """A heading with the anchor that GitHub gives it; those of level 2 are listed at the top of the page."""
        words = html.unescape(re.sub(r"<[^>]*>", "", text)).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        if level == 2:
            self.page.headings.append((anchor, text))
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """A link to a page of the site, an anchor or another site; of a file without a page, its text and its path."""
        path, _, anchor = url.partition("#")
        if not path or re.match(r"(https?|mailto):", url):
            return f'<a href="{html.escape(url)}">{text}</a>'
        file = (self.page.folder / unquote(path)).resolve()
        if file in self.pages:
            return f'<a href="{self.pages[file]}{"#" * bool(anchor)}{anchor}">{text}</a>'
        shown = file.relative_to(self.root) if file.is_relative_to(self.root) else Path(file.name)
        return f'<span class="file" title="{html.escape(str(shown))}">{text}</span>'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """The file of an image as a part of the page."""
        file = self.page.folder / unquote(url)
        if url.startswith("data:"):
            data = url
        elif file.is_file():
            data = f"data:{mimetypes.guess_type(file)[0]};base64,{base64.b64encode(file.read_bytes()).decode()}"
        else:
            raise ConfigError(f"Expected the file of an image in {self.page.source.name}, found no {url}: correct it.")
        return f'<span class="scroll picture"><img src="{data}" alt="{html.escape(text)}"></span>'


def find_pages(root: Path, notebooks: Path) -> list[Page]:
    """The README, the docs and the executed notebooks, in the order in which they are read.

    Raises:
        ConfigError: there is no executed notebook.
    """
    texts = [*root.glob("README.md"), *sorted((root / "docs").glob("*.md"))]
    copies = sorted(notebooks.glob("*.ipynb"))
    if not copies:
        raise ConfigError(f"Expected executed notebooks in {notebooks}, found none: make them with make notebooks.")
    pages = [Page(source, source.parent, f"{source.stem.lower()}.html", "Documents") for source in texts]
    # A copy's links start where its notebook lies.
    return pages + [Page(source, root / "notebooks", f"{source.stem}.html", "Notebooks") for source in copies]


def page_names(pages: list[Page], root: Path, report: Path) -> dict[Path, str]:
    """Which page stands for which file or folder that a link may name."""
    names = {root / folder: "index.html" for folder in ("docs", "notebooks", "results/notebooks")}
    for page in pages:
        names |= dict.fromkeys((page.source.resolve(), page.folder.resolve() / page.source.name), page.name)
    return names | (dict.fromkeys((report.resolve(), root / "results" / REPORT), REPORT) if report.exists() else {})


def render(page: Page, pages: dict[Path, str], root: Path) -> None:
    """Fill in `title`, `about`, `headings` and `body`."""
    renderer = SiteRenderer(page, pages, root)
    to_html = MarkdownWithMath(renderer=renderer).render
    if page.source.suffix == ".ipynb":
        notebook = nbformat.read(page.source, as_version=4)
        text = notebook.cells[0].source
        page.body = notebook_body(notebook, to_html)
    else:
        text = page.source.read_text(encoding="utf-8")
        page.body = to_html(COMMENT.sub("", text))
    text = COMMENT.sub("", text)
    title = re.search(r"^# (.+)", text, re.MULTILINE)
    question = re.search(r"\*\*Question:\*\* (.+?)(?=\n- |\n\n|\Z)", text, re.DOTALL)
    first = question or re.search(r"^# [^\n]+\n\s*([^#].*?)(?=\n\n|\Z)", text, re.DOTALL | re.MULTILINE)
    page.title = re.sub(r"[`*$]", "", title[1]) if title else page.source.stem
    page.about = to_html(first[1][0].upper() + first[1][1:]) if first else ""


def notebook_body(notebook: nbformat.NotebookNode, to_html: Any) -> str:
    """The cells with their outputs, without progress bars; an image's text is the heading that it stands under."""
    under = ""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            under = (re.findall(r"^#+ (.+)", cell.source, re.MULTILINE) or [under])[-1]
            continue
        cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                output.metadata["image/png"] = {"alt": f"Output of the cell under: {under}"}
    notebook.metadata.pop("widgets", None)
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.register_filter("markdown2html", lambda source: to_html(COMMENT.sub("", source)))
    soup = BeautifulSoup(exporter.from_notebook_node(notebook)[0], features="html.parser")
    for node in soup.find_all(string=re.compile(r"\$[^$]+\$")):  # in tables, which MathJax would have read
        if not node.find_parent(["pre", "code", "style"]):
            made = re.sub(r"\$([^$]+)\$", lambda found: mathml(found[1]), html.escape(node, quote=False))
            node.replace_with(BeautifulSoup(made, features="html.parser"))
    return str(soup)


def build(root: Path, notebooks: Path, out: Path) -> list[Path]:
    """Write all pages to `out`, each whole or not at all, once every one of them was made.

    Args:
        root: of the checkout, with README.md, docs/ and notebooks/.
        notebooks: executed copies; the report is looked for beside this folder.

    Raises:
        ConfigError: no executed notebook, a formula that can't be drawn, or an image that is not there.
    """
    root, report = root.resolve(), notebooks.parent / REPORT
    pages = find_pages(root, notebooks)
    names = page_names(pages, root, report)
    for page in pages:
        render(page, names, root)
    folder = Environment(loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True)
    template = folder.get_template("page.html.jinja")
    code = {mode: HtmlFormatter(style=style).get_style_defs(".highlight") for mode, style in CODE_STYLES.items()}
    common = {"pages": pages, "report": REPORT if report.exists() else None, "code": code}
    texts = {"index.html": template.render(page=None, before=None, after=None, **common)}
    for before, page, after in zip([None, *pages[:-1]], pages, [*pages[1:], None], strict=True):
        texts[page.name] = template.render(page=page, before=before, after=after, **common)
    if report.exists():
        back = '<body>\n<nav><a href="index.html">All pages</a></nav>'
        texts[REPORT] = report.read_text(encoding="utf-8").replace("<body>", back, 1)
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / name for name in texts]


def main() -> int:
    """Build the site as the command line asks; 0 if it was built, 2 if an input was wrong."""
    parser = argparse.ArgumentParser(description="Build docs, executed notebooks and report as static pages.")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "results" / "notebooks", help="executed copies")
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="folder of the pages")
    arguments = parser.parse_args()
    try:
        written = build(ROOT, arguments.notebooks, arguments.out)
    except IganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{written[0]} and {len(written) - 1} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
