"""Film files: frames, times and sound come back as they were; what is broken costs no more than itself."""

import resource
from fractions import Fraction

import numpy as np
import pytest

from ganvas import photos, reels
from ganvas.cli import main
from ganvas.errors import BadSetting, UserError
from ganvas.photos import Photo
from test_flow import texture

av = pytest.importorskip("av")
cv2 = pytest.importorskip("cv2")

CLICK = 0.4  # seconds between two


@pytest.fixture
def frames(tmp_path):
    """Six frames of a camera that moves to the right, 4 pixels each."""
    wide = texture(64, 160)
    found = [tmp_path / "frames" / f"f{number}.png" for number in range(6)]
    for number, path in enumerate(found):
        photos.write(path, Photo(wide[:, 4 * number : 4 * number + 96]))
    return found


def filmed(path, codec="aac", begins=0.7, count=30):
    """A film that a telephone might have made: uneven times that do not begin at nothing, and a click each CLICK
    seconds, when the frame is white.
    """
    with av.open(str(path), "w") as film:
        video = film.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        video.codec_context.time_base = Fraction(1, 30_000)
        audio, time = film.add_stream(codec, rate=48_000), 0.0
        for number in range(count):
            white = time % CLICK < 0.05
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 255 if white else 40, np.uint8), "rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = round((time + begins) * 30_000), Fraction(1, 30_000)
            film.mux(video.encode(frame))
            time += 0.02 if number % 3 else 0.06
        film.mux(video.encode(None))
        wave = np.zeros(int(48_000 * time), np.float32)
        for begin in np.arange(0, time, CLICK):
            there = slice(int(48_000 * begin), int(48_000 * (begin + 0.05)))
            wave[there] = np.sin(np.arange(len(wave[there])) * 0.06)
        for begin in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(np.stack([wave[begin : begin + 1024]] * 2), "fltp", "stereo")
            frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
            frame.pts = begin + round(begins * 48_000)
            film.mux(audio.encode(frame))
        film.mux(audio.encode(None))


def clicks(path):
    """When something is heard, in seconds after the first frame, and what kind of sound it is."""
    with av.open(str(path)) as film:
        stream = film.streams.audio[0]
        heard = list(film.decode(stream))
        left = [frame.to_ndarray().reshape(frame.layout.nb_channels, -1)[0] for frame in heard]
        wave = np.abs(np.concatenate(left))
        loud = np.flatnonzero(wave > 0.3 * wave.max())
        begins = loud[np.diff(loud, prepend=-48_000) > 4800]
        first = heard[0].pts * heard[0].time_base
        return begins / heard[0].sample_rate + float(first - reels.opened(path).begins), stream.codec_context.name


@pytest.mark.parametrize("suffix", list(reels.WRITTEN))
def test_a_film_file_comes_back_as_it_was_written(frames, tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    reels.write(path, frames)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [path.name]
    reel = reels.opened(path)
    assert (reel.count, reel.rate, reel.sound) == (6, 25, False)
    assert [float(time) for time in reel.times] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2], abs=1e-3)
    seen = list(reel.frames())
    assert [name for name, _ in seen] == [f"{number:06d}.png" for number in range(1, 7)]
    for (_, frame), file in zip(seen, frames, strict=True):
        assert np.abs(frame.pixels - photos.read(file).pixels).mean() < 0.03  # lossy, but the same frame
    with av.open(str(path)) as film:
        assert next(film.decode(video=0)).colorspace == (5 if suffix == ".avi" else reels.BT709), "players are told"


@pytest.mark.parametrize("suffix", list(reels.WRITTEN))
@pytest.mark.parametrize("height", [64, 720])
def test_strong_colours_come_back(tmp_path, suffix, height):
    strong = np.zeros((height, 96, 3), np.float32)
    strong[:, :48], strong[:, 48:] = (0.8, 0.1, 0.15), (0.1, 0.7, 0.2)
    photos.write(tmp_path / "frame.png", Photo(strong))
    reels.write(tmp_path / f"film{suffix}", [tmp_path / "frame.png"] * 2)
    _, frame = next(reels.opened(tmp_path / f"film{suffix}").frames())
    assert np.abs(frame.pixels - strong)[:, [8, 24, 40, 56, 72, 88]].max() < 0.03


def test_frames_at_one_time_come_one_after_the_other(frames, tmp_path):
    times = [Fraction(number, 25) for number in (0, 1, 1, 1, 2, 3)]
    reels.write(tmp_path / "film.mp4", frames, reels.Reel(tmp_path, Fraction(0), tuple(times), Fraction(25), False))
    found = reels.opened(tmp_path / "film.mp4").times
    assert [float(time) for time in found] == pytest.approx([float(time) for time in times], abs=2e-3)


@pytest.mark.parametrize(("film", "codec", "suffix", "kept"), [
    ("film.mp4", "aac", ".mp4", "aac"),
    ("film.mp4", "aac", ".mkv", "aac"),
    ("film.mp4", "aac", ".webm", "opus"),
    ("film.mov", "pcm_s16le", ".mp4", "aac"),
    ("film.mkv", "libopus", ".webm", "opus"),
    ("film.mkv", "libopus", ".mov", "aac"),
    ("film.mp4", "aac", ".avi", "aac"),
])  # fmt: skip
def test_times_and_sound_of_a_film_are_kept(tmp_path, film, codec, suffix, kept):
    filmed(tmp_path / film, codec)
    reel = reels.opened(tmp_path / film)
    assert (reel.count, reel.sound, float(reel.begins)) == (30, True, pytest.approx(0.7, abs=0.01))
    assert [float(time) for time in reel.times[:4]] == pytest.approx([0, 0.06, 0.08, 0.1], abs=2e-3)
    paintings = []
    for name, frame in reel.frames():
        paintings.append(tmp_path / "frames" / name)
        photos.write(paintings[-1], frame)
    out = tmp_path / f"painted{suffix}"
    reels.check_written(out, reel)
    reels.write(out, paintings, reel)
    again, (heard, kind) = reels.opened(out), clicks(out)
    assert kind.removeprefix("lib") == kept
    uneven = 0.06 if suffix == ".avi" else 2e-3  # AVI shows frames at an even rate
    assert [float(time) for time in again.times] == pytest.approx([float(time) for time in reel.times], abs=uneven)
    assert heard == pytest.approx([0, 0.4, 0.8], abs=max(uneven, 0.03))


def test_a_part_that_is_broken_costs_its_frames_and_not_the_film(frames, tmp_path):
    path = tmp_path / "film.avi"
    reels.write(path, frames)
    data = bytearray(path.read_bytes())
    third = [at for at in range(len(data)) if data[at : at + 4] == b"00dc"][2]
    length = int.from_bytes(data[third + 4 : third + 8], "little")
    data[third + 8 : third + 8 + length] = bytes(length)
    path.write_bytes(data)
    reel = reels.opened(path)
    assert reel.count == 5
    assert [float(time) for time in reel.times] == pytest.approx([0, 0.08, 0.12, 0.16, 0.2])
    assert len(list(reel.frames())) == 5


@pytest.mark.parametrize(("matrix", "shape"), [
    ((0, 1, -1, 0), (96, 64)), ((-1, 0, 0, -1), (64, 96)), ((0, -1, 1, 0), (96, 64)),
])  # fmt: skip
def test_a_film_held_sideways_is_seen_upright(frames, tmp_path, matrix, shape):
    """As OpenCV turns it, by what a telephone writes into the head of the track."""
    path = tmp_path / "film.mp4"
    reels.write(path, frames)
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(data)
    _, frame = next(reels.opened(path).frames())
    assert frame.pixels.shape[:2] == shape
    seen = cv2.VideoCapture(str(path)).read()[1][..., ::-1] / 255
    assert np.abs(frame.pixels - seen).mean() < 0.02


def test_colours_of_a_large_film_without_a_word_on_them(tmp_path):
    """It is taken as BT.709, as players do."""
    red = np.full((720, 64, 3), (200, 30, 40), np.uint8)
    with av.open(str(tmp_path / "film.mp4"), "w") as film:
        video = film.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 720, "yuv420p"
        frame = av.VideoFrame.from_ndarray(red, "rgb24").reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.colorspace = reels.UNTAGGED
        film.mux(video.encode(frame))
        film.mux(video.encode(None))
    _, frame = next(reels.opened(tmp_path / "film.mp4").frames())
    assert np.abs(255 * frame.pixels - red).max() <= 6


def hlg(light):
    """BT.2100's curve for scene light in [0, 1]."""
    return np.where(light <= 1 / 12, np.sqrt(3 * light), 0.17883277 * np.log(12 * light - 0.28466892) + 0.55991073)


def pq(nits):
    """BT.2100's other curve."""
    light = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * light) / (1 + 18.6875 * light)) ** 78.84375


@pytest.mark.parametrize(("curve", "signal"), [(18, hlg), (16, pq)])
def test_high_dynamic_range_is_seen_as_on_a_usual_screen(curve, signal):
    """Greys of 0.1 to 1 times the white of a usual screen, which BT.2408 puts at 203 nits, or 0.75 of HLG's signal."""
    light = np.linspace(0.1, 1, 10)
    scene = 0.265 * light ** (1 / 1.2) if curve == 18 else 203 * light
    frame = av.VideoFrame(160, 32, "yuv420p10le")
    for plane, row in zip(frame.planes, (64 + 876 * np.repeat(signal(scene), 16), np.full(80, 512), np.full(80, 512))):
        lines = np.zeros((plane.height, plane.line_size // 2), "<u2")
        lines[:, : len(row)] = row.round()
        plane.update(lines.tobytes())
    frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, 9, curve, 1
    srgb = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(reels.upright(frame)[8, 8::16] - srgb[:, None]).max() < 12


def test_a_film_that_is_not_whole_is_never_called_so(frames, tmp_path):
    """The disk is full after 2,000 bytes."""
    path = tmp_path / "film.mp4"
    path.write_bytes(b"what was there before")
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, allowed[1]))
    try:
        with pytest.raises(UserError, match=r"film\.mp4 cannot be written: File too large; see to it"):
            reels.write(path, frames)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert path.read_bytes() == b"what was there before"
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["film.mp4"]


def test_a_codec_that_is_missing_is_told_before_the_work(frames, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(reels.WRITTEN, ".mp4", "nosuchcodec")
    monkeypatch.setitem(reels.QUALITY, "nosuchcodec", {})
    command = ["style", str(frames[0].parent), "mosaic", "--out", str(tmp_path / "x.mp4"), "--fast", "--video"]
    assert main(command) == 2
    assert ".mp4 cannot be written here (nosuchcodec); try --out FILE.mkv" in capsys.readouterr().err
    assert not list(tmp_path.glob(".x.mp4*"))


def test_sound_alone_is_no_film(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as film:
        audio = film.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 48_000, 0
        film.mux(audio.encode(frame))
        film.mux(audio.encode(None))
    with pytest.raises(BadSetting, match=r"song\.mp4 holds no film that can be read"):
        reels.opened(path)
