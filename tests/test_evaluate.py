"""Judging one set of pictures by another: keys, notes, floors, caches and one clear line for what cannot be scored."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import ganvas
from ganvas import images
from ganvas.cli import main
from ganvas.config import DataConfig
from ganvas.data.source import open_source
from ganvas.errors import UserError
from ganvas.metrics import evaluate as judging
from ganvas.metrics.features import FeatureNetwork

KEYS = {"frechet", "kid", "precision", "recall", "density", "coverage", "duplicates", "network", "n_real", "n_fake"}
SMALL = FeatureNetwork("small", "0" * 64, 8, 6, lambda seen: seen.mean((2, 3)).repeat(1, 2))


def normal(count, size=6, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of 40 colour pictures each, the second blurred and darker."""
    home = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name, dim in (("bright", 1.0), ("dark", 0.5)):
        for number in range(40):
            pixels = (dim * rng.integers(0, 256, (8, 8, 3))).astype(np.uint8)
            path = home / name / f"{number:02d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC).save(path)
    return home


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on digits that has hardly begun."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    tiny = {"network.width": 4, "save.samples": 4}
    ganvas.train("digits", out=path, total_images=256, batch_size=32, threads=1, settings=tiny).run()
    return path


def fails(capsys, *arguments):
    """The one line on stderr of a command that must fail."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    return err


def test_every_score_with_what_it_depends_on():
    scores = judging.judge(normal(300, seed=1), normal(400, seed=2), SMALL, seed=7)
    assert scores.keys() >= KEYS | {"frechet_infinity", "kid_spread", "memorisation", "diversity", "floor", "intervals"}
    assert scores["network"] == "small"
    assert scores["network_sha256"] == "0" * 64
    assert "8 x 8" in scores["resize"]
    assert scores["seed"] == 7
    assert (scores["n_fake"], scores["n_real"]) == (300, 400)
    assert scores["floor"]["n"] == 200
    assert "fid" not in scores
    json.dumps(scores, allow_nan=False)


def test_the_same_set_is_perfect():
    same = normal(300)
    scores = judging.judge(same, same, SMALL)
    assert scores["frechet"] == pytest.approx(0, abs=1e-6)
    assert abs(scores["floor"]["kid"]) < 3 * scores["floor"]["kid_spread"]
    assert scores["precision"] == scores["recall"] == scores["coverage"] == 1
    assert scores["diversity"] == pytest.approx(1)
    assert scores["memorisation"] == 0


def test_a_fresh_sample_meets_the_floor():
    scores = judging.judge(normal(500, seed=1), normal(1000, seed=2), SMALL)
    assert scores["precision"] == pytest.approx(scores["floor"]["precision"], abs=0.1)
    assert scores["density"] == pytest.approx(scores["floor"]["density"], abs=0.15)
    assert scores["memorisation"] == pytest.approx(1, abs=0.1)
    assert scores["frechet"] < 2.5 * scores["floor"]["frechet"]


def test_seeds_repeat():
    one, other = normal(200, seed=1), normal(200, seed=2)
    assert judging.judge(one, other, SMALL, seed=3) == judging.judge(one, other, SMALL, seed=3)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    # The kernel distance of two equal distributions is 0.
    inside = 0
    for seed in range(30):
        scores = judging.judge(normal(120, seed=2 * seed), normal(120, seed=2 * seed + 1), SMALL)
        low, high = scores["intervals"]["kid"]
        inside += low <= 0 <= high
    assert inside >= 25


def test_copies_of_training_pictures_are_seen_with_a_held_out_part():
    training, held_out = normal(300, seed=1), normal(200, seed=2)
    honest = judging.judge(normal(200, seed=3), held_out, SMALL, training=training)["memorisation"]
    copied = judging.judge(training[:200] + 0.001, held_out, SMALL, training=training)["memorisation"]
    assert honest == pytest.approx(1, abs=0.1)
    assert copied < 0.05


def test_fewer_pictures_than_features_are_said():
    scores = judging.judge(normal(20, 40, seed=1), normal(30, 40, seed=2), SMALL)
    assert scores["frechet"] is None
    assert scores["kid"] is not None
    assert any("20 pictures cannot fill a covariance of 40 features; take kid" in note for note in scores["notes"])
    assert any(
        note.startswith("frechet_infinity is left out: it needs more than 160 pictures on each side")
        for note in scores["notes"]
    )


def test_pictures_that_are_all_the_same_have_scores_or_a_reason():
    same = np.ones((20, 6), np.float32)
    scores = judging.judge(same, same, SMALL)
    assert scores["diversity"] is None
    assert scores["memorisation"] is None
    assert any("copies of one another" in note for note in scores["notes"])
    json.dumps(scores, allow_nan=False)


def test_inception_alone_is_called_fid():
    inception = FeatureNetwork("inception", "1" * 64, 8, 6, SMALL.run)
    scores = judging.judge(normal(100, seed=1), normal(100, seed=2), inception)
    assert scores["fid"] == scores["frechet"]


def test_too_few_and_not_finite_are_refused():
    with pytest.raises(UserError, match="there are 4 generated pictures; scores need at least 10 on each side"):
        judging.judge(normal(4), normal(20), SMALL)
    broken = normal(20)
    broken[1, 1] = np.nan
    with pytest.raises(UserError, match="1 of 20 pictures have features that are not finite, so there is no score"):
        judging.judge(normal(20), broken, SMALL)


def counted(pixels, key=""):
    """A set that counts how many pictures were taken, and the largest block."""
    taken = []

    def take(start, stop):
        taken.append(stop - start)
        return pixels[start:stop]

    return judging.Pictures("counted", len(pixels), take, key), taken


def test_pictures_are_taken_in_blocks_and_told():
    pixels = np.random.default_rng(0).integers(0, 256, (600, 8, 8, 3), np.uint8)
    pictures, taken = counted(pixels)
    told = []
    found = judging.measure(pictures, SMALL, lambda done, total: told.append((done, total)))
    np.testing.assert_allclose(found[:, :3], pixels.mean((1, 2)), rtol=1e-4)
    assert max(taken) == judging.BLOCK
    assert told[-1] == (600, 600)


def test_features_with_a_key_are_kept_and_damage_is_noticed(monkeypatch, tmp_path):
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    pictures, taken = counted(pixels, "a key")
    first = judging.measure(pictures, SMALL)
    assert (judging.measure(pictures, SMALL) == first).all()
    assert len(taken) == 1
    (file,) = (tmp_path / "features").iterdir()
    file.write_bytes(file.read_bytes()[:-10])
    assert (judging.measure(pictures, SMALL) == first).all()
    assert len(taken) == 2
    other = FeatureNetwork("other", "2" * 64, 8, 6, SMALL.run)
    judging.measure(pictures, other)
    assert len(taken) == 3


def test_features_that_are_not_finite_are_never_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))
    broken = FeatureNetwork("broken", "3" * 64, 8, 6, lambda seen: seen.mean((2, 3)).repeat(1, 2) / 0 - 1e9 / 0.0001)
    pictures, _ = counted(np.zeros((12, 8, 8, 3), np.uint8), "a key")
    with pytest.raises(UserError, match="12 of 12 pictures have features that are not finite"):
        judging.measure(pictures, broken)
    assert not (tmp_path / "features").exists()


def test_the_panel_pairs_each_copy_with_its_original():
    rng = np.random.default_rng(0)
    training = rng.integers(0, 256, (30, 8, 8, 3), np.uint8)
    fakes = rng.integers(0, 256, (20, 8, 8, 3), np.uint8)
    fakes[7] = training[21]
    sets = [counted(pixels)[0] for pixels in (fakes, training)]
    pairs = judging.closest(*(pixels.reshape(len(pixels), -1).astype(float) for pixels in (fakes, training)), 4)
    assert pairs[0] == (7, 21)
    sheet = judging.panel(*sets, pairs)
    scale = judging.PANEL_SIDE // 8
    wide = 8 * scale
    assert sheet.shape == (wide + 16, 4 * (2 * wide + 8) + 8, 3)
    assert (sheet[8 : 8 + wide, 8 : 8 + wide] == sheet[8 : 8 + wide, 8 + wide : 8 + 2 * wide]).all()


def test_two_folders_on_the_command_line(capsys, folders):
    sheet = folders / "panel.png"
    assert main(["evaluate", str(folders / "dark"), "--against", str(folders / "bright"), "--json",
                 "--panel", str(sheet)]) == 0  # fmt: skip
    out, err = capsys.readouterr()
    scores = json.loads(out)
    assert scores.keys() >= KEYS
    assert scores["n_real"] == scores["n_fake"] == 40
    assert scores["frechet"] is None
    assert scores["kid"] > scores["floor"]["kid"]
    assert err == ""
    with Image.open(sheet) as drawn:
        assert drawn.size[0] > 100


def test_the_table_tells_notes_and_floors(capsys, folders):
    assert main(["evaluate", str(folders / "dark"), "--against", str(folders / "bright")]) == 0
    out = capsys.readouterr().out
    assert "floor" in out
    assert "note: frechet is left out: 40 pictures cannot fill" in out


def test_a_folder_against_itself(folders):
    scores = ganvas.evaluate(folders / "dark", folders / "dark", count=30)
    assert scores["n_fake"] == 30
    assert scores["coverage"] == 1


def test_the_same_pictures_from_a_folder_and_from_an_array_agree(tmp_path):
    digits = open_source("digits", DataConfig(), limit=28).samples[::25]
    for number, picture in enumerate(digits):
        images.write_png(tmp_path / "digits" / f"{number:03d}.png", picture)
    scores = ganvas.evaluate(tmp_path / "digits", "digits", count=400)
    assert scores["precision"] == pytest.approx(scores["floor"]["precision"], abs=0.1)
    assert abs(scores["kid"]) < 4 * scores["kid_spread"]


def test_a_run_against_what_it_was_trained_on(capsys, run, tmp_path):
    arguments = ["evaluate", str(run), "--count", "64", "--json"]
    assert main([*arguments, "--panel", str(tmp_path / "panel.png")]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores.keys() >= KEYS
    assert scores["images_seen"] == 256
    assert scores["against"] == "digits"
    assert scores["precision"] < 0.5
    assert scores["memorisation"] > 1
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == scores
    with Image.open(tmp_path / "panel.png") as drawn:
        assert drawn.mode == images.MODES[1]


def test_coverage_of_each_label(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for number, name in enumerate(("dark", "bright")):
        for index in range(40):
            picture = rng.integers(20 + 150 * number, 80 + 150 * number, (16, 16, 3)).astype(np.uint8)
            images.write_png(tmp_path / "set" / name / f"{index}.png", picture)
    tiny = {"network.width": 4, "data.labels": True, "threads": 1}
    ganvas.train(tmp_path / "set", out=tmp_path / "run", total_images=64, batch_size=16, settings=tiny).run()
    assert main(["evaluate", str(tmp_path / "run"), "--count", "64"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"label +covered\s+bright +\d+\.\d%\s+dark +\d+\.\d%", out)
    reals = np.concatenate([np.zeros((40, 3)), np.ones((40, 3))]) + 0.1 * rng.standard_normal((80, 3))
    fakes = reals[:40] + 0.01 * rng.standard_normal((40, 3))
    known = (("dark", "bright", "none"), np.repeat([0, 1], 40))
    scores = judging.judge(fakes.astype(np.float32), reals.astype(np.float32), SMALL, labels=known)
    assert scores["label_coverage"] == {"dark": 1.0, "bright": 0.0}
    flat = tmp_path / "flat"
    for index in range(20):
        images.write_png(flat / f"{index}.png", rng.integers(0, 255, (16, 16, 3)).astype(np.uint8))
    assert "label_coverage" not in ganvas.evaluate(tmp_path / "run", flat, count=20)


def test_what_a_run_held_out_is_the_measure_of_memorising(run, monkeypatch):
    given = {}
    monkeypatch.setattr(judging, "judge", lambda fakes, reals, network, **words: given.update(words) or {})
    ganvas.evaluate(run, count=400)
    assert len(given["training"]) + len(given["held_out"]) == 400
    assert len(given["held_out"]) == pytest.approx(400 * 250 / 5000, abs=15)  # a run keeps 5 % of the digits apart


def test_a_run_against_a_held_out_folder(run, folders):
    scores = ganvas.evaluate(run, folders / "dark", count=32)
    assert scores["against"] == "dark"
    assert scores["n_real"] == 32


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{home}/dark"], "RUN. To score pictures, add --against SOURCE."),
        (["{home}/none", "--against", "{home}/dark"], "no source is called"),
        (["{home}/dark", "--against", "{home}/empty"], "empty"),
        (["{home}/dark", "--against", "ring"], "ring holds points"),
        (["{home}/dark", "--against", "{home}/bright", "--count", "5"], "at least 10 on each side"),
        (["{home}/dark", "--against", "{home}/bright", "--panel", "a.jpg"], "--panel is a.jpg; it takes FILE.png"),
        (["{home}/dark", "--against", "{home}/bright", "--feature-hash", "00"], "belongs to --feature-weights"),
        (["{home}/dark", "--against", "{home}/bright", "--feature-weights", "a.pt"], "cannot be read"),
    ],
)
def test_what_cannot_be_scored_is_one_line(capsys, folders, arguments, said):
    (folders / "empty").mkdir(exist_ok=True)
    assert said in fails(capsys, "evaluate", *(argument.format(home=folders) for argument in arguments))
