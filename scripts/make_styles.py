"""Draws the styles that the package carries, src/ganvas/data/samples/styles/*.jpg, by numbers alone.

    python scripts/make_styles.py [NAME ...]

Each is a function from a random generator to a picture, float [SIDE, SIDE, 3] in 0-255. Lengths are in pixels.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import cKDTree
from textures import Rng, field

from ganvas import images

FOLDER = Path(__file__).resolve().parent.parent / "src/ganvas/data/samples/styles"
SIDE, FINE = 512, 1024  # what is written, and what lines are drawn at, so that their edges are smooth
QUALITY = 85

NIGHT = ((16, 32, 84), (24, 54, 120), (46, 92, 160), (108, 158, 190), (236, 196, 84), (252, 238, 176))
EARTH = ((112, 38, 30), (190, 92, 44), (226, 164, 76), (244, 226, 176), (58, 112, 104), (28, 48, 62))
GARDEN = ((38, 70, 150), (64, 150, 90), (240, 190, 60), (226, 96, 60), (150, 90, 170), (130, 190, 220))
GLASS = ((16, 52, 150), (176, 24, 36), (236, 170, 28), (24, 122, 78), (104, 36, 128), (90, 170, 214), (244, 222, 150))
CLAY = ((60, 52, 50), (122, 92, 66), (186, 148, 98), (222, 200, 158), (96, 112, 118), (60, 78, 98), (160, 84, 52))
SEA = ((14, 36, 84), (38, 84, 136), (106, 156, 180), (190, 208, 200), (240, 230, 206))


def ramp(palette: Iterable[tuple[int, int, int]], tone: np.ndarray) -> np.ndarray:
    """Colours [..., 3] at tones [...] from 0, the first of a palette, to 1, its last, mixed in between."""
    colours = np.array(list(palette), float)
    at = np.clip(tone, 0, 1) * (len(colours) - 1)
    low = np.minimum(at.astype(int), len(colours) - 2)
    share = (at - low)[..., None]
    return colours[low] * (1 - share) + colours[low + 1] * share


def ranks(values: np.ndarray) -> np.ndarray:
    """Values brought to 0 to 1, evenly: the share of all that are smaller."""
    order = np.empty(values.size)
    order[values.ravel().argsort(kind="stable")] = np.arange(values.size) / (values.size - 1)
    return order.reshape(values.shape)


def smaller(picture: Image.Image) -> np.ndarray:
    """A picture drawn at FINE as float [SIDE, SIDE, ...]."""
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)).astype(float)


def lit(picture: np.ndarray, relief: np.ndarray, strength: float) -> np.ndarray:
    """A picture [H, W, 3] under light from the upper left, on a relief [H, W]."""
    down, right = np.gradient(relief)
    return picture * (1 + strength * np.tanh(-(down + right))[..., None])


def follow(angle: np.ndarray, x: float, y: float, length: float, steps: int = 6) -> np.ndarray:
    """A line [steps + 1, 2] that starts at x, y and goes along angles [H, W]."""
    line = [(x, y)]
    for _ in range(steps):
        turn = angle[int(y) % len(angle), int(x) % len(angle)]
        x, y = x + length / steps * np.cos(turn), y + length / steps * np.sin(turn)
        line.append((x, y))
    return np.array(line)


def cells(points: np.ndarray, stretch: tuple[float, float] = (1, 1)) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the nearest of points [K, 2] (x, y), and how far it is from the border with the second nearest."""
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels = np.stack([x, y], -1).reshape(-1, 2) * stretch
    distance, owner = cKDTree(points * stretch).query(pixels, k=2)
    return owner[:, 0].reshape(SIDE, SIDE), ((distance[:, 1] - distance[:, 0]) / 2).reshape(SIDE, SIDE)


def scattered(rng: Rng, step: float, jitter: float = 1.0) -> np.ndarray:
    """Points [K, 2] over the picture and a little beyond, one in every square of `step`, somewhere in it."""
    line = np.arange(-step, SIDE + step, step)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    return grid + step * (0.5 + jitter * (rng.random(grid.shape) - 0.5))


def strokes(rng: Rng) -> np.ndarray:
    """Thick oil along swirls, night blues and yellow lights."""
    y, x = np.mgrid[:FINE, :FINE].astype(float)
    angle, light = 0.5 * field(rng, FINE, 140) + 0.2, 0.35 + 0.16 * field(rng, FINE, 90)
    for cx, cy, radius in zip(*rng.uniform(60, FINE - 60, (2, 7)), rng.uniform(90, 210, 7)):
        away = np.hypot(x - cx, y - cy)
        near = np.exp(-((away / radius) ** 2))
        angle = angle * (1 - near) + near * (np.arctan2(y - cy, x - cx) + np.pi / 2)
        light += 0.75 * np.exp(-((away / radius / 0.5) ** 2)) + 0.2 * np.exp(-(((away - 0.95 * radius) / 22) ** 2))
    sheet = Image.fromarray(ramp(NIGHT, light).astype(np.uint8))
    relief = Image.new("F", (FINE, FINE))
    paint, raise_ = ImageDraw.Draw(sheet), ImageDraw.Draw(relief)
    for number in range(9000):
        size = 1.7 if number < 2500 else 1.0
        px, py = rng.uniform(0, FINE, 2)
        line = follow(angle + 0.1 * rng.standard_normal(), px, py, size * rng.uniform(26, 54))
        tone = light[int(py), int(px)] + 0.09 * rng.standard_normal()
        across = np.array([-(line[-1] - line[0])[1], (line[-1] - line[0])[0]])
        across = across / (np.hypot(*across) + 1e-9)
        for bristle in np.linspace(-1, 1, 5):
            colour = ramp(NIGHT, np.array(tone + 0.05 * rng.standard_normal())) + 7 * rng.standard_normal(3)
            hair = [tuple(point) for point in line + size * 4.2 * bristle * across]
            paint.line(hair, tuple(int(v) for v in colour.clip(0, 255)), int(size * 3.4))
            raise_.line(hair, number / 600 + 2.5 * rng.random() + 2.0 * (1 - bristle**2), int(size * 3.4))
    return lit(smaller(sheet), ndimage.gaussian_filter(smaller(relief), 0.6), 0.22)


def mosaic(rng: Rng) -> np.ndarray:
    """Bevelled tiles of earthen colours in winding bands, with dark joints."""
    points = scattered(rng, 15, 0.7)
    owner, edge = cells(points)
    bands = np.sin(points[:, 0] / 46 + 1.8 * np.sin(points[:, 1] / 64)) + 0.15 * rng.standard_normal(len(points))
    chosen = np.array(EARTH)[(ranks(bands) * 5.999).astype(int)]
    colours = chosen * (1 + 0.12 * rng.standard_normal((len(points), 1))) + 8 * rng.standard_normal((len(points), 3))
    picture = lit(colours[owner] + 4 * field(rng, SIDE, 0.8)[..., None], 1.2 * np.minimum(edge, 4), 0.22)
    joint = ndimage.gaussian_filter((edge < 1.1).astype(float), 0.5)[..., None]
    return picture * (1 - joint) + 34 * joint


def woodcut(rng: Rng) -> np.ndarray:
    """Black lines cut along contours into cream paper."""
    y, x = np.mgrid[:FINE, :FINE] / 2
    relief = np.zeros((FINE, FINE))
    for cx, cy, radius, lift in zip(*rng.uniform(0, SIDE, (2, 14)), rng.uniform(50, 120, 14), rng.uniform(-9, 9, 14)):
        relief += lift * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * radius**2))
    shade = np.sin(x / 70) + np.cos(y / 55) + relief / 8
    shade += 0.12 * field(rng, FINE, 5) - shade.mean()
    ink = np.sin(2 * np.pi * (relief + y / 9)) > np.clip(shade, -0.92, 0.92)
    sheet = Image.fromarray(np.where(ink, 255, 0).astype(np.uint8))
    share = (smaller(sheet) / 255)[..., None]
    return share * np.array((238, 228, 205)) + (1 - share) * np.array((28, 24, 26)) + 3 * field(rng, SIDE, 1)[..., None]


def watercolour(rng: Rng) -> np.ndarray:
    """Wet washes of indigo, rose and ochre that run into each other, with dark rims on grained paper."""
    grain = field(rng, SIDE, 1.2)
    picture = np.full((SIDE, SIDE, 3), (250.0, 246.0, 236.0))
    inks = (
        (52, 84, 142),
        (206, 96, 104),
        (226, 166, 72),
        (62, 128, 124),
        (110, 80, 140),
        (60, 84, 140),
        (216, 124, 92),
    )
    for ink in inks:
        level = field(rng, SIDE, 46) + 0.28 * field(rng, SIDE, 9) + 0.06 * field(rng, SIDE, 2) - rng.uniform(0.5, 1.1)
        inside = 1 / (1 + np.exp(-14 * level))
        rim = np.exp(-(((level - 0.06) / 0.05) ** 2))
        depth = 0.55 + 0.18 * field(rng, SIDE, 30) + 0.07 * grain + 0.05 * field(rng, SIDE, 4)
        share = np.clip(inside * depth.clip(0.15, 0.95) + 0.3 * rim, 0, 1)[..., None]
        picture *= 1 - share * (1 - np.array(ink) / 255)
    return lit(picture, 0.5 * grain, 0.05)


def dots(rng: Rng) -> np.ndarray:
    """Dots of pure colour side by side, that mix in the eye."""
    light = ranks(field(rng, FINE, 120) + 0.4 * field(rng, FINE, 40))
    sheet = Image.new("RGB", (FINE, FINE), (232, 222, 196))
    draw = ImageDraw.Draw(sheet)
    pure = np.array(GARDEN)
    for _ in range(26000):
        x, y = rng.uniform(0, FINE, 2)
        near = light[int(y), int(x)] * (len(pure) - 1)
        own = int(np.clip(round(near + 0.55 * rng.standard_normal()), 0, len(pure) - 1))
        if rng.random() < 0.14:
            own = (own + 3) % len(pure)  # a dot of the opposite colour, as the pointillists set them
        colour = pure[own] + 36 * (rng.random() - 0.35) + 9 * rng.standard_normal(3)
        r = rng.uniform(4.2, 7.4)
        draw.ellipse((x - r, y - r, x + r, y + r), tuple(int(v) for v in colour.clip(0, 255)))
    return smaller(sheet)


def glass(rng: Rng) -> np.ndarray:
    """Panes of glowing coloured glass between black leads."""
    centres = scattered(rng, 62, 0.95)
    owner, edge = cells(centres, (1.0, 0.72))
    kind = rng.integers(0, len(GLASS), len(centres))
    colours = np.array(GLASS, float)[kind] * rng.uniform(0.8, 1.15, (len(centres), 1))
    glow = 0.72 + 0.5 * np.exp(-(((edge - 18) / 14) ** 2)) + 0.13 * field(rng, SIDE, 7) + 0.05 * field(rng, SIDE, 1.6)
    picture = colours[owner] * glow[..., None] + 26 * (glow[..., None] - 0.8)
    lead = np.clip(3.4 - edge, 0, 1)[..., None]
    metal = 24 + 16 * np.exp(-((edge / 1.2) ** 2))[..., None]
    return picture * (1 - lead) + metal * lead


def facets(rng: Rng) -> np.ndarray:
    """Broken planes in ochre, grey and slate, each shaded to one side, as cubists have them."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    picture = np.broadcast_to(np.array(CLAY[3], float), (SIDE, SIDE, 3)).copy()
    for number in range(150):
        cx, cy = rng.uniform(0, SIDE, 2)
        reach, turn = (rng.uniform(60, 150) if number < 50 else rng.uniform(26, 80)), rng.uniform(0, 2 * np.pi)
        edge = np.full((SIDE, SIDE), np.inf)
        for side in range(int(rng.integers(3, 5))):
            way = turn + 2 * np.pi * side / 3.6 + rng.uniform(-0.3, 0.3)
            edge = np.minimum(edge, reach * rng.uniform(0.3, 0.9) - np.cos(way) * (x - cx) - np.sin(way) * (y - cy))
        shade = ((x - cx) * np.cos(turn + 0.6) + (y - cy) * np.sin(turn + 0.6)) / reach
        own = np.array(CLAY[rng.integers(0, len(CLAY))], float)
        plane = own * np.clip(1.02 + 0.42 * shade, 0.45, 1.5)[..., None]
        inside = np.clip(edge + 0.5, 0, 1)[..., None] * rng.uniform(0.75, 1)
        line = np.exp(-((edge / 0.9) ** 2))[..., None] * 0.75
        picture = picture * (1 - inside) + plane * inside
        picture = picture * (1 - line) + 30 * line
    brushed = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), (0.8, 4)) * 2.5
    return picture * (1 + 0.05 * brushed[..., None])


def pencil(rng: Rng) -> np.ndarray:
    """Graphite hatched across cream paper, crossed where it is dark."""
    dark = ranks(field(rng, FINE, 80) + 0.5 * field(rng, FINE, 30))
    bend = 0.25 * field(rng, FINE, 160)
    sheet = Image.new("L", (FINE, FINE), 0)
    for layer, (turn, least) in enumerate(((0.9, 0.12), (-0.5, 0.5), (0.2, 0.74), (1.5, 0.88))):
        hatched = Image.new("L", (FINE, FINE), 0)
        draw = ImageDraw.Draw(hatched)
        for _ in range(5200):
            x, y = rng.uniform(0, FINE, 2)
            depth = dark[int(y), int(x)]
            if depth < least:
                continue
            line = follow(bend + turn, x, y, rng.uniform(40, 90))
            weight = int(70 + 120 * (depth - least) + 40 * rng.random())
            draw.line([tuple(point) for point in line], min(weight, 235), 2 + (layer == 0))
        before, now = np.asarray(sheet, float), np.asarray(hatched, float)
        crossed = np.maximum(before, now) + 0.3 * np.minimum(before, now)
        sheet = Image.fromarray(crossed.clip(0, 255).astype(np.uint8))
    tooth = np.clip(0.85 + 0.3 * field(rng, SIDE, 0.8), 0.2, 1.2)
    share = (smaller(sheet) / 255 * tooth).clip(0, 1)[..., None]
    paper = np.array((243, 237, 222)) + 2.5 * field(rng, SIDE, 1.5)[..., None]
    return paper * (1 - share) + np.array((44, 44, 50)) * share


def waves(rng: Rng) -> np.ndarray:
    """A sea of flat blues and cream in curling bands with fine outlines, as Japanese prints have it."""
    y, x = np.mgrid[:FINE, :FINE] / 2
    bent = y + 26 * np.sin(x / 58 + 2.2 * np.sin(y / 90)) + 16 * field(rng, FINE, 60) + 5 * field(rng, FINE, 16)
    phase = bent / 62 + 0.7 * np.sin(x / 37 + y / 51)
    band = phase - np.floor(phase)
    tone = (band * 5).astype(int).clip(0, 4)
    order = np.array((0, 1, 2, 1, 4))
    picture = np.array(SEA, float)[order[tone]]
    within = band * 5 - tone
    middle = np.abs(within - 0.52)
    line = (within < 0.07) | ((tone == 4) & (middle < 0.06)) | ((tone == 1) & (middle < 0.05))
    picture[line] = SEA[0]
    foam = field(rng, FINE, 7) + 2.4 * (band > 0.78) * (band < 0.97) - 1.6
    picture[(foam > 1.2) & (tone >= 3)] = (246, 240, 224)
    sheet = smaller(Image.fromarray(picture.astype(np.uint8)))
    wood = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), (1, 18)) * 5
    return sheet * (1 + 0.05 * wood[..., None])


STYLES: dict[str, Callable[[Rng], np.ndarray]] = {
    "strokes": strokes, "mosaic": mosaic, "woodcut": woodcut, "watercolour": watercolour, "dots": dots,
    "glass": glass, "facets": facets, "pencil": pencil, "waves": waves,
}  # fmt: skip


def draw(name: str) -> np.ndarray:
    """A style, uint8 [SIDE, SIDE, 3]; the same in every call."""
    return STYLES[name](np.random.default_rng(sum(name.encode()))).clip(0, 255).round().astype(np.uint8)


def main() -> int:
    """Write those that are named, or all."""
    for name in sys.argv[1:] or STYLES:
        buffer = io.BytesIO()
        Image.fromarray(draw(name)).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
        images.write_bytes(FOLDER / f"{name}.jpg", buffer.getvalue())
        print(f"{name}: {len(buffer.getvalue()):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
