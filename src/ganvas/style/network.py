"""The frozen network whose features describe a picture: VGG-19's convolutions, with order, range and means hidden.

Shapes: N pictures, C channels of a layer, H height, W width. Pictures are float [N, 3, H, W], sRGB in [0, 1].
Source: Simonyan & Zisserman 2015, arXiv 1409.1556. Layers are named after the activation that ends them, relu1_1 to
relu5_4. Each is divided by a fixed number, its root mean square over photographs, so that one set of loss weights
serves every layer and every set of network weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from ganvas import vgg
from ganvas.errors import BadSetting, UnknownName, UserError, check_shape
from ganvas.style.convolution import RectifiedConvolution
from ganvas.style.precision import half_is_faster

Padding = Literal["replicate", "reflect", "zeros"]
Pooling = Literal["max", "average"]
Precision = Literal["auto", "float32", "bfloat16"]

CARRIED, TORCHVISION = "vgg19", "torchvision:vgg19"
LAYERS = tuple(f"relu{block}_{n}" for block, count in enumerate(vgg.BLOCKS, 1) for n in range(1, count + 1))
CHANNELS = (64, 128, 256, 512, 512)  # of each block
FIRST = frozenset(name for name in LAYERS if name.endswith("_1") and name != LAYERS[0])  # a pooling comes before
AVERAGE_GAIN = 1.3  # keeps root mean squares at those of max-pooling, to 5 % or so
RED_GREEN_BLUE = (0, 1, 2)
BLUE_GREEN_RED = (2, 1, 0)


@dataclass(frozen=True)
class Entry:
    """What a set of weights expects to see: (picture - mean) * scale, channels in an order."""

    order: tuple[int, int, int]
    mean: tuple[float, float, float]  # of red, green, blue in [0, 1]
    scale: tuple[float, float, float]


ORIGINAL = Entry(
    BLUE_GREEN_RED, (vgg.MEANS_BGR[2] / 255, vgg.MEANS_BGR[1] / 255, vgg.MEANS_BGR[0] / 255), (255.0, 255.0, 255.0)
)
RETRAINED = Entry(RED_GREEN_BLUE, (0.485, 0.456, 0.406), (1 / 0.229, 1 / 0.224, 1 / 0.225))
ENTRIES = {"original": ORIGINAL, "torchvision": RETRAINED}


@dataclass(frozen=True)
class Reach:
    """How a layer lies over the picture: each position sees `field` pixels, and the next one starts `stride` later."""

    field: int
    stride: int


def reach(layer: str) -> Reach:
    """Receptive field and stride of a layer, in pixels.

    >>> reach("relu3_1")
    Reach(field=24, stride=4)
    """
    check_layers([layer])
    field, stride = 1, 1
    for name in LAYERS[: LAYERS.index(layer) + 1]:
        if name in FIRST:
            field, stride = field + stride, stride * 2
        field += 2 * stride
    return Reach(field, stride)


def channels(layer: str) -> int:
    """Channels of a layer.

    >>> channels("relu3_1")
    256
    """
    return CHANNELS[int(layer[len("relu")]) - 1]


def deepest(layers: Iterable[str]) -> str:
    """The one of some layers that lies deepest."""
    return max(layers, key=LAYERS.index)


def check_layers(layers: Iterable[str]) -> None:
    """Check the names of layers.

    Raises:
        UnknownName: for the first that is none.
    """
    for name in layers:
        if name not in LAYERS:
            raise UnknownName("layer", name, LAYERS)


class Backbone(nn.Module):
    """The network with its weights frozen, and each layer brought to a root mean square near 1.

    Convolution, rectifier and pooling all commute with positive factors, so the constants are folded into the weights
    and cost nothing. Weights move by `.to(device)`, `.double()`, `.bfloat16()` as those of any module; features come in
    the precision of the pictures.

    Args:
        name: as `backbone` takes it, kept with statistics that were measured with it.
        weights: weight [O, I, 3, 3] and bias [O] of the convolutions in order.
        entry: what the first convolution expects.
        rms: of each layer over photographs, as these weights give it; in the order of LAYERS.
        padding: of every convolution at the picture's border: its edge repeated, mirrored, or the mean colour.
        pooling: between blocks.
    """

    def __init__(
        self,
        name: str,
        weights: Iterable[tuple[Tensor, Tensor]],
        entry: Entry,
        rms: Sequence[float],
        padding: Padding = "replicate",
        pooling: Pooling = "max",
    ):
        super().__init__()
        self.name, self.pooling, self.rms = name, pooling, dict(zip(LAYERS, rms, strict=True))
        convolutions: list[nn.Conv2d] = []
        for (weight, bias), (before, after) in zip(weights, pairwise((1.0, *rms)), strict=True):
            outputs, inputs = weight.shape[:2]
            with torch.device("meta"):
                convolution = RectifiedConvolution(inputs, outputs, 3, padding=1, padding_mode=padding)
            scaled = weight * (before / after)
            if not convolutions:
                scaled = scaled[:, torch.tensor(entry.order).argsort()] * torch.tensor(entry.scale).view(1, 3, 1, 1)
            convolution.weight = nn.Parameter(scaled.contiguous(memory_format=torch.channels_last))
            convolution.bias = nn.Parameter(bias / after)
            convolutions.append(convolution)
        self.convolutions = nn.ModuleList(convolutions)
        self.mean = entry.mean
        self.eval().requires_grad_(False)

    @property
    def precision(self) -> torch.dtype:
        """Of what is computed inside."""
        return next(self.parameters()).dtype

    def features(self, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Features of pictures in some layers; nothing deeper than the deepest of them is computed.

        Args:
            images: float [N, 3, H, W], sRGB in [0, 1].
            layers: names, relu1_1 to relu5_4.

        Returns:
            [N, C, H / stride, W / stride] by name, rounded down but at least 1; never negative; RMS about 1 for photos.

        Raises:
            BadShape, UnknownName: what was given, what is accepted.
        """
        wanted = list(layers)
        check_layers(wanted)
        check_shape(images, "N 3 H W", "images")
        found: dict[str, Tensor] = {}
        x = images - images.new_tensor(self.mean).view(1, 3, 1, 1)
        x = x.to(self.precision, memory_format=torch.channels_last)
        for name, convolution in zip(LAYERS, self.convolutions, strict=True):
            if len(found) == len(set(wanted)):
                break
            if name in FIRST:
                x = self._pool(x)
            x = convolution(x)
            if name in wanted:
                found[name] = x.to(images.dtype)
        return found

    def _pool(self, x: Tensor) -> Tensor:
        size = (min(2, x.shape[2]), min(2, x.shape[3]))  # a side of one pixel stays
        if self.pooling == "average":
            return functional.avg_pool2d(x, size) * AVERAGE_GAIN
        return functional.max_pool2d(x, size)


# Root mean squares of the carried network's layers over six photographs at 384 x 256 (astronaut, coffee, chelsea and
# rocket of scikit-image; china and flower of scikit-learn), and over the picture of `pink_noise`.
PHOTOS_RMS = (
    47.9, 207.9, 197.2, 247.1, 260.0, 277.3, 474.4, 841.3, 872.0, 713.4, 423.3, 167.1, 130.3, 63.3, 27.7, 7.0,
)  # fmt: skip
NOISE_RMS = (
    58.6, 270.0, 321.7, 465.0, 466.8, 471.8, 851.5, 1556.8, 1344.6, 953.7, 459.7, 104.9, 67.4, 27.6, 10.6, 2.5,
)  # fmt: skip


def backbone(
    name: str = CARRIED,
    *,
    padding: Padding = "replicate",
    pooling: Pooling = "max",
    precision: Precision = "float32",
) -> Backbone:
    """A network by name.

    Args:
        name: "vgg19", which is carried; "torchvision:vgg19", which torchvision downloads at first use; or the path of a
            safetensors file with torchvision's names (features.0.weight ...), whose metadata may say
            entry=original for weights that expect blue, green, red in 0-255.
        padding: of every convolution at the picture's border.
        pooling: between blocks.
        precision: of what is computed inside; auto takes bfloat16 where the processor multiplies it faster.

    Raises:
        UserError: when the weights cannot be had, or are of another network.
    """
    narrow = precision == "bfloat16" or (precision == "auto" and half_is_faster())
    network = _built(name, padding, pooling)
    return network.bfloat16() if narrow else network


def _built(name: str, padding: Padding, pooling: Pooling) -> Backbone:
    if name == CARRIED:
        return Backbone(name, vgg.convolutions(), ORIGINAL, PHOTOS_RMS, padding, pooling)
    if name == TORCHVISION:
        weights, entry = _from_torchvision(), RETRAINED
    elif Path(name).suffix == ".safetensors":
        weights, entry = _from_file(Path(name))
    else:
        raise BadSetting(f"backbone takes {CARRIED}, {TORCHVISION} or FILE.safetensors; got {name!r}.")
    return Backbone(name, weights, entry, _calibrated(name, weights, entry), padding, pooling)


def _calibrated(name: str, weights: Sequence[tuple[Tensor, Tensor]], entry: Entry) -> list[float]:
    """What other weights would give over the photographs, from what they give over noise."""
    plain = Backbone(name, weights, entry, [1.0] * len(LAYERS))
    with torch.no_grad():
        found = plain.features(pink_noise(), LAYERS)
    seen = [float(found[layer].square().mean().sqrt()) for layer in LAYERS]
    if not all(0 < value < float("inf") for value in seen):
        layer = next(layer for layer, value in zip(LAYERS, seen, strict=True) if not 0 < value < float("inf"))
        raise UserError(f"the weights of {name} give nothing usable at {layer}; are they those of a trained VGG-19?")
    return [value * photos / noise for value, photos, noise in zip(seen, PHOTOS_RMS, NOISE_RMS, strict=True)]


def pink_noise(side: int = 256) -> Tensor:
    """A picture [1, 3, side, side] whose amplitudes fall with frequency as those of photographs do; always the same."""
    rng = torch.Generator().manual_seed(0)
    rows, columns = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    amplitude = 1 / (rows.square() + columns.square()).sqrt().clamp(min=1 / side)
    spectrum = torch.complex(*torch.randn(2, 3, side, side // 2 + 1, generator=rng)) * amplitude
    noise: Tensor = torch.fft.irfft2(spectrum, s=(side, side))
    normal: Tensor = (noise - noise.mean()) / noise.std()
    return (0.45 + 0.25 * normal).clamp(0, 1)[None]


def _from_torchvision() -> list[tuple[Tensor, Tensor]]:
    from urllib.error import URLError

    from torchvision.models import VGG19_Weights  # slow to import, and needed for this alone

    try:
        state = VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"{TORCHVISION} could not be downloaded ({error}); {CARRIED} needs no download, or name a safetensors file."
        ) from None
    return _picked(dict(state), TORCHVISION)


def _from_file(path: Path) -> tuple[list[tuple[Tensor, Tensor]], Entry]:
    try:
        with safe_open(path, "pt") as file:
            entry = (file.metadata() or {}).get("entry", "torchvision")
            state = {key: file.get_tensor(key) for key in file.keys() if key.startswith("features.")}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"backbone {path} cannot be read as safetensors: {error}.") from None
    if entry not in ENTRIES:
        raise UserError(f"backbone {path} says entry={entry}; known: {', '.join(sorted(ENTRIES))}.")
    return _picked(state, str(path)), ENTRIES[entry]


def _picked(state: dict[str, Tensor], source: str) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases out of a dictionary with torchvision's names, checked to be VGG-19's."""
    picked, index, inputs = [], 0, 3
    for name in LAYERS:
        index, outputs = index + (name in FIRST), channels(name)  # a pooling has a number of its own
        weight, bias = state.get(f"features.{index}.weight"), state.get(f"features.{index}.bias")
        if weight is None or bias is None or weight.shape != (outputs, inputs, 3, 3) or bias.shape != (outputs,):
            raise UserError(
                f"{source} holds another network than torchvision's vgg19: features.{index} should be "
                f"[{outputs}, {inputs}, 3, 3] with its bias."
            )
        picked.append((weight.float(), bias.float()))
        index, inputs = index + 2, outputs
    return picked
