"""Checkpoints: safetensors and JSON, whole or not there, hashed, the newest few and the best kept.

A checkpoint is a folder named by its position, `checkpoints/0000012800/`, holding `state.safetensors`,
`state.json` and `manifest.json` with the size and SHA-256 of both. It is written under a temporary name, flushed to
disk file by file, the manifest last, and renamed; so a folder with a final name is complete, and the newest good
one is found by checking it, not by trust.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes

from ganvas.errors import RunError
from ganvas.training.state import State

SCHEMA = 1
FILES = ("state.safetensors", "state.json")
MANIFEST = "manifest.json"


class Damaged(Exception):
    """A checkpoint whose files are not what its manifest says."""


@dataclass(frozen=True)
class Found:
    """The newest good checkpoint, and a sentence for each newer one that was passed over."""

    path: Path
    position: int
    passed_over: tuple[str, ...]


def folders(root: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    return sorted(p for p in root.glob("*") if p.is_dir() and p.name.isdigit())


def folder(root: Path, position: int) -> Path:
    """Where the checkpoint of a position is kept."""
    return root / f"{position:010d}"


def save(root: Path, state: State, *, keep: int) -> Path:
    """Write the state, then remove what is no longer kept.

    Raises:
        RunError: when the disk is full or may not be written; checkpoints already there are untouched.
    """
    final = folder(root, state.images_seen)
    temporary = root / f".{final.name}.tmp-{os.getpid()}"
    aside = root / f".{final.name}.tmp-{os.getpid()}-old"
    files = {
        FILES[0]: tensor_bytes(state.tensors()),
        FILES[1]: json.dumps(state.numbers(), indent=1).encode(),
    }
    manifest = {
        "schema": SCHEMA,
        "position": state.images_seen,
        "files": {n: {"bytes": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in files.items()},
    }
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        for name, data in (files | {MANIFEST: json.dumps(manifest, indent=1).encode()}).items():
            _write_durably(temporary / name, data)
        _sync_folder(temporary)
        if final.exists():  # a stop at a position already saved, or one found damaged
            os.rename(final, aside)
        os.rename(temporary, final)
        _sync_folder(root)
    except OSError as error:
        if aside.exists() and not final.exists():
            os.rename(aside, final)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(temporary, ignore_errors=True)
        size = sum(map(len, files.values()))
        raise RunError(_disk_trouble(error, root, size)) from error
    for path in folders(root):  # a run that went back does not come by there again in the same way
        if int(path.name) > state.images_seen:
            shutil.rmtree(path, ignore_errors=True)
    prune(root, keep=keep, best=state.best[0] if state.best else None)
    return final


def _disk_trouble(error: OSError, root: Path, size: int) -> str:
    newest = folders(root)[-1:] if root.is_dir() else []
    saved = (
        f"The newest checkpoint, at {int(newest[0].name):,} images, is intact" if newest else "Nothing was saved yet"
    )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk is full: a checkpoint of {size / 1e6:.1f} MB could not be written to {root}. "
            f"{saved}; free some space and run the same command again."
        )
    return (
        f"a checkpoint could not be written to {root}: {error.strerror}. "
        f"{saved}; see to the folder and run the same command again."
    )


def _write_durably(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def prune(root: Path, *, keep: int, best: int | None) -> None:
    """Remove all but the newest `keep` checkpoints and the best, and what unfinished saves left behind."""
    for path in folders(root)[:-keep]:
        if int(path.name) != best:
            shutil.rmtree(path, ignore_errors=True)
    for path in root.glob(".*.tmp-*"):
        shutil.rmtree(path, ignore_errors=True)


def verify(path: Path) -> dict[str, bytes]:
    """The files of a checkpoint, once their sizes and hashes are found right.

    Raises:
        Damaged: which file, and how; or that a newer ganvas wrote it.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        schema, position = int(manifest["schema"]), int(manifest["position"])
        expected = {n: (int(manifest["files"][n]["bytes"]), str(manifest["files"][n]["sha256"])) for n in FILES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"its manifest cannot be read ({type(error).__name__})") from None
    if schema > SCHEMA:
        raise Damaged(f"a newer ganvas wrote it (format {schema}, this one reads {SCHEMA}); upgrade to go on from it")
    if position != int(path.name):
        raise Damaged(f"its manifest is that of the checkpoint at {position:,} images")
    files: dict[str, bytes] = {}
    for name in FILES:
        try:
            data = (path / name).read_bytes()
        except OSError as error:
            raise Damaged(f"{name} cannot be read ({error.strerror})") from None
        size, digest = expected[name]
        if len(data) != size:
            raise Damaged(f"{name} has {len(data)} bytes instead of {size}")
        if hashlib.sha256(data).hexdigest() != digest:
            raise Damaged(f"{name} has changed since it was written")
        files[name] = data
    return files


def newest_good(root: Path, *, before: int | None = None) -> Found | None:
    """The newest checkpoint that verifies; None where there is none at all.

    Args:
        root: folder of checkpoints.
        before: look only at positions below this.

    Raises:
        RunError: when there are checkpoints, but none is good.
    """
    complaints: list[str] = []
    for path in reversed(folders(root)):
        if before is not None and int(path.name) >= before:
            continue
        try:
            verify(path)
        except Damaged as damage:
            complaints.append(f"the checkpoint at {int(path.name):,} images cannot be used: {damage}")
            continue
        return Found(path, int(path.name), tuple(complaints))
    if complaints:
        raise RunError(
            f"no checkpoint in {root} is usable: {'; '.join(complaints)}. Choose another --out to start anew."
        )
    return None


def load(path: Path, state: State) -> None:
    """Read a checkpoint into the state.

    Raises:
        Damaged: when its files are not what its manifest says, or do not fit the networks.
    """
    files = verify(path)
    try:
        tensors: dict[str, Any] = read_tensors(files["state.safetensors"])
        state.load(tensors, json.loads(files["state.json"]))
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise Damaged(f"it does not fit this run's networks ({error})") from None
