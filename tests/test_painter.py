import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import ganvas
from ganvas import photos
from ganvas.cli import main
from ganvas.errors import BadSetting, UserError
from ganvas.painter import outputs
from ganvas.photos import Photo

QUICK = {
    "weights.style_layers": "relu1_1,relu2_1", "weights.content_layers": "relu2_1", "scales.smallest": 16,
    "scales.first_steps": 5, "scales.steps": 3, "precision": "float32",
}  # fmt: skip
QUICK_SET = [f"{name}={value}" for name, value in QUICK.items()]


def pixels(seed, height=24, width=32):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def files(tmp_path):
    """photo.png and painting.png in a folder of their own."""
    Image.fromarray(pixels(1)).save(tmp_path / "photo.png")
    Image.fromarray(pixels(2, 20, 20)).save(tmp_path / "painting.png")
    return tmp_path


def style(*arguments):
    return main(["style", *map(str, arguments), "--set", *QUICK_SET])


def test_a_painting_is_written_and_nothing_else_is_left(files, capsys):
    out = files / "new" / "painted.jpg"
    assert style(files / "photo.png", files / "painting.png", "--out", out, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["width"], said["height"], said["steps"], said["complete"]) == (32, 24, 8, True)
    assert set(said["losses"]) == {"content", "style", "smoothness", "range"}
    assert photos.read(out).pixels.shape == (24, 32, 3)
    assert [path.name for path in out.parent.iterdir()] == ["painted.jpg"]


def test_strength_0_is_the_photograph_bit_for_bit(files):
    assert style(files / "photo.png", files / "painting.png", "--out", files / "same.png", "--strength", 0) == 0
    assert np.array_equal(np.asarray(Image.open(files / "same.png")), pixels(1))
    same = ganvas.stylize(pixels(1), pixels(2), strength=0).run()
    assert np.array_equal(same.pixels, pixels(1).astype(np.float32) / 255)


def test_a_painting_differs_and_has_the_size_asked(files):
    painted = ganvas.stylize(files / "photo.png", files / "painting.png", size=16, settings=QUICK).run()
    assert painted.pixels.shape == (12, 16, 3)
    assert 0 <= painted.pixels.min() <= painted.pixels.max() <= 1
    small = photos.resize(pixels(1) / np.float32(255), 12, 16)
    assert np.abs(painted.pixels - small).mean() > 0.02


def test_a_folder_is_painted_picture_by_picture_and_gone_on_with(files, capsys):
    folder = files / "photos"
    for name in ("b.png", "a.png"):
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels(3)).save(folder / name)
    assert style(folder, files / "painting.png", "--out", files / "out") == 0
    assert sorted(path.name for path in (files / "out").iterdir()) == ["a.png", "b.png"]
    (files / "out" / "b.png").unlink()
    capsys.readouterr()
    assert style(folder, files / "painting.png", "--out", files / "out") == 0
    assert "a.png: already there" in capsys.readouterr().out


def test_transparency_goes_along_and_hidden_colours_do_not_matter():
    alpha = np.zeros((24, 32), np.float32)
    alpha[:, 16:] = 1
    shown = pixels(1).astype(np.float32) / 255
    hidden = shown.copy()
    hidden[:, :16] = 0.1
    one, two = (ganvas.stylize(Photo(p, alpha), pixels(2), settings=QUICK).run() for p in (shown, hidden))
    assert np.array_equal(one.alpha, alpha)
    assert np.array_equal(one.pixels, two.pixels)


def test_a_fully_transparent_or_grey_picture_is_painted():
    nothing = Photo(np.zeros((12, 16, 3), np.float32), np.zeros((12, 16), np.float32))
    grey = np.full((12, 16, 3), 0.5, np.float32)
    for content in (nothing, grey):
        assert np.isfinite(ganvas.stylize(content, pixels(2), settings=QUICK).run().pixels).all()


def test_the_photographs_colours_can_be_kept():
    blue = np.zeros((24, 32, 3), np.float32) + np.float32([0.2, 0.3, 0.8])
    red = np.random.default_rng(0).random((20, 20, 3), np.float32) * np.float32([1, 0.2, 0.2])
    own = ganvas.stylize(blue, red, settings=QUICK, strength=1).run().pixels
    for colour in ("luminance", "matched"):
        kept = ganvas.stylize(blue, red, settings=QUICK, strength=1, colour=colour).run().pixels
        assert kept[..., 2].mean() - kept[..., 0].mean() > own[..., 2].mean() - own[..., 0].mean() + 0.05


def test_each_style_keeps_to_its_mask():
    """Left stays as it is with the photograph as its own style; right goes to another."""
    flat, black, half = (np.full((32, 32, 3), value, np.float32) for value in (0.7, 0.0, 0.0))
    half[:, :16] = 1
    painting = ganvas.stylize(flat, [flat, black], masks=[half, 1 - half], settings=QUICK, strength=0.9).run().pixels
    assert painting[:, :12].mean() > painting[:, 20:].mean() + 0.1


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"styles": []}, "no style was given"),
        ({"style_weights": [1, 2]}, "2 style weights for 1 styles; give one for each"),
        ({"style_weights": [0]}, "style weights are at least 0 and not all 0; got 0"),
        ({"masks": [None, None]}, "2 masks for 1 styles"),
        ({"content": np.zeros((4, 4))}, r"a picture is an array \[H, W, 3\]; got \[4, 4\]"),
        ({"colour": "red"}, "colour takes style, luminance, matched; got 'red'"),
        ({"settings": {"weights.style_layers": "relu9_1"}}, "no layer is called 'relu9_1'"),
        ({"out": "painting.gif"}, "painting.gif ends in '.gif'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(changes, line):
    given = {"content": pixels(1), "styles": [pixels(2)]} | changes
    with pytest.raises(UserError, match=line):
        ganvas.stylize(**given).run()


def test_a_folder_cannot_become_a_file(files):
    with pytest.raises(BadSetting, match="is a folder, so --out must be a folder"):
        outputs((files,), files / "x.png")


def test_a_file_that_cannot_be_read_leaves_nothing(files, capsys):
    (files / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    before = sorted(files.iterdir())
    assert style(files / "broken.png", files / "painting.png", "--out", files / "out.png") == 2
    assert style(files / "photo.png", files / "broken.png", "--out", files / "out.png") == 2
    assert style(files / "photo.png", files / "none.png", "--out", files / "out.png") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)
    assert sorted(files.iterdir()) == before


OFTEN = """
import sys
from ganvas.cli import main
from ganvas.style import optimise
optimise.SAVE_SECONDS = 0.1
sys.exit(main(sys.argv[1:]))
"""


def command(*arguments):
    """`ganvas style` in a process of its own, which saves often."""
    line = [sys.executable, "-c", OFTEN, "style", *map(str, arguments)]
    return subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kill_once_saved(running, out):
    """Kill the command that paints a file, as soon as there is something to go on from."""
    while not out.with_name(f".{out.name}.unfinished").exists():
        assert running.poll() is None
        time.sleep(0.02)
    running.kill()
    running.communicate(timeout=60)
    assert not out.exists()


def process(files, *arguments):
    """The command with the usual pictures."""
    pictures = files / "photo.png", files / "painting.png"
    return command(*pictures, *arguments, "--set", *QUICK_SET[:3], "precision=float32")


@pytest.mark.slow
def test_ctrl_c_writes_the_best_so_far(files):
    out = files / "out.png"
    running = process(files, "--out", out, "--set", "scales.first_steps=100000", "scales.tolerance=0")
    for line in running.stderr:  # it paints
        if "pixels" in line:
            break
    time.sleep(2)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "asked to stop" in said
    assert photos.read(out).pixels.shape == (24, 32, 3)
    assert sorted(path.name for path in files.iterdir()) == ["out.png", "painting.png", "photo.png"]


@pytest.mark.slow
def test_a_killed_command_leaves_no_half_picture_and_goes_on_exactly(files):
    out, steps = files / "out.png", ["--set", "scales.first_steps=600", "scales.tolerance=0"]
    whole = process(files, "--out", files / "whole.png", *steps)
    whole.communicate(timeout=300)
    kill_once_saved(process(files, "--out", out, *steps), out)
    again = process(files, "--out", out, *steps)
    _, said = again.communicate(timeout=300)
    assert "note: going on at step" in said
    assert np.array_equal(photos.read(out).pixels, photos.read(files / "whole.png").pixels)
    assert sorted(p.name for p in files.iterdir()) == ["out.png", "painting.png", "photo.png", "whole.png"]
