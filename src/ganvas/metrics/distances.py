"""Distances between two sets of features, one set from fakes, the other from reals: pure functions on arrays, float64.

Shapes: N and M pictures, D features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganvas.errors import UserError

KID_SUBSETS, KID_SUBSET = 100, 1_000
INFINITY_SIZES, SMALLEST_SHARE = 8, 0.25


@dataclass(frozen=True)
class Moments:
    """Mean [D] and covariance [D, D] of features, and how many pictures they are from."""

    count: int
    mean: np.ndarray
    covariance: np.ndarray


def check_features(features: np.ndarray, name: str = "features") -> None:
    """Raise UserError unless every feature of a set [N, D] is a finite number."""
    broken = int((~np.isfinite(features).all(1)).sum())
    if broken:
        raise UserError(f"{broken} of {len(features)} pictures have {name} that are not finite, so there is no score.")


def moments(features: np.ndarray) -> Moments:
    """Mean and unbiased covariance of features [N, D].

    Raises:
        UserError: when a feature is not finite, or there are fewer than two pictures.
    """
    check_features(features)
    if len(features) < 2:
        raise UserError(f"a covariance needs at least 2 pictures, and there is {len(features)}.")
    wide = np.asarray(features, np.float64)
    mean = wide.mean(0)
    centred = wide - mean
    return Moments(len(wide), mean, centred.T @ centred / (len(wide) - 1))


def frechet_distance(one: Moments, other: Moments) -> float:
    """|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^1/2), from 0.

    The trace of the root is that of (C1^1/2 C2 C1^1/2)^1/2, which is symmetric: no complex numbers, no warnings.

    Source: Dowson & Landau 1982; Heusel et al. 2017, arXiv 1706.08500
    """
    values, vectors = np.linalg.eigh(one.covariance)
    root = vectors * np.sqrt(values.clip(min=0)) @ vectors.T
    inner = root @ other.covariance @ root
    shared = np.sqrt(np.linalg.eigvalsh((inner + inner.T) / 2).clip(min=0)).sum()
    gap = ((one.mean - other.mean) ** 2).sum()
    # Rounding can leave a set a hair below zero from itself.
    return float(max(0.0, gap + np.trace(one.covariance) + np.trace(other.covariance) - 2 * shared))


def frechet_infinity(fakes: np.ndarray, reals: np.ndarray, *, seed: int = 0) -> float:
    """Frechet distance extrapolated to infinitely many pictures: a line in 1 / share; may fall below 0.

    Args:
        fakes: features [N, D].
        reals: features [M, D].
        seed: of the subsets.

    Source: Chong & Forsyth 2020, section 3.2, arXiv 1911.07023. Differs from the paper: 8 shares from a quarter to
    all, so that sets below 10,000 pictures have it too, and of both sets, so that the bias of either goes.
    """
    rng = np.random.default_rng([seed, 1])
    orders = [rng.permutation(len(part)) for part in (fakes, reals)]
    shares = np.linspace(SMALLEST_SHARE, 1, INFINITY_SIZES)
    found = []
    for share in shares:
        one, other = (
            moments(part[order[: round(share * len(part))]]) for part, order in zip((fakes, reals), orders, strict=True)
        )
        found.append(frechet_distance(one, other))
    return float(np.polynomial.polynomial.polyfit(1 / shares, found, 1)[0])


def kernel_distance(
    one: np.ndarray, other: np.ndarray, *, subsets: int = KID_SUBSETS, subset: int = KID_SUBSET, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance: unbiased squared MMD under (x.y / D + 1)^3, and so below zero at times for equal sets.

    Args:
        one: features [N, D].
        other: features [M, D].
        subsets: how many random subsets are averaged.
        subset: pictures in each, at most half of the smaller set, so that subsets differ.
        seed: of the subsets.

    Returns:
        mean and standard deviation over the subsets

    Source: Binkowski et al. 2018, section 4, arXiv 1801.01401. Differs from the paper: smaller subsets of small sets.
    """
    check_features(one)
    check_features(other)
    size = min(subset, len(one) // 2, len(other) // 2)
    if size < 2:
        raise UserError(f"the kernel distance needs at least 4 pictures in each set, got {len(one)} and {len(other)}.")
    rng = np.random.default_rng([seed, 2])
    found = []
    for _ in range(subsets):
        first = one[rng.choice(len(one), size, replace=False)]
        second = other[rng.choice(len(other), size, replace=False)]
        found.append(squared_mmd(first, second))
    return float(np.mean(found)), float(np.std(found))


def squared_mmd(one: np.ndarray, other: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy of features [N, D] and [M, D] under (x.y / D + 1)^3.

    Source: Gretton et al. 2012, equation 3
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        base: np.ndarray = x @ y.T / x.shape[1] + 1
        cube: np.ndarray = base * base * base  # ten times as fast as a power
        return cube

    def within(x: np.ndarray) -> float:
        values = kernel(x, x)
        return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

    return within(first) + within(second) - 2 * float(kernel(first, second).mean())
