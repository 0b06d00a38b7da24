"""Pages of thumbnails, each one file that is whole in itself: what came out of `adapt`, and what a search found."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from igan_lib.errors import DataError
from igan_lib.files import write_text
from igan_lib.photos.label_free import NAMES
from igan_lib.pictures.decoding import open_rgb

if TYPE_CHECKING:  # it writes this page
    from igan_lib.photos.adapt import Adapted

EDGE = 112  # pixels of a thumbnail
_A_CLASS = 6  # surest and, again, least sure pictures of a class
_IN_ALL = 1200  # thumbnails of a page, some 4 kB each
_NAMED = 200  # entries that were left out and are named on the page; left_out.csv has them all


class Thumbnail(NamedTuple):
    """A picture as a data address, "" where it is gone, and the words below it."""

    uri: str
    file: str
    words: str


def write_page(path: Path, outcome: "Adapted") -> None:
    """The surest and the least sure pictures of each class, the classes that seem absent, and what was left out."""
    confidence, label = outcome.probabilities.max(1)
    each, classes = max(1, min(_A_CLASS, _IN_ALL // (2 * len(outcome.class_names)))), []
    for number, name in enumerate(outcome.class_names):
        members = (label == number).nonzero().flatten()
        order = members[confidence[members].argsort(descending=True, stable=True)].tolist()
        surest = order[:each]
        least = order[each:][::-1][:each]
        shown = [[thumbnail(outcome.files[i], f"{confidence[i]:.0%}") for i in part] for part in (surest, least)]
        classes.append((name, len(order), *shown))
    _render(path, "page.html.jinja", classes=classes, outcome=outcome, named=_NAMED, names=NAMES)


def write_search_page(path: Path, found: Sequence[tuple[Path, Sequence[tuple[str, int]]]]) -> None:
    """Each query with its nearest pictures and their distances in bits."""
    rows = [
        (thumbnail(query, "query"), [thumbnail(Path(file), f"{distance} bits") for file, distance in nearest])
        for query, nearest in found
    ]
    _render(path, "search.html.jinja", rows=rows)


def thumbnail(file: Path, words: str) -> Thumbnail:
    """A picture drawn small, as JPEG."""
    try:
        picture = open_rgb(str(file))
    except DataError:  # moved since
        return Thumbnail("", str(file), words)
    picture.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=80)
    return Thumbnail("data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode(), str(file), words)


def _render(path: Path, template: str, **values: Any) -> None:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template(template).render(**values)
    write_text(path, page.encode("utf-8", "replace").decode("utf-8"))
