"""A frozen convolution and its rectifier that keep for the way back what they put out, and nothing else.

A convolution of torch keeps the padded copy of what it saw, though only gradients of weights would need it. Without
these copies the network needs a third less memory, with the same numbers.

Shapes: N pictures, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

AROUND = [1, 1, 1, 1]


class RectifiedConvolution(nn.Conv2d):
    """A 3 x 3 convolution that keeps the size, padding_mode replicate, reflect or zeros; weights get no gradient."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to rectified outputs [N, C', H, W]."""
        made: Tensor = _Function.apply(x, self.weight, self.bias, self.padding_mode)
        return made


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mode: str) -> Tensor:
        padded = functional.pad(x, AROUND, "constant" if mode == "zeros" else mode)
        made = functional.conv2d(padded, weight, bias).relu_()
        ctx.save_for_backward(made, weight)
        ctx.padded, ctx.mode = padded.shape, mode
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, coming: Tensor) -> tuple[Tensor, None, None, None]:
        made, weight = ctx.saved_tensors
        coming = torch.ops.aten.threshold_backward(coming, made, 0)
        # Only its shape is asked for, so no memory is ever touched; an expanded number would be written out.
        unseen = torch.empty(ctx.padded, dtype=coming.dtype, device=coming.device, memory_format=torch.channels_last)
        coming = torch.ops.aten.convolution_backward(
            coming, unseen, weight, None, (1, 1), (0, 0), (1, 1), False, (0, 0), 1, (True, False, False)
        )[0]
        return unpadded(coming, ctx.mode), None, None, None


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
