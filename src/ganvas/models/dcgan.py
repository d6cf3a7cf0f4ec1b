"""Deep convolutional GAN: strided convolutions and batch normalisation, as in the paper, for pictures of any size.

Shapes: N samples, Z latent size, C channels, H height, W width.
"""

from __future__ import annotations

from torch import Tensor, nn

from ganvas.config import RunConfig, Settings, setting
from ganvas.errors import BadSetting
from ganvas.layers import CropTo, halvings
from ganvas.models import Architecture, Networks


class Config(Settings):
    """Sizes of both networks."""

    latent_size: int = setting(100, "Size of the latent vector.", ge=1)
    width: int = setting(64, "Channels next to the picture; they double with every halving.", ge=1)
    discriminator_norm: bool = setting(True, "Batch normalisation in the discriminator; no gradient penalty then.")


def _initialise(network: nn.Module) -> None:
    """Weights N(0, 0.02), scales of batch normalisation N(1, 0.02), as in section 4 of the paper."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)


class Generator(nn.Module):
    """Latents [N, Z] to pictures [N, C, H, W] in [-1, 1]."""

    def __init__(self, config: Config, shape: tuple[int, ...]):
        super().__init__()
        channels, height, width = shape
        sizes = halvings(height, width, smallest=4)[::-1]
        wide = config.width * 2 ** (len(sizes) - 2)
        self.latent_size = config.latent_size
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(config.latent_size, wide, sizes[0], bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        ]
        for size in sizes[1:-1]:
            layers += [
                nn.ConvTranspose2d(wide, wide // 2, 4, 2, 1, bias=False),
                CropTo(*size),
                nn.BatchNorm2d(wide // 2),
                nn.ReLU(),
            ]
            wide //= 2
        layers += [nn.ConvTranspose2d(wide, channels, 4, 2, 1, bias=False), CropTo(height, width), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        _initialise(self)

    def forward(self, latents: Tensor) -> Tensor:
        """[N, Z] to [N, C, H, W]."""
        images: Tensor = self.layers(latents[:, :, None, None])
        return images


class Discriminator(nn.Module):
    """Pictures [N, C, H, W] to logits [N]; with K labels to one for each, [N, K]."""

    def __init__(self, config: Config, shape: tuple[int, ...], labels: int = 1):
        super().__init__()
        channels, height, width = shape
        wide = config.width
        layers: list[nn.Module] = [nn.Conv2d(channels, wide, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        height, width = height // 2, width // 2
        while min(height, width) > 4:
            layers.append(nn.Conv2d(wide, 2 * wide, 4, 2, 1, bias=not config.discriminator_norm))
            layers += [nn.BatchNorm2d(2 * wide)] if config.discriminator_norm else []
            layers.append(nn.LeakyReLU(0.2))
            wide, height, width = 2 * wide, height // 2, width // 2
        layers.append(nn.Conv2d(wide, labels, (height, width), bias=False))
        self.layers = nn.Sequential(*layers)
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """[N, C, H, W] to [N] or [N, K]."""
        logits: Tensor = self.layers(images).flatten(1).squeeze(1)
        return logits


def build(config: Config, shape: tuple[int, ...]) -> Networks:
    """Generator and discriminator for pictures of the given shape."""
    if len(shape) != 3 or min(shape[1:]) < 8:
        raise BadSetting(f"dcgan draws pictures of at least 8 x 8 pixels, got samples of shape {shape}; try model=mlp.")
    return {"generator": Generator(config, shape), "discriminator": Discriminator(config, shape)}


def check(config: RunConfig) -> None:
    """Refuse gradient penalties together with batch normalisation in the discriminator."""
    norm = Config.model_validate(config.network).discriminator_norm
    penalties = {
        "loss.r1": config.loss.r1,
        "loss.r2": config.loss.r2,
        "loss.gradient_penalty": config.loss.gradient_penalty,
    }
    wanted = [name for name, weight in penalties.items() if weight]
    if norm and wanted:
        raise BadSetting(
            f"{' and '.join(wanted)} penalise each sample's own gradient, which batch normalisation in the "
            "discriminator mixes with the others'; set network.discriminator_norm=false, or the penalties to 0."
        )


ARCHITECTURE = Architecture(
    config=Config,
    build=build,
    discriminator=Discriminator,
    independent=False,
    check=check,
    source="Radford et al. 2015, arXiv 1511.06434",
)
