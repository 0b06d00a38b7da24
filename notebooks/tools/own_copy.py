"""A reader's own copy of the notebooks and results, so that what she runs and writes leaves the project as it is.

`make lab` calls it. In the folder it makes, notebooks and results lie as in the project, so that "../results" and
"../figures" of a notebook are the reader's own. Her notebooks and runs are never overwritten.
"""

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Copied once: a reader changes notebooks and pages, adds to the runs, and draws a picture that an exercise shows.
KEPT = ("notebooks/*.ipynb", "exercises/students/*.ipynb", "results/runs/*.json", "figures/losses_paths.png")
KEPT += ("docs/*.md", "README.md")
RENEWED = ("results/*.json", "results/*.csv")  # no notebook writes these
LINKED = ("notebooks/tools", "igan_lib", "results/notebooks", "results/report.html")


def make_copy(folder: Path, root: Path = ROOT) -> int:
    """Bring into `folder` what it lacks of the project in `root`; returns how many files were copied.

    Tables and other pictures are not among them, since notebooks make them. What notebooks link to becomes a link.
    """
    copied = 0
    for pattern in (*KEPT, *RENEWED):
        for path in sorted(root.glob(pattern)):
            own = folder / path.relative_to(root)
            if own.exists() and (pattern in KEPT or own.read_bytes() == path.read_bytes()):
                continue
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, own)
            copied += 1
    for name in LINKED:
        own = folder / name
        if not own.exists():
            own.unlink(missing_ok=True)  # a link to where the project lay before
            own.symlink_to(root / name)
    return copied


def main() -> None:
    """Make or renew the copy, and say so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the copy lies or will lie")
    folder = parser.parse_args().folder
    try:
        copied = make_copy(folder)
    except OSError as error:
        print(f"Expected a folder that can be written, found {folder} ({error.strerror}): choose another one.")
        sys.exit(1)
    print(
        f"{copied} files are new in {folder}. Yours stay: to have a notebook as the project has it, delete your copy."
    )


if __name__ == "__main__":
    main()
