"""What a learner has done: tries and minutes, in memory and, if asked for, in a file of the working folder."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from igan_lib.files import write_text

FILE = Path("igan_progress.json")  # git ignores it


@dataclass
class Entry:
    """Of one exercise: how often it was checked after it was begun, whether it is right, and after how many minutes."""

    tries: int = 0
    done: bool = False
    minutes: float | None = None


class Record:
    """Entries by name, shared by the notebooks of one folder through a file there.

    `FILE`, where it exists, is read before each try and written after it. An exercise's minutes run from the start, or
    from when the exercise before was done, until it is right.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._since = time.monotonic()

    def take(self, name: str, right: bool) -> None:
        """Count a try of `name`; what is done stays done."""
        self.read()
        entry = self.entries.setdefault(name, Entry())
        entry.tries += 1
        if right and not entry.done:
            now = time.monotonic()
            entry.done, entry.minutes = True, round((now - self._since) / 60, 1)
            self._since = now
        if FILE.exists():
            self.write()

    def read(self) -> None:
        """Take over what the file says; a damaged one counts as none."""
        try:
            stored = json.loads(FILE.read_text(encoding="utf-8"))
            self.entries |= {str(name): Entry(**values) for name, values in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return

    def write(self) -> None:
        """Write the file."""
        write_text(FILE, json.dumps({name: asdict(entry) for name, entry in self.entries.items()}, indent=1) + "\n")


RECORD = Record()
