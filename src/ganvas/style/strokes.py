"""Strokes: the detail of a style, which moments do not hold, cut out of it and laid where a painting looks alike.

Detail of a level is what a picture of its features at half the size would lack. A style's is cut into pieces that
overlap by half. Each place of a painting gets the piece around which the style's deepest features point in the same
direction, so that strokes lie where they belong.

Shapes: N pictures, C channels, h, w of the deepest level; Q pieces; s positions of a level along one of the deepest.
Related: Chen & Schmidt 2016 (style swap), arXiv 1612.04337, which exchanges features themselves, and so shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from ganvas.style.statistics import evenly

DETAILED = ("relu3_1", "relu2_1")
MOST_PIECES = 2048
ASIDE = 0.2  # how far places look aside, in cosines: in flat areas one piece would be laid again and again
ASIDES = 61  # directions to look aside in; which one a place takes depends on where it is


def details(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What halving and doubling loses of the levels that have detail, [N, C, s h, s w] by name."""
    return {
        level: features[level] - functional.interpolate(functional.avg_pool2d(features[level], 2), scale_factor=2.0)
        for level in DETAILED
    }


@dataclass(frozen=True)
class Strokes:
    """Pieces of a style.

    Attributes:
        keys: directions of the deepest features around each piece, from their mean [Q, C], of unit length.
        mean: of the deepest features [C].
        pieces: by level [Q, 2, 2, s, s, C], quarter by quarter, fading to their edges.
    """

    keys: Tensor
    mean: Tensor
    pieces: dict[str, Tensor]

    def chosen(self, features: Tensor, origin: tuple[int, int] = (0, 0)) -> Tensor:
        """Which piece lies around each corner of the deepest level's positions, [N, h + 1, w + 1].

        Args:
            features: of the deepest level [N, C, h, w].
            origin: where they lie in the picture, in positions; tiles choose as the whole would.
        """
        wanted = around(functional.pad(features.float(), (1, 1, 1, 1), mode="replicate"), self.mean)
        down, right = (torch.arange(side) + start for side, start in zip(wanted.shape[1:3], origin, strict=True))
        sets = (down[:, None] * 73856093 ^ right * 19349663) % ASIDES
        aside = torch.randn(ASIDES, len(self.mean), generator=torch.Generator().manual_seed(0))
        return ((wanted + ASIDE * aside[sets]) @ self.keys.mT).argmax(3)

    def laid(self, level: str, chosen: Tensor) -> Tensor:
        """The chosen pieces over one another, [N, C, s h, s w]."""
        pieces = self.pieces[level]
        (count, height, width), (side, channels) = chosen.shape, pieces.shape[-2:]
        height, width = height - 1, width - 1
        whole = pieces.new_zeros(count, height, width, side, side, channels)
        for down, right in product((0, 1), (0, 1)):  # which corner of the place the middle of a piece is
            quarter = pieces[:, 1 - down, 1 - right]
            whole += quarter[chosen[:, down : down + height, right : right + width]]
        rows = whole.transpose(2, 3).reshape(count, height * side, width * side, channels)
        return rows.permute(0, 3, 1, 2)


def around(features: Tensor, mean: Tensor) -> Tensor:
    """Directions of features [N, C, h, w] from a mean [C], of 2 x 2 positions together: [N, h - 1, w - 1, C]."""
    pooled = functional.avg_pool2d(features - mean.view(1, -1, 1, 1), 2, stride=1)
    return functional.normalize(pooled.permute(0, 2, 3, 1), dim=3)


def cut(features: Tensor, detail: Mapping[str, Tensor]) -> Strokes:
    """Pieces out of a style.

    Args:
        features: of the deepest level [N, C, h, w], h and w at least 2.
        detail: as `details` gives it.
    """
    mean = features.float().mean((0, 2, 3))
    keys = around(features.float(), mean)
    _, height, width, _ = keys.shape
    kept = evenly(torch.arange(keys[..., 0].numel()), MOST_PIECES)
    where = (kept // (height * width), kept // width % height, kept % width)
    pieces = {}
    for level, values in detail.items():
        side = values.shape[2] // features.shape[2]
        views = values.float().permute(0, 2, 3, 1).unfold(1, 2 * side, side).unfold(2, 2 * side, side)
        squares = views[where].permute(0, 2, 3, 1)  # [Q, 2 s, 2 s, C]
        fading = (torch.pi * (torch.arange(2 * side) + 0.5) / (2 * side)).sin()  # of overlapping ones, squares add to 1
        squares = squares * fading.view(1, -1, 1, 1) * fading.view(1, 1, -1, 1)
        pieces[level] = squares.view(len(kept), 2, side, 2, side, -1).transpose(2, 3).contiguous()
    return Strokes(keys[where], mean, pieces)


def blend(parts: Sequence[tuple[float, Strokes]]) -> Strokes:
    """Pieces of several styles, of each as many as its weight says beside the largest."""
    largest = max(weight for weight, _ in parts)
    drawn = [(weight, part, evenly(torch.arange(len(part.keys)), max(1, int(len(part.keys) * weight / largest))))
             for weight, part in parts if weight > 0]  # fmt: skip
    total = sum(weight for weight, _, _ in drawn)
    mean = torch.stack([weight / total * part.mean for weight, part, _ in drawn]).sum(0)
    pieces = {level: torch.cat([part.pieces[level][kept] for _, part, kept in drawn]) for level in DETAILED}
    return Strokes(torch.cat([part.keys[kept] for _, part, kept in drawn]), mean, pieces)
