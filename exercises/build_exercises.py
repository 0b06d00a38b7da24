"""Make the students' notebooks from the sources: python exercises/build_exercises.py

A source holds its solutions between the lines `### BEGIN SOLUTION` and `### END SOLUTION`, the words of nbgrader and
otter-grader. The student's copy has a blank there, and the solution folded in a cell below. Nothing else differs.
"""

import copy
import re
import textwrap
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from igan_lib.errors import NotebookError
from igan_lib.files import write_text

HERE = Path(__file__).resolve().parent
SOURCES, STUDENTS = HERE / "sources", HERE / "students"
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)\n *### END SOLUTION$", re.MULTILINE | re.DOTALL)
BLANK = "raise NotImplementedError  # your lines"
FOLDED = "folded-solution"  # the tag of the cells that a student's copy has and its source has not


def student_copy(source: NotebookNode) -> NotebookNode:
    """The notebook that a student gets. NotebookError: a solution is not closed, or a cell has outputs."""
    made = copy.deepcopy(source)
    made.cells = []
    for cell in source.cells:
        cell = copy.deepcopy(cell)
        made.cells.append(cell)
        if cell.cell_type != "code":
            continue
        solutions = [textwrap.dedent(found[2]) for found in SOLUTION.finditer(cell.source)]
        cell.source = SOLUTION.sub(rf"\1{BLANK}", cell.source)
        if "SOLUTION" in cell.source or cell.outputs:
            raise NotebookError(
                f"Expected closed solutions and no outputs in a source, found others in the cell {cell.id}: mend it."
            )
        made.cells += [_folded(cell.id, solution) for solution in solutions]
    return made


def _folded(cell_id: str, solution: str) -> NotebookNode:
    # Blank lines around the fence, so that Markdown is read inside the HTML.
    text = f"<details><summary>Solution</summary>\n\n```python\n{solution}\n```\n\n</details>"
    cell = new_markdown_cell(text, metadata={"tags": [FOLDED]})
    cell.id = f"{cell_id}-solution"
    return cell


def build(sources: Path = SOURCES, students: Path = STUDENTS) -> list[Path]:
    """Write the student's copy of each source, each whole or not at all; return their paths."""
    written = []
    for path in sorted(sources.glob("*.ipynb")):
        made = student_copy(nbformat.read(path, as_version=4))
        nbformat.validate(made)
        written.append(students / path.name)
        write_text(written[-1], nbformat.writes(made) + "\n")
    return written


if __name__ == "__main__":
    print(*(path.relative_to(HERE.parent) for path in build()), sep="\n")
