"""A run folder: what is cut from its log before going on, and who may hold it."""

import json

import pytest

from ganvas import runs
from ganvas.config import RunConfig
from ganvas.errors import RunError


@pytest.fixture
def run(tmp_path):
    return runs.Run(tmp_path, RunConfig(), RunConfig(), {"count": 3, "key": "k", "shape": [2]}, {})


def test_going_back_cuts_what_will_be_written_again(run):
    lines = [json.dumps({"event": "Progress", "images_seen": seen}).encode() + b"\n" for seen in (64, 128, 192)]
    (run.path / "events.jsonl").write_bytes(b"".join(lines) + b'{"event": "Prog')
    (run.path / "samples").mkdir()
    for seen in (128, 192):
        (run.path / "samples" / f"{seen:010d}.png").write_bytes(b"")
    runs.rewind(run, 128)
    assert (run.path / "events.jsonl").read_bytes() == b"".join(lines[:2])
    assert [p.name for p in (run.path / "samples").iterdir()] == ["0000000128.png"]


@pytest.mark.parametrize("line", [b"", b"{", b"[1]", b"3", b"\xff\xfe"])
def test_a_torn_line_is_no_entry(line):
    assert runs.parse_line(line) is None


def test_other_settings_are_told_one_by_one(run):
    runs.check_same(run, RunConfig())
    with pytest.raises(RunError, match=r"loss\.r1 was None, now 0.5; seed was 0, now 4"):
        runs.check_same(run, RunConfig(seed=4, loss={"r1": 0.5}))


def test_one_process_holds_a_folder(tmp_path):
    held = runs.lock(tmp_path)
    with pytest.raises(RunError, match="another process is training in"):
        runs.lock(tmp_path)
    held.release()
    runs.lock(tmp_path).release()


def test_a_free_folder_is_new_or_empty(tmp_path):
    runs.check_free(tmp_path / "new" / "run")
    assert (tmp_path / "new" / "run").is_dir()
    (tmp_path / "new" / "run" / "run.lock").write_bytes(b"")
    runs.check_free(tmp_path / "new" / "run")
    (tmp_path / "new" / "run" / "x").write_bytes(b"")
    with pytest.raises(RunError, match="already holds other files"):
        runs.check_free(tmp_path / "new" / "run")
