"""Sample sheets on the page: the newest large, the others over time."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ganvas import images
from ganvas.report.elements import section
from ganvas.report.words import number

MAX_FRAMES = 24
FRAMES_BYTES = 2_200_000  # of all sheets over time together, so that the page stays below 5 MB
NEWEST_BYTES = 900_000
POINTS_KEY = (
    "Purple: generated points; grey: the true ones. Behind them the discriminator's opinion of each place: "
    "the redder, the more real points look to it there; the bluer, the more generated."
)


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _open(path: Path) -> Image.Image | None:
    """A sheet as RGB on white, or None for a file that is not a whole picture."""
    try:
        with Image.open(path) as file:
            sheet = file.convert("RGBA")
    except (OSError, UnidentifiedImageError, ValueError):
        return None
    return Image.alpha_composite(Image.new("RGBA", sheet.size, "white"), sheet).convert("RGB")


def _embedded(sheet: Image.Image, side: int, budget: float) -> str:
    """A picture as a data URI: scaled down to `side`, as PNG if that is within `budget` bytes, else as JPEG."""
    sheet = sheet.copy()
    sheet.thumbnail((side, side), Image.Resampling.LANCZOS)
    png = images.encode_png(np.asarray(sheet))
    if len(png) <= budget:
        return _data_uri(png, "png")
    data = b""
    for quality in (90, 80, 65, 45):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, optimize=True)
        data = buffer.getvalue()
        if len(data) <= budget:
            break
    return _data_uri(data, "jpeg")


def _spaced(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def samples(sheets: list[tuple[int, Path]], title: str, points: bool) -> str:
    """The newest sheet, and the way there."""
    opened = [(seen, sheet) for seen, path in _spaced(sheets, MAX_FRAMES) if (sheet := _open(path))]
    if not opened:
        return section("Samples", "<p class='quiet'>No sample sheet was written yet.</p>")
    seen, newest = opened[-1]
    crisp = " crisp" if max(newest.size) < 320 else ""  # small pixels are shown as squares, not blurred
    alt = escape(f"Samples of {title} after {number(seen)} images", quote=True)
    hero = (
        f"<figure class='hero'><img id='newest' class='sheet{crisp}' alt='{alt}' width='{newest.width}' "
        f"height='{newest.height}' src='{_embedded(newest, 1400, NEWEST_BYTES)}'>"
        f"<figcaption id='position'>after {number(seen)} images</figcaption></figure>"
    )
    hero += f"<p class='key quiet'>{POINTS_KEY}</p>" if points else ""
    if len(opened) == 1:
        return section("Samples", hero)
    budget = FRAMES_BYTES / len(opened)
    frames = "".join(
        f"<li><button type='button' class='frame' aria-label='show the sheet after {number(at)} images'>"
        f"<img class='{crisp.strip()}' alt='Samples after {number(at)} images' src='{_embedded(sheet, 480, budget)}'>"
        f"<span>{number(at)}</span></button></li>"
        for at, sheet in opened
    )
    slider = (
        f"<div id='time' class='time' hidden><button type='button' id='play'>Play</button><input type='range' id='at' "
        f"min='0' max='{len(opened) - 1}' value='{len(opened) - 1}' aria-label='sheet over time'></div>"
    )
    return section("Samples", f"{hero}{slider}<ol class='strip' aria-label='sheets over time'>{frames}</ol>")
