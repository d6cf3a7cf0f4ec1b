"""The default for pictures: a convolutional pair sized by a compute budget, quick on a CPU.

Thin convolutions at full resolution waste a CPU's time, so both networks do their work at an eighth to a quarter
of the resolution and trade channels for pixels at the picture's edge (pixel shuffle). The generator is
batch-normalised; the discriminator has no normalisation, so that gradient penalties mean what they say.

Shapes: N samples, Z latent size, C channels, H height, W width.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.functional import pad

from ganvas.config import Settings, setting
from ganvas.errors import BadSetting
from ganvas.layers import CropTo
from ganvas.models import Architecture, Networks


class Config(Settings):
    """Sizes of both networks."""

    latent_size: int = setting(64, "Size of the latent vector.", ge=1)
    compute: float = setting(
        6.0, "Compute of each network per 32 x 32 pixels of a picture.", unit="million multiply-adds", gt=0
    )
    width: int | None = setting(None, "Channels at half resolution; by default as many as `compute` allows.", ge=4)
    discriminator_width: int | None = setting(
        None, "Channels of the discriminator at half resolution; by default as many as the generator's.", ge=4
    )


def stages(height: int, width: int) -> int:
    """How often the picture is halved: to a smallest map of about 5 to 10 pixels."""
    return max(1, round(math.log2(min(height, width) / 7.5)))


def chosen_width(config: Config, shape: tuple[int, ...]) -> int:
    """The channels at half resolution: as given, or the most that keep both networks within the compute budget."""
    if config.width is not None:
        return config.width
    budget = config.compute * 1e6 * shape[1] * shape[2] / 1024
    widths = [w for w in range(8, 257, 8) if max(multiply_adds(w, shape)) <= budget]
    return widths[-1] if widths else 8


def multiply_adds(width: int, shape: tuple[int, ...]) -> tuple[float, float]:
    """Multiply-adds of one forward pass of the generator's and the discriminator's convolutions."""
    channels, height, wide = shape
    count = stages(height, wide)
    pixels = -(-height // 2**count) * -(-wide // 2**count)  # of the smallest map, which both networks round up
    generator = sum(
        pixels
        * 4**k
        * 9
        * width
        * 2 ** (count - 1 - k)
        * 4
        * (width * 2 ** (count - 2 - k) if k < count - 1 else channels)
        for k in range(count)
    )
    shuffle = min(2, count)
    first = pixels * 4 ** (count - shuffle) * 9 * channels * 4**shuffle * 2 * width
    down = sum(
        pixels * 4**k * 16 * (2 * width * 2 ** (count - shuffle - 1 - k)) ** 2 * 2 for k in range(count - shuffle)
    )
    last = pixels * 9 * (2 * width * 2 ** (count - shuffle)) ** 2
    return generator, first + down + last


class Generator(nn.Module):
    """Latents [N, Z] to pictures [N, C, H, W] in [-1, 1]."""

    def __init__(self, config: Config, shape: tuple[int, ...]):
        super().__init__()
        channels, height, width = shape
        count = stages(height, width)
        wide = chosen_width(config, shape) * 2 ** (count - 1)
        self.latent_size = config.latent_size
        self.base = (wide, -(-height // 2**count), -(-width // 2**count))
        self.expand = nn.Linear(config.latent_size, math.prod(self.base), bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(wide), nn.ReLU()]
        for _ in range(count - 1):
            layers += [nn.Conv2d(wide, 2 * wide, 3, padding=1, bias=False), nn.PixelShuffle(2)]
            wide //= 2
            layers += [nn.BatchNorm2d(wide), nn.ReLU()]
        layers += [nn.Conv2d(wide, 4 * channels, 3, padding=1), nn.PixelShuffle(2), CropTo(height, width), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, latents: Tensor) -> Tensor:
        """[N, Z] to [N, C, H, W]."""
        # [N, base H, base W, base C] seen as channels last: no copy, and the layout CPUs convolve fastest.
        wide, height, width = self.base
        maps = self.expand(latents).view(-1, height, width, wide).permute(0, 3, 1, 2)
        images: Tensor = self.layers(maps)
        return images


class Features(nn.Module):
    """Pictures [N, C, H, W] to a flat description [N, size] without any normalisation."""

    def __init__(self, config: Config, shape: tuple[int, ...]):
        super().__init__()
        channels, height, width = shape
        count = stages(height, width)
        shuffle = min(2, count)
        wide = 2 * (config.discriminator_width or chosen_width(config, shape))
        self.multiple = 2**count
        layers: list[nn.Module] = [
            nn.PixelUnshuffle(2**shuffle),
            nn.Conv2d(channels * 4**shuffle, wide, 3, padding=1),
            nn.LeakyReLU(0.2),
        ]
        for _ in range(count - shuffle):
            layers += [nn.Conv2d(wide, 2 * wide, 4, 2, 1), nn.LeakyReLU(0.2)]
            wide *= 2
        layers += [nn.Conv2d(wide, wide, 3, padding=1), nn.LeakyReLU(0.2), nn.Flatten()]
        self.layers = nn.Sequential(*layers)
        self.size = wide * -(-height // self.multiple) * -(-width // self.multiple)

    def forward(self, images: Tensor) -> Tensor:
        """[N, C, H, W] to [N, size]."""
        down, right = -images.shape[2] % self.multiple, -images.shape[3] % self.multiple
        if down or right:
            images = pad(images, (0, right, 0, down))
        features: Tensor = self.layers(images)
        return features


class Discriminator(nn.Module):
    """Pictures [N, C, H, W] to logits [N]; with K labels to one for each, [N, K]."""

    def __init__(self, config: Config, shape: tuple[int, ...], labels: int = 1):
        super().__init__()
        self.features = Features(config, shape)
        # No bias: a relativistic loss gives it no gradient, only rounding noise.
        self.head = nn.Linear(self.features.size, labels, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """[N, C, H, W] to [N] or [N, K]."""
        logits: Tensor = self.head(self.features(images)).squeeze(1)
        return logits


def require_pictures(shape: tuple[int, ...], name: str) -> None:
    """Raise BadSetting unless samples are pictures of at least 8 x 8 pixels."""
    if len(shape) != 3 or min(shape[1:]) < 8:
        raise BadSetting(
            f"{name} draws pictures of at least 8 x 8 pixels, got samples of shape {shape}; try model=mlp."
        )


def build(config: Config, shape: tuple[int, ...]) -> Networks:
    """Generator and discriminator for pictures of the given shape."""
    require_pictures(shape, "lean")
    return {"generator": Generator(config, shape), "discriminator": Discriminator(config, shape)}


ARCHITECTURE = Architecture(
    config=Config,
    build=build,
    discriminator=Discriminator,
    source="our own; generator after Radford et al. 2015, loss after Huang et al. 2024 (R3GAN), arXiv 2501.05441",
)
