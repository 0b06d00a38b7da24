"""Pairs of domains as text, for a command line."""

from igan_lib.data.data_root import NAMED_DOMAINS
from igan_lib.data.office31 import OFFICE_DOMAINS
from igan_lib.errors import ConfigError
from igan_lib.reproduction.studies import Pair, column


def parse_pairs(text: str) -> tuple[Pair, ...]:
    """Pairs from text such as "mnist5k:digits,npz:mine.npz:digits": source:target, separated by commas.

    A path after npz: or folder: can hold neither a colon nor a comma here. ConfigError: a part of it is not two
    known domains, or two pairs would have the same column in a table.
    """
    pairs = []
    for part in text.split(","):
        words, domains = part.split(":"), []
        while words:
            domain = words.pop(0)
            if domain in ("npz", "folder"):
                domain += f":{words.pop(0) if words else ''}"
            domains.append(domain)
        if len(domains) != 2 or any(not domain or domain.endswith(":") for domain in domains):
            raise ConfigError(
                f"Expected pairs as in mnist5k:digits,usps:digits, found {part!r}: write source:target for each."
            )
        known = (*NAMED_DOMAINS, *OFFICE_DOMAINS)
        if unknown := [domain for domain in domains if ":" not in domain and domain not in known]:
            raise ConfigError(
                f"Expected domains among {', '.join(known)}, folder:PATH or npz:PATH, found {unknown[0]!r}: correct it."
            )
        pairs.append((domains[0], domains[1]))
    names = [column(pair) for pair in pairs]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"Expected pairs with a column each, found {', '.join(names)}: leave out or rename what is there twice."
        )
    return tuple(pairs)


def pairs_text(pairs: tuple[Pair, ...]) -> str:
    """What `parse_pairs` makes `pairs` of."""
    return ",".join(":".join(pair) for pair in pairs)
