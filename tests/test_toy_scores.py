"""Scores of points, worked by hand on constructed sets, and the floors of perfect samples."""

import numpy as np
import pytest

from ganvas.data.toy import TOYS, Toy, points
from ganvas.metrics.toy import ARC_BINS, CURVE_REACH, nearest, toy_scores, wasserstein

SQUARE = Toy(np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]]), 1.0, np.full(4, 0.25))
MIXTURES = [name for name in TOYS if not TOYS[name]().curve]


def at(*counts):
    """So many points on each centre of the square."""
    return np.repeat(SQUARE.centres, counts, axis=0).astype(np.float32)


def test_points_on_every_centre():
    scores = toy_scores(at(5, 5, 5, 5), SQUARE)
    assert scores == pytest.approx(
        {"modes": 4, "modes_total": 4, "high_quality": 1, "reverse_kl": 0, "spread_ratio": 0, "loss": 0}, abs=1e-9
    )


def test_two_modes_of_four_by_hand():
    scores = toy_scores(at(15, 5, 0, 0), SQUARE)
    kl = 0.75 * np.log(3) + 0.25 * np.log(1)
    assert scores["modes"] == 2
    assert scores["reverse_kl"] == pytest.approx(kl, abs=1e-12)
    assert scores["loss"] == pytest.approx(kl + 2, abs=1e-12)


def test_high_quality_ends_at_three_standard_deviations():
    ring = SQUARE.centres[0] + np.array([[2.999, 0], [0, 2.999], [3.001, 0], [0, -3.001]])
    scores = toy_scores(ring, SQUARE)
    assert scores["high_quality"] == 0.5
    assert scores["spread_ratio"] == pytest.approx(np.sqrt(2.999**2 / 2 / 0.9494), rel=1e-9)


@pytest.mark.parametrize(("count", "held"), [(4, False), (5, True)])
def test_a_mode_counts_from_a_fifth_of_its_share(count, held):
    # 100 points: a fair share is 25, a fifth of it 5.
    assert toy_scores(at(100 - count, count, 0, 0), SQUARE)["modes"] == 1 + held


def test_only_high_quality_points_capture_a_mode():
    far = SQUARE.centres[1] + np.array([[3.5, 0]])
    assert toy_scores(np.concatenate([at(50, 0, 0, 0), np.repeat(far, 50, 0)]), SQUARE)["modes"] == 1


def test_shares_that_differ_need_points_in_proportion():
    toy = Toy(SQUARE.centres, 1.0, np.array([0.7, 0.1, 0.1, 0.1]))
    assert toy_scores(at(13, 29, 29, 29), toy)["modes"] == 3  # 14 needed of the first
    assert toy_scores(at(94, 2, 2, 2), toy)["modes"] == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["ring", "sine"])
def test_points_that_are_not_finite_are_refused(name, bad):
    made = points(name, 10)
    made[3, 1] = bad
    with pytest.raises(ValueError, match="1 of 10 points are not finite, so they have no scores"):
        toy_scores(made, TOYS[name]())


def test_nothing_near_a_mode_scores_without_dividing_by_zero():
    scores = toy_scores(np.full((10, 2), 5.0), SQUARE)
    assert scores["modes"] == scores["high_quality"] == scores["spread_ratio"] == 0
    assert np.isfinite(list(scores.values())).all()


@pytest.mark.parametrize("name", MIXTURES)
def test_perfect_samples_hit_the_known_floors(name):
    scores = toy_scores(points(name, 50_000, seed=9), TOYS[name]())
    assert scores["modes"] == scores["modes_total"]
    # 1 - exp(-9 / 2) of a round Gaussian lies within three standard deviations
    assert scores["high_quality"] == pytest.approx(1 - np.exp(-4.5), abs=0.002)
    assert scores["spread_ratio"] == pytest.approx(1, abs=0.01)
    # the mean of 2 N KL is the modes less one
    assert 0 <= scores["reverse_kl"] <= 5 * scores["modes_total"] / (2 * 50_000)
    assert scores["loss"] == pytest.approx(1 - scores["high_quality"] + scores["reverse_kl"], abs=1e-12)


def test_a_perfect_curve():
    scores = toy_scores(points("sine", 20_000, seed=9), TOYS["sine"]())
    # the distance from a line is one-dimensional: 99.73 % within three standard deviations
    assert scores["near_curve"] == pytest.approx(0.9973, abs=0.002)
    assert scores["arc_bins"] == scores["arc_bins_total"] == ARC_BINS


def test_half_a_curve_by_hand():
    line = TOYS["sine"]().centres
    half = toy_scores(line[: len(line) // 2].astype(np.float32), TOYS["sine"]())
    assert half["near_curve"] == 1
    assert half["arc_bins"] == ARC_BINS / 2
    assert half["loss"] == pytest.approx(0.5)
    away = line[:1] - np.array([[CURVE_REACH * 1.01, 0]])
    assert toy_scores(np.concatenate([line[:1], away]), TOYS["sine"]())["near_curve"] == 0.5


def test_the_nearest_centre_across_blocks():
    rng = np.random.default_rng(0)
    made, centres = rng.normal(size=(2500, 2)), rng.normal(size=(7, 2))
    distances = np.linalg.norm(made[:, None] - centres, axis=2)
    index, distance = nearest(made, centres)
    assert (index == distances.argmin(1)).all()
    np.testing.assert_allclose(distance, distances.min(1), rtol=1e-12)


def test_wasserstein_by_hand():
    one = np.array([[0.0, 0], [10, 0]])
    assert wasserstein(one, one[::-1] + np.array([3.0, 4.0])) == pytest.approx(5, abs=1e-12)
    # The best matching crosses: (0 -> 1, 10 -> 9), not in the order given.
    assert wasserstein(one, np.array([[9.0, 0], [1.0, 0]])) == pytest.approx(1, abs=1e-12)


def test_wasserstein_sees_lost_modes():
    true = points("ring", 500, seed=1)
    whole, lost = points("ring", 500, seed=2), points("ring", 500, seed=3)
    lost = lost[lost[:, 0] < 0]
    assert wasserstein(lost, true) > 2 * wasserstein(whole, true)
