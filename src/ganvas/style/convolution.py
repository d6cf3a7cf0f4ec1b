"""A frozen convolution and its rectifier that keep for the way back what they put out, and nothing else.

A convolution of torch keeps the padded copy of what it saw, though only gradients of weights would need it. Without
these copies the network needs a third less memory, with the same numbers. Where a layer is wide it multiplies less, see
`winograd.py`.

Shapes: N pictures, C channels, H height, W width.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ganvas.style import winograd

AROUND = [1, 1, 1, 1]


class RectifiedConvolution(nn.Conv2d):
    """A 3 x 3 convolution that keeps the size, padding_mode replicate, reflect or zeros; weights get no gradient."""

    @cached_property
    def kernels(self) -> Tensor:
        """The weight as `winograd.convolve` takes it."""
        return winograd.kernels(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to rectified outputs [N, C', H, W]."""
        made: Tensor = _Function.apply(x, self)
        return made


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: RectifiedConvolution) -> Tensor:
        padded = functional.pad(x, AROUND, "constant" if layer.padding_mode == "zeros" else layer.padding_mode)
        ctx.quick = winograd.pays(padded, layer.weight)
        assert layer.bias is not None
        if ctx.quick:
            made = winograd.convolve(padded, layer.kernels).add_(layer.bias.view(-1, 1, 1)).relu_()
        else:
            made = functional.conv2d(padded, layer.weight, layer.bias).relu_()
        ctx.save_for_backward(made)
        ctx.padded, ctx.layer = padded.shape, layer
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, coming: Tensor) -> tuple[Tensor, None]:
        (made,), layer = ctx.saved_tensors, ctx.layer
        coming = torch.ops.aten.threshold_backward(coming, made, 0)
        if ctx.quick:
            around = functional.pad(coming, [2, 2, 2, 2])
            return unpadded(winograd.convolve(around, layer.kernels, back=True), layer.padding_mode), None
        # Only its shape is asked for, so no memory is ever touched; an expanded number would be written out.
        unseen = torch.empty(ctx.padded, dtype=coming.dtype, device=coming.device, memory_format=torch.channels_last)
        coming = torch.ops.aten.convolution_backward(
            coming, unseen, layer.weight, None, (1, 1), (0, 0), (1, 1), False, (0, 0), 1, (True, False, False)
        )[0]
        return unpadded(coming, layer.padding_mode), None


def unpadded(gradient: Tensor, mode: str) -> Tensor:
    """The gradient of what was padded by one pixel, of that with the padding; the latter is used up.

    Args:
        gradient: [N, C, H + 2, W + 2].
        mode: replicate, reflect or zeros.

    Returns:
        [N, C, H, W], a view
    """
    if mode != "zeros":
        source = 1 if mode == "replicate" else 2  # of which row and column, counted from outside, the padding is a copy
        for part in (gradient, gradient.mT):
            part[:, :, source] += part[:, :, 0]
            part[:, :, -1 - source] += part[:, :, -1]
    return gradient[:, :, 1:-1, 1:-1]
