"""What a terminal shows of a run or a painting: a progress bar with time left, losses, and what to beware of."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn

from ganvas import events
from ganvas.events import Event
from ganvas.style import events as painting
from ganvas.style.events import StyleEvent

PLAIN_LINES = 20  # reports of a run whose output is no terminal


class Terminal:
    """A bar where there is a terminal, and lines above it."""

    def __init__(self, console: Console | None, *columns: ProgressColumn):
        self.console = console or Console(stderr=True, highlight=False)
        self.printed = 0  # lines told so far of one that is no terminal
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%"),
            *columns, TextColumn("{task.fields[words]}"), console=self.console,
        )  # fmt: skip

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.bar.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, soft_wrap=True)
        sys.stderr.flush()


class Display(Terminal):
    """Shows events as they come; a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, path: Path, console: Console | None = None):
        self.path = path
        super().__init__(console, TimeRemainingColumn())
        self.total = 1
        self.began = 0.0
        self.task: TaskID | None = None

    def reading(self, done: int, total: int) -> None:
        """Progress of the preflight."""
        self._count("reading pictures", done, total)

    def looking(self, done: int, total: int) -> None:
        """Progress of the feature network; nothing is shown of what takes less than two seconds."""
        self.began = self.began or time.monotonic()
        if time.monotonic() - self.began > 2:
            self._count("looking at pictures", done, total)

    def _count(self, what: str, done: int, total: int) -> None:
        if not self.console.is_terminal:
            return
        if self.task is None:
            self.task = self.bar.add_task(what, total=total, words="")
        self.bar.update(self.task, completed=done, total=total)

    def show(self, stream: Iterable[Event]) -> events.Finished | None:
        """Show every event; the last one is returned."""
        finished = None
        for event in stream:
            match event:
                case events.Started():
                    self._start(event)
                case events.Progress():
                    self._progress(event)
                case events.Alert():
                    self.say(f"[yellow]warning[/]: {event.message}")
                case events.Remedy():
                    self.say(f"[green]{event.action}[/]: {event.message}")
                case events.Finished():
                    finished = event
        return finished

    def _start(self, event: events.Started) -> None:
        self.total = event.total_images
        weights = ", ".join(f"{role} {count:,}" for role, count in event.parameters.items())
        going = f"going on at {event.images_seen:,} of" if event.images_seen else "training on"
        threads = f", {event.threads} thread{'s' if event.threads > 1 else ''}" if event.device == "cpu" else ""
        several = f", {event.processes} processes" if event.processes > 1 else ""
        self.say(f"{going} {event.total_images:,} images · {event.device}{threads}{several} · weights: {weights}")
        if event.note:
            self.say(f"[yellow]note[/]: {event.note}.")
        self.say(f"samples as they come: {self.path / 'samples'}")
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task("training", total=event.total_images, completed=event.images_seen, words="")

    def _progress(self, event: events.Progress) -> None:
        words = f"{speed(event.images_per_second)}  {losses(event.stats)}  {health(event.stats)}"
        if self.console.is_terminal and self.task is not None:
            self.bar.update(self.task, completed=event.images_seen, words=words)
        elif event.images_seen * PLAIN_LINES // self.total > self.printed:
            self.printed = event.images_seen * PLAIN_LINES // self.total
            self.say(f"{event.images_seen:>10,} images  {event.images_seen / self.total:4.0%}  {words}")


class PaintingDisplay(Terminal):
    """Shows how a painting comes on; a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, name: str, console: Console | None = None):
        self.name = name
        super().__init__(console)
        self.task = self.bar.add_task(name, total=1.0, words="")

    def show(self, stream: Iterable[StyleEvent]) -> painting.Painted:
        """Show every event; the last one is returned."""
        for event in stream:
            match event:
                case painting.Planned():
                    way = " -> ".join(f"{width} x {height}" for height, width in event.sizes)
                    parts = f" in {event.tiles} tiles" if event.tiles else ""
                    self.say(
                        f"{self.name}: {way} pixels, at most {sum(event.steps)} steps, "
                        f"about {event.memory_bytes / 1e9:.2f} GB of memory{parts}"
                    )
                    if event.note:
                        self.say(f"note: {event.note}.")
                case painting.Stepped():
                    self._stepped(event)
                case painting.Recovered():
                    self.say(f"[yellow]warning[/]: {event.message}")
                case painting.Painted():
                    return event
        raise RuntimeError("the events of a painting ended without the last one")

    def _stepped(self, event: painting.Stepped) -> None:
        height, width = event.size
        words = f"{duration(event.seconds_left)} left  {width} x {height}  loss {event.loss:.4g}"
        if self.console.is_terminal:
            self.bar.update(self.task, completed=event.share, words=words)
        elif event.share * PLAIN_LINES >= self.printed + 1:
            self.printed = int(event.share * PLAIN_LINES)
            self.say(f"{event.step:>6} steps  {event.share:4.0%}  {words}")


def duration(seconds: float) -> str:
    """Minutes and seconds, as 1:05 or 2:03:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def speed(images_per_second: float) -> str:
    """Two digits of a slow run, whole numbers of a quick one.

    >>> speed(1.234), speed(1234.5)
    ('1.2 images/s', '1,234 images/s')
    """
    number = f"{images_per_second:.2g}" if images_per_second < 10 else f"{images_per_second:,.0f}"
    return f"{number} images/s"


def losses(stats: dict[str, float]) -> str:
    """The loss of each phase in few letters: "D 0.61 G 0.82"."""
    named = {name.split("/")[0]: value for name, value in stats.items() if name.endswith("/loss")}
    return " ".join(f"{name[:1].upper()} {value:.2f}" for name, value in named.items())


def health(stats: dict[str, float]) -> str:
    """A word on how training goes, from what does not change when a constant is added to all logits."""
    if stats.get("skipped", 0) > 0:
        return f"{stats['skipped']:.0f} steps skipped: not finite"
    wins = stats.get("discriminator/wins")
    if wins is None:
        return "healthy"
    if wins > 0.98:
        return "discriminator far ahead"
    return "discriminator weak" if wins < 0.5 else "healthy"


def score_rows(scores: dict[str, Any]) -> list[list[str]]:
    """Scores as rows of a table: name, value, 95 % interval, floor. Notes are left out."""
    floor, intervals = scores.get("floor") or {}, scores.get("intervals", {})

    def shown(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)

    return [
        [
            name,
            shown(value),
            " to ".join(map(shown, intervals[name])) if name in intervals else "",
            shown(floor[name]) if name in floor else "",
        ]
        for name, value in scores.items()
        if not isinstance(value, dict | list)
    ]
