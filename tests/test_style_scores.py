"""Scores of paintings by features: hand-worked values, what is at no distance, and what lies between."""

import math

import numpy as np
import pytest
import torch

from ganvas.errors import BadShape
from ganvas.metrics import efficientnet
from ganvas.style import losses, network, scores
from ganvas.style.scores import Seen


def features(*rows):
    """A level whose positions are the rows: [1, C, 1, P]."""
    return torch.tensor(rows, dtype=torch.float64).T[None, :, None]


def moments(*rows):
    return (losses.moments(features(*rows)),)


def test_content_is_the_mean_squared_error_of_the_deepest_level():
    one = Seen((features((9.0, 9.0)), features((1.0, 2.0), (3.0, 4.0))))
    other = Seen((features((0.0, 0.0)), features((1.0, 0.0), (3.0, 8.0))))
    assert scores.content(one, other) == pytest.approx((4 + 16) / 4)


def test_perceptual_distance_by_hand():
    one = Seen((features((3.0, 0.0), (0.0, 5.0)), features((1.0, 1.0))))
    other = Seen((features((7.0, 0.0), (2.0, 0.0)), features((-2.0, -2.0))))
    # level one: the same direction (0), then a right angle (2): mean 1; level two: opposite (4)
    assert scores.perceptual(one, other) == pytest.approx((1 + 4) / 2)


def test_gram_and_wasserstein_are_means_over_levels():
    one, other = moments((1.0,), (3.0,)) + moments((0.0,)), moments((2.0,), (2.0,)) + moments((3.0,))
    assert scores.gram(one, other) == pytest.approx(((5 - 4) ** 2 + 81) / 2)
    roots = (math.sqrt(1 + losses.EPSILON) - math.sqrt(losses.EPSILON)) ** 2  # means alike, deviations 1 and 0
    assert scores.wasserstein(one, other) == pytest.approx((roots + 9) / 2)


def test_frechet_distance_by_hand():
    # (mean 1, variance 1) and (mean 4, variance 4): 9 + (1 - 2)^2, in one channel
    near, far = moments((0.0,), (2.0,)), moments((2.0,), (6.0,))
    assert scores.frechet(near, far) == pytest.approx(10)
    # Several pictures are taken together: 0, 2, 2, 6 have mean 2.5, variance 11 - 6.25
    both = [*near, *far]
    assert scores.frechet(both, both) == pytest.approx(0, abs=1e-9)
    assert scores.frechet(both, near) == pytest.approx(1.5**2 + (math.sqrt(4.75) - 1) ** 2)


def test_the_network_is_not_the_one_that_paints():
    assert scores.SHA256 == efficientnet.SHA256
    assert network.CARRIED not in scores.NETWORK
    assert scores.NETWORK == "efficientnet-lite0 blocks 0, 2, 4, 7, 10"


def test_levels_are_where_they_are_said_to_be():
    seen = scores.look(torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(0)))
    shapes = [tuple(level.shape[1:]) for level in seen.maps]
    assert shapes == [(16, 32, 24), (24, 16, 12), (40, 8, 6), (80, 4, 3), (112, 4, 3)]
    whole = efficientnet.EfficientNet(efficientnet.read())
    pixels = 255 * torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for pooled, level in zip(whole(pixels), whole.maps(pixels), strict=True):
            torch.testing.assert_close(pooled, level.mean((2, 3)))


def test_photographs_give_features_of_size_one():
    from skimage import data

    photograph = torch.from_numpy(data.chelsea()).permute(2, 0, 1)[None] / 255
    for level in scores.look(photograph).maps:
        assert 0.7 < float(level.square().mean().sqrt()) < 1.4


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2)])
def test_pictures_of_any_size_are_seen(size):
    seen = scores.look(torch.full((1, 3, *size), 0.4))
    assert scores.content(seen, seen) == 0
    assert scores.perceptual(seen, seen) == 0
    assert scores.gram(seen.moments, seen.moments) == 0
    assert scores.wasserstein(seen.moments, seen.moments) == pytest.approx(0, abs=1e-9)
    assert scores.frechet(seen.moments[-1:], seen.moments[-1:]) == pytest.approx(0, abs=1e-4)


def test_other_shapes_are_refused():
    with pytest.raises(BadShape, match=r"picture must have shape \[1, 3, H, W\], got \[2, 3, 8, 8\]"):
        scores.look(torch.zeros(2, 3, 8, 8))


def test_mixed_styles_are_as_one():
    rng = np.random.default_rng(0)
    one, other = (torch.from_numpy(rng.random((1, 3, 48, 48), np.float32)) for _ in range(2))
    both = scores.mixed([scores.look(one).moments, scores.look(other).moments])
    alone = scores.look(one).moments
    assert scores.wasserstein(alone, scores.mixed([alone, alone])) == pytest.approx(0, abs=1e-9)
    assert 0 < scores.wasserstein(alone, both) < scores.wasserstein(alone, scores.look(other).moments)
