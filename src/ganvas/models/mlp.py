"""Multi-layer perceptrons, for points in the plane and for small pictures laid out flat.

Shapes: N samples, Z latent size, D values of a sample (2, or C * H * W).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganvas.config import Settings, setting
from ganvas.errors import BadSetting
from ganvas.layers import FourierFeatures, he_normal
from ganvas.models import Architecture, Networks

SLOPE = 0.2  # of LeakyReLU in both networks


class Config(Settings):
    """Sizes of both networks."""

    latent_size: int = setting(2, "Size of the latent vector.", ge=1)
    generator_widths: tuple[Annotated[int, Field(ge=1)], ...] = setting(
        (128, 128, 128), "Units of each hidden layer of the generator."
    )
    discriminator_widths: tuple[Annotated[int, Field(ge=1)], ...] = setting(
        (128, 128, 128), "Units of each hidden layer of the discriminator."
    )
    activation: str = setting("relu", "relu, or leaky for LeakyReLU of slope 0.2.", pattern="^(relu|leaky)$")
    batch_norm: bool = setting(False, "Batch normalisation in the generator's hidden layers.")
    latent_skip: bool = setting(
        False, "Add the latent to the generator's output; needs latents of the size of samples."
    )
    generator_frequencies: int = setting(0, "Random Fourier features of the latent beside it.", ge=0)
    discriminator_frequencies: int = setting(0, "Random Fourier features of the sample beside it.", ge=0)
    lowest_frequency: float = setting(1.0, "Lowest frequency of the discriminator's features.", unit="radians", gt=0)
    highest_frequency: float = setting(20.0, "Highest frequency of the discriminator's features.", unit="radians", gt=0)


def _layers(sizes: list[int], activation: str, batch_norm: bool = False) -> nn.Sequential:
    """Linear layers with activations between them, none after the last."""
    layers: list[nn.Module] = []
    for index, (inside, outside) in enumerate(pairwise(sizes)):
        last = index == len(sizes) - 2
        # A bias before batch normalisation cancels out and would only collect rounding noise.
        layers.append(nn.Linear(inside, outside, bias=last or not batch_norm))
        if not last:
            layers += [nn.BatchNorm1d(outside)] if batch_norm else []
            layers.append(nn.ReLU() if activation == "relu" else nn.LeakyReLU(SLOPE))
    return nn.Sequential(*layers)


class Generator(nn.Module):
    """Latents [N, Z] to samples: points [N, 2], or pictures [N, C, H, W] in [-1, 1]."""

    def __init__(self, config: Config, shape: tuple[int, ...]):
        super().__init__()
        size = math.prod(shape)
        self.latent_size, self.shape, self.skip = config.latent_size, shape, config.latent_skip and len(shape) == 1
        frequencies = config.generator_frequencies
        self.features = FourierFeatures(config.latent_size, frequencies, 0.5, 4.0) if frequencies else nn.Identity()
        inside = config.latent_size + 2 * frequencies
        self.layers = _layers([inside, *config.generator_widths, size], config.activation, config.batch_norm)
        if not config.batch_norm:
            he_normal(self.layers, 0.0 if config.activation == "relu" else SLOPE, last_gain=0.2 if self.skip else 1.0)

    def forward(self, latents: Tensor) -> Tensor:
        """[N, Z] to [N, *shape]."""
        samples: Tensor = self.layers(self.features(latents))
        if self.skip:
            samples = samples + latents
        return samples if len(self.shape) == 1 else samples.tanh().view(-1, *self.shape)


class Discriminator(nn.Module):
    """Samples [N, ...] to logits [N]; with K labels to one for each, [N, K]."""

    def __init__(self, config: Config, shape: tuple[int, ...], labels: int = 1):
        super().__init__()
        size, frequencies = math.prod(shape), config.discriminator_frequencies
        low, high = config.lowest_frequency, config.highest_frequency
        self.features = FourierFeatures(size, frequencies, low, high) if frequencies else nn.Identity()
        self.layers = _layers([size + 2 * frequencies, *config.discriminator_widths, labels], config.activation)
        he_normal(self.layers, 0.0 if config.activation == "relu" else SLOPE)
        # A bias here would shift all logits alike: a relativistic loss gives it no gradient, only rounding noise.
        self.layers[-1].register_parameter("bias", None)

    def forward(self, samples: Tensor) -> Tensor:
        """[N, ...] to [N] or [N, K]."""
        logits: Tensor = self.layers(self.features(samples.flatten(1))).squeeze(1)
        return logits


def build(config: Config, shape: tuple[int, ...]) -> Networks:
    """Generator and discriminator for samples of the given shape."""
    if config.latent_skip and len(shape) == 1 and config.latent_size != shape[0]:
        raise BadSetting(
            f"network.latent_skip adds the latent to a sample of {shape[0]} values, but network.latent_size is "
            f"{config.latent_size}; make it {shape[0]}, or set network.latent_skip=false."
        )
    return {"generator": Generator(config, shape), "discriminator": Discriminator(config, shape)}


ARCHITECTURE = Architecture(
    config=Config, build=build, discriminator=Discriminator, source="Goodfellow et al. 2014, arXiv 1406.2661"
)
