"""One picture file as pixels of a wanted shape, or the reason why not; also a child process that does only this.

Files come from anywhere, so nothing in one is believed: its header is checked before anything is decoded, and
`folder.py` runs this module as a child (`python -m ganvas.data.decode`) that may crash, hang or run out of memory
without harm. Imports Pillow and numpy only. Shapes: H height, W width, C channels (1 grey, 3 RGB, 4 RGBA).
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import stat
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Literal, TypeVar

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

MAX_PIXELS = 50_000_000
MAX_SIDE = 32_768
MAX_ASPECT = 50
MAX_FILE_BYTES = 64 * 2**20
MAX_ADDRESS_SPACE = 2 * 2**30
REDUCING_GAP = 3.0  # a large picture is first shrunk coarsely to 3 times its final size, which no eye can tell
# Formats that start other programs (EPS), are stubs for plugins that come from outside, or hold no picture.
REFUSED_FORMATS = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"}

Kind = Literal[
    "empty", "not an image", "truncated", "unreadable", "bomb", "too large", "odd shape", "not a file", "encrypted",
    "too slow", "crashed the decoder", "changed while reading", "duplicate",
]  # fmt: skip

Result = TypeVar("Result")


@dataclass(frozen=True)
class Reject:
    """Why a file gave no picture: one of a few kinds, to be counted, and a detail for people."""

    kind: Kind
    detail: str = ""


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before decoding; width and height are those after EXIF orientation."""

    height: int
    width: int
    grey: bool
    alpha: bool


@dataclass(frozen=True)
class Target:
    """What a picture is to become.

    Attributes:
        height: H in pixels.
        width: W in pixels.
        channels: 1 grey, 3 RGB, 4 RGBA.
        fit: cut the middle (crop), or add borders (pad; transparent ones for RGBA).
        background: colour under transparent pictures and of borders, as #rrggbb.
    """

    height: int
    width: int
    channels: int
    fit: Literal["crop", "pad"] = "crop"
    background: str = "#ffffff"


class _Rejected(Exception):
    def __init__(self, kind: Kind, detail: str):
        super().__init__(detail)
        self.reject = Reject(kind, detail)


def look(data: bytes) -> Header | Reject:
    """What the header of a picture file says; nothing is decoded.

    Args:
        data: the whole file.
    """
    return _guard(data, _look)


def decode(data: bytes, target: Target | None = None) -> np.ndarray | Reject:
    """A picture file as pixels: upright, in sRGB, 8 bits a channel, the first frame of an animation.

    Args:
        data: the whole file.
        target: size, channels and how to fit; None keeps the picture's own size and gives RGB on white.

    Returns:
        uint8 [H, W, C], or the reason why the file is refused.
    """
    return _guard(data, lambda data: _decode(data, target))


def _guard(data: bytes, work: Callable[[bytes], Result]) -> Result | Reject:
    if not data:
        return Reject("empty", "zero bytes")
    if len(data) > MAX_FILE_BYTES:
        return Reject("too large", f"{len(data):,} bytes; at most {MAX_FILE_BYTES:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return work(data)
    except Exception as error:  # Pillow's plugins raise whatever a broken file leads them to
        return _reject(error, data)


def _reject(error: Exception, data: bytes) -> Reject:
    detail = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, _Rejected):
        return error.reject
    if isinstance(error, Image.DecompressionBombError):
        return Reject("bomb", f"more than {MAX_PIXELS:,} pixels")
    if isinstance(error, MemoryError):
        return Reject("unreadable", f"decoding needs more than {MAX_ADDRESS_SPACE // 2**30} GiB of memory")
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


def _open(data: bytes) -> Image.Image:
    if (
        data[8:16] == b"WEBPVP8X" and len(data) >= 30
    ):  # Pillow reserves memory for the canvas before we can ask its size
        _check_size(int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    image = Image.open(io.BytesIO(data), formats=formats())
    _check_size(*image.size)
    return image


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise _Rejected("unreadable", f"{width}x{height} pixels")
    if width * height > MAX_PIXELS:
        raise _Rejected("bomb", f"{width}x{height} is more than {MAX_PIXELS:,} pixels")
    if max(width, height) > MAX_SIDE:
        raise _Rejected("bomb", f"{width}x{height}: a side of more than {MAX_SIDE:,} pixels")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise _Rejected("odd shape", f"{width}x{height} is longer than {MAX_ASPECT}:1")


def _orientation(image: Image.Image) -> Image.Transpose | None:
    try:
        value = image.getexif().get(0x0112)
    except Exception:  # broken EXIF says nothing of the pixels
        return None
    flips = Image.Transpose
    turns = {2: flips.FLIP_LEFT_RIGHT, 3: flips.ROTATE_180, 4: flips.FLIP_TOP_BOTTOM, 5: flips.TRANSPOSE,
             6: flips.ROTATE_270, 7: flips.TRANSVERSE, 8: flips.ROTATE_90}  # fmt: skip
    return turns.get(value) if isinstance(value, int) else None


def _look(data: bytes) -> Header:
    image = _open(data)
    flips = Image.Transpose
    # Pillow reports TIFF sizes upright already
    sideways = image.format != "TIFF" and _orientation(image) in (
        flips.TRANSPOSE,
        flips.TRANSVERSE,
        flips.ROTATE_90,
        flips.ROTATE_270,
    )
    width, height = image.size[::-1] if sideways else image.size
    grey = image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")
    return Header(height, width, grey, image.has_transparency_data)


def _decode(data: bytes, target: Target | None) -> np.ndarray:
    image = _open(data)
    if target:
        least = round(REDUCING_GAP * max(target.height, target.width))
        image.draft(None, (least, least))  # JPEG only: decode at a half, a quarter or an eighth where that is enough
    image.load()
    _check_size(*image.size)
    turn = _orientation(image)
    profile = image.info.get("icc_profile")
    image = _plain(image)
    image = image.transpose(turn) if turn is not None else image
    target = target or Target(image.height, image.width, 3)
    return _finish(_srgb(_resize(image, target), profile), target)


def fit(image: Image.Image, target: Target) -> np.ndarray:
    """A picture in mode L, RGB or RGBA, already in sRGB, as uint8 [H, W, C] of the wanted shape."""
    return _finish(_resize(image, target), target)


def _plain(image: Image.Image) -> Image.Image:
    """The picture in one of the modes L, LA, RGB, RGBA and CMYK, 8 bits a channel."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        return Image.fromarray(_eight_bits(np.asarray(image)))
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in ("LA", "La") else "RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of unknown scale as 8 bits: the scale is the smallest usual one that holds them all.

    Usual are 1 (floats only), 255 (floats only), 65,535 and 2**31 - 1 (whole numbers only).
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():  # min and max pass NaN on
        raise _Rejected("unreadable", "holds values that are not finite numbers")
    scales = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0, 2.0**31 - 1)
    scale = next((scale for scale in scales if high <= scale), None)
    if low < 0 or scale is None:
        raise _Rejected("unreadable", f"holds values from {low:g} to {high:g}; known are 0 to {scales[-1]:g}")
    return (values.astype(np.float32) * np.float32(255 / scale) + np.float32(0.5)).astype(np.uint8)


def _resize(image: Image.Image, target: Target) -> Image.Image:
    """The part of the picture that stays, antialiased; alpha is weighed in by Pillow."""
    width, height = image.size
    if target.fit == "pad":
        scale = min(target.width / width, target.height / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        box = (0.0, 0.0, float(width), float(height))
    else:
        scale = min(width / target.width, height / target.height)
        wide, high = target.width * scale, target.height * scale
        size, left, top = (target.width, target.height), (width - wide) / 2, (height - high) / 2
        if scale == 1:  # cutting alone must not blur, so it starts at a whole pixel
            left, top = float(int(left)), float(int(top))
        box = (left, top, min(left + wide, width), min(top + high, height))
    if size == image.size and box == (0, 0, width, height):
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=REDUCING_GAP)


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colour = image.convert(image.mode[:-1]) if alpha else image
    transform = _transform(profile, colour.mode) if profile else None
    if transform:
        colour = ImageCms.applyTransform(colour, transform) or colour
    if colour.mode == "CMYK":
        colour = colour.convert("RGB")
    if alpha:
        colour = colour.convert("RGB")
        colour.putalpha(alpha)
    return colour


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except Exception:  # a broken profile, or one for other channels, is left out like a missing one
        return None


def _finish(image: Image.Image, target: Target) -> np.ndarray:
    """Transparency, borders and channels as asked."""
    if target.channels == 4:
        image = image.convert("RGBA")
        empty: tuple[int, ...] | str = (0, 0, 0, 0)
    else:
        empty = target.background
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, target.background), image)
        image = image.convert("L" if target.channels == 1 and image.mode == "L" else "RGB")
    if image.size != (target.width, target.height):
        canvas = Image.new("RGB" if image.mode == "L" else image.mode, (target.width, target.height), empty)
        canvas.paste(image, ((target.width - image.width) // 2, (target.height - image.height) // 2))
        image = canvas
    if target.channels == 1:
        image = image.convert("L")
    return np.asarray(image, np.uint8).reshape(target.height, target.width, target.channels)


def read_bytes(path: str, member: int | None = None) -> bytes | Reject:
    """A whole file, or one member of a zip by its position in the directory; never more than MAX_FILE_BYTES."""
    try:
        return _read_file(path) if member is None else _read_member(path, member)
    except OSError as error:
        return Reject("unreadable", error.strerror or "cannot be opened")
    except Exception as error:  # zipfile and its decompressors raise many kinds
        return Reject("unreadable", f"broken in the archive: {' '.join(str(error).split())[:150]}")


def _read_file(path: str) -> bytes | Reject:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return Reject("not a file", "not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            return Reject("too large", f"{status.st_size:,} bytes; at most {MAX_FILE_BYTES:,}")
        return file.read(MAX_FILE_BYTES + 1)


def _read_member(path: str, member: int) -> bytes | Reject:
    archive = _archive(path)
    info = archive.infolist()[member]
    if info.flag_bits & 1:
        return Reject("encrypted", "its archive asks for a password")
    if info.file_size > MAX_FILE_BYTES:
        kind: Kind = "bomb" if info.file_size > 100 * info.compress_size else "too large"
        return Reject(kind, f"unpacks to {info.file_size:,} bytes; at most {MAX_FILE_BYTES:,}")
    with archive.open(info) as file:
        return file.read(MAX_FILE_BYTES + 1)


@functools.lru_cache(maxsize=1)
def _archive(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def answer(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Answer one request of the parent: {"path", "member", "target"}; without a target, only look at the header.

    Returns:
        (what the file is or why not, with the SHA-256 of its content; pixels, or nothing)
    """
    data = read_bytes(request["path"], request.get("member"))
    if isinstance(data, Reject):
        return {"reject": asdict(data), "sha256": ""}, b""
    head: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest()}
    target = request.get("target")
    result = decode(data, Target(**target)) if target else look(data)
    if isinstance(result, Reject):
        return head | {"reject": asdict(result)}, b""
    if isinstance(result, Header):
        return head | {"header": asdict(result)}, b""
    return head | {"shape": result.shape}, result.tobytes()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer JSON lines, each with a JSON line that says how many bytes of pixels follow, until there are no more."""
    for line in requests:
        head, pixels = answer(json.loads(line))
        answers.write(json.dumps(head | {"bytes": len(pixels)}).encode() + b"\n" + pixels)
        answers.flush()


def main() -> None:
    """Serve standard input to standard output, with limited memory."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop: it closes our input
    formats()
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))
    except (ImportError, ValueError, OSError):  # Windows has none, macOS may refuse
        pass
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a C library prints must not end up among the pixels
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
