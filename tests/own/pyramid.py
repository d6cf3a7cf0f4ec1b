"""A pair over several scales at once: samples are lists of pictures, the largest last.

Shapes: N pictures of 4 x 4, 8 x 8 and 16 x 16 pixels.
"""

from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from ganvas.config import Settings, setting
from ganvas.models import Architecture


class Config(Settings):
    latent_size: int = setting(4, "Size of the latent vector.", ge=1)


class Generator(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        self.latent_size = config.latent_size
        self.base = nn.Linear(config.latent_size, 4 * 16)
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.paint = nn.ModuleList(nn.Conv2d(4, shape[0], 1) for _ in range(3))

    def forward(self, latents):
        maps, made = self.base(latents).view(-1, 4, 4, 4), []
        for level in range(3):
            maps = self.layers[level](interpolate(maps, scale_factor=2) if level else maps).relu()
            made.append(self.paint[level](maps).tanh())
        return made


class Discriminator(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        self.read = nn.ModuleList(nn.Conv2d(shape[0], 4, 3, padding=1) for _ in range(3))
        self.head = nn.Linear(64, 1, bias=False)

    def forward(self, images):
        maps = 0
        for level in (2, 1, 0):
            maps = (maps + self.read[level](images[level])).tanh()
            maps = avg_pool2d(maps, 2) if level else maps
        return self.head(maps.flatten(1)).squeeze(1)


def build(config, shape):
    return {"generator": Generator(config, shape), "discriminator": Discriminator(config, shape)}


def real_view(networks, real):
    return [avg_pool2d(real, 4), avg_pool2d(real, 2), real]


ARCHITECTURE = Architecture(
    config=Config,
    build=build,
    real_view=real_view,
    source="Karnewar & Wang 2019 (MSG-GAN), arXiv 1903.06048, in miniature",
)
"""What the loop asks for."""
