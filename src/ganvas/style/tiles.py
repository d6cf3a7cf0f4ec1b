"""The gradient of a whole picture, worked out tile by tile: the same numbers, in the memory of one tile.

Means and second moments are sums over positions, so tiles can add theirs up. Every tile is run twice: first without a
gradient, to add up; then, the loss and its gradients with respect to the sums being known, with these fed back from
the features. A tile is run with a halo of what its features see and are seen by, and only its inner part is kept.

Many steps make another painting out of a rounding error, so sums are taken in the same bands of rows and added in the
same order whatever the tiles. Tiles as wide as the picture then give its gradient bit for bit where convolutions round
alike at every height, which is up to the library; others give it up to rounding.

Shapes: C channels of a layer, H height, W width of the picture, h, w of a layer. Pictures are float [1, 3, H, W].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from ganvas.style.losses import Moments, Sums, positions, sums
from ganvas.style.network import Backbone, deepest, reach

Region = Mapping[str, Tensor] | None  # a mask [h, w] by layer; one that is missing has no moments. None: everything
CELLS = 8  # along each side of a large picture
BAND = 64  # rows of pixels that are summed up together; a multiple of every layer's stride
Found = list[dict[str, Moments]]  # of each region, by layer


@dataclass(frozen=True)
class Terms:
    """What is minimised, in a form that tiles can add up.

    Attributes:
        layers: those whose moments the style's loss is of.
        style_loss: a scalar, of the moments of each region by layer.
        regions: parts of the picture that have moments of their own.
        content_weight: of the mean squared error of features, summed over layers.
        content: what these features should be, [1, C, h, w] by layer.
    """

    layers: Sequence[str]
    style_loss: Callable[[Found], Tensor]
    regions: Sequence[Region] = (None,)
    content_weight: float = 0.0
    content: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def every(self) -> list[str]:
        """All layers that are looked at."""
        return list(dict.fromkeys([*self.layers, *self.content]))


@dataclass(frozen=True)
class Window:
    """A part of a picture in pixels, from top and left up to, not including, bottom and right."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """Pixels."""
        return (self.bottom - self.top) * (self.right - self.left)

    def grown(self, by: int, frame: Window) -> Window:
        """The window with a halo, cut at the borders of a frame."""
        return Window(
            max(frame.top, self.top - by), min(frame.bottom, self.bottom + by),
            max(frame.left, self.left - by), min(frame.right, self.right + by),
        )  # fmt: skip

    def seen_from(self, outer: Window) -> Window:
        """The same window, counted from the corner of another."""
        top, left = outer.top, outer.left
        return Window(self.top - top, self.bottom - top, self.left - left, self.right - left)

    def bands(self) -> list[Window]:
        """The window in bands of rows."""
        tops = edges(self.top, self.bottom, BAND, BAND)
        return [Window(top, bottom, self.left, self.right) for top, bottom in pairwise(tops)]

    def cut(self, values: Tensor, stride: int = 1) -> Tensor:
        """That part of a layer [..., h, w] of the given stride; a view. Positions are rounded down, at least one."""

        def part(start: int, end: int) -> slice:
            return slice(start // stride, max(start // stride + 1, end // stride))

        return values[..., part(self.top, self.bottom), part(self.left, self.right)]


def frame_of(picture: Tensor) -> Window:
    """All of a picture [1, C, H, W]."""
    return Window(0, picture.shape[2], 0, picture.shape[3])


def halo(layers: Iterable[str]) -> int:
    """How far a tile must reach beyond its inner part, in pixels: what its features see and are seen by."""
    deep = reach(deepest(layers))
    return paired(deep.field, deep.stride)


def paired(pixels: int, stride: int) -> int:
    """Pixels rounded up to whole pairs of positions: `winograd.py` works on pairs, which must stay the same.

    >>> paired(78, 16)
    96
    """
    return -(-pixels // (2 * stride)) * 2 * stride


def split(height: int, width: int, rows: int, columns: int, stride: int) -> list[Window]:
    """A picture as rows times columns tiles, or fewer; each starts at a multiple of a stride."""

    def cuts(side: int, parts: int) -> list[int]:
        return edges(0, side, -(-side // (parts * stride)) * stride, stride)

    tops, lefts = cuts(height, rows), cuts(width, columns)
    return [Window(top, bottom, left, right) for top, bottom in pairwise(tops) for left, right in pairwise(lefts)]


def edges(start: int, end: int, step: int, least: int) -> list[int]:
    """Where parts of a length begin, one step after the other, and the end; what is left over joins the last part."""
    return [*(at for at in range(start, end, step) if at == start or end - at >= least), end]


def worked_on(
    picture: Tensor, work: Callable[[Tensor, int, int], Tensor], most: int, around: int, stride: int
) -> Tensor:
    """A picture [1, C, H, W] worked on tile by tile, in the memory of one.

    Args:
        picture: all of it.
        work: takes a part with its halo, and where it begins, from top and left; gives back as many pixels.
        most: pixels that are worked on at once: a tile has half of them, its halo not counted.
        around: pixels of the halo, a multiple of the stride.
        stride: what tiles begin at multiples of.
    """
    (height, width), side = picture.shape[2:], math.isqrt(most // 2)
    whole, frame = torch.empty_like(picture), frame_of(picture)
    for window in split(height, width, -(-height // side), -(-width // side), stride):
        seen = window.grown(around, frame)
        part = work(seen.cut(picture), seen.top, seen.left)
        window.cut(whole).copy_(window.seen_from(seen).cut(part))
    return whole


def spread(picture: Tensor, most: int, stride: int) -> Tensor:
    """The middle of each of CELLS x CELLS cells of a picture [1, C, H, W], about so many pixels in all, as a batch."""
    share, parts = min(1.0, math.sqrt(most / (picture.shape[2] * picture.shape[3]))), []
    for rows in picture.tensor_split(CELLS, 2):
        for cell in rows.tensor_split(CELLS, 3):
            height, width = (max(stride, int(share * side / CELLS) // stride * stride) for side in picture.shape[2:])
            top, left = (cell.shape[2] - height) // 2, (cell.shape[3] - width) // 2
            parts.append(cell[:, :, top : top + height, left : left + width])
    return torch.cat(parts)


def strips(height: int, width: int, most: int | None) -> list[Window]:
    """A picture cut into tiles as wide as itself, of about so many pixels; into one where none are given."""
    if most is None:
        return [Window(0, height, 0, width)]
    return split(height, width, max(1, height * width // max(most, BAND * width)), 1, BAND)


def layer_size(height: int, width: int, layer: str) -> tuple[int, int]:
    """Height and width of a layer."""
    stride = reach(layer).stride
    return max(1, height // stride), max(1, width // stride)


@torch.no_grad()
def looked_at(
    backbone: Backbone, picture: Tensor, layers: Sequence[str], tiles: Sequence[Window]
) -> Iterator[tuple[Window, dict[str, Tensor]]]:
    """Tile after tile, each with the features [1, C, h, w] of its inner part, as the whole picture has them there."""
    if not layers:
        return
    frame, deep = frame_of(picture), reach(deepest(layers))
    reaching = paired(deep.field // 2, deep.stride)  # what features see, not what sees them
    for tile in tiles:
        outer = tile.grown(reaching, frame)
        found = backbone.features(outer.cut(picture), layers)
        yield tile, {name: tile.seen_from(outer).cut(found[name], reach(name).stride) for name in layers}


def features(
    backbone: Backbone, picture: Tensor, layers: Sequence[str], tiles: Sequence[Window] = ()
) -> dict[str, Tensor]:
    """Features of a whole picture [1, C, h, w] by layer, without a gradient, put together from tiles."""
    frame = frame_of(picture)
    made: dict[str, Tensor] = {}
    for tile, found in looked_at(backbone, picture, layers, tiles or [frame]):
        for name, here in found.items():
            if name not in made:
                size = layer_size(frame.bottom, frame.right, name)
                made[name] = here.new_empty((1, here.shape[1], *size)).contiguous(memory_format=torch.channels_last)
            tile.cut(made[name], reach(name).stride).copy_(here)
    return made


def value_and_gradient(
    backbone: Backbone, picture: Tensor, terms: Terms, tiles: Sequence[Window] = ()
) -> tuple[Tensor, Tensor, Tensor]:
    """A loss of moments and features at a picture, and its gradient.

    Args:
        backbone: the network.
        picture: [1, 3, H, W].
        terms: what is minimised.
        tiles: windows that cover the picture, see `split`; none for the whole at once.

    Returns:
        (the style's loss, the content's loss times its weight, both scalars without a gradient; the gradient of their
        sum [1, 3, H, W])
    """
    frame = frame_of(picture)
    tiles = tiles or [frame]
    reaching, content_value, gradient = halo(terms.every), picture.new_zeros(()), torch.empty_like(picture)
    slopes: list[dict[str, Slope]] | None = None
    if len(tiles) > 1:
        style_value, slopes = _slopes(_all_added_up(backbone, picture, terms, tiles), terms)
    for tile in tiles:
        outer = tile.grown(reaching, frame)
        seen = outer.cut(picture).detach().clone().requires_grad_(True)
        features = backbone.features(seen, terms.every)
        if slopes is None:
            totals: list[dict[str, Sums]] = [{} for _ in terms.regions]
            _add(totals, features, terms, tile)
            style_value, slopes = _slopes(totals, terms)
        for name, target in terms.content.items():
            for band in tile.bands():
                content_value += _content_share(features[name].detach(), target, name, band, outer)
        _feed_back(features, slopes, terms, outer)
        assert seen.grad is not None
        tile.cut(gradient).copy_(tile.seen_from(outer).cut(seen.grad))
    return style_value, content_value * terms.content_weight, gradient


@torch.no_grad()
def _all_added_up(backbone: Backbone, picture: Tensor, terms: Terms, tiles: Sequence[Window]) -> list[dict[str, Sums]]:
    """Sums over all tiles, of each region by layer."""
    totals: list[dict[str, Sums]] = [{} for _ in terms.regions]
    for tile, found in looked_at(backbone, picture, terms.layers, tiles):
        _add(totals, found, terms, tile)
    return totals


@torch.no_grad()
def _add(totals: list[dict[str, Sums]], inner: Mapping[str, Tensor], terms: Terms, tile: Window) -> None:
    """Add the sums of a tile, given the features of its inner part."""
    for region, total in zip(terms.regions, totals, strict=True):
        for name in terms.layers:
            if region is None or name in region:
                mask = None if region is None else region[name]
                total[name] = added_up(total.get(name), inner[name], tile, reach(name).stride, mask)


def added_up(total: Sums | None, inner: Tensor, tile: Window, stride: int, mask: Tensor | None = None) -> Sums:
    """Sums so far with those of a tile, band by band.

    Args:
        total: sums so far.
        inner: features of the tile's inner part [1, C, h, w].
        tile: where it is.
        stride: of the layer.
        mask: how much each position of the whole layer counts, [h', w']; all alike by default.
    """
    for band in tile.bands():
        part = sums(band.seen_from(tile).cut(inner, stride), None if mask is None else band.cut(mask, stride))
        total = part if total is None else total + part
    assert total is not None
    return total


Slope = tuple[Tensor, Tensor]  # of the loss, with respect to the sum of features [C] and of their products [C, C]


def _slopes(totals: list[dict[str, Sums]], terms: Terms) -> tuple[Tensor, list[dict[str, Slope]]]:
    """The style's loss, and its gradients with respect to the sums; those of products come symmetric and doubled."""
    loose = [
        {
            name: Sums(part.weight, part.first.requires_grad_(True), part.second.requires_grad_(True))
            for name, part in total.items()
        }
        for total in totals
    ]
    value = terms.style_loss([{name: part.moments() for name, part in total.items()} for total in loose])
    leaves = [leaf for total in loose for part in total.values() for leaf in (part.first, part.second)]
    found = iter(torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True))
    slopes: list[dict[str, Slope]] = []
    for total in loose:
        slopes.append({})
        for name in total:
            first, second = next(found), next(found)
            slopes[-1][name] = (first, second + second.mT)
    return value.detach(), slopes


def _feed_back(features: dict[str, Tensor], slopes: list[dict[str, Slope]], terms: Terms, outer: Window) -> None:
    """Send the loss's gradients with respect to the features of a tile and its halo back to its pixels.

    They join in on the way, each when its layer is reached, since all of them at once would need as much memory as the
    shallow layers themselves.
    """

    def joining(name: str, found: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda coming: _joined(coming, found, name, slopes, terms, outer)

    for name, found in features.items():
        # The hook must not know the features themselves: with their graph they would hold each other for ever.
        found.register_hook(joining(name, found.detach()))  # type: ignore[no-untyped-call]
    nothing = [found.new_zeros(()).expand_as(found) for found in features.values()]
    torch.autograd.backward(list(features.values()), nothing)


def _joined(
    coming: Tensor, found: Tensor, name: str, slopes: list[dict[str, Slope]], terms: Terms, outer: Window
) -> Tensor:
    """A gradient with respect to features [1, C, h, w], with what the loss says of them itself added."""
    stride = reach(name).stride
    rows, gradient = positions(found), positions(coming)
    for region, slope in zip(terms.regions, slopes, strict=True):
        if name not in slope:
            continue
        first, second = slope[name]
        if region is None:
            gradient = torch.addmm(gradient, rows, second).add_(first)
        else:
            gradient = gradient + torch.addmm(first, rows, second) * outer.cut(region[name], stride).reshape(-1, 1)
    if name in terms.content:
        target = terms.content[name]
        error = rows - positions(outer.cut(target, stride))
        gradient = gradient + error.mul_(2 * terms.content_weight / target.numel())  # a mean over the whole layer
    return gradient.view(1, *found.shape[2:], found.shape[1]).permute(0, 3, 1, 2)


def _content_share(found: Tensor, target: Tensor, name: str, band: Window, outer: Window) -> Tensor:
    """What a band of a tile adds to the mean squared error."""
    stride = reach(name).stride
    here = band.seen_from(outer).cut(found, stride)
    return (here - band.cut(target, stride)).square().sum() / target.numel()
