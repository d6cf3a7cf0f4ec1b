"""The script that made the carried decoder: the same bytes every time, at once or in two goes."""

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.fixture
def script(monkeypatch):
    """The script with rounds of two steps on two pieces."""
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    train_decoder = pytest.importorskip("train_decoder")
    rounds = tuple(part._replace(steps=2) for part in train_decoder.ROUNDS)
    for name, value in {"ROUNDS": rounds, "PICTURES": 2, "TEXTURES": 1, "BATCH": 1, "SAVE_EVERY": 1}.items():
        monkeypatch.setattr(train_decoder, name, value)
    return train_decoder


def test_the_same_bytes_every_time_and_in_two_goes(script, tmp_path, monkeypatch):
    once = script.train(tmp_path / "once").read_bytes()
    restore, steps = script.restore, []

    def interrupted(*arguments):
        steps.append(arguments)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return restore(*arguments)

    monkeypatch.setattr(script, "restore", interrupted)
    with pytest.raises(KeyboardInterrupt):
        script.train(tmp_path / "goes")
    assert script.train(tmp_path / "goes").read_bytes() == once
    assert len(steps) == 1 + 2 * len(script.ROUNDS)
