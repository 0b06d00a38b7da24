"""Make the slides of a class, one file that needs no connection: python exercises/make_slides.py [FILE]

nbconvert's own slides load reveal.js from a server, and no picture from outside the notebook's folder is embedded. So
its slide exporter gets the template beside this file, and the project's folder to find pictures in.
"""

import re
import sys
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter

from igan_lib.checkout import ROOT
from igan_lib.errors import NotebookError
from igan_lib.files import write_text

NOTEBOOK = ROOT / "exercises" / "slides.ipynb"
FILE = ROOT / "dist" / "slides.html"


def make(target: Path = FILE, notebook: Path = NOTEBOOK) -> Path:
    """Write the slides, whole or not at all. NotebookError: a picture is missing."""
    slides = nbformat.read(notebook, as_version=4)
    for cell in slides.cells:
        cell.source = cell.source.replace("](../", "](")
    exporter = SlidesExporter(
        template_name="slides_template",
        extra_template_basedirs=[str(ROOT / "exercises")],
        embed_images=True,
        exclude_anchor_links=True,
    )
    page, _ = exporter.from_notebook_node(slides, {"metadata": {"path": str(ROOT), "name": notebook.stem}})
    if missing := re.findall(r'<img[^>]* src="(?!data:)([^"]*)"', page):
        raise NotebookError(f"Expected the picture {missing[0]} of {notebook.name}, found none: correct the link.")
    write_text(target, page)
    return target


if __name__ == "__main__":
    print(make(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE))
