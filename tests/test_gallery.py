"""Styles by name: they are there, a file wins, wrong names are told, and every way of painting takes them."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas import gallery, painter, quick
from ganvas.cli import main
from ganvas.errors import UnknownName
from ganvas.training import repaint
from tiny import make_pictures, tiny_config

ROOT = Path(__file__).resolve().parent.parent
TINY = {"size": 32, "scales.smallest": 32, "scales.first_steps": 3, "precision": "float32", "minutes": None}


@pytest.mark.parametrize("name", gallery.STYLES)
def test_every_style_is_a_picture(name):
    with Image.open(gallery.find(name)) as picture:
        assert picture.mode == "RGB"
        assert min(picture.size) >= 512
        assert np.asarray(picture).std() > 25


def test_every_carried_picture_has_a_name_and_a_line_of_provenance():
    assert {path.stem for path in gallery.FOLDER.iterdir()} == set(gallery.STYLES)
    assert "make_styles.py" in (gallery.FOLDER.parent / "README.md").read_text()


def test_the_script_draws_what_is_carried(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import make_styles

    assert set(make_styles.STYLES) == set(gallery.STYLES)
    with Image.open(gallery.find("glass")) as picture:
        carried = np.asarray(picture).astype(float)
    assert np.abs(make_styles.draw("glass").astype(float) - carried).mean() < 3  # what JPEG loses


def test_a_file_of_that_name_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gallery.find("mosaic").parent == gallery.FOLDER
    assert gallery.lasting("mosaic") == "mosaic"
    (tmp_path / "mosaic").mkdir()  # a folder is no picture
    assert gallery.find("mosaic").parent == gallery.FOLDER
    (tmp_path / "mosaic").rmdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "mosaic", "PNG")
    assert gallery.find("mosaic") == Path("mosaic")
    assert gallery.lasting("mosaic") == str(tmp_path / "mosaic")


@pytest.mark.parametrize("path", ["nowhere.jpg", "folder/mosaic", "mosaic.png", "/mosaic"])
def test_what_looks_like_a_file_is_left_to_who_reads_it(path):
    assert gallery.find(path) == Path(path)


def test_a_wrong_name_says_which_there_are():
    known = ", ".join(sorted(gallery.STYLES))
    message = f"no picture file and no style is called 'mosiac'; did you mean 'mosaic'? Known: {known}."
    for ask in (gallery.find, gallery.lasting, repaint.read_style):
        with pytest.raises(UnknownName) as caught:
            ask("mosiac")
        assert str(caught.value) == message


def test_optimisation_takes_a_name():
    photograph = make_pictures(3, 32, 32, 1).samples[0]
    named, filed = (
        painter.stylize(photograph, style, settings=TINY).run() for style in ("woodcut", gallery.FOLDER / "woodcut.jpg")
    )
    assert np.array_equal(named.pixels, filed.pixels)
    assert not np.array_equal(named.pixels, painter.stylize(photograph, "glass", settings=TINY).run().pixels)


def test_one_pass_takes_a_name():
    photograph = make_pictures(3, 32, 32, 1).samples[0]
    named, filed = (
        quick.paint(photograph, quick.any_style([style], size=32))[0]
        for style in ("woodcut", gallery.FOLDER / "woodcut.jpg")
    )
    assert np.array_equal(named.pixels, filed.pixels)


def test_training_takes_a_name_and_keeps_it():
    config = tiny_config("stylise", style={"picture": "glass", "bfloat16": False})
    assert config.style.picture == "glass"  # the package may lie elsewhere when the run goes on
    assert config.style.key == hashlib.sha256(gallery.find("glass").read_bytes()).hexdigest()


def test_the_command_lists_styles(tmp_path, capsys):
    assert main(["styles"]) == 0
    out = capsys.readouterr().out
    assert [name for name in gallery.STYLES if name not in out] == []
    assert main(["styles", "--sheet", str(tmp_path / "sheet.png")]) == 0
    with Image.open(tmp_path / "sheet.png") as picture:
        assert np.array_equal(np.asarray(picture), gallery.sheet())
    assert main(["styles", "--sheet", str(tmp_path / "sheet.gif")]) == 2
    assert "pictures are written as .jpg" in capsys.readouterr().err


def test_the_sheet_shows_each_style_once():
    sheet = gallery.sheet(side=60, columns=3)
    assert sheet.shape == (3 * (60 + gallery.LABEL + 6) + 6, 3 * 66 + 6, 3)


def test_the_command_line_paints_by_name(tmp_path, capsys):
    photograph, out = tmp_path / "photo.png", tmp_path / "painted.png"
    Image.fromarray(make_pictures(3, 32, 32, 1).samples[0]).save(photograph)
    assert main(["style", str(photograph), "watercolour", "--fast", "--size", "32", "--out", str(out)]) == 0
    assert out.exists()
    assert main(["style", str(photograph), "watercolor", "--fast", "--out", str(out)]) == 2
    assert "did you mean 'watercolour'? Known: dots" in capsys.readouterr().err
