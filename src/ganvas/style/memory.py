"""How much memory painting takes, worked out before it begins from what is alive at the moment when most is."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from itertools import pairwise

import psutil
import torch

from ganvas.errors import BadSetting
from ganvas.style import winograd
from ganvas.style.config import StyleConfig
from ganvas.style.network import FIRST, LAYERS, channels, deepest, reach
from ganvas.style.objective import DIRECTIONS

FLOAT_BYTES = 4
PICTURE_BYTES = 3 * FLOAT_BYTES  # of one picture as large as the painting, for each of its pixels
PICTURES = {"lbfgs": 5, "adam": 6}  # that are there all the time: painting, best, gradients, what the optimiser knows
PASSING_PICTURES = 14  # more of them between two looks of the network: for smoothness, in the optimiser, for the file
LIBRARIES_BYTES = 120_000_000  # that torch's kernels take at their first use, whatever the picture; measured
SPARE_BYTES = 90_000_000  # of small blocks that are free and kept, and of pages that are not filled; measured
LEAVING_BYTES = 120_000_000  # that libraries take while the process ends and the painting is gone; measured
NEAREST_BYTES = 80_000_000  # of all that is compared for nearest neighbours, whatever the picture; measured
SORTED_BYTES = 16  # of a number that is sorted: its value, its place, the value wanted there, and a copy on the way
INDEX_BYTES = 8  # by which max-pooling knows where each of its numbers came from
SHARE = 0.8  # of the memory that is free, where nothing else was asked for
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


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
    '1.54 GB'
    """
    return f"{memory_bytes / 1e9:.2f} GB"


def budget(config: StyleConfig) -> int:
    """Bytes that the process may take, with what it has already."""
    if config.memory is not None:
        return parse(config.memory)
    free = int(SHARE * psutil.virtual_memory().available)
    return int(psutil.Process().memory_info().rss) + free


@dataclass(frozen=True)
class Needs:
    """What painting takes in bytes.

    Attributes:
        fixed: whatever the size: the process as it is, and what it loads at the first step.
        picture: for each pixel of the painting, all the time.
        step: the same for each step that L-BFGS remembers.
        passing: the same while the network rests.
        tile: for each pixel of the tile that the network works on.
    """

    fixed: int
    picture: float
    step: int
    passing: int
    tile: float

    def at_peak(self, pixels: int, history: int, tile: int) -> int:
        """Bytes at most, for so many pixels of the painting, steps remembered and pixels of the largest tile."""
        always = self.fixed + pixels * (self.picture + history * self.step)
        working = SPARE_BYTES + max(pixels * self.passing, tile * self.tile)
        return int(always + max(working, LEAVING_BYTES))


def needs(config: StyleConfig, precision: torch.dtype, resident: int) -> Needs:
    """What painting takes.

    Args:
        config: layers, loss and optimiser.
        precision: inside the network.
        resident: bytes that the process has already.
    """
    style, content, method = config.weights.style_shares, config.weights.content_layers, config.optimiser.method
    fixed, tile = resident + LIBRARIES_BYTES, most_alive({*style, *content}, precision.itemsize)
    if precision == torch.float32:
        fixed += kernel_bytes({*style, *content})
    if config.loss == "nearest":
        fixed += NEAREST_BYTES
    if config.loss == "sorted":
        tile += SORTED_BYTES * sum(numbers(name) for name in style)
    if config.loss == "sliced":
        tile += SORTED_BYTES * sum(DIRECTIONS / reach(name).stride ** 2 for name in style)
    return Needs(
        fixed=fixed,
        picture=PICTURE_BYTES * PICTURES[method] + FLOAT_BYTES * sum(numbers(name) for name in content),
        step=2 * PICTURE_BYTES if method == "lbfgs" else 0,
        passing=PICTURE_BYTES * PASSING_PICTURES,
        tile=tile,
    )


def numbers(layer: str) -> float:
    """Numbers that a layer holds for each pixel of the picture.

    >>> numbers("relu1_1"), numbers("relu3_1")
    (64.0, 16.0)
    """
    return channels(layer) / reach(layer).stride ** 2


def kernel_bytes(wanted: Set[str]) -> int:
    """Bytes of the kernels that `winograd.py` makes at the first step, on the way to the layers that are wanted.

    >>> kernel_bytes({"relu3_1"}), kernel_bytes({"relu3_2"})
    (0, 4194304)
    """
    way = LAYERS[: LAYERS.index(deepest(wanted)) + 1]
    pairs = [(channels(before), channels(after)) for before, after in pairwise(way)]
    return sum(winograd.KERNELS * FLOAT_BYTES * a * b for a, b in pairs if min(a, b) >= winograd.LEAST_CHANNELS)


def most_alive(wanted: Set[str], inner_bytes: int) -> float:
    """Bytes for each pixel when most is alive, of a way through the network and back.

    On the way there every layer is kept, and of every max-pooling where its numbers came from. The way back frees them
    from the deepest on, but at each layer takes the gradient that comes, the same rectified, and that of the layer
    before. Layers that are wanted are kept to the end, in float32.

    Args:
        wanted: names of layers.
        inner_bytes: of a number inside the network.
    """
    way = LAYERS[: LAYERS.index(deepest(wanted)) + 1]
    kept, most = 0.0, 0.0
    asked = FLOAT_BYTES * sum(numbers(name) for name in wanted)
    for name, before in zip(way, (way[0], *way), strict=False):
        if name in FIRST:
            kept += INDEX_BYTES * numbers(before) / 4
        kept += inner_bytes * numbers(name)
        if name in wanted and inner_bytes == FLOAT_BYTES:
            asked -= FLOAT_BYTES * numbers(name)  # they are the very numbers that are kept
        gradients = 2 * numbers(name) + channels(before) / reach(name).stride ** 2
        if inner_bytes == FLOAT_BYTES and min(channels(before), channels(name)) >= winograd.LEAST_CHANNELS:
            gradients = 5 * numbers(name)  # as many once more with a border, what is added up, and sums of half as many
        most = max(most, kept + asked + inner_bytes * gradients)
    return most
