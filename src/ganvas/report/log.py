"""The events of a run as its page tells them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganvas.events import Event, Finished, Progress, Started, from_json
from ganvas.report.words import number


@dataclass
class Log:
    """The events of a run as the page tells them: what a resumed process did again counts once."""

    events: list[Event] = field(default_factory=list)
    seconds: float = 0.0  # trained, over all processes
    began: float | None = None  # unix time of the first event

    def all(self, *kinds: type[Any]) -> list[Any]:
        """The events of some kinds, in order."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def images_seen(self) -> int:
        """How far the run came."""
        return max((event.images_seen for event in self.events), default=0)

    @property
    def total(self) -> int:
        """Images of the whole run; 0 before it began."""
        return next((event.total_images for event in reversed(self.all(Started))), 0)

    @property
    def state(self) -> tuple[str, str]:
        """(word, sentence) for where the run stands."""
        ends = self.all(Finished)
        if not self.events:
            return "not begun", "training has not begun yet"
        if ends and ends[-1].complete:
            return "complete", "the run is complete"
        share = f" at {self.images_seen / self.total:.0%} of {number(self.total)} images" if self.total else ""
        if ends:
            return "stopped", f"it was stopped{share} and can be resumed"
        return "unfinished", f"it is still training, or was interrupted{share}"


def read_log(path: Path) -> Log:
    """The events of a run; lines that are torn or unknown are left out, and so is what was trained twice."""
    log, current = Log(), 0.0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            values = json.loads(line)
            event = from_json(values)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if not isinstance(event.images_seen, int):
            continue
        if log.began is None and isinstance(values.get("time"), int | float) and 0 < values["time"] < 1e11:
            log.began = values["time"]
        if isinstance(event, Started):
            log.events = [e for e in log.events if e.images_seen <= event.images_seen and not isinstance(e, Finished)]
            log.seconds, current = log.seconds + current, 0.0
        if isinstance(event, Progress | Finished):
            current = event.seconds
        log.events.append(event)
    log.seconds += current
    return log
