"""Tables of scores: the rows that are always there, order, folders, sizes, and every error in one line."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from skimage import data

import ganvas
from ganvas import gallery, judge
from ganvas.cli import main
from ganvas.errors import BadSetting, UserError
from ganvas.painter import as_tensor
from ganvas.photos import Photo, resize
from ganvas.style import scores

LOWER = (*judge.SINGLE, "frechet")


def photograph(name="chelsea", height=96, width=144):
    return resize(getattr(data, name)() / np.float32(255), height, width)


def style(name="woodcut", height=96, width=144):
    with Image.open(gallery.find(name)) as picture:
        return resize(np.asarray(picture)[:340, :510] / np.float32(255), height, width)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels * 255).round().astype(np.uint8)).save(path)
    return path


def column(found, score):
    return [row[score] for row in found["rows"]]


def test_doing_nothing_and_the_style_itself_are_always_there():
    found = ganvas.style_score(photograph(), photograph(), style())
    first, middle, last = found["rows"]
    assert (first["name"], middle["name"], last["name"]) == (judge.PHOTOGRAPH, "painting 1", judge.STYLE)
    assert first["content"] == first["perceptual"] == 0
    assert {score: first[score] for score in LOWER} == {score: middle[score] for score in LOWER}
    assert all(last[score] == pytest.approx(0, abs=1e-6) for score in ("gram", "wasserstein", "frechet"))
    assert min(first["gram"], first["wasserstein"], first["frechet"], last["content"], last["perceptual"]) > 0.01
    assert found["notes"] == ["painting 1 is no nearer to the style than the photograph itself."]
    assert found["network"].startswith("efficientnet-lite0 blocks")
    assert len(found["network_sha256"]) == 64


def test_what_lies_between_is_scored_between():
    one, other = photograph(), style()
    found = ganvas.style_score([one + share * (other - one) for share in (0.25, 0.5, 0.75)], one, other)
    for score in ("content", "perceptual"):
        assert column(found, score) == sorted(column(found, score))
    for score in ("gram", "wasserstein", "frechet"):
        assert column(found, score) == sorted(column(found, score), reverse=True)
    assert found["notes"] == []


def test_two_styles_are_taken_as_mixed():
    first, second = style("woodcut"), style("glass")
    found = ganvas.style_score([first, second], photograph(), [first, second])
    _, one, other, itself = found["rows"]
    assert itself["wasserstein"] == pytest.approx(0, abs=1e-9)
    assert one["wasserstein"] > 0.01
    assert other["wasserstein"] > 0.01
    alone = ganvas.style_score([first, second], photograph(), first)["rows"]
    assert alone[1]["wasserstein"] == pytest.approx(0, abs=1e-9)
    assert alone[2]["wasserstein"] > other["wasserstein"]


def test_pictures_are_compared_at_the_size_of_the_smallest(tmp_path):
    large, small = (
        save(tmp_path / "photo.png", photograph(height=192, width=288)),
        save(tmp_path / "p.png", photograph()),
    )
    found = ganvas.style_score(small, large, "woodcut")
    (note,) = [note for note in found["notes"] if "sizes" in note]
    assert note.endswith(f"and at most 512 pixels a side; resized: {large} was 288x192.")
    assert column(found, "content")[1] < 0.02  # the same picture but for how it was made small
    found = ganvas.style_score(small, large, "woodcut", size=72)
    assert f"resized: {large} was 288x192, {small} was 144x96." in found["notes"][0]


def test_transparent_and_grey_pictures_are_scored(tmp_path):
    photo = photograph()
    hidden = Photo(np.where(np.arange(144)[None, :, None] < 72, photo, 1), alpha=np.tile(np.arange(144) < 72, (96, 1)))
    grey = save(tmp_path / "grey.png", photo.mean(2))
    rows = ganvas.style_score([hidden, grey], photo, "mosaic")["rows"]
    assert all(np.isfinite(row[score]) for row in rows for score in LOWER)


def folders(tmp_path, names=("chelsea", "coffee")):
    """Photographs, and two folders of paintings of them: blends with the woodcut."""
    for name in names:
        one = photograph(name)
        save(tmp_path / "photos" / f"{name}.png", one)
        for folder, share in (("faint", 0.3), ("strong", 0.7)):
            save(tmp_path / folder / f"{name}.png", one + share * (style() - one))
    return tmp_path / "photos", tmp_path / "faint", tmp_path / "strong"


def test_a_folder_is_a_row(tmp_path):
    photos, faint, strong = folders(tmp_path)
    told = []
    found = ganvas.style_score([faint, strong], photos, "woodcut", on_look=lambda *done: told.append(done))
    assert [row["name"] for row in found["rows"]] == [judge.PHOTOGRAPH, str(faint), str(strong), judge.STYLE]
    assert [row["pictures"] for row in found["rows"]] == [2, 2, 2, 2]
    assert column(found, "content") == sorted(column(found, "content"))
    assert column(found, "wasserstein") == sorted(column(found, "wasserstein"), reverse=True)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    row = found["rows"][1]
    assert {one["name"] for one in row["each"]} == {str(faint / "chelsea.png"), str(faint / "coffee.png")}
    for score in judge.SINGLE:
        assert row[score] == pytest.approx(sum(one[score] for one in row["each"]) / 2)
    alone = ganvas.style_score(faint / "coffee.png", photos / "coffee.png", "woodcut")["rows"][1]
    (same,) = [one for one in row["each"] if one["name"] == str(faint / "coffee.png")]
    assert {score: same[score] for score in judge.SINGLE} == {score: alone[score] for score in judge.SINGLE}


def test_a_folder_beside_one_photograph_is_a_row_for_each(tmp_path):
    for share in (3, 7):
        save(tmp_path / "sweep" / f"{share}.png", photograph() + share / 10 * (style() - photograph()))
    found = ganvas.style_score(tmp_path / "sweep", photograph(), "woodcut")
    assert [row["name"] for row in found["rows"][1:-1]] == [
        str(tmp_path / "sweep" / f"{share}.png") for share in (3, 7)
    ]


def test_every_painting_may_have_its_own_style(tmp_path):
    photos, faint, _ = folders(tmp_path)
    save(tmp_path / "styles" / "chelsea.png", style("woodcut"))
    save(tmp_path / "styles" / "coffee.jpg", style("glass"))
    found = ganvas.style_score(faint, photos, tmp_path / "styles")
    assert found["rows"][-1]["gram"] == 0
    _, mine, _ = ganvas.style_score(faint / "chelsea.png", photos / "chelsea.png", tmp_path / "styles/chelsea.png")[
        "rows"
    ]
    assert found["rows"][1]["each"][0]["gram"] == pytest.approx(mine["gram"])


def test_paintings_of_one_photograph_may_have_different_styles(tmp_path):
    for name in ("woodcut", "glass"):
        for folder in ("painted", "styles"):
            save(tmp_path / folder / f"{name}.png", style(name))
    found = ganvas.style_score(tmp_path / "painted", photograph(), tmp_path / "styles")
    assert column(found, "gram")[1:-1] == [0, 0]
    assert found["rows"][0]["pictures"] == 2  # the photograph is put beside each style


def test_styles_are_seen_in_the_size_of_the_painting_and_never_enlarged():
    photo, small, large = photograph(), style(height=48, width=72), style(height=192, width=288)
    seen = scores.look(as_tensor(photo)).moments
    for given, wanted in ((small, small), (large, resize(large, 96, 144))):
        gram = ganvas.style_score(photo, photo, given)["rows"][0]["gram"]
        assert gram == pytest.approx(scores.gram(seen, scores.look(as_tensor(wanted)).moments))


def test_the_command_prints_a_table_or_json(tmp_path, capsys):
    photo, painting = save(tmp_path / "photo.png", photograph()), save(tmp_path / "painting.png", style())
    command = ["style-score", str(painting), "--content", str(photo), "--style", "woodcut"]
    assert main(command) == 0
    table = capsys.readouterr().out
    assert re.search(r"painting +content +perceptual +gram +wasserstein +frechet", table)
    assert re.search(rf"{judge.PHOTOGRAPH} +0 +0 +[\d.]*[1-9]", table)
    assert re.search(rf"{judge.STYLE} .*\b0 +0 +0 *\n", table)
    assert main([*command, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found == json.loads(json.dumps(ganvas.style_score(painting, photo, "woodcut")))
    assert set(found) == {"rows", "size", "network", "network_sha256", "notes"}


@pytest.mark.parametrize(("arguments", "message"), [
    (["photo.png", "--content", "nowhere.jpg", "--style", "mosaic"], r"nowhere\.jpg cannot be read: No such file"),
    (["nowhere.jpg", "--content", "photo.png", "--style", "mosaic"], r"nowhere\.jpg cannot be read: No such file"),
    (["photo.png", "--content", "photo.png", "--style", "mosiac"],
     r"no picture file and no style is called 'mosiac'; did you mean 'mosaic'\? Known: dots, "),
    (["photo.png", "--content", "photo.png"], r"no style was given; name one picture or more"),
    (["--content", "photo.png", "--style", "mosaic"], r"no painting was given; name one picture or more"),
    (["photo.png", "--content", "photo.png", "--style", "mosaic", "--size", "8"],
     r"size is 8; pictures are compared at 32 pixels or more"),
    (["square.png", "--content", "photo.png", "--style", "mosaic"],
     r"square\.png is 96x96 and its photograph 144x96: they have other proportions; cut the photograph"),
    (["square.png", "--content", "photos", "--style", "mosaic"],
     r"photos holds no photograph of square\.png: no picture in it is called 'square'"),
    (["faint/chelsea.png", "--content", "photo.png", "--style", "empty"], r"empty holds no picture \(\.jpg"),
    (["empty", "--content", "photo.png", "--style", "mosaic"], r"empty holds no picture \(\.jpg"),
    (["faint", "--content", "twice", "--style", "mosaic"],
     r"twice holds chelsea\.jpg and chelsea\.png; which is the photograph of faint/chelsea\.png\?"),
    (["faint", "--content", "photos", "--style", "photos", "--style", "mosaic"],
     r"photos is a folder, with a style for every painting; it takes no other style beside it"),
    (["faint", "less", "--content", "photos", "--style", "mosaic"],
     r"faint and less cannot be compared: less has no painting of coffee\.png; score the same photographs in both"),
    (["less", "faint", "--content", "photos", "--style", "mosaic"],
     r"less and faint cannot be compared: less has no painting of coffee\.png; score the same photographs in both"),
])  # fmt: skip
def test_what_does_not_go_is_told_in_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    folders(tmp_path)
    save(tmp_path / "photo.png", photograph())
    save(tmp_path / "square.png", photograph(width=96))
    save(tmp_path / "less" / "chelsea.png", photograph())
    for suffix in ("jpg", "png"):
        save(tmp_path / "twice" / f"chelsea.{suffix}", photograph())
    (tmp_path / "empty").mkdir()
    assert main(["style-score", *arguments]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert re.search(message, error), error


def test_arrays_that_cannot_be_scored_are_refused():
    with pytest.raises(UserError, match="a picture has pixels that are not finite, so there is no score"):
        ganvas.style_score(np.full((40, 40, 3), np.nan), photograph(height=40, width=40), "mosaic")
    with pytest.raises(BadSetting, match=r"a picture is an array \[H, W, 3\]; got \[40, 40\]"):
        ganvas.style_score(np.zeros((40, 40)), photograph(), "mosaic")
