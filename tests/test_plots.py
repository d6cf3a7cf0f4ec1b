"""Pictures of points: size, orientation, and what is drawn over what."""

import numpy as np
import pytest

from ganvas.data.toy import square_around
from ganvas.plots import points_picture

EXTENT = (-1.0, 1.0, -1.0, 1.0)


def darkest(picture):
    """(row, column) of the darkest pixel."""
    return np.unravel_index(picture.astype(int).sum(axis=2).argmin(), picture.shape[:2])


@pytest.mark.parametrize("size", [64, 320, 700])
def test_the_picture_is_uint8_rgb_of_the_asked_size(size):
    rng = np.random.default_rng(0)
    picture = points_picture(
        rng.normal(size=(500, 2)), rng.normal(size=(600, 2)), rng.normal(size=(32, 32)), None, size
    )
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(
    ("point", "place"), [((0.9, 0.9), (5, 95)), ((-0.9, 0.9), (5, 5)), ((0.9, -0.9), (95, 95)), ((0.5, 0), (50, 75))]
)
def test_a_point_lands_where_it_belongs_with_y_up(point, place):
    picture = points_picture(np.array([point], np.float32), None, None, EXTENT, size=100)
    assert np.abs(np.subtract(darkest(picture), place)).max() <= 1


def test_the_surface_has_its_first_row_at_the_bottom_and_red_where_it_is_high():
    surface = np.linspace(-1, 1, 16, dtype=np.float32)[:, None].repeat(16, axis=1)
    picture = points_picture(np.empty((0, 2)), None, surface, EXTENT, size=64).astype(int)
    assert picture[0, 32, 0] > picture[0, 32, 2]
    assert picture[-1, 32, 2] > picture[-1, 32, 0]


def test_the_surface_looks_the_same_at_any_scale_of_the_logits():
    surface = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    empty = np.empty((0, 2), np.float32)
    one, other = (points_picture(empty, None, s, EXTENT) for s in (surface, surface * 1000 + 50))
    np.testing.assert_allclose(one.astype(int), other.astype(int), atol=1)


def test_a_flat_surface_has_one_neutral_colour():
    picture = points_picture(np.empty((0, 2)), None, np.full((8, 8), 3.0), EXTENT, size=32)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1


def test_generated_points_lie_over_the_truth_and_many_are_stronger_than_one():
    point = np.zeros((1, 2), np.float32)
    truth, one = points_picture(np.empty((0, 2)), point, None, EXTENT), points_picture(point, point, None, EXTENT)
    many = points_picture(point.repeat(9, axis=0), point, None, EXTENT)
    assert many.min() < one.min() < truth.min() < 255


def test_points_outside_or_not_finite_are_left_out():
    stray = np.array([[5, 0], [np.nan, 0], [0, np.inf], [-1e30, 0]], np.float32)
    assert points_picture(stray, None, None, EXTENT).min() == 255
    assert points_picture(stray[1:3], None, np.full((4, 4), np.nan), None).shape == (320, 320, 3)


def test_square_around_keeps_the_proportions_and_the_centre():
    left, right, bottom, top = square_around(np.array([[0, 0], [4, 2]], np.float32), margin=0.1)
    assert (left, right, bottom, top) == pytest.approx((-0.4, 4.4, -1.4, 3.4))
