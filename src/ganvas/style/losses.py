"""What style transfer minimises: pure functions of features and of their statistics.

Shapes: C channels, P positions of a layer, K samples. Features are [P, C] or [1, C, H, W]; every loss is a mean over
what it compares, so that a weight means the same at every size. Statistics that are sums over positions (`Sums`) add
up over tiles, and the moments they give mix linearly over styles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-4  # beside variances near 1: below it a square root's slope is no use to anyone


@dataclass(frozen=True)
class Sums:
    """Sums over positions: what tiles, and only tiles, add up.

    Attributes:
        weight: how many positions, or the sum of their mask; a scalar.
        first: sum of features [C].
        second: sum of their outer products [C, C].
    """

    weight: Tensor
    first: Tensor
    second: Tensor

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.weight + other.weight, self.first + other.first, self.second + other.second)

    def moments(self) -> Moments:
        """Means over positions."""
        weight = self.weight.clamp(min=torch.finfo(self.weight.dtype).tiny)
        return Moments(self.first / weight, self.second / weight)


@dataclass(frozen=True)
class Moments:
    """Mean [C] and second raw moment [C, C], the Gram matrix divided by the number of positions.

    Both mix linearly: those of two pictures together are the mean of both. A covariance does not, so it is only ever
    formed from mixed moments.
    """

    mean: Tensor
    second: Tensor

    @property
    def covariance(self) -> Tensor:
        """[C, C]."""
        return self.second - torch.outer(self.mean, self.mean)

    @cached_property
    def root(self) -> Tensor:
        """Symmetric square root of the covariance with EPSILON on its diagonal [C, C], without a gradient."""
        jitter = EPSILON * torch.eye(len(self.mean), dtype=self.mean.dtype, device=self.mean.device)
        values, vectors = torch.linalg.eigh((self.covariance + jitter).detach())
        root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.mT
        return root

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of each channel [C]; smooth at 0."""
        variance = self.second.diagonal() - self.mean.square()
        return (variance.clamp(min=0) + EPSILON).sqrt()


def sums(features: Tensor, mask: Tensor | None = None) -> Sums:
    """Sums of features [1, C, H, W] over positions.

    Args:
        features: of one picture or tile.
        mask: how much each position counts, [H, W] or [1, 1, H, W] in [0, 1]; all alike by default.
    """
    rows = positions(features)
    if mask is None:
        return Sums(rows.new_tensor(float(len(rows))), rows.sum(0), rows.mT @ rows)
    weights = mask.reshape(-1, 1).to(rows.dtype)
    return Sums(weights.sum(), (rows * weights).sum(0), rows.mT @ (rows * weights))


def moments(features: Tensor, mask: Tensor | None = None) -> Moments:
    """Mean and second raw moment of features [1, C, H, W]; see `sums`."""
    return sums(features, mask).moments()


def mix(parts: Sequence[tuple[float, Moments]]) -> Moments:
    """Moments of several pictures as of one, by weights, which need not add up to 1.

    Raises:
        ZeroDivisionError: when all weights are 0.
    """
    total = sum(abs(weight) for weight, _ in parts)
    shares = [(weight / total, part) for weight, part in parts]
    mean = torch.stack([share * part.mean for share, part in shares]).sum(0)
    return Moments(mean, torch.stack([share * part.second for share, part in shares]).sum(0))


def positions(features: Tensor) -> Tensor:
    """Features [1, C, H, W] as one row a position [P, C]; a view where the channels lie last in memory."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def content(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of features.

    Source: Gatys et al. 2016, equation 1; here a mean
    """
    return functional.mse_loss(features, target)


def total_variation(images: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels: a third of the axes' and a twelfth of the diagonals', doubled.

    Args:
        images: [N, 3, H, W].

    Source: the isotropic form of crowsonkb/style-transfer-pytorch
    """
    padded = functional.pad(images, (1, 1, 1, 1), "replicate")
    inner = padded[:, :, 1:-1, 1:-1]
    axes = (padded[:, :, 1:-1, 2:] - inner).square().mean() + (padded[:, :, 2:, 1:-1] - inner).square().mean()
    diagonals = (padded[:, :, 2:, 2:] - inner).square().mean() + (padded[:, :, 2:, :-2] - inner).square().mean()
    return 2 * (axes / 3 + diagonals / 12)


def departure(images: Tensor, known: Tensor, believed: Tensor) -> Tensor:
    """Mean squared difference from a picture that is known, where it is believed: what keeps a film from flickering.

    Args:
        images: [1, 3, H, W].
        known: [1, 3, H, W], the painting before, moved to where things are now.
        believed: how much each pixel counts [1, 1, H, W] in [0, 1].

    Source: Ruder et al. 2016, equation 6, arXiv 1604.08610
    """
    return (believed * (images - known).square()).mean()


def out_of_range(images: Tensor) -> Tensor:
    """Mean squared excess of pixels [N, 3, H, W] over 1 and under 0, which files cut off."""
    return (images - images.clamp(0, 1)).square().mean()


def gram(found: Moments, target: Moments) -> Tensor:
    """Mean squared error of second raw moments.

    Source: Gatys et al. 2016, equations 3-5; here a mean over matrix and positions
    """
    return functional.mse_loss(found.second, target.second)


def mean_deviation(found: Moments, target: Moments) -> Tensor:
    """Mean squared error of each channel's mean and standard deviation.

    Source: Huang & Belongie 2017, equation 13, arXiv 1703.06868
    """
    return functional.mse_loss(found.mean, target.mean) + functional.mse_loss(found.deviation, target.deviation)


def wasserstein(found: Moments, target: Moments) -> Tensor:
    """Squared 2-Wasserstein distance between the normal distributions with these moments, per channel.

    Mean of (m - m*)^2 plus the mean diagonal of S + S* - 2 (S*^1/2 S S*^1/2)^1/2, S being the covariance with
    EPSILON on its diagonal. The trace of a root is the sum of the roots of the eigenvalues, whose gradient is exact
    and stays finite where eigenvalues coincide.

    Source: Dowson & Landau 1982, equation 4; as a style loss: crowsonkb/style-transfer-pytorch
    """
    here, root = found.covariance, target.root
    jitter = EPSILON * torch.eye(len(here), dtype=here.dtype, device=here.device)
    values = torch.linalg.eigvalsh(root @ (here + jitter) @ root)
    floor = torch.finfo(values.dtype).eps * values.detach().max().clamp(min=EPSILON**2)  # below is rounding alone
    traces = here.diagonal().mean() + target.covariance.diagonal().mean() + 2 * EPSILON
    spread: Tensor = traces - 2 * values.clamp(min=float(floor)).sqrt().mean()
    return (found.mean - target.mean).square().mean() + spread


def sorted_values(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference between each channel's values in order and the target's: exact matching of marginals.

    Args:
        features: [P, C].
        target: values of each channel in order [K, C]; brought to P values by linear interpolation.

    Source: Zhang et al. 2022 (EFDM), equation 5, arXiv 2203.07740
    """
    return functional.mse_loss(features.sort(0).values, quantiles(target, len(features)))


def quantiles(ordered: Tensor, count: int) -> Tensor:
    """Values in order [K, C] as `count` values in order [count, C], at evenly spaced shares, linearly between them."""
    if len(ordered) == count:
        return ordered
    at = ((torch.arange(count, device=ordered.device) + 0.5) * (len(ordered) / count) - 0.5).clamp(0, len(ordered) - 1)
    low = at.floor().long()
    high = (low + 1).clamp(max=len(ordered) - 1)
    return torch.lerp(ordered[low], ordered[high], (at - low).to(ordered.dtype)[:, None])


def sliced(features: Tensor, target: Tensor, directions: Tensor) -> Tensor:
    """Mean squared difference of features and target seen along several directions, sorted.

    Args:
        features: [P, C].
        target: features of the style [K, C].
        directions: unit vectors [C, D], drawn anew at every step.

    Source: Heitz et al. 2021, equation 4, arXiv 2006.07229
    """
    return sorted_values(features @ directions, (target @ directions).sort(0).values)


def nearest(features: Tensor, target: Tensor) -> Tensor:
    """Mean cosine distance of each feature to the style's feature that lies nearest, about the style's mean.

    Args:
        features: [P, C].
        target: features of the style [K, C].

    Source: Kolkin et al. 2022 (NNST), equation 2, arXiv 2203.13215
    """
    centre = target.mean(0)
    here, there = functional.normalize(features - centre, dim=1), functional.normalize(target - centre, dim=1)
    with torch.no_grad():
        chosen = torch.cat([(part @ there.mT).argmax(1) for part in torch.split(here, 4096)])
    return 1 - (here * there[chosen]).sum(1).mean()


MomentLoss = Callable[[Moments, Moments], Tensor]
MOMENT_LOSSES: dict[str, MomentLoss] = {"gram": gram, "wasserstein": wasserstein, "mean-deviation": mean_deviation}
SAMPLE_LOSSES = ("sorted", "sliced", "nearest")  # compare features themselves, so no tile can be done without the rest
LOSSES = (*MOMENT_LOSSES, *SAMPLE_LOSSES)

# Factors that make one weight of the style keep about as much of the content, whichever loss it is.
LOUDNESS = {"gram": 1.0, "wasserstein": 0.2, "mean-deviation": 0.7, "sorted": 0.5, "sliced": 0.7, "nearest": 0.6}
