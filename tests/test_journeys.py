"""Whole journeys through the command line, those with signals as real processes, and through Python."""

import contextlib
import hashlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import ganvas
from ganvas import events
from ganvas.cli import main

pytestmark = pytest.mark.slow

SMALL = ["--set", "threads=1", "network.width=8", "network.latent_size=8", "batch_size=32", "save.samples=4"]
POINTS = ["--set", "threads=1", "network.generator_widths=16", "network.discriminator_widths=16", "save.samples=2"]


def start(*arguments, cwd):
    command = [sys.executable, "-m", "ganvas", *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*arguments, cwd, code=0):
    """The same command without a process of its own, which saves seconds of start."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([str(argument) for argument in arguments]) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def weights(run_folder):
    newest = sorted((run_folder / "checkpoints").iterdir())[-1]
    return newest.name, hashlib.sha256((newest / "state.safetensors").read_bytes()).hexdigest()


def log(run_folder):
    return [json.loads(line) for line in (run_folder / "events.jsonl").read_bytes().splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def digits(home):
    """A finished run on digits."""
    process = start("train", "digits", "--out", "runs/whole", "--images", "1536", *SMALL, cwd=home)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "finished at 1,536 images" in out
    assert "training on 1,536 images" in err
    return home / "runs" / "whole"


def test_a_run_folder_holds_all_that_it_should(digits):
    assert {"config.json", "events.jsonl", "checkpoints", "samples", "report.html"} <= {
        p.name for p in digits.iterdir()
    }
    kinds = [line["event"] for line in log(digits)]
    assert kinds[0] == "Started"
    assert kinds[-1] == "Finished"
    assert {"Progress", "Samples", "Saved"} <= set(kinds)
    sheets = sorted((digits / "samples").glob("*.png"))
    assert sheets[-1].name == "0000001536.png"
    with Image.open(sheets[-1]) as sheet:
        assert sheet.size == (2 * 30 + 2, 2 * 30 + 2)
    page = (digits / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["']https?:|url\(['"]?https?:""", page), "the page loads nothing"


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_goes_on_bit_for_bit(home, digits, word):
    name = f"stopped-{word.name}"
    process = start("train", "digits", "--out", f"runs/{name}", "--images", "1536", *SMALL, cwd=home)
    folder = home / "runs" / name
    deadline = time.monotonic() + 120
    while not (folder / "events.jsonl").exists() or b'"Progress"' not in (folder / "events.jsonl").read_bytes():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(word)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert f"go on with: ganvas resume runs/{name}" in out
    assert 0 < int(weights(folder)[0]) < 1536
    assert log(folder)[-1]["complete"] is False
    out, err = run("resume", f"runs/{name}", cwd=home)
    assert "going on at" in err
    assert "finished at 1,536 images" in out
    assert weights(folder) == weights(digits)
    progress = [[(e["images_seen"], e["stats"]) for e in log(f) if e["event"] == "Progress"] for f in (folder, digits)]
    assert progress[0] == progress[1]


def test_the_same_command_on_a_finished_run_changes_nothing(home, digits):
    before = weights(digits)
    out, _ = run("train", "digits", "--out", "runs/whole", "--images", "1536", *SMALL, cwd=home)
    assert "finished at 1,536 images" in out
    assert weights(digits) == before


def test_samples_as_sheet_array_and_pictures(home, digits):
    run("sample", "runs/whole", "--count", "9", "--seed", "4", "--out", "sheet.png", cwd=home)
    with Image.open(home / "sheet.png") as sheet:
        assert sheet.mode == "L"
        assert sheet.size == (3 * 30 + 2, 3 * 30 + 2)
    run("sample", "runs/whole", "--count", "70", "--seed", "4", "--out", "many.npz", cwd=home)
    run("sample", "runs/whole", "--count", "3", "--seed", "4", "--out", "few.npz", cwd=home)
    many, few = (np.load(home / name)["images"] for name in ("many.npz", "few.npz"))
    assert many.shape == (70, 28, 28, 1)
    assert many.dtype == np.uint8
    assert np.array_equal(many[:3], few), "sample k does not depend on how many are asked for"
    run("sample", "runs/whole", "--count", "3", "--seed", "4", "--out", "each", cwd=home)
    files = sorted((home / "each").iterdir())
    assert [p.name for p in files] == ["000000.png", "000001.png", "000002.png"]
    for index, path in enumerate(files):
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), few[index, :, :, 0])
    tame = ganvas.load(digits).sample(3, seed=4, truncation=0.5)
    assert not np.array_equal(tame, few)
    assert np.array_equal(ganvas.load(digits).sample(2, seed=4, first=1), few[1:])


def test_a_damaged_newest_checkpoint_is_passed_over_in_words(home, digits):
    run("train", "digits", "--out", "runs/hurt", "--images", "1536", *SMALL, "save.every_images=512", cwd=home)
    folder = home / "runs" / "hurt"
    newest = sorted((folder / "checkpoints").iterdir())[-1] / "state.safetensors"
    whole = newest.read_bytes()
    newest.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    _, err = run("resume", "runs/hurt", cwd=home)
    assert "the checkpoint at 1,536 images cannot be used: state.safetensors has changed since it was written" in err
    assert "going on from the one at 1,024 images" in err
    assert newest.read_bytes() == whole


@pytest.fixture(scope="module")
def messy(home):
    """Good pictures of every size and mode, and what else lies in a folder."""
    folder = home / "messy photos"
    (folder / "sub folder").mkdir(parents=True)
    rng = np.random.default_rng(0)
    modes = ["RGB", "L", "RGBA", "P", "CMYK", "1", "LA", "I;16"]
    for index in range(32):
        mode = modes[index % len(modes)]
        size = (20 + 3 * index, 60 - index, 3)
        picture = Image.fromarray(rng.integers(0, 255, size, np.uint8))
        suffix = "jpg" if mode == "CMYK" else "png"
        into = folder / "sub folder" if index % 3 else folder
        (picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)).save(
            into / f"ü {index}.{suffix}"
        )
    good = (folder / "ü 0.png").read_bytes()
    (folder / "torn.png").write_bytes(good[: len(good) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture")
    (folder / "lies.png").write_text("no picture either")
    return folder


def test_a_messy_folder_trains(home, messy):
    out, _ = run("prepare", "messy photos", "--resolution", "16", cwd=home)
    assert "samples of shape (" in out
    assert "report: " in out
    before = sorted(p.name for p in messy.rglob("*"))
    out, _ = run("train", "messy photos", "--out", "runs/messy", "--resolution", "16", "--images", "96", *SMALL,
                 "batch_size=8", cwd=home)  # fmt: skip
    assert "finished at 96 images" in out
    assert sorted(p.name for p in messy.rglob("*")) == before, "nothing is written among the pictures"
    assert ganvas.load(home / "runs" / "messy").sample(2).shape[:3] == (2, 16, 16)


def test_a_changed_folder_is_noticed(home, messy):
    Image.new("RGB", (33, 33), (9, 99, 200)).save(messy / "late.png")
    _, err = run("resume", "runs/messy", cwd=home, code=2)
    assert "have changed since the run began" in err
    (messy / "late.png").unlink()


def test_points_in_the_plane(home):
    out, _ = run("train", "ring", "--out", "runs/ring", "--images", "5120", *POINTS, cwd=home)
    folder = home / "runs" / "ring"
    assert "report.html" in out
    assert "svg" in (folder / "report.html").read_text().lower() or "img" in (folder / "report.html").read_text()
    out, _ = run("evaluate", "runs/ring", "--count", "1000", "--json", cwd=home)
    scores = json.loads(out)
    assert scores["n_fake"] == 1000
    assert scores["images_seen"] == 5120
    assert all(np.isfinite(v) for v in scores.values() if isinstance(v, float))
    run("sample", "runs/ring", "--count", "100", "--out", "ring.npz", cwd=home)
    points = np.load(home / "ring.npz")["points"]
    assert points.shape == (100, 2)
    assert points.dtype == np.float32
    run("sample", "runs/ring", "--count", "100", "--out", "ring.png", cwd=home)
    out, _ = run("runs", cwd=home)
    assert "ring" in out


def test_a_file_of_settings(home):
    (home / "mine.toml").write_text(
        "total_images = 256\nthreads = 1\nbatch_size = 32\n"
        "[network]\ngenerator_widths = [8]\ndiscriminator_widths = [8]\n"
    )
    run("train", "ring", "--preset", "mine.toml", "--out", "runs/mine", "--seed", "5", cwd=home)
    asked = json.loads((home / "runs" / "mine" / "config.json").read_text())["asked"]
    assert asked["network"]["generator_widths"] == [8]
    assert asked["seed"] == 5
    run("train", "ring", "--preset", "mine.toml", "--out", "runs/mine", "--seed", "5", cwd=home)  # the same again


def test_python_iterates_stops_and_goes_on(tmp_path):
    settings = {"threads": 1, "batch_size": 32, "network.generator_widths": (8,), "network.discriminator_widths": (8,)}
    seen = []
    training = ganvas.train("ring", tmp_path / "a", total_images=640, settings=settings)
    for event in training:
        seen.append(event)
        if isinstance(event, events.Progress):
            training.stop()
    assert isinstance(seen[-1], events.Finished)
    assert not seen[-1].complete
    trained = ganvas.train("ring", tmp_path / "a", total_images=640, settings=settings).run()
    assert trained.position == 640
    whole = ganvas.train("ring", tmp_path / "b", total_images=640, settings=settings).run()
    assert np.array_equal(trained.sample(5), whole.sample(5))
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    with pytest.raises(ganvas.UserError, match="seed was 0, now 1"):
        ganvas.train("ring", tmp_path / "a", total_images=640, seed=1, settings=settings).run()


def test_a_broken_off_iteration_lets_go_of_the_folder(tmp_path):
    settings = {"threads": 1, "batch_size": 32, "network.generator_widths": (8,), "network.discriminator_widths": (8,)}
    rng = random.Random(0)
    for _ in range(3):
        wanted = rng.randrange(1, 6)
        for count, _event in enumerate(ganvas.train("ring", tmp_path / "a", total_images=640, settings=settings)):
            if count == wanted:
                break
    assert ganvas.train("ring", tmp_path / "a", total_images=640, settings=settings).run().position == 640


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs such a device")
def test_a_place_that_is_no_folder_is_told_in_one_line(home, digits):
    (home / "full").symlink_to("/dev/full")
    _, err = run("sample", "runs/whole", "--out", "full/a.png", cwd=home, code=2)
    assert err.startswith("error: ")
    assert err.count("\n") == 1
