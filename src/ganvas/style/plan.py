"""Into how many tiles each scale of a painting is cut, so that it keeps to the memory there is.

Shapes: H height, W width of the painting in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import torch

from ganvas.errors import UserError
from ganvas.style import allocator, memory
from ganvas.style.config import StyleConfig
from ganvas.style.losses import SAMPLE_LOSSES
from ganvas.style.network import check_layers
from ganvas.style.tiles import BAND, Window, halo, split

LEAST_HISTORY = 5  # steps that L-BFGS should remember
MOST_WORK = 3.0  # times the pixels of the painting: rather than more halo than that, L-BFGS remembers less


@dataclass(frozen=True)
class Plan:
    """How one scale is painted.

    Attributes:
        tiles: windows that are worked on one after the other; none for all of it at once.
        history: steps that L-BFGS remembers.
        memory_bytes: forecast of what the process takes at its peak.
        work: pixels that the network sees in a step, counted as often as it sees them.
    """

    tiles: tuple[Window, ...]
    history: int
    memory_bytes: int
    work: int


def planned(config: StyleConfig, precision: torch.dtype, sizes: Sequence[tuple[int, int]], most: int) -> list[Plan]:
    """How each scale is painted, within a number of bytes; what is free is given back first.

    Args:
        config: layers, loss and optimiser.
        precision: inside the network.
        sizes: H and W of each scale.
        most: bytes that the process may take.

    Raises:
        UserError: when a scale cannot be painted within them.
    """
    check_layers([*config.weights.style_shares, *config.weights.content_layers])
    allocator.keep_no_spare()
    resident = psutil.Process().memory_info().rss
    takes = memory.needs(config, precision, resident)
    return [_planned(config, takes, height, width, most) for height, width in sizes]


def _planned(config: StyleConfig, takes: memory.Needs, height: int, width: int, most: int) -> Plan:
    pixels, history = height * width, config.optimiser.history
    whole = Plan((), history, takes.at_peak(pixels, history, pixels), pixels)
    if whole.memory_bytes <= most:
        return whole
    if config.loss in SAMPLE_LOSSES:
        raise _too_much(height, width, whole.memory_bytes, most, ", or --loss gram, which works in tiles")
    least = min(history, LEAST_HISTORY)
    histories = sorted({max(least, history // 2**n) for n in range(history.bit_length())}, reverse=True)
    layers = [*config.weights.style_shares, *config.weights.content_layers]
    # In the order of how like the painting at once theirs will be: strips round as it does, tiles do not, and fewer
    # steps remembered are other steps.
    ways = [(history, True), *((steps, False) for steps in histories)]
    found = [plan for steps, strips in ways if (plan := _tiled(takes, layers, height, width, steps, strips, most))]
    if not found:
        smallest, _ = _areas(height, width, _most_parts(height), _most_parts(width), halo(layers))
        advice = ", or --set optimiser.method=adam, which remembers less" if config.optimiser.method == "lbfgs" else ""
        raise _too_much(height, width, takes.at_peak(pixels, least, smallest), most, advice)
    return next((plan for plan in found if plan.work <= MOST_WORK * pixels), min(found, key=lambda plan: plan.work))


def _tiled(
    takes: memory.Needs, layers: Sequence[str], height: int, width: int, history: int, strips: bool, most: int
) -> Plan | None:
    """The way that is least work, of those within so many bytes."""
    best: Plan | None = None
    for rows in range(1, _most_parts(height) + 1):
        for columns in range(1, 2 if strips else _most_parts(width) + 1):
            largest, work = _areas(height, width, rows, columns, halo(layers))
            taken = takes.at_peak(height * width, history, largest)
            if taken <= most and (best is None or work < best.work):
                best = Plan(tuple(split(height, width, rows, columns, BAND)), history, taken, work)
            if taken <= most:
                break  # more columns are more work
    return best


def _most_parts(side: int) -> int:
    return math.ceil(side / BAND)


def _too_much(height: int, width: int, least: int, most: int, or_else: str) -> UserError:
    return UserError(
        f"painting {width} x {height} pixels takes about {memory.words(least)}, more than the {memory.words(most)} "
        f"there are; try a smaller --size{or_else}."
    )


def _areas(height: int, width: int, rows: int, columns: int, reaching: int) -> tuple[int, int]:
    """Pixels of the largest tile with its halo, and of all tiles."""

    def lengths(side: int, parts: int) -> tuple[int, int]:
        inner = math.ceil(side / (parts * BAND)) * BAND
        count = math.ceil(side / inner)
        longest = min(side, inner + reaching * min(2, count - 1))
        return longest, min(side, inner + 2 * reaching) * count

    (tall, down), (wide, across) = lengths(height, rows), lengths(width, columns)
    return tall * wide, down * across
