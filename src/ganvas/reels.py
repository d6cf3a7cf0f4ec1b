"""Film files, by PyAV: frames read one after another; painted ones put together with the times and sound they had."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganvas.errors import BadSetting, UserError
from ganvas.photos import Photo

READ = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".gif")
WRITTEN = {
    ".mp4": "libx264", ".mov": "libx264", ".m4v": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9", ".avi": "mjpeg"
}  # fmt: skip
QUALITY = {"libx264": {"crf": "17"}, "libvpx-vp9": {"crf": "24", "b": "0"}, "mjpeg": {"qmin": "2", "qmax": "2"}}
RATE = Fraction(25)  # frames a second, where nothing says
TICKS = Fraction(90_000)  # a second, in which times are kept
SOUND, WEBM_SOUND = (("aac", "mp3"), "aac"), (("opus", "vorbis"), "libopus")  # kinds that are kept; else encoded so
SAMPLES = 48_000  # a second, of sound that must be encoded anew
UNTAGGED, HIGH_DEFINITION = 2, 720  # FFmpeg's number for no colour space; rows from which that means BT.709
HIGH_RANGE, BT709 = (16, 18), 1  # its numbers for transfer curves: PQ and HLG, as telephones film; and the usual one
LIMITED = 1  # its number for brightness that runs from 16 to 235


@dataclass(frozen=True)
class Reel:
    """A film file that can be read.

    Attributes:
        path: the file.
        begins: when its first frame is shown, in seconds on the clock that its sound goes by.
        times: when each frame is shown, in seconds after the first; telephones do not film evenly.
        rate: frames a second, on average.
        sound: whether it has any.
    """

    path: Path
    begins: Fraction
    times: tuple[Fraction, ...]
    rate: Fraction
    sound: bool

    @property
    def count(self) -> int:
        """How many frames."""
        return len(self.times)

    def frames(self) -> Iterator[tuple[str, Photo]]:
        """Each frame, upright, with a name for its painting; one at a time, since a film does not fit into memory."""
        with pyav().open(str(self.path)) as film:
            for number, frame in enumerate(_decoded(film), 1):
                yield f"{number:06d}.png", Photo(upright(frame).astype(np.float32) / 255)


def pyav() -> Any:
    """PyAV, which is optional.

    Raises:
        UserError: when it is not installed.
    """
    try:
        import av
    except ImportError:
        raise UserError("films need PyAV: pip install 'ganvas[video]'.") from None
    return av


def is_film(path: Path) -> bool:
    """Whether a path has the name of a film file."""
    return path.suffix.lower() in READ


def opened(path: Path) -> Reel:
    """A film file. All of it is looked through, since what files say of their length is a guess.

    Raises:
        BadSetting: when it is not there, or holds no film that can be read.
        UserError: when PyAV is not installed.
    """
    if not path.is_file():
        raise BadSetting(f"{path} is not there; a film is a file ({', '.join(READ)}) or a folder of frames.")
    av, rate, sound = pyav(), RATE, False
    stamps: list[Any] = []
    with suppress(av.FFmpegError), av.open(str(path)) as film:
        if film.streams.video:
            stamps = [None if frame.pts is None else frame.pts * frame.time_base for frame in _decoded(film)]
            rate, sound = film.streams.video[0].average_rate or RATE, bool(film.streams.audio)
    if not stamps:
        raise BadSetting(f"{path} holds no film that can be read; turn it into .mp4, or into a folder of frames.")
    if None in stamps:
        stamps = [number / rate for number in range(len(stamps))]
    return Reel(path, stamps[0], tuple(stamp - stamps[0] for stamp in stamps), rate, sound)


def _decoded(film: Any) -> Iterator[Any]:
    """The frames of an open film; a part of the file that is broken costs the frames in it, not the film."""
    stream = film.streams.video[0]
    stream.thread_type = "AUTO"
    for packet in film.demux(stream):
        with suppress(pyav().error.InvalidDataError):
            yield from packet.decode()


def upright(frame: Any) -> np.ndarray:
    """A frame of PyAV as uint8 [H, W, 3], turned as it is to be shown, in the range of a usual screen."""
    untagged = frame.colorspace == UNTAGGED and frame.height >= HIGH_DEFINITION
    curve = BT709 if frame.color_trc in HIGH_RANGE else None
    pixels: np.ndarray = frame.to_ndarray(
        format="rgb24", src_colorspace="ITU709" if untagged else None, dst_color_trc=curve, dst_color_primaries=curve
    )
    return np.rot90(pixels, round(frame.rotation / 90))


def check_written(path: Path, like: Reel | None = None) -> None:
    """See whether a film can be written under this name: its beginning is, before hours of work.

    Args:
        path: of the film to come.
        like: the film whose times and sound it will have.

    Raises:
        BadSetting: when it cannot.
    """
    if path.suffix.lower() not in WRITTEN:
        raise BadSetting(
            f"{path} ends in {path.suffix!r}; films are written as {', '.join(WRITTEN)}, or as a folder of frames."
        )
    av, black = pyav(), np.zeros((64, 64, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        try:
            _assemble(Path(folder) / f"trial{path.suffix}", [black, black], [Fraction(0), 1 / RATE], like)
        except (av.FFmpegError, ValueError) as error:
            raise BadSetting(
                f"{path.suffix} cannot be written here ({error}); try --out FILE.mkv, or a folder of frames."
            ) from None


def write(path: Path, frames: Sequence[Path], like: Reel | None = None) -> None:
    """Put pictures together to a film, which has its name only once it is whole.

    Args:
        path: the film, one of WRITTEN. A side of an odd number of pixels loses one.
        frames: picture files of one size, in their order.
        like: the film that they were painted after: each is shown when its frame was, to the same sound. Without it
            they are shown RATE a second.

    Raises:
        UserError: when it cannot be written.
    """
    times = [number / RATE for number in range(len(frames))] if like is None else like.times
    unfinished = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _assemble(unfinished, (pixels(frame) for frame in frames), times, like)
        os.replace(unfinished, path)
    except (pyav().FFmpegError, OSError) as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; see to it and run the same again.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _assemble(path: Path, frames: Iterable[np.ndarray], times: Sequence[Fraction], like: Reel | None) -> None:
    """Write frames uint8 [H, W, 3] of one size, each at its time, and what is heard until the last is over."""
    av, codec, rate = pyav(), WRITTEN[path.suffix.lower()], RATE if like is None else like.rate
    even = codec == "mjpeg"  # AVI shows all frames equally long
    ticks = rate if even else TICKS
    with av.open(str(path), "w") as film, closing(_sound(film, like)) as sound:
        video, last = film.add_stream(codec, rate=rate, options=QUALITY[codec]), -1
        video.pix_fmt = "yuvj420p" if even else "yuv420p"
        heard = next(sound, None)
        for painted, time in zip(frames, times, strict=True):
            height, width = (side // 2 * 2 for side in painted.shape[:2])  # two by two pixels have one colour
            if last < 0:
                video.height, video.width, video.codec_context.time_base = height, width, 1 / ticks
                if not even:  # players guess where they are not told; a JPEG is always the same
                    video.codec_context.colorspace = video.codec_context.color_primaries = BT709
                    video.codec_context.color_trc, video.codec_context.color_range = BT709, LIMITED
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(painted[:height, :width]), "rgb24")
            frame = frame.reformat(format=video.pix_fmt, dst_colorspace="ITU601" if even else "ITU709")
            last = last + 1 if even else max(last + 1, round(time * ticks))
            frame.pts, frame.time_base = last, 1 / ticks
            film.mux(video.encode(frame))
            while heard is not None and heard.pts * heard.time_base < time + 1 / rate:
                film.mux(heard)
                heard = next(sound, None)
        film.mux(video.encode(None))


def _sound(film: Any, like: Reel | None) -> Generator[Any, None, None]:
    """Packets of a film's sound for another that is being written: as they are where that can hold them, else encoded
    anew; their times count from the first frame.
    """
    if like is None or not like.sound:
        return
    with pyav().open(str(like.path)) as source:
        stream = source.streams.audio[0]
        kinds, encoder = WEBM_SOUND if film.format.name == "webm" else SOUND
        if stream.codec_context.codec.canonical_name in kinds:
            track, packets = film.add_stream_from_template(stream, opaque=False), source.demux(stream)
        else:
            track = film.add_stream(encoder, rate=SAMPLES)
            packets = (packet for frame in chain(source.decode(stream), [None]) for packet in track.encode(frame))
        for packet in packets:
            if packet.pts is not None:  # the last one of a file is empty
                packet.stream = track
                shift = round(like.begins / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                yield packet


def pixels(frame: Path) -> np.ndarray:
    """A picture file as uint8 [H, W, 3]."""
    with Image.open(frame) as picture:
        return np.asarray(picture.convert("RGB"))
