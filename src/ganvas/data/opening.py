"""A picture file opened with suspicion: limits, verdicts, upright, in one of a few modes.

Files come from anywhere, so nothing in one is believed: its header is checked before anything is decoded. Imports
Pillow and numpy only. Shapes: H height, W width.
"""

from __future__ import annotations

import functools
import io
import os
import stat
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

# Formats that start other programs (EPS), are stubs for plugins that come from outside, or hold no picture.
REFUSED_FORMATS = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"}
ORIENTATION = 0x0112

Kind = Literal[
    "empty", "not an image", "truncated", "unreadable", "bomb", "too large", "odd shape", "not a file", "encrypted",
    "too slow", "crashed the decoder", "changed while reading", "duplicate",
]  # fmt: skip

Result = TypeVar("Result")


@dataclass(frozen=True)
class Limits:
    """What is refused before it is decoded.

    Attributes:
        pixels: most pixels of a picture.
        side: longest side in pixels.
        aspect: most times that one side may be as long as the other.
        file_bytes: size of the largest file.
    """

    pixels: int
    side: int
    aspect: float
    file_bytes: int


@dataclass(frozen=True)
class Reject:
    """Why a file gave no picture: one of a few kinds, to be counted, and a detail for people."""

    kind: Kind
    detail: str = ""


class Rejected(Exception):
    """Raised inside `guard` by whatever finds that a file gives no picture."""

    def __init__(self, kind: Kind, detail: str):
        super().__init__(detail)
        self.reject = Reject(kind, detail)


def read_file(path: str, limits: Limits) -> bytes | Reject:
    """A whole regular file; a pipe or a device is never waited for.

    Raises:
        OSError: when it cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return Reject("not a file", "not a regular file")
        if status.st_size > limits.file_bytes:
            return _too_large(status.st_size, limits)
        return file.read(limits.file_bytes + 1)


def guard(data: bytes, work: Callable[[bytes], Result], limits: Limits) -> Result | Reject:
    """What `work` makes of the bytes of a file, or a verdict whatever it raises."""
    if not data:
        return Reject("empty", "zero bytes")
    if len(data) > limits.file_bytes:
        return _too_large(len(data), limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return work(data)
    except Exception as error:  # Pillow's plugins raise whatever a broken file leads them to
        return _reject(error, data, limits)


def _too_large(size: int, limits: Limits) -> Reject:
    return Reject("too large", f"{size:,} bytes; at most {limits.file_bytes:,}")


def _reject(error: Exception, data: bytes, limits: Limits) -> Reject:
    detail = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, Rejected):
        return error.reject
    if isinstance(error, Image.DecompressionBombError):
        return Reject("bomb", f"more than {limits.pixels:,} pixels")
    if isinstance(error, MemoryError):
        return Reject("unreadable", "decoding needs more memory than there is")
    if "truncated" in detail.lower() or _cut_short(data):
        return Reject("truncated", "the file ends before its picture does")
    if isinstance(error, UnidentifiedImageError):
        if _known_beginning(data):
            return Reject("unreadable", "its header is damaged")
        return Reject("not an image", "its content is in no known picture format")
    return Reject("unreadable", detail)


def _known_beginning(data: bytes) -> bool:
    return (
        data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")) or data[8:12] == b"WEBP"
    )


def _cut_short(data: bytes) -> bool:
    """Whether a file of a well-known format lacks its end."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    if data.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in data[-64:]
    if data.startswith(b"GIF8"):
        return not data.rstrip(b"\0").endswith(b";")
    return data.startswith(b"RIFF") and int.from_bytes(data[4:8], "little") + 8 > len(data)


@functools.cache
def formats() -> tuple[str, ...]:
    """Names of the formats that are read: all that Pillow reads, but those that start programs or are stubs."""
    Image.init()
    return tuple(sorted(set(Image.OPEN) - REFUSED_FORMATS))


def open_picture(data: bytes, limits: Limits) -> Image.Image:
    """The picture in a file, its size checked, not decoded yet; call inside `guard`."""
    if (
        data[8:16] == b"WEBPVP8X" and len(data) >= 30
    ):  # Pillow reserves memory for the canvas before we can ask its size
        check_size(int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1, limits)
    image = Image.open(io.BytesIO(data), formats=formats())
    check_size(*image.size, limits)
    return image


def check_size(width: int, height: int, limits: Limits) -> None:
    """Raise Rejected unless a picture is within the limits."""
    if width < 1 or height < 1:
        raise Rejected("unreadable", f"{width}x{height} pixels")
    if width * height > limits.pixels:
        raise Rejected("bomb", f"{width}x{height} is more than {limits.pixels:,} pixels")
    if max(width, height) > limits.side:
        raise Rejected("bomb", f"{width}x{height}: a side of more than {limits.side:,} pixels")
    if max(width, height) > limits.aspect * min(width, height):
        raise Rejected("odd shape", f"{width}x{height} is longer than {limits.aspect:g}:1")


def turn(image: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright by its EXIF orientation; None where nothing does.

    Pillow turns a TIFF itself while decoding, and forgets the orientation then; its size says so before.
    """
    try:
        value = image.getexif().get(ORIENTATION)
    except Exception:  # broken EXIF says nothing of the pixels
        return None
    flips = Image.Transpose
    turns = {2: flips.FLIP_LEFT_RIGHT, 3: flips.ROTATE_180, 4: flips.FLIP_TOP_BOTTOM, 5: flips.TRANSPOSE,
             6: flips.ROTATE_270, 7: flips.TRANSVERSE, 8: flips.ROTATE_90}  # fmt: skip
    return turns.get(value) if isinstance(value, int) else None


def plain(image: Image.Image) -> Image.Image:
    """The picture in one of the modes L, LA, RGB, RGBA and CMYK, 8 bits a channel."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray((to_unit(np.asarray(image)) * np.float32(255) + np.float32(0.5)).astype(np.uint8))
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in ("LA", "La") else "RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def to_unit(values: np.ndarray) -> np.ndarray:
    """Grey values of unknown scale as float32 in [0, 1]: the scale is the smallest usual one that holds them all.

    Usual are 1 (floats only), 255 (floats only), 65,535 and 2**31 - 1 (whole numbers only).
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():  # min and max pass NaN on
        raise Rejected("unreadable", "holds values that are not finite numbers")
    scales = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0, 2.0**31 - 1)
    scale = next((scale for scale in scales if high <= scale), None)
    if low < 0 or scale is None:
        raise Rejected("unreadable", f"holds values from {low:g} to {high:g}; known are 0 to {scales[-1]:g}")
    unit: np.ndarray = values.astype(np.float32) / np.float32(scale)
    return unit


def is_srgb(profile: bytes) -> bool:
    """Whether a colour profile is sRGB by its own description."""
    try:
        return "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except Exception:  # broken profiles raise many kinds
        return False
