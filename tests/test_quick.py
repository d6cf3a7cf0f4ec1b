"""Painting in one pass: brushes, frames and the command line."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from ganvas import photos, quick, stylists
from ganvas.cli import main
from ganvas.errors import BadSetting, RunError, UserError
from ganvas.style.events import Stepped
from test_painter import command, kill_once_saved
from test_stylists import QUICK
from tiny import make_pictures, style_picture


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """A file with a picture of 40 x 30 pixels, half of it transparent."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    pixels = make_pictures(4, 30, 40, 1).samples[0].copy()
    pixels[:, :20, 3], pixels[:, 20:, 3] = 255, 0
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has learnt a style for two steps."""
    path = tmp_path_factory.mktemp("learnt") / "run"
    stylists.training(style_picture(), path, settings=QUICK | {"total_images": 8}).run()
    return path


def test_the_frame_stays(photograph, tmp_path):
    out = tmp_path / "painted.png"
    done, notes = quick.paint(photograph, quick.any_style([style_picture()], size=32), out, size=32)
    assert not notes
    written = photos.read(out)
    assert written.pixels.shape == done.pixels.shape == (24, 32, 3)
    assert written.alpha is not None
    assert written.alpha[:, 0].min() == 1
    assert written.alpha[:, -1].max() == 0


@pytest.mark.parametrize("kind", ["any", "learnt"])
def test_no_strength_is_the_photograph_bit_for_bit(photograph, run, kind):
    brush = quick.any_style([style_picture()], strength=0) if kind == "any" else quick.learnt(run, strength=0)
    done, _ = quick.paint(photograph, brush)
    assert np.array_equal(done.pixels, photos.read(photograph).pixels)


def test_luminance_keeps_the_colours(photograph):
    brush = quick.any_style([style_picture()], size=40)
    kept, _ = quick.paint(photograph, brush, colours="luminance")
    free, _ = quick.paint(photograph, brush)
    seen = photos.read(photograph).seen()
    chroma = [float(np.abs((p - p.mean(2, keepdims=True)) - (seen - seen.mean(2, keepdims=True))).mean())
              for p in (kept.pixels, free.pixels)]  # fmt: skip
    assert chroma[0] < chroma[1]


def test_smaller_strokes_are_another_style(photograph):
    one, other = (
        quick.paint(photograph, quick.any_style([photograph], style_scale=scale, size=40))[0] for scale in (1.0, 0.4)
    )
    assert not np.array_equal(one.pixels, other.pixels)


def test_the_command_paints_fast_and_tells_in_json(photograph, tmp_path, capsys):
    out = tmp_path / "painted.jpg"
    styles = [style_picture(), style_picture()]
    line = ["style", str(photograph), *styles, "--fast", "--weight", "1", "--weight", "3", "--size", "16"]
    assert main([*line, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["width"], told["height"]) == (16, 12)
    assert photos.read(out).pixels.shape == (12, 16, 3)


def test_the_command_paints_several_photographs_with_a_run(photograph, run, tmp_path):
    other = tmp_path / "other.png"
    Image.fromarray(make_pictures(3, 20, 20, 1).samples[0]).save(other)
    folder = tmp_path / "out"
    assert main(["style", str(photograph), str(other), "--with", str(run), "--out", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["other.png", "photo.png"]


def test_the_command_takes_less_detail(photograph, tmp_path):
    for name, settings in (("all", []), ("little", ["--set", "detail=0.1"])):
        line = ["style", str(photograph), style_picture(), "--fast", "--size", "32", *settings]
        assert main([*line, "--out", str(tmp_path / f"{name}.png")]) == 0
    one, other = (photos.read(tmp_path / f"{name}.png").pixels for name in ("all", "little"))
    assert float(np.abs(one - other).mean()) > 0.005


@pytest.mark.parametrize(("arguments", "message"), [
    (["--fast", "--loss", "gram", "--seed", "3"], r"--seed, --loss cannot be used with --fast"),
    (["--with", "nowhere"], r"nowhere holds no run"),
    (["--with", "nowhere", "--weight", "2"], r"--weight cannot be used with --with"),
    (["--fast", "--memory", "2GB"], r"--memory cannot be used with --fast"),
    (["--with", "nowhere", "--set", "detail=0"], r"--set cannot be used with --with"),
    (["--fast", "--set", "detail=2"], r"detail takes number at least 0 and at most 1"),
    (["--fast", "--set", "details=0"], r"no setting is called 'details'; did you mean 'detail'"),
    (["--fast", "--strength", "2"], r"strength is 2, but must be from 0 to 1"),
    (["--fast", "--size", "large"], r"size takes whole number at least 1 \(pixels\), or none; got 'large'"),
    (["--fast", "--colour", "matched"], r"in one pass, colours are style or luminance; got 'matched'"),
    (["--fast", "--weight", "1", "--weight", "1"], r"2 style weights for 1 styles; give one for each"),
    (["--fast", "--style-scale", "0"], r"style_scale is 0, but must be above 0 and at most 8"),
])  # fmt: skip
def test_what_does_not_go_is_told_in_one_line(photograph, tmp_path, capsys, arguments, message):
    styles = [] if "--with" in arguments else [style_picture()]
    out = tmp_path / "painted.png"
    assert main(["style", str(photograph), *styles, *arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert re.search(message, error), error
    assert not out.exists()


def test_brushes_refuse_what_they_cannot_use(tmp_path):
    with pytest.raises(RunError, match="holds no run"):
        quick.learnt(tmp_path)
    with pytest.raises(BadSetting, match="style weights are at least 0 and not all 0; got 0"):
        quick.any_style([style_picture()], [0.0])
    with pytest.raises(UserError, match="cannot be read"):
        quick.any_style([tmp_path / "nowhere.png"])


def test_retouching_goes_on_from_what_the_network_painted(photograph, run, tmp_path):
    """Some steps bring the loss of the very picture that the network made down."""
    losses = []
    network = stylists.load(run).paint(photos.read(photograph).seen())
    first = quick.retouched(photograph, run, steps=1).run()  # the best of one look is what was looked at
    np.testing.assert_allclose(first.pixels, network, atol=1e-6)
    stylization = quick.retouched(photograph, run, tmp_path / "painted.png", steps=8)
    for event in stylization:
        if isinstance(event, Stepped):
            losses.append(sum(event.losses.values()))
            assert event.size == (30, 40)
    assert len(losses) == 8
    assert min(losses) < 0.8 * losses[0]  # the best is kept
    assert photos.read(tmp_path / "painted.png").alpha is not None


def test_the_command_retouches_photographs(photograph, run, tmp_path, capsys):
    line = ["style", str(photograph), str(photograph.parent), "--with", str(run), "--retouch", "2", "--size", "32"]
    assert main([*line, "--out", str(tmp_path / "painted"), "--json"]) == 0
    told = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [(line["steps"], line["width"]) for line in told if "steps" in line] == [(2, 32)]
    assert photos.read(tmp_path / "painted" / photograph.name).pixels.shape == (24, 32, 3)


@pytest.mark.slow
def test_a_killed_retouching_goes_on_exactly(photograph, run, tmp_path):
    line = photograph, "--with", run, "--retouch", 400, "--out"
    whole, out = tmp_path / "whole.png", tmp_path / "out.png"
    command(*line, whole).communicate(timeout=300)
    kill_once_saved(command(*line, out), out)
    _, said = command(*line, out).communicate(timeout=300)
    assert "note: going on at step" in said
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.png", "whole.png"]


def test_retouching_keeps_to_the_memory_allowed(photograph, run, tmp_path, capsys):
    line = ["style", str(photograph), "--with", str(run), "--retouch", "2", "--memory", "20MB"]
    assert main([*line, "--out", str(tmp_path / "painted.png")]) == 2
    assert re.search(r"takes about .*, more than the 0.02 GB there are", capsys.readouterr().err)


@pytest.mark.parametrize("wrong", [["b.jpg", "--retouch", "3"], ["--with", "run", "--retouch", "-1"],
                                   ["--with", "run", "--video", "--retouch", "3"]])  # fmt: skip
def test_what_cannot_be_retouched_is_told(wrong, capsys):
    assert main(["style", "a.jpg", *wrong, "--out", "x.png"]) == 2
    assert "--retouch takes a number of steps, and --with RUN and photographs, no film." in capsys.readouterr().err
