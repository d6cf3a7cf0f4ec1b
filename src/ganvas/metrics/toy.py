"""Scores of points against a 2-D set whose truth is known: pure functions on arrays.

Shapes: N points, K modes.
"""

from __future__ import annotations

import numpy as np

from ganvas.data.toy import Toy

ARC_BINS = 64
CURVE_REACH = 0.06  # three standard deviations of the sine's jitter
STRICT_SHARE = 0.2
MATCHED = 2_000  # points of each set; the time of an exact matching grows with their third power


def toy_scores(points: np.ndarray, toy: Toy) -> dict[str, float]:
    """Every score that the set has.

    Args:
        points: [N, 2] in data units.
        toy: the truth.

    Returns:
        For mixtures `modes` (each holding at least 20 % of its expected share of high-quality points),
        `modes_total`, `high_quality` (share within 3 std of the nearest centre), `reverse_kl` (nats, over counts of
        the nearest centre) and `spread_ratio` (std within modes against the truth, root mean square). For curves
        `near_curve` (share within 3 std), `arc_bins` and `arc_bins_total`. Always `loss`, lower is better.

    Source: Srivastava et al. 2017 (VEEGAN), section 4.1; Lin et al. 2018 (PacGAN), appendix B, arXiv 1712.04086
    """
    finite = np.isfinite(points).all(1)
    if not finite.all():
        raise ValueError(f"{int((~finite).sum())} of {len(points)} points are not finite, so they have no scores.")
    return curve_scores(points, toy) if toy.curve else mixture_scores(points, toy)


def nearest(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest centre and the distance to it, [N] each; in blocks, so that memory stays small."""
    index, distance = np.empty(len(points), np.int64), np.empty(len(points))
    for start in range(0, len(points), 1024):
        block = np.asarray(points[start : start + 1024], np.float64)
        squared = (block**2).sum(1)[:, None] - 2 * block @ centres.T + (centres**2).sum(1)
        here = squared.argmin(1)
        index[start : start + 1024] = here
        distance[start : start + 1024] = np.linalg.norm(block - centres[here], axis=1)
    return index, distance


def mixture_scores(points: np.ndarray, toy: Toy) -> dict[str, float]:
    """Modes, high quality, reverse KL and spread of points [N, 2] against a mixture."""
    mode, distance = nearest(points, toy.centres)
    good = distance <= 3 * toy.spread
    captured = np.bincount(mode[good], minlength=len(toy.centres))
    share = np.bincount(mode, minlength=len(toy.centres)) / len(points)
    filled = share > 0
    reverse_kl = float((share[filled] * np.log(share[filled] / toy.weights[filled])).sum())
    needed = STRICT_SHARE * toy.weights * len(points)
    modes = int((captured >= needed - 1e-6).sum())  # 0.2 * 0.04 * 2000 is a little more than 16 in floating point
    # A Gaussian cut at three std keeps 0.9494 of its second moment in the plane.
    spread = np.sqrt((distance[good] ** 2).mean() / 2 / 0.9494) / toy.spread if good.any() else 0.0
    high_quality = float(good.mean())
    return {
        "modes": float(modes),
        "modes_total": float(len(toy.centres)),
        "high_quality": high_quality,
        "reverse_kl": reverse_kl,
        "spread_ratio": float(spread),
        "loss": reverse_kl + 1 - high_quality + (len(toy.centres) - modes),
    }


def curve_scores(points: np.ndarray, toy: Toy) -> dict[str, float]:
    """Share of points [N, 2] near the curve, and how many of 64 equal arcs hold one of them."""
    place, distance = nearest(points, toy.centres)
    near = distance <= CURVE_REACH
    bins = len(np.unique(np.minimum(place[near] * ARC_BINS // len(toy.centres), ARC_BINS - 1)))
    return {
        "near_curve": float(near.mean()),
        "arc_bins": float(bins),
        "arc_bins_total": float(ARC_BINS),
        "loss": float(1 - near.mean() + (ARC_BINS - bins) / ARC_BINS),
    }


def wasserstein(points: np.ndarray, truth: np.ndarray) -> float:
    """Exact 2-Wasserstein distance of two sets of points [N, 2] and [M, 2], in data units, by the best matching.

    The first min(N, M, 2,000) points of each are matched. It is not zero for fresh points of the truth: compare it
    with that of two sets of true points.

    Source: Peyre & Cuturi 2019, equation 2.15, arXiv 1803.00567
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and training scores points without it

    count = min(len(points), len(truth), MATCHED)
    one, other = np.asarray(points[:count], np.float64), np.asarray(truth[:count], np.float64)
    squared = ((one[:, None] - other[None]) ** 2).sum(2)
    rows, columns = linear_sum_assignment(squared)
    return float(np.sqrt(squared[rows, columns].mean()))
