"""Photographs: what a file has comes in upright, in sRGB and float, and goes out as it was."""

import io
import os
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from ganvas import photos
from ganvas.data import icc
from ganvas.errors import UserError
from ganvas.photos import Photo

RNG = np.random.default_rng(0)
WIDE = {  # white point and primaries as x, y, Y
    "Display P3": ((0.3127, 0.3290, 1.0), (0.680, 0.320, 0.2290, 0.265, 0.690, 0.6917, 0.150, 0.060, 0.0793)),
    "Adobe RGB": ((0.3127, 0.3290, 1.0), (0.640, 0.330, 0.2973, 0.210, 0.710, 0.6274, 0.150, 0.060, 0.0753)),
}
SUFFIXES = [".png", ".tif", ".jpg", ".webp"]
LOSSLESS = [".png", ".tif"]


def wide(name: str) -> bytes:
    white, primaries = WIDE[name]
    return imagecodecs.cms_profile("rgb", whitepoint=white, primaries=primaries, gamma=2.2)


def smooth(height=48, width=64) -> np.ndarray:
    """A picture that compression hardly changes, well inside every gamut."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x / width, y / height, (x + y) / (height + width)], -1).astype(np.float32) * 0.2 + 0.4


def exact(bits: int, shape=(31, 45, 3)) -> np.ndarray:
    most = 2**bits - 1
    return (RNG.integers(0, most + 1, shape) / most).astype(np.float32)


def levels(pixels: np.ndarray, bits: int) -> np.ndarray:
    return np.round(pixels.astype(np.float64) * (2**bits - 1)).astype(int)


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_every_value_survives_lossless_files(tmp_path, suffix, bits, alpha, grey):
    pixels = np.repeat(exact(bits)[..., :1], 3, 2) if grey else exact(bits)
    photo = Photo(pixels, exact(bits, (31, 45)) if alpha else None, bits, grey)
    assert photos.write(tmp_path / f"a{suffix}", photo) == []
    back = photos.read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(levels(back.pixels, bits), levels(pixels, bits))
    assert (back.bits, back.profile) == (bits, None)
    assert back.grey == (grey and not (suffix == ".tif" and alpha))
    if alpha:
        np.testing.assert_array_equal(levels(back.alpha, bits), levels(photo.alpha, bits))
    else:
        assert back.alpha is None


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", WIDE)
def test_profiles_are_converted_embedded_and_give_the_same_colours(tmp_path, suffix, name):
    profile, colours = wide(name), smooth()
    bits = 16 if suffix in LOSSLESS else 8
    path = tmp_path / f"a{suffix}"
    stored = levels(colours, bits).astype(np.uint16 if bits == 16 else np.uint8)
    if suffix == ".png":
        path.write_bytes(photos.lossless.png(stored, profile, None))
    elif suffix == ".tif":
        tifffile.imwrite(path, stored, photometric="rgb", iccprofile=profile, metadata=None)
    else:
        Image.fromarray(stored).save(path, quality=100, icc_profile=profile)
    photo = photos.read(path)
    assert photo.profile == profile
    assert abs(photo.pixels - colours).max() > 0.005, "another gamut, so other numbers in sRGB"
    linear = np.where(photo.pixels <= 0.04045, photo.pixels / 12.92, ((photo.pixels + 0.055) / 1.055) ** 2.4)
    srgb = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
    other = np.reshape(WIDE[name][1], (3, 3))[:, :2]
    expected = (colours.astype(np.float64) ** 2.2) @ matrix(other, WIDE[name][0]).T
    np.testing.assert_allclose(linear @ matrix(srgb, WIDE[name][0]).T, expected, atol=2e-3 if bits == 16 else 0.03)
    photos.write(tmp_path / f"b{suffix}", photo)
    again = photos.read(tmp_path / f"b{suffix}")
    assert again.profile == profile
    assert abs(again.pixels - photo.pixels).max() < (1e-4 if bits == 16 else 0.03)


def matrix(primaries, white) -> np.ndarray:
    """RGB to XYZ of a colour space, from its chromaticities: the slow obvious way."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    x, y = white[:2]
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


def test_sixteen_bits_with_a_profile_come_back_to_a_few_levels(tmp_path):
    profile, pixels = wide("Adobe RGB"), smooth()
    photos.write(tmp_path / "a.png", Photo(pixels, bits=16, profile=profile))
    first = photos.read(tmp_path / "a.png")
    photos.write(tmp_path / "b.png", first)
    second = photos.read(tmp_path / "b.png")
    assert abs(levels(first.pixels, 16) - levels(pixels, 16)).max() <= 4
    assert abs(levels(second.pixels, 16) - levels(first.pixels, 16)).max() <= 1


def test_srgb_profiles_are_embedded_again_and_change_nothing(tmp_path):
    pixels = exact(8)
    photos.write(tmp_path / "a.png", Photo(pixels, profile=icc.srgb()))
    back = photos.read(tmp_path / "a.png")
    assert back.profile == icc.srgb()
    np.testing.assert_array_equal(levels(back.pixels, 8), levels(pixels, 8))


def test_grey_profiles(tmp_path):
    grey = imagecodecs.cms_profile("gray", gamma=1.0)
    photos.write(tmp_path / "a.png", Photo(np.full((4, 5, 3), 0.5, np.float32), bits=16, grey=True, profile=grey))
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image)[0, 0] == pytest.approx(0.2140 * 65535, abs=20)  # sRGB 0.5 in linear light
    back = photos.read(tmp_path / "a.png")
    assert back.grey
    assert back.profile == grey
    np.testing.assert_allclose(back.pixels, 0.5, atol=1e-3)
    photos.write(tmp_path / "b.png", back.painted(exact(8)))  # colours do not fit a grey profile
    assert photos.read(tmp_path / "b.png").profile == icc.srgb()
    photos.write(tmp_path / "c.png", Photo(exact(8), grey=True))
    assert not photos.read(tmp_path / "c.png").grey


def test_a_grey_file_may_have_a_profile_for_colours(tmp_path):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=icc.srgb())
    photo = photos.read(tmp_path / "a.png")
    assert photo.grey
    np.testing.assert_array_equal(levels(photo.pixels[..., 0], 8), values)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_applied_once_and_cleared(tmp_path, suffix, value):
    upright = smooth(40, 56)
    stored = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
              5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
              8: lambda a: np.rot90(a, -1)}[value](upright)  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = value
    image = Image.fromarray(levels(np.ascontiguousarray(stored), 8).astype(np.uint8))
    image.save(tmp_path / f"a{suffix}", exif=exif, quality=98)
    once = photos.read(tmp_path / f"a{suffix}")
    assert abs(once.pixels - upright).max() < 0.04
    photos.write(tmp_path / f"b{suffix}", once)
    again = photos.read(tmp_path / f"b{suffix}")
    assert again.pixels.shape == upright.shape
    assert abs(again.pixels - upright).max() < 0.04
    with Image.open(tmp_path / f"b{suffix}") as written:
        assert written.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_of_sixteen_bits(tmp_path, value):
    upright = np.arange(24, dtype=np.uint16).reshape(4, 6)[..., None].repeat(3, 2) * 2000
    stored = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
              5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
              8: lambda a: np.rot90(a, -1)}[value](upright)  # fmt: skip
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extratags=[(274, 3, 1, value, True)])
    np.testing.assert_array_equal(levels(photos.read(tmp_path / "a.tif").pixels, 16), upright)


def full_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x013B] = "Maker", "Model", "A. Painter"
    exif.get_ifd(0x8769).update({0x829A: 0.004, 0x8827: 200, 0x920A: 35.0, 0x927C: b"secret note", 0xA431: "SN12345"})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    return exif


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exif_is_kept_but_for_what_should_not_be_told(tmp_path, suffix):
    Image.fromarray(levels(smooth(), 8).astype(np.uint8)).save(tmp_path / "a.jpg", exif=full_exif())
    photos.write(tmp_path / f"b{suffix}", photos.read(tmp_path / "a.jpg"))
    data = (tmp_path / f"b{suffix}").read_bytes()
    assert b"secret" not in data
    assert b"SN12345" not in data
    with Image.open(tmp_path / f"b{suffix}") as image:
        exif = image.getexif()
        assert not exif.get_ifd(0x8825)
        assert (exif[0x010F], exif[0x0110], exif[0x013B]) == ("Maker", "Model", "A. Painter")
        if suffix != ".tif":
            assert exif.get_ifd(0x8769)[0x8827] == 200
            assert float(exif.get_ifd(0x8769)[0x829A]) == pytest.approx(0.004)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (2, 3)])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiny_and_thin_pictures(tmp_path, suffix, size, bits):
    photo = Photo(np.full((*size, 3), 0.6, np.float32), bits=bits)
    photos.write(tmp_path / f"a{suffix}", photo)
    back = photos.read(tmp_path / f"a{suffix}")
    assert back.pixels.shape == (*size, 3)
    np.testing.assert_allclose(back.pixels, 0.6, atol=0.01)
    assert back.resized(5, 4).pixels.shape == (5, 4, 3)


def test_hidden_colours_are_never_seen():
    alpha = np.zeros((33, 47), np.float32)
    alpha[8:20, 10:30] = 1
    alpha[20, 10:30] = 0.5
    visible = np.broadcast_to(np.float32([0.2, 0.5, 0.8]), (33, 47, 3)).copy()
    hidden = visible.copy()
    hidden[alpha == 0] = [1, 0, 0]
    np.testing.assert_allclose(Photo(hidden, alpha).seen(), visible, atol=1e-5)
    np.testing.assert_array_equal(Photo(hidden, alpha).seen()[alpha == 1], hidden[alpha == 1])
    np.testing.assert_allclose(Photo(hidden, alpha).resized(11, 16).pixels, visible[:11, :16], atol=1e-5)
    nothing = Photo(hidden, np.zeros_like(alpha)).seen()
    np.testing.assert_array_equal(nothing, np.full_like(nothing, 0.5))
    assert Photo(np.ones((1, 1, 3), np.float32), np.zeros((1, 1), np.float32)).seen().tolist() == [[[0.5] * 3]]


def test_transparent_pictures_keep_their_shape(tmp_path):
    alpha = np.linspace(0, 1, 40 * 60, dtype=np.float32).reshape(40, 60)
    for suffix in (".png", ".tif", ".webp"):
        photos.write(tmp_path / f"a{suffix}", Photo(smooth(40, 60), alpha))
        back = photos.read(tmp_path / f"a{suffix}")
        np.testing.assert_allclose(back.alpha, alpha, atol=1 / 255)
        assert back.painted(smooth(20, 30)).alpha.shape == (20, 30)
    notes = photos.write(tmp_path / "a.jpg", Photo(np.zeros((40, 60, 3), np.float32), np.zeros((40, 60), np.float32)))
    assert notes == ["a.jpg: JPEG holds no transparency, so the picture lies on white."]
    np.testing.assert_allclose(photos.read(tmp_path / "a.jpg").pixels, 1, atol=0.01)
    assert photos.write(tmp_path / "b.webp", Photo(smooth(), bits=16)) == [
        "b.webp: WebP holds 8 bits a channel of 16; .png and .tif hold all."
    ]


def test_premultiplied_planar_and_inverted_tiff(tmp_path):
    colour, alpha = exact(16, (9, 11, 3)), exact(16, (9, 11, 1)) * 0.5 + 0.5
    stored = levels(np.concatenate([colour * alpha, alpha], -1), 16).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    photo = photos.read(tmp_path / "a.tif")
    np.testing.assert_allclose(photo.pixels, colour, atol=3e-5)
    np.testing.assert_allclose(photo.alpha, alpha[..., 0], atol=2e-5)
    planes = levels(np.moveaxis(colour, -1, 0), 16).astype(np.uint16)
    tifffile.imwrite(tmp_path / "b.tif", planes, photometric="rgb", planarconfig="separate", compression="lzw")
    np.testing.assert_allclose(photos.read(tmp_path / "b.tif").pixels, colour, atol=1e-5)
    tifffile.imwrite(tmp_path / "c.tif", planes[0], photometric="miniswhite", rowsperstrip=4)
    np.testing.assert_allclose(photos.read(tmp_path / "c.tif").pixels[..., 0], 1 - colour[..., 0], atol=1e-5)


def test_floats_and_palettes(tmp_path):
    ramp = np.linspace(0, 1, 40, dtype=np.float32).reshape(5, 8)
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    photo = photos.read(tmp_path / "a.tif")
    np.testing.assert_allclose(photo.pixels[..., 0], ramp, atol=1e-6)
    assert (photo.bits, photo.grey) == (16, True)
    Image.new("P", (4, 3), 1).save(tmp_path / "b.gif")
    assert photos.read(tmp_path / "b.gif").pixels.shape == (3, 4, 3)


def ink_profile() -> bytes:
    """A profile for CMYK with one table, from inks to Lab: full cyan is L 40, a 0, b -40; the other inks darken."""
    grid = []
    for corner in range(16):
        cyan, *others = ((corner >> bit) & 1 for bit in (3, 2, 1, 0))
        lightness = (255 - 153 * cyan) if not any(others) else 0
        grid += [lightness, 128, 128 - 40 * cyan * (not any(others))]
    ramp = bytes(range(256))
    table = b"mft1" + struct.pack(">IBBBx", 0, 4, 3, 2) + struct.pack(">9i", *(65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
    table += ramp * 4 + bytes(grid) + ramp * 3
    text = b"desc" + struct.pack(">II", 0, 5) + b"inks\0" + b"\0" * 78
    white = b"XYZ " + struct.pack(">Iiii", 0, 63190, 65536, 54061)
    tags, body = [], b""
    for name, data in ((b"A2B0", table), (b"desc", text), (b"wtpt", white)):
        start = 128 + 4 + 12 * 3 + len(body)
        tags.append(name + struct.pack(">II", start, len(data)))
        body += data + b"\0" * (-len(data) % 4)
    rest = struct.pack(">I", 3) + b"".join(tags) + body
    head = struct.pack(">I4sI4s4s4s", 128 + len(rest), b"\0" * 4, 0x02100000, b"prtr", b"CMYK", b"Lab ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + rest


def test_inks_with_and_without_a_profile(tmp_path):
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.tif")
    np.testing.assert_allclose(photos.read(tmp_path / "a.tif").pixels[0, 0], [0, 1, 1], atol=0.01)
    profile = ink_profile()
    assert icc.space(profile) == "cmyk"
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "b.tif", icc_profile=profile)
    photo = photos.read(tmp_path / "b.tif")
    source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, srgb, "CMYK", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    seen = ImageCms.applyTransform(Image.new("CMYK", (1, 1), (255, 0, 0, 0)), transform)
    np.testing.assert_allclose(photo.pixels[0, 0] * 255, np.asarray(seen)[0, 0], atol=2)
    photos.write(tmp_path / "c.tif", photo)
    back = photos.read(tmp_path / "c.tif")
    assert back.profile == icc.srgb()
    np.testing.assert_allclose(back.pixels, photo.pixels, atol=1 / 255)


def test_resizing_is_antialiased_and_keeps_sixteen_bits():
    stripes = np.zeros((256, 256, 3), np.float32)
    stripes[:, ::2] = 1
    assert abs(photos.resize(stripes, 32, 32) - 0.5)[:, 2:-2].max() < 0.01
    fine = np.full((64, 64), 0.5 + 1 / 65535, np.float32)
    np.testing.assert_allclose(photos.resize(fine, 20, 31), fine[:20, :31], atol=1e-6)
    assert photos.resize(stripes, 300, 10).max() <= 1


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", [(3, 20, 30), (1, 20, 30)])
def test_pictures_may_lie_in_memory_as_they_like(tmp_path, suffix, shape):
    planes = np.broadcast_to(smooth(20, 30).transpose(2, 0, 1)[: shape[0]].copy(), (3, 20, 30))
    paths = [tmp_path / f"{name}{suffix}" for name in ("planes", "pixels")]
    for path, pixels in zip(paths, (planes.transpose(1, 2, 0), np.ascontiguousarray(planes.transpose(1, 2, 0)))):
        photos.write(path, Photo(pixels))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_output_is_the_same_for_the_same_photo(tmp_path):
    for suffix in SUFFIXES:
        made = [photos.write(tmp_path / f"{n}{suffix}", Photo(smooth())) or (tmp_path / f"{n}{suffix}") for n in "ab"]
        assert made[0].read_bytes() == made[1].read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"gives no picture: empty \(zero bytes\)\."),
        (b"hello" * 100, r"gives no picture: not an image \(its content is in no known picture format\)\."),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 400 + b"IEND", r"unreadable"),
    ],
)
def test_bad_files_are_one_line(tmp_path, content, words):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        photos.read(tmp_path / "bad.png")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_cut_files_of_sixteen_bits(tmp_path, suffix):
    photos.write(tmp_path / f"a{suffix}", Photo(exact(16, (64, 64, 3)), bits=16))
    data = (tmp_path / f"a{suffix}").read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / f"b{suffix}").write_bytes(data[: int(share * len(data))])
        with pytest.raises(UserError, match="gives no picture"):
            photos.read(tmp_path / f"b{suffix}")


def test_bombs_are_refused_before_decoding(tmp_path):
    head = b"\x89PNG\r\n\x1a\n"
    body = b"IHDR" + struct.pack(">IIBBBBB", 90_000, 90_000, 16, 2, 0, 0, 0)
    data = head + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(UserError, match=r"gives no picture: bomb \(.*more than 150,000,000 pixels\)"):
        photos.read(tmp_path / "bomb.png")


def test_files_that_are_none(tmp_path):
    with pytest.raises(UserError, match=r"gone\.png cannot be read: No such file or directory\."):
        photos.read(tmp_path / "gone.png")
    with pytest.raises(UserError, match=r"gives no picture: not a file|cannot be read: Is a directory"):
        photos.read(tmp_path)


def test_outputs_that_cannot_be(tmp_path):
    photo = Photo(smooth())
    for name, words in (
        ("a.gif", r"a\.gif ends in '\.gif'; pictures are written as \.jpg, \.jpeg, \.png, \.tif, \.tiff, \.webp\."),
        ("a", r"ends in 'nothing'"),
    ):
        with pytest.raises(UserError, match=words):
            photos.write(tmp_path / name, photo)
    (tmp_path / "d.png").mkdir()
    with pytest.raises(UserError, match=r"d\.png is a folder"):
        photos.write(tmp_path / "d.png", photo)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written: .*file is no folder\."):
        photos.write(tmp_path / "file" / "a.png", photo)
    with pytest.raises(UserError, match=r"20000x2 is too large for WebP, which ends at 16,383 pixels"):
        photos.write(tmp_path / "a.webp", Photo(np.zeros((2, 20_000, 3), np.float32)))
    assert sorted(os.listdir(tmp_path)) == ["d.png", "file"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_folders_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match=r"is not writable"):
        photos.check_output(tmp_path / "a.png")
