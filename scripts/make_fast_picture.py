"""Draws docs/pictures/fast.jpg: two photographs of scikit-image in four carried styles, in one pass."""

from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas import gallery, quick

OUT = Path(__file__).parents[1] / "docs" / "pictures" / "fast.jpg"
STYLES = ("strokes", "glass", "pencil", "watercolour")
PHOTOGRAPHS = ("coffee.png", "chelsea.png")
SIZE, TILE = 400, (266, 177)


def tile(pixels: np.ndarray) -> np.ndarray:
    """A picture, float in [0, 1] or uint8, as a tile."""
    values = pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8)
    return np.asarray(Image.fromarray(values).resize(TILE, Image.Resampling.LANCZOS))


def cut(style: Path) -> np.ndarray:
    """The middle of a style's picture, uint8, in the shape of a tile."""
    pixels = np.asarray(Image.open(style))
    height = round(pixels.shape[1] * TILE[1] / TILE[0])
    return pixels[(len(pixels) - height) // 2 :][:height]


def main() -> None:
    """Paint, and write the sheet."""
    brushes = [quick.any_style([style], size=SIZE) for style in STYLES]
    rows = [[np.full((TILE[1], TILE[0], 3), 255, np.uint8), *(tile(cut(gallery.find(style))) for style in STYLES)]]
    for name in PHOTOGRAPHS:
        photograph = quick.opened(Path(str(metadata.distribution("scikit-image").locate_file(f"skimage/data/{name}"))))
        painted = [quick.paint(photograph, brush, size=SIZE)[0].pixels for brush in brushes]
        rows.append([tile(photograph.pixels), *(tile(picture) for picture in painted)])
    sheet = np.concatenate([np.concatenate(row, 1) for row in rows], 0)
    Image.fromarray(sheet).save(OUT, quality=88)


if __name__ == "__main__":
    main()
