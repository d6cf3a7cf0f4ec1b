"""How one picture of a sequence moves into the next: dense optical flow, warping, and where neither can be believed.

Shapes: H height, W width. Pictures are float32 [H, W, 3] in [0, 1]; a flow is float32 [H, W, 2], the way in pixels,
right and down, from each pixel of one picture to where it lies in the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganvas.errors import UserError, check_shape

SMALLEST = 16  # pixels a side below which no flow is looked for


def flow(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Where each pixel of `start` lies in `end`.

    Args:
        start: picture [H, W, 3].
        end: picture of the same size.

    Returns:
        float32 [H, W, 2]

    Raises:
        BadShape: for pictures of other shapes.
        UserError: when OpenCV is not installed.

    Source: dense inverse search, Kroeger et al. 2016, arXiv 1603.03590, by OpenCV
    """
    for name, picture in (("start", start), ("end", end)):
        check_shape(picture, "H W 3", name)
    cv = opencv()
    height, width = start.shape[:2]
    if min(height, width) < SMALLEST:  # too small for the search's patches; nothing that moves could be seen
        return np.zeros((height, width, 2), np.float32)
    search = cv.DISOpticalFlow_create(cv.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found: np.ndarray = search.calc(_grey(start), _grey(end), None)
    return found


def warp(picture: np.ndarray, way: np.ndarray, sharp: bool = False) -> np.ndarray:
    """The picture seen along a flow: each pixel taken from where the flow leads, linearly between pixels.

    Args:
        picture: [H, W] or [H, W, C], such as the frame before.
        way: [H, W, 2], from the new frame to the picture.
        sharp: take more pixels into account (Lanczos), so that what is moved again and again stays sharp; values may
            then reach a little beyond those of the picture.

    Returns:
        float32, shaped as the picture; outside it its border is repeated
    """
    cv = opencv()
    between = cv.INTER_LANCZOS4 if sharp else cv.INTER_LINEAR
    warped: np.ndarray = cv.remap(
        np.ascontiguousarray(picture, np.float32), _places(way), None, between, borderMode=cv.BORDER_REPLICATE
    )
    return warped


def believed(back: np.ndarray, forth: np.ndarray) -> np.ndarray:
    """Which pixels of a frame can be taken from the frame before.

    Not those that come into view, where the way there and back does not end where it began; not those at the edges of
    what moves, where a flow is an average of two; and not those that come from outside.

    Args:
        back: from the new frame to the one before.
        forth: from the one before to the new frame.

    Returns:
        bool [H, W]

    Source: Ruder et al. 2016, equations 4 and 5, arXiv 1604.08610
    """
    height, width = back.shape[:2]
    places = _places(back)
    inside = (places >= 0).all(-1) & (places[..., 0] <= width - 1) & (places[..., 1] <= height - 1)
    there = warp(forth, back)
    lengths = _squared(there) + _squared(back)
    returns = _squared(there + back) <= 0.01 * lengths + 0.5
    slope = sum(_squared(np.stack(np.gradient(back[..., axis]), -1)) for axis in (0, 1))
    steady: np.ndarray = inside & returns & (slope <= 0.01 * _squared(back) + 0.002)
    return steady


def opencv() -> Any:
    """OpenCV, which only sequences of pictures need.

    Raises:
        UserError: when it is not installed.
    """
    try:
        import cv2
    except ImportError:
        raise UserError(
            "sequences of pictures need OpenCV, which is not installed: pip install 'ganvas[video]'."
        ) from None
    return cv2


def _places(way: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(way.shape[:2], np.float32)
    places: np.ndarray = np.stack([columns, rows], -1) + way
    return places


def _squared(vectors: np.ndarray) -> np.ndarray:
    squared: np.ndarray = np.square(vectors).sum(-1)
    return squared


def _grey(picture: np.ndarray) -> np.ndarray:
    grey: np.ndarray = (picture.mean(-1) * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return grey
