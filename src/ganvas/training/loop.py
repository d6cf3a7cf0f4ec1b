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
from ganvas.data.source import Dataset
from ganvas.data.stream import Scaling
from ganvas.data.toy import square_around
from ganvas.errors import TrainingFailed
from ganvas.events import Alert, Event, Finished, Progress, Remedy, Samples, Saved, Score, Started
from ganvas.training import checkpoint, monitors, sampler
from ganvas.training.checkup import Examiner, Viewer
from ganvas.training.engine import Engine
from ganvas.training.remedies import GOES_BACK, MOST_RETURNS, STANDS_STILL, UNSEEN_YET, advice, possible_controls
from ganvas.training.state import State
from ganvas.training.step import Stepper

POINTS_PER_SAMPLE = 64  # points drawn of a 2-D set for every picture that a sheet would hold
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
        yield from run.beforehand()
    asked = False
    while state.images_seen < run.total and not asked:
        run.stepper.step()
        yield from run.due()
        asked = engine.any(should_stop()) or run.ends_early()
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
        self.every_checkup = self.stepper.whole(config.steady.every_images or self.total)
        self.every_save = self.stepper.whole(config.save.every_images or self.total)
        self.scaling = None if dataset.is_pictures else Scaling.of(dataset.samples)
        self.extent = None if dataset.is_pictures else square_around(dataset.samples)
        examiner = Viewer if state.architecture.takes == "pictures" else Examiner
        self.examiner = examiner(config, dataset, self.total) if engine.leads else None
        self.possible = possible_controls(config, state.architecture, dataset.is_pictures)
        self.began = self.last_report = time.monotonic()
        self.last_position = state.images_seen
        self.went_back_to: int | None = None  # position of the last rollback, if nothing was saved since

    def due(self) -> Iterator[Event]:
        """Reports, checkups, sheets and saves that fall on the position, and going back where training broke down."""
        position, last = self.state.images_seen, self.state.images_seen >= self.total
        saves = last or position % self.every_save == 0
        checks = last or position % self.every_checkup == 0
        if saves or checks or position % self.every_report == 0:
            yield self.progress()
            if float(self.state.bad_steps) >= ROLLBACK_AT:
                yield from self.roll_back()
                return
        if saves or checks:
            yield from self.check_up(saves, checks)
            if self.state.images_seen != position:  # it went back
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

    def beforehand(self) -> Iterator[Event]:
        """What can be said before the first step."""
        if self.config.steady.mode == "off" or self.examiner is None:
            return
        for name, words in self.examiner.beforehand().items():
            yield Alert(images_seen=self.state.images_seen, monitor=name, message=words)

    def check_up(self, saves: bool, checks: bool) -> Iterator[Event]:
        """Score the samples; at the regular positions let the monitors look too, and act on what they see.

        What a run does must not depend on how often it is saved, so a save alone brings a score and nothing else.
        """
        state, mode = self.state, self.config.steady.mode
        vitals, scores = self.engine.share(self.examiner.examine(state) if self.examiner else None)
        if scores:
            yield Score(images_seen=state.images_seen, scores=scores, loss=vitals.loss)
            if saves and (state.best is None or vitals.loss <= state.best[1]):
                state.best = (state.images_seen, vitals.loss)
        if not checks:
            return
        state.history.append(vitals.told(state.meter.checkup()))
        if mode == "off":
            return
        found = monitors.findings(state.history)
        for name, words in state.care.news(found).items():
            hint = advice(name, self.possible) if mode == "warn" else ""
            yield Alert(images_seen=state.images_seen, monitor=name, message=words + hint)
        if mode == "auto" and state.images_seen < self.total:  # at the end there is nothing left to put right
            yield from self.treat(found)

    def treat(self, found: dict[str, str]) -> Iterator[Event]:
        """Change one thing, and go back to the best checkpoint where the harm cannot be trained away."""
        state = self.state
        change = state.care.treat(found, self.possible, was_well=not self.never_well())
        if change is None:
            return
        message = f"{change.control} is now x {getattr(state.care.controls, change.control):g}: {change.why}."
        again = False
        if state.care.fault in GOES_BACK and state.care.returns < MOST_RETURNS:
            if again := self.go_back():
                message += f" Training goes on from the checkpoint at {state.images_seen:,} images."
            elif again := self.never_well():
                state.begin_again()
                message += " It begins again with new networks."
            state.care.returns += again
        yield Remedy(images_seen=state.images_seen, action=change.control, message=message)
        if again:
            yield from self.save()

    def never_well(self) -> bool:
        """Whether the run has covered less than a third of the real samples at its best."""
        return max(vitals.coverage for vitals in self.state.history) < 1 / 3

    def go_back(self) -> bool:
        """Become a good checkpoint, but for what has been learnt about how to train on from there."""
        state, path = self.state, self.place_to_go_back_to()
        if path is None:
            return False
        care = state.care
        checkpoint.load(path, state)
        self.engine.share(None)  # nobody writes there before everybody has read
        state.care = care
        self.last_position = self.went_back_to = state.images_seen
        return True

    def place_to_go_back_to(self) -> Path | None:
        """The best checkpoint, where training on is not the quicker way; of one that stands still, an earlier one."""
        state, fault = self.state, self.state.care.fault
        if self.checkpoints is None or self.never_well():
            return None
        if fault in STANDS_STILL:
            moving = [v.images_seen for v in state.history if (getattr(v, STANDS_STILL[fault]) or 0.0) > monitors.STILL]
            found = checkpoint.newest_good(self.checkpoints, before=max(moving, default=0) + 1)
            return found.path if found else None
        if state.best is None or state.best[0] >= state.images_seen:
            return None
        path = checkpoint.folder(self.checkpoints, state.best[0])
        lost = fault in UNSEEN_YET or state.history[-1].loss >= 2 * state.best[1]
        return path if lost and path.is_dir() else None

    def ends_early(self) -> bool:
        """Whether the score has not improved for as long as the run was told to wait."""
        patience, history = self.config.steady.patience, self.state.history
        if patience is None or not history:
            return False
        best = min(history, key=lambda vitals: vitals.loss)
        return history[-1].progress - best.progress >= patience

    def show(self) -> Iterator[Event]:
        """Samples of the averaged network from the run's fixed inputs."""
        if not self.engine.leads:
            return
        state = self.state
        network = state.averages[state.architecture.sampler]
        count = self.config.save.samples * (1 if self.dataset.is_pictures else POINTS_PER_SAMPLE)
        rows = sampler.inputs(state, self.dataset, count)
        with sampler.settled(network, self.config.seed, self.engine.device):
            made = sampler.draw(network, rows, self.scaling)
        yield Samples(images_seen=state.images_seen, samples=made, surface=self.surface(), extent=self.extent)

    def surface(self) -> np.ndarray | None:
        """The discriminator's logits over the plane; None where a sample has no logit of its own."""
        critic = dict(self.state.networks.items()).get("discriminator")
        if critic is None or self.scaling is None or self.extent is None or self.config.variety.together > 1:
            return None
        return sampler.surface(critic, self.extent, self.scaling)

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
