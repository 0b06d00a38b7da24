"""Features of pictures, kept picture by picture: a killed extraction goes on, and new pictures cost only themselves.

A store is a folder of three files that only grow: `features`, rows of float32; `pictures`, a line a row with the
SHA-256 of the picture's bytes and the CRC-32 of the row; and `files`, which file has which SHA-256. A row without a
whole line, or whose CRC differs, was never finished, and its picture is computed anew. The same picture under two
names, or in two folders, is computed once. A file whose size and time are as in `files` is not read again.
"""

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from igan_lib.data.backbones import Backbone, Transform, weights_hash
from igan_lib.data.features import BATCH, feature_cache
from igan_lib.data.office31 import content_hash
from igan_lib.errors import DataError
from igan_lib.pictures.decoding import PictureError, open_rgb
from igan_lib.pictures.folders import Left

# Part of the store's name: raise it when features of the same pictures, weights and transform come out otherwise.
_VERSION = 2
# Ratio of a picture's sides: a transform resizes the shorter one first, and 30,000 x 1 pixels would take gigabytes.
NARROW = 40
WORKERS = 8


class FeatureStore:
    """Features (float32, D) of any pictures by one backbone on one device.

    Args:
        backbone: gives the transform and D; network: its network with weights, moved to `device`.
        cache: the folder of stores, `data.features.feature_cache()` if not given.
    """

    def __init__(
        self, backbone: Backbone, network: nn.Module, *, cache: Path | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.backbone, self.device = backbone, torch.device(device)
        # Processes that decode pictures: a GPU would wait for one; a CPU's cores have the network to do.
        self.workers = min(WORKERS, os.cpu_count() or 1) if self.device.type == "cuda" else 0
        self.weights = weights_hash(network)
        self.network = network.eval().to(self.device, memory_format=torch.channels_last)
        parts = [_VERSION, asdict(backbone.transform), self.weights]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = (feature_cache() if cache is None else cache) / f"pictures-{backbone.name}-{key}"

    def features(
        self, files: Sequence[Path], *, what: str, progress: bool = True
    ) -> tuple[Tensor, list[int], list[Left]]:
        """Features of the files that can be read, n x D; the places of these among `files`; and the others, with why.

        The features are mapped from disk: they take no memory that the system can't have back. `what`: the name of the
        bar. DataError: the store can't be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "lock"):
                hashes = self._hashes(tqdm(files, disable=not progress, desc=f"{what}: look", unit="picture"))
                rows = self._rows()
                new = {h: file for h, file in zip(hashes, files, strict=True) if h is not None and h not in rows}
                broken = self._extract(new, rows, what, progress)
            kept = [place for place, h in enumerate(hashes) if h in rows]
            found = self._mapped([rows[hashes[place]] for place in kept])
        except OSError as error:
            raise DataError(
                f"Expected to keep features in {self.folder}, found that it failed ({type(error).__name__}): "
                "free some space there, or name another folder with IGAN_FEATURES."
            ) from error
        why = broken | {None: "unreadable"}
        left = [Left(file, why[h]) for file, h in zip(files, hashes, strict=True) if h in why]
        return found, kept, left

    def _hashes(self, files: Iterable[Path]) -> list[str | None]:
        """The SHA-256 of each file, None of one that can't be read; a file that is known is not read again."""
        known: dict[tuple[str, int, int], str] = {}
        path, hashes = self.folder / "files", []
        for line in path.read_text("ascii").splitlines() if path.exists() else ():
            with suppress(ValueError):  # a line that was cut, when a call was killed
                *key, digest = json.loads(line)
                known[tuple(key)] = digest
        with open(path, "a", encoding="ascii") as seen:
            for file in files:
                try:
                    state = file.stat()
                    key = (str(file.resolve()), state.st_size, state.st_mtime_ns)
                    digest = known.get(key) or content_hash(file)
                except (OSError, DataError):
                    hashes.append(None)
                    continue
                if key not in known:
                    seen.write(f"\n{json.dumps([*key, digest])}")  # the break first: a line that was cut stays alone
                hashes.append(digest)
        return hashes

    def _mapped(self, rows: list[int]) -> Tensor:
        """Rows of the store in the order that is asked for, mapped from a file without a name, which goes with them."""
        shape = (len(rows), self.backbone.dimension)
        if not rows:
            return torch.empty(shape)
        stored = np.memmap(self.folder / "features", np.float32, "r").reshape(-1, shape[1])
        with tempfile.TemporaryFile(dir=self.folder) as file:
            for start in range(0, len(rows), 1000):
                file.write(stored[rows[start : start + 1000]].tobytes())
            file.flush()  # written, not assigned to the map: on a full disk that would end the process
            return torch.from_numpy(np.memmap(file, np.float32, "c", shape=shape))

    def of_picture(self, file: Path) -> Tensor:
        """Features of one picture that is not to be kept, 1 x D. DataError: it can't be read."""
        picture = open_rgb(str(file))
        if _too_narrow(picture):
            raise DataError(f"Expected sides of a ratio up to {NARROW} in {file}, found {picture.size}: crop it.")
        return self._forward(self.backbone.transform.cut(picture)[None])

    def _extract(self, new: dict[str, Path], rows: dict[str, int], what: str, progress: bool) -> dict[str, str]:
        """Append the features of pictures to the store and to `rows`; returns what ails the others, by hash."""
        broken: dict[str, str] = {}
        bar = tqdm(total=len(new), disable=not (progress and new), desc=f"{what}: features", unit="picture")
        with bar, open(self.folder / "features", "ab") as values, open(self.folder / "pictures", "ab") as lines:
            for hashes, crops in _portions(new, self.backbone.transform, self.workers, broken, bar):
                features = self._forward(crops).numpy()
                values.write(features.tobytes())
                values.flush()  # before its lines: a line stands for a whole row
                for digest, row in zip(hashes, features, strict=True):
                    lines.write(f"{digest} {zlib.crc32(row.tobytes()):08x}\n".encode())
                    rows[digest] = self._count
                    self._count += 1
                lines.flush()
                bar.update(len(hashes))
        return broken

    @torch.inference_mode()
    def _forward(self, crops: Tensor) -> Tensor:
        images = self.backbone.transform.normalise(crops.to(self.device)).to(memory_format=torch.channels_last)
        return self.network(images).float().cpu()

    def _rows(self) -> dict[str, int]:
        """The row of each picture that is whole; both files are cut to whole rows that belong together."""
        values, lines = self.folder / "features", self.folder / "pictures"
        for path in (values, lines):
            path.touch()
        size = 4 * self.backbone.dimension
        written = lines.read_bytes().split(b"\n")[:-1]
        count = min(len(written), values.stat().st_size // size)
        with open(values, "rb+") as file:
            file.truncate(count * size)
        with open(lines, "rb+") as file:
            file.truncate(sum(len(line) + 1 for line in written[:count]))
        rows: dict[str, int] = {}
        with open(values, "rb") as file:
            for number, line in enumerate(written[:count]):
                digest, _, crc = line.decode("ascii", "replace").partition(" ")
                if f"{zlib.crc32(file.read(size)):08x}" == crc:
                    rows[digest] = number
        self._count = count
        return rows


def _too_narrow(picture: Image.Image) -> bool:
    return max(picture.size) > NARROW * min(picture.size)


class _Crops(Dataset):
    """Of each file what the network takes, or why there is none: a worker process hands over no exception."""

    def __init__(self, files: Sequence[Path], transform: Transform) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> Tensor | str:
        try:
            picture = open_rgb(str(self.files[place]))
        except PictureError as error:
            return error.why
        if _too_narrow(picture):
            return f"with sides of a ratio above {NARROW}"
        return self.transform.cut(picture)


def _portions(
    new: dict[str, Path], transform: Transform, workers: int, broken: dict[str, str], bar: tqdm
) -> Iterator[tuple[list[str], Tensor]]:
    """Pictures decoded and cut, up to `BATCH` at a time, with their hashes; those that can't be go to `broken`."""
    hashes, crops = list(new), _Crops(list(new.values()), transform)
    own = torch.Generator()  # else it would take a number of the one that everything else draws from
    loader = DataLoader(crops, BATCH, collate_fn=list, num_workers=workers, generator=own)
    for number, found in enumerate(loader):
        names = hashes[number * BATCH : number * BATCH + len(found)]
        whole = {name: crop for name, crop in zip(names, found, strict=True) if isinstance(crop, Tensor)}
        broken |= {name: why for name, why in zip(names, found, strict=True) if isinstance(why, str)}
        bar.update(len(names) - len(whole))
        if whole:
            yield list(whole), torch.stack(list(whole.values()))
