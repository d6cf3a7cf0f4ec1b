"""What a user names in Python: train, load, evaluate. Each is a few lines over the layers below."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ganvas import images, presets, report, runs
from ganvas.config import DataConfig, RunConfig
from ganvas.data.source import Dataset, open_source
from ganvas.data.stream import Scaling, split
from ganvas.data.toy import TOYS, points
from ganvas.errors import BadSetting, RunError, UnknownName, UserError
from ganvas.events import Event
from ganvas.metrics import digits, features, toy
from ganvas.metrics import evaluate as judging
from ganvas.training import checkpoint, engine, loop, resolve, sampler
from ganvas.training.state import State

Report = Callable[[int, int], None]  # pictures read, pictures in all
PANEL_PAIRS = 24


@dataclass
class Training:
    """A run to be trained: iterate over its events, or `run()` it to its end.

    Closing the iterator early, or `stop()`, leaves a run that the same call goes on with, exactly.
    """

    path: Path
    asked: RunConfig
    on_read: Report | None = None
    _stop: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Ask for the run to be saved and ended after the current step."""
        self._stop = True

    def run(self) -> Trained:
        """Train to the end and return the trained networks."""
        for _ in self:
            pass
        return load(self.path)

    def __iter__(self) -> Iterator[Event]:
        """Events from where the run stands to its end; the run folder and its report are kept up to date."""
        self._stop = False
        resolve.keep_memory()
        device = resolve.choose_device(self.asked.device)
        here = engine.start(device)
        try:
            yield from self._train(here)
        finally:
            here.close()

    def _train(self, here: engine.Engine) -> Iterator[Event]:
        if here.leads:
            if runs.exists(self.path):
                runs.check_same(runs.open_run(self.path), self.asked)
            else:
                runs.check_free(self.path)
        held = runs.lock(self.path) if here.leads else None
        try:
            dataset = here.first(lambda: read_source(self.asked, self.on_read))
            run = self._run_folder(dataset, here)
            state, note = self._state(run, here)
            torch.set_num_threads(run.resolved.threads or 1)
            events = loop.train(
                run.resolved, dataset, state=state, engine=here, checkpoints=run.checkpoints,
                should_stop=lambda: self._stop, note=note,
            )  # fmt: skip
            if here.leads:
                yield from runs.record(run, events)
                report.write_report(run.path)
            else:  # trains along and says nothing
                for _ in events:
                    pass
        finally:
            if held is not None:
                held.release()

    def _run_folder(self, dataset: Dataset, here: engine.Engine) -> runs.Run:
        """The run folder, made by the leading process where there is none yet."""
        trouble: UserError | None = None
        if here.leads and not runs.exists(self.path):
            try:
                config = resolve.with_source(self.asked, dataset)
                config = resolve.with_machine(config, dataset, here)
                machine = runs.describe_machine(config, str(here.device), here.processes)
                runs.create(self.path, self.asked, config, dataset, machine)
            except UserError as error:
                trouble = error
        trouble = here.share(trouble)
        if trouble is not None:
            raise trouble
        run = runs.open_run(self.path)
        runs.check_dataset(run, dataset)
        batch, parts = run.resolved.batch_size or 0, here.processes * run.resolved.variety.together
        if batch % parts:
            raise BadSetting(
                f"batch_size is {batch}, which {here.processes} processes cannot share evenly; "
                f"make it a multiple of {parts}."
            )
        return run

    def _state(self, run: runs.Run, here: engine.Engine) -> tuple[State, str]:
        """The state to go on from, and a word on what differs from the machine that the run began on."""
        state = State(run.resolved, run.shape, here)
        found = checkpoint.newest_good(run.checkpoints)
        if found is None:
            return state, ""
        checkpoint.load(found.path, state)
        if here.leads:
            runs.rewind(run, found.position)
        now = runs.describe_machine(run.resolved, str(here.device), here.processes)
        changes = [
            f"{name} {run.machine.get(name)} -> {now[name]}" for name in now if run.machine.get(name) != now[name]
        ]
        notes = [*found.passed_over]
        if notes:
            notes.append(f"going on from the one at {found.position:,} images")
        if changes:
            notes.append(f"not bit-exact from here on: {', '.join(changes)}")
        return state, "; ".join(notes)


def read_source(config: RunConfig, on_read: Report | None = None) -> Dataset:
    """The samples that a config names, at the resolution that its `size` allows."""
    return open_source(config.source, config.data, limit=resolve.LIMITS[config.size], progress=on_read)


def train(
    source: str | Path = "digits",
    out: str | Path | None = None,
    *,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    **everyday: Any,
) -> Training:
    """A run on a source: iterate over its events, or call `.run()`.

    Args:
        source: "digits", a 2-D set, a folder or zip of pictures, or "torchvision:NAME".
        out: the run folder; by default runs/NAME. If it holds this same run already, training goes on with it.
        preset: a name from `ganvas presets`, or a TOML file.
        settings: any setting by dotted name, such as {"loss.r1": 0.1}.
        everyday: settings without a dot: minutes, total_images, seed, size, device, threads, batch_size, model.

    Raises:
        UserError: what was given, what is accepted, what to try.
    """
    asked = presets.configure(str(source), preset, dict(everyday) | dict(settings or {}))
    return Training(Path(out) if out is not None else default_out(str(source)), asked)


def default_out(source: str) -> Path:
    """The run folder of a source, where none is given: runs/NAME."""
    return Path("runs") / (Path(source).stem or "pictures").replace(":", "-")


def resume(path: Path) -> Training:
    """Go on with a run, with the settings that it began with."""
    return Training(path, runs.open_run(path).asked)


@dataclass(frozen=True)
class Trained:
    """The averaged networks of a run, ready to sample from."""

    run: runs.Run
    position: int
    state: State

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        first: int = 0,
        truncation: float | None = None,
        label: str | None = None,
    ) -> np.ndarray:
        """Samples `first`, `first + 1`, ... of a seed; sample k is the same however many are asked for.

        Args:
            count: how many, from 1.
            seed: any number from 0.
            first: number of the first.
            truncation: tame the samples: latents beyond +- this are redrawn.
            label: of all samples, one of `labels`; by default one is drawn for each.

        Returns:
            uint8 [count, H, W, C] for pictures, float32 [count, 2] in data units for 2-D sets.
        """
        if count < 1:
            raise BadSetting(f"count is {count}, but must be at least 1.")
        network = self.state.averages[self.state.architecture.sampler]
        if self.state.architecture.takes != "latents":
            raise RunError(f"{self.run.path} repaints pictures: ganvas style PHOTO --with {self.run.path}.")
        number = None if label is None else self.label_number(label)
        rows = sampler.latents(network, count, seed=seed, first=first, truncation=truncation, label=number)
        return sampler.draw(network, rows, self.scaling)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels that it can be asked for; none where it was trained without."""
        return tuple(self.run.dataset["labels"])

    def label_number(self, label: str) -> int:
        """Place of a label among `labels`.

        Raises:
            RunError: when the run was trained without labels.
            UnknownName: with the labels there are.
        """
        if not self.labels:
            raise RunError(
                f"{self.run.path} was trained without labels; to draw one kind at a time, train with "
                "--set data.labels=true on pictures in one sub-folder for each label."
            )
        if label not in self.labels:
            raise UnknownName("label", label, self.labels)
        return self.labels.index(label)

    @property
    def scaling(self) -> Scaling | None:
        """Of 2-D sets; None for pictures."""
        facts = self.run.dataset
        return Scaling(np.asarray(facts["centre"]), facts["scale"]) if "centre" in facts else None


def load(path: str | Path, *, device: str = "cpu", checkpoint_at: int | Literal["best"] | None = None) -> Trained:
    """The trained networks of a run.

    Args:
        path: the run folder.
        device: where to sample.
        checkpoint_at: position of the checkpoint, or "best" for the one with the best score; by default the newest
            good one.

    Raises:
        RunError: when there is no run, or no usable checkpoint.
    """
    run = runs.open_run(Path(path))
    if checkpoint_at == "best":
        checkpoint_at = best_position(run)
    if checkpoint_at is None:
        found = checkpoint.newest_good(run.checkpoints)
        folder = found.path if found else None
    else:
        folder = checkpoint.folder(run.checkpoints, checkpoint_at)
        if folder not in checkpoint.folders(run.checkpoints):
            there = ", ".join(str(int(p.name)) for p in checkpoint.folders(run.checkpoints)) or "none"
            raise RunError(f"{path} has no checkpoint at {checkpoint_at} images; there are: {there}.")
    if folder is None:
        raise RunError(f"{path} has no checkpoint yet; go on with `ganvas resume {path}`.")
    state = State(run.resolved, run.shape, engine.Engine(device=resolve.choose_device(device)))
    try:
        checkpoint.load(folder, state)
    except checkpoint.Damaged as damage:
        raise RunError(f"the checkpoint {folder} is damaged: {damage}.") from None
    state.architecture.set_position(state.averages, state.images_seen)
    sampler.settle(state.averages[state.architecture.sampler], run.resolved.seed, state.device)
    return Trained(run, state.images_seen, state)


def best_position(run: runs.Run) -> int | None:
    """Position of the checkpoint with the best score, as the newest one remembers it; None where none was scored."""
    found = checkpoint.newest_good(run.checkpoints)
    best = json.loads(checkpoint.verify(found.path)["state.json"])["best"] if found else None
    return int(best[0]) if best else None


def evaluate(
    path: str | Path,
    against: str | Path | None = None,
    *,
    count: int = 10_000,
    seed: int = 0,
    feature_weights: str | Path | None = None,
    feature_hash: str | None = None,
    panel: str | Path | None = None,
    on_look: Report | None = None,
) -> dict[str, Any]:
    """Score samples of a run, or any pictures, against others.

    Args:
        path: a run, or any source of pictures: a folder, a zip, "digits".
        against: source of the real pictures; by default those that the run was trained on.
        count: at most so many pictures of each.
        seed: of a run's samples, and of the subsets in scores.
        feature_weights: safetensors of Inception v3, instead of the carried network.
        feature_hash: SHA-256 that `feature_weights` must have.
        panel: FILE.png for the samples nearest to a training picture, each beside it.
        on_look: called with (pictures looked at, pictures in all).

    Returns:
        For pictures what `metrics.evaluate.judge` gives, against the digits also `metrics.digits.judge`; for 2-D sets
        `metrics.toy` with `wasserstein` and its floor; both with source, position of a run, number of samples and seed.

    Raises:
        UserError: what was given, what is accepted, what to try.
    """
    if count < 1:
        raise BadSetting(f"count is {count}, but must be at least 1.")
    if panel is not None and Path(panel).suffix != ".png":
        raise BadSetting(f"--panel is {panel}; it takes FILE.png.")
    trained = load(path) if runs.exists(Path(path)) else None
    if trained is not None and trained.run.dataset["name"] in TOYS:
        if against is not None:
            raise BadSetting(f"{path} makes points, whose truth is known; leave out --against.")
        return _score_points(trained, count, seed)
    if feature_hash is not None and feature_weights is None:
        raise BadSetting("--feature-hash belongs to --feature-weights FILE; name the file, or leave out the hash.")
    network = features.carried() if feature_weights is None else features.from_file(Path(feature_weights), feature_hash)
    if trained is None:
        sides = _two_sources(path, against, count, network)
    else:
        sides = _run_and_source(trained, against, count, seed)
    measure = _measurer(network, [sides.fakes, sides.reals, *([sides.training] if sides.training else [])], on_look)
    fake, real = measure(sides.fakes), measure(sides.reals)
    training = measure(sides.training) if sides.training else None
    if sides.seen is None:
        scores = judging.judge(fake, real, network, training=training, labels=sides.reals.labels, seed=seed)
    else:
        seen, known = sides.seen, sides.reals.labels
        scores = judging.judge(fake, real, network, training=real[seen], held_out=real[~seen], labels=known, seed=seed)
    if sides.reals.name == "digits":
        scores |= digits.judge(*(pictures.take(0, pictures.count) for pictures in (sides.fakes, sides.reals)))
    if panel is not None:
        pairs = judging.closest(fake, real if training is None else training, PANEL_PAIRS)
        try:
            images.write_png(Path(panel), judging.panel(sides.fakes, sides.training or sides.reals, pairs))
        except OSError as error:
            raise UserError(f"--panel {panel} cannot be written: {error.strerror}.") from None
    about: dict[str, Any] = {"source": sides.fakes.name, "against": sides.reals.name}
    return about | ({"images_seen": trained.position} if trained else {}) | scores


@dataclass(frozen=True)
class _Sides:
    """What is compared: the training pictures apart where the reals are others; which of the reals trained the run."""

    fakes: judging.Pictures
    reals: judging.Pictures
    training: judging.Pictures | None = None
    seen: np.ndarray | None = None  # bool, one for each real; None when none was held out


def _score_points(trained: Trained, count: int, seed: int) -> dict[str, Any]:
    name = trained.run.dataset["name"]
    made = trained.sample(count, seed=seed)
    true, others = (points(name, toy.MATCHED, seed=first) for first in (seed + 1, seed + 2))
    scores = toy.toy_scores(made, TOYS[name]())
    scores |= {
        "wasserstein": toy.wasserstein(made, true),
        "wasserstein_floor": toy.wasserstein(others[: len(made)], true),
    }
    return {"source": name, "images_seen": trained.position, "n_fake": count, "seed": seed} | scores


def _two_sources(path: str | Path, against: str | Path | None, count: int, network: features.FeatureNetwork) -> _Sides:
    """Any two sets of pictures, the second as what the first was learned from."""
    if against is None:
        raise RunError(f"{runs.no_run(Path(path))} To score pictures, add --against SOURCE.")
    # One size for both, straight from the files: reading 28 pixels as 16 first would be seen as blur.
    data = DataConfig(resolution=str(network.side))
    sets = [open_source(str(source), data, limit=network.side) for source in (path, against)]
    for source in sets:
        if not source.is_pictures:
            raise BadSetting(f"{source.name} holds points; evaluate compares pictures, or a run on points by itself.")
    return _Sides(judging.some(sets[0], count), judging.some(sets[1], count))


def _run_and_source(trained: Trained, against: str | Path | None, count: int, seed: int) -> _Sides:
    """Samples of a run, what to compare them with, and what it was trained on."""
    run = trained.run
    fakes = judging.Pictures(
        run.path.name, count, lambda start, stop: trained.sample(stop - start, seed=seed, first=start)
    )
    source = read_source(run.asked)
    training = judging.some(source, count)
    if against is None:
        rows, _ = split(len(source.samples), run.resolved.steady.held_out or 0, run.resolved.seed)
        seen = np.isin(judging.chosen(source, count), rows)
        return _Sides(fakes, training, seen=seen if (~seen).sum() >= judging.FEWEST else None)
    channels, height, width = run.shape
    as_trained = run.resolved.data.but(
        resolution=f"{height}x{width}", channels={1: "grey", 3: "rgb", 4: "rgba"}[channels], labels=False
    )
    dataset = open_source(str(against), as_trained, limit=max(height, width))
    if not dataset.is_pictures:
        raise BadSetting(f"{dataset.name} holds points, and {run.path} makes pictures; --against takes pictures.")
    reals = judging.some(dataset, count)
    return _Sides(fakes, reals, None if reals.key == training.key else training)


def _measurer(
    network: features.FeatureNetwork, sets: list[judging.Pictures], on_look: Report | None
) -> Callable[[judging.Pictures], np.ndarray]:
    """Measures one set after another, and tells of their progress as of one."""
    total, before = sum(pictures.count for pictures in sets), 0

    def measure(pictures: judging.Pictures) -> np.ndarray:
        nonlocal before
        tell = (lambda done, _: on_look(before + done, total)) if on_look else None
        found = judging.measure(pictures, network, tell)
        before += pictures.count
        return found

    return measure


__all__ = ["Trained", "Training", "evaluate", "load", "resume", "train"]
