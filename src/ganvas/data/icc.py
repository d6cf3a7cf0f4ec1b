"""Colour profiles: from the colours of a file to sRGB and back, in floating point.

Shapes: H height, W width. Values are in [0, 1]; inks too, 1 for full ink.
"""

from __future__ import annotations

import functools
import io

import imagecodecs
import numpy as np
from PIL import ImageCms

from ganvas.data.opening import is_srgb

INTENT = imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC
FLAGS = imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION
SPACES = {"GRAY": "gray", "RGB": "rgb", "CMYK": "cmyk"}  # by the signature in a profile, as imagecodecs calls them
CHANNELS = {"gray": 1, "rgb": 3, "cmyk": 4}


@functools.cache
def srgb() -> bytes:
    """A profile of sRGB."""
    profile: bytes = imagecodecs.cms_profile("srgb")
    return profile


@functools.lru_cache(maxsize=8)
def space(profile: bytes) -> str | None:
    """What a profile describes: gray, rgb or cmyk; None for a broken one or another kind."""
    try:
        signature = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space
    except Exception:  # broken profiles raise many kinds
        return None
    return SPACES.get(signature.strip())


def to_srgb(values: np.ndarray, profile: bytes) -> np.ndarray | None:
    """Colours of a profile as sRGB; those outside its gamut become the nearest at its edge, channel by channel.

    Args:
        values: float32 [H, W, C] with 1 (grey), 3 (RGB) or 4 (CMYK) channels.
        profile: ICC profile.

    Returns:
        float32 [H, W, 3] in [0, 1]; None when the profile is broken or for another number of channels
    """
    kind = space(profile)
    if kind is None or CHANNELS[kind] != values.shape[2]:
        return None
    if kind == "rgb" and is_srgb(profile):
        return values
    return _transform(values, kind, profile, "rgb", srgb())


def from_srgb(values: np.ndarray, profile: bytes) -> np.ndarray | None:
    """sRGB as colours of a profile for RGB or grey.

    Args:
        values: float32 [H, W, 3] in [0, 1].
        profile: ICC profile.

    Returns:
        float32 [H, W, 3] or [H, W, 1] in [0, 1]; None when the profile is broken, for inks, or cannot be written to
    """
    kind = space(profile)
    if kind == "rgb" and is_srgb(profile):
        return values
    return None if kind in (None, "cmyk") else _transform(values, "rgb", srgb(), kind, profile)


def _transform(values: np.ndarray, kind: str, profile: bytes, wanted: str, other: bytes) -> np.ndarray | None:
    # Floats, since 16-bit integers go through tables that are off by up to 8 % near black. Inks count to 100 there.
    given = np.ascontiguousarray(values[:, :, 0] if kind == "gray" else values * (100 if kind == "cmyk" else 1))
    try:
        made = imagecodecs.cms_transform(
            given.astype(np.float32), profile, other, colorspace=kind, outcolorspace=wanted, intent=INTENT, flags=FLAGS
        )
    except imagecodecs.CmsError:  # a profile for reading alone, or one that contradicts itself
        return None
    shaped: np.ndarray = made.reshape(*values.shape[:2], CHANNELS[wanted])
    return shaped.clip(0, 1)
