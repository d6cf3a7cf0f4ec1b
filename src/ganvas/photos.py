"""Photographs: picture files of a photographer, read to float and written with all that the file had.

Whatever a file holds (8 or 16 bits, a colour profile, grey, inks, transparency, an orientation), work is done in one
form, a `Photo`: upright float32 in sRGB. Writing goes the same way back. Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas import images
from ganvas.data import exif, icc, lossless
from ganvas.data.opening import Limits, Reject, check_size, guard, open_picture, plain, read_file, to_unit, turn
from ganvas.errors import UserError

LIMITS = Limits(pixels=150_000_000, side=100_000, aspect=float("inf"), file_bytes=2**31)
QUALITY = 95
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WebP"}
TURNS: dict[Image.Transpose, Callable[[np.ndarray], np.ndarray]] = {
    Image.Transpose.FLIP_LEFT_RIGHT: np.fliplr,
    Image.Transpose.FLIP_TOP_BOTTOM: np.flipud,
    Image.Transpose.ROTATE_90: np.rot90,
    Image.Transpose.ROTATE_180: lambda values: np.rot90(values, 2),
    Image.Transpose.ROTATE_270: lambda values: np.rot90(values, -1),
    Image.Transpose.TRANSPOSE: lambda values: values.swapaxes(0, 1),
    Image.Transpose.TRANSVERSE: lambda values: np.rot90(values, 2).swapaxes(0, 1),
}
LONGEST_SIDE = {"JPEG": 65_500, "WebP": 16_383}


@dataclass(frozen=True)
class Photo:
    """A picture and what its file said of it.

    Attributes:
        pixels: float32 [H, W, 3], upright, sRGB in [0, 1]; where alpha is 0 the file may hide anything, see `seen`.
        alpha: float32 [H, W] in [0, 1], 1 opaque; None without transparency.
        bits: 8 or 16 a channel in the file.
        grey: whether the file holds no colour.
        profile: ICC profile of the file; None where it says nothing, which means sRGB.
        exif: what may be told of how it was taken: no place, no orientation, no thumbnail; see data/exif.py.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8
    grey: bool = False
    profile: bytes | None = None
    exif: bytes | None = None

    @property
    def height(self) -> int:
        """H."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """W."""
        return int(self.pixels.shape[1])

    def seen(self) -> np.ndarray:
        """What a network may see, float32 [H, W, 3]: in transparent parts what surrounds them, never what is hidden."""
        return self.pixels if self.alpha is None else over_surroundings(self.pixels, self.alpha)

    def painted(self, pixels: np.ndarray) -> Photo:
        """Another picture in the same frame: float [H, W, 3] of any size. Alpha follows its size, the rest stays."""
        alpha = self.alpha
        if alpha is not None:
            alpha = resize(alpha, *pixels.shape[:2])
        return replace(self, pixels=np.clip(pixels, 0, 1).astype(np.float32), alpha=alpha)

    def resized(self, height: int, width: int) -> Photo:
        """The photo in another size, antialiased; nothing hidden comes in."""
        if (height, width) == (self.height, self.width):
            return self
        return self.painted(resize(self.seen(), height, width))


def resize(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Float [H, W] or [H, W, C] in [0, 1] in another size: Lanczos, antialiased, never rounded to 8 bits.

    Returns:
        float32 [height, width] or [height, width, C]
    """
    return _resample(values, height, width, Image.Resampling.LANCZOS).clip(0, 1)


def _resample(values: np.ndarray, height: int, width: int, how: Image.Resampling) -> np.ndarray:
    if values.shape[:2] == (height, width):
        return np.asarray(values, np.float32)
    if values.ndim == 2:
        plane = Image.fromarray(np.ascontiguousarray(values, np.float32))
        return np.asarray(plane.resize((width, height), how))
    return np.stack([_resample(plane, height, width, how) for plane in np.moveaxis(values, -1, 0)], -1)


def over_surroundings(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A picture laid on a smooth continuation of what is visible of it; on grey where nothing is.

    So no colour comes in that the picture does not show, and its edges get no border that a network would paint.

    Args:
        pixels: float [H, W, 3].
        alpha: float [H, W].

    Returns:
        float32 [H, W, 3]

    Source: pull-push, Gortler et al. 1996, "The Lumigraph", section 3.4
    """
    share = np.asarray(alpha, np.float32)[..., None]
    levels = [np.concatenate([np.asarray(pixels, np.float32) * share, share], -1)]
    while max(levels[-1].shape[:2]) > 1:  # pull: weights of four add up, at most to 1
        height, width = ((side + 1) // 2 for side in levels[-1].shape[:2])
        halved = _resample(levels[-1], height, width, Image.Resampling.BOX)
        levels.append(halved * np.minimum(4, 1 / np.maximum(halved[..., 3:], 1e-6)))
    behind = np.full((1, 1, 3), 0.5, np.float32)
    for level in reversed(levels):  # push: what is not covered shows the coarser level
        height, width = level.shape[:2]
        behind = _resample(behind, height, width, Image.Resampling.BILINEAR)
        behind = level[..., :3] + (1 - level[..., 3:]) * behind
    return behind.clip(0, 1)


def read(path: str | Path) -> Photo:
    """A picture file: JPEG, PNG, TIFF, WebP, or another that Pillow reads; the first frame of an animation.

    Raises:
        UserError: what is wrong with the file.
    """
    try:
        data = read_file(str(path), LIMITS)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    found = data if isinstance(data, Reject) else guard(data, _read, LIMITS)
    if isinstance(found, Reject):
        raise UserError(f"{path} gives no picture: {found.kind}{f' ({found.detail})' if found.detail else ''}.")
    return found


def _read(data: bytes) -> Photo:
    image = open_picture(data, LIMITS)
    told, upright, profile = exif.kept(image), turn(image), image.info.get("icc_profile")
    values = lossless.read(data, image)
    deep = values is not None or image.mode.startswith(("I", "F"))
    inks = False
    if values is None:
        image.load()
        check_size(*image.size, LIMITS)
        upright = turn(image)
        values = _values(image)
        inks = image.mode == "CMYK"
    if upright is not None:
        values = np.ascontiguousarray(TURNS[upright](values))
    alpha = None
    if values.shape[2] in (2, 4) and not inks:
        values, alpha = values[..., :-1], np.ascontiguousarray(values[..., -1])
    grey = values.shape[2] == 1
    if grey and profile and icc.space(profile) == "rgb":
        values = np.repeat(values, 3, 2)
    pixels = icc.to_srgb(values, profile) if profile else None
    if pixels is None:  # none, or one that does not fit, which then must not be embedded either
        profile, pixels = None, _assumed_srgb(values)
    return Photo(np.ascontiguousarray(pixels), alpha, 16 if deep else 8, grey, profile, told)


def _values(image: Image.Image) -> np.ndarray:
    """What Pillow decoded as float32 [H, W, C] in [0, 1]: grey, grey and alpha, RGB, RGBA or CMYK."""
    if image.mode.startswith(("I", "F")):
        return to_unit(np.asarray(image))[..., None]
    values = np.asarray(plain(image), np.float32) / np.float32(255)
    return values[..., None] if values.ndim == 2 else values


def _assumed_srgb(values: np.ndarray) -> np.ndarray:
    """Grey, RGB, or CMYK without a profile, as sRGB [H, W, 3]."""
    if values.shape[2] == 4:
        values = (1 - values[..., :3]) * (1 - values[..., 3:])
    return np.broadcast_to(values, (*values.shape[:2], 3))


def check_output(path: Path) -> str:
    """The format that a file of this name will have; ask before long work, so that it is not for nothing.

    Raises:
        UserError: when its suffix is not known, or nothing can be written there.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"{path} ends in {path.suffix or 'nothing'!r}; pictures are written as {', '.join(FORMATS)}.")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it.")
    folder = next(folder for folder in (path.parent, *path.parent.absolute().parents) if folder.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"{path} cannot be written: {folder} is {'not writable' if folder.is_dir() else 'no folder'}.")
    return kind


def write(path: Path, photo: Photo, quality: int = QUALITY) -> list[str]:
    """Write a photo in the format of the file's suffix, whole or not at all, with its profile, bits, alpha and EXIF.

    Args:
        path: the file; .jpg, .png, .tif or .webp.
        photo: what to write.
        quality: of JPEG and WebP, 1 to 100.

    Returns:
        what the format could not hold, one sentence each

    Raises:
        UserError: when it cannot be written there, or in this format.
    """
    kind = check_output(path)
    longest = LONGEST_SIDE.get(kind, max(photo.pixels.shape))
    if max(photo.pixels.shape) > longest:
        raise UserError(
            f"{path}: {photo.width}x{photo.height} is too large for {kind}, which ends at {longest:,} pixels a side; "
            "name a file that ends in .png or .tif."
        )
    data, notes = encode(photo, kind, quality)
    try:
        images.write_bytes(path, data)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from None
    return [f"{path.name}: {note}" for note in notes]


def encode(photo: Photo, kind: str, quality: int = QUALITY) -> tuple[bytes, list[str]]:
    """A photo as the bytes of a file.

    Args:
        photo: what to write.
        kind: one of the values of FORMATS.
        quality: of JPEG and WebP.

    Returns:
        (the bytes, what the format could not hold)
    """
    notes, pixels, alpha = [], photo.pixels, photo.alpha
    if alpha is not None and kind == "JPEG":
        notes.append("JPEG holds no transparency, so the picture lies on white.")
        pixels, alpha = pixels * alpha[..., None] + (1 - alpha[..., None]), None
    lossless_kind = kind in ("PNG", "TIFF")
    if photo.bits == 16 and not lossless_kind:
        notes.append(f"{kind} holds 8 bits a channel of 16; .png and .tif hold all.")
    most = 65535 if photo.bits == 16 and lossless_kind else 255
    colour, profile = _in_profile(pixels, photo.profile, photo.grey and kind != "WebP" and _colourless(pixels, most))
    planes = colour if alpha is None else np.concatenate([colour, alpha[..., None]], -1)
    values = (planes * np.float32(most) + np.float32(0.5)).astype(np.uint16 if most > 255 else np.uint8)
    if kind == "PNG":
        return lossless.png(values, profile, photo.exif), notes
    if kind == "TIFF":
        return lossless.tiff(values, profile, photo.exif), notes
    told = {"exif": photo.exif} if photo.exif else {}
    buffer = io.BytesIO()
    fine = {"subsampling": 0, "optimize": True} if kind == "JPEG" else {"method": 4}  # painted colours are fine-grained
    Image.fromarray(values[..., 0] if values.shape[2] == 1 else values).save(
        buffer, kind, quality=quality, icc_profile=profile, **told, **fine
    )
    return buffer.getvalue(), notes


def _colourless(pixels: np.ndarray, most: int) -> bool:
    return float(np.ptp(pixels, axis=2).max()) < 1 / most


def _in_profile(pixels: np.ndarray, profile: bytes | None, grey: bool) -> tuple[np.ndarray, bytes | None]:
    """sRGB as the values to write, [H, W, 3] or [H, W, 1], and the profile they are in.

    A profile for grey or inks does not fit colours: these are then sRGB, and say so.
    """
    if profile is None:
        return (pixels[..., 1:2] if grey else pixels), None
    if (icc.space(profile) == "gray") == grey:
        made = icc.from_srgb(pixels, profile)
        if made is not None:
            return made, profile
    return (pixels[..., 1:2], None) if grey else (pixels, icc.srgb())
