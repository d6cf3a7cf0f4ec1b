"""How near a painting is to its photograph and to its style, as a network sees it that did not paint it.

Painting moves features of VGG-19, so VGG-19 cannot be asked whether it went well. EfficientNet-lite0 is asked, which
has other weights and another structure, at the end of each of its first five stages. Each is divided by its root mean
square over photographs, so that none outweighs the others.

Shapes: C channels of a level, H height, W width. Pictures are float [1, 3, H, W], sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional

from ganvas.errors import check_shape
from ganvas.metrics import distances, efficientnet
from ganvas.style import losses
from ganvas.style.losses import Moments

LEVELS = (0, 2, 4, 7, 10)  # blocks that end a stage
NETWORK = f"efficientnet-lite0 blocks {', '.join(map(str, LEVELS))}"
SHA256 = efficientnet.SHA256
# Root mean squares over the photographs that PHOTOS_RMS in style/network.py is from.
RMS = (6.26, 8.42, 7.37, 6.61, 6.37)


@dataclass(frozen=True)
class Seen:
    """What the network sees in one picture.

    Attributes:
        maps: features [1, C, H / stride, W / stride] of each level, RMS about 1 for photographs.
    """

    maps: tuple[Tensor, ...]

    @cached_property
    def moments(self) -> tuple[Moments, ...]:
        """Mean and second raw moment over positions at each level, float64."""
        return tuple(losses.moments(level.double()) for level in self.maps)


@lru_cache(maxsize=1)
def _network() -> efficientnet.EfficientNet:
    return efficientnet.EfficientNet(efficientnet.read(), blocks=LEVELS[-1] + 1)


@torch.no_grad()
def look(picture: Tensor) -> Seen:
    """Features of a picture [1, 3, H, W].

    Raises:
        BadShape: for anything else.
        UserError: when the network's file is missing or not the known one.
    """
    check_shape(picture, "1 3 H W", "picture")
    maps = list(islice(_network().maps(255 * picture.float()), LEVELS[-1] + 1))
    return Seen(tuple(maps[level] / rms for level, rms in zip(LEVELS, RMS, strict=True)))


def mixed(styles: Sequence[tuple[Moments, ...]]) -> tuple[Moments, ...]:
    """Moments of several pictures, level by level, as of one."""
    return tuple(losses.mix([(1.0, part) for part in level]) for level in zip(*styles, strict=True))


def content(painting: Seen, photograph: Seen) -> float:
    """Mean squared error of the deepest features: whether what was there is still there.

    Source: Gatys et al. 2016, equation 1; on another network, here a mean
    """
    return float(losses.content(painting.maps[-1], photograph.maps[-1]))


def perceptual(painting: Seen, photograph: Seen) -> float:
    """Mean squared distance of unit-length features, position by position and level by level, from 0 to 4.

    Source: Zhang et al. 2018 (LPIPS), equation 1, arXiv 1801.03924. Differs from the paper: another network, no learnt
    weights of channels, a mean over levels.
    """
    apart = []
    for one, other in zip(painting.maps, photograph.maps, strict=True):
        apart.append((functional.normalize(one) - functional.normalize(other)).square().sum(1).mean())
    return float(torch.stack(apart).mean())


def gram(painting: tuple[Moments, ...], style: tuple[Moments, ...]) -> float:
    """Mean over levels of the mean squared error of Gram matrices; see losses.gram."""
    return _mean(losses.gram, painting, style)


def wasserstein(painting: tuple[Moments, ...], style: tuple[Moments, ...]) -> float:
    """Mean over levels of the squared 2-Wasserstein distance per channel; see losses.wasserstein."""
    return max(0.0, _mean(losses.wasserstein, painting, style))  # rounding can leave a picture a hair below 0


def _mean(loss: losses.MomentLoss, one: tuple[Moments, ...], other: tuple[Moments, ...]) -> float:
    return float(torch.stack([loss(*pair) for pair in zip(one, other, strict=True)]).mean())


def frechet(paintings: Sequence[Moments], styles: Sequence[Moments]) -> float:
    """Frechet distance between the deepest features at all positions of some paintings and of some styles.

    Args:
        paintings: moments of each at the deepest level.
        styles: the same of each style.

    Positions are many even in one picture, so it needs no large sets, as the distance between whole pictures does.

    Source: Shaham et al. 2019 (SIFID), section 3.1, arXiv 1905.01164. Differs from the paper: another network.
    """
    whole = [losses.mix([(1.0, part) for part in parts]) for parts in (paintings, styles)]
    one, other = (distances.Moments(len(part.mean), part.mean.numpy(), part.covariance.numpy()) for part in whole)
    return distances.frechet_distance(one, other)
