"""The notebooks of the class: solutions are all right, students' copies are all blank, and git holds what is built."""

import ast
import copy
import re

import nbformat
import papermill
import pytest
from build_exercises import BLANK, FOLDED, SOLUTION, SOURCES, STUDENTS, build, student_copy

from igan_lib.checkout import ROOT
from igan_lib.errors import NotebookError
from igan_lib.exercises import EXERCISES
from igan_lib.exercises.exercise import ChoiceExercise
from igan_lib.exercises.pictures import DRAWN
from igan_lib.exercises.predictions import _entries, place_of, question_text
from igan_lib.exercises.registry import SITTINGS

NAMES = list(SITTINGS)
every_sitting = pytest.mark.parametrize("name", NAMES)


def read(folder, name):
    return nbformat.read(folder / f"{name}.ipynb", as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def blanks(name):
    """Exercise -> the cell of the source that has its solution."""
    cells = [cell for cell in code(read(SOURCES, name)) if SOLUTION.search(cell.source)]
    return {re.search(r'^check\("(\w+)", \w+\)$', cell.source, re.MULTILINE)[1]: cell for cell in cells}


SOLUTIONS = {exercise: SOLUTION.search(cell.source)[2] for name in NAMES for exercise, cell in blanks(name).items()}


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A function that runs a notebook of a folder where the class would, beside the results alone."""
    place = tmp_path_factory.mktemp("class")
    (place / "results").symlink_to(ROOT / "results")

    def run(folder, name):
        inside = place / "exercises" / folder.name
        inside.mkdir(parents=True, exist_ok=True)
        source, target = inside / f"{name}.ipynb", place / f"{folder.name}-{name}.ipynb"
        source.write_bytes((folder / f"{name}.ipynb").read_bytes())
        options = {"kernel_name": "python3", "cwd": str(inside), "progress_bar": False}
        papermill.execute_notebook(str(source), str(target), **options)
        assert [path.name for path in inside.iterdir()] == [source.name]  # nothing is left beside it
        source.unlink()
        return nbformat.read(target, as_version=4)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield run


def texts(notebook):
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    return "".join(output.get("text", "") for output in outputs)


@every_sitting
def test_solutions_are_right_and_each_cell_takes_less_than_five_seconds(executed, name):
    notebook = executed(SOURCES, name)
    told = texts(notebook)
    count = len(SITTINGS[name])
    assert told.count("✔ Right.") == count and "✘" not in told and "○" not in told
    assert f"{count} of {len(EXERCISES)} done." in told
    pictures = [o for cell in code(notebook) for o in cell.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == sum(exercise.name in DRAWN for exercise in SITTINGS[name])
    for cell in code(notebook)[1:]:  # the first one imports
        assert cell.metadata.papermill.duration < 5, cell.source


@every_sitting
def test_students_copies_are_not_started_and_show_the_pictures(executed, name):
    notebook = executed(STUDENTS, name)
    told = texts(notebook)
    assert told.count("○ Not started.") == len(SITTINGS[name]) and "✔" not in told and "✘" not in told
    assert "Traceback" not in told and f"0 of {len(EXERCISES)} done." in told
    pictures = [o for cell in code(notebook) for o in cell.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == sum(exercise.name in DRAWN for exercise in SITTINGS[name])


def test_git_holds_what_is_built(tmp_path):
    written = build(students=tmp_path)
    assert [path.stem for path in written] == NAMES == sorted(path.stem for path in STUDENTS.glob("*"))
    for path in written:
        assert path.read_text() == (STUDENTS / path.name).read_text(), "python exercises/build_exercises.py"


@every_sitting
def test_a_copy_differs_from_its_source_in_solutions_alone(name):
    source, student = read(SOURCES, name), read(STUDENTS, name)
    kept = [cell for cell in student.cells if FOLDED not in cell.metadata.get("tags", [])]
    assert len(kept) == len(source.cells)
    different = []
    for ours, theirs in zip(source.cells, kept, strict=True):
        if ours.source != theirs.source:
            different.append(ours.id)
            lines = ours.source.splitlines()
            first, last = (next(i for i, line in enumerate(lines) if word in line) for word in ("BEGIN", "END"))
            assert [*lines[:first], f"    {BLANK}", *lines[last + 1 :]] == theirs.source.splitlines()
        assert {**ours, "source": ""} == {**theirs, "source": ""}
    assert different == [cell.id for cell in blanks(name).values()] and len(different) <= 12
    folded = [cell.source for cell in student.cells if cell not in kept]
    assert len(folded) == len(different)
    for text, cell in zip(folded, blanks(name).values(), strict=True):
        inside = re.fullmatch(
            r"<details><summary>Solution</summary>\n\n```python\n(.*)\n```\n\n</details>", text, re.DOTALL
        )
        whole = SOLUTION.search(cell.source)[2].splitlines()
        assert inside[1].splitlines() == [line[4:] for line in whole]


@every_sitting
def test_notebooks_have_no_outputs_and_say_what_each_exercise_takes(name):
    for folder in (SOURCES, STUDENTS):
        notebook = read(folder, name)
        nbformat.validate(notebook)
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code(notebook))
        texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        heads = [re.search(r"^\*\*\d+ minutes · .*\*\*$", text, re.MULTILINE) for text in texts]
        assert [head[0] for head in heads if head] == [exercise.header for exercise in SITTINGS[name]]
        minutes = sum(exercise.minutes for exercise in SITTINGS[name])
        assert f"- **Time:** {minutes} minutes," in texts[0]
        for link in re.findall(r"\]\(([^)#:]+)\)", "".join(texts)):
            assert (folder / link).exists(), link


@every_sitting
def test_each_exercise_has_its_blank_and_its_picture(name):
    assert list(blanks(name)) == [exercise.name for exercise in SITTINGS[name]]
    shown = [re.fullmatch(r'picture\("(\w+)", \w+\)', cell.source) for cell in code(read(SOURCES, name))]
    assert [found[1] for found in shown if found] == [e.name for e in SITTINGS[name] if e.name in DRAWN]


def plain(text):
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("name", EXERCISES)
def test_no_hint_holds_the_solution(name):
    exercise = EXERCISES[name]
    lines = [line.strip() for line in SOLUTIONS[name].splitlines()]
    replies = exercise.replies.values() if isinstance(exercise, ChoiceExercise) else [w.hint for w in exercise.wrong]
    for text in (*exercise.hints[:2], *replies, exercise.title):
        assert not [line for line in lines if plain(line) in plain(text)], text
        assert "`" not in text  # no code at all
    assert not [line for line in lines[1:] if plain(line) in plain(exercise.hints[2])]
    if not isinstance(exercise, ChoiceExercise):
        (given,) = re.findall(r"`(.+?)`", exercise.hints[2])
        assert plain(given) == plain(lines[0]) and len(lines) > 1
        ast.parse(given + (" pass" if given.endswith(":") else ""))
    else:
        assert not exercise.answer & set(re.findall(r"\b[A-E]\b", " ".join(exercise.hints)))


@pytest.mark.parametrize("fault", ["not closed", "outputs"])
def test_a_damaged_source_is_a_sentence(fault):
    source = copy.deepcopy(read(SOURCES, NAMES[0]))
    cell = next(cell for cell in code(source) if SOLUTION.search(cell.source))
    if fault == "outputs":
        cell.outputs = [nbformat.v4.new_output("stream", text="x")]
    else:
        cell.source = cell.source.replace("### END SOLUTION", "")
    with pytest.raises(
        NotebookError, match=f"closed solutions and no outputs in a source, found others in the cell {cell.id}"
    ):
        student_copy(source)


@pytest.mark.parametrize("name", sorted(_entries()))
def test_a_prediction_is_asked_in_its_notebook_before_the_text_that_tells(name):
    (path,) = (ROOT / "notebooks").glob(f"{name.split('_')[1]}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    (at,) = [i for i, cell in enumerate(cells) if f'exercises.check("{name}", "?")' in cell.source]
    asked = cells[at - 1].source
    assert asked.endswith(question_text(name)) and place_of(name) in asked.partition("**Predict first.**")[0]
