"""Input: pictures a second from the cache against torchvision's ImageFolder and DataLoader, on one JPEG folder.

    python benchmarks/input.py

Also the share of its time that a run of the default preset waits for data. The folder is made by this script: 2,000
JPEG files of 128 x 128, read at 64 x 64. Each contestant gives normalised float batches of 64.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import datasets, transforms

from ganvas import presets
from ganvas.data.source import open_source
from ganvas.data.stream import Stream
from ganvas.training import resolve
from ganvas.training.engine import Engine
from ganvas.training.state import State
from ganvas.training.step import Stepper

COUNT, BATCH = 2_000, 64


def make_folder(root: Path) -> None:
    """Smooth random pictures, about as hard to decode as photographs."""
    rng = np.random.default_rng(0)
    (root / "all").mkdir(parents=True)
    for index in range(COUNT):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
        coarse.resize((128, 128), Image.Resampling.BICUBIC).save(root / "all" / f"{index:05d}.jpg", quality=90)


def peer(root: Path) -> Callable[[], int]:
    """One epoch of ImageFolder through a DataLoader with two workers."""
    steps = [transforms.Resize(64), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    folder = datasets.ImageFolder(str(root), transforms.Compose(steps))
    loader = torch.utils.data.DataLoader(folder, BATCH, shuffle=True, num_workers=2, persistent_workers=True)
    return lambda: sum(len(images) for images, _ in loader)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "pictures"
        make_folder(root)
        config = presets.configure(str(root), changes={"size": "medium"})
        began = time.perf_counter()
        dataset = open_source(str(root), config.data, limit=64)
        print(f"preflight and cache: {COUNT / (time.perf_counter() - began):,.0f} pictures/s, once")
        began = time.perf_counter()
        dataset = open_source(str(root), config.data, limit=64)
        print(f"second start: {time.perf_counter() - began:.2f} s")
        stream = Stream(dataset, 0, BATCH)
        epoch = peer(root)
        epoch()  # workers start
        rates: list[tuple[float, float]] = []
        for repeat in range(5):
            began = time.perf_counter()
            seen = epoch()
            theirs = seen / (time.perf_counter() - began)
            began = time.perf_counter()
            for step in range(10 * COUNT // BATCH):
                stream.batch((repeat * 10 * COUNT // BATCH + step) * BATCH)
            rates.append((10 * COUNT // BATCH * BATCH / (time.perf_counter() - began), theirs))
        ratio = statistics.median(ours / theirs for ours, theirs in rates)
        ours, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
        print(f"ganvas {ours:,.0f}, ImageFolder + DataLoader {theirs:,.0f} pictures/s: {ratio:.0f} x")
        config = resolve.with_source(config, dataset).but(total_images=10**9)
        stepper = Stepper(config, dataset, State(config, dataset.shape), Engine())
        stepper.step()
        began = time.perf_counter()
        for _ in range(8):
            stepper.step()
        step_seconds = (time.perf_counter() - began) / 8
        print(f"waiting for data: {BATCH / ours / step_seconds:.2%} of a step of {step_seconds * 1000:.0f} ms")


if __name__ == "__main__":
    main()
