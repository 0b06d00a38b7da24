"""A reader of a written file sees the old one or the new one."""

import pytest

from igan_lib.files import atomic_path, write_text


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
