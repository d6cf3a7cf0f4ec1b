"""How many images a preset's own steps make in so much CPU time on one thread: a fair length on a busy machine."""

from __future__ import annotations

import time

from ganvas import api, presets
from ganvas.config import RunConfig
from ganvas.data.source import Dataset
from ganvas.training import resolve
from ganvas.training.engine import Engine
from ganvas.training.state import State
from ganvas.training.step import Stepper


def images_in(source: str, preset: str | None, cpu_seconds: float) -> int:
    """Of a preset on a named source."""
    config = presets.configure(source, preset)
    dataset = api.read_source(config)
    return images_of(resolve.with_source(config, dataset), dataset, cpu_seconds)


def images_of(config: RunConfig, dataset: Dataset, cpu_seconds: float) -> int:
    """Measured over about eight CPU-seconds, after a warm-up, in the present number of threads."""
    config = config.but(total_images=10**9, minutes=None)
    stepper = Stepper(config, dataset, State(config, dataset.shape), Engine())
    for _ in range(8):
        stepper.step()
    began, steps = time.process_time(), 0
    while time.process_time() - began < 8:
        stepper.step()
        steps += 1
    return int(steps * config.batch_size / (time.process_time() - began) * cpu_seconds)
