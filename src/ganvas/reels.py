"""Film files: frames read one after another, and painted frames put together again, by OpenCV. Sound is left out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganvas.errors import BadSetting, UserError
from ganvas.photos import Photo
from ganvas.style.flow import opencv

READ = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".gif")
WRITTEN = {".mp4": "mp4v", ".mov": "mp4v", ".m4v": "mp4v", ".avi": "MJPG", ".mkv": "mp4v", ".webm": "VP80"}
RATE = 25.0  # frames a second, where nothing says


@dataclass(frozen=True)
class Reel:
    """A film file that can be read: how many frames it has, and how many a second."""

    path: Path
    count: int
    rate: float

    def frames(self) -> Iterator[tuple[str, Photo]]:
        """Each frame, upright, with a name for its painting; one at a time, since a film does not fit into memory."""
        cv = opencv()
        film, number = cv.VideoCapture(str(self.path)), 0
        while True:
            there, frame = film.read()
            if not there:
                break
            number += 1
            yield f"{number:06d}.png", Photo(frame[..., ::-1].astype(np.float32) / 255)
        film.release()


def is_film(path: Path) -> bool:
    """Whether a path has the name of a film file."""
    return path.suffix.lower() in READ


def opened(path: Path) -> Reel:
    """A film file.

    Raises:
        BadSetting: when it is not there, or holds no film that OpenCV can read.
        UserError: when OpenCV is not installed.
    """
    if not path.is_file():
        raise BadSetting(f"{path} is not there; a film is a file ({', '.join(READ)}) or a folder of frames.")
    cv, count = opencv(), _frames_of(path)
    film = cv.VideoCapture(str(path))
    rate = float(film.get(cv.CAP_PROP_FPS))
    film.release()
    if not count:
        raise BadSetting(f"{path} holds no film that OpenCV can read; turn it into .mp4, or into a folder of frames.")
    return Reel(path, count, rate if 0 < rate < 1000 else RATE)


def check_written(path: Path) -> None:
    """Raise BadSetting unless a film can be written under a name like this: a frame of one is, before hours of work."""
    if path.suffix.lower() not in WRITTEN:
        raise BadSetting(
            f"{path} ends in {path.suffix!r}; films are written as {', '.join(WRITTEN)}, or as a folder of frames."
        )
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / f"trial{path.suffix}"
        _assemble(trial, [np.zeros((64, 64, 3), np.uint8)], RATE)
        if not _frames_of(trial):
            raise BadSetting(f"OpenCV cannot write {path.suffix} here; try --out FILE.avi, or a folder of frames.")


def write(path: Path, frames: Sequence[Path], rate: float) -> None:
    """Put pictures together to a film, which has its name only once it is whole.

    Args:
        path: the film, one of WRITTEN.
        frames: picture files of one size, in their order.
        rate: frames a second.

    Raises:
        UserError: when it cannot be written.
    """
    unfinished = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _assemble(unfinished, (pixels(frame) for frame in frames), rate)
        if _frames_of(unfinished) != len(frames):  # a full disk, of which OpenCV does not tell
            raise UserError(f"{path} could not be written whole; see to the disk, then run the same command again.")
        os.replace(unfinished, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _assemble(path: Path, frames: Iterable[np.ndarray], rate: float) -> None:
    """Write frames uint8 [H, W, 3] of one size; OpenCV says nothing of what fails."""
    cv = opencv()
    film: Any = None
    for frame in frames:
        if film is None:
            code = cv.VideoWriter.fourcc(*WRITTEN[path.suffix.lower()])
            film = cv.VideoWriter(str(path), code, rate, (frame.shape[1], frame.shape[0]))
        film.write(frame[..., ::-1])
    if film is not None:
        film.release()


def _frames_of(path: Path) -> int:
    """How many frames can be read of a film: what files say of their length is a guess."""
    cv = opencv()
    film, count = cv.VideoCapture(str(path)), 0
    while film.grab():
        count += 1
    film.release()
    return count


def pixels(frame: Path) -> np.ndarray:
    """A picture file as uint8 [H, W, 3]."""
    with Image.open(frame) as picture:
        return np.asarray(picture.convert("RGB"))
