"""The commands adapt, search and add. Loads nothing heavy before one of them runs: help comes at once."""

import argparse
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from igan_lib.errors import ConfigError

Command = Callable[..., argparse.ArgumentParser]  # of a function and a line of help: its parser


def add_commands(command: Command, assignment: Callable[[str], tuple[str, Any]]) -> None:
    """Add the three commands; `assignment` reads KEY=VALUE."""
    adapt = command(_adapt, "learn from labelled pictures for your own unlabelled ones", allow_abbrev=False)
    adapt.add_argument("labelled", type=Path, help="a folder that holds a folder of pictures for each class")
    adapt.add_argument("unlabelled", type=Path, help="a folder of pictures of these classes, at any depth")
    adapt.add_argument("--out", type=Path, required=True, help="the folder of what comes out")
    adapt.add_argument("--method", default="igan+", help="igan+ (default), igan, source-only, noda or dah")
    adapt.add_argument("--backbone", help="default: efficientnet_lite2 or, without its package, efficientnet_lite0")
    adapt.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")
    adapt.add_argument("--seeds", type=int, default=1, metavar="N", help="train N seeds and keep the best (default 1)")
    adapt.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", type=assignment, help="replace settings")
    adapt.add_argument("--download", action="store_true", help="let torchvision download a backbone's weights")
    search = command(_search, "the nearest pictures in a folder that adapt made")
    search.add_argument("folder", type=Path, metavar="DIR")
    search.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE")
    search.add_argument("-k", type=int, help="how many of the nearest (default 10)")
    search.add_argument("--json", action="store_true", help="as JSON")
    search.add_argument("--page", type=Path, metavar="FILE", help="write a page of thumbnails")
    add = command(_add, "encode new pictures into the index that adapt made")
    add.add_argument("folder", type=Path, metavar="DIR")
    add.add_argument("pictures", type=Path, metavar="FOLDER")
    for used in (adapt, search):
        used.add_argument("--force", action="store_true", help="overwrite what is there")
    for used in (adapt, add):
        used.add_argument("--quiet", action="store_true", help="no progress bar")
    for used in (adapt, search, add):
        used.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")


def given_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What --set was given, by key. ConfigError: a key twice."""
    keys = [key for key, _ in pairs]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ConfigError(f"Expected each key once after --set, found {', '.join(twice)} twice: leave one out.")
    return dict(pairs)


def _adapt(arguments: argparse.Namespace) -> None:
    from igan_lib.photos.adapt import SURE, adapt
    from igan_lib.photos.label_free import NAMES
    from igan_lib.photos.settings import default_backbone

    taken = {name: getattr(arguments, name) for name in ("method", "seed", "seeds", "device", "download", "force")}
    taken |= {"backbone": arguments.backbone or default_backbone()}
    replaced = given_once(arguments.set)
    if taken_otherwise := sorted(replaced.keys() & {*inspect.signature(adapt).parameters, "n_classes"}):
        found = ", ".join(taken_otherwise)
        raise ConfigError(f"Expected settings after --set, found {found}: use an option (adapt --help), or none.")
    taken |= replaced
    out = arguments.out
    adapted = adapt(arguments.labelled, arguments.unlabelled, out, progress=not arguments.quiet, **taken)
    for note in adapted.notes:
        print(note)
    sure = (adapted.probabilities.max(1).values > SURE).sum().item()
    print(f"{len(adapted.files)} pictures, {len(adapted.class_names)} classes; more than 50 % sure of {sure}")
    measured = adapted.measures[adapted.seed].items()
    print(f"Without labels: {', '.join(f'{NAMES[name]} {value:.3f}' for name, value in measured)}")
    if adapted.kept:
        print(adapted.kept)
    if adapted.absent:
        print(f"These classes seem absent: {', '.join(adapted.absent)}")
    print(f"look at:     {out / 'page.html'}\npredictions: {out / 'predictions.csv'}")


def _search(arguments: argparse.Namespace) -> None:
    from igan_lib.photos.page import write_search_page
    from igan_lib.photos.trained import search

    page = arguments.page
    if page is not None and page.exists() and not arguments.force:
        raise ConfigError(f"Expected a new file for --page, found one at {page}: name another, or add --force.")
    if page is not None and (page.is_dir() or not page.parent.is_dir()):
        raise ConfigError(f"Expected a file in an existing folder for --page, found {page}: name such a file.")
    found = search(arguments.folder, arguments.pictures, arguments.k, device=arguments.device)
    results = list(zip(arguments.pictures, found, strict=True))
    if arguments.json:
        listed = [
            {"picture": str(picture), "nearest": [{"file": file, "distance": far} for file, far in nearest]}
            for picture, nearest in results
        ]
        print(json.dumps(listed, indent=1))
    else:
        for picture, nearest in results:
            print(picture)
            for file, distance in nearest:
                print(f"{distance:5} bits  {file}")
    if page is not None:
        write_search_page(page, results)


def _add(arguments: argparse.Namespace) -> None:
    from igan_lib.photos.trained import add
    from igan_lib.pictures.folders import left_out

    added = add(arguments.folder, arguments.pictures, device=arguments.device, progress=not arguments.quiet)
    if added.left:
        print(left_out(added.left, arguments.pictures))
    print(f"{added.new} pictures added, {added.known} were there already")
    if added.unlike > 0.5:
        print(
            f"{added.unlike:.0%} of them look unlike what the network was trained for, where 5 % would be usual: "
            "their codes may mean little. Run adapt with them to adapt to them."
        )
