"""Collections of files: one verdict per file, the same at any number of workers, and nothing hangs."""

import io
import os
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.config import DataConfig
from ganvas.data import folder
from ganvas.data.decode import Header, Target
from ganvas.data.opening import Reject
from ganvas.errors import BadSetting, SourceError

NAMES = ["a.png", "sub/b.png", "ünï cödé 图.png", "two words.png", "new\nline.png", "wrong.jpg", "no-ending"]


def png(seed: int, size: tuple[int, int] = (20, 20)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        (root / name).write_bytes(png(seed))
    (root / "twin.png").write_bytes(png(0))
    for share in (1, 5, 9):
        (root / f"cut{share}.png").write_bytes(png(50)[: 120 * share])
    (root / "empty.png").write_bytes(b"")
    (root / "text.png").write_text("no picture")
    (root / "notes.txt").write_text("notes")
    (root / "long.png").write_bytes(png(51, (1, 4000)))
    (root / ".hidden.png").write_bytes(png(52))
    (root / "folder.png").mkdir()
    (root / "link.png").symlink_to(root / "a.png")
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / "broken.png").symlink_to(root / "gone")
    (root / "sub" / "up").symlink_to(root)
    os.mkfifo(root / "pipe.png")
    with (root / "huge.png").open("wb") as file:
        file.truncate(65 * 2**20)
    return root


def verdicts(root: Path, workers: int = 2) -> dict[str, object]:
    entries = folder.scan(root)
    with folder.Pool(workers) as pool:
        looks = folder.look(entries, pool)
        pairs = list(folder.read(entries, looks, Target(16, 16, 3), pool))
    assert [entry.name for entry, _ in pairs] == [entry.name for entry in entries]
    return {entry.name: v.kind if isinstance(v, Reject) else v.tobytes() for entry, v in pairs}


def test_one_verdict_per_file_at_any_number_of_workers(hostile):
    start = time.perf_counter()
    found = verdicts(hostile, 1)
    assert found == verdicts(hostile, 2)
    assert time.perf_counter() - start < 15
    kinds = {name: v for name, v in found.items() if isinstance(v, str)}
    assert set(found) - set(kinds) == set(NAMES)
    assert kinds == {
        "twin.png": "duplicate", "link.png": "duplicate", "cut1.png": "truncated", "cut5.png": "truncated",
        "cut9.png": "truncated", "empty.png": "empty", "text.png": "not an image", "notes.txt": "not an image",
        "long.png": "odd shape", "loop.png": "unreadable", "broken.png": "unreadable", "sub/up": "not a file",
        "pipe.png": "not a file", "huge.png": "too large",
    }  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path):
    (tmp_path / "a.png").write_bytes(png(0))
    (tmp_path / "a.png").chmod(0)
    assert verdicts(tmp_path) == {"a.png": "unreadable"}


def test_zip_members_have_verdicts_too(tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escape.png", png(1))
        archive.writestr("/root.png", png(2))
        archive.writestr("locked.png", png(3))
        archive.writestr("damaged.png", png(4))
        archive.writestr("bomb.png", b"\0" * (70 * 2**20))
        archive.writestr("__MACOSX/a.png", b"x")
        archive.writestr("readme.md", b"x")
        locked, damaged = archive.getinfo("locked.png"), archive.getinfo("damaged.png")
        locked.flag_bits |= 1
    data = bytearray(path.read_bytes())
    data[damaged.header_offset + 30 + len("damaged.png") + 200] ^= 0xFF
    path.write_bytes(data)
    found = verdicts(path)
    assert {name: v for name, v in found.items() if isinstance(v, str)} == {
        "locked.png": "encrypted", "damaged.png": "unreadable", "bomb.png": "bomb", "readme.md": "not an image"
    }  # fmt: skip
    assert set(found) >= {"../../escape.png", "/root.png"}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"text"])
def test_what_is_no_zip_is_said_in_one_line(tmp_path, content):
    (tmp_path / "photos.zip").write_bytes(content)
    with pytest.raises(SourceError, match="neither a folder nor a zip"):
        folder.scan(tmp_path / "photos.zip")


def test_a_lost_or_hanging_child_costs_one_file(tmp_path, monkeypatch):
    for seed in range(6):
        (tmp_path / f"{seed}.png").write_bytes(png(seed))
    monkeypatch.setattr(folder, "SECONDS_PER_PICTURE", 0.5)
    ask = folder._Child.ask

    def sabotaged(self, request):
        if request["target"] and request["path"].endswith("2.png"):
            self.process.kill()
        if request["target"] and request["path"].endswith("4.png"):
            os.kill(self.process.pid, 19)  # SIGSTOP: alive, but never answers
        return ask(self, request)

    entries = folder.scan(tmp_path)
    with folder.Pool(1) as pool:
        looks = folder.look(entries, pool)
        monkeypatch.setattr(folder._Child, "ask", sabotaged)
        found = [
            v.kind if isinstance(v, Reject) else "ok" for _, v in folder.read(entries, looks, Target(8, 8, 3), pool)
        ]
    assert found == ["ok", "ok", "crashed the decoder", "ok", "too slow", "ok"]


def test_a_file_that_changes_between_the_passes_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(png(0))
    entries = folder.scan(tmp_path)
    with folder.Pool(1) as pool:
        looks = folder.look(entries, pool)
        (tmp_path / "a.png").write_bytes(png(1))
        ((_, verdict),) = folder.read(entries, looks, Target(8, 8, 3), pool)
    assert verdict == Reject("changed while reading")


def test_target_follows_headers():
    grey, wide = Header(100, 100, True, False), Header(90, 180, False, True)
    assert folder.choose_target([grey] * 3, DataConfig(), 256) == Target(64, 64, 1)
    assert folder.choose_target([grey, wide], DataConfig(), 32) == Target(32, 32, 3)
    assert folder.choose_target([wide], DataConfig(channels="rgba"), 256).channels == 4
    assert folder.choose_target([Header(5, 5, True, False)], DataConfig(), 256).height == 16
    kept = folder.choose_target([wide], DataConfig(fit="keep", resolution="100"), 256)
    assert (kept.height, kept.width) == (48, 100)
    sized = folder.choose_target([wide], DataConfig(fit="keep", resolution="48x64"), 256)
    assert (sized.height, sized.width) == (48, 64)


@pytest.mark.parametrize("text", ["7", "1025", "64x2000", "99999999999999"])
def test_resolution_out_of_range(text):
    with pytest.raises(BadSetting, match="8 to 1024"):
        folder.parse_resolution(text)


def test_labels_are_sub_folders_without_what_all_share():
    labels, names = folder.folder_labels(["set/cat/1.png", "set/dog/x/1.png", "set/cat/2.png"])
    assert names == ("cat", "dog")
    assert Counter(labels.tolist()) == {0: 2, 1: 1}
    with pytest.raises(SourceError, match="at least two sub-folders"):
        folder.folder_labels(["cat/1.png", "cat/2.png"])
