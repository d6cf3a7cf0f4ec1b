"""Decoded collections kept as one memory-mapped array each, so that a second run starts at once.

    <cache>/pictures/KEY.npy          uint8 [N, H, W, C], in the order of names
    <cache>/pictures/KEY.json         names, labels, hash of the samples
    <cache>/pictures/KEY-report.json  what was skipped and why, for people
    <cache>/pictures/seen-STAMP.json  KEY of a folder with these names, sizes and times

KEY is the SHA-256 of every file's name and content and of the settings; STAMP is worked out without opening a file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.config import DataConfig
from ganvas.data import folder
from ganvas.data.decode import Header, Target
from ganvas.data.opening import Reject
from ganvas.errors import SourceError
from ganvas.images import write_bytes

VERSION = 1  # raise it when the same files would give other pixels
FEWEST = 2  # usable pictures
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Stored:
    """A collection as it lies in the cache.

    Attributes:
        samples: uint8 [N, H, W, C], memory-mapped and read-only.
        names: file of each sample.
        labels: int64 [N], or None.
        label_names: name of each label.
        key: hash of samples and labels, in order.
        report: counts and the list of skipped files.
    """

    samples: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    key: str
    report: Path


def cache_dir() -> Path:
    """Where decoded collections are kept: $GANVAS_CACHE, else the platform's folder for caches."""
    if own := os.environ.get("GANVAS_CACHE"):
        return Path(own)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ganvas"


def pictures(
    root: Path, data: DataConfig, *, limit: int, progress: Progress | None = None, workers: int | None = None
) -> Stored:
    """The pictures of a folder or zip, from the cache or decoded into it.

    Args:
        root: folder or zip.
        data: size, channels, fit, background, labels.
        limit: largest height or width to choose when `data.resolution` is None.
        progress: called with (files done, files in all), from this thread.
        workers: decoding processes; by default one per CPU, at most 8.

    Raises:
        SourceError: when fewer than 2 pictures are usable, or the cache cannot be written.
    """
    entries = folder.scan(root)
    settings = {
        **data.model_dump(exclude={"flip", "labels", "label_shares", "crops"}),
        "limit": limit,
        "version": VERSION,
    }
    place = cache_dir() / "pictures"
    seen = place / f"seen-{_stamp(root, entries, settings)}.json"
    stored = _recall(place, _read_json(seen).get("key", ""))
    if stored is None:
        key = _decode(root, entries, data, settings, limit, place, progress, workers)
        with _writing(place):
            _write_json(seen, {"key": key})
        stored = _recall(place, key)
    if stored is None:
        raise SourceError(f"what was just written to {place} cannot be read back. Set GANVAS_CACHE to another folder.")
    return _labelled(stored) if data.labels else stored


def _decode(
    root: Path, entries: Sequence[folder.Entry], data: DataConfig, settings: dict[str, Any], limit: int, place: Path,
    progress: Progress | None, workers: int | None,
) -> str:  # fmt: skip
    """Look at all files and, unless the cache holds their result, read them into it; returns the key."""
    step = _Steps(progress, len(entries))
    with folder.Pool(workers) as pool:
        looks = folder.look(entries, pool, step)
        key = _content_key(entries, looks, settings)
        if _recall(place, key) is not None:
            return key
        headers = [look.header for look in looks if isinstance(look.header, Header)]
        target = folder.choose_target(headers, data, limit)
        verdicts = folder.read(entries, looks, target, pool, step)
        with _writing(place):
            accepted, skipped, digest = _write_samples(place / f"{key}.npy", target, verdicts)
            report = place / f"{key}-report.json"
            _write_json(report, _report(root, len(entries), accepted, skipped, target))
            if len(accepted) < FEWEST:
                (place / f"{key}.npy").unlink()
                raise SourceError(_too_few(root, len(entries), accepted, skipped, report))
            _write_json(place / f"{key}.json", {"names": accepted, "samples": digest})
    return key


class _Steps:
    """Two passes over the files, reported as one."""

    def __init__(self, progress: Progress | None, total: int):
        self.progress, self.total, self.steps = progress, total, 0

    def __call__(self) -> None:
        self.steps += 1
        if self.progress and self.steps % 2 == 0:
            self.progress(self.steps // 2, self.total)


def _write_samples(
    path: Path, target: Target, verdicts: Iterable[tuple[folder.Entry, np.ndarray | Reject]]
) -> tuple[list[str], list[tuple[str, Reject]], str]:
    """Stream accepted pictures into a .npy file under a temporary name, then rename it.

    Returns:
        (names of accepted files, (name, reason) of skipped ones, hash of the samples)
    """
    accepted: list[str] = []
    skipped: list[tuple[str, Reject]] = []
    digest = hashlib.sha256(repr(_shape(0, target)[1:]).encode())
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_npy_header(_shape(0, target)))
            for entry, verdict in verdicts:
                if isinstance(verdict, Reject):
                    skipped.append((entry.name, verdict))
                    continue
                accepted.append(entry.name)
                digest.update(verdict.data)
                file.write(verdict.data)
            file.seek(0)  # numpy leaves room in the header for the number of rows to grow
            file.write(_npy_header(_shape(len(accepted), target)))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return accepted, skipped, digest.hexdigest()


def _shape(count: int, target: Target) -> tuple[int, int, int, int]:
    return count, target.height, target.width, target.channels


def _npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _report(
    root: Path, files: int, accepted: list[str], skipped: list[tuple[str, Reject]], target: Target
) -> dict[str, Any]:
    return {
        "source": str(root),
        "files": files,
        "accepted": len(accepted),
        "skipped": dict(Counter(reject.kind for _, reject in skipped).most_common()),
        "becomes": asdict(target),
        "files_skipped": [{"file": name, "kind": reject.kind, "detail": reject.detail} for name, reject in skipped],
    }


def _too_few(root: Path, files: int, accepted: list[str], skipped: list[tuple[str, Reject]], report: Path) -> str:
    kinds = Counter(reject.kind for _, reject in skipped).most_common()
    told = ", ".join(f"{count} {kind}" for kind, count in kinds)
    slash = "/" if root.is_dir() else ""
    holds = "no readable image" if not accepted else "only one readable image, and at least two are needed"
    looked = f"{files} file{'' if files == 1 else 's'} looked at"
    return f"{str(root).rstrip('/')}{slash} holds {holds}: {looked}{f' ({told})' if told else ''}. See {report}."


def _stamp(root: Path, entries: Sequence[folder.Entry], settings: dict[str, Any]) -> str:
    files = [(entry.name, entry.member, entry.size, entry.modified) for entry in entries]
    return hashlib.sha256(json.dumps([str(root.resolve()), settings, files], sort_keys=True).encode()).hexdigest()[:32]


def _content_key(entries: Sequence[folder.Entry], looks: Sequence[folder.Look], settings: dict[str, Any]) -> str:
    # A file that could not be read has no hash; its reason stands in, so that mending it makes another key.
    files = [
        (entry.name, look.sha256 or (look.header.kind if isinstance(look.header, Reject) else ""))
        for entry, look in zip(entries, looks)
    ]
    return hashlib.sha256(json.dumps([settings, files], sort_keys=True).encode()).hexdigest()[:32]


def _recall(place: Path, key: str) -> Stored | None:
    """A stored collection, or None when it is missing or damaged."""
    if not key:
        return None
    report = place / f"{key}-report.json"
    known = _read_json(place / f"{key}.json")
    try:
        samples = np.load(place / f"{key}.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    names = tuple(known.get("names", ()))
    if samples.ndim != 4 or samples.dtype != np.uint8 or len(samples) != len(names) or not report.exists():
        return None
    return Stored(samples, names, None, (), str(known["samples"]), report)


def _labelled(stored: Stored) -> Stored:
    labels, label_names = folder.folder_labels(stored.names)
    key = hashlib.sha256(f"{stored.key} {label_names}".encode() + labels.tobytes()).hexdigest()
    return Stored(stored.samples, stored.names, labels, label_names, key, stored.report)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    write_bytes(path, (json.dumps(value, indent=1) + "\n").encode())


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    """Whatever stops the cache from being written, as one line."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(
            f"decoded pictures cannot be kept in {place}: {reason}. "
            "Make room there, or set GANVAS_CACHE to a folder that can be written."
        ) from None
