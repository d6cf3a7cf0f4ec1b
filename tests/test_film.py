"""Sequences: frames go on from the one before, a film that was stopped comes out the same, and nothing flickers."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ganvas import film, painter, photos, quick, reels
from ganvas.cli import main
from ganvas.commands.style import Style
from ganvas.errors import UserError
from ganvas.film import Before, frames_in, paint_frames, read, steadied
from ganvas.photos import Photo
from ganvas.style.flow import believed, flow, warp
from test_flow import texture
from test_reels import filmed

pytest.importorskip("cv2")
pytest.importorskip("av")


@pytest.fixture
def frames(tmp_path):
    """Six frames of a camera that moves to the right, 4 pixels each."""
    wide = texture(64, 160)
    folder = tmp_path / "frames"
    for number in range(6):
        photos.write(folder / f"f{number + 7}.png", Photo(wide[:, 4 * number : 4 * number + 96]))
    return folder


def noisy(frame):
    """A painter that paints the same thing differently each time."""
    rng = np.random.default_rng(int(frame.pixels.sum() * 1e3) % 2**32)
    return replace(frame, pixels=(frame.pixels + 0.2 * rng.standard_normal(frame.pixels.shape)).clip(0, 1))


def flicker(frames, paintings):
    """How much two paintings differ where the frames show the same thing."""
    found = []
    for (a, b), (x, y) in zip(pairwise(frames), pairwise(paintings)):
        back, forth = flow(b.pixels, a.pixels), flow(a.pixels, b.pixels)
        seen = believed(back, forth)
        found.append(np.square(warp(x.pixels, back) - y.pixels)[seen].mean())
    return float(np.mean(found))


def test_frames_come_in_the_order_of_their_numbers(frames):
    assert [path.name for path in frames_in(frames)] == [f"f{number}.png" for number in range(7, 13)]
    with pytest.raises(UserError, match="holds no frames"):
        frames_in(frames.parent / "nothing")


def test_what_goes_on_by_hand():
    picture, other = np.full((2, 2, 3), 0.2, np.float32), np.full((2, 2, 3), 1.0, np.float32)
    before = Before(other, np.array([[1, 0], [0.5, 0]], np.float32), other, np.zeros((2, 2), bool))
    assert np.allclose(before.laid_on(picture, before.believed)[..., 0], [[1, 0.2], [0.6, 0.2]])


def test_a_network_flickers_less_when_it_goes_on(frames, tmp_path):
    paths = frames_in(frames)
    seen = [photos.read(path) for path in paths]
    alone = list(paint_frames(read(paths), tmp_path / "alone", lambda frame, before: noisy(frame)))
    going_on = list(paint_frames(read(paths), tmp_path / "on", steadied(noisy)))
    still, loose = (flicker(seen, [photos.read(path) for path in made]) for made in (going_on, alone))
    assert still < 0.02 * loose
    fresh, moved = (photos.read(folder / "f12.png").pixels for folder in (tmp_path / "alone", tmp_path / "on"))
    grain, left = (np.diff(picture, axis=1)[8:-8, 8:-32].std() for picture in (fresh, moved))
    assert left > 0.85 * grain, "strokes stay sharp"


def test_strokes_stay_sharp_under_a_camera_that_moves_by_parts_of_a_pixel(tmp_path):
    way = np.zeros((64, 160, 2), np.float32)
    frames = []
    for number in range(8):
        way[..., 0] = 2.5 * number
        frames.append((f"{number}.png", Photo(warp(texture(64, 160), way, sharp=True)[:, :96].clip(0, 1))))
    *_, last = paint_frames(frames, tmp_path, steadied(noisy))
    fresh = noisy(frames[-1][1]).pixels
    grain, left = (np.diff(picture, axis=1)[8:-8, 8:-32].std() for picture in (fresh, photos.read(last).pixels))
    assert left > 0.5 * grain, "linear between pixels leaves 0.23 of it"


def test_what_looks_otherwise_than_when_it_was_painted_is_painted_anew(tmp_path):
    """A light goes out over the left half, a little in each frame; nothing moves."""
    still, darker = texture(64, 160), np.ones((64, 160, 1), np.float32)
    darker[:, :80] = 0.92
    frames = [(f"{number}.png", Photo(still * darker**number)) for number in range(6)]
    painters = iter(np.linspace(0, 1, 6))
    made = list(paint_frames(frames, tmp_path, steadied(lambda frame: Photo(np.full_like(still, next(painters))))))
    last = photos.read(made[-1]).pixels[..., 0]
    assert np.median(last[:, 110:]) == 0, "as the first painting had it"
    assert last[:, :60].mean() > 0.4


def test_nothing_lasts_where_another_thing_comes(tmp_path):
    """By hand: two frames that show different things, without a flow between them."""
    one, other = texture(48, 64), 1 - texture(48, 64, seed=9)
    last = film.Shown(Photo(one), Photo(one), one)
    assert film.carried(last, Photo(one)).lasting.all()
    assert film.carried(last, Photo(other)).lasting.mean() < 0.1


def test_a_film_that_was_stopped_comes_out_the_same(frames, tmp_path):
    paths, paint = frames_in(frames), steadied(noisy)
    whole = [path.read_bytes() for path in paint_frames(read(paths), tmp_path / "whole", paint)]
    left = 3

    def tired(frame, before):
        nonlocal left
        left -= 1
        return paint(frame, before) if left >= 0 else None

    assert len(list(paint_frames(read(paths), tmp_path / "parts", tired))) == 3
    assert [path.read_bytes() for path in paint_frames(read(paths), tmp_path / "parts", paint)] == whole


def test_frames_of_other_sizes_are_told(frames, tmp_path):
    photos.write(frames / "f99.png", Photo(texture(32, 48)))
    with pytest.raises(UserError, match=r"f99\.png is 48x32 and the frame before 96x64"):
        list(paint_frames(read(frames_in(frames)), tmp_path / "out", steadied(noisy)))


def test_an_optimised_painting_stays_with_the_frame_before():
    rng = np.random.default_rng(0)
    photo, style = Photo(texture(48, 64)), Photo(texture(48, 64, seed=3)[..., ::-1] ** 2)
    before = rng.random((48, 64, 3), np.float32)
    known = Before(before, np.ones((48, 64), np.float32), before, np.ones((48, 64), bool))
    known.believed[:, 32:] = 0
    settings = {"size": 64, "scales.steps": 6, "scales.first_steps": 6}
    made = painter.stylize(photo, style, settings=settings)
    made.before = known
    away = np.abs(made.run().pixels - known.picture).mean((0, 2))
    assert away[:28].mean() < 0.3 * away[36:].mean()


def test_a_film_from_the_command_line(frames, tmp_path, capsys):
    photos.write(tmp_path / "style.png", Photo(texture(48, 64, seed=5)))
    few = ["--size", "48", "--set", "scales.first_steps=2", "scales.steps=2", "scales.smallest=24"]
    command = ["style", str(frames), str(tmp_path / "style.png"), "--out", str(tmp_path / "film"), "--video", *few]
    assert main(command) == 0
    assert "f12.png: 6 of 6, done" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "film").iterdir()) == sorted(p.name for p in frames.iterdir())
    assert main(["style", str(tmp_path / "style.png"), str(tmp_path / "style.png"), "--out", "x", "--video"]) == 2
    assert "holds no frames" in capsys.readouterr().err


def test_a_folder_may_have_a_dot_in_its_name(frames, tmp_path):
    out = tmp_path / "take.2"
    out.mkdir()
    assert main(["style", str(frames), "mosaic", "--out", str(out), "--fast", "--video", "--size", "48"]) == 0
    assert len(list(out.iterdir())) == 6


def test_a_film_in_one_pass(frames, tmp_path, capsys):
    photos.write(tmp_path / "style.png", Photo(texture(48, 64, seed=5)))
    command = ["style", str(frames), str(tmp_path / "style.png"), "--out", str(tmp_path / "film"), "--fast"]
    assert main([*command, "--video", "--size", "64"]) == 0
    assert "f12.png: 6 of 6, done" in capsys.readouterr().out
    assert photos.read(tmp_path / "film" / "f12.png").width == 64


def test_carried_follows_the_camera(frames):
    first, second = (photos.read(path) for path in frames_in(frames)[:2])
    known = film.carried(film.Shown(first, first, first.seen()), second)
    inner = (slice(8, -8), slice(8, -16))
    assert np.abs(known.picture - second.pixels)[inner].mean() < 0.03
    assert known.believed[inner].mean() > 0.8


def test_a_film_file_from_the_command_line_goes_on_where_it_was_stopped(tmp_path, capsys, monkeypatch):
    photos.write(tmp_path / "style.png", Photo(texture(48, 64, seed=5)))
    filmed(tmp_path / "film.mp4", count=6)
    out = tmp_path / "painted.mp4"
    command = [
        "style",
        str(tmp_path / "film.mp4"),
        str(tmp_path / "style.png"),
        "--out",
        str(out),
        "--fast",
        "--size",
        "64",
    ]
    plain, left = quick.paint, 3

    def interrupted(*args, **options):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return plain(*args, **options)

    monkeypatch.setattr(quick, "paint", interrupted)
    assert main(command) == 130
    (kept,) = tmp_path.glob(".painted.mp4-*")
    assert len(list(kept.iterdir())) == 3
    assert not out.exists()
    monkeypatch.setattr(quick, "paint", plain)
    assert main(command) == 0
    assert f"{out}: 6 frames, with the film's sound\n" in capsys.readouterr().out
    assert not kept.exists()
    painted = reels.opened(out)
    assert (painted.count, painted.sound) == (6, True)
    assert [float(time) for time in painted.times] == pytest.approx([0, 0.06, 0.08, 0.1, 0.16, 0.18], abs=2e-3)
    assert next(painted.frames())[1].pixels.shape[1] == 64


@pytest.mark.parametrize(("content", "out", "message"), [
    ("none.mp4", "x.mp4", r"none\.mp4 is not there; a film is a file \(\.mp4, .*\) or a folder of frames"),
    ("text.mp4", "x.mp4", r"holds no film that can be read"),
    ("film.mp4", "x.gif", r"ends in '\.gif'; films are written as \.mp4, .*, or as a folder of frames"),
])  # fmt: skip
def test_what_is_no_film_is_one_line(frames, tmp_path, capsys, content, out, message):
    reels.write(tmp_path / "film.mp4", frames_in(frames))
    (tmp_path / "text.mp4").write_text("no film")
    assert main(["style", str(tmp_path / content), "mosaic", "--out", str(tmp_path / out), "--fast"]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / out).exists()


def test_a_changed_style_begins_the_film_anew(tmp_path):
    style, film_file = tmp_path / "style.png", tmp_path / "film.mp4"
    film_file.touch()
    photos.write(style, Photo(texture(20, 20)))
    asked = Style(content=film_file, styles=(style,), out=tmp_path / "x.mp4")
    before = asked.job()
    assert asked.job() == before
    photos.write(style, Photo(texture(20, 30)))
    assert asked.job() != before


def test_one_film_at_a_time(tmp_path, capsys):
    assert main(["style", "a.mp4", "b.mp4", "--with", "run", "--out", str(tmp_path / "x.mp4")]) == 2
    assert "one film at a time: with --with, b.mp4 would be another." in capsys.readouterr().err
