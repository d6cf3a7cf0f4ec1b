"""The convolution that keeps less: the same numbers as torch's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from ganvas.style.convolution import RectifiedConvolution


def convolution(mode: str, dtype=torch.float64) -> RectifiedConvolution:
    torch.manual_seed(0)
    made = RectifiedConvolution(5, 7, 3, padding=1, padding_mode=mode).to(dtype)
    return made.requires_grad_(False)


@pytest.mark.parametrize("mode", ["replicate", "reflect", "zeros"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_the_same_numbers_as_with_all_kept(mode, dtype, memory):
    layer = convolution(mode, dtype).to(memory_format=memory)
    x = torch.randn(2, 5, 9, 4, generator=torch.Generator().manual_seed(1)).to(dtype).to(memory_format=memory)
    one, other = x.clone().requires_grad_(True), x.clone().requires_grad_(True)
    made, plain = layer(one), functional.relu(nn.Conv2d.forward(layer, other))
    torch.testing.assert_close(made, plain)
    slope = torch.randn_like(plain)
    made.backward(slope)
    plain.backward(slope)
    tolerance = {"rtol": 0.02, "atol": 0.02} if dtype == torch.bfloat16 else {}
    torch.testing.assert_close(one.grad, other.grad, **tolerance)


@pytest.mark.parametrize("mode", ["replicate", "reflect", "zeros"])
def test_gradients_are_those_of_finite_differences(mode):
    x = torch.randn(1, 5, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(convolution(mode), (x,))


def test_nothing_is_kept_but_the_output():
    kept = []
    x = torch.randn(1, 5, 6, 6, dtype=torch.float64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(tuple(t.shape)) or t, lambda t: t):
        convolution("replicate")(x)
    assert kept == [(1, 7, 6, 6)]
