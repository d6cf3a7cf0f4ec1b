"""PNG and TIFF with 16 bits a channel, which Pillow cuts to 8: read, and written at 8 and 16 with a colour profile.

Shapes: H height, W width, C channels (1 grey, 2 grey and alpha, 3 RGB, 4 RGBA).
"""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from ganvas.data import exif

PNG_LEVEL = 3  # of zlib: two thirds of the time of its default for 1 % more bytes
BITS_PER_SAMPLE = 258
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2  # kinds of TIFF
NEITHER, PREMULTIPLIED = 0, 1  # kinds of a fourth channel


def read(data: bytes, image: Image.Image) -> np.ndarray | None:
    """Values of a file that holds 16 bits a channel, not turned upright yet.

    Args:
        data: the whole file.
        image: the same, opened by Pillow and not decoded.

    Returns:
        float32 [H, W, C] in [0, 1]; None for any other file
    """
    if image.format == "PNG" and data[24:25] == b"\x10":
        values = np.asarray(imagecodecs.png_decode(data))
        return _unit(values[..., None] if values.ndim == 2 else values)
    if image.format == "TIFF" and set(image.tag_v2.get(BITS_PER_SAMPLE, ())) == {16}:  # type: ignore[attr-defined]
        return _read_tiff(data)
    return None


def _unit(values: np.ndarray) -> np.ndarray:
    unit: np.ndarray = values.astype(np.float32) / np.float32(65535)
    return unit


def _read_tiff(data: bytes) -> np.ndarray | None:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        kind, colours = int(page.photometric), 3 if int(page.photometric) == RGB else 1
        if kind not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) or page.dtype != np.uint16 or page.imagedepth != 1:
            return None  # inks, palettes and the like are Pillow's
        values = page.asarray().reshape(page.shaped)  # [planes, depth, H, W, C]
        values = values[:, 0, ..., 0].transpose(1, 2, 0) if len(values) > 1 else values[0, 0]
        extra = int(page.extrasamples[0]) if page.extrasamples else NEITHER
    unit = _unit(values)
    if kind == WHITE_IS_ZERO:
        unit[..., 0] = 1 - unit[..., 0]
    if extra == NEITHER:
        return unit[..., :colours]
    alpha = unit[..., colours : colours + 1]
    colour = unit[..., :colours]
    if extra == PREMULTIPLIED:
        colour = np.divide(colour, alpha, out=np.zeros_like(colour), where=alpha > 0).clip(0, 1)
    return np.concatenate([colour, alpha], -1)


def png(values: np.ndarray, profile: bytes | None, told: bytes | None) -> bytes:
    """A PNG file.

    Args:
        values: uint8 or uint16 [H, W, C].
        profile: ICC profile to embed.
        told: EXIF to embed.
    """
    rows = np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values)
    data = bytes(imagecodecs.png_encode(rows, level=PNG_LEVEL))
    chunks = b""
    if profile:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if told:
        chunks += _chunk(b"eXIf", told.removeprefix(b"Exif\0\0"))
    head = 8 + 25  # signature and IHDR, which the others follow
    return data[:head] + chunks + data[head:]


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def tiff(values: np.ndarray, profile: bytes | None, told: bytes | None) -> bytes:
    """A TIFF file, compressed without loss; of EXIF it holds the texts: maker, model, artist, copyright, time.

    Args:
        values: uint8 or uint16 [H, W, C]; grey with alpha becomes RGBA, since few programs read the former.
        profile: ICC profile to embed.
        told: EXIF.
    """
    if values.shape[2] == 2:
        values = values[..., [0, 0, 0, 1]]
    channels = values.shape[2]
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        values[..., 0] if channels == 1 else values,
        photometric="minisblack" if channels == 1 else "rgb",
        planarconfig=None if channels == 1 else "contig",
        extrasamples=["unassalpha"] if channels == 4 else None,
        compression="adobe_deflate",
        predictor=True,
        iccprofile=profile,
        metadata=None,
        software=False,
        extratags=[(tag, 2, None, text, True) for tag, text in exif.texts(told).items()],
    )
    return buffer.getvalue()
