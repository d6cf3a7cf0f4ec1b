"""The command line: every mistake gets one line that says what to do, exit code 2, and loses nothing."""

import json
import os
import shutil

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from ganvas.arguments import split_assignments
from ganvas.cli import COMMANDS, main
from ganvas.commands.train import SETTINGS_HELP

TINY = [
    "--images", "256", "--set", "threads=1", "batch_size=32", "save.samples=2",
    "network.generator_widths=8", "network.discriminator_widths=8",
    "network.generator_frequencies=0", "network.discriminator_frequencies=0",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run; tests that change it take a copy."""
    path = tmp_path_factory.mktemp("runs") / "ring"
    assert main(["train", "ring", "--out", str(path), *TINY]) == 0
    return path


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "runs" / "ring")


def fails(capsys, *arguments):
    """The one line that a mistake gets."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err
    return said.err.removeprefix("error: ").rstrip()


def everything(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "run.lock"
    }


def photo(path, size=(40, 30)):
    rng = np.random.default_rng(list(path.name.encode()))
    Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), np.uint8)).save(path)


# Names


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "no command is called 'trian'; did you mean 'train'?"),
        (["train", "rng"], "no source is called 'rng'; did you mean 'ring'?"),
        (["train", "xyzzy"], "no source is called 'xyzzy'. Known: digits,"),
        (["train", "torchvision:MINST"], "did you mean"),
        (["train", "ring", "--preset", "digts"], "no preset is called 'digts'; did you mean 'digits'?"),
        (["train", "ring", "--preset", "xyzzy"], "no preset is called 'xyzzy'. Known: "),
        (["train", "ring", "--set", "loss.r11=1"], "no setting is called 'loss.r11'; did you mean 'loss.r1'?"),
        (["train", "ring", "--set", "model=mpl"], "no architecture is called 'mpl'; did you mean 'mlp'?"),
        (["train", "ring", "--set", "network.latent=4"], "no setting is called 'network.latent'; did you mean"),
        (["train", "ring", "--minuts", "3"], "is called '--minuts'; did you mean '--minutes'?"),
        (["sample", "x", "--uot", "a.png"], "no option of ganvas sample is called '--uot'; did you mean '--out'?"),
        (["train", "ring", "--preset", "mine.toml"], "mine.toml cannot be read"),
        (["train", "ring", "--set", "augment.policy=colr"], "colour"),
    ],
)  # fmt: skip
def test_an_unknown_name_gets_a_suggestion(capsys, tmp_path, arguments, words):
    assert words in fails(capsys, *arguments)
    assert not list(tmp_path.rglob("config.json")), "nothing was begun"


# Values


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--minutes", "3", "--images", "100"], "give --minutes or --images, not both"),
        (["--minutes", "0"], "minutes takes number above 0 (minutes); got 0.0."),
        (["--minutes", "soon"], "--minutes"),
        (["--images", "-5"], "total_images takes whole number at least 1"),
        (["--seed", "-1"], "seed takes whole number at least 0; got -1."),
        (["--resolution", "huge"], "data.resolution takes"),
        (["--fit", "squash"], "data.fit takes crop, pad, keep; got 'squash'."),
        (["--channels", "cmyk"], "data.channels takes auto, grey, rgb, rgba; got 'cmyk'."),
        (["--size", "giant"], "size takes small, medium, large; got 'giant'."),
        (["--device", "abacus"], "device takes auto, cpu, cuda, mps; got 'abacus'."),
        (["--set", "batch_size"], "--set takes NAME=VALUE, got 'batch_size'"),
        (["--set", "batch_size=0"], "batch_size takes whole number at least 1; got '0'."),
        (["--set", "batch_size=1"], "batch_size is 1, but mlp learns from what differs between samples; give it 2"),
        (["--set", "batch_size=200000"], "batch_size is 200000, but ring holds only 100000 samples"),
        (["--set", "network.generator_widths=0"], "network.generator_widths"),
        (["--set", "network.latent_size=3"], "network.latent_size"),
    ],
)
def test_an_impossible_value_is_told_with_what_is_accepted(capsys, tmp_path, arguments, words):
    assert words in fails(capsys, "train", "ring", "--out", "r", "--set", "threads=1", *arguments)
    assert not list(tmp_path.rglob("config.json")), "nothing was begun"


@pytest.mark.parametrize("resolution", ["0", "1", "3x5", "100000"])
def test_an_impossible_resolution_is_told(capsys, tmp_path, resolution):
    (tmp_path / "photos").mkdir()
    for index in range(8):
        photo(tmp_path / "photos" / f"{index}.png")
    line = fails(
        capsys, "train", "photos", "--resolution", resolution, "--images", "8", "--set", "batch_size=4", "threads=1"
    )
    assert "resolution" in line
    assert not list(tmp_path.rglob("config.json"))


def test_a_device_that_is_not_there_is_told(capsys):
    import torch

    missing = next(
        name
        for name, there in [("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())]
        if not there
    )
    assert "there is: " in fails(capsys, "train", "ring", "--device", missing)


# Sources


def test_an_empty_or_missing_or_useless_folder_is_told(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in fails(capsys, "train", "empty")
    assert "missing/" in fails(capsys, "train", "missing/")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("no picture")
    (tmp_path / "texts" / "b.png").write_text("no picture")
    assert "texts" in fails(capsys, "train", "texts")
    assert "a.txt" in fails(capsys, "train", "texts/a.txt")
    assert "empty" in fails(capsys, "prepare", "empty")
    assert not list(tmp_path.rglob("config.json"))


def test_too_few_pictures_for_a_batch_are_told_with_a_way_out(capsys, tmp_path):
    (tmp_path / "photos").mkdir()
    for index in range(3):
        photo(tmp_path / "photos" / f"{index}.png")
    line = fails(capsys, "train", "photos", "--images", "64", "--set", "batch_size=64")
    assert "batch_size is 64, but photos holds only 3 samples; try --set batch_size=2." in line


@pytest.mark.parametrize(("pictures", "batch"), [(2, 2), (40, 32), (70, 64)])
def test_a_small_collection_trains_in_small_batches(capsys, tmp_path, pictures, batch):
    (tmp_path / "photos").mkdir()
    for index in range(pictures):
        photo(tmp_path / "photos" / f"{index}.png")
    assert main(["train", "photos", "--images", "64", "--dry-run", "--set", "threads=1"]) == 0
    assert f"batch_size {batch} worked out" in " ".join(capsys.readouterr().out.split())


# Where to


def test_out_is_a_file(capsys, tmp_path):
    (tmp_path / "taken").write_text("mine")
    assert "taken is a file; --out takes a folder" in fails(capsys, "train", "ring", "--out", "taken", *TINY)
    assert (tmp_path / "taken").read_text() == "mine"


def test_out_lies_below_a_file(capsys, tmp_path):
    (tmp_path / "taken").write_text("mine")
    assert "cannot be made" in fails(capsys, "train", "ring", "--out", "taken/run", *TINY)


def test_out_holds_other_files(capsys, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    assert "thesis already holds other files, but no ganvas run" in fails(
        capsys, "train", "ring", "--out", "thesis", *TINY
    )
    assert everything(tmp_path / "thesis") == {"chapter.txt": b"mine"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_out_may_not_be_written(capsys, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    assert "may not be written to" in fails(capsys, "train", "ring", "--out", "locked", *TINY)


def test_out_may_not_be_written_as_the_system_tells_it(capsys, tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "locked may not be written to; choose another --out" in fails(
        capsys, "train", "ring", "--out", "locked", *TINY
    )


def test_out_holds_another_run(capsys, run):
    before = everything(run)
    line = fails(capsys, "train", "ring", "--out", run, *TINY, "loss.r1=0.5", "--seed", "3")
    assert "holds a run with other settings: loss.r1 was 0.02, now 0.5; seed was 0, now 3." in line
    assert f"ganvas resume {run}" in line
    assert everything(run) == before


def test_the_same_command_again_says_that_all_is_done(capsys, run):
    before = (run / "events.jsonl").read_bytes()
    assert main(["train", "ring", "--out", str(run), *TINY]) == 0
    assert "finished at 256 images" in capsys.readouterr().out
    kept = [json.loads(line) for line in (run / "events.jsonl").read_bytes().splitlines()]
    assert [e for e in kept if e["event"] == "Progress"] == [
        json.loads(x) for x in before.splitlines() if b'"Progress"' in x
    ]


def test_a_second_process_is_refused(capsys, run):
    before = everything(run)
    with FileLock(run / "run.lock"):
        line = fails(capsys, "resume", run)
    assert f"another process is training in {run}" in line
    assert everything(run) == before


def test_a_run_of_a_newer_version_is_refused(capsys, run):
    content = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(content | {"schema": 99, "version": "9.0"}))
    for command in (
        ["resume", run],
        ["sample", run, "--out", "a.png"],
        ["evaluate", run],
        ["train", "ring", "--out", run, *TINY],
    ):
        assert "is a run of a newer ganvas (9.0" in fails(capsys, *command)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"schema": "x"}', '{"schema": 1, "asked": 3}'])
def test_a_damaged_config_is_told(capsys, run, damage):
    (run / "config.json").write_text(damage)
    assert "config.json cannot be read" in fails(capsys, "resume", run)


def test_no_run_is_told_with_the_runs_there_are(capsys, run):
    for command in (["resume"], ["evaluate"], ["sample", "--out", "a.png"]):
        assert "holds no run (no config.json). Runs there: ring." in fails(
            capsys, *command[:1], run.parent / "rnig", *command[1:]
        )
    assert "Start one with" in fails(capsys, "resume", "nowhere/at/all")


# Sampling


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "a.jpg"], "--out is a.jpg; it takes FILE.png, FILE.npz, or a folder."),
        (["--out", "a.png", "--count", "0"], "count is 0, but must be at least 1."),
        (["--out", "a.png", "--count", "-3"], "count is -3, but must be at least 1."),
        (["--out", "a.png", "--seed", "-1"], "seed is -1"),
        (["--out", "a.png", "--truncation", "0"], "truncation is 0.0, but must be above 0"),
        (["--out", "a.png", "--truncation", "nan"], "truncation is nan, but must be above 0"),
        (["--out", "a.png", "--checkpoint", "7"], "has no checkpoint at 7 images; there are: "),
        (["--out", "folder"], "makes points, not pictures"),
        (["--out", "a.png", "--count", "many"], "--count"),
        ([], "--out"),
    ],
)
def test_a_sample_that_cannot_be_made_is_told(capsys, run, tmp_path, arguments, words):
    assert words in fails(capsys, "sample", run, *arguments)
    assert not (tmp_path / "a.png").exists()


def test_a_place_that_cannot_be_written_is_told(capsys, run, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be written" in fails(capsys, "sample", run, "--out", "file/a.png")


def test_a_damaged_checkpoint_asked_for_is_told(capsys, run):
    path = run / "checkpoints" / f"{256:010d}" / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "is damaged" in fails(capsys, "sample", run, "--out", "a.png", "--checkpoint", "256")


def test_evaluate_has_no_score_for_zero_samples(capsys, run):
    assert "count is 0" in fails(capsys, "evaluate", run, "--count", "0")


# What works


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--set", "a=1", "b=2"], ["--set", "a=1", "--set", "b=2"]),
        (["--set", "a=1", "--set", "b=2"], ["--set", "a=1", "--set", "b=2"]),
        (["x", "--set", "a=1", "b=2", "--seed", "3"], ["x", "--set", "a=1", "--set", "b=2", "--seed", "3"]),
        (["--out=a=b", "c=d"], ["--out=a=b", "c=d"]),
    ],
)
def test_set_takes_several(typed, meant):
    assert split_assignments(typed) == meant


def test_a_dry_run_prints_every_setting_and_writes_nothing(capsys, tmp_path):
    assert main(["train", "ring", "--dry-run", "--images", "100", "--set", "threads=1"]) == 0
    out = capsys.readouterr().out
    for word in ("loss.r1", "network.latent_size", "save.every_images", "worked out"):
        assert word in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_overview_names_every_command(capsys, arguments):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(capsys, name):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code in (0, None)
    assert "usage: ganvas" in capsys.readouterr().out


def test_everyday_flags_stay_few():
    from dataclasses import fields

    flags = [field.name for field in fields(COMMANDS["train"]) if field.name != "source"]
    assert len(flags) <= 14
    assert "ganvas settings" in SETTINGS_HELP


def test_version_presets_settings_runs(capsys, run):
    from ganvas import __version__
    from ganvas.config import describe
    from ganvas.presets import PRESETS

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ganvas {__version__}\n"
    assert main(["presets"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in PRESETS)
    assert main(["settings"]) == 0
    out = capsys.readouterr().out
    assert all(name.split(".")[-1][:8] in out for name, *_ in describe())
    assert main(["runs", str(run.parent)]) == 0
    out = capsys.readouterr().out
    assert "ring" in out
    assert "100%" in out
    assert main(["runs", "nowhere"]) == 0
    assert "no runs in nowhere" in capsys.readouterr().out


def test_one_bad_run_does_not_hide_the_others(capsys, run):
    (run.parent / "broken").mkdir()
    (run.parent / "broken" / "config.json").write_text("{")
    assert main(["runs", str(run.parent)]) == 0
    out = capsys.readouterr().out
    assert "broken" in out
    assert "ring" in out


def test_evaluate_prints_json(capsys, run):
    assert main(["evaluate", str(run), "--count", "500", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["source"] == "ring"
    assert scores["n_fake"] == 500
    assert main(["evaluate", str(run), "--count", "500"]) == 0
    assert "n_fake" in capsys.readouterr().out
