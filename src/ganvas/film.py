"""Sequences of frames, each painted so that it goes on from the one before: nothing flickers that does not move.

The painting before is moved along the optical flow to where things are now. Where that can be believed the new frame
stays with it; elsewhere it is painted anew, and by a network also where things no longer look as when they were
painted. Paintings are files in a folder, so a film that was stopped goes on with the first one that is not there yet.
Shapes: H height, W width.

Source: Ruder et al. 2016, arXiv 1604.08610
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from ganvas import photos
from ganvas.errors import BadSetting, UserError
from ganvas.photos import Photo
from ganvas.style.flow import believed, flow, warp

CHANGED = 0.15  # distance in RGB from what a stroke was laid on, at which it is painted over
AROUND = 1 / 128  # of the longer side, over which that is looked at
SEAM = 1.5  # pixels over which new strokes run into those that stay


@dataclass(frozen=True)
class Before:
    """What a frame goes on from.

    Attributes:
        picture: the painting before, moved to where things are now, float32 [H, W, 3] in [0, 1].
        believed: 1 where it shows what the frame shows, float32 [H, W].
        origin: what the frames showed when each of its strokes was laid, moved along, float32 [H, W, 3] in [0, 1].
        lasting: where it is believed and still shows much the same as then, bool [H, W].
    """

    picture: np.ndarray
    believed: np.ndarray
    origin: np.ndarray
    lasting: np.ndarray

    def laid_on(self, picture: np.ndarray, where: np.ndarray) -> np.ndarray:
        """The painting before as far as `where` [H, W] says, elsewhere the picture [H, W, 3]."""
        laid: np.ndarray = picture + where[..., None] * (self.picture - picture)
        return laid


Paint = Callable[[Photo, Before | None], Photo | None]  # None when asked to stop


@dataclass(frozen=True)
class Shown:
    """A frame, its painting, and what the frames showed when each stroke of that was laid, float32 [H, W, 3]."""

    frame: Photo
    painting: Photo
    origin: np.ndarray


def carried(last: Shown, frame: Photo) -> Before:
    """The painting of one frame as the next one sees it."""
    height, width = last.painting.height, last.painting.width
    earlier, now = (photo.resized(height, width).seen() for photo in (last.frame, frame))
    back, forth = flow(now, earlier), flow(earlier, now)
    seen, origin = believed(back, forth), warp(last.origin, back)
    change = gaussian_filter(np.square(origin - now).sum(-1), max(1.0, AROUND * max(height, width)))
    lasting = seen & (change < CHANGED**2)
    return Before(warp(last.painting.pixels, back, sharp=True).clip(0, 1), seen.astype(np.float32), origin, lasting)


def steadied(paint: Callable[[Photo], Photo]) -> Paint:
    """A painter that knows of single photographs only, such as a network, made to go on from the frame before.

    Strokes are kept or painted over, never mixed: a mean of strokes that lie differently is a blur.
    """

    def go_on(frame: Photo, before: Before | None) -> Photo:
        painting = paint(frame)
        if before is None:
            return painting
        kept = gaussian_filter(before.lasting.astype(np.float32), SEAM)
        return replace(painting, pixels=before.laid_on(painting.pixels, kept).astype(np.float32))

    return go_on


def paint_frames(frames: Iterable[tuple[str, Photo]], out: Path, paint: Paint) -> Iterator[Path]:
    """Paint frame after frame into a folder under the frames' own names; those already there are kept.

    Every frame goes on from the painting before as its file holds it, so a film that was stopped comes out the same.

    Args:
        frames: a file name and a picture each, in their order, all of one size.
        out: folder for the paintings.
        paint: paints one frame; None ends the film there.

    Yields:
        each painting's file, once it is there

    Raises:
        UserError: for frames of different sizes, or files that cannot be read or written.
    """
    last: Shown | None = None
    for name, frame in frames:
        target = out / name
        if last is not None and (frame.height, frame.width) != (last.frame.height, last.frame.width):
            raise UserError(
                f"{name} is {frame.width}x{frame.height} and the frame before {last.frame.width}x{last.frame.height}; "
                "the frames of a sequence have one size."
            )
        before = None if last is None else carried(last, frame)
        if not target.exists():
            painting = paint(frame, before)
            if painting is None:
                return
            photos.write(target, painting)
        painting = photos.read(target)
        origin = frame.resized(painting.height, painting.width).seen()
        if before is not None:
            origin = np.where(before.lasting[..., None], before.origin, origin)
        last = Shown(frame, painting, origin)
        yield target


def read(frames: Sequence[Path]) -> Iterator[tuple[str, Photo]]:
    """Frames that are picture files, with their names."""
    return ((path.name, photos.read(path)) for path in frames)


def frames_in(folder: Path) -> list[Path]:
    """The frames in a folder, in the order of the numbers in their names.

    Raises:
        BadSetting: when it holds none.
    """
    found = [path for path in folder.iterdir() if path.suffix.lower() in photos.FORMATS] if folder.is_dir() else []
    if not found:
        raise BadSetting(f"{folder} holds no frames; a sequence is a folder of pictures ({', '.join(photos.FORMATS)}).")
    return sorted(found, key=lambda path: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", path.name)])
