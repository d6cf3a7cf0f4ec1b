"""2-D distributions whose truth is known, for learning and for testing: N points in the plane, float32 [N, 2].

A set is either a mixture of equal round Gaussians (ring, grid, spiral, imbalanced-ring) or a curve (sine).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

COUNT = 100_000  # points in each set, as in PacGAN (Lin et al. 2018, arXiv 1712.04086)


@dataclass(frozen=True)
class Toy:
    """What is known of a 2-D set.

    Attributes:
        centres: [K, 2] centres of the modes; for a curve, points along it at equal arc length.
        spread: standard deviation of the noise around a centre or the curve.
        weights: [K] share of each mode.
        curve: whether the centres stand for a curve.
    """

    centres: np.ndarray
    spread: float
    weights: np.ndarray
    curve: bool = False


def _mixture(centres: list[tuple[float, float]], spread: float, weights: list[float] | None = None) -> Toy:
    shares = np.asarray(weights or [1.0] * len(centres), np.float64)
    return Toy(np.asarray(centres, np.float64), spread, shares / shares.sum())


def _ring_centres() -> list[tuple[float, float]]:
    return [(math.cos(math.tau * k / 8), math.sin(math.tau * k / 8)) for k in range(8)]


def ring() -> Toy:
    """Eight Gaussians of std 0.01 on a circle of radius 1 (PacGAN)."""
    return _mixture(_ring_centres(), 0.01)


def imbalanced_ring() -> Toy:
    """The ring with shares 1 : 2 : ... : 8."""
    return _mixture(_ring_centres(), 0.01, [float(k) for k in range(1, 9)])


def grid() -> Toy:
    """25 Gaussians of std 0.05 on {-4, -2, 0, 2, 4} squared (PacGAN)."""
    places = (-4.0, -2.0, 0.0, 2.0, 4.0)
    return _mixture([(x, y) for x in places for y in places], 0.05)


def spiral() -> Toy:
    """20 Gaussians of std 0.02 at equal arc length along r = t / 4 pi, t from pi / 2 to 4 pi."""
    t = np.linspace(math.pi / 2, 4 * math.pi, 20_001)
    line = (t / (4 * math.pi))[:, None] * np.stack([np.cos(t), np.sin(t)], 1)
    return _mixture([tuple(p) for p in _equal_arcs(line, 20)], 0.02)


def sine() -> Toy:
    """The sine curve: x uniform in [0, 2 pi], y = sin x, jitter of std 0.02 on both."""
    x = np.linspace(0, math.tau, 20_001)
    line = _equal_arcs(np.stack([x, np.sin(x)], 1), 1_001)
    return Toy(line, 0.02, np.full(len(line), 1 / len(line)), curve=True)


def _equal_arcs(line: np.ndarray, count: int) -> np.ndarray:
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    places = np.linspace(0, along[-1], count)
    return np.stack([np.interp(places, along, line[:, k]) for k in (0, 1)], 1)


TOYS = {"sine": sine, "ring": ring, "grid": grid, "spiral": spiral, "imbalanced-ring": imbalanced_ring}


def points(name: str, count: int = COUNT, seed: int = 0) -> np.ndarray:
    """Draw from a named set: float32 [count, 2] in data units.

    >>> points("ring", 3).shape
    (3, 2)
    """
    toy = TOYS[name]()
    rng = np.random.default_rng([seed, 2_718])
    if toy.curve:
        x = rng.uniform(0, math.tau, count)
        clean = np.stack([x, np.sin(x)], 1)
    else:
        clean = toy.centres[rng.choice(len(toy.centres), count, p=toy.weights)]
    return (clean + rng.normal(0, toy.spread, (count, 2))).astype(np.float32)


def square_around(points: np.ndarray, margin: float = 0.08) -> tuple[float, float, float, float]:
    """The square (left, right, bottom, top) that holds all finite points [N, 2], with a margin on every side."""
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(finite):
        return (-1.0, 1.0, -1.0, 1.0)
    low, high = finite.min(axis=0), finite.max(axis=0)
    (x, y), half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-6) * (1 + 2 * margin)
    return (float(x - half), float(x + half), float(y - half), float(y + half))
