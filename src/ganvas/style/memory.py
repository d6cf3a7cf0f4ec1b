"""How much memory painting will take, worked out before it begins, and into how many tiles that cuts a picture.

Shapes: H height, W width of the painting in pixels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from ganvas.errors import BadSetting, UserError
from ganvas.style.config import StyleConfig
from ganvas.style.losses import SAMPLE_LOSSES
from ganvas.style.network import check_layers, deepest, reach
from ganvas.style.tiles import Window, halo, split

# Measured in float32: what the process grows by for each pixel of a tile, by the block that the deepest layer lies in.
# Up to the third block the way back through the first takes most, below it the way there. See docs/experiments.md.
BYTES_PER_PIXEL = {1: 2000, 2: 2000, 3: 2000, 4: 2500, 5: 2600}
PICTURE_BYTES = 280  # of pictures as large as the painting: photograph, best, average, gradient, what smoothness takes
CONTENT_BYTES = {1: 256, 2: 128, 3: 64, 4: 32, 5: 8}  # features to keep of one layer, for each pixel
KERNEL_BYTES = {1: 0, 2: 0, 3: 13 * 10**6, 4: 72 * 10**6, 5: 89 * 10**6}  # of `winograd.py`, made in the first step
STEP_BYTES = 24  # what L-BFGS remembers of a step, for each pixel
LEAST_HISTORY = 5
SHARE = 0.8  # of the memory that is free, where nothing else was asked for
MOST_PARTS = 64  # tiles along a side
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


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


def parse(text: str) -> int:
    """Bytes, from a number with a unit.

    Raises:
        BadSetting: for anything else.

    >>> parse("1.5GB")
    1500000000
    """
    found = re.fullmatch(r"([0-9]*\.?[0-9]+) *([A-Za-z]*)", text.strip())
    if not found or found[2].upper() not in UNITS or float(found[1]) <= 0:
        raise BadSetting(f"memory takes a number with a unit, such as 2GB or 500MB; got {text!r}.")
    return int(float(found[1]) * UNITS[found[2].upper()])


def words(memory_bytes: int) -> str:
    """Bytes for people.

    >>> words(1_536_000_000)
    '1.5 GB'
    """
    return f"{memory_bytes / 1e9:.1f} GB"


def budget(config: StyleConfig) -> int:
    """Bytes that the process may take, with what it has already."""
    if config.memory is not None:
        return parse(config.memory)
    free = int(SHARE * psutil.virtual_memory().available)
    return int(psutil.Process().memory_info().rss) + free


def planned(config: StyleConfig, sizes: Sequence[tuple[int, int]], most: int) -> list[Plan]:
    """How each scale is painted, within a number of bytes.

    Args:
        config: layers, loss and optimiser.
        sizes: H and W of each scale.
        most: bytes that the process may take.

    Raises:
        UserError: when a scale cannot be painted within them.
    """
    resident = psutil.Process().memory_info().rss
    return [_planned(config, height, width, most, resident) for height, width in sizes]


def _planned(config: StyleConfig, height: int, width: int, most: int, resident: int) -> Plan:
    layers = [*(name for name, share in config.weights.style_layers.items() if share > 0)]
    layers += config.weights.content_layers
    check_layers(layers)
    block = _block(deepest(layers))
    per_pixel = BYTES_PER_PIXEL[block]
    fixed = (
        resident
        + KERNEL_BYTES[block]
        + height * width * (PICTURE_BYTES + sum(CONTENT_BYTES[_block(name)] for name in config.weights.content_layers))
    )
    steps = config.optimiser.history if config.optimiser.method == "lbfgs" else 1
    whole = fixed + height * width * (per_pixel + steps * STEP_BYTES)
    if whole <= most:
        return Plan((), steps, whole, height * width)
    # Half of what is left for what L-BFGS remembers at most: fewer steps cost less than smaller tiles.
    affordable = max(0, most - fixed) // 2 // (height * width * STEP_BYTES)
    steps = min(steps, max(min(steps, LEAST_HISTORY), affordable))
    fixed += height * width * steps * STEP_BYTES
    reaching, stride = halo(layers), reach(deepest(layers)).stride
    best: Plan | None = None
    for rows in range(1, MOST_PARTS + 1):
        for columns in range(1, MOST_PARTS + 1):
            largest, work = _areas(height, width, rows, columns, stride, reaching)
            taken = fixed + largest * per_pixel
            if taken <= most and (best is None or work < best.work):
                best = Plan(tuple(split(height, width, rows, columns, stride)), steps, taken, work)
            if taken <= most:
                break  # more columns are more work
    if best is None or (config.loss in SAMPLE_LOSSES and len(best.tiles) > 1):
        least = whole if config.loss in SAMPLE_LOSSES else fixed + (2 * reaching + stride) ** 2 * per_pixel
        raise UserError(
            f"painting {width} x {height} pixels takes about {words(least)}, more than the {words(most)} there are; "
            f"try a smaller --size{', or --loss gram, which works in tiles' * (config.loss in SAMPLE_LOSSES)}."
        )
    return best


def _areas(height: int, width: int, rows: int, columns: int, stride: int, reaching: int) -> tuple[int, int]:
    """Pixels of the largest tile with its halo, and of all tiles."""

    def lengths(side: int, parts: int) -> tuple[int, int]:
        inner = math.ceil(side / (parts * stride)) * stride
        count = math.ceil(side / inner)
        longest = min(side, inner + reaching * min(2, count - 1))
        return longest, min(side, inner + 2 * reaching) * count

    (tall, down), (wide, across) = lengths(height, rows), lengths(width, columns)
    return tall * wide, down * across


def _block(layer: str) -> int:
    return int(layer.removeprefix("relu").split("_")[0])
