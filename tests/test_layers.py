"""Building blocks by themselves."""

import torch
from torch import nn

from ganvas.layers import silent_units


def test_units_that_give_zero_for_every_sample_are_counted_in_the_worst_layer():
    torch.manual_seed(0)
    first, second = nn.Linear(3, 4), nn.Linear(4, 2)
    network = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
    rows = torch.randn(64, 3)
    nn.init.ones_(second.bias)
    assert silent_units(network, rows) == 0
    with torch.no_grad():
        first.bias[0] = -100
    assert silent_units(network, rows) == 0.25
    with torch.no_grad():
        second.bias.fill_(-100)
    assert silent_units(network, rows) == 1
    assert silent_units(nn.Sequential(first, nn.LeakyReLU(0.2)), rows) is None


def test_a_channel_counts_as_silent_when_all_of_its_map_is_and_looking_changes_nothing():
    norm = nn.BatchNorm2d(2)
    network = nn.Sequential(norm, nn.ReLU())
    with torch.no_grad():
        norm.bias[1] = -100
    before = norm.running_mean.clone()
    assert silent_units(network, torch.rand(8, 2, 4, 4)) == 0.5
    assert torch.equal(norm.running_mean, before)
    assert network.training
    assert not network[1]._forward_hooks
