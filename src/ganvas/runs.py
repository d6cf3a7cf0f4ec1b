"""A run is a folder, the only wire between processes.

It holds config.json, events.jsonl, checkpoints/, samples/ and report.html.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ganvas import __version__, events, images, plots
from ganvas.config import RunConfig, differences
from ganvas.data.source import Dataset
from ganvas.errors import RunError
from ganvas.events import Event, Samples

SCHEMA = 1
TRUTH_POINTS = 4_000


@dataclass(frozen=True)
class Run:
    """A run folder and what its config.json says."""

    path: Path
    asked: RunConfig
    resolved: RunConfig
    dataset: dict[str, Any]  # name, key, count, shape; centre and scale of 2-D sets
    machine: dict[str, Any]

    @property
    def checkpoints(self) -> Path:
        """Where its checkpoints are."""
        return self.path / "checkpoints"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample as networks see it."""
        return tuple(self.dataset["shape"])


def exists(path: Path) -> bool:
    """Whether a folder holds a run."""
    return (path / "config.json").is_file()


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """What a run remembers of its samples: enough to check that they are the same, and to draw without them."""
    facts: dict[str, Any] = {
        "name": dataset.name,
        "key": dataset.key,
        "count": len(dataset.samples),
        "shape": list(dataset.shape),
        "labels": list(dataset.label_names),
    }
    if not dataset.is_pictures:
        from ganvas.data.stream import Scaling

        scaling = Scaling.of(dataset.samples)
        facts |= {"centre": scaling.centre.tolist(), "scale": scaling.scale}
    return facts


def describe_machine(resolved: RunConfig, device: str, processes: int) -> dict[str, Any]:
    """What the bits of a run depend on besides its config."""
    import torch

    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device,
        "threads": resolved.threads,
        "processes": processes,
    }


def check_free(path: Path) -> None:
    """Raise RunError unless a new run may be written to the folder."""
    if path.is_file():
        raise RunError(f"{path} is a file; --out takes a folder for the run.")
    if path.is_dir() and any(item.name != "run.lock" for item in path.iterdir()):
        raise RunError(f"{path} already holds other files, but no ganvas run; choose another --out.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be made: {error.strerror}; choose another --out.") from None
    if not os.access(path, os.W_OK):
        raise RunError(f"{path} may not be written to; choose another --out, or change its permissions.")


def create(path: Path, asked: RunConfig, resolved: RunConfig, dataset: Dataset, machine: dict[str, Any]) -> Run:
    """Make a new run folder; its config.json is written last and whole.

    Raises:
        RunError: when the folder holds something else or cannot be written.
    """
    check_free(path)
    run = Run(path, asked, resolved, describe_dataset(dataset), machine)
    content = {
        "schema": SCHEMA,
        "version": __version__,
        "asked": asked.model_dump(mode="json"),
        "resolved": resolved.model_dump(mode="json"),
        "dataset": run.dataset,
        "machine": machine,
    }
    try:
        if not dataset.is_pictures:
            (path / "samples").mkdir(exist_ok=True)
            np.savez(path / "samples" / "truth.npz", points=dataset.samples[:TRUTH_POINTS])
        images.write_bytes(path / "config.json", json.dumps(content, indent=1).encode())
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror}; free some space or choose another --out."
        ) from None
    return run


def no_run(path: Path) -> str:
    """That a folder holds no run, and which there are beside it."""
    near = [p.parent.name for p in sorted(path.parent.glob("*/config.json"))] if path.parent.is_dir() else []
    hint = f" Runs there: {', '.join(near)}." if near else " Start one with: ganvas train SOURCE --out RUN."
    return f"{path} holds no run (no config.json).{hint}"


def open_run(path: Path) -> Run:
    """Read a run folder.

    Raises:
        RunError: when there is no run, it is damaged, or it is of a newer ganvas.
    """
    if not exists(path):
        raise RunError(no_run(path))
    try:
        content = json.loads((path / "config.json").read_bytes())
        if content["schema"] > SCHEMA:
            raise RunError(
                f"{path} is a run of a newer ganvas ({content['version']}, this is {__version__}); upgrade ganvas."
            )
        return Run(
            path,
            RunConfig.model_validate(content["asked"]),
            RunConfig.model_validate(content["resolved"]),
            content["dataset"],
            content["machine"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(
            f"{path / 'config.json'} cannot be read ({type(error).__name__}); restore it, or start a new run."
        ) from None


def check_same(run: Run, asked: RunConfig) -> None:
    """Raise RunError, with the differences, unless a run was started with just these settings."""
    changed = [f"{name} was {before!r}, now {now!r}" for name, before, now in differences(run.asked, asked)]
    if changed:
        raise RunError(
            f"{run.path} holds a run with other settings: {'; '.join(changed)}. "
            f"Go on with it by `ganvas resume {run.path}`, or choose another --out."
        )


def check_dataset(run: Run, dataset: Dataset) -> None:
    """Raise RunError unless the samples are those that a run began with."""
    if dataset.key != run.dataset["key"]:
        raise RunError(
            f"the pictures of {run.resolved.source} have changed since the run began "
            f"({run.dataset['count']} samples then, {len(dataset.samples)} now); "
            "restore them, or start a new run with another --out."
        )


def lock(path: Path) -> FileLock:
    """Hold the run folder for this process; released when the process ends, however it ends.

    Raises:
        RunError: when another process holds it.
    """
    held = FileLock(path / "run.lock", timeout=0)
    try:
        held.acquire()
    except Timeout:
        raise RunError(f"another process is training in {path}; wait for it, or choose another --out.") from None
    except OSError as error:
        raise RunError(f"{path} may not be written to: {error.strerror}.") from None
    return held


def rewind(run: Run, position: int) -> None:
    """Cut from the log all that was written after the checkpoint at a position, since it will be written again."""
    log = run.path / "events.jsonl"
    if not log.exists():
        return
    kept: list[bytes] = []
    for line in log.read_bytes().splitlines(keepends=True):
        entry = parse_line(line)
        if entry is None or entry.get("images_seen", 0) > position:
            continue
        kept.append(line)
    images.write_bytes(log, b"".join(kept))
    for sheet in (run.path / "samples").glob("*.png"):
        if sheet.stem.isdigit() and int(sheet.stem) > position:
            sheet.unlink()


def parse_line(line: bytes) -> dict[str, Any] | None:
    """One line of a log; None for a torn one."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def record(run: Run, stream: Iterable[Event]) -> Iterator[Event]:
    """Pass events through, writing each to the log and each sheet to a picture as it goes.

    Raises:
        RunError: when the folder can no longer be written; what is saved stays.
    """
    try:
        with open(run.path / "events.jsonl", "ab", buffering=0) as log:
            for event in stream:
                if isinstance(event, Samples):
                    images.write_png(run.path / "samples" / f"{event.images_seen:010d}.png", sheet(run, event))
                entry = events.to_json(event) | {"time": round(time.time(), 3)}
                log.write(json.dumps(entry).encode() + b"\n")
                yield event
    except OSError as error:
        raise RunError(
            f"{run.path} can no longer be written: {error.strerror}. What was saved before is intact; "
            "see to the disk and run the same command again."
        ) from error


def sheet(run: Run, event: Samples) -> np.ndarray:
    """Samples as one picture: a grid, or points over the truth and the discriminator's surface."""
    if event.samples.ndim == 4:
        return images.grid(event.samples)
    truth_file = run.path / "samples" / "truth.npz"
    truth = np.load(truth_file)["points"] if truth_file.exists() else None
    return plots.points_picture(event.samples, truth, event.surface, event.extent)


def list_runs(root: Path) -> list[Path]:
    """Run folders under a folder, by name."""
    return sorted(path.parent for path in root.glob("*/config.json"))
