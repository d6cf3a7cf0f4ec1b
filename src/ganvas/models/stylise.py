"""Repaints photographs in one style: a small network that is trained once and then takes a fraction of a second.

Shapes: N pictures, H height, W width, both of any size from 8.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganvas.config import RunConfig, Settings, setting
from ganvas.errors import BadSetting
from ganvas.models import Architecture, Networks, lean

FLAT = 1e-5  # added to the variance of a channel
RIDGE = 1e-3  # added to its correlation with itself


class Config(Settings):
    """Size of the network."""

    width: int = setting(16, "Channels at full size; twice as many each time that it is halved.", ge=1)
    halvings: int = setting(2, "How often the size is halved on the way down: more make larger strokes.", ge=1, le=3)
    blocks: int = setting(5, "Residual blocks at the smallest size.", ge=0)
    late_blocks: int = setting(0, "Residual blocks on the way up, at twice the smallest size.", ge=0)
    shortcuts: bool = setting(False, "Show the way up what the way down has seen of each size.")
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

    Source: Johnson et al. 2016, supplementary material, arXiv 1603.08155; shortcuts: Ronneberger et al. 2015, arXiv
    1505.04597. Differs from the papers: half the channels, instance normalisation (Ulyanov et al. 2016, arXiv
    1607.08022), whitening before it where asked for, nearest-neighbour enlarging before convolutions (Odena et al.
    2016, doi 10.23915/distill.00003), mirrored borders, no tanh, which darkens.
    """

    def __init__(self, config: Config):
        super().__init__()
        white, self.shortcuts = config.whitening, config.shortcuts
        wide = [config.width * 2**level for level in range(config.halvings + 1)]
        self.enter = Conv(3, wide[0], 9, whitening=white)
        self.down = nn.ModuleList([Conv(here, below, 3, 2, whitening=white) for here, below in pairwise(wide)])
        self.blocks = nn.Sequential(*(Residual(wide[-1], white) for _ in range(config.blocks)))
        self.up = nn.ModuleList(
            [
                Conv(below + (here if config.shortcuts else 0), here, 3, whitening=white)
                for here, below in reversed(list(pairwise(wide)))
            ]
        )
        self.late_blocks = nn.Sequential(*(Residual(wide[-2], white) for _ in range(config.late_blocks)))
        self.leave = Conv(wide[0], 3, 9, norm=False)

    @property
    def stride(self) -> int:
        """Pixels from one position of its deepest features to the next."""
        return int(2 ** len(self.down))

    @property
    def reach(self) -> int:
        """Pixels around one that it depends on, besides what is measured on the whole; a multiple of its stride."""
        down = up = self.stride - 1  # a position at each size
        blocks = 2 * self.stride * len(self.blocks) + self.stride * len(self.late_blocks)
        around = 4 + down + blocks + 2 * up + 4  # enlarging moves by a position, too
        return -(-around // self.stride) * self.stride

    def forward(self, pictures: Tensor) -> Tensor:
        """[N, 3, H, W] to [N, 3, H, W]."""
        x = self.enter(pictures).relu()
        passed = []
        for down in self.down:
            passed.append(x)
            x = down(x).relu()
        x = self.blocks(x)
        for number, up in enumerate(self.up):
            seen = passed.pop()
            x = functional.interpolate(x, size=seen.shape[2:])
            x = up(torch.cat([x, seen], 1) if self.shortcuts else x).relu()
            x = self.late_blocks(x) if number == 0 else x
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
