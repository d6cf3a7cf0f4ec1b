"""Pictures made by code alone, in the manner of paintings and prints: styles that nobody has rights to."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

Rng = np.random.Generator


def palette(rng: Rng, count: int) -> np.ndarray:
    """Colours [count, 3] in 0-255 that go together: a few neighbouring hues and an opposite one."""
    hue, spread = rng.random(), rng.uniform(0.02, 0.25)
    rows = []
    for _ in range(count):
        own = (hue + spread * rng.standard_normal() + 0.5 * (rng.random() < 0.25)) % 1
        rows.append(colorsys.hsv_to_rgb(own, rng.beta(2, 2), rng.beta(1.6, 1.2)))
    return 255 * np.array(rows)


def field(rng: Rng, size: int, smooth: float) -> np.ndarray:
    """Smooth noise [size, size] with mean 0 and deviation 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal((size, size)), smooth, mode="wrap")
    return (noise - noise.mean()) / (noise.std() + 1e-9)


def ground(rng: Rng, size: int, colours: np.ndarray) -> np.ndarray:
    """Areas of colour [size, size, 3], one over another."""
    picture = np.broadcast_to(colours[0], (size, size, 3)).copy()
    for colour in colours[1:]:
        picture[field(rng, size, rng.uniform(4, size / 6)) > rng.uniform(0, 1.2)] = colour
    return picture


def strokes(rng: Rng, size: int) -> np.ndarray:
    """Short brush strokes along a flow, each in the colour of the ground below it, give or take."""
    colours = palette(rng, int(rng.integers(3, 8)))
    base = ground(rng, size, colours)
    angle = rng.uniform(0, np.pi) + rng.uniform(0.2, 2.5) * field(rng, size, rng.uniform(size / 16, size / 4))
    image = Image.fromarray(base.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    length, width = rng.uniform(6, 40), int(rng.integers(2, 9))
    for x, y in rng.integers(0, size, (int(size * size * rng.uniform(0.3, 1) / (length * width) * 2), 2)):
        turn = angle[y, x] + 0.2 * rng.standard_normal()
        tint = np.clip(base[y, x] + rng.uniform(5, 30) * rng.standard_normal() + 8 * rng.standard_normal(3), 0, 255)
        dx, dy = length / 2 * np.cos(turn), length / 2 * np.sin(turn)
        draw.line((x - dx, y - dy, x + dx, y + dy), fill=tuple(int(v) for v in tint), width=width)
    return np.asarray(image)


def mosaic(rng: Rng, size: int) -> np.ndarray:
    """Tiles around scattered points, with joints between them."""
    count = int(rng.integers(60, 900))
    points = rng.uniform(0, size, (count, 2))
    y, x = np.mgrid[:size, :size]
    distance = np.full((size, size, 2), np.inf)
    owner = np.zeros((size, size), int)
    for number, (py, px) in enumerate(points):
        away = np.hypot(y - py, x - px)
        nearer = away < distance[..., 0]
        distance[..., 1] = np.where(nearer, distance[..., 0], np.minimum(distance[..., 1], away))
        distance[..., 0] = np.where(nearer, away, distance[..., 0])
        owner[nearer] = number
    colours = palette(rng, 8)[rng.integers(0, 8, count)] + 12 * rng.standard_normal((count, 3))
    picture = colours[owner]
    joint = distance[..., 1] - distance[..., 0] < rng.uniform(0.5, 3)
    picture[joint] = rng.choice([0, 40, 230])
    return np.clip(picture, 0, 255)


def woodcut(rng: Rng, size: int) -> np.ndarray:
    """Lines cut along the level lines of a relief, two or three inks."""
    relief = field(rng, size, rng.uniform(size / 12, size / 4)) * rng.uniform(4, 18)
    y, x = np.mgrid[:size, :size]
    turn = rng.uniform(0, np.pi)
    phase = relief + (np.cos(turn) * x + np.sin(turn) * y) / rng.uniform(2, 9)
    lines = np.sin(phase) > field(rng, size, size / 8) * rng.uniform(0.2, 0.9)
    inks = palette(rng, 3)
    inks[0], inks[1] = 0.3 * inks[0], 255 - 0.5 * (255 - inks[1])
    picture = np.where(lines[..., None], inks[1], inks[0])
    if rng.random() < 0.5:
        picture[field(rng, size, size / 8) > 0.8] = inks[2]
    return picture


def dots(rng: Rng, size: int) -> np.ndarray:
    """Dabs of colour laid over one another."""
    colours = palette(rng, 8)
    base = ground(rng, size, colours[:3])
    image = Image.fromarray(base.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    radius = rng.uniform(1.5, 9)
    for x, y in rng.integers(0, size, (int(rng.uniform(0.4, 1.5) * size * size / radius**2 / 3), 2)):
        r = radius * rng.uniform(0.5, 1.3)
        tint = np.clip(0.5 * base[y, x] + 0.5 * colours[rng.integers(0, 8)], 0, 255)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(v) for v in tint))
    return np.asarray(image)


def washes(rng: Rng, size: int) -> np.ndarray:
    """Watercolour: soft areas, darker rims, grain of the paper."""
    picture = np.full((size, size, 3), 245.0)
    for colour in palette(rng, int(rng.integers(3, 8))):
        level = field(rng, size, rng.uniform(size / 20, size / 5))
        inside = 1 / (1 + np.exp(-(level - rng.uniform(0, 1)) * rng.uniform(6, 40)))
        rim = np.exp(-((level - 0.5) ** 2) * 60) * rng.uniform(0, 0.4)
        share = (inside * rng.uniform(0.4, 0.9) + rim)[..., None]
        picture *= 1 - share * (1 - colour / 255)
    return np.clip(picture + rng.uniform(2, 12) * field(rng, size, 0.7)[..., None], 0, 255)


def swirls(rng: Rng, size: int) -> np.ndarray:
    """Streaks of colour drawn out along a turning flow."""
    grain = rng.standard_normal((size, size, 3)) * 60 + ground(rng, size, palette(rng, 6))
    angle = rng.uniform(1, 4) * field(rng, size, rng.uniform(size / 12, size / 4))
    y, x = np.mgrid[:size, :size].astype(float)
    total, step = np.zeros_like(grain), rng.uniform(0.7, 2)
    for _ in range(12):
        rows, columns = np.rint(y).astype(int) % size, np.rint(x).astype(int) % size
        total += grain[rows, columns]
        y, x = y + step * np.sin(angle[rows, columns]), x + step * np.cos(angle[rows, columns])
    return np.clip(total / 12 * 1.1, 0, 255)


def facets(rng: Rng, size: int) -> np.ndarray:
    """Overlapping flat shapes, each with a gradient, as cubists have them."""
    colours = palette(rng, 9)
    picture = np.broadcast_to(colours[0], (size, size, 3)).copy()
    y, x = np.mgrid[:size, :size] / size
    for _ in range(int(rng.integers(20, 120))):
        inside = np.ones((size, size), bool)
        centre, reach = rng.random(2), rng.uniform(0.03, 0.25)
        for _ in range(int(rng.integers(3, 5))):
            turn = rng.uniform(0, 2 * np.pi)
            inside &= np.cos(turn) * (x - centre[0]) + np.sin(turn) * (y - centre[1]) < reach * rng.uniform(0.3, 1)
        shade = 1 + rng.uniform(-0.5, 0.5) * (x - centre[0]) / reach
        picture[inside] = (colours[rng.integers(0, 9)] * shade[..., None])[inside]
    return np.clip(picture + 6 * rng.standard_normal((size, size, 1)), 0, 255)


MAKERS: tuple[Callable[[Rng, int], np.ndarray], ...] = (strokes, mosaic, woodcut, dots, washes, swirls, facets)


def make(number: int, size: int = 256, seed: int = 0) -> np.ndarray:
    """Texture of a number, uint8 [size, size, 3]; the same in every call."""
    rng = np.random.default_rng([seed, number])
    return np.asarray(MAKERS[number % len(MAKERS)](rng, size)).clip(0, 255).astype(np.uint8)
