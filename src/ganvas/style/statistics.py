"""A style: what the features of one picture or many have in common, layer by layer, measured once.

Shapes: C channels of a layer, K positions kept as samples, H height, W width of a picture in sRGB, [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ganvas.errors import BadSetting, check_shape
from ganvas.style import tiles
from ganvas.style.losses import Moments, Sums, mix, moments, positions
from ganvas.style.network import Backbone, reach

MOST_SAMPLES = 4096  # positions kept of a layer: nearest neighbours and sorted values need no more
GOLDEN = (math.sqrt(5) - 1) / 2
LEAST_MASK = 1.0  # a layer in which a mask counts less than one position says nothing


@dataclass(frozen=True)
class LayerStatistics:
    """What one layer says of a style.

    Attributes:
        moments: mean and second raw moment.
        samples: features at positions spread evenly over the pictures [K, C], as many of each as its weight says.
    """

    moments: Moments
    samples: Tensor

    def to(self, device: torch.device | str, dtype: torch.dtype) -> LayerStatistics:
        """The same on another device, or in another precision."""
        moved = Moments(self.moments.mean.to(device, dtype), self.moments.second.to(device, dtype))
        return LayerStatistics(moved, self.samples.to(device, dtype))


@dataclass(frozen=True)
class Style:
    """Statistics of one picture or many in some layers of one network.

    Attributes:
        backbone: the name of the network that they were measured with.
        layers: by name of the layer. One that a mask covers nowhere is missing.
    """

    backbone: str
    layers: dict[str, LayerStatistics]

    def __getitem__(self, layer: str) -> LayerStatistics:
        return self.layers[layer]

    def __contains__(self, layer: object) -> bool:
        return layer in self.layers

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Style:
        """The same on another device, or in another precision."""
        return Style(self.backbone, {name: layer.to(device, dtype) for name, layer in self.layers.items()})


@torch.no_grad()
def measure(
    backbone: Backbone, picture: Tensor, layers: Iterable[str], mask: Tensor | None = None, most: int | None = None
) -> Style:
    """The style of one picture.

    Args:
        backbone: the network to look with.
        picture: [1, 3, H, W], sRGB in [0, 1].
        layers: names of layers.
        mask: how much each pixel belongs to it, [1, 1, H, W] in [0, 1]; all of it by default.
        most: pixels that may be looked at at once; all by default. Moments are the same, samples fewer of each part.

    Raises:
        BadShape, UnknownName, BadSetting: what was given, what is accepted; a mask that is 0 everywhere.
    """
    check_shape(picture, "1 3 H W", "picture")
    if mask is not None:
        check_shape(mask, "1 1 H W", "mask")
        if not bool((mask > 0).any()):
            raise BadSetting("the mask of a style is black everywhere; white marks what counts.")
    wanted = list(layers)
    height, width = picture.shape[2:]
    parts = tiles.strips(height, width, most)
    masks = {} if mask is None else {n: shrunk(mask, tiles.layer_size(height, width, n))[0, 0] for n in wanted}
    wanted = [name for name in wanted if mask is None or float(masks[name].sum()) >= LEAST_MASK]
    totals: dict[str, Sums] = {}
    samples: dict[str, list[Tensor]] = {name: [] for name in wanted}
    for tile, features in tiles.looked_at(backbone, picture, wanted, parts):
        for name, here in features.items():
            stride = reach(name).stride
            totals[name] = tiles.added_up(totals.get(name), here, tile, stride, masks.get(name))
            small = None if mask is None else tile.cut(masks[name], stride)
            least = 0.0 if mask is None else min(0.5, float(masks[name].max()))
            samples[name].append(spread(here, small, max(1, MOST_SAMPLES // len(parts)), least))
    found = {name: LayerStatistics(totals[name].moments(), torch.cat(samples[name])) for name in wanted}
    return Style(backbone.name, found)


def of_features(backbone: str, features: Mapping[str, Tensor]) -> Style:
    """The style of pictures that a network of this name has looked at: features [N, C, h, w] by layer."""
    found = {}
    for name, here in features.items():
        found[name] = LayerStatistics(moments(here), evenly(positions(here), MOST_SAMPLES))
    return Style(backbone, found)


def blend(parts: Sequence[tuple[float, Style]]) -> Style:
    """Several styles as one, by weights: moments mixed linearly, samples drawn from each by its share.

    Args:
        parts: (weight, style), weights from 0; a style that lacks a layer is left out of it.

    Raises:
        BadSetting: when no weight is above 0, or the styles were measured with different networks.
    """
    parts = [(weight, style) for weight, style in parts if weight > 0]
    if not parts:
        raise BadSetting("the weights of the styles are all 0; give one of them more.")
    if len(parts) == 1:
        return parts[0][1]
    names = {style.backbone for _, style in parts}
    if len(names) > 1:
        raise BadSetting(f"styles measured with different networks cannot be mixed: {', '.join(sorted(names))}.")
    layers = dict.fromkeys(name for _, style in parts for name in style.layers)
    return Style(names.pop(), {name: _blended([(w, s[name]) for w, s in parts if name in s]) for name in layers})


def _blended(parts: Sequence[tuple[float, LayerStatistics]]) -> LayerStatistics:
    total = sum(weight for weight, _ in parts)
    # As many samples as every style can give its share of.
    count = min(len(part.samples) * total / weight for weight, part in parts)
    drawn = [evenly(part.samples, max(1, int(count * weight / total + 1e-6))) for weight, part in parts]
    return LayerStatistics(mix([(weight, part.moments) for weight, part in parts]), torch.cat(drawn))


def shrunk(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask [1, 1, H, W] in the height and width of a layer, by area."""
    return functional.interpolate(mask, size, mode="area")


def spread(features: Tensor, mask: Tensor | None, most: int, least: float) -> Tensor:
    """Features at up to `most` positions [K, C] that a mask counts at least so much."""
    rows = positions(features)
    if mask is not None:
        rows = rows[mask.flatten() >= least]
    return evenly(rows, most)


def evenly(rows: Tensor, count: int) -> Tensor:
    """At most `count` of some rows [K, C], spread over them without a period that could meet a picture's width."""
    if len(rows) <= count:
        return rows
    shares = torch.arange(count, dtype=torch.float64) * GOLDEN % 1
    return rows[(shares * len(rows)).long().sort().values.to(rows.device)]
