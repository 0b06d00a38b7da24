"""From labelled pictures of one kind and unlabelled ones of another to a network, classes, codes and an index."""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from igan_lib.data.backbones import find_backbone
from igan_lib.data.domains import Domain, DomainPair, Split
from igan_lib.data.splits import UNKNOWN
from igan_lib.errors import ConfigError, DataError
from igan_lib.experiment.evaluation import codes_and_logits, recalibrated
from igan_lib.experiment.methods import build
from igan_lib.files import atomic_path, write_text
from igan_lib.photos.label_free import CHOOSES, NAMES, best, collapsed, measure
from igan_lib.photos.page import write_page
from igan_lib.photos.settings import PhotoSettings, photo_settings
from igan_lib.photos.store import FeatureStore
from igan_lib.photos.trained import UNFINISHED, Trained, prepare_output, write_index
from igan_lib.pictures.folders import Left, Pictures, find_splits, left_out, list_classes, list_heap
from igan_lib.retrieval.bits import pack
from igan_lib.training.fit import fit, pick_device

SURE = 0.5  # a class that no picture has with more probability seems absent


@dataclass(frozen=True, eq=False)
class Adapted:
    """What came out, for each unlabelled picture that could be read.

    Attributes:
        files: n; probabilities: n x N; class_names: N.
        left: what was left out of both folders; notes: sentences on that, and on what was read in an unexpected way.
        measures: of each seed, `label_free.measure`; seed: the one that was kept.
    """

    files: list[Path]
    probabilities: Tensor
    class_names: tuple[str, ...]
    left: list[Left]
    notes: list[str]
    measures: dict[int, dict[str, float]]
    seed: int

    @property
    def kept(self) -> str:
        """A sentence on which seed was kept and why; "" of a single one."""
        values = ", ".join(f"{found[CHOOSES]:.3f} of seed {seed}" for seed, found in self.measures.items())
        highest = [seed for seed, found in self.measures.items() if found[CHOOSES] == self.measures[self.seed][CHOOSES]]
        whose = "the first of those whose" if len(highest) > 1 else "whose"
        gone = collapsed(self.measures)
        among = f" among those that tell classes apart (not {', '.join(map(str, gone))})" if gone else ""
        why = f"Kept seed {self.seed}, {whose} {NAMES[CHOOSES]} is the highest{among}: {values}."
        return why if len(self.measures) > 1 else ""

    @property
    def absent(self) -> list[str]:
        """Classes that seem absent: no picture has one of them as its first class with a probability above `SURE`."""
        confidence, label = self.probabilities.max(1)
        present = set(label[confidence > SURE].tolist())
        return [name for number, name in enumerate(self.class_names) if number not in present]


def adapt(
    labelled: Path | str,
    unlabelled: Path | str,
    out: Path | str,
    *,
    method: str = "igan+",
    backbone: str,
    seed: int = 0,
    seeds: int = 1,
    device: str = "auto",
    download: bool = False,
    force: bool = False,
    progress: bool = True,
    **overrides: Any,
) -> Adapted:
    """Train on `labelled`/<class>/* and on all pictures below `unlabelled`, and write `trained.OUTPUTS` to `out`.

    A killed call goes on when it is called again: features lie in a `FeatureStore`, and training in a checkpoint.

    Args:
        method: of `settings.PHOTO_METHODS`; backbone: of `data.backbones.BACKBONES`; overrides: of `PhotoSettings`.
        seeds: how many to train, from `seed` on; `label_free.best` of them is kept.
        force: replace what lies in `out`.

    Raises:
        ConfigError: a setting is wrong, or `out` holds results. DataError: too few pictures, or weights are missing.
        TrainingError: as `training.fit.fit`.
    """
    labelled, unlabelled, out = Path(labelled), Path(unlabelled), Path(out)
    chosen, where = find_backbone(backbone), pick_device(device)
    if not isinstance(seeds, int | np.integer) or seeds < 1:
        raise ConfigError(f"Expected 1 or more seeds, found {seeds!r}: give such a number.")
    asked = {"method": method, "backbone": backbone, **overrides}
    first = photo_settings(2, seed=seed, **asked).seed  # before an hour of features
    photo_settings(2, seed=first + seeds - 1, **asked)
    source_files, target_files = _listed(labelled, unlabelled)
    prepare_output(out, force)
    store = FeatureStore(chosen, chosen.network(download=download), device=where)
    x_s, kept_s, left_s = store.features(source_files.files, what=labelled.name, progress=progress)
    y_s = torch.tensor([source_files.labels[place] for place in kept_s], dtype=torch.int64)
    names = source_files.class_names
    _check_classes(y_s, names, labelled)  # before the features of what may be a hundred thousand pictures
    x_t, kept_t, left_t = store.features(target_files.files, what=unlabelled.name, progress=progress)
    source_files.left += left_s
    target_files.left += left_t
    if len(x_t) < 2:
        raise DataError(f"Expected two or more whole pictures in {unlabelled}, found {len(x_t)}: add some.")
    pair = _pair(x_s, y_s, x_t, names)
    every = {
        number: photo_settings(len(names), seed=number, unlabelled=len(x_t), **asked)
        for number in range(first, first + seeds)
    }
    runs = {number: _trained(settings, pair, store, out, where, progress) for number, settings in every.items()}
    outputs = {number: trained.encode(x_t) for number, (trained, _) in runs.items()}
    measures = measure({number: probabilities for number, (_, probabilities) in outputs.items()}, x_t)
    kept = best(measures)
    (trained, net_s), (u_t, probabilities) = runs[kept], outputs[kept]
    u_s, _ = codes_and_logits(net_s, x_s)
    notes = source_files.notes(labelled) + ([left_out(target_files.left, unlabelled)] if target_files.left else [])
    files = [target_files.files[place] for place in kept_t]
    adapted = Adapted(files, probabilities, names, source_files.left + target_files.left, notes, measures, kept)
    sources = [source_files.files[place] for place in kept_s]
    _write(out, adapted, trained, (u_t, u_s), sources, y_s)
    shutil.rmtree(out / UNFINISHED)
    return adapted


def _listed(labelled: Path, unlabelled: Path) -> tuple[Pictures, Pictures]:
    for folder in (labelled, unlabelled):
        if not folder.is_dir():
            raise DataError(f"Expected a folder of pictures at {folder}, found none: correct the path.")
    one, other = labelled.resolve(), unlabelled.resolve()
    if one == other:
        raise DataError(f"Expected two folders, found {labelled} twice: name the unlabelled pictures' own folder.")
    if one in other.parents or other in one.parents:
        raise DataError(
            f"Expected two folders side by side, found that one of {labelled} and {unlabelled} lies in the other: "
            "move the unlabelled pictures out."
        )
    if splits := find_splits(labelled):
        train, test, _ = splits
        raise DataError(
            f"Expected class folders in {labelled}, found {train.name} and {test.name} with class folders in each: "
            f"name one of them, as in {train}."
        )
    classes = list_classes(labelled)
    if len(classes.class_names) < 2:
        found = ", ".join(classes.class_names)
        raise DataError(f"Expected two or more class folders in {labelled}, found {found}: add another.")
    return classes, list_heap(unlabelled)


def _check_classes(y_s: Tensor, names: tuple[str, ...], labelled: Path) -> None:
    if gone := [name for label, name in enumerate(names) if not (y_s == label).any()]:
        raise DataError(
            f"Expected a whole picture in each class of {labelled}, found damaged ones alone in {', '.join(gone)}: "
            "replace them, or remove the folder."
        )


def _pair(x_s: Tensor, y_s: Tensor, x_t: Tensor, names: tuple[str, ...]) -> DomainPair:
    """Both sides as domains; training and test images are the same, as with Office-31."""
    source, target = Split(x_s, y_s), Split(x_t, torch.full((len(x_t),), UNKNOWN))
    of_target = Domain("unlabelled", target, target, names, unlabelled=True)
    return DomainPair(Domain("labelled", source, source, names), of_target)


def _trained(
    settings: PhotoSettings, pair: DomainPair, store: FeatureStore, out: Path, device: torch.device, progress: bool
) -> tuple[Trained, Any]:
    """The network for the unlabelled pictures, and the same one for the labelled (batch norm differs)."""
    # Other pictures or settings are another run, which does not go on from this one's checkpoint.
    data = "".join(domain.checksum() for domain in (pair.source, pair.target))
    fingerprint = hashlib.sha256(f"{settings.model_dump_json()}{data}".encode()).hexdigest()[:16]
    method = build(settings, pair)
    checkpoint = out / UNFINISHED / f"{fingerprint}.pt"
    kept = {"checkpoint": checkpoint, "fingerprint": fingerprint, "progress": progress}
    fit(method, pair.for_training(), settings, seed=settings.seed, device=device, **kept)
    net = method.inference_net.cpu()
    x_t = pair.target.train.images
    of_target = Trained.of(recalibrated(net, x_t), pair.source.class_names, store, x_t)
    return of_target, recalibrated(net, pair.source.train.images)


def _write(
    out: Path, adapted: Adapted, trained: Trained, codes: tuple[Tensor, Tensor], sources: list[Path], y_s: Tensor
) -> None:
    """All outputs but the checkpoint; the network last, since it is what says that the folder is complete."""
    names, (u_t, u_s) = adapted.class_names, codes
    (out / "network.pt").unlink(missing_ok=True)
    values, places = adapted.probabilities.topk(2, dim=1)
    rows = [
        (file.resolve(), names[first], f"{confidence:.4f}", names[second])
        for file, (confidence, _), (first, second) in zip(adapted.files, values.tolist(), places.tolist(), strict=True)
    ]
    _write_csv(out / "predictions.csv", ("file", "class", "confidence", "second class"), rows)
    _write_csv(out / "left_out.csv", ("path", "why"), [(entry.path, entry.why) for entry in adapted.left])
    said = {"kept": adapted.seed, "by": CHOOSES if adapted.kept else None, "seeds": adapted.measures}
    write_text(out / "measures.json", json.dumps(said, indent=1) + "\n")
    arrays = {"unlabelled": pack(u_t >= 0), "labelled": pack(u_s >= 0), "labels": y_s.numpy()}
    arrays |= {"class_names": np.array(names), "code_length": np.array(u_t.shape[1])}
    for side, files in (("unlabelled", adapted.files), ("labelled", sources)):
        arrays[f"{side}_files"] = np.array([str(file.resolve()) for file in files])
    with atomic_path(out / "codes.npz") as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)
    write_index(out, u_t, [file.resolve() for file in adapted.files])
    write_page(out / "page.html", adapted)
    trained.save(out)


def _write_csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    # A name that is no UTF-8 on the disk stays readable, if not exact.
    write_text(path, text.getvalue().encode("utf-8", "replace").decode("utf-8"))
