"""Search for settings that suit a source: short runs, the unpromising ones ended early, the best written as a preset.

The study lives in a SQLite file, so a search that was stopped goes on, and several processes may share one.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
import torch

from ganvas import images
from ganvas.config import RunConfig, changed, flat, to_toml
from ganvas.data.source import Dataset
from ganvas.errors import TrainingFailed, UserError
from ganvas.events import Score
from ganvas.training import loop, resolve
from ganvas.training.engine import Engine

# Factors on the preset's own values; a value of 0 stays 0.
FACTORS = {
    "optimiser.generator_lr": (1 / 8, 8.0),
    "optimiser.discriminator_lr": (1 / 8, 8.0),
    "loss.r1": (1 / 16, 16.0),
    "average.half_life_images": (1 / 4, 8.0),
}
LARGEST = {"optimiser.generator_lr": 1.0, "optimiser.discriminator_lr": 1.0}


@dataclass(frozen=True)
class Outcome:
    """One trial: the settings it tried, the score it ended with (lower is better), and whether it ran to its end."""

    number: int
    settings: dict[str, float]
    loss: float
    complete: bool
    seconds: float

    def words(self, left: int) -> str:
        """The trial in a line, with the time that `left` more like it would take."""
        settings = ", ".join(f"{name.split('.')[1]} {value:.3g}" for name, value in self.settings.items())
        end = f"score {self.loss:.4g}" if self.complete else "ended early"
        return f"{end}: {settings}  ({left * self.seconds / 60:.0f} min left at most)"


class Search:
    """A search over the settings of one config on one dataset."""

    def __init__(self, asked: RunConfig, dataset: Dataset, study_file: Path, *, trials: int, minutes: float):
        self.trials = trials
        self.dataset, self.study = dataset, open_study(study_file, asked)
        before = self.study.user_attrs.get("total_images")  # every trial of a study is equally long
        length = {"total_images": before, "minutes": None} if before else {"minutes": minutes / trials}
        resolved = resolve.with_source(asked.but(**length), dataset)
        self.config = resolve.with_machine(resolved, dataset, Engine())
        self.study.set_user_attr("total_images", self.config.total_images)

    def run(self, should_stop: Callable[[], bool] = loop.never) -> Iterator[Outcome]:
        """Trials until there are as many as asked for, those of earlier calls and other processes included."""
        torch.set_num_threads(self.config.threads or 1)
        while not should_stop() and len(finished(self.study)) < self.trials:
            trial = self.study.ask()
            began = time.monotonic()
            settings = self.suggest(trial)
            loss, complete = self.train(trial, settings, should_stop)
            if should_stop():
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
                return
            if complete:
                self.study.tell(trial, loss)
            else:
                self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            yield Outcome(trial.number, settings, loss, complete, time.monotonic() - began)

    def suggest(self, trial: optuna.Trial) -> dict[str, float]:
        """The settings of a trial; the first are the preset's own."""
        now = flat(self.config)
        found = {}
        for name, (low, high) in FACTORS.items():
            factor = trial.suggest_float(name, low, high, log=True)
            found[name] = min(LARGEST.get(name, math.inf), now[name] * factor)
        return found

    def train(
        self, trial: optuna.Trial, settings: dict[str, float], should_stop: Callable[[], bool]
    ) -> tuple[float, bool]:
        """Last score of a short run with these settings, and whether it was worth running to its end."""
        config = with_settings(self.config, settings)
        loss = math.inf
        try:
            for event in loop.train(config, self.dataset, should_stop=should_stop):
                if isinstance(event, Score):
                    loss = event.loss
                    trial.report(loss, event.images_seen)
                    if trial.should_prune():
                        return loss, False
        except TrainingFailed:
            return math.inf, False
        return loss, math.isfinite(loss)

    def best(self, asked: RunConfig) -> RunConfig:
        """What was asked for, with the best settings found.

        Raises:
            UserError: when no trial has been run to its end.
        """
        if not any(trial.state is optuna.trial.TrialState.COMPLETE for trial in self.study.trials):
            raise UserError("no trial of the search reached its end; give it more --minutes or fewer --trials.")
        now = flat(self.config)
        return with_settings(
            asked,
            {n: min(LARGEST.get(n, math.inf), now[n] * f) for n, f in self.study.best_params.items()},
        )


def with_settings(config: RunConfig, settings: dict[str, float]) -> RunConfig:
    """The config with settings by dotted name; R2 follows R1."""
    values = {name: float(f"{value:.4g}") for name, value in settings.items()}
    return changed(config, values | {"loss.r2": values["loss.r1"]})


def open_study(path: Path, asked: RunConfig) -> optuna.Study:
    """The study in a file, made where there is none.

    Raises:
        UserError: when it is one of other settings, or no study.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path.parent.mkdir(parents=True, exist_ok=True)
    label = to_toml(asked)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(
                storage=f"sqlite:///{path}",
                study_name="ganvas",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=0),
            )
    except Exception as error:  # whatever SQL makes of a file that is no database
        raise UserError(
            f"{path} is no study that can be read ({type(error).__name__}); choose another --out."
        ) from None
    # Going on draws other settings than the beginning did.
    study.sampler = optuna.samplers.TPESampler(seed=asked.seed + len(study.trials), n_startup_trials=6)
    before = study.user_attrs.get("asked")
    if before is None:
        study.set_user_attr("asked", label)
        study.enqueue_trial(dict.fromkeys(FACTORS, 1.0))
    elif before != label:
        raise UserError(f"{path} is a search with other settings; choose another --out, or give the same settings.")
    return study


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials that have come to an end of their own."""
    done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return [trial for trial in study.trials if trial.state in done]


def write_preset(path: Path, config: RunConfig) -> None:
    """Write settings as the file that `ganvas train --preset FILE` takes."""
    images.write_bytes(path, to_toml(config).encode())
