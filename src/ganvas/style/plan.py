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
from ganvas.style.network import check_layers, deepest, reach
from ganvas.style.tiles import Window, halo, split

LEAST_HISTORY = 5  # steps that L-BFGS should remember
MOST_WORK = 3.0  # times the pixels of the painting: rather than more halo than that, L-BFGS remembers less
SMALLEST_TILE = 64  # pixels along a side, without the halo of 160 around it


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
    # What L-BFGS remembers decides the painting, tiles do not: so it remembers less only where tiles would be tiny.
    histories = [max(min(history, LEAST_HISTORY), history // 2**halvings) for halvings in range(history.bit_length())]
    layers = [*config.weights.style_shares, *config.weights.content_layers]
    found = [plan for steps in histories if (plan := _tiled(takes, layers, height, width, steps, most)) is not None]
    if not found:
        parts, stride = (_most_parts(height), _most_parts(width)), reach(deepest(layers)).stride
        smallest, _ = _areas(height, width, *parts, stride, halo(layers))
        raise _too_much(height, width, takes.at_peak(pixels, histories[-1], smallest), most)
    return next((plan for plan in found if plan.work <= MOST_WORK * pixels), min(found, key=lambda plan: plan.work))


def _tiled(takes: memory.Needs, layers: Sequence[str], height: int, width: int, history: int, most: int) -> Plan | None:
    """The way that is least work, of those within so many bytes."""
    reaching, stride = halo(layers), reach(deepest(layers)).stride
    best: Plan | None = None
    for rows in range(1, _most_parts(height) + 1):
        for columns in range(1, _most_parts(width) + 1):
            largest, work = _areas(height, width, rows, columns, stride, reaching)
            taken = takes.at_peak(height * width, history, largest)
            if taken <= most and (best is None or work < best.work):
                best = Plan(tuple(split(height, width, rows, columns, stride)), history, taken, work)
            if taken <= most:
                break  # more columns are more work
    return best


def _most_parts(side: int) -> int:
    return math.ceil(side / SMALLEST_TILE)


def _too_much(height: int, width: int, least: int, most: int, or_else: str = "") -> UserError:
    return UserError(
        f"painting {width} x {height} pixels takes about {memory.words(least)}, more than the {memory.words(most)} "
        f"there are; try a smaller --size{or_else}."
    )


def _areas(height: int, width: int, rows: int, columns: int, stride: int, reaching: int) -> tuple[int, int]:
    """Pixels of the largest tile with its halo, and of all tiles."""

    def lengths(side: int, parts: int) -> tuple[int, int]:
        inner = math.ceil(side / (parts * stride)) * stride
        count = math.ceil(side / inner)
        longest = min(side, inner + reaching * min(2, count - 1))
        return longest, min(side, inner + 2 * reaching) * count

    (tall, down), (wide, across) = lengths(height, rows), lengths(width, columns)
    return tall * wide, down * across
