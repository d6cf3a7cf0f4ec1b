"""One file at a time: every mode, orientation and way of being broken gives the right pixels or one verdict."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from ganvas.data.decode import LIMITS, Header, Target, decode, look
from ganvas.data.opening import Reject, formats

RAMP = np.arange(16 * 24, dtype=np.uint32).reshape(16, 24)
COLOUR = np.stack([RAMP % 256, RAMP * 3 % 256, RAMP * 7 % 256], -1).astype(np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colour() -> Image.Image:
    return Image.fromarray(COLOUR)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width: int, height: int) -> bytes:
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "PA"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_mode_decodes(mode, channels):
    if mode == "PA":
        image = colour().convert("P").convert("PA")
    elif mode == "LAB":
        srgb = ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(colour(), srgb, ImageCms.createProfile("LAB"), outputMode="LAB")
    else:
        image = colour().convert(mode)
    kind = "PNG" if mode in ("1", "L", "LA", "P", "RGB", "RGBA") else "TIFF"
    if mode in ("HSV", "PA"):
        image = image.convert("RGBA" if mode == "PA" else "RGB")
    pixels = decode(saved(image, kind), Target(16, 24, channels))
    assert isinstance(pixels, np.ndarray), pixels
    assert (pixels.shape, pixels.dtype) == ((16, 24, channels), np.uint8)
    if channels == 3 and mode in ("RGB", "RGBA", "CMYK"):
        np.testing.assert_array_equal(pixels, COLOUR)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_undone_exactly(value, kind):
    stored = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
              5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
              8: lambda a: np.rot90(a, -1)}[value](COLOUR)  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = value
    data = saved(
        Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})
    )
    np.testing.assert_array_equal(decode(data), COLOUR)
    assert look(data) == Header(16, 24, False, False)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind):
    values = np.array([[100, 255, 1000], [20000, 40000, 65535]], np.uint16)
    pixels = decode(saved(Image.fromarray(values), kind), Target(2, 3, 1))
    np.testing.assert_array_equal(pixels[:, :, 0], [[0, 1, 4], [78, 156, 255]])


def test_sixteen_bit_rgb_png():
    rows = b"".join(b"\0" + struct.pack(">6H", 0, 20000, 65535, 65535, 300, 0) for _ in range(2))
    head = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(decode(data)[0], [[0, 78, 255], [255, 1, 0]])


def test_whole_and_floating_numbers():
    whole = Image.fromarray(np.array([[0, 65535], [257, 32896]], np.int32))
    np.testing.assert_array_equal(decode(saved(whole, "TIFF"), Target(2, 2, 1))[:, :, 0], [[0, 255], [1, 128]])
    floats = Image.fromarray(np.array([[0, 1], [0.5, 0.25]], np.float32))
    np.testing.assert_array_equal(decode(saved(floats, "TIFF"), Target(2, 2, 1))[:, :, 0], [[0, 255], [128, 64]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 1e9])
def test_floats_without_a_scale_are_refused(bad):
    verdict = decode(saved(Image.fromarray(np.array([[0, bad]] * 2, np.float32)), "TIFF"))
    assert isinstance(verdict, Reject)
    assert verdict.kind == "unreadable"


def test_transparency_is_kept_or_laid_on_the_background():
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert (decode(saved(clear), Target(8, 8, 3, background="#102030")) == [16, 32, 48]).all()
    assert (decode(saved(clear), Target(8, 8, 4))[:, :, 3] == 0).all()
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert (decode(saved(palette, transparency=1), Target(16, 16, 3)) == 255).all()
    assert (decode(saved(Image.new("RGB", (9, 9), "red"), transparency=(255, 0, 0)), Target(9, 9, 3)) == 255).all()


def test_colour_profile_is_applied():
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"tmpX"), (b"bXYZ", b"rXYZ"), (b"tmpX", b"bXYZ")):  # red and blue change places
        swapped = swapped.replace(old, new)
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    pixels = decode(saved(Image.new("RGB", (8, 8), "red"), icc_profile=swapped))
    assert pixels[0, 0, 2] > 250
    assert pixels[0, 0, 0] < 5


def test_a_colour_profile_that_does_not_fit_is_ignored():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    assert isinstance(decode(saved(colour(), icc_profile=lab)), np.ndarray)
    np.testing.assert_array_equal(decode(saved(colour(), icc_profile=b"nonsense" * 20)), COLOUR)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (12, 12), name) for name in ("red", "blue", "green")]
    pixels = decode(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert pixels[0, 0, 0] > 240
    assert pixels[0, 0, 2] < 15


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_cut_files_are_refused(kind, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = saved(noise, kind)
    verdict = decode(data[: int(len(data) * share)])
    assert isinstance(verdict, Reject)
    assert verdict.kind in ("truncated", "unreadable", "not an image")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"hello, world\n" * 100, "not an image"),
        (b"\0" * 5000, "not an image"),
        (b"%PDF-1.4\n" + b"x" * 500, "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (png_header(30_000, 30_000), "bomb"),
        (png_header(40_000, 1_000), "bomb"),
        (png_header(1, 4000), "odd shape"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 400 + b"IEND", "unreadable"),
        (b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xfe\x3f\0" * 2 + b"\0" * 10, "bomb"),
    ],
)
def test_hostile_content(data, kind):
    start = time.perf_counter()
    verdict = decode(data, Target(32, 32, 3))
    seconds = time.perf_counter() - start
    assert isinstance(verdict, Reject)
    assert verdict.kind == kind
    assert kind != "bomb" or seconds < 0.05


def test_files_over_the_limit_and_texts_that_unpack_to_much():
    assert decode(b"\xff" * (LIMITS.file_bytes + 1)).kind == "too large"
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 3_000_000, zip=True)
    assert isinstance(decode(saved(colour(), pnginfo=info)), Reject)


def test_appended_bytes_huge_exif_and_one_pixel():
    np.testing.assert_array_equal(decode(saved(colour()) + b"PK\x03\x04<script>" * 100), COLOUR)
    exif = Image.Exif()
    exif[0x010E] = "x" * 10_000_000
    np.testing.assert_array_equal(decode(saved(colour(), exif=exif)), COLOUR)
    assert decode(saved(Image.new("RGB", (1, 1), "red")), Target(16, 16, 3)).shape == (16, 16, 3)


def test_a_wrong_checksum_never_gives_other_pixels():
    data = bytearray(saved(colour()))
    for place in (29, 60, len(data) - 20):
        broken = bytearray(data)
        broken[place] ^= 0xFF
        verdict = decode(bytes(broken))
        assert isinstance(verdict, Reject) or (verdict == COLOUR).all()


def test_any_single_damage_gives_pixels_or_a_verdict():
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA", "ICO", "PCX"):
        data = saved(colour(), kind)
        for _ in range(40):
            broken = bytearray(data)
            broken[rng.integers(min(len(data), 200))] = rng.integers(256)
            verdict = decode(bytes(broken), Target(8, 8, 3))
            assert isinstance(verdict, Reject) or verdict.shape == (8, 8, 3)


def test_fit():
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 200
    data = saved(Image.fromarray(wide))
    assert (decode(data, Target(8, 8, 3)) == 200).all()
    padded = decode(data, Target(24, 24, 4, "pad"))
    assert padded[:8, :, 3].max() == padded[16:, :, 3].max() == 0
    np.testing.assert_array_equal(padded[8:16, :, :3], wide)
    assert (decode(data, Target(24, 24, 3, "pad", "#0a0b0c"))[0, 0] == [10, 11, 12]).all()


def test_shrinking_is_antialiased():
    stripes = np.zeros((256, 256), np.uint8)
    stripes[:, ::2] = 255
    assert abs(decode(saved(Image.fromarray(stripes)), Target(32, 32, 1)).astype(int) - 127).max() <= 3


def test_formats_that_start_programs_are_left_out():
    assert {"PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"} <= set(formats())
    assert not {"EPS", "WMF", "FITS", "HDF5", "GRIB", "BUFR", "MPEG", "PDF"} & set(formats())
