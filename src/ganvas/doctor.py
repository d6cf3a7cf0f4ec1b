"""What this machine can do for ganvas: device, threads, measured speed, carried files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import torch
import torchvision

from ganvas import presets
from ganvas.data.source import open_source
from ganvas.errors import UserError
from ganvas.metrics import features
from ganvas.training import resolve
from ganvas.training.engine import Engine


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    found: str
    fine: bool = True


def examine() -> Iterator[Finding]:
    """Look at one thing after another."""
    yield Finding("torch", f"{torch.__version__}, torchvision {torchvision.__version__}")
    memory = psutil.virtual_memory()
    yield Finding("memory", f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free", memory.available > 1e9)
    device = resolve.choose_device("auto")
    yield Finding("device", str(device))
    digits = open_source("digits", presets.digits().data, limit=28)
    yield Finding("carried digits", f"{len(digits.samples):,} pictures", len(digits.samples) == 5_000)
    yield _feature_network()
    alone = Engine(device=device)
    for name in ("ring", "digits"):
        config = presets.configure(name)
        dataset = open_source(name, config.data, limit=28)
        resolved = resolve.with_source(config, dataset)
        for threads in resolve.thread_candidates(alone):
            speed = resolve.measure(resolved, dataset, alone, [threads]).images_per_second
            yield Finding(f"{name} on {threads} thread{'s' if threads > 1 else ''}", f"{speed:,.0f} images/s")


def _feature_network() -> Finding:
    try:
        return Finding("network that scores pictures", features.carried().name)
    except UserError as error:
        return Finding("network that scores pictures", str(error), fine=False)
