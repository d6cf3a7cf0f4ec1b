"""How two sets of features cover each other, by nearest neighbours: pure functions on arrays, float64, in blocks.

Shapes: N fakes, M reals, D features, K neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ganvas.metrics.distances import check_features

PRECISION_NEIGHBOURS, COVERAGE_NEIGHBOURS = 3, 5
FEWEST = COVERAGE_NEIGHBOURS + 1  # pictures in each set
BLOCK_BYTES = 64 * 2**20
SAME = 1e-12  # squared distance, as a share of the mean squared norm, below which only rounding tells two apart
DUPLICATE_QUANTILE = 0.01


@dataclass(frozen=True)
class Manifold:
    """What each picture contributes; the mean over a column is the score.

    Attributes:
        precision: bool [N], whether a fake lies in some real's ball.
        recall: bool [M], whether a real lies in some fake's ball.
        density: float [N], in how many real balls a fake lies, over K.
        coverage: bool [M], whether a real's ball holds some fake.
    """

    precision: np.ndarray
    recall: np.ndarray
    density: np.ndarray
    coverage: np.ndarray


def neighbour_distances(features: np.ndarray, count: int = COVERAGE_NEIGHBOURS) -> np.ndarray:
    """Distances of each picture [N, D] to its `count` nearest others, itself left out, nearest first: [N, count]."""
    found = np.empty((len(features), count))
    for rows, distances in blocks(features, features):
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        found[rows] = np.sort(np.partition(distances, count - 1, axis=1)[:, :count], axis=1)
    return found


def nearest(queries: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest of `among` [M, D] to each query [N, D], and the distance to it: [N] each."""
    index, distance = np.empty(len(queries), np.int64), np.empty(len(queries))
    for rows, distances in blocks(queries, among):
        index[rows] = distances.argmin(1)
        distance[rows] = distances.min(1)
    return index, distance


def compare(fakes: np.ndarray, reals: np.ndarray, near_fakes: np.ndarray, near_reals: np.ndarray) -> Manifold:
    """Precision, recall (K = 3), density and coverage (K = 5) of fakes [N, D] against reals [M, D], picture by picture.

    A ball reaches from a picture to its K-th neighbour in its own set, itself left out, and holds its rim.

    Args:
        fakes: features [N, D].
        reals: features [M, D].
        near_fakes: neighbour_distances(fakes).
        near_reals: neighbour_distances(reals).

    Source: Kynkaanniemi et al. 2019, equation 1, arXiv 1904.06991; Naeem et al. 2020, equations 4 and 5,
    arXiv 2002.09797. Differs from the second's code, which leaves out the rim: exact copies count.
    """
    narrow, wide = near_reals[:, PRECISION_NEIGHBOURS - 1], near_reals[:, COVERAGE_NEIGHBOURS - 1]
    reach = near_fakes[:, PRECISION_NEIGHBOURS - 1]
    precision, density = np.empty(len(fakes), bool), np.empty(len(fakes))
    recall, coverage = np.zeros(len(reals), bool), np.zeros(len(reals), bool)
    for rows, distances in blocks(fakes, reals):
        inside = distances <= wide
        precision[rows] = (distances <= narrow).any(1)
        density[rows] = inside.sum(1) / COVERAGE_NEIGHBOURS
        coverage |= inside.any(0)
        recall |= (distances <= reach[rows, None]).any(0)
    return Manifold(precision, recall, density, coverage)


def duplicates(near_fakes: np.ndarray, near_reals: np.ndarray) -> float:
    """Share of fakes that are as near to another fake as only one real in a hundred is to another real.

    Fresh reals would score about 0.01.

    Args:
        near_fakes: neighbour_distances of the fakes [N, K].
        near_reals: neighbour_distances of as many reals [N, K].

    Source: the birthday test of Arora & Zhang 2017, section 2, arXiv 1706.08224. Differs from the paper: a threshold
    from the reals instead of a look by eye.
    """
    threshold = np.quantile(near_reals[:, 0], DUPLICATE_QUANTILE)
    return float((near_fakes[:, 0] <= threshold).mean())


def memorisation_ratio(fakes_to_training: np.ndarray, held_out_to_training: np.ndarray) -> float:
    """Median distance of fakes to the nearest training picture, over that of reals never trained on.

    1 for a perfect sampler; far below 1, fakes are copies.

    Args:
        fakes_to_training: distances [N], as `nearest` gives them.
        held_out_to_training: distances [M] of held-out reals.
    """
    usual = float(np.median(held_out_to_training))
    return float(np.median(fakes_to_training)) / usual if usual > 0 else float("nan")


def pairwise_diversity(features: np.ndarray) -> float:
    """Root mean square distance between two pictures of a set [N, D], worked out from the variances."""
    return float(np.sqrt(2 * np.asarray(features, np.float64).var(0, ddof=1).sum()))


def blocks(queries: np.ndarray, among: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Distances between queries [N, D] and others [M, D], a block of rows at a time: (rows, float64 [rows, M]).

    Raises:
        UserError: when a feature is not finite.
    """
    check_features(queries)
    check_features(among)
    middle = among.mean(0, dtype=np.float64)  # what is near zero loses less to rounding
    others = np.asarray(among, np.float64) - middle
    lengths = (others**2).sum(1)
    size = max(1, BLOCK_BYTES // (8 * len(among)))
    for start in range(0, len(queries), size):
        block = np.asarray(queries[start : start + size], np.float64) - middle
        squared = (block**2).sum(1)[:, None] - 2 * block @ others.T + lengths
        squared[squared <= SAME * lengths.mean()] = 0
        squared = squared.clip(min=0)
        yield slice(start, start + len(block)), np.sqrt(squared)
