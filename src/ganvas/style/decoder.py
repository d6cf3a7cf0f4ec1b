"""The way back from VGG features to a picture: four small networks, each from one level to the next shallower one.

Shapes: N pictures, H height, W width. Levels are relu4_1, relu3_1, relu2_1, relu1_1 and the picture itself, with 512,
256, 128, 64 and 3 channels at 1/8, 1/4, 1/2, 1 and 1 of the size. Weights are carried in half precision;
scripts/train_decoder.py made them, docs/style-networks.md says of what.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources

import torch
from safetensors.torch import load as read_tensors
from torch import Tensor, nn
from torch.nn import functional

from ganvas.errors import UserError

FILE = "decoder.safetensors"
SHA256 = "caf7e892b7ae6a5dc45d47d52c8f32af29a478e79f31c556663431852387dd18"
LEVELS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CHANNELS = (64, 128, 256, 512)  # of the levels
STRIDE = 8  # pixels from one position of the deepest level to the next
MERGED = (((1, 0, 0), (0, 1, 1)), ((1, 1, 0), (0, 0, 1)))  # taps of 3 as taps of 2, for even and odd outputs


class Conv(nn.Module):
    """A 3 x 3 convolution that repeats the picture's border, where zeros would show as a frame."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3)
        if not self.conv.weight.is_meta:  # there, nothing is drawn, and torch takes two seconds to find that out
            nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, H, W]."""
        out: Tensor = self.conv(functional.pad(x, (1, 1, 1, 1), mode="replicate"))
        return out


class DoublingConv(Conv):
    """The same of features made twice as large by repeating them, worked out on those as they are: 4/9 of the work.

    Each of four neighbouring outputs sees 2 x 2 inputs, through a kernel in which taps that meet the same input are
    one. Source: Shi et al. 2016, arXiv 1609.07009, where such kernels are learnt.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, 2H, 2W]."""
        weight, bias = self.conv.weight, self.conv.bias
        assert bias is not None
        (count, _, height, width), outputs = x.shape, len(weight)
        merged = weight.new_tensor(MERGED)
        kernels = torch.einsum("pas,qbt,oist->pqoiab", merged, merged, weight).flatten(0, 2)
        found = functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), kernels, bias.repeat(4))
        rows = found.permute(0, 2, 3, 1).reshape(count, height + 1, width + 1, 2, 2, outputs)
        large = rows.new_empty(count, height, 2, width, 2, outputs)
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            large[:, :, down, :, right] = rows[:, down : down + height, right : right + width, down, right]
        doubled: Tensor = large.view(count, 2 * height, 2 * width, outputs).permute(0, 3, 1, 2)
        return doubled


class Upward(nn.Module):
    """Features of one level to those of the next shallower one, twice as large."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.before, self.after = Conv(inputs, outputs), DoublingConv(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, 2H, 2W]."""
        features: Tensor = self.after(self.before(x).relu()).relu()
        return features


class Decoder(nn.Module):
    """Between levels, deep to shallow, and from the shallowest to the picture, which is linear in its features."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Upward(channels, channels // 2) for channels in reversed(CHANNELS[1:]))
        self.picture = Conv(CHANNELS[0], 3)


def packed(decoder: Decoder) -> dict[str, Tensor]:
    """The weights as they are carried: in half precision, which costs nothing that can be seen."""
    return {name: weight.detach().half().contiguous() for name, weight in decoder.state_dict().items()}


@lru_cache(maxsize=1)
def carried() -> Decoder:
    """The decoder that is carried.

    Raises:
        UserError: when its file is not there, or not the known one.
    """
    return unpacked((resources.files("ganvas.style") / FILE).read_bytes())


def unpacked(data: bytes) -> Decoder:
    """The decoder out of the bytes of its file.

    Raises:
        UserError: when it is not the known one.
    """
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise UserError(
            f"{FILE} is not the known file (SHA-256 {digest[:12]}..., not {SHA256[:12]}...); install ganvas anew: "
            "pip install --force-reinstall --no-deps ganvas."
        )
    with torch.device("meta"):
        decoder = Decoder()
    decoder.load_state_dict({name: weight.float() for name, weight in read_tensors(data).items()}, assign=True)
    return decoder.to(memory_format=torch.channels_last).eval().requires_grad_(False)
