"""Where results, figures and notebooks lie: in the checkout or, of an installed package, in the working folder."""

import subprocess
from pathlib import Path

_BESIDE = Path(__file__).resolve().parent.parent
IS_CHECKOUT = (_BESIDE / "pyproject.toml").is_file()
ROOT = _BESIDE if IS_CHECKOUT else Path.cwd()  # an installed package lies among others, where nothing is to be written


def written_by_git(folder: Path) -> set[Path]:
    """The files below `folder` that git wrote there, as a clone or a pull does: their times say nothing of their order.

    Such a file is as it was committed, and no older than the commit that changed it last. One that was committed where
    it was written is older. None without git or a repository.
    """

    def git(*words: str) -> list[str]:
        words = ("git", "-c", "core.quotePath=off", *words, "--name-only", "--relative")
        return subprocess.check_output(words, cwd=folder, stderr=subprocess.DEVNULL, encoding="utf-8").splitlines()

    try:
        changed, log = set(git("diff", "HEAD")), git("log", "--format=> %ct")
    except (OSError, subprocess.CalledProcessError):
        return set()
    committed: dict[Path, int] = {}
    for line in log:  # the newest commit first
        if line.startswith("> "):
            time = int(line[2:])
        elif line and line not in changed:
            committed.setdefault((folder / line).resolve(), time)
    return {file for file, time in committed.items() if file.is_file() and file.stat().st_mtime >= time}
