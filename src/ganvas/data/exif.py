"""What a photograph tells of how it was taken, without what it should not tell.

Only fields of a short list are kept: no place (GPS), serial number, owner, thumbnail, maker's note, or orientation,
which is applied to the pixels instead.
"""

from __future__ import annotations

from PIL import Image
from PIL.ExifTags import IFD, Base

PICTURE = (
    Base.ImageDescription, Base.Make, Base.Model, Base.DateTime, Base.Artist, Base.Copyright,
)  # fmt: skip
EXPOSURE = (
    Base.ExposureTime, Base.FNumber, Base.ExposureProgram, Base.ISOSpeedRatings, Base.DateTimeOriginal,
    Base.DateTimeDigitized, Base.OffsetTime, Base.OffsetTimeOriginal, Base.OffsetTimeDigitized,
    Base.ShutterSpeedValue, Base.ApertureValue, Base.ExposureBiasValue, Base.MaxApertureValue, Base.MeteringMode,
    Base.LightSource, Base.Flash, Base.FocalLength, Base.FocalLengthIn35mmFilm, Base.ExposureMode, Base.WhiteBalance,
    Base.SceneCaptureType, Base.LensSpecification, Base.LensMake, Base.LensModel,
)  # fmt: skip
LONGEST_TEXT = 2_000


def kept(image: Image.Image) -> bytes | None:
    """EXIF of an opened picture, cleaned, as bytes that begin with `Exif`; None when nothing is left of it."""
    try:
        found = image.getexif()
        clean = Image.Exif()
        for tag in PICTURE:
            if _sound(found.get(tag)):
                clean[tag] = found[tag]
        exposure = found.get_ifd(IFD.Exif)
        inner = {int(tag): exposure[tag] for tag in EXPOSURE if _sound(exposure.get(tag))}
        if inner:
            clean.get_ifd(IFD.Exif).update(inner)
        return clean.tobytes() if len(clean) or inner else None
    except Exception:  # broken EXIF raises many kinds, and says nothing worth keeping
        return None


def texts(data: bytes | None) -> dict[int, str]:
    """The texts among the fields of a picture by their number, as TIFF keeps them: maker, model, artist and so on."""
    if data is None:
        return {}
    found = Image.Exif()
    found.load(data)
    return {int(tag): found[tag] for tag in PICTURE if isinstance(found.get(tag), str)}


def _sound(value: object) -> bool:
    return value is not None and not (isinstance(value, str | bytes) and len(value) > LONGEST_TEXT)
