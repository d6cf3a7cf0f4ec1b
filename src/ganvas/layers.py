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
