"""Pixels there and back, sheets, and files that are whole or not there."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas import images


def test_every_value_survives_the_way_to_the_network_and_back():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    signed = images.to_signed(pixels)
    assert signed.shape == (1, 1, 16, 16)
    assert (float(signed.min()), float(signed.max())) == (-1.0, 1.0)
    assert torch.equal(images.to_pixels(signed), pixels)


def test_values_outside_are_clipped_and_others_rounded():
    values = torch.tensor([-9.0, -1.0, 0.004, 1.0, 9.0]).view(1, 1, 1, 5)
    assert images.to_pixels(values).flatten().tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize(("channels", "empty"), [(1, 255), (3, 255), (4, 0)])
def test_a_sheet_holds_every_picture_in_reading_order(channels, empty):
    pictures = np.stack([np.full((4, 6, channels), 10 * k, np.uint8) for k in range(5)])
    sheet = images.grid(pictures, columns=3, gap=2)
    assert sheet.shape == (2 * 6 + 2, 3 * 8 + 2, channels)
    for k in range(5):
        top, left = 2 + 6 * (k // 3), 2 + 8 * (k % 3)
        assert (sheet[top : top + 4, left : left + 6] == 10 * k).all()
    assert (sheet[8:12, 18:24] == empty).all()
    assert (sheet[:2] == empty).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_keeps_every_pixel(channels):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    with Image.open(io.BytesIO(images.encode_png(picture))) as read:
        assert read.mode == images.MODES[channels]
        assert np.array_equal(np.asarray(read).reshape(5, 7, channels), picture)


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "sub" / "a.bin"
    images.write_bytes(path, b"first")

    def fail(*_):
        raise OSError("disk")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk"):
        images.write_bytes(path, b"second")
    assert path.read_bytes() == b"first"
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]
