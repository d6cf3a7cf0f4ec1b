"""Variational autoencoder, the baseline that cannot collapse: an encoder and a decoder trained in one phase.

Shapes: N samples, Z latent size, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganvas.config import Settings, setting
from ganvas.models import Architecture, Networks, lean, mlp


class Config(Settings):
    """Sizes of both networks."""

    latent_size: int = setting(32, "Size of the latent vector.", ge=1)
    compute: float = setting(
        6.0, "Compute of each network per 32 x 32 pixels of a picture.", unit="million multiply-adds", gt=0
    )
    widths: tuple[int, ...] = setting((128, 128), "Units of each hidden layer, for points.")


class Encoder(nn.Module):
    """Samples [N, ...] to mean and log-variance [N, Z] each, side by side."""

    def __init__(self, config: Config, shape: tuple[int, ...]):
        super().__init__()
        if len(shape) == 3:
            features = lean.Features(lean.Config(compute=config.compute), shape)
            self.layers = nn.Sequential(features, nn.Linear(features.size, 2 * config.latent_size))
        else:
            self.layers = nn.Sequential()
            size = shape[0]
            for width in config.widths:
                self.layers.extend([nn.Linear(size, width), nn.ReLU()])
                size = width
            self.layers.append(nn.Linear(size, 2 * config.latent_size))

    def forward(self, samples: Tensor) -> Tensor:
        """[N, ...] to [N, 2Z]."""
        statistics: Tensor = self.layers(samples)
        return statistics


class Decoder(nn.Module):
    """Latents [N, Z] to samples, with the learned log-variance of the error, one number for all values."""

    def __init__(self, config: Config, shape: tuple[int, ...]):
        super().__init__()
        self.latent_size = config.latent_size
        self.log_variance = nn.Parameter(torch.zeros(()))
        if len(shape) == 3:
            sizes = lean.Config(latent_size=config.latent_size, compute=config.compute)
            self.layers: nn.Module = lean.Generator(sizes, shape)
        else:
            self.layers = mlp.Generator(
                mlp.Config(latent_size=config.latent_size, generator_widths=config.widths), shape
            )

    def forward(self, latents: Tensor) -> Tensor:
        """[N, Z] to [N, ...]."""
        samples: Tensor = self.layers(latents)
        return samples


def build(config: Config, shape: tuple[int, ...]) -> Networks:
    """Encoder and decoder for samples of the given shape."""
    if len(shape) == 3:
        lean.require_pictures(shape, "vae")
    return {"encoder": Encoder(config, shape), "decoder": Decoder(config, shape)}


ARCHITECTURE = Architecture(
    config=Config,
    build=build,
    objective="vae",
    sampler="decoder",
    averaged=("decoder",),
    source="Kingma & Welling 2013, arXiv 1312.6114",
)
