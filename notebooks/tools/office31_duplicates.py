"""Images that Office-31 holds more than once, byte for byte."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from igan_lib.data.office31 import OFFICE_DOMAINS, content_hash, list_office31


def duplicates(root: Path) -> list[tuple[str, ...]]:
    """Groups of byte-identical images within and across the three domains, which stay in the data set as published.

    A tuple a group, its members as `<domain>/<class>/<file>`; members and groups in the order of domains, classes and
    files. The whole data set has 49 groups, all of them within amazon. DataError: as `list_office31`, `content_hash`.
    """
    by_content: dict[str, list[str]] = defaultdict(list)
    for name in OFFICE_DOMAINS:
        listing = list_office31(name, root)
        for file, path in zip(listing.files, listing.paths, strict=True):
            by_content[content_hash(path)].append(f"{name}/{file}")
    return [tuple(group) for group in by_content.values() if len(group) > 1]


def duplicates_by_domain(groups: Sequence[Sequence[str]]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Count `duplicates`: the domains that a group touches -> (groups, images that would go if one a group stayed).

    A key of one domain counts repetitions within it; a key of two or three counts images shared across domains, which
    would let a method see a target image with a source label.
    """
    keys = [tuple(d for d in OFFICE_DOMAINS if any(file.startswith(f"{d}/") for file in group)) for group in groups]
    spare: Counter[tuple[str, ...]] = Counter()
    for key, group in zip(keys, groups, strict=True):
        spare[key] += len(group) - 1
    return {key: (count, spare[key]) for key, count in Counter(keys).items()}
