"""Building blocks that several architectures share.

Shapes: N samples, C channels, H height, W width, D values of a point, K frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class FourierFeatures(nn.Module):
    """Points [N, D] beside the sines and cosines of fixed random projections: [N, D + 2K].

    Frequencies are log-uniform between `low` and `high` radians per unit; in two dimensions their directions are
    spread evenly over half a turn, so that no direction is left out by chance.

    Source: Tancik et al. 2020, section 4, arXiv 2006.10739. Differs from the paper: log-uniform, spread directions.
    """

    projections: Tensor

    def __init__(self, size: int, count: int, low: float, high: float):
        super().__init__()
        radius = low * (high / low) ** torch.rand(count)
        if size == 2:
            angle = math.pi * (torch.arange(count) + torch.rand(count)) / max(count, 1)
            direction = torch.stack([angle.cos(), angle.sin()])
        else:
            direction = nn.functional.normalize(torch.randn(size, count), dim=0)
        self.register_buffer("projections", direction * radius)
        self.out_size = size + 2 * count

    def forward(self, points: Tensor) -> Tensor:
        """[N, D] to [N, D + 2K]."""
        angles = points @ self.projections
        return torch.cat([points, angles.sin(), angles.cos()], 1)


class DeviationHead(nn.Module):
    """The last layer of a discriminator with one feature more: how much the samples of a group differ.

    The deviation over the group, averaged over all features, is a map without structure; beside the input of a linear
    layer it adds a learned multiple of itself to the output. Groups are samples k, k + N / G, k + 2 N / G, ..., which
    are the same samples in one process and spread over several.

    Source: Karras et al. 2018, section 3, arXiv 1710.10196
    """

    def __init__(self, head: nn.Module, group: int):
        super().__init__()
        self.head, self.group = head, group
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, ...] to outputs [N, ...] of the head."""
        outputs: Tensor = self.head(features)
        told = self.weight * deviation(features, self.group)
        return outputs + told.view(-1, *[1] * (outputs.ndim - 1))


def deviation(features: Tensor, group: int) -> Tensor:
    """Standard deviation over groups of at most `group` samples, averaged over the features: [N, ...] to [N]."""
    size = math.gcd(len(features), group)
    grouped = features.flatten(1).view(size, len(features) // size, -1)
    # The small constant keeps the root differentiable where the samples of a group are the same.
    spread = (grouped - grouped.mean(0)).square().mean(0).add(1e-8).sqrt().mean(1)
    return spread.repeat(size)


def add_deviation(discriminator: nn.Module, group: int) -> None:
    """Put a DeviationHead in place of the last linear or convolutional layer."""
    ends = [name for name, m in discriminator.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    parent, _, name = ends[-1].rpartition(".")
    owner = discriminator.get_submodule(parent)
    setattr(owner, name, DeviationHead(owner.get_submodule(name), group))


def packed(samples: Tensor, count: int) -> Tensor:
    """Samples [N, C, ...] side by side on their channels, `count` to a pack: [N / count, count C, ...].

    Pack k holds samples k, k + N / count, ..., which are the same in one process and spread over several.

    Source: Lin et al. 2018, section 2, arXiv 1712.04086
    """
    return torch.cat(samples.chunk(count), dim=1) if count > 1 else samples


class CropTo(nn.Module):
    """Pictures [N, C, H, W] cut in the middle to a given height and width."""

    def __init__(self, height: int, width: int):
        super().__init__()
        self.height, self.width = height, width

    def forward(self, images: Tensor) -> Tensor:
        """[N, C, H, W] to [N, C, height, width]."""
        top, left = (images.shape[2] - self.height) // 2, (images.shape[3] - self.width) // 2
        return images[:, :, top : top + self.height, left : left + self.width]


def halvings(height: int, width: int, smallest: int) -> list[tuple[int, int]]:
    """The sizes met when a picture is halved, rounding up, until its shorter side is at most `smallest`.

    >>> halvings(28, 28, 4)
    [(28, 28), (14, 14), (7, 7), (4, 4)]
    """
    sizes = [(height, width)]
    while min(sizes[-1]) > smallest:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def he_normal(network: nn.Module, slope: float, last_gain: float = 1.0) -> None:
    """Draw linear layers from He et al.'s normal distribution, biases zero; the last is N(0, gain^2 / fan-in).

    Source: He et al. 2015, equation 14, arXiv 1502.01852
    """
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for layer in linear:
        nn.init.kaiming_normal_(layer.weight, a=slope)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    nn.init.normal_(linear[-1].weight, 0, last_gain / math.sqrt(linear[-1].in_features))


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The batch normalisations of a network."""
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


@torch.no_grad()
def recompute_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the running statistics of batch normalisation to those of the given inputs, averaged over the batches.

    The running average of a generator's weights has never seen data of its own: without this its statistics belong
    to other weights.
    """
    norms = batch_norms(network)
    momenta = [norm.momentum for norm in norms]
    training = network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
    network.train()
    for batch in batches:
        network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(training)


@torch.no_grad()
def silent_units(network: nn.Module, rows: Tensor) -> float | None:
    """Share of units that give zero for all of the rows, of the ReLU that has most of them; None without a ReLU.

    The network is looked at in evaluation, so that its batch statistics stay as they are. A unit is a channel of
    feature maps [N, C, H, W], or a feature of [N, F].
    """
    shares: list[float] = []

    def look(module: nn.Module, given: tuple[Tensor, ...], values: Tensor) -> None:
        highest = values.amax((0, *range(2, values.ndim)))
        shares.append(float((highest <= 0).float().mean()))

    hooks = [m.register_forward_hook(look) for m in network.modules() if isinstance(m, nn.ReLU)]
    training = network.training
    network.eval()
    try:
        network(rows)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return max(shares, default=None)
