"""Pictures of 2-D sets, drawn fast enough to keep up with training: numpy and Pillow, no matplotlib, no torch.

Shapes: N generated points, M true points, S x S values of the discriminator over a rectangle.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from ganvas.data.toy import square_around

PAPER = np.array([255, 255, 255], np.float32)
TRUTH = np.array([168, 170, 178], np.float32)
GENERATED = np.array([76, 5, 130], np.float32)
LOW, MIDDLE, HIGH = (168, 197, 240), (248, 246, 244), (247, 178, 165)  # blue: looks fake; red: looks real

Extent = tuple[float, float, float, float]


def points_picture(
    points: np.ndarray,
    truth: np.ndarray | None = None,
    surface: np.ndarray | None = None,
    extent: Extent | None = None,
    size: int = 320,
) -> np.ndarray:
    """Generated points over the true ones, over what the discriminator makes of the plane.

    Points outside `extent` and points that are not finite are left out. The surface is coloured by the rank of its
    values, since only differences of logits mean something: blue is the lower half, red the upper.

    Args:
        points: float [N, 2], drawn on top in a strong colour.
        truth: float [M, 2], drawn pale below.
        surface: float [S, S], logits over `extent`, rows from bottom to top.
        extent: left, right, bottom, top; by default a square around the truth, or around the points without one.
        size: side of the picture in pixels.

    Returns:
        uint8 [size, size, 3], with the y axis pointing up.
    """
    extent = extent or square_around(points if truth is None or not len(truth) else truth)
    canvas = np.broadcast_to(PAPER, (size, size, 3)) if surface is None else _background(surface, size)
    if truth is not None:
        canvas = _blend(canvas, TRUTH, _coverage(truth, extent, size, strength=0.5))
    return _blend(canvas, GENERATED, _coverage(points, extent, size, strength=0.9)).round().astype(np.uint8)


def _background(surface: np.ndarray, size: int) -> np.ndarray:
    """The surface [S, S] in soft colours, float32 [size, size, 3]."""
    finite = np.nan_to_num(surface.astype(np.float32))  # infinities become the largest numbers, and keep their rank
    levels = Image.fromarray(_ranks(finite)[::-1].copy()).resize((size, size), Image.Resampling.BILINEAR)
    shades = np.linspace(0, 1, 256)
    palette = np.stack([np.interp(shades, (0, 0.5, 1), ends) for ends in zip(LOW, MIDDLE, HIGH, strict=True)], axis=1)
    return palette.astype(np.float32)[(np.asarray(levels) * 255).round().astype(np.uint8)]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Each value's rank among all, as float32 in [0, 1]; equal values share the middle of their ranks."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / values.size
    return np.asarray(ranks[where].reshape(values.shape), np.float32)


def _coverage(points: np.ndarray, extent: Extent, size: int, strength: float) -> np.ndarray:
    """How much of each pixel the points cover, float32 [size, size] in [0, 1): it saturates where they are dense."""
    left, right, bottom, top = extent
    x = (points[:, 0].astype(np.float32) - left) / (right - left) * size
    y = (top - points[:, 1].astype(np.float32)) / (top - bottom) * size
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)  # False for nan
    flat = y[inside].astype(np.intp) * size + x[inside].astype(np.intp)
    density = np.bincount(flat, minlength=size * size).reshape(size, size).astype(np.float32)
    radius = max(1, round(size / 320)) + (len(points) < 1000)
    weights = 1 - (np.arange(-radius, radius + 1) / (radius + 1)) ** 2
    return np.asarray(1 - np.exp(-strength * _spread(_spread(density, weights, 0), weights, 1)), np.float32)


def _spread(density: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Each pixel's value spread over its neighbours along one axis."""
    radius, length = len(weights) // 2, density.shape[axis]
    padded = np.pad(density, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)])
    shifted = (padded[i : i + length] if axis == 0 else padded[:, i : i + length] for i in range(len(weights)))
    return np.asarray(sum(np.float32(w) * part for w, part in zip(weights, shifted, strict=True)))


def _blend(canvas: np.ndarray, colour: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    return np.asarray(canvas + coverage[:, :, None] * (colour - canvas), np.float32)
