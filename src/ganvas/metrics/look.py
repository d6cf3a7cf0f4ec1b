"""A first look at samples: features and scores cheap enough to be taken again and again while training goes on.

Shapes: N samples, D features. Pictures are uint8 [N, H, W, C], points float32 [N, 2].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDE = 16  # pictures are shrunk to at most about this many pixels a side
AXES = 32  # principal components kept
NEIGHBOURS = 5


@dataclass(frozen=True)
class Look:
    """The principal components of the real samples: their coordinates are the features."""

    mean: np.ndarray  # [P]
    axes: np.ndarray  # [P, D]

    @classmethod
    def at(cls, samples: np.ndarray) -> Look:
        """The features that fit these real samples; a few thousand of them are enough."""
        flat = shrink(samples)
        mean = flat.mean(0)
        _, vectors = np.linalg.eigh(np.cov(flat - mean, rowvar=False))
        return cls(mean, vectors[:, ::-1][:, :AXES])

    def features(self, samples: np.ndarray) -> np.ndarray:
        """[N, D], float64; for points the plane itself, turned."""
        turned: np.ndarray = (shrink(samples) - self.mean) @ self.axes
        return turned


def shrink(samples: np.ndarray) -> np.ndarray:
    """Samples as rows [N, P], float64: pictures in [-1, 1], averaged over blocks of pixels to about 16 a side."""
    if samples.ndim == 2:
        return samples.astype(np.float64)
    _, height, width, _ = samples.shape
    down, across = -(-height // SIDE), -(-width // SIDE)
    cut = samples[:, : height - height % down, : width - width % across].astype(np.float32)
    rows = cut.reshape(len(cut), height // down, down, width // across, across, -1).mean((2, 4))
    flat: np.ndarray = (rows.reshape(len(cut), -1) / 127.5 - 1).astype(np.float64)
    return flat


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Euclidean distances [N, M] between rows of two sets of features."""
    squared = (one**2).sum(1)[:, None] - 2 * one @ other.T + (other**2).sum(1)
    apart: np.ndarray = np.sqrt(np.maximum(squared, 0))
    return apart


def diversity(features: np.ndarray) -> float:
    """Mean distance between two samples; near zero when all are alike."""
    count = len(features)
    return float(distances(features, features).sum() / (count * (count - 1)))


def reach(reals: np.ndarray) -> np.ndarray:
    """Distance [N] of each real sample to its fifth neighbour among the real samples, itself left out."""
    fifth: np.ndarray = np.partition(distances(reals, reals), NEIGHBOURS, axis=1)[:, NEIGHBOURS]
    return fifth


def coverage(reals: np.ndarray, reaches: np.ndarray, fakes: np.ndarray) -> float:
    """Share of real samples that have a generated one within reach; 0.97 for a perfect generator, as many of each.

    Source: Naeem et al. 2020, equation 6, arXiv 2002.09797
    """
    return float((distances(reals, fakes).min(1) < reaches).mean())


def frechet(reals: np.ndarray, fakes: np.ndarray) -> float:
    """Frechet distance between Gaussians fitted to two sets of features [N, D]."""
    real_root = _root(np.cov(reals, rowvar=False))
    product = real_root @ np.cov(fakes, rowvar=False) @ real_root
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(product), 0)).sum()
    spread = reals.var(0, ddof=1).sum() + fakes.var(0, ddof=1).sum() - 2 * shared
    return float(((reals.mean(0) - fakes.mean(0)) ** 2).sum() + spread)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    root: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def closeness(fakes: np.ndarray, held_out: np.ndarray, training: np.ndarray) -> float:
    """Median distance of generated samples to the nearest training sample, against that of held-out real ones.

    About 1 for a generator that has learnt the distribution; towards 0 when it repeats training pictures.
    """
    usual = float(np.median(distances(held_out, training).min(1)))
    return float(np.median(distances(fakes, training).min(1))) / max(usual, 1e-12)


def checkerboard(samples: np.ndarray) -> float:
    """Energy of the finest two-pixel pattern as a share of all energy in pictures uint8 [N, H, W, C]."""
    values = samples.astype(np.float32)
    values = values[:, : values.shape[1] // 2 * 2, : values.shape[2] // 2 * 2]
    top, bottom = values[:, ::2], values[:, 1::2]
    diagonal = (top[:, :, ::2] - top[:, :, 1::2] - bottom[:, :, ::2] + bottom[:, :, 1::2]) / 2
    whole = values - values.mean((1, 2), keepdims=True)
    return float((diagonal**2).sum() / max((whole**2).sum(), 1e-6))
