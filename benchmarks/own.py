"""Speed and memory of adapt, search and add on copies of Office-31: `python benchmarks/own.py --help`.

- extraction: pictures a second from file to features of the backbone, through the store that adapt uses, and memory
- scale: for each count, so many unlabelled pictures; each is a copy of one of amazon's with some bytes behind its end,
  so that it counts as another. The backbone is a small random network with as many features, since what grows with the
  count is all the rest: seconds to decode and keep, to train and write, to search and to add; what memory all of it
  needs on top of the packages; and what one more picture costs. Each count in a process of its own.

Memory is what a process holds for itself; features that are mapped from disk are the system's, and named apart.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import torch
from torch import nn

from igan_lib.data import backbones
from igan_lib.data.backbones import Backbone, Transform, find_backbone
from igan_lib.data.data_root import resolve_root
from igan_lib.data.office31 import list_office31
from igan_lib.errors import DataError
from igan_lib.experiment.presets import OFFICE_STEPS
from igan_lib.files import write_text
from igan_lib.photos.adapt import adapt
from igan_lib.photos.store import FeatureStore
from igan_lib.photos.trained import add, read_index, search

ROOT = Path(__file__).resolve().parent.parent
MIB = 2**20
SMALL = "small"
ADDED = 10  # pictures
QUERIES = 20
COUNTS = [2000, 20_000, 100_000]  # docs/benchmarks.md names them; eight minutes, three gigabytes


def small_backbone() -> Backbone:
    """A random projection of 32 x 32 pixels to as many features as Lite2 has, half of them zero."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 1280), nn.ReLU())
    transform = Transform(36, 32, "bilinear", mean=(127.0,) * 3, std=(128.0,) * 3)
    return Backbone(SMALL, 1280, transform, lambda download: network)


class PeakMemory:
    """Most MiB held by this process beyond what it holds now, its own and mapped from files, while the block runs."""

    def __enter__(self) -> "PeakMemory":
        self._first, self._end, self.own, self.mapped = self._now(), threading.Event(), 0.0, 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    @staticmethod
    def _now() -> tuple[float, float]:
        info = psutil.Process().memory_info()
        mapped = getattr(info, "shared", 0)  # of Linux alone: pages of files
        return (info.rss - mapped) / MIB, mapped / MIB

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            own, mapped = (now - first for now, first in zip(self._now(), self._first, strict=True))
            self.own, self.mapped = max(self.own, own), max(self.mapped, mapped)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def copies(files: list[Path], count: int, folder: Path, first: int = 0) -> list[Path]:
    """`count` copies of the files in turn; what follows a JPEG's end is read by nobody."""
    folder.mkdir(parents=True)
    made = []
    for number in range(first, first + count):
        path = folder / f"{number:07}.jpg"
        path.write_bytes(files[number % len(files)].read_bytes() + number.to_bytes(8, "big"))
        made.append(path)
    return made


def extraction(name: str, count: int, folder: Path) -> dict[str, float]:
    """Pictures a second, after a few to warm up, and the memory that it takes."""
    backbone = find_backbone(name)
    store = FeatureStore(backbone, backbone.network(), cache=folder / "store")
    paths = list_office31("amazon", resolve_root(None)).paths
    chosen = list(paths[:: max(1, len(paths) // count)])[:count]
    made = copies(chosen, count, folder / "pictures")
    with PeakMemory() as memory:
        store.features(list(paths[1:17]), what="warm up", progress=False)
        spent = seconds(lambda: store.features(made, what="pictures", progress=False))
    return {"pictures_a_second": round(count / spent, 1), "memory_mib": round(memory.own)}


def scale(count: int, steps: int, folder: Path) -> dict[str, float]:
    """adapt, search and add with `count` unlabelled pictures, in this process."""
    backbones.BACKBONES[SMALL] = small_backbone()
    labelled = list_office31("webcam", resolve_root(None))
    originals = list(list_office31("amazon", resolve_root(None)).paths)
    copies(originals, count, folder / "heap")
    new = copies(originals, ADDED, folder / "new", first=count)
    backbone, out, found = find_backbone(SMALL), folder / "out", {}
    files = sorted((folder / "heap").iterdir())
    chosen = {"backbone": SMALL, "device": "cpu", "progress": False, "steps": steps, "pretrain_steps": steps // 2}
    with PeakMemory() as memory:
        store = FeatureStore(backbone, backbone.network())
        found["decode_and_keep_s"] = seconds(lambda: store.features(files, what="heap", progress=False))
        found["adapt_with_known_features_s"] = seconds(lambda: adapt(labelled.folder, folder / "heap", out, **chosen))
    found |= {"memory_mib": memory.own, "mapped_mib": memory.mapped}
    with PeakMemory() as memory:
        found["search_from_file_s"] = seconds(lambda: search(out, [new[0]], 10))
    found["search_memory_mib"] = memory.own
    index, _ = read_index(out)
    queries = torch.rand(QUERIES, 64) * 2 - 1
    alone = [seconds(lambda one=query: index.search(one[None], 10)) for query in queries]
    found["index_search_ms"] = 1000 * statistics.median(alone)
    found["index_mib"] = (out / "index").stat().st_size / MIB
    found[f"add_{ADDED}_s"] = seconds(lambda: add(out, folder / "new", progress=False))
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, nargs="*", default=COUNTS, help=f"unlabelled pictures ({COUNTS})")
    parser.add_argument("--pictures", type=int, default=200, help="to extract features of (default 200)")
    parser.add_argument("--backbone", default="efficientnet_lite2")
    parser.add_argument("--steps", type=int, default=OFFICE_STEPS["steps"], help="of the adaptation (default 600)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "benchmarks_own.json")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)  # the folder of a process for one count
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.alone:
        print(json.dumps(scale(arguments.count[0], arguments.steps, arguments.alone)))
        return
    result = {"threads": arguments.threads, "backbone": arguments.backbone, "steps": arguments.steps, "scale": {}}
    try:
        with TemporaryDirectory() as folder:
            result["extraction"] = extraction(arguments.backbone, arguments.pictures, Path(folder))
    except DataError as error:
        print(f"own photographs: not measured. {error}")
        return
    print(f"{arguments.backbone}: {result['extraction']}", flush=True)
    for count in arguments.count:
        with TemporaryDirectory() as folder:
            asked = [f"--count={count}", f"--steps={arguments.steps}", f"--threads={arguments.threads}"]
            command = [sys.executable, __file__, *asked, "--alone", folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=own_store(folder))
        result["scale"][str(count)] = json.loads(done.stdout.splitlines()[-1])
        print(count, result["scale"][str(count)], flush=True)
    write_text(arguments.output, json.dumps(result, indent=1) + "\n")


def own_store(folder: str) -> dict[str, str]:
    """The environment of a process whose features go to a folder below `folder`."""
    return os.environ | {"IGAN_FEATURES": str(Path(folder) / "store")}


if __name__ == "__main__":
    main()
