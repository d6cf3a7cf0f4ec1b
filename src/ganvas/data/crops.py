"""Random pieces of pictures, cut once: many small samples out of a few large pictures.

Shapes: N pieces, H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas.data.decode import decode, read_bytes
from ganvas.data.opening import Reject
from ganvas.errors import SourceError

# Photographs free to use that a dependency carries in its wheel; nothing of it is imported.
PACKAGE, FOLDER = "scikit-image", "skimage/data"
PHOTOGRAPHS = (
    "astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "motorcycle_right.png",
    "hubble_deep_field.jpg", "ihc.png", "retina.jpg", "camera.png", "moon.png", "brick.png", "grass.png", "gravel.png",
)  # fmt: skip


def photographs() -> list[np.ndarray]:
    """The carried photographs, uint8 [H, W, 3] each.

    Raises:
        SourceError: when they are not there.
    """
    try:
        folder = Path(str(metadata.distribution(PACKAGE).locate_file(FOLDER)))
    except metadata.PackageNotFoundError:
        folder = Path()
    found = []
    for name in PHOTOGRAPHS:
        data = read_bytes(str(folder / name))
        pixels = data if isinstance(data, Reject) else decode(data)
        if not isinstance(pixels, Reject):
            found.append(pixels)
    if len(found) < len(PHOTOGRAPHS):
        raise SourceError(
            f"the photographs that come with {PACKAGE} are not all there ({len(found)} of {len(PHOTOGRAPHS)}): "
            f"pip install {PACKAGE}, or name a folder of your own."
        )
    return found


def cut(pictures: Sequence[np.ndarray], height: int, width: int, count: int, seed: int = 0) -> np.ndarray:
    """Random pieces of pictures, of random size, brought to one.

    Args:
        pictures: uint8 [H, W, C] each, C alike.
        height: of the pieces.
        width: of the pieces.
        count: how many.
        seed: the same seed cuts the same pieces.

    Returns:
        uint8 [count, height, width, C]
    """
    rng = np.random.default_rng([seed, 3])
    return np.stack([_piece(pictures[number % len(pictures)], height, width, rng) for number in range(count)])


def _piece(picture: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A piece between its own size and all that fits, each size as likely on a logarithmic scale."""
    largest = min(picture.shape[0] / height, picture.shape[1] / width)
    scale = largest ** rng.random() if largest > 1 else largest
    tall, wide = max(1, int(height * scale)), max(1, int(width * scale))
    top, left = (int(rng.integers(0, room + 1)) for room in (picture.shape[0] - tall, picture.shape[1] - wide))
    pixels = picture[top : top + tall, left : left + wide]
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    resized = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(height, width, -1)
