"""A pair that grows from 4 x 4 to 8 x 8 to 16 x 16 pixels with the position, in miniature.

Shapes: N pictures, C channels; the size of the pictures that the networks see is 4 * 2 ** stage.
"""

from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from ganvas.config import Settings, setting
from ganvas.models import Architecture

GROW_EVERY = 24  # images


class Config(Settings):
    latent_size: int = setting(4, "Size of the latent vector.", ge=1)


class Generator(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        self.latent_size, self.stage, self.full = config.latent_size, 0, shape[1]
        self.base = nn.Linear(config.latent_size, 4 * 16)
        self.grow = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(2))
        self.paint = nn.ModuleList(nn.Conv2d(4, shape[0], 1) for _ in range(3))

    def forward(self, latents):
        maps = self.base(latents).view(-1, 4, 4, 4)
        for layer in self.grow[: self.stage]:
            maps = layer(interpolate(maps, scale_factor=2)).relu()
        return self.paint[self.stage](maps).tanh()


class Discriminator(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        self.stage = 0
        self.read = nn.ModuleList(nn.Conv2d(shape[0], 4, 1) for _ in range(3))
        self.shrink = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(2))
        self.head = nn.Linear(64, 1, bias=False)

    def forward(self, images):
        maps = self.read[self.stage](images)
        for layer in reversed(self.shrink[: self.stage]):
            maps = avg_pool2d(layer(maps), 2).tanh()
        return self.head(maps.flatten(1)).squeeze(1)


def build(config, shape):
    return {"generator": Generator(config, shape), "discriminator": Discriminator(config, shape)}


def set_position(networks, images_seen):
    for network in networks.values():
        network.stage = min(2, images_seen // GROW_EVERY)


def real_view(networks, real):
    return avg_pool2d(real, 2 ** (2 - networks["generator"].stage))


ARCHITECTURE = Architecture(
    config=Config,
    build=build,
    set_position=set_position,
    real_view=real_view,
    source="Karras et al. 2018, arXiv 1710.10196, in miniature",
)
"""What the loop asks for."""
