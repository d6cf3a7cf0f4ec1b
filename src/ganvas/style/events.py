"""All that painting tells the outside world; the step, counted over all scales, is its clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Painting begins, or goes on at `step`."""

    step: int
    sizes: tuple[tuple[int, int], ...]  # height and width of each scale
    steps: tuple[int, ...]  # at most, of each scale
    layers: tuple[str, ...]
    memory_bytes: int  # forecast of what the process takes at its peak
    tiles: int  # into which the last scale is cut; 0 for none
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """One step was made."""

    step: int
    size: tuple[int, int]
    losses: dict[str, float]  # each times its weight: content, style, smoothness, range
    share: float  # of the work, 0 to 1
    seconds: float  # since this process began to paint
    seconds_left: float

    @property
    def loss(self) -> float:
        """What is minimised."""
        return sum(self.losses.values())


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The painting as it is now, float32 [H, W, 3]; a little outside of [0, 1] here and there."""

    step: int
    picture: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """A step went wrong and was undone: what happened and what was changed."""

    step: int
    message: str


@dataclass(frozen=True, kw_only=True)
class Painted:
    """The end: the painting, float32 [H, W, 3], and why it ended.

    Here and there L-BFGS leaves [0, 1] a little; what makes a file of it clips.
    `complete` is False where it was asked to stop; what is there then may be smaller than asked.
    """

    step: int
    picture: np.ndarray
    complete: bool
    reason: str
    losses: dict[str, float]
    seconds: float


StyleEvent = Planned | Stepped | Preview | Recovered | Painted


def to_json(event: StyleEvent) -> dict[str, Any]:
    """The event as plain JSON values; pictures are left out."""
    values = {name: value for name, value in asdict(event).items() if not isinstance(value, np.ndarray)}
    return {"event": type(event).__name__} | values
