"""What a painting should be at one scale: the content's features, the styles' statistics, and smoothness.

Shapes: H height, W width of the scale. Pictures are float [1, 3, H, W], sRGB in [0, 1]; masks [1, 1, H, W].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from ganvas.style import losses, tiles
from ganvas.style.config import StyleConfig
from ganvas.style.losses import LOUDNESS, MOMENT_LOSSES, SAMPLE_LOSSES, positions
from ganvas.style.network import Backbone, check_layers
from ganvas.style.statistics import LEAST_MASK, MOST_SAMPLES, Style, blend, evenly, measure, shrunk

DIRECTIONS = 64  # that sliced matching looks along in one step
USUAL = 15.0  # style loss of a photograph, at which the content's weight counts as it is; chosen by eye


@dataclass(frozen=True)
class Source:
    """A picture whose style is taken.

    Attributes:
        picture: [1, 3, H, W], of any size.
        weight: beside other styles.
        shown: how much each of its pixels counts [1, 1, H, W]; such as its own transparency.
        where: the part of the painting that gets it, a mask [1, 1, H, W] of any size; all of it by default.
    """

    picture: Tensor
    weight: float = 1.0
    shown: Tensor | None = None
    where: Tensor | None = None


@dataclass(frozen=True)
class Anchor:
    """A picture that the painting stays with: of a sequence the painting before, moved to where things are now.

    Attributes:
        picture: [1, 3, H, W].
        believed: how much each of its pixels counts [1, 1, H, W] in [0, 1].
    """

    picture: Tensor
    believed: Tensor


@dataclass(frozen=True)
class Value:
    """The objective at a picture: each loss times its weight, and the gradient of their sum [1, 3, H, W]."""

    losses: dict[str, float]
    gradient: Tensor

    @property
    def loss(self) -> float:
        """The sum, not finite if anything of the gradient is not."""
        return sum(self.losses.values()) if bool(self.gradient.isfinite().all()) else math.nan


class Objective:
    """What is minimised at one scale; everything that does not change is measured once, here.

    Args:
        backbone: the network to look with.
        config: losses and weights.
        content: the photograph at this scale.
        sources: the styles; their pictures are brought to this scale.
        anchor: what the painting stays with; of any size.
        parts: tiles of this scale that are worked on one after the other, for less memory; none for all at once.
    """

    def __init__(
        self,
        backbone: Backbone,
        config: StyleConfig,
        content: Tensor,
        sources: Sequence[Source],
        anchor: Anchor | None = None,
        parts: Sequence[tiles.Window] = (),
    ):
        self.backbone, self.config, self.parts = backbone, config, parts
        self.height, self.width = content.shape[2:]
        self.shares = config.weights.style_shares
        check_layers([*self.shares, *config.weights.content_layers])
        self.content_weight = content_weight(config)
        self.style_weight = config.weights.style * LOUDNESS[config.loss]
        size = (self.height, self.width)
        self.anchor = anchor and Anchor(resized(anchor.picture, *size), resized(anchor.believed, *size))
        with torch.no_grad():
            self.terms = self._terms(content, sources)
        if config.weights.relative and self.content_weight:  # styles lie at very different distances
            own, _, _ = self._of_features(content, 0)
            self.terms = replace(self.terms, content_weight=self.terms.content_weight * float(own) / USUAL)

    def _terms(self, content: Tensor, sources: Sequence[Source]) -> tiles.Terms:
        everywhere = [source for source in sources if source.where is None]
        masked = [source for source in sources if source.where is not None]
        mean = sum(source.weight for source in sources) / len(sources)
        self.styles = [blend([(s.weight, self._measured(s)) for s in everywhere])] if everywhere else []
        self.styles += [self._measured(source) for source in masked]
        regions: list[tiles.Region] = [None] if everywhere else []
        areas = [sum(source.weight for source in everywhere) / mean / len(everywhere)] if everywhere else []
        for source in masked:
            assert source.where is not None
            sizes = {name: tiles.layer_size(self.height, self.width, name) for name in self.shares}
            masks = {name: shrunk(source.where, size)[0, 0].to(content) for name, size in sizes.items()}
            regions.append({name: mask for name, mask in masks.items() if float(mask.sum()) >= LEAST_MASK})
            areas.append(float(source.where.mean()) * source.weight / mean)
        self.areas = areas  # a part is painted as strongly as the whole would be
        wanted = self.config.weights.content_layers if self.content_weight else ()
        kept = tiles.features(self.backbone, content, wanted, self.parts)
        return tiles.Terms(tuple(self.shares), self._style_loss, regions, self.content_weight / max(len(kept), 1), kept)

    def _measured(self, source: Source) -> Style:
        height, width = source.picture.shape[2:]
        wanted = math.sqrt(self.height * self.width / (height * width)) * self.config.style_scale
        size = scaled(height, width, min(1.0, wanted))  # a style is never enlarged
        shown = None if source.shown is None else functional.interpolate(source.shown, size, mode="area")
        return measure(self.backbone, resized(source.picture, *size), self.shares, shown, self._largest_part())

    def _largest_part(self) -> int | None:
        """Pixels of the largest tile, if there are tiles."""
        return max((tile.area for tile in self.parts), default=None)

    def _style_loss(self, found: tiles.Found) -> Tensor:
        loss = MOMENT_LOSSES[self.config.loss]
        terms = [
            loss(moments, style[name].moments) * self.shares[name] * area
            for region, style, area in zip(found, self.styles, self.areas, strict=True)
            for name, moments in region.items()
            if name in style
        ]
        return torch.stack(terms).sum() * self.style_weight

    def __call__(self, picture: Tensor, step: int) -> Value:
        """Losses and gradient at a picture; what is drawn by chance depends on seed and step alone."""
        style, content, gradient = self._of_features(picture, step)
        weights, seen = self.config.weights, picture.detach().requires_grad_(True)
        of_pixels = {
            "smoothness": losses.total_variation(seen) * weights.smoothness,
            "range": losses.out_of_range(seen) * weights.range,
        }
        if self.anchor is not None:
            of_pixels["before"] = losses.departure(seen, self.anchor.picture, self.anchor.believed) * weights.before
        gradient = gradient + torch.autograd.grad(torch.stack(list(of_pixels.values())).sum(), seen)[0]
        found = {"content": content, "style": style} | {name: value.detach() for name, value in of_pixels.items()}
        values = torch.stack(list(found.values())).tolist()
        named = dict(zip(found, values, strict=True))
        return Value(named, gradient.contiguous())  # in one memory layout sums round alike, saved and read back or not

    def _of_features(self, picture: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Style loss, content loss, and their gradient."""
        if self.config.loss in SAMPLE_LOSSES:
            return self._by_samples(picture, step)
        return tiles.value_and_gradient(self.backbone, picture, self.terms, self.parts)

    def _by_samples(self, picture: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
        seen = picture.detach().requires_grad_(True)
        features = self.backbone.features(seen, self.terms.every)
        terms = []
        for region, style, area in zip(self.terms.regions, self.styles, self.areas, strict=True):
            for name, share in self.shares.items():
                if name in style and (region is None or name in region):
                    rows = positions(features[name])
                    if region is not None:
                        rows = rows[region[name].flatten() >= min(0.5, float(region[name].max()))]
                    terms.append(self._sample_loss(rows, style[name].samples, step) * share * area)
        style_value = torch.stack(terms).sum() * self.style_weight
        content_value = picture.new_zeros(())
        for name, target in self.terms.content.items():
            content_value = content_value + losses.content(features[name], target) * self.terms.content_weight
        (gradient,) = torch.autograd.grad(style_value + content_value, seen)
        return style_value.detach(), content_value.detach(), gradient

    def _sample_loss(self, rows: Tensor, samples: Tensor, step: int) -> Tensor:
        if self.config.loss == "nearest":
            return losses.nearest(evenly(rows, MOST_SAMPLES), samples)
        if self.config.loss == "sorted":
            return losses.sorted_values(rows, samples.sort(0).values)
        rng = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        directions = torch.randn(rows.shape[1], DIRECTIONS, generator=rng).to(rows)
        return losses.sliced(rows, samples, functional.normalize(directions, dim=0))


def content_weight(config: StyleConfig) -> float:
    """Weight of the content beside the style's: as set at strength 0.5, none at 1, without bound towards 0."""
    return config.weights.content * ((1 - config.strength) / config.strength) ** 2


def scaled(height: int, width: int, factor: float) -> tuple[int, int]:
    """A size times a factor, in whole pixels, at least one."""
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(picture: Tensor, height: int, width: int) -> Tensor:
    """A picture [1, C, H, W] in [0, 1] in another size: bicubic, antialiased."""
    if picture.shape[2:] == (height, width):
        return picture
    return functional.interpolate(picture, (height, width), mode="bicubic", antialias=True).clamp(0, 1)
