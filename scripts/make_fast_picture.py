"""Draws docs/pictures/fast.png: two photographs of scikit-image in four styles made by code, in one pass."""

from importlib import metadata
from pathlib import Path

import numpy as np
import textures
from PIL import Image

from ganvas import quick

OUT = Path(__file__).parents[1] / "docs" / "pictures" / "fast.png"
STYLES = (7, 15, 19, 5)  # numbers of textures
PHOTOGRAPHS = ("coffee.png", "chelsea.png")
SIZE, TILE = 400, (266, 177)


def tile(pixels: np.ndarray) -> np.ndarray:
    """A picture, float in [0, 1] or uint8, as a tile."""
    values = pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8)
    return np.asarray(Image.fromarray(values).resize(TILE, Image.Resampling.LANCZOS))


def main() -> None:
    """Paint, and write the sheet."""
    styles = [textures.make(number, 384) for number in STYLES]
    brushes = [quick.any_style([style], size=SIZE) for style in styles]
    rows = [[np.full((TILE[1], TILE[0], 3), 255, np.uint8), *(tile(style[64:320]) for style in styles)]]
    for name in PHOTOGRAPHS:
        photograph = quick.opened(Path(str(metadata.distribution("scikit-image").locate_file(f"skimage/data/{name}"))))
        painted = [quick.paint(photograph, brush, size=SIZE)[0].pixels for brush in brushes]
        rows.append([tile(photograph.pixels), *(tile(picture) for picture in painted)])
    sheet = np.concatenate([np.concatenate(row, 1) for row in rows], 0)
    Image.fromarray(sheet).quantize(256, Image.Quantize.MEDIANCUT).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
