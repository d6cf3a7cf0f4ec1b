"""Painting in one pass: any style at once, or the one that a run has learnt; files in, paintings out.

Shapes: H height, W width. Pictures are float32 [H, W, 3] in [0, 1], sRGB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from ganvas import photos
from ganvas.errors import BadSetting
from ganvas.painter import Picture, Stylization, as_tensor, opened, opened_style, stylize
from ganvas.photos import Photo
from ganvas.style import arbitrary, colour, optimise
from ganvas.style.objective import scaled

SIZE = 512
Brush = Callable[[np.ndarray], np.ndarray]  # a picture as it is painted, of the same size


def any_style(
    styles: Sequence[Picture],
    style_weights: Sequence[float] | None = None,
    *,
    strength: float = 1.0,
    style_scale: float = 1.0,
    detail: float = arbitrary.DETAIL,
    size: int | None = SIZE,
) -> Brush:
    """A brush for the style of one picture, or of several mixed.

    Args:
        styles: files, names of carried styles, photos or arrays.
        style_weights: beside each other; all alike by default.
        strength: 0 is the photograph itself, 1 all of the style.
        style_scale: size of the strokes: 1 sees the style as large as the photograph, 0.5 half as large.
        detail: how much of the photograph's own detail lies under the strokes, 0 to 1.
        size: longest side of the photographs; None for their own.

    Raises:
        UserError: what was given, what is accepted.
    """
    weights = [1.0] * len(styles) if style_weights is None else list(style_weights)
    if not styles or len(weights) != len(styles):
        raise BadSetting(f"{len(weights)} style weights for {len(styles)} styles; give one for each, in their order.")
    if min(weights) < 0 or not max(weights) > 0:
        raise BadSetting(f"style weights are at least 0 and not all 0; got {', '.join(f'{w:g}' for w in weights)}.")
    arbitrary.check_share("strength", strength)
    arbitrary.check_share("detail", detail)
    if strength == 0:
        return lambda pixels: pixels
    networks = arbitrary.painter()
    pictures = [shown(opened_style(style), size, style_scale) for style in styles]
    manner = networks.style(list(zip(weights, pictures, strict=True)))

    def brush(pixels: np.ndarray) -> np.ndarray:
        return optimise.as_array(networks.paint(as_tensor(pixels), manner, strength, detail))

    return brush


def shown(style: Photo, size: int | None, style_scale: float) -> Tensor:
    """A style's picture [1, 3, H, W] as large as it is to be seen; never enlarged."""
    if not 0 < style_scale <= 8:
        raise BadSetting(f"style_scale is {style_scale:g}, but must be above 0 and at most 8.")
    longest = max(style.height, style.width)
    share = min(1.0, (size or longest) * style_scale / longest)
    return as_tensor(style.resized(max(1, round(share * style.height)), max(1, round(share * style.width))).seen())


def learnt(run: str | Path, *, strength: float = 1.0) -> Brush:
    """A brush for the style that a run of `ganvas style-train` has learnt.

    Raises:
        RunError: when there is no such run.
        BadSetting: for a strength outside 0 to 1.
    """
    from ganvas import stylists  # what trains takes long to import, and is needed for this alone

    arbitrary.check_share("strength", strength)
    stylist = stylists.load(run)
    return lambda pixels: stylist.paint(pixels, strength)


def retouched(
    content: Picture,
    run: str | Path,
    out: Path | None = None,
    *,
    steps: int,
    size: int | None = SIZE,
    strength: float = 0.4,
    colours: str = "style",
    memory: str | None = None,
) -> Stylization:
    """A photograph painted by what a run of `ganvas style-train` has learnt, then by some steps of optimisation.

    The network paints in a moment, but every photograph alike; a few steps for this one photograph bring it nearer to
    the style, and back what the network has lost of it.

    Args:
        content: a file, a photo or an array.
        run: folder of the run, whose style's picture is still there.
        out: the file.
        steps: of optimisation, at the painting's own size.
        size: longest side, never more than the photograph's own; None keeps that.
        strength: of the style beside the photograph in these steps, 0 to 1.
        colours: as `ganvas style` takes them.
        memory: at most so much, as "2GB", in these steps; by default most of what is free.

    Raises:
        RunError: when there is no such run.
        UserError: what was given, what is accepted.
    """
    from ganvas import stylists  # what trains takes long to import, and is needed for this alone

    stylist, photo = stylists.load(run), in_size(opened(content), size)
    stylization = stylize(
        photo, str(stylist.manner.picture), out, size=None, strength=strength, colour=colours,
        style_scale=min(8.0, stylist.manner.pixels / max(photo.height, photo.width)),  # as large as learnt
        settings={"scales.steps": steps, "scales.tolerance": 0.0, "memory": memory},
    )  # fmt: skip
    stylization.begun = stylist.paint(photo.seen())
    return stylization


def paint(
    content: Picture, brush: Brush, out: Path | None = None, *, size: int | None = SIZE, colours: str = "style"
) -> tuple[Photo, list[str]]:
    """A photograph painted, and written if a file is named.

    Args:
        content: a file, a photo or an array.
        brush: what paints.
        out: the file.
        size: longest side, never more than the photograph's own; None keeps that.
        colours: "style", or "luminance" to keep the photograph's.

    Returns:
        The painting in the photograph's frame, and what the file's format could not hold.

    Raises:
        UserError: what was given, what is accepted.
    """
    if colours not in ("style", "luminance"):
        raise BadSetting(f"in one pass, colours are style or luminance; got {colours!r}.")
    if out is not None:
        photos.check_output(out)
    photo = in_size(opened(content), size)
    seen = photo.seen()
    painted = brush(seen)
    if colours == "luminance":
        painted = optimise.as_array(colour.keep_colours(as_tensor(painted), as_tensor(seen)))
    done = photo if painted is seen else photo.painted(painted)
    return done, [] if out is None else photos.write(out, done)


def in_size(photo: Photo, size: int | None) -> Photo:
    """A photograph with its longest side as asked, but never larger; None leaves it as it is."""
    longest = max(photo.height, photo.width)
    return photo.resized(*scaled(photo.height, photo.width, min(1.0, (size or longest) / longest)))
