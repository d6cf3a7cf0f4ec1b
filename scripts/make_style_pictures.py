"""Write the picture of docs/style.md: photographs of scikit-image painted in styles that the package carries.

    python scripts/make_style_pictures.py

The photographs are astronaut (NASA, public domain), chelsea (Stefan van der Walt, CC0) and coffee (Rachel Michetti,
CC0).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import ganvas
from ganvas import gallery, images
from ganvas.display import PaintingDisplay

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
STYLES = ("strokes", "mosaic", "woodcut")


def main() -> int:
    from skimage import data

    photographs = {"chelsea": data.chelsea(), "coffee": data.coffee(), "astronaut": data.astronaut()}
    sheet = []
    for (photo, pixels), style in zip(photographs.items(), STYLES):
        with PaintingDisplay(f"{photo} as {style}") as display:
            stylization = ganvas.stylize(pixels, style, size=288, seed=0)
            display.show(stylization)
        painted = Image.fromarray((stylization.photo.pixels * 255).round().astype(np.uint8))
        for picture in (Image.fromarray(pixels), Image.open(gallery.find(style)), painted):
            picture.thumbnail((384, 256))
            frame = Image.new("RGB", (384, 256), "white")
            frame.paste(picture, ((384 - picture.width) // 2, (256 - picture.height) // 2))
            sheet.append(np.asarray(frame))
    whole = Image.fromarray(images.grid(np.stack(sheet), columns=3, gap=6))
    whole.save(PICTURES / "style.jpg", quality=88, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
