"""Convolutions by fewer multiplications, beside those of torch."""

import pytest
import torch
from torch.nn import functional

from ganvas.style import winograd
from ganvas.style.convolution import RectifiedConvolution


def numbers(*shape, seed=0):
    made = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return made.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else made


@pytest.mark.parametrize("height", [1, 2, 3, 6])
@pytest.mark.parametrize("width", [1, 4, 5])
def test_it_is_the_convolution_and_its_way_back(height, width):
    padded = numbers(2, 3, height + 2, width + 2).requires_grad_(True)
    weight = numbers(5, 3, 3, 3, seed=1)
    expected, coming = functional.conv2d(padded, weight), numbers(2, 5, height, width, seed=2)
    kernels = winograd.kernels(weight)
    assert torch.allclose(winograd.convolve(padded.detach(), kernels), expected, atol=1e-12)
    (gradient,) = torch.autograd.grad(expected, padded, coming)
    found = winograd.convolve(functional.pad(coming, [2, 2, 2, 2]), kernels, back=True)
    assert torch.allclose(found, gradient, atol=1e-12)


@pytest.mark.parametrize("mode", ["zeros", "replicate", "reflect"])
def test_a_wide_layer_takes_it_and_gives_what_torch_gives(mode, monkeypatch):
    layer = RectifiedConvolution(256, 256, 3, padding=1, padding_mode=mode).requires_grad_(False)
    features, coming = numbers(1, 256, 13, 16).float(), numbers(1, 256, 13, 16, seed=1).float()
    features.requires_grad_(True)
    assert winograd.pays(functional.pad(features, [1, 1, 1, 1]), layer.weight)
    found = layer(features)
    coming = coming * (found > 1e-4)  # where an output is all but zero, rounding decides whether it is one
    (gradient,) = torch.autograd.grad(found, features, coming)
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 512)
    expected = layer(features)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(gradient, torch.autograd.grad(expected, features, coming)[0], atol=1e-4)


def test_narrow_layers_small_pictures_and_other_precisions_go_without():
    wide, narrow = torch.zeros(256, 256, 3, 3), torch.zeros(256, 128, 3, 3)
    assert winograd.pays(torch.zeros(1, 256, 20, 20), wide)
    assert not winograd.pays(torch.zeros(1, 128, 20, 20), narrow)
    assert not winograd.pays(torch.zeros(1, 256, 8, 8), wide)
    assert not winograd.pays(torch.zeros(1, 256, 20, 20).double(), wide.double())
    assert not winograd.pays(torch.zeros(1, 256, 20, 20).bfloat16(), wide.bfloat16())
