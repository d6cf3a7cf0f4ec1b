"""3 x 3 convolutions with 16 multiplications where there are 36, as products of matrices.

Every 2 x 2 outputs are worked out together from the 4 x 4 inputs that they see: sums and differences of these, each
times a kernel of its own, are added up and subtracted again. Where channels are many, sums cost little beside products.

Shapes: N pictures, C channels in, K channels out, H height, W width.
Source: Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", F(2 x 2, 3 x 3), arXiv 1509.09308
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

KERNELS = 16  # of each filter
LEAST_CHANNELS = 256  # with fewer, sums cost more than products save
LEAST_POSITIONS = 200  # with fewer, reading the kernels takes the time, and there are 16 in place of 9

# One dimension; the other is alike. A filter (f0, f1, f2) becomes four numbers; four inputs become four sums of two,
# by their places and the sign of the second; what each of the four products counts in the two outputs.
OF_FILTER = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))
OF_INPUT = ((0, 2, -1), (1, 2, 1), (2, 1, -1), (1, 3, -1))
TO_OUTPUT = ((1, 0), (1, 1), (1, -1), (0, -1))
MIRRORED = (3, 1, 2, 0)  # which of the four of a filter are those of the filter turned round


def pays(padded: Tensor, weight: Tensor) -> bool:
    """Whether it is quicker than to convolve padded inputs [N, C, H + 2, W + 2] by a weight [K, C, 3, 3] directly."""
    many = min(weight.shape[:2]) >= LEAST_CHANNELS and padded.shape[2] * padded.shape[3] >= LEAST_POSITIONS
    return many and weight.dtype == torch.float32 and weight.device.type == "cpu"


@torch.no_grad()
def kernels(weight: Tensor) -> Tensor:
    """A weight [K, C, 3, 3] as the 16 kernels [4, 4, C, K] of the products."""
    change = weight.new_tensor(OF_FILTER)
    return torch.einsum("ai,kcij,bj->abck", change, weight, change).contiguous()


@torch.no_grad()
def convolve(padded: Tensor, kernels: Tensor, back: bool = False) -> Tensor:
    """A convolution; or the way back through it, from its outputs with a border of two zeros to its padded inputs.

    Args:
        padded: [N, C, H + 2, W + 2], or [N, K, H + 2, W + 2] on the way back.
        kernels: as `kernels` gives them.
        back: as the gradient goes.

    Returns:
        [N, K, H, W], or [N, C, H, W] on the way back; channels last in memory
    """
    count, _, height, width = padded.shape
    rows, columns = (height - 1) // 2, (width - 1) // 2  # of 2 x 2 outputs
    odd = [0, 0, 0, width % 2, 0, height % 2]
    inputs = functional.pad(padded.permute(0, 2, 3, 1), odd) if any(odd) else padded.permute(0, 2, 3, 1)
    outputs = inputs.new_zeros(count, rows, 2, columns, 2, kernels.shape[2 if back else 3])
    for row in range(4):
        summed = _summed(inputs, 1, row, rows)
        for column in range(4):
            kernel = kernels[MIRRORED[row], MIRRORED[column]].mT if back else kernels[row, column]
            made = _summed(summed, 2, column, columns) @ kernel
            for down, right in product(range(2), range(2)):
                if counts := TO_OUTPUT[row][down] * TO_OUTPUT[column][right]:
                    outputs[:, :, down, :, right].add_(made, alpha=counts)
    whole = outputs.view(count, 2 * rows, 2 * columns, -1)[:, : height - 2, : width - 2]
    return whole.contiguous().permute(0, 3, 1, 2)


def _summed(inputs: Tensor, dim: int, which: int, tiles: int) -> Tensor:
    """One of the four sums of inputs along a dimension, for each tile."""
    first, second, sign = OF_INPUT[which]

    def taken(start: int) -> Tensor:
        return inputs[(slice(None),) * dim + (slice(start, start + 2 * tiles - 1, 2),)]

    return torch.add(taken(first), taken(second), alpha=sign)
