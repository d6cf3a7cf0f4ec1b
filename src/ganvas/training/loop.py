"""The training loop. Read this file first.

One loop trains every architecture: it asks the objective for its phases, runs each as one optimiser step, keeps
running averages, and tells the outside world through events. It prints and draws nothing, and writes nothing but
checkpoints. The position, `images_seen`, is its only clock: data order, random numbers, schedules, reports and saves
are all functions of it, so that a run that was stopped goes on exactly as if it had not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from ganvas import models
from ganvas.config import RunConfig
from ganvas.data import toy
from ganvas.data.source import Dataset
from ganvas.data.stream import Scaling
from ganvas.errors import TrainingFailed
from ganvas.events import Alert, Event, Finished, Progress, Remedy, Samples, Saved, Score, Started
from ganvas.metrics.scores import toy_scores
from ganvas.training import checkpoint, sampler
from ganvas.training.engine import Engine
from ganvas.training.state import State
from ganvas.training.step import Stepper

POINTS_PER_SAMPLE = 64  # points drawn of a 2-D set for every picture that a sheet would hold
SCORED_POINTS = 1_000
ROLLBACK_AT = 4.0  # decaying count of bad steps: five in a row, or a fifth of all
MOST_ROLLBACKS = 6


def never() -> bool:
    """Nobody asks the loop to stop."""
    return False


def train(
    config: RunConfig,
    dataset: Dataset,
    *,
    state: State | None = None,
    engine: Engine | None = None,
    checkpoints: Path | None = None,
    should_stop: Callable[[], bool] = never,
    note: str = "",
) -> Iterator[Event]:
    """Train to the end of the run, yielding events; the caller decides what to print, draw or keep.

    Args:
        config: resolved: nothing in it is None that training needs.
        dataset: the samples.
        state: where to go on from; None starts anew. Changed in place.
        engine: this process among others; alone by default.
        checkpoints: folder to save in; None saves nothing.
        should_stop: asked after every step; when it says so, the run is saved and ends, to be resumed later.
        note: what differs from the machine that the run began on; told in the first event.

    Raises:
        TrainingFailed: when non-finite steps come back after every rollback.
        RunError: when a checkpoint cannot be written.
    """
    engine = engine or Engine()
    state = state or State(config, dataset.shape, engine)
    run = _Run(config, dataset, state, engine, checkpoints)
    yield run.started(note)
    if state.images_seen == 0:
        yield from run.show()
        yield from run.save()  # an early word if the disk cannot be written
    asked = False
    while state.images_seen < run.total and not asked:
        run.stepper.step()
        yield from run.due()
        asked = engine.any(should_stop())
    if asked and state.images_seen < run.total:
        yield from run.save()
    yield Finished(
        images_seen=state.images_seen, complete=state.images_seen >= run.total, seconds=time.monotonic() - run.began
    )


class _Run:
    """What one call of `train` holds on to; all that must survive it is in `state`."""

    def __init__(self, config: RunConfig, dataset: Dataset, state: State, engine: Engine, checkpoints: Path | None):
        assert config.total_images is not None, "train() takes a resolved config"
        self.config, self.dataset, self.state, self.engine, self.checkpoints = (
            config,
            dataset,
            state,
            engine,
            checkpoints,
        )
        self.stepper = Stepper(config, dataset, state, engine)
        self.total = self.stepper.total
        self.every_report = self.stepper.whole(config.save.report_every_images or self.total)
        self.every_sheet = self.stepper.whole(config.save.samples_every_images or self.total)
        self.every_save = self.stepper.whole(config.save.every_images or self.total)
        self.scaling = None if dataset.is_pictures else Scaling.of(dataset.samples)
        self.began = self.last_report = time.monotonic()
        self.last_position = state.images_seen
        self.went_back_to: int | None = None  # position of the last rollback, if nothing was saved since

    def due(self) -> Iterator[Event]:
        """Reports, sheets and saves that fall on the position, and a rollback where training has broken down."""
        position, last = self.state.images_seen, self.state.images_seen >= self.total
        reports, saves = last or position % self.every_report == 0, last or position % self.every_save == 0
        if reports:
            yield self.progress()
        if (reports or saves) and float(self.state.bad_steps) >= ROLLBACK_AT:
            yield from self.roll_back()
            return
        if last or position % self.every_sheet == 0:
            yield from self.show()
        if last or (saves and not self.stepper.bad):  # what fails may have gone wrong before: no place to go back to
            yield from self.save()

    def started(self, note: str) -> Started:
        """The first event."""
        return Started(
            images_seen=self.state.images_seen,
            total_images=self.total,
            parameters={role: models.count_parameters(network) for role, network in self.state.networks.items()},
            device=str(self.engine.device),
            threads=torch.get_num_threads(),
            processes=self.engine.processes,
            note=note,
        )

    def progress(self) -> Progress:
        """Statistics since the last report, and the speed."""
        stats = self.state.meter.report()
        now, position = time.monotonic(), self.state.images_seen
        speed = (position - self.last_position) / max(now - self.last_report, 1e-9)
        self.last_report, self.last_position = now, position
        return Progress(images_seen=position, stats=stats, images_per_second=speed, seconds=now - self.began)

    def show(self) -> Iterator[Event]:
        """Samples of the averaged network from the run's fixed latents, and their score where the truth is known."""
        if not self.engine.leads:
            return
        state = self.state
        network = state.averages[state.architecture.sampler]
        kept = [buffer.clone() for buffer in network.buffers()]
        sampler.settle(network, self.config.seed, self.engine.device)
        count = self.config.save.samples * (1 if self.dataset.is_pictures else POINTS_PER_SAMPLE)
        rows = sampler.latents(count, models.latent_size(network), seed=self.config.seed)
        made = sampler.draw(network, rows, self.scaling)
        for buffer, value in zip(network.buffers(), kept, strict=True):
            buffer.copy_(value)  # looking must not change the state
        network.train()
        if self.scaling is None:
            yield Samples(images_seen=state.images_seen, samples=made)
        else:
            yield self.plane(made, self.scaling)
            yield from self.score(made)

    def plane(self, points: np.ndarray, scaling: Scaling) -> Samples:
        """Points with the square they are drawn in and the discriminator's surface over it."""
        low, high = self.dataset.samples.min(0), self.dataset.samples.max(0)
        centre, reach = (low + high) / 2, float((high - low).max()) * 0.575
        extent = (centre[0] - reach, centre[0] + reach, centre[1] - reach, centre[1] + reach)
        left, right, bottom, top = (float(value) for value in extent)
        critic = dict(self.state.networks.items()).get("discriminator")
        logits = None if critic is None else sampler.surface(critic, (left, right, bottom, top), scaling)
        return Samples(
            images_seen=self.state.images_seen, samples=points, surface=logits, extent=(left, right, bottom, top)
        )

    def score(self, points: np.ndarray) -> Iterator[Event]:
        """Score the points and remember the best position."""
        truth = toy.TOYS.get(self.dataset.name)
        if truth is None:
            return
        if not np.isfinite(points).all():
            message = "Some samples are not finite, so they have no score. Try a lower optimiser.generator_lr."
            yield Alert(images_seen=self.state.images_seen, monitor="non-finite", message=message)
            return
        scores = toy_scores(points[:SCORED_POINTS], truth())
        loss = scores.pop("loss")
        yield Score(images_seen=self.state.images_seen, scores=scores, loss=loss)
        saved_here = self.state.images_seen % self.every_save == 0 or self.state.images_seen >= self.total
        if saved_here and (self.state.best is None or loss <= self.state.best[1]):
            self.state.best = (self.state.images_seen, loss)

    def save(self) -> Iterator[Event]:
        """Write a checkpoint."""
        self.went_back_to = None
        if self.checkpoints is None or not self.engine.leads:
            return
        path = checkpoint.save(self.checkpoints, self.state, keep=self.config.save.keep)
        size = sum(file.stat().st_size for file in path.iterdir())
        yield Saved(images_seen=self.state.images_seen, path=path.name, kilobytes=size // 1000)

    def roll_back(self) -> Iterator[Event]:
        """Go back to the last good checkpoint with half the learning rate: the same steps would fail the same way.

        A checkpoint that did not help, since training had gone wrong before it was saved, is followed by an older one.
        """
        state, position = self.state, self.state.images_seen
        scale, rollbacks = state.lr_scale / 2, state.rollbacks + 1
        found = self.way_back()
        advice = "Try a lower optimiser.generator_lr and optimiser.discriminator_lr, or a larger loss.r1."
        if found is None or rollbacks > MOST_ROLLBACKS:
            raise TrainingFailed(
                f"training breaks down at {position:,} images: losses or gradients are not finite, "
                f"after {rollbacks - 1} rollbacks. Nothing of it was saved. {advice}"
            )
        yield Alert(
            images_seen=position,
            monitor="non-finite",
            message="Losses or gradients are not finite in step after step; those steps changed nothing. " + advice,
        )
        checkpoint.load(found.path, state)
        state.lr_scale, state.rollbacks = scale, rollbacks
        state.bad_steps.zero_()
        self.last_position = self.went_back_to = state.images_seen
        yield Remedy(
            images_seen=state.images_seen,
            action="roll back",
            message=f"Back from {position:,} to the checkpoint at {found.position:,} images, "
            f"learning rates x {scale:g}.",
        )

    def way_back(self) -> checkpoint.Found | None:
        """The newest good checkpoint, or the one before that at which the last rollback ended."""
        if self.checkpoints is None:
            return None
        older = checkpoint.newest_good(self.checkpoints, before=self.went_back_to) if self.went_back_to else None
        return older or checkpoint.newest_good(self.checkpoints)
