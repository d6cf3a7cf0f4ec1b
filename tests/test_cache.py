"""Decoded collections: a second run does not decode, and whatever stands in the way is one line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.config import DataConfig
from ganvas.data import cache, folder
from ganvas.errors import SourceError


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("x")
    return tmp_path / "photos"


def forbid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*_: object) -> None:
        raise AssertionError(f"{name} was called")

    monkeypatch.setattr(folder, name, fail)


def test_second_run_opens_no_file(photos, monkeypatch):
    calls = []
    first = cache.pictures(photos, DataConfig(), limit=32, progress=lambda *at: calls.append(at), workers=1)
    assert first.samples.shape == (3, 16, 16, 3)
    assert calls[-1] == (4, 4)
    forbid(monkeypatch, "Pool")
    second = cache.pictures(photos, DataConfig(), limit=32)
    assert (second.key, second.names) == (first.key, first.names)
    np.testing.assert_array_equal(second.samples, first.samples)


def test_same_contents_elsewhere_are_hashed_but_not_decoded(photos, monkeypatch):
    first = cache.pictures(photos, DataConfig(), limit=32)
    moved = photos.rename(photos.with_name("moved"))
    os.utime(moved / "cat/1.png", (1, 1))
    forbid(monkeypatch, "read")
    assert cache.pictures(moved, DataConfig(), limit=32).key == first.key


def test_changed_contents_and_settings_make_another_key(photos):
    keys = {cache.pictures(photos, DataConfig(), limit=32).key}
    keys.add(cache.pictures(photos, DataConfig(channels="grey"), limit=32).key)
    keys.add(cache.pictures(photos, DataConfig(labels=True), limit=32).key)
    Image.new("RGB", (20, 20), "red").save(photos / "dog/2.png")
    keys.add(cache.pictures(photos, DataConfig(), limit=32).key)
    assert len(keys) == 4


def test_report_and_labels(photos):
    stored = cache.pictures(photos, DataConfig(labels=True), limit=32)
    assert stored.label_names == ("cat", "dog")
    assert stored.labels.tolist() == [0, 0, 1]
    report = json.loads(stored.report.read_text())
    assert (report["files"], report["accepted"], report["skipped"]) == (4, 3, {"not an image": 1})
    assert report["files_skipped"][0]["file"] == "notes.txt"


def test_a_damaged_cache_is_made_again(photos):
    first = cache.pictures(photos, DataConfig(), limit=32)
    before = np.array(first.samples)
    (array,) = (cache.cache_dir() / "pictures").glob("*.npy")
    array.write_bytes(array.read_bytes()[:500])
    np.testing.assert_array_equal(cache.pictures(photos, DataConfig(), limit=32).samples, before)


def test_cache_that_cannot_be_written_is_one_line(photos, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.tempfile, "mkstemp", full)
    with pytest.raises(SourceError, match=r"No space left on device\. Make room") as caught:
        cache.pictures(photos, DataConfig(), limit=32)
    assert "\n" not in str(caught.value)


def test_cache_place(monkeypatch, tmp_path):
    monkeypatch.delenv("GANVAS_CACHE", raising=False)
    monkeypatch.setattr(cache.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_dir() == tmp_path / "ganvas"
