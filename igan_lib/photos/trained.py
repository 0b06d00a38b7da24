"""What `adapt` leaves in a folder, and what can be done with it: encode, search, add."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from igan_lib.data.backbones import find_backbone
from igan_lib.errors import ConfigError, DataError
from igan_lib.experiment.evaluation import codes_and_logits
from igan_lib.files import atomic_path, write_text
from igan_lib.method.components import build_encoder
from igan_lib.method.networks import HashNet
from igan_lib.photos.store import FeatureStore
from igan_lib.pictures.folders import Left, list_heap
from igan_lib.retrieval.index import HashIndex
from igan_lib.training.fit import pick_device

OUTPUTS = ("network.pt", "index", "files.json", "codes.npz", "predictions.csv", "left_out.csv")
OUTPUTS += ("measures.json", "page.html")
UNFINISHED = ".unfinished"  # a folder in that of the outputs: checkpoints, while a call of adapt is not done
_FORMAT = 1
_REFERENCE = 1000  # features of unlabelled pictures that are kept: 1.3 million numbers of Lite2, 2.6 MB as halves
_UNLIKE = 0.05  # share of the training's own pictures that count as unlike


@dataclass(eq=False)
class Trained:
    """A network for pictures like the unlabelled ones, with its index.

    Attributes:
        net: codes and classes of the backbone's features (n x D); class_names: of its logits.
        backbone, weights: its name and the hash of its weights.
        reference: m x D, features of some unlabelled pictures, centred by `centre` (D) and of length 1; nearest: m, the
            cosine of each with its nearest neighbour among the others.
    """

    net: HashNet
    class_names: tuple[str, ...]
    backbone: str
    weights: str
    centre: Tensor
    reference: Tensor
    nearest: Tensor

    @classmethod
    def of(cls, net: HashNet, class_names: tuple[str, ...], store: FeatureStore, x_t: Tensor) -> "Trained":
        """The network with what of its unlabelled pictures (n x D, two or more) tells others apart."""
        centre = x_t.mean(0)
        # A picture that is there twice would be its own neighbour, and then new ones look unlike. As halves, as saved.
        some = x_t[:: max(1, -(-len(x_t) // _REFERENCE))].unique(dim=0)
        reference = F.normalize(some - centre, dim=1).half().float()
        cosines = (reference @ reference.T).fill_diagonal_(-1)
        return cls(net, class_names, store.backbone.name, store.weights, centre, reference, cosines.max(1).values)

    @property
    def code_length(self) -> int:
        """L, in bits."""
        return self.net.classifier.in_features

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features n x D -> codes u (n x L) and the probabilities of the classes (n x N)."""
        u, logits = codes_and_logits(self.net.eval(), features)
        return u, logits.softmax(1)

    def unlike(self, features: Tensor) -> float:
        """The share of pictures (features n x D) that are farther from all of the training's than nearly all of these.

        About 0.05 for pictures of the same kind, near 1 for others.
        """
        least = self.nearest.quantile(_UNLIKE)
        cosines = F.normalize(features - self.centre, dim=1) @ self.reference.T
        return (cosines.max(1).values < least).float().mean().item()

    def save(self, folder: Path) -> None:
        """Write network.pt, which torch.load reads with weights_only."""
        state = {"format": _FORMAT, "class_names": list(self.class_names), "backbone": self.backbone}
        state |= {"weights": self.weights, "net": self.net.state_dict(), "code_length": self.code_length}
        state |= {"batch_norm": any(isinstance(m, torch.nn.BatchNorm1d) for m in self.net.modules())}
        state |= {"centre": self.centre, "reference": self.reference.half(), "nearest": self.nearest}
        with atomic_path(folder / "network.pt") as partial:
            torch.save(state, partial)

    @classmethod
    def load(cls, folder: Path) -> "Trained":
        """Read network.pt. DataError: it is missing, damaged or of another version."""
        path = folder / "network.pt"
        if not path.is_file():
            raise DataError(f"Expected a folder that adapt made, found no {path.name} in {folder}: run adapt first.")
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            length, width = state["code_length"], len(state["centre"])
            encoder = build_encoder("mlp", (width,), length, state["batch_norm"])
            net = HashNet(encoder, length, len(state["class_names"]))
            net.load_state_dict(state["net"])
            if state["format"] != _FORMAT:
                raise ValueError(f"format {state['format']}")
            values = (state["backbone"], state["weights"], state["centre"], state["reference"].float())
            return cls(net.eval(), tuple(state["class_names"]), *values, state["nearest"])
        except Exception as error:  # what torch and pickle raise on a damaged or other file is open-ended
            raise DataError(
                f"Expected the network that adapt wrote in {path}, found a damaged or other file "
                f"({type(error).__name__}): run adapt again with --force."
            ) from error

    def store(self, device: str = "cpu", *, download: bool = False) -> FeatureStore:
        """The store of the backbone that it was trained with. DataError: its weights are other ones now.

        `device`: as `training.fit.pick_device`, also below.
        """
        backbone = find_backbone(self.backbone)
        store = FeatureStore(backbone, backbone.network(download=download), device=pick_device(device))
        if store.weights != self.weights:
            raise DataError(
                f"Expected the weights of {self.backbone} that the network was trained with, found others: install "
                "those again, or run adapt again with --force."
            )
        return store


def write_index(folder: Path, u: Tensor, files: Sequence[Path | str]) -> None:
    """A new index of codes (n x L) with the files' names; an id is a name's place."""
    index = HashIndex(u.shape[1])
    index.add(u)
    write_text(folder / "files.json", json.dumps([str(file) for file in files], indent=0))
    index.save(folder / "index")


def read_index(folder: Path) -> tuple[HashIndex, list[str]]:
    """The index and its names. DataError: one is missing or damaged, or there are too few names."""
    index, path = HashIndex.load(folder / "index"), folder / "files.json"
    try:
        files = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"Expected the files' names in {path}, found none: run adapt again with --force.") from error
    if not isinstance(files, list) or len(files) < len(index):
        found = len(files) if isinstance(files, list) else f"a {type(files).__name__}"
        raise DataError(f"Expected {len(index)} names in {path}, found {found}: run adapt again with --force.")
    return index, files[: len(index)]  # more where an `add` was killed between the two files


def search(
    folder: Path | str, pictures: Sequence[Path | str], k: int | None = None, *, device: str = "auto"
) -> list[list[tuple[str, int]]]:
    """The k nearest files of each picture (None: ten, or all where there are fewer) with their Hamming distances.

    DataError: a picture can't be read, or the folder is not one of adapt. ConfigError: k is out of range.
    """
    folder = Path(folder)
    trained, (index, files) = Trained.load(folder), read_index(folder)
    if not len(pictures):
        return []
    if k is not None and not 1 <= k <= len(index):
        raise ConfigError(f"Expected -k from 1 to the {len(index)} pictures of {folder}, found {k}: choose such a k.")
    store = trained.store(device)
    u, _ = trained.encode(torch.cat([store.of_picture(Path(picture)) for picture in pictures]))
    ids, distances = index.search(u, min(10, len(index)) if k is None else k)
    return [
        [(files[i], int(d)) for i, d in zip(row, far, strict=True)] for row, far in zip(ids, distances, strict=True)
    ]


@dataclass(frozen=True)
class Added:
    """What `add` did: how many pictures are new, were there, or were `left` out, and the share that looks `unlike`."""

    new: int
    known: int
    left: list[Left]
    unlike: float


def add(folder: Path | str, pictures: Path | str, *, device: str = "auto", progress: bool = True) -> Added:
    """Encode all pictures below `pictures` that the index has not yet, without training. Errors as `search`."""
    folder, pictures = Path(folder), Path(pictures)
    trained, (index, files) = Trained.load(folder), read_index(folder)
    listing, there = list_heap(pictures), set(files)
    new = [file for file in listing.files if str(file.resolve()) not in there]
    known = len(listing.files) - len(new)
    x, kept, left = trained.store(device).features(new, what=pictures.name, progress=progress)
    left = listing.left + left
    if not kept:
        return Added(0, known, left, 0.0)
    index.add(trained.encode(x)[0])
    names = files + [str(new[place].resolve()) for place in kept]
    write_text(folder / "files.json", json.dumps(names, indent=0))
    index.save(folder / "index")
    return Added(len(kept), known, left, trained.unlike(x))


def prepare_output(folder: Path, force: bool) -> None:
    """Make `folder` and `UNFINISHED` in it. ConfigError where it holds what adapt writes, or it can't be made.

    A killed call, of which `UNFINISHED` is still there, may have begun to write: it goes on.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"Expected a folder for --out, found a file at {folder}: name another.")
    there = [name for name in OUTPUTS if (folder / name).exists()]
    if there and not force and (OUTPUTS[0] in there or not (folder / UNFINISHED).is_dir()):
        raise ConfigError(
            f"Expected a new folder for --out, found {', '.join(there)} in {folder}: name another, or add --force."
        )
    try:
        (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"Expected a folder for --out that can be made, found that {folder} can't ({error.strerror}): name another."
        ) from error
