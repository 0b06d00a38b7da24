"""Two folders as a reader would have them, and what came out of `adapt` on them: notebook 10."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from igan_lib.data.data_root import resolve_root
from igan_lib.data.domains import load_domain
from igan_lib.data.office31 import OFFICE_DOMAINS, list_office31
from igan_lib.data.splits import stratified
from igan_lib.errors import DataError
from igan_lib.photos.adapt import Adapted
from igan_lib.photos.label_free import NAMES
from igan_lib.pictures.decoding import open_rgb
from igan_lib.plots.style import INK, WIDTH, bare, new_figure
from tools.retrieval_pictures import RIGHT, WRONG
from tools.samples import evenly_spaced

EMBEDDED = ("mnist5k", "digits12")  # what is there without Office-31
DIGIT_SIDE = 96  # pixels of a digit as a picture: a backbone's input is larger still
Truth = Mapping[Path, str]  # unlabelled picture -> its class, which `adapt` never sees


def lay_out(source: str, target: str, folder: Path | str, limit: int = 0) -> tuple[Path, Path, Truth]:
    """Write `folder`/labelled, a folder a class, and `folder`/unlabelled, one heap whose names say nothing.

    Where Office-31 is missing, the digits of `EMBEDDED` are taken, and a sentence says so. What lay there is replaced.

    Args:
        limit: pictures of each domain at most, evenly of all classes; 0: all.

    Returns:
        Both folders, and the hidden classes.
    """
    try:
        domains = [_pictures(name, limit) for name in (source, target)]
    except DataError as error:
        if (source, target) == EMBEDDED:
            raise
        print(f"{error}\n{EMBEDDED[0]} -> {EMBEDDED[1]} is taken in its place: digits, written as pictures.")
        return lay_out(*EMBEDDED, folder, limit or 500)
    labelled, unlabelled = (Path(folder).resolve() / name for name in ("labelled", "unlabelled"))  # as in `search`
    for old in (labelled, unlabelled):
        shutil.rmtree(old, ignore_errors=True)
    for number, (picture, name) in enumerate(domains[0]):
        _write(picture, labelled / name / f"{number:05}")
    # In an order of its own, so that neither names nor places tell a class.
    order = np.random.default_rng(0).permutation(len(domains[1]))
    truth = {
        _write(domains[1][place][0], unlabelled / f"{n:05}"): domains[1][place][1] for n, place in enumerate(order)
    }
    return labelled, unlabelled, truth


def _pictures(domain: str, limit: int) -> list[tuple[Path | np.ndarray, str]]:
    """Each picture of a domain, as a file or as grey levels, with the name of its class."""
    if domain in OFFICE_DOMAINS:
        listing = list_office31(domain, resolve_root(None))
        pictures, labels, names = listing.paths, listing.labels, listing.class_names
    else:
        loaded = load_domain(domain)
        pictures, labels, names = loaded.train.images[:, 0].numpy(), loaded.train.labels.numpy(), loaded.class_names
    kept = stratified(labels, limit or None, names)
    return [(pictures[i], names[labels[i]]) for i in kept]


def _write(picture: Path | np.ndarray, place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(picture, Path):
        path = place.with_suffix(picture.suffix)
        shutil.copyfile(picture, path)
    else:
        path = place.with_suffix(".png")
        Image.fromarray(picture).resize((DIGIT_SIDE, DIGIT_SIDE), Image.Resampling.BICUBIC).save(path)
    return path


def draw_folders(labelled: Path, unlabelled: Path, columns: int = 8) -> Figure:
    """A picture of each of the first classes, and as many of the heap."""
    classes = sorted(path for path in labelled.iterdir() if path.is_dir())[:columns]
    first = [(next(iter(sorted(folder.iterdir()))), folder.name, INK) for folder in classes]
    heap = [(path, path.name, INK) for path in sorted(unlabelled.iterdir())[: len(first)]]
    return _sheet({"labelled": first, "unlabelled": heap})


def draw_surest(adapted: Adapted, truth: Truth, classes: int = 5, each: int = 4) -> Figure:
    """Of the largest predicted classes the surest and the least sure pictures; green and orange: right and wrong."""
    confidence, label = adapted.probabilities.max(1)
    largest = [number for number, _ in Counter(label.tolist()).most_common(classes)]
    lines = {}
    for number in largest:
        members = (label == number).nonzero().flatten()
        order = members[confidence[members].argsort(descending=True, stable=True)].tolist()
        shown = order[:each] + order[each:][-each:]
        lines[adapted.class_names[number]] = [
            (adapted.files[i], f"{confidence[i]:.0%}", _colour(adapted.class_names[number], adapted.files[i], truth))
            for i in shown
        ]
    return _sheet(lines)


def measures(adapted: Adapted) -> pd.DataFrame:
    """What was measured without labels, of the seed that was kept."""
    found = {NAMES[name]: value for name, value in adapted.measures[adapted.seed].items()}
    return pd.Series(found).round(3).to_frame("value")


def draw_found(found: Mapping[Path, Sequence[tuple[str, int]]], truth: Truth) -> Figure:
    """Each query and the nearest pictures with their distances; green and orange: of the query's class or not."""
    lines = {}
    for number, (query, nearest) in enumerate(found.items(), 1):
        own = truth.get(query, query.parent.name)
        line = [(query, "query", INK)]
        line += [(Path(file), f"{far} bits", _colour(own, Path(file), truth)) for file, far in nearest]
        lines[f"{number}: {own}"] = line
    return _sheet(lines)


def _colour(name: str, file: Path, truth: Truth) -> str:
    return RIGHT if truth[file] == name else WRONG


def _sheet(lines: Mapping[str, Sequence[tuple[Path, str, str]]]) -> Figure:
    """Rows of pictures with words below them, in a colour each; the row's name at its left."""
    columns = max(len(line) for line in lines.values())
    side = WIDTH / (columns + 1.2)
    fig, axes = new_figure(len(lines), columns, size=(WIDTH, len(lines) * (side + 0.28)))
    for row, (name, line) in zip(axes, lines.items(), strict=True):
        for ax in row:
            bare(ax)
        row[0].set_ylabel(name.replace("_", " "), rotation=0, ha="right", va="center", fontsize=9)
        for ax, (file, words, colour) in zip(row, line, strict=False):
            picture = open_rgb(str(file))
            picture.thumbnail((160, 160))
            ax.imshow(picture)
            ax.set_xlabel(words, fontsize=8, color=colour)
            ax.spines[:].set(visible=colour != INK, color=colour, linewidth=2)
    return fig


def against_truth(adapted: Adapted, truth: Truth, parts: int = 4) -> pd.DataFrame:
    """Accuracy by confidence: the pictures in order of their confidence, cut into as many parts; and all of them."""
    confidence, label = adapted.probabilities.max(1)
    right = np.array(
        [adapted.class_names[k] == truth[file] for k, file in zip(label.tolist(), adapted.files, strict=True)]
    )
    order = confidence.argsort(descending=True, stable=True).numpy()
    rows = {f"part {number}": part for number, part in enumerate(np.array_split(order, parts), 1)} | {"all": order}
    columns = {
        "pictures": map(len, rows.values()),
        "mean confidence, %": (100 * confidence[part].mean().item() for part in rows.values()),
        "accuracy, %": (100 * right[part].mean() for part in rows.values()),
    }
    return pd.DataFrame({name: list(values) for name, values in columns.items()}, index=list(rows)).round(1)


def confusions(adapted: Adapted, truth: Truth, count: int = 6) -> pd.DataFrame:
    """The most frequent mistakes: true class, class that was given, pictures."""
    given = (adapted.class_names[number] for number in adapted.probabilities.argmax(1).tolist())
    pairs = Counter((truth[file], name) for file, name in zip(adapted.files, given, strict=True) if truth[file] != name)
    rows = [(*pair, number) for pair, number in pairs.most_common(count)]
    return pd.DataFrame(rows, columns=["is", "was called", "pictures"])


def some_of(labelled: Path, folder: Path, count: int) -> Path:
    """Copies of evenly spaced labelled pictures in `folder`, as if they had just been taken; what lay there goes."""
    shutil.rmtree(folder, ignore_errors=True)
    files = sorted(path for path in labelled.rglob("*") if path.is_file())
    for number, place in enumerate(evenly_spaced(len(files), count).tolist()):
        _write(files[place], folder / f"new{number:03}")
    return folder
