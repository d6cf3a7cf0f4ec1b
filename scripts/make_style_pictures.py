"""Write the pictures of docs/style.md: three styles drawn by numbers, and photographs of scikit-image painted in them.

    pip install scikit-image
    python scripts/make_style_pictures.py

The photographs are astronaut (NASA, public domain), chelsea (Stefan van der Walt, CC0) and coffee (Rachel Michetti,
CC0). The styles are this script's own: strokes along a swirling field, a mosaic, a woodcut.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import ganvas
from ganvas import images
from ganvas.display import PaintingDisplay

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SIDE = 512
NIGHT = ((16, 32, 84), (28, 66, 140), (70, 120, 180), (150, 190, 200), (240, 200, 80), (250, 236, 170))
EARTH = ((120, 40, 30), (190, 90, 40), (225, 160, 70), (245, 225, 170), (60, 110, 100), (30, 50, 60))


def swirls(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The angle of a field that turns around a few points, at pixels x and y."""
    angle = 0.4 * np.sin(x / 90) + 0.3 * np.cos(y / 70)
    for cx, cy, radius in zip(*rng.uniform(0, SIDE, (2, 5)), rng.uniform(60, 140, 5)):
        near = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * radius**2))
        angle = angle * (1 - near) + near * (np.arctan2(y - cy, x - cx) + np.pi / 2)
    return angle


def strokes() -> Image.Image:
    """Brush strokes along a swirling field, dark blues to yellows."""
    rng = np.random.default_rng(1)
    sheet = Image.new("RGB", (SIDE, SIDE), NIGHT[0])
    draw, field = ImageDraw.Draw(sheet), np.random.default_rng(2)
    light = np.asarray(
        Image.fromarray(rng.integers(0, 256, (7, 7), np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    )
    points = rng.uniform(0, SIDE, (9000, 2))
    angles = swirls(points[:, 0], points[:, 1], field)
    for (x, y), angle in zip(points, angles):
        tone = np.clip(light[int(y), int(x)] / 256 * len(NIGHT) + rng.normal(0, 0.6), 0, 5)
        colour = np.clip(np.array(NIGHT[int(tone)]) + rng.normal(0, 12, 3), 0, 255).astype(int)
        along = rng.uniform(8, 20) * np.array([np.cos(angle), np.sin(angle)])
        ends = [(x - along[0], y - along[1]), (x + along[0], y + along[1])]
        draw.line(ends, fill=tuple(colour), width=int(rng.integers(3, 7)))
    return sheet


def mosaic() -> Image.Image:
    """Tiles of earthen colours with dark joints."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    step = 16
    centres = np.stack(np.meshgrid(np.arange(0, SIDE, step), np.arange(0, SIDE, step)), -1).reshape(-1, 2)
    centres = centres + rng.uniform(0, step, centres.shape)
    first, second = np.full((SIDE, SIDE), np.inf), np.full((SIDE, SIDE), np.inf)
    owner = np.zeros((SIDE, SIDE), int)
    for index, (x, y) in enumerate(centres):
        far = np.hypot(columns - x, rows - y)
        owner = np.where(far < first, index, owner)
        second = np.minimum(second, np.maximum(first, far))
        first = np.minimum(first, far)
    waves = np.sin(centres[:, 0] / 60 + np.sin(centres[:, 1] / 80) * 2) + 0.2 * rng.normal(size=len(centres))
    tone = np.digitize(waves, np.quantile(waves, [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6]))
    colours = np.array(EARTH)[tone] + rng.normal(0, 14, (len(centres), 3))
    picture = np.where((second - first < 2)[..., None], 35, colours[owner])
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))


def woodcut() -> Image.Image:
    """Black lines cut along contours into cream paper."""
    rng = np.random.default_rng(4)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    height = np.zeros((SIDE, SIDE))
    for x, y, radius, lift in zip(*rng.uniform(0, SIDE, (2, 14)), rng.uniform(50, 120, 14), rng.uniform(-9, 9, 14)):
        height += lift * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    shade = np.sin(columns / 70) + np.cos(rows / 55) + height / 8
    ink = np.sin(2 * np.pi * (height + rows / 9)) > np.clip(shade, -0.9, 0.9)
    picture = np.where(ink[..., None], (238, 228, 205), (28, 24, 26)).astype(np.uint8)
    return Image.fromarray(picture).filter(ImageFilter.GaussianBlur(0.7))


STYLES: dict[str, Callable[[], Image.Image]] = {"strokes": strokes, "mosaic": mosaic, "woodcut": woodcut}


def main() -> int:
    from skimage import data

    photographs = {"chelsea": data.chelsea(), "coffee": data.coffee(), "astronaut": data.astronaut()}
    sheet = []
    for (photo, pixels), (style, drawn) in zip(photographs.items(), STYLES.items()):
        manner = np.asarray(drawn())
        with PaintingDisplay(f"{photo} as {style}") as display:
            stylization = ganvas.stylize(pixels, manner, size=288, seed=0)
            display.show(stylization)
        painted = Image.fromarray((stylization.photo.pixels * 255).round().astype(np.uint8))
        for picture in (Image.fromarray(pixels), Image.fromarray(manner), painted):
            picture.thumbnail((384, 256))
            frame = Image.new("RGB", (384, 256), "white")
            frame.paste(picture, ((384 - picture.width) // 2, (256 - picture.height) // 2))
            sheet.append(np.asarray(frame))
    whole = Image.fromarray(images.grid(np.stack(sheet), columns=3, gap=6))
    whole.save(PICTURES / "style.jpg", quality=88, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
