"""Everything a user can name gives a Dataset, or one line that says what to name instead."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ganvas.config import DataConfig
from ganvas.data import source
from ganvas.data.source import SOURCES, open_source
from ganvas.data.toy import TOYS
from ganvas.errors import SourceError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))


def test_digits():
    data = open_source("digits", DataConfig(labels=True), limit=64)
    assert data.shape == (1, 28, 28)
    assert np.bincount(data.labels).tolist() == [500] * 10
    assert open_source("digits", DataConfig(), limit=64).labels is None
    assert open_source("digits", DataConfig(resolution="16x20", channels="rgb"), limit=64).shape == (3, 16, 20)


@pytest.mark.parametrize("name", TOYS)
def test_toys(name):
    data = open_source(name, DataConfig(), limit=64)
    assert (data.shape, data.samples.dtype, data.is_pictures) == ((2,), np.float32, False)
    assert name in SOURCES


@pytest.mark.parametrize(("name", "guess"), [("digts", "digits"), ("torchvision:CIFAR", "torchvision:CIFAR10")])
def test_unknown_names_get_a_suggestion(name, guess):
    with pytest.raises(SourceError, match=f"did you mean '{guess}'.*or the path of a folder or zip of pictures"):
        open_source(name, DataConfig(), limit=64)


def test_too_few_pictures(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (photos / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (photos / "c.txt").write_text("x")
    message = (
        r"photos/ holds no readable image: 3 files looked at \(2 truncated, 1 not an image\)\. See .*report\.json\."
    )
    with pytest.raises(SourceError, match=message):
        open_source(str(photos), DataConfig(), limit=64)


def test_torchvision_without_a_network(monkeypatch):
    def offline(*_: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(source, "_download", offline)
    with pytest.raises(SourceError, match=r"Network is unreachable.*cifar-10-python\.tar\.gz into .*by hand"):
        open_source("torchvision:CIFAR10", DataConfig(), limit=64)


def test_names_are_known_without_torch():
    code = "import sys; from ganvas.data.source import SOURCES; assert 'torch' not in sys.modules"
    paths = {"PYTHONPATH": str(Path(source.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=paths)
