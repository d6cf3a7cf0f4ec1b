"""Repaints photographs in one style: a small network that is trained once and then takes a fraction of a second.

Shapes: N pictures, H height, W width, both of any size from 8.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganvas.config import RunConfig, Settings, setting
from ganvas.errors import BadSetting
from ganvas.models import Architecture, Networks, lean

STRIDE = 4  # pixels to a position of its deepest features


class Config(Settings):
    """Size of the network."""

    width: int = setting(16, "Channels at full size; twice and four times as many below.", ge=1)
    blocks: int = setting(5, "Residual blocks at a quarter of the size.", ge=0)


class Conv(nn.Module):
    """A convolution over the picture mirrored at its borders, then each channel brought to a learned mean and size."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, norm: bool = True):
        super().__init__()
        self.pad = nn.ReflectionPad2d(kernel // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=not norm)
        self.norm = nn.InstanceNorm2d(outputs, affine=True) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, H / stride, W / stride], rounded up."""
        out: Tensor = self.norm(self.conv(self.pad(x)))
        return out


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = Conv(width, width, 3), Conv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """[N, width, H, W] to the same."""
        change: Tensor = self.second(self.first(x).relu())
        return x + change


class Stylist(nn.Module):
    """Pictures [N, 3, H, W] in [-1, 1] to repainted ones of the same size, which may reach a little beyond.

    Source: Johnson et al. 2016, supplementary material, arXiv 1603.08155. Differs from the paper: half the channels,
    instance normalisation (Ulyanov et al. 2016, arXiv 1607.08022), nearest-neighbour enlarging before convolutions
    (Odena et al. 2016, doi 10.23915/distill.00003), mirrored borders, no tanh, which darkens.
    """

    def __init__(self, config: Config):
        super().__init__()
        width = config.width
        self.enter = Conv(3, width, 9)
        self.down = nn.ModuleList([Conv(width, 2 * width, 3, 2), Conv(2 * width, 4 * width, 3, 2)])
        self.blocks = nn.Sequential(*(Residual(4 * width) for _ in range(config.blocks)))
        self.up = nn.ModuleList([Conv(4 * width, 2 * width, 3), Conv(2 * width, width, 3)])
        self.leave = Conv(width, 3, 9, norm=False)

    @property
    def reach(self) -> int:
        """Pixels around one that it depends on, besides means and sizes of the whole; a multiple of STRIDE."""
        around = 4 + 1 + 2 + 8 * len(self.blocks) + 3 + 1 + 4  # from the first convolution to the last
        return -(-around // STRIDE) * STRIDE

    def forward(self, pictures: Tensor) -> Tensor:
        """[N, 3, H, W] to [N, 3, H, W]."""
        x = self.enter(pictures).relu()
        sizes = []
        for down in self.down:
            sizes.append(x.shape[2:])
            x = down(x).relu()
        x = self.blocks(x)
        for up in self.up:
            x = up(functional.interpolate(x, size=sizes.pop())).relu()
        painted: Tensor = self.leave(x)
        return painted


def build(config: Config, shape: tuple[int, ...]) -> Networks:
    """The one network; what it is trained on has the given shape, what it repaints may have any."""
    lean.require_pictures(shape, "stylise")
    if shape[0] != 3:
        raise BadSetting(f"stylise repaints colour pictures, got {shape[0]} channels; set data.channels=rgb.")
    stylist = Stylist(config)
    with torch.no_grad():  # begin near grey: large first outputs are hard to come back from
        stylist.leave.conv.weight.mul_(0.1)
    return {"stylist": stylist}


def check(config: RunConfig) -> None:
    """A style is needed."""
    if config.style.picture is None:
        raise BadSetting(
            "stylise needs the picture to learn the style of: ganvas style-train PICTURE, or --set style.picture=FILE."
        )


ARCHITECTURE = Architecture(
    config=Config,
    build=build,
    objective="style",
    sampler="stylist",
    averaged=("stylist",),
    takes="pictures",
    source="Johnson et al. 2016, arXiv 1603.08155",
    check=check,
)
