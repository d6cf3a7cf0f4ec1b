"""Checkpoints: whole or not there, damage found, the disk full at every call, old ones kept."""

import errno
import json
import os
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganvas.errors import RunError
from ganvas.training import checkpoint
from ganvas.training.checkpoint import Damaged, folders, load, newest_good, save, verify
from tiny import BATCH, advance, differing, fresh, make_points, snapshot, tiny_config

FILES = ["state.safetensors", "state.json", "manifest.json"]


@pytest.fixture(scope="module")
def begun():
    """(config, dataset, state): a run of two steps."""
    dataset = make_points()
    config = tiny_config("mlp", dataset)
    return config, dataset, advance(config, dataset, fresh(config, dataset), 2)


@pytest.fixture
def state(begun):
    """A state that tests may change."""
    config, dataset, before = begun
    state = fresh(config, dataset)
    state.load(before.tensors(), before.numbers())
    return state


@pytest.fixture(scope="module")
def _saved(begun, tmp_path_factory):
    config, dataset, _ = begun
    root = tmp_path_factory.mktemp("checkpoints")
    state = fresh(config, dataset)
    for _ in range(3):
        save(root, advance(config, dataset, state, 1), keep=5)
    return root


@pytest.fixture
def root(_saved, tmp_path):
    """Three good checkpoints, at 8, 16 and 24 images."""
    return shutil.copytree(_saved, tmp_path / "checkpoints")


def test_what_is_saved_comes_back(begun, state, tmp_path):
    config, dataset, _ = begun
    path = save(tmp_path, state, keep=3)
    assert path.name == "0000000016"
    assert sorted(p.name for p in path.iterdir()) == sorted(FILES)
    other = fresh(config.but(seed=9), dataset)
    load(path, other)
    assert differing(snapshot(state), snapshot(other)) == []
    assert [p.name for p in tmp_path.iterdir()] == ["0000000016"]


def test_the_newest_good_one_is_found(root, tmp_path):
    assert newest_good(root) == checkpoint.Found(root / "0000000024", 24, ())
    assert newest_good(root, before=24).position == 16
    assert newest_good(root, before=8) is None
    assert newest_good(tmp_path / "nothing") is None


def _cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path):
    path.write_bytes(b"")


def _grow(path):
    path.write_bytes(path.read_bytes() + b" ")


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _remove(path):
    path.unlink()


def _swap(path):
    path.write_bytes((path.parent.parent / "0000000016" / path.name).read_bytes())


def _folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [_cut, _empty, _flip, _remove, _swap, _folder])
def test_damage_is_found_and_the_one_before_is_used(root, name, damage):
    damage(root / "0000000024" / name)
    with pytest.raises(Damaged):
        verify(root / "0000000024")
    found = newest_good(root)
    assert found.position == 16
    (why,) = found.passed_over
    assert why.startswith("the checkpoint at 24 images cannot be used: ")
    assert name in why or name == "manifest.json"


@pytest.mark.parametrize("name", FILES[:2])
def test_a_file_that_has_grown_is_found(root, name):
    _grow(root / "0000000024" / name)
    assert newest_good(root).position == 16


@pytest.mark.parametrize("content", [
    "", "{}", "[]", "null", "7", '"x"', '{"schema": 1}', '{"schema": 1, "position": 24, "files": {}}',
    '{"schema": 1, "position": 24, "files": []}', '{"schema": null, "position": 24, "files": {}}',
    '{"schema": 1, "position": 24, "files": {"state.json": {}, "state.safetensors": {}}}',
    '{"schema": 1, "position": 24, "files": {"state.json": 3, "state.safetensors": 4}}',
])  # fmt: skip
def test_a_manifest_that_says_nothing_is_damage(root, content):
    (root / "0000000024" / "manifest.json").write_text(content)
    found = newest_good(root)
    assert found.position == 16
    assert "its manifest cannot be read" in found.passed_over[0]


def test_a_whole_checkpoint_in_the_wrong_place_is_found(root):
    shutil.rmtree(root / "0000000024")
    shutil.copytree(root / "0000000008", root / "0000000024")
    assert "its manifest is that of the checkpoint at 8 images" in newest_good(root).passed_over[0]


def test_a_newer_format_is_passed_over_and_told(root):
    path = root / "0000000024" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": checkpoint.SCHEMA + 1}))
    found = newest_good(root)
    assert found.position == 16
    assert "a newer ganvas wrote it (format 2, this one reads 1); upgrade" in found.passed_over[0]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_any_bit_and_any_cut(root, name, place, bit, cut):
    path = root / "0000000024" / name
    whole = path.read_bytes()
    data = bytearray(whole)
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(whole[: int(place * len(whole))] if cut else bytes(data))
    try:
        found = newest_good(root)
        if found.position == 24:  # white space of the manifest, or a field that nobody reads
            assert name == "manifest.json"
            verify(root / "0000000024")
        else:
            assert found.position == 16
            assert len(found.passed_over) == 1
    finally:
        path.write_bytes(whole)


def test_all_damaged_is_one_clear_error(root):
    for path in folders(root):
        _cut(path / "state.json")
    with pytest.raises(RunError) as caught:
        newest_good(root)
    message = str(caught.value)
    assert message.startswith(
        f"no checkpoint in {root} is usable: the checkpoint at 24 images cannot be used: state.json"
    )
    assert all(f"at {position} images" in message for position in (8, 16, 24))
    assert message.endswith("Choose another --out to start anew.")


def test_a_checkpoint_of_other_networks_does_not_fit(begun, root):
    config, dataset, _ = begun
    other = fresh(config.but(network=config.network | {"generator_widths": [5]}), dataset)
    with pytest.raises(Damaged, match="it does not fit this run's networks"):
        load(root / "0000000024", other)


def test_the_newest_few_and_the_best_are_kept(begun, state, tmp_path):
    config, dataset, _ = begun
    state.best = (3 * BATCH, 0.5)
    for _ in range(7):
        save(tmp_path, advance(config, dataset, state, 1), keep=3)
    assert [int(p.name) for p in folders(tmp_path)] == [24, 56, 64, 72]


def test_what_unfinished_saves_left_is_removed(state, root):
    left = root / ".0000000032.tmp-999"
    left.mkdir()
    (left / "state.json").write_text("half")
    assert newest_good(root).position == 24
    save(root, state, keep=5)
    assert not left.exists()


def test_saving_twice_at_a_position_replaces(state, tmp_path):
    save(tmp_path, state, keep=3)
    state.lr_scale = 0.25
    path = save(tmp_path, state, keep=3)
    assert json.loads(verify(path)["state.json"])["lr_scale"] == 0.25
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_saving_over_a_damaged_one_puts_it_right(state, root):
    _flip(root / "0000000016" / "state.json")
    save(root, state, keep=5)
    verify(root / "0000000016")


def test_every_file_is_on_disk_before_the_final_name(state, tmp_path, monkeypatch):
    calls = []
    sync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda handle: calls.append(os.fstat(handle).st_ino) or sync(handle))
    monkeypatch.setattr(os, "rename", lambda old, new: calls.append("rename") or rename(old, new))
    path = save(tmp_path, state, keep=3)
    files = [(path / name).stat().st_ino for name in FILES]
    assert calls == [*files, path.stat().st_ino, "rename", tmp_path.stat().st_ino]


CALLS = ["fsync", "rename", "mkdir", "write"]


def _fail_at(monkeypatch, call, turn, code):
    """Make the call number `turn` of one kind fail; returns the list of calls made."""
    made = []

    def failing(original):
        def wrapped(*args, **options):
            made.append(call)
            if len(made) == turn:
                raise OSError(code, os.strerror(code))
            return original(*args, **options)

        return wrapped

    if call == "write":
        monkeypatch.setattr(checkpoint, "_write_durably", failing(checkpoint._write_durably))
    else:
        monkeypatch.setattr(os, call, failing(getattr(os, call)))
    return made


def _content(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("place", ["new", "again"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_at_every_call_in_turn(begun, root, state, monkeypatch, call, code, place):
    config, dataset, _ = begun
    if place == "new":
        advance(config, dataset, state, 2)  # at 32, which is not there
    turn = 0
    while True:
        turn += 1
        before = _content(root)
        with monkeypatch.context() as patch:
            made = _fail_at(patch, call, turn, code)
            try:
                save(root, state, keep=9)
            except RunError as error:
                message = str(error)
            else:
                assert len(made) < turn
                break
        after = _content(root)
        kept = {name: data for name, data in before.items() if not name.startswith(f"{state.images_seen:010d}")}
        assert kept.items() <= after.items()
        if after != before:  # failed after the new one was complete
            assert set(after) - set(before) <= {f"{state.images_seen:010d}/{name}" for name in FILES}
            verify(root / f"{state.images_seen:010d}")
        assert not [p for p in root.iterdir() if ".tmp" in p.name]
        newest = newest_good(root).position
        assert f"The newest checkpoint, at {newest} images, is intact" in message
        assert ("the disk is full: a checkpoint of 0.0 MB" in message) == (code == errno.ENOSPC)
        assert message.endswith("run the same command again.")
        assert str(root) in message
    assert turn > 1


def test_a_full_disk_at_the_very_first_save(state, tmp_path, monkeypatch):
    _fail_at(monkeypatch, "fsync", 1, errno.ENOSPC)
    with pytest.raises(RunError, match="Nothing was saved yet; free some space and run the same command again"):
        save(tmp_path / "new", state, keep=3)
    assert list((tmp_path / "new").iterdir()) == []


def test_weights_that_are_shared_can_be_saved(begun, tmp_path):
    config, dataset, _ = begun
    state = fresh(config, dataset)
    layers = state.networks["generator"].layers
    layers[2].weight = torch.nn.Parameter(layers[2].weight.detach().clone())
    layers[2].bias = layers[0].bias
    path = save(tmp_path, state, keep=3)
    load(path, state)
