"""A reader of a written file sees the old one or the new one."""

import os
import platform
import subprocess
import sys

import pytest

from igan_lib.files import atomic_path, left_by_killed, process_tag, remove_left_partials, write_text


def test_folders_are_made_and_text_is_utf_8(tmp_path):
    path = tmp_path / "a" / "b" / "text.md"
    write_text(path, "λ → ∞\n")
    assert path.read_bytes() == "λ → ∞\n".encode()
    write_text(path, "new")
    assert path.read_text() == "new" and list(path.parent.iterdir()) == [path]


def test_the_old_file_stands_until_the_block_ends(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with atomic_path(path) as partial:
        partial.write_text("new")
        assert partial.parent == path.parent and path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path, stop):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(stop), atomic_path(path) as partial:
        partial.write_text("half")
        raise stop
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_rename_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def refused(*_):
        raise PermissionError("no")

    monkeypatch.setattr("igan_lib.files.os.replace", refused)
    with pytest.raises(PermissionError):
        write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from igan_lib.files import atomic_path
with atomic_path(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def tag_of(number):
    return f"{process_tag().partition('-')[0]}-{number}"


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "run.pt"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", KILLED, path], env=environment).returncode < 0
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".run.pt.") and left.name.endswith(".partial")
    remove_left_partials(path)
    assert list(tmp_path.iterdir()) == []


def test_what_may_still_be_at_work_or_is_not_of_that_name_stays(tmp_path, ended, monkeypatch):
    path = tmp_path / "run.pt"
    names = {
        "run.pt",
        f".run.pt.{process_tag()}.partial",  # this process is there
        f".run.pt.{tag_of(os.getppid())}.partial",
        f".other.pt.{tag_of(ended)}.partial",
        f".runXpt.{tag_of(ended)}.partial",
        f".run.pt.{tag_of('x')}.partial",
    }
    for name in names:
        (tmp_path / name).write_text("")
    monkeypatch.setattr(platform, "node", lambda: "another-machine")
    other = tmp_path / f".run.pt.{tag_of(ended)}.partial"
    other.write_text("")
    monkeypatch.undo()
    remove_left_partials(path)
    assert {entry.name for entry in tmp_path.iterdir()} == names | {other.name}
    (tmp_path / f".run.pt.{tag_of(ended)}.partial").write_text("")
    remove_left_partials(path)
    assert {entry.name for entry in tmp_path.iterdir()} == names | {other.name}


def test_folders_are_listed_too_and_a_folder_that_is_not_there_holds_nothing(tmp_path, ended):
    folder = tmp_path / f".usps-{tag_of(ended)}-abc"
    folder.mkdir()
    assert left_by_killed(tmp_path, ".usps-") == [folder]
    assert left_by_killed(tmp_path / "none", ".usps-") == []
