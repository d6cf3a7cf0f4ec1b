"""Pixels: the only place that knows value ranges and memory layouts, and how pictures are laid out and written.

Shapes: N pictures, C channels (1 grey, 3 RGB, 4 RGBA), H height, W width. On disk and in caches pictures are uint8
[N, H, W, C]; networks see float32 [N, C, H, W] in [-1, 1]. This file does not import torch, so that what only
reads or draws pictures starts quickly.
"""

from __future__ import annotations

import io
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's name of the colour mode, by number of channels


def to_signed(pixels: Tensor) -> Tensor:
    """uint8 [N, H, W, C] as float32 [N, C, H, W] in [-1, 1], channels last in memory."""
    return pixels.permute(0, 3, 1, 2).float().mul_(2 / 255).sub_(1)


def to_pixels(images: Tensor) -> Tensor:
    """Float [N, C, H, W] in [-1, 1] as uint8 [N, H, W, C], rounded to the nearest and clipped."""
    scaled = images.detach().float().add(1).mul(127.5).round().clamp(0, 255)
    return scaled.byte().permute(0, 2, 3, 1).contiguous()


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Pictures side by side, row by row, as one.

    Args:
        images: uint8 [N, H, W, C].
        columns: pictures in a row; by default the sheet is about square.
        gap: white pixels between pictures (transparent for RGBA).

    Returns:
        uint8 [rows * (H + gap) + gap, columns * (W + gap) + gap, C]
    """
    count, height, width, channels = images.shape
    columns = columns or max(1, round(math.sqrt(count * height / width)))
    rows = math.ceil(count / columns)
    empty = 0 if channels == 4 else 255
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), empty, np.uint8)
    for index, image in enumerate(images):
        top, left = (height + gap) * (index // columns) + gap, (width + gap) * (index % columns) + gap
        sheet[top : top + height, left : left + width] = image
    return sheet


def encode_png(image: np.ndarray) -> bytes:
    """One picture, uint8 [H, W, C], as the bytes of a PNG file."""
    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels), MODES[image.shape[2]]).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def write_png(path: Path, image: np.ndarray) -> None:
    """Write one picture, uint8 [H, W, C], to a PNG file, whole or not at all."""
    write_bytes(path, encode_png(image))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that its name never holds half of it."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside a path, which takes its name once all is written, and is gone if that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
