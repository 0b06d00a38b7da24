"""Pack what a student needs into one zip: python exercises/make_class.py [FILE], by default dist/igan-class.zip

The library, the students' notebooks, the results that they draw, and what an installation reads. No source notebook, no
data set, no run.
"""

import sys
import zipfile
from pathlib import Path

from build_exercises import build

from igan_lib.checkout import ROOT
from igan_lib.files import atomic_path

FILE = ROOT / "dist" / "igan-class.zip"
PARTS = (
    "igan_lib/**/*",
    "exercises/students/*.ipynb",
    "results/exercises/*",
    "results/networks/source-only-mnist-usps.pt",
    "results/networks/networks.json",
    "figures/losses_paths.png",
    "pyproject.toml",
    "constraints.txt",
    "Makefile",
    "LICENSE",
    "README.md",
)
FOLDER = "igan-class"  # what the zip unpacks to
START = "exercises/START.md"  # at the top of that folder


def files() -> dict[str, Path]:
    """Name in the zip -> file; caches and hidden files are left out."""
    found = {FOLDER + "/START.md": ROOT / START}
    for pattern in PARTS:
        for path in sorted(ROOT.glob(pattern)):
            inside = path.relative_to(ROOT)
            if path.is_file() and "__pycache__" not in inside.parts and not path.name.startswith("."):
                found[f"{FOLDER}/{inside.as_posix()}"] = path
    return found


def pack(target: Path = FILE) -> Path:
    """Write the zip, whole or not at all, after the students' copies were made anew."""
    build()
    with atomic_path(target) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files().items():
            archive.write(path, name)
    return target


if __name__ == "__main__":
    made = pack(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
    print(f"{made}, {made.stat().st_size / 2**20:.1f} MiB")
