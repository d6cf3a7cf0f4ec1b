"""All that a run tells the outside world: the command line prints these, the run folder keeps them, pages draw them.

Every event carries `images_seen`, the position of the run, which is its only clock.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Started:
    """Training begins, or goes on from `images_seen`."""

    images_seen: int
    total_images: int
    parameters: dict[str, int]  # weights of each network, by role
    device: str
    threads: int
    processes: int
    note: str = ""  # what differs from the machine that the run began on, in words


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Statistics, each averaged over the steps since the last report."""

    images_seen: int
    stats: dict[str, float]  # such as "discriminator/loss"; "skipped" counts steps left out as non-finite
    images_per_second: float
    seconds: float  # since this process began to train


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What the averaged generator makes of the run's fixed latents now.

    `samples` is uint8 [N, H, W, C] for pictures, float32 [N, 2] in data units for 2-D sets. `surface`, for 2-D sets
    with a discriminator, is float32 [S, S]: its logits over the square `extent` (left, right, bottom, top), rows
    from bottom to top.
    """

    images_seen: int
    samples: np.ndarray
    surface: np.ndarray | None = None
    extent: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """A measurement of the samples; of two checkpoints the one with the lower `loss` is kept as the best."""

    images_seen: int
    scores: dict[str, float]
    loss: float


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something looks wrong: what was seen, what it means, what to try."""

    images_seen: int
    monitor: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """Something was changed to put training right: what and why."""

    images_seen: int
    action: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A checkpoint is complete on disk."""

    images_seen: int
    path: str
    kilobytes: int


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The end of this process's training: the run is complete, or was asked to stop and can be resumed."""

    images_seen: int
    complete: bool
    seconds: float


Event = Started | Progress | Samples | Score | Alert | Remedy | Saved | Finished
KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Started, Progress, Samples, Score, Alert, Remedy, Saved, Finished)
}


def to_json(event: Event) -> dict[str, Any]:
    """The event as plain JSON values; arrays are left out, since runs keep them as pictures beside the log."""
    values = {name: value for name, value in asdict(event).items() if not isinstance(value, np.ndarray)}
    return {"event": type(event).__name__} | values


def from_json(line: dict[str, Any]) -> Event:
    """The event that `to_json` wrote; the arrays of Samples come back empty."""
    kind = KINDS[line["event"]]
    values = {f.name: line[f.name] for f in fields(kind) if f.name in line}
    if kind is Samples:
        values["samples"] = np.empty((0,))
    return kind(**values)
