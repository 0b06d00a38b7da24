"""The tables in the README, filled from the results: no number there is typed by hand."""

import re
from collections.abc import Iterable
from pathlib import Path

from igan_lib.errors import ConfigError
from igan_lib.experiment import RunResult
from igan_lib.files import write_text
from igan_lib.studies import STUDIES
from igan_lib.study_tables import study_table, to_markdown, wide

# <!-- study: table1 --> ... <!-- end -->, with the table of that study in between
BLOCK = re.compile(r"<!-- study: (\S+) -->\n.*?<!-- end -->", flags=re.DOTALL)


def filled(text: str, results: Iterable[RunResult], profile: str = "cpu") -> str:
    """`text` with the table of each named study between its two comments.

    Raises:
        ConfigError: a comment names a study that does not exist, or has no end before the next one.
    """
    results = list(results)

    def table(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in STUDIES:
            raise ConfigError(f"Expected a table among {', '.join(STUDIES)}, found {name!r} in the text: correct it.")
        cells = wide(study_table(STUDIES[name], results, profile))
        return f"<!-- study: {name} -->\n{to_markdown(cells)}\n<!-- end -->"

    if len(BLOCK.findall(text)) != text.count("<!-- study: "):
        raise ConfigError(
            "Expected <!-- end --> after each <!-- study: NAME --> of the text, found one without: write it in."
        )
    return BLOCK.sub(table, text)


def fill(path: Path, results: Iterable[RunResult], profile: str = "cpu") -> bool:
    """Fill the file in place; whether anything changed."""
    before = path.read_text(encoding="utf-8")
    after = filled(before, results, profile)
    if after != before:
        write_text(path, after)
    return after != before
