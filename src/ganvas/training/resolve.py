"""From what was asked to a resolved config: everything that follows from the source and from the machine.

The machine is measured with the run's own steps on throw-away networks: which number of CPU threads is fastest (tiny
networks are several times slower on two threads than on one) and how many images a second that makes.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch

from ganvas import gallery, models
from ganvas.config import RunConfig
from ganvas.data.source import Dataset
from ganvas.errors import BadSetting
from ganvas.style.precision import half_is_faster
from ganvas.training.engine import Engine
from ganvas.training.repaint import read_style
from ganvas.training.schedules import penalty_rule
from ganvas.training.state import State
from ganvas.training.step import Stepper

USUAL_BATCH = 64
LIMITS = {"small": 32, "medium": 64, "large": 128}  # pixels along a side that `size` allows
MEASURE_SECONDS = 1.0  # per number of threads
SHEETS = 16  # sample sheets of a run
CHECKUPS = 32
CHECKUP_STEPS = 80  # at least so many between checkups: one costs about 1.8 steps, and all of them 2 %
MARGIN = 0.95  # of the minutes asked for; the rest is for sheets and saves
REPORT_SECONDS = 3.0  # to write the report


@dataclass(frozen=True)
class Speed:
    """What was measured."""

    threads: int
    images_per_second: float


def keep_memory() -> None:
    """Tell glibc to keep freed memory for the next step instead of giving it back to the system.

    A training step frees and asks for the same large blocks again and again; each time the pages are cleared anew.
    Keeping them saves about a quarter of a small convolutional step. Elsewhere than on glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        trim_threshold, mmap_threshold = -1, -3  # names of the two options, from malloc.h
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, 2**31 - 1)


def choose_device(asked: str) -> torch.device:
    """The device to train on: as asked, or CUDA, Apple's MPS, CPU, in that order.

    Raises:
        BadSetting: when the one asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[asked]:
        usable = ", ".join(name for name, present in there.items() if present)
        raise BadSetting(
            f"device is {asked}, but this machine has none that torch {torch.__version__} can use; there is: {usable}."
        )
    return torch.device(asked)


def with_source(config: RunConfig, dataset: Dataset) -> RunConfig:
    """The config with what follows from the samples: batch, resolution, channels, penalties, sizes of the networks."""
    config = config.but(batch_size=config.batch_size or usual_batch(len(dataset.samples)))
    assert config.batch_size is not None
    if config.batch_size > len(dataset.samples):
        raise BadSetting(
            f"batch_size is {config.batch_size}, but {dataset.name} holds only {len(dataset.samples)} samples; "
            f"try --set batch_size={max(2, len(dataset.samples) // 2)}."
        )
    if config.batch_size == 1 and models.load(config.model).takes != "pictures":
        raise BadSetting(
            f"batch_size is 1, but {config.model} learns from what differs between samples; give it 2 or more."
        )
    if config.batch_size % config.variety.together:
        raise BadSetting(
            f"batch_size is {config.batch_size}, but variety.pack and variety.deviation look at "
            f"{config.variety.together} samples together; make it a multiple of that."
        )
    config = config.but(data={"label_shares": label_shares(config, dataset)})
    pixels = 1
    if dataset.is_pictures:
        channels, height, width = dataset.shape
        pixels = height * width
        named = {1: "grey", 3: "rgb", 4: "rgba"}[channels]
        config = config.but(data={"resolution": f"{height}x{width}", "channels": named})
    penalised = models.load(config.model).independent and models.load(config.model).objective == "gan"
    r1 = config.loss.r1
    if r1 is None:
        r1 = penalty_rule(pixels) if penalised and config.loss.adversarial != "wasserstein" else 0.0
    r2 = config.loss.r2 if config.loss.r2 is not None else r1
    if models.load(config.model).objective == "style":
        config = with_style(config)
    network = models.network_config(config).model_dump(mode="json")
    config = config.but(loss={"r1": r1, "r2": r2}, network=network, steady={"held_out": held_out(config, dataset)})
    models.load(config.model).check(config)
    return config


def usual_batch(count: int) -> int:
    """The samples in a step where nobody says: 64, or the largest power of two that a small collection fills."""
    return min(USUAL_BATCH, 1 << (count.bit_length() - 1))


def label_shares(config: RunConfig, dataset: Dataset) -> tuple[float, ...]:
    """How often each label is drawn: as asked, or as in the data; nothing without labels.

    Raises:
        BadSetting: when there are other labels than the shares are for.
    """
    asked, names = config.data.label_shares, dataset.label_names
    if asked is None:
        if dataset.labels is None:
            return ()
        counts = np.bincount(dataset.labels, minlength=len(names))
        return tuple((counts / counts.sum()).tolist())
    if len(asked) != len(names) or (names and not sum(asked)):
        given = ", ".join(names) or "none; set data.labels=true"
        raise BadSetting(f"data.label_shares has {len(asked)} numbers, but takes one for each label; labels: {given}.")
    return asked


def with_style(config: RunConfig) -> RunConfig:
    """The config with what follows from its style picture and from the processor."""
    models.load(config.model).check(config)
    half = config.style.bfloat16
    return config.but(
        style={
            "picture": gallery.lasting(config.style.picture or ""),
            "key": read_style(config.style.picture or "")[1],
            "bfloat16": half_is_faster() if half is None else half,
        }
    )


def held_out(config: RunConfig, dataset: Dataset) -> int:
    """How many pictures are kept apart from training; none of a set too small to spare them, and none of points.

    Raises:
        BadSetting: when what is left does not fill a batch.
    """
    count, asked, batch = len(dataset.samples), config.steady.held_out, config.batch_size or 0
    if asked is None:
        spare = dataset.is_pictures and config.steady.mode != "off" and count >= max(100, 2 * batch)
        asked = min(500, count // 20) if spare else 0
    if batch > count - asked:
        raise BadSetting(
            f"steady.held_out is {asked}, which leaves {count - asked} of {count} samples, fewer than a batch of "
            f"{batch}; try --set steady.held_out=0."
        )
    return asked


def with_machine(config: RunConfig, dataset: Dataset, engine: Engine) -> RunConfig:
    """The config with what follows from the machine: threads, length, and how often to report, show and save."""
    assert config.batch_size is not None
    batch = config.batch_size
    candidates = [config.threads] if config.threads else thread_candidates(engine)
    known = len(candidates) == 1 and config.total_images is not None
    speed = None if known else measure(config, dataset, engine, candidates)
    threads = speed.threads if speed else candidates[0]
    total = config.total_images
    if total is None:
        assert speed is not None
        asked = (config.minutes or 2.0) * 60
        seconds = max(0.8 * asked, MARGIN * asked - REPORT_SECONDS)
        total = max(batch, int(speed.images_per_second * seconds))

    def whole(count: float) -> int:
        return max(1, round(count / batch)) * batch

    sheet = whole(config.save.samples_every_images or total / SHEETS)
    minute = speed.images_per_second * 60 if speed else total / 4
    save = config.save.every_images or sheet * max(1, min(6, round(minute / sheet)))
    checkup = config.steady.every_images or max(total / CHECKUPS, CHECKUP_STEPS * batch)
    report = config.save.report_every_images or min(total / 100, speed.images_per_second if speed else total)
    return config.but(
        threads=threads,
        total_images=total,
        save={"samples_every_images": sheet, "every_images": whole(save), "report_every_images": whole(report)},
        steady={"every_images": whole(checkup)},
    )


def thread_candidates(engine: Engine) -> list[int]:
    """Numbers of CPU threads worth measuring."""
    if engine.processes > 1 or engine.device.type != "cpu":
        return [torch.get_num_threads()]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return sorted({1, max(1, cores // 2), cores})


def measure(config: RunConfig, dataset: Dataset, engine: Engine, candidates: list[int]) -> Speed:
    """The fastest number of threads for this run's own steps; leaves torch's setting as it was."""
    before = torch.get_num_threads()
    try:
        return max(
            (_speed(config, dataset, engine, threads) for threads in candidates), key=lambda s: s.images_per_second
        )
    finally:
        torch.set_num_threads(before)


def _speed(config: RunConfig, dataset: Dataset, engine: Engine, threads: int) -> Speed:
    torch.set_num_threads(threads)
    alone = Engine(device=engine.device)
    assert config.batch_size is not None
    own = max(min(2, config.batch_size), config.batch_size // engine.processes)
    trial = config.but(total_images=own * 1_000_000, batch_size=own)
    stepper = Stepper(trial, dataset, State(trial, dataset.shape, alone), alone)
    cycle = trial.loss.penalty_every * max(trial.balance.discriminator_steps, trial.balance.generator_steps)
    for _ in range(cycle):  # memory is allocated, kernels are chosen
        stepper.step()
    steps, began = 0, time.perf_counter()
    while steps == 0 or time.perf_counter() - began < MEASURE_SECONDS:
        for _ in range(cycle):
            stepper.step()
        steps += cycle
        if engine.device.type == "cuda":
            torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    return Speed(threads, steps * own * engine.processes / seconds)
