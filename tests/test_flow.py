"""Flow between frames: a known motion is found, warping undoes it, and what comes into view is not believed."""

import sys

import numpy as np
import pytest

from ganvas.errors import UserError
from ganvas.style.flow import SMALLEST, believed, flow, warp

pytest.importorskip("cv2")


def texture(height=120, width=160, seed=0):
    """A picture with detail at every scale [H, W, 3]."""
    rng = np.random.default_rng(seed)
    made = np.zeros((height, width))
    for size in (4, 8, 16, 32):
        coarse = rng.random((height // size + 2, width // size + 2))
        made += np.kron(coarse, np.ones((size, size)))[:height, :width] * size
    made = (made - made.min()) / np.ptp(made)
    return np.repeat(made[..., None], 3, -1).astype(np.float32)


def test_a_shift_is_found_and_undone():
    before = texture()
    now = np.roll(before, (3, 5), (0, 1))
    back = flow(now, before)
    inner = (slice(20, -20), slice(20, -20))
    assert np.abs(np.median(back[inner], (0, 1)) - [-5, -3]).max() < 0.2
    assert np.abs(warp(before, back) - now)[inner].mean() < 0.02
    assert believed(back, flow(before, now))[inner].mean() > 0.9


def test_nothing_moves():
    still = texture()
    back = flow(still, still)
    assert np.abs(back).max() < 0.1
    assert believed(back, back).all()


def test_warping_by_hand():
    picture = np.arange(12, dtype=np.float32).reshape(3, 4)
    way = np.zeros((3, 4, 2), np.float32)
    way[..., 0] = 1.5
    assert np.allclose(warp(picture, way)[1], [5.5, 6.5, 7, 7])
    assert np.array_equal(warp(picture, np.zeros_like(way)), picture)


def test_what_a_moving_thing_uncovers_is_not_believed():
    """By hand: a square moves right by 10 over a still ground; the strip it leaves has no place in the frame before."""
    back, forth = np.zeros((60, 80, 2), np.float32), np.zeros((60, 80, 2), np.float32)
    back[20:40, 40:60] = (-10, 0)
    forth[20:40, 30:50] = (10, 0)
    seen = believed(back, forth)
    assert not seen[22:38, 32:38].any(), "uncovered ground"
    assert seen[22:38, 43:57].all(), "the inside of the square"
    assert seen[:15].all(), "the still ground"
    assert not seen[30, 39:41].any(), "the edge of what moves"


def test_what_comes_from_outside_is_not_believed():
    back = np.zeros((20, 20, 2), np.float32)
    back[..., 0] = -5
    assert not believed(back, -back)[:, :5].any()
    assert believed(back, -back)[:, 5:].all()


def test_pictures_too_small_to_search_do_not_move():
    small = np.zeros((SMALLEST - 1, 40, 3), np.float32)
    assert flow(small, small).shape == (SMALLEST - 1, 40, 2)


def test_shapes_are_checked():
    with pytest.raises(UserError, match="start"):
        flow(np.zeros((20, 20), np.float32), np.zeros((20, 20, 3), np.float32))


def test_without_opencv_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match=r"pip install 'ganvas\[video\]'"):
        flow(np.zeros((20, 20, 3), np.float32), np.zeros((20, 20, 3), np.float32))
