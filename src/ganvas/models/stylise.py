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
FLAT = 1e-5  # added to the variance of a channel
RIDGE = 1e-3  # added to its correlation with itself


class Config(Settings):
    """Size of the network."""

    width: int = setting(16, "Channels at full size; twice and four times as many below.", ge=1)
    blocks: int = setting(5, "Residual blocks at a quarter of the size.", ge=0)
    whitening: int = setting(
        0, "Newton steps towards channels that are uncorrelated within a picture, after each convolution.", ge=0, le=20
    )


class Whitening(nn.Module):
    """The channels of a picture made nearly uncorrelated, each of mean 0 and about size 1.

    A style is a matrix of correlations, and photographs bring their own; where these are taken out, the network need
    not learn to, and learns the style sooner. The inverse root of the correlations is approached from below by a few
    of Newton's steps, so weak directions, which are noise, are not blown up.

    Source: Huang et al. 2019, section 3.2, arXiv 1904.03441, but by coupled steps (Newton-Schulz; Higham 2008,
    Functions of Matrices, chapter 6), which rounding does not upset; of each picture by itself: Pan et al. 2019,
    arXiv 1904.09739
    """

    def __init__(self, steps: int):
        super().__init__()
        self.steps, self.holding = steps, False
        self.held: tuple[Tensor, Tensor] | None = None

    def hold(self) -> None:
        """From now on, use what is measured on the next pictures, all of them together."""
        self.holding, self.held = True, None

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to the same."""
        rows = x.flatten(2)
        if self.holding and self.held is None:
            self.held = self.measured(rows.transpose(0, 1).flatten(1)[None])
        mean, matrix = self.held or self.measured(rows)
        return (matrix @ (rows - mean)).view_as(x)

    def measured(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Means [N, C, 1], and the matrices [N, C, C] that whiten, of values [N, C, P]."""
        mean = rows.mean(2, keepdim=True)
        centred = rows - mean
        covariance = centred @ centred.mT / rows.shape[2]
        size = (covariance.diagonal(dim1=1, dim2=2) + FLAT).rsqrt()
        same = torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
        # Between 0 and 1 for Newton's method: no eigenvalue of correlations is above their number.
        root = (covariance * size[:, :, None] * size[:, None] + RIDGE * same) / (rows.shape[1] * (1 + RIDGE))
        inverse = same
        for _ in range(self.steps):  # the root too, or rounding errors would grow
            step = 1.5 * same - 0.5 * inverse @ root
            root, inverse = root @ step, step @ inverse
        return mean, inverse * size[:, None]


class Conv(nn.Module):
    """A convolution over the picture mirrored at its borders, then each channel brought to a learned mean and size."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, norm: bool = True, whitening: int = 0):
        super().__init__()
        self.pad = nn.ReflectionPad2d(kernel // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=not norm)
        self.whiten = Whitening(whitening) if whitening else nn.Identity()
        self.norm = nn.InstanceNorm2d(outputs, affine=True) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, H / stride, W / stride], rounded up."""
        out: Tensor = self.norm(self.whiten(self.conv(self.pad(x))))
        return out


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int, whitening: int):
        super().__init__()
        self.first, self.second = (Conv(width, width, 3, whitening=whitening) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """[N, width, H, W] to the same."""
        change: Tensor = self.second(self.first(x).relu())
        return x + change


class Stylist(nn.Module):
    """Pictures [N, 3, H, W] in [-1, 1] to repainted ones of the same size, which may reach a little beyond.

    Source: Johnson et al. 2016, supplementary material, arXiv 1603.08155. Differs from the paper: half the channels,
    instance normalisation (Ulyanov et al. 2016, arXiv 1607.08022), whitening before it where asked for,
    nearest-neighbour enlarging before convolutions (Odena et al. 2016, doi 10.23915/distill.00003), mirrored borders,
    no tanh, which darkens.
    """

    def __init__(self, config: Config):
        super().__init__()
        width, white = config.width, config.whitening
        self.enter = Conv(3, width, 9, whitening=white)
        self.down = nn.ModuleList([Conv(n * width, 2 * n * width, 3, 2, whitening=white) for n in (1, 2)])
        self.blocks = nn.Sequential(*(Residual(4 * width, white) for _ in range(config.blocks)))
        self.up = nn.ModuleList([Conv(2 * n * width, n * width, 3, whitening=white) for n in (2, 1)])
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
