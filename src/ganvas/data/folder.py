"""A folder or zip of picture files as pictures of one shape, each file looked at once per pass and given one verdict.

Two passes run through a pool of `decode.py` children. The look reads every file and answers with its SHA-256 and what
its header says; that decides channels and size, and whether a cache already holds the result. The reading decodes.
A file whose content changed in between is refused. Order and verdicts do not depend on the number of children.
Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import statistics
import subprocess
import sys
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from queue import SimpleQueue
from typing import Any

import numpy as np

from ganvas.config import DataConfig
from ganvas.data.decode import Header, Target
from ganvas.data.opening import Reject
from ganvas.errors import BadSetting, SourceError

SECONDS_PER_PICTURE = 15.0
SIDES = (8, 1024)  # smallest and largest height or width that can be asked for
SMALLEST_AUTO = 16
CHANNELS = {"grey": 1, "rgb": 3, "rgba": 4}
# Endings that are clearly no pictures, so that the notes beside them are not opened; other names are tried.
OTHER_FILES = frozenset(
    """
    .txt .md .rst .html .htm .css .js .ts .py .pyc .ipynb .json .jsonl .yaml .yml .toml .xml .csv .tsv .ini .cfg
    .log .sh .bat .exe .dll .so .db .sqlite .zip .tar .gz .bz2 .xz .7z .rar .npy .npz .pt .pth .safetensors .pkl
    .h5 .hdf5 .pdf .doc .docx .odt .xls .xlsx .ppt .pptx .svg .eps .ps .ai .mp3 .wav .flac .ogg .mp4 .mov .avi .mkv
    .webm .xmp .ds_store .lnk .url
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Entry:
    """One file of a collection.

    Attributes:
        name: its path inside the collection, with forward slashes.
        path: the file to open; for a zip, the zip.
        member: its position in the zip's directory, or None.
        size: bytes.
        modified: nanoseconds; for a member of a zip, of the zip.
        reject: why it is not even opened, or None.
    """

    name: str
    path: str
    member: int | None = None
    size: int = 0
    modified: int = 0
    reject: Reject | None = None


@dataclass(frozen=True)
class Look:
    """What the first pass found of one entry: the SHA-256 of its content, and its header or why it has none."""

    sha256: str
    header: Header | Reject


def scan(root: Path) -> list[Entry]:
    """Every visible file of a folder (with sub-folders) or zip, sorted by name.

    Links to files are followed, links to folders are not; anything but regular files gets a verdict without being
    opened, so that pipes and loops cannot hang.

    Raises:
        SourceError: when there is nothing to read, or it cannot be read.
    """
    try:
        if root.is_dir():
            entries = list(_scan_folder(root, ""))
        else:
            entries = list(_scan_zip(root))
    except OSError as error:
        raise SourceError(f"{root} cannot be read: {error.strerror or error}.") from None
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise SourceError(f"{root} is neither a folder nor a zip that can be read ({error}).") from None
    return sorted(entries, key=lambda entry: (entry.name, entry.member or 0))


def _scan_folder(folder: Path, prefix: str) -> Iterator[Entry]:
    with os.scandir(folder) as listing:
        items = list(listing)
    for item in items:
        name = prefix + item.name
        if item.name.startswith("."):
            continue
        if item.is_dir(follow_symlinks=False):
            try:
                yield from _scan_folder(Path(item.path), f"{name}/")
            except OSError as error:  # one closed room does not spoil the house
                yield Entry(name, item.path, reject=Reject("unreadable", error.strerror or "folder cannot be opened"))
            continue
        try:
            status = item.stat()
        except OSError as error:
            yield Entry(name, item.path, reject=Reject("unreadable", error.strerror or "cannot be found"))
            continue
        reject = _by_name(name) if stat.S_ISREG(status.st_mode) else Reject("not a file", _what(status.st_mode))
        yield Entry(name, item.path, None, status.st_size, status.st_mtime_ns, reject)


def _scan_zip(root: Path) -> Iterator[Entry]:
    modified = root.stat().st_mtime_ns
    with zipfile.ZipFile(root) as archive:
        for number, info in enumerate(archive.infolist()):
            parts = PurePosixPath(info.filename).parts
            hidden = any(part.startswith(".") and part != ".." for part in parts) or "__MACOSX" in parts
            if not info.is_dir() and not hidden:
                yield Entry(info.filename, str(root), number, info.file_size, modified, _by_name(info.filename))


def _by_name(name: str) -> Reject | None:
    ending = PurePosixPath(name).suffix.lower()
    return Reject("not an image", f"its name ends in {ending}") if ending in OTHER_FILES else None


def _what(mode: int) -> str:
    return "a link to a folder; links to folders are not followed" if stat.S_ISDIR(mode) else "a pipe, socket or device"


class _Child:
    """One decoding process, started when first asked and again after it was lost."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.deadline = float("inf")
        self.late = False

    def start(self) -> subprocess.Popen[bytes]:
        package_root = str(Path(__file__).resolve().parents[2])
        paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
        # One BLAS thread: each further one takes of the limited address space.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-m", "ganvas.data.decode"]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=null, env=environment)

    def ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        fresh = self.process is None
        process = self.process = self.process or self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        self.late, self.deadline = False, time.monotonic() + SECONDS_PER_PICTURE + (15 if fresh else 0)
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            head = json.loads(process.stdout.readline())
            pixels = process.stdout.read(head["bytes"])
            if len(pixels) == head["bytes"]:
                return head, pixels
        except (OSError, ValueError):
            pass  # no answer, or half of one: the child is gone
        finally:
            self.deadline = float("inf")
        self.close()
        slow = Reject("too slow", f"took more than {SECONDS_PER_PICTURE:g} seconds")
        return {"reject": asdict(slow if self.late else Reject("crashed the decoder")), "sha256": ""}, b""

    def close(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                try:
                    if pipe:
                        pipe.close()
                except OSError:
                    pass
            process.wait()


class Pool:
    """Decoding children, each driven by a thread; one that crashes or is late is replaced, and costs only its file."""

    def __init__(self, workers: int | None = None):
        self.workers = workers or min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)
        self._children = [_Child() for _ in range(self.workers)]
        self._idle: SimpleQueue[_Child] = SimpleQueue()
        for child in self._children:
            self._idle.put(child)
        self._threads = ThreadPoolExecutor(self.workers, "decode")
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self._children:
            if child.process:
                child.process.kill()
        self._threads.shutdown(wait=True)
        for child in self._children:
            child.close()

    def _watch(self) -> None:
        while not self._closed.wait(0.1):
            for child in self._children:
                process = child.process
                if process and time.monotonic() > child.deadline:
                    child.late = True
                    process.kill()

    def _ask(self, entry: Entry, target: Target | None) -> tuple[dict[str, Any], bytes]:
        if entry.reject:
            return {"reject": asdict(entry.reject), "sha256": ""}, b""
        child = self._idle.get()
        try:
            wanted = asdict(target) if target else None
            return child.ask({"path": entry.path, "member": entry.member, "target": wanted})
        finally:
            self._idle.put(child)

    def answers(self, entries: Iterable[Entry], target: Target | None) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Answers in the order of the entries; at most a few wait in memory."""
        waiting: deque[Future[tuple[dict[str, Any], bytes]]] = deque()
        entries = iter(entries)
        for entry in islice(entries, 4 * self.workers):
            waiting.append(self._threads.submit(self._ask, entry, target))
        while waiting:
            yield waiting.popleft().result()
            for entry in islice(entries, 1):
                waiting.append(self._threads.submit(self._ask, entry, target))


def look(entries: Sequence[Entry], pool: Pool, seen: Callable[[], None] = lambda: None) -> list[Look]:
    """First pass: content hash and header of every entry; `seen` is called after each."""
    looks = []
    for head, _ in pool.answers(entries, None):
        found = Header(**head["header"]) if "header" in head else Reject(**head["reject"])
        looks.append(Look(head["sha256"], found))
        seen()
    return looks


def read(
    entries: Sequence[Entry], looks: Sequence[Look], target: Target, pool: Pool, seen: Callable[[], None] = lambda: None
) -> Iterator[tuple[Entry, np.ndarray | Reject]]:
    """Second pass: every entry in order, with its pixels uint8 [H, W, C] or the reason why it is skipped.

    A picture whose pixels equal those of an earlier one is a duplicate.
    """
    first: dict[bytes, str] = {}
    wanted = [entry for entry, look in zip(entries, looks) if isinstance(look.header, Header)]
    answers = pool.answers(wanted, target)
    for entry, look in zip(entries, looks):
        seen()
        if isinstance(look.header, Reject):
            yield entry, look.header
            continue
        head, pixels = next(answers)
        if "reject" in head:
            yield entry, Reject(**head["reject"])
        elif head["sha256"] != look.sha256:
            yield entry, Reject("changed while reading")
        elif (twin := first.setdefault(hashlib.sha256(pixels).digest(), entry.name)) != entry.name:
            yield entry, Reject("duplicate", f"same pixels as {twin}")
        else:
            yield entry, np.frombuffer(pixels, np.uint8).reshape(head["shape"])


def choose_target(headers: Sequence[Header], data: DataConfig, limit: int) -> Target:
    """What pictures with these headers become.

    Channels "auto": grey if every header says grey, otherwise RGB; RGBA only when asked for. A colour file that holds
    only greys counts as colour, because its header does not tell.
    Size None: the largest power of two that is neither above `limit` nor above the median short side (with fit "keep",
    long side), and at least 16.

    Raises:
        BadSetting: for a size that is not accepted.
    """
    channels = CHANNELS.get(data.channels) or (1 if headers and all(header.grey for header in headers) else 3)
    if data.resolution is None:
        pick = max if data.fit == "keep" else min
        typical = statistics.median(pick(header.height, header.width) for header in headers) if headers else limit
        side = SMALLEST_AUTO
        while side * 2 <= min(limit, typical):
            side *= 2
        height = width = side
    else:
        height, width = parse_resolution(data.resolution)
    if data.fit == "keep" and headers and "x" not in (data.resolution or ""):
        height, width = _kept_shape(headers, height)
    return Target(height, width, channels, "pad" if data.fit == "pad" else "crop", data.background.lower())


def parse_resolution(text: str) -> tuple[int, int]:
    """`"64"` as (64, 64), `"48x64"` as height 48 and width 64.

    Raises:
        BadSetting: for anything else, or sides out of range.
    """
    parts = text.split("x")
    sides = [int(part) for part in parts if part.isdecimal() and len(part) < 9]
    if len(sides) != len(parts) or len(parts) > 2 or not all(SIDES[0] <= side <= SIDES[1] for side in sides):
        raise BadSetting(
            f"data.resolution takes one number or HEIGHTxWIDTH, each from {SIDES[0]} to {SIDES[1]}; got {text!r}. "
            "Try 64, or 48x64."
        )
    return sides[0], sides[-1]


def _kept_shape(headers: Sequence[Header], long_side: int) -> tuple[int, int]:
    aspect = statistics.median(header.width / header.height for header in headers)
    height, width = (long_side / aspect, long_side) if aspect >= 1 else (long_side, long_side * aspect)
    return max(SIDES[0], round(height / 4) * 4), max(SIDES[0], round(width / 4) * 4)


def folder_labels(names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The sub-folder each file lies in, as int64 [N] and the names that these stand for, sorted.

    Folders that all files share are left out first; files beside the sub-folders get the label ".".

    Raises:
        SourceError: when there is only one label.
    """
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    shared = 0
    while folders and len({folder[: shared + 1] for folder in folders}) == 1 and len(folders[0]) > shared:
        shared += 1
    own = [folder[shared] if len(folder) > shared else "." for folder in folders]
    label_names = tuple(sorted(set(own)))
    if len(label_names) < 2:
        raise SourceError(
            "data.labels needs pictures in at least two sub-folders, one for each label; "
            "here all lie in one. Sort them into sub-folders, or leave data.labels off."
        )
    numbers = {name: number for number, name in enumerate(label_names)}
    return np.array([numbers[name] for name in own], np.int64), label_names
