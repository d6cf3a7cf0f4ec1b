"""The cheap look at samples, against what is known of pictures made by hand."""

import numpy as np
import pytest

from ganvas.metrics import look

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("side", "kept"), [(8, 8), (16, 16), (28, 14), (33, 11), (64, 16)])
def test_pictures_are_averaged_over_blocks(side, kept):
    pictures = RNG.integers(0, 256, (300, side, side, 3), np.uint8)
    rows = look.shrink(pictures)
    assert rows.shape == (300, kept * kept * 3)
    step = side // kept
    corner = pictures[7, :step, :step, 0].mean() / 127.5 - 1
    assert rows[7, 0] == pytest.approx(corner, abs=1e-6)


def test_features_keep_distances_of_what_they_span():
    hidden = RNG.normal(size=(400, 3))
    pictures = np.clip(127 + 20 * hidden @ RNG.normal(size=(3, 64)), 0, 255).astype(np.uint8).reshape(400, 8, 8, 1)
    seen = look.Look.at(pictures)
    flat, features = look.shrink(pictures), seen.features(pictures)
    assert features.shape == (400, look.AXES)
    between = np.linalg.norm(flat[0] - flat[1:], axis=1)
    assert np.linalg.norm(features[0] - features[1:], axis=1) == pytest.approx(between, rel=0.05)


def test_points_are_their_own_features():
    points = RNG.normal(size=(500, 2)).astype(np.float32)
    features = look.Look.at(points).features(points)
    assert np.linalg.norm(features[0] - features[1]) == pytest.approx(np.linalg.norm(points[0] - points[1]), rel=1e-6)


def test_a_checkerboard_is_all_pattern_and_a_gradient_none():
    board = ((np.indices((8, 8)).sum(0) % 2) * 255).astype(np.uint8)[None, :, :, None]
    ramp = np.tile(np.arange(8, dtype=np.uint8) * 30, (8, 1))[None, :, :, None]
    assert look.checkerboard(board) == pytest.approx(1.0)
    assert look.checkerboard(ramp) == 0.0
    assert look.checkerboard(np.full((2, 8, 8, 1), 9, np.uint8)) == 0.0
