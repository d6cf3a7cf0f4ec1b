"""Distances of feature sets: closed forms, floors, and agreement with torch-fidelity on the same features."""

import numpy as np
import pytest
import torch
from torch_fidelity import metric_fid, metric_kid

from ganvas.errors import UserError
from ganvas.metrics.distances import (
    Moments,
    check_features,
    frechet_distance,
    frechet_infinity,
    kernel_distance,
    moments,
    squared_mmd,
)


def normal(count, size=8, seed=0, shift=0.0):
    """Correlated features [count, size]."""
    mix = np.random.default_rng(99).normal(size=(size, size)) / np.sqrt(size)
    return np.random.default_rng(seed).normal(size=(count, size)) @ mix + shift


def test_gaussians_on_a_line_by_hand():
    one = Moments(10, np.zeros(1), np.array([[4.0]]))
    other = Moments(10, np.array([3.0]), np.array([[1.0]]))
    assert frechet_distance(one, other) == pytest.approx(9 + (2 - 1) ** 2, abs=1e-12)


def test_gaussians_that_share_their_axes():
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    first, second = rng.uniform(0.1, 3, 6), rng.uniform(0.1, 3, 6)
    gap = rng.normal(size=6)
    one = Moments(10, np.zeros(6), axes @ np.diag(first) @ axes.T)
    other = Moments(10, gap, axes @ np.diag(second) @ axes.T)
    wanted = gap @ gap + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert frechet_distance(one, other) == pytest.approx(wanted, abs=1e-9)


def test_gaussians_that_share_nothing():
    # Of C1 = I the root is that of C2 itself: Tr(I + C2 - 2 C2^1/2).
    second = np.array([[2.0, 1.0], [1.0, 2.0]])  # eigenvalues 1 and 3
    wanted = 2 + 4 - 2 * (1 + np.sqrt(3))
    distance = frechet_distance(Moments(10, np.zeros(2), np.eye(2)), Moments(10, np.zeros(2), second))
    assert distance == pytest.approx(wanted, abs=1e-9)


def test_a_set_is_no_way_from_itself():
    same = moments(normal(500))
    assert 0 <= frechet_distance(same, same) < 1e-9


def test_moments_are_numpys():
    features = normal(50)
    found = moments(features.astype(np.float32))
    np.testing.assert_allclose(found.covariance, np.cov(features.T), rtol=1e-5)
    assert found.count == 50


@pytest.mark.parametrize("count", [500, 2000])
def test_two_perfect_samples_meet_the_known_floor(count):
    size = 16
    drawn = [
        frechet_distance(*(moments(np.random.default_rng([seed, side]).normal(size=(count, size))) for side in (0, 1)))
        for seed in range(20)
    ]
    assert np.mean(drawn) == pytest.approx(2 * size / count + size * (size + 1) / (2 * count), rel=0.1)


def test_infinity_takes_the_bias_away():
    plain, beyond = [], []
    for seed in range(8):
        fakes, reals = (np.random.default_rng([seed, n]).normal(size=(n, 16)) for n in (1500, 1000))
        plain.append(frechet_distance(moments(fakes), moments(reals)))
        beyond.append(frechet_infinity(fakes, reals, seed=seed))
    assert abs(np.mean(beyond)) < np.mean(plain) / 3


def test_infinity_keeps_a_true_distance():
    found = frechet_infinity(normal(2000, seed=1), normal(2000, seed=2, shift=1.0))
    assert found == pytest.approx(8, rel=0.05)  # eight features, each 1 away


def test_torch_fidelity_agrees_on_frechet():
    one, other = normal(600, 24, 1), normal(500, 24, 2, shift=0.2)
    sides = [{"mu": x.mean(0), "sigma": np.cov(x, rowvar=False)} for x in (one, other)]
    theirs = metric_fid.fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(moments(one), moments(other)) == pytest.approx(theirs, rel=1e-5)


def test_torch_fidelity_agrees_on_the_kernel_distance():
    one, other = normal(300, 24, 1), normal(300, 24, 2, shift=0.2)
    theirs = metric_kid.kid_features_to_metric(
        torch.from_numpy(one), torch.from_numpy(other), kid_subsets=1, kid_subset_size=300, verbose=False
    )["kernel_inception_distance_mean"]
    assert squared_mmd(one, other) == pytest.approx(theirs, rel=1e-5)


def test_the_kernel_distance_by_hand():
    # One feature: k(x, y) = (xy + 1)^3.
    one, other = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    within_one, within_other = 1.0, 3.0**3
    across = (1 + 1 + 2**3 + 3**3) / 4
    assert squared_mmd(one, other) == pytest.approx(within_one + within_other - 2 * across, abs=1e-12)


def test_the_kernel_distance_has_no_bias():
    found = [kernel_distance(normal(400, seed=2 * n), normal(400, seed=2 * n + 1), subsets=5)[0] for n in range(30)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(30)
    assert min(found) < 0  # never clipped


def test_the_kernel_distance_has_a_spread_and_a_seed():
    one, other = normal(400), normal(400, seed=1, shift=0.5)
    assert kernel_distance(one, other, seed=3) == kernel_distance(one, other, seed=3)
    mean, spread = kernel_distance(one, other)
    assert 0 < spread < mean


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad):
    features = normal(20)
    features[3, 2] = bad
    with pytest.raises(UserError, match="1 of 20 pictures have features that are not finite, so there is no score"):
        check_features(features)
    for score in (moments, lambda x: kernel_distance(x, normal(20)), lambda x: kernel_distance(normal(20), x)):
        with pytest.raises(UserError, match="not finite"):
            score(features)


def test_too_few_pictures_are_said():
    with pytest.raises(UserError, match="at least 2 pictures, and there is 1"):
        moments(normal(1))
    with pytest.raises(UserError, match="at least 4 pictures in each set, got 3 and 9"):
        kernel_distance(normal(3), normal(9))
