"""One picture file as pixels of a wanted shape, or the reason why not; also a child process that does only this.

`folder.py` runs this module as a child (`python -m ganvas.data.decode`) that may crash, hang or run out of memory
without harm. Imports Pillow and numpy only. Shapes: H height, W width, C channels (1 grey, 3 RGB, 4 RGBA).
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import sys
import zipfile
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import Image, ImageCms

from ganvas.data.opening import (
    Kind,
    Limits,
    Reject,
    check_size,
    formats,
    guard,
    is_srgb,
    open_picture,
    plain,
    read_file,
    turn,
)

LIMITS = Limits(pixels=50_000_000, side=32_768, aspect=50, file_bytes=64 * 2**20)
MAX_ADDRESS_SPACE = 2 * 2**30
REDUCING_GAP = 3.0  # a large picture is first shrunk coarsely to 3 times its final size, which no eye can tell


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


def look(data: bytes) -> Header | Reject:
    """What the header of a picture file says; nothing is decoded.

    Args:
        data: the whole file.
    """
    return guard(data, _look, LIMITS)


def decode(data: bytes, target: Target | None = None) -> np.ndarray | Reject:
    """A picture file as pixels: upright, in sRGB, 8 bits a channel, the first frame of an animation.

    Args:
        data: the whole file.
        target: size, channels and how to fit; None keeps the picture's own size and gives RGB on white.

    Returns:
        uint8 [H, W, C], or the reason why the file is refused.
    """
    return guard(data, lambda data: _decode(data, target), LIMITS)


def _look(data: bytes) -> Header:
    image = open_picture(data, LIMITS)
    flips = Image.Transpose
    sideways = image.format != "TIFF" and turn(image) in (
        flips.TRANSPOSE,
        flips.TRANSVERSE,
        flips.ROTATE_90,
        flips.ROTATE_270,
    )
    width, height = image.size[::-1] if sideways else image.size
    grey = image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")
    return Header(height, width, grey, image.has_transparency_data)


def _decode(data: bytes, target: Target | None) -> np.ndarray:
    image = open_picture(data, LIMITS)
    if target:
        least = round(REDUCING_GAP * max(target.height, target.width))
        image.draft(None, (least, least))  # JPEG only: decode at a half, a quarter or an eighth where that is enough
    image.load()
    check_size(*image.size, LIMITS)
    upright = turn(image)
    profile = image.info.get("icc_profile")
    image = plain(image)
    image = image.transpose(upright) if upright is not None else image
    target = target or Target(image.height, image.width, 3)
    return _finish(_srgb(_resize(image, target), profile), target)


def fit(image: Image.Image, target: Target) -> np.ndarray:
    """A picture in mode L, RGB or RGBA, already in sRGB, as uint8 [H, W, C] of the wanted shape."""
    return _finish(_resize(image, target), target)


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
        if mode == "RGB" and is_srgb(profile):
            return None
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
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
    """A whole file, or one member of a zip by its position in the directory; never more than the limit."""
    try:
        return read_file(path, LIMITS) if member is None else _read_member(path, member)
    except OSError as error:
        return Reject("unreadable", error.strerror or "cannot be opened")
    except Exception as error:  # zipfile and its decompressors raise many kinds
        return Reject("unreadable", f"broken in the archive: {' '.join(str(error).split())[:150]}")


def _read_member(path: str, member: int) -> bytes | Reject:
    archive = _archive(path)
    info = archive.infolist()[member]
    if info.flag_bits & 1:
        return Reject("encrypted", "its archive asks for a password")
    if info.file_size > LIMITS.file_bytes:
        kind: Kind = "bomb" if info.file_size > 100 * info.compress_size else "too large"
        return Reject(kind, f"unpacks to {info.file_size:,} bytes; at most {LIMITS.file_bytes:,}")
    with archive.open(info) as file:
        return file.read(LIMITS.file_bytes + 1)


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
