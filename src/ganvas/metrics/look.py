"""A first look at samples: features cheap enough to be taken again and again while training goes on.

Shapes: N samples, D features. Pictures are uint8 [N, H, W, C], points float32 [N, 2].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDE = 16  # pictures are shrunk to at most about this many pixels a side
AXES = 32  # principal components kept
BLOCK = 256  # pictures at once, so that memory stays small


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
    parts = [_averaged(samples[start : start + BLOCK]) for start in range(0, len(samples), BLOCK)]
    return np.concatenate(parts)


def _averaged(pictures: np.ndarray) -> np.ndarray:
    _, height, width, _ = pictures.shape
    down, across = -(-height // SIDE), -(-width // SIDE)
    cut = pictures[:, : height - height % down, : width - width % across].astype(np.float32)
    rows = cut.reshape(len(cut), height // down, down, width // across, across, -1).mean((2, 4))
    flat: np.ndarray = (rows.reshape(len(cut), -1) / 127.5 - 1).astype(np.float64)
    return flat


def checkerboard(samples: np.ndarray) -> float:
    """Energy of the finest two-pixel pattern as a share of all energy in pictures uint8 [N, H, W, C]."""
    values = samples.astype(np.float32)
    values = values[:, : values.shape[1] // 2 * 2, : values.shape[2] // 2 * 2]
    top, bottom = values[:, ::2], values[:, 1::2]
    diagonal = (top[:, :, ::2] - top[:, :, 1::2] - bottom[:, :, ::2] + bottom[:, :, 1::2]) / 2
    whole = values - values.mean((1, 2), keepdims=True)
    return float((diagonal**2).sum() / max((whole**2).sum(), 1e-6))
