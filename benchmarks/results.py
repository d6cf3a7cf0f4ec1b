"""Rows of a benchmark in a JSON-lines file that several processes can fill at once, and that can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

Row = dict[str, Any]


class Results:
    """A file of rows. A job is claimed before it is run, so that no two processes run the same."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def rows(self) -> list[Row]:
        """All rows there are by now."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def add(self, row: Row) -> None:
        """Append a row, and show it without its longest parts."""
        with FileLock(f"{self.path}.lock"), open(self.path, "a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps({name: value for name, value in row.items() if name != "history"}), flush=True)

    @contextmanager
    def claim(self, **job: Any) -> Iterator[bool]:
        """Whether this process is to run the job: no row has all its values, and nobody else is at it.

        The claim is a lock on a file, which the system takes back from a process that dies.
        """
        label = "-".join(str(value) for value in job.values()).replace("/", "_").replace(" ", "_")
        lock = FileLock(self.path.parent / "claims" / f"{label}.lock")
        Path(lock.lock_file).parent.mkdir(exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield not any(all(row.get(name) == value for name, value in job.items()) for row in self.rows())
        finally:
            lock.release()


def write_section(page: Path, name: str, text: str) -> None:
    """Put a benchmark's result where a page has room for it: between `<!-- NAME -->` and `<!-- end of NAME -->`."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = page.read_text().partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{page} has no {begin} ... {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")
