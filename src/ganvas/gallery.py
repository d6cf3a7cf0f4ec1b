"""Styles by name: pictures that the package carries, so that one can paint without a painting at hand.

They are drawn by numbers alone (`scripts/make_styles.py`), so nobody has rights to them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ganvas import images
from ganvas.errors import UnknownName

FOLDER = Path(__file__).parent / "data" / "samples" / "styles"
STYLES = {
    "dots": "dots of pure colour side by side, that mix in the eye",
    "facets": "broken planes in ochre, grey and slate, each shaded to one side",
    "glass": "panes of glowing coloured glass between black leads",
    "mosaic": "tiles of earthen colours in winding bands, with dark joints",
    "pencil": "graphite hatched across cream paper, crossed where it is dark",
    "strokes": "thick oil along swirls, night blues and yellow lights",
    "watercolour": "wet washes of indigo, rose and ochre, with dark rims on grained paper",
    "waves": "a sea of flat blues and cream in curling bands with fine outlines",
    "woodcut": "black lines cut along contours into cream paper",
}
LABEL = 20  # pixels of height for a name on a sheet


def find(style: str | Path) -> Path:
    """The file of a style's picture: the one that is named, or else the carried one of that name.

    Raises:
        UnknownName: for a bare word that is neither.

    >>> find("mosaic").name
    'mosaic.jpg'
    """
    path, name = Path(style), str(style)
    if name in STYLES and not path.is_file():
        return FOLDER / f"{name}.jpg"
    if not path.exists() and path.name == name and not path.suffix:
        raise UnknownName("picture file and no style", name, STYLES)
    return path


def lasting(style: str | Path) -> str:
    """What stands for a style wherever the program is started: an absolute path, or the name of a carried one.

    Raises:
        UnknownName: for a bare word that is neither.
    """
    path = find(style)
    return str(style) if path.parent == FOLDER else str(path.absolute())


def sheet(side: int = 192, columns: int = 3) -> np.ndarray:
    """All carried styles on one picture uint8 [H, W, 3], each with its name below."""
    cards = []
    for name in STYLES:
        card = Image.new("RGB", (side, side + LABEL), "white")
        with Image.open(find(name)) as picture:
            card.paste(picture.resize((side, side), Image.Resampling.LANCZOS))
        ImageDraw.Draw(card).text((side / 2, side + LABEL / 2), name, "black", anchor="mm", font_size=14)
        cards.append(np.asarray(card))
    return images.grid(np.stack(cards), columns, gap=6)
