"""Sequences of frames, each painted so that it goes on from the one before: nothing flickers that does not move.

The painting before is moved along the optical flow to where things are now; where that can be believed the new frame
stays with it, elsewhere it is painted anew. Paintings are files in a folder, so a film that was stopped goes on with
the first one that is not there yet. Shapes: H height, W width.

Source: Ruder et al. 2016, arXiv 1604.08610
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ganvas import photos
from ganvas.errors import BadSetting, UserError
from ganvas.photos import Photo
from ganvas.style.flow import believed, flow, warp

SHARE = 0.7  # of the painting before in what a network paints; what the flow blurs must have a chance to fade


@dataclass(frozen=True)
class Before:
    """What a frame goes on from.

    Attributes:
        picture: the painting before, moved to where things are now, float32 [H, W, 3] in [0, 1].
        believed: 1 where it shows what the frame shows, float32 [H, W].
    """

    picture: np.ndarray
    believed: np.ndarray

    def laid_on(self, picture: np.ndarray, share: float = 1.0) -> np.ndarray:
        """Where it is believed, this much of it; elsewhere the picture [H, W, 3]."""
        counts = share * self.believed[..., None]
        laid: np.ndarray = picture * (1 - counts) + self.picture * counts
        return laid


Paint = Callable[[Photo, Before | None], Photo | None]  # None when asked to stop


def carried(before: Photo, painting: Photo, frame: Photo) -> Before:
    """The painting of one frame as the next one sees it.

    Args:
        before: the frame that was painted.
        painting: of it.
        frame: the next one.
    """
    height, width = painting.height, painting.width
    earlier, now = (photo.resized(height, width).seen() for photo in (before, frame))
    back, forth = flow(now, earlier), flow(earlier, now)
    return Before(warp(painting.pixels, back), believed(back, forth).astype(np.float32))


def steadied(paint: Callable[[Photo], Photo]) -> Paint:
    """A painter that knows of single photographs only, such as a network, made to go on from the frame before."""

    def go_on(frame: Photo, before: Before | None) -> Photo:
        painting = paint(frame)
        if before is None:
            return painting
        return replace(painting, pixels=before.laid_on(painting.pixels, SHARE).astype(np.float32))

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
    last: tuple[Photo, Photo] | None = None
    for name, frame in frames:
        target = out / name
        if last is not None and (frame.height, frame.width) != (last[0].height, last[0].width):
            raise UserError(
                f"{name} is {frame.width}x{frame.height} and the frame before {last[0].width}x{last[0].height}; "
                "the frames of a sequence have one size."
            )
        if not target.exists():
            painting = paint(frame, None if last is None else carried(*last, frame))
            if painting is None:
                return
            photos.write(target, painting)
        last = (frame, photos.read(target))
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
