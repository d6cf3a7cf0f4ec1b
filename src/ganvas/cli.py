"""The command line: `ganvas train`, `resume`, `sample`, `evaluate`, `prepare`, `tune`, `runs`, `presets`, `doctor`.

Only words and files here; whatever needs torch is imported inside the command that needs it.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

import ganvas
from ganvas.arguments import misunderstood, split_assignments
from ganvas.errors import BadSetting, UnknownName, UserError
from ganvas.interrupts import Interrupts
from ganvas.tables import print_table

if TYPE_CHECKING:
    from ganvas.config import RunConfig

SETTINGS_HELP = "Any other setting, as NAME=VALUE; `ganvas settings` lists them."


@dataclass
class Train:
    """Train on a folder or zip of pictures, on carried digits, or on a 2-D set. Run it again to go on after a stop."""

    source: tyro.conf.Positional[str] = "digits"
    """Folder or zip of pictures, digits, sine, ring, grid, spiral, imbalanced-ring, or torchvision:MNIST,
    torchvision:FashionMNIST, torchvision:CIFAR10."""
    out: Path | None = None
    """Run folder; by default runs/NAME."""
    preset: str | None = None
    """A name from `ganvas presets`, or a TOML file; by default what suits the source."""
    size: str | None = None
    """small, medium or large: resolution and networks follow."""
    minutes: float | None = None
    """Length of training in minutes."""
    images: int | None = None
    """Length of training in images, instead of minutes."""
    seed: int | None = None
    """Seed of every random draw."""
    resolution: str | None = None
    """Size of the pictures, as 64 or HEIGHTxWIDTH."""
    fit: str | None = None
    """Pictures of another shape: crop, pad, or keep the collection's usual shape."""
    channels: str | None = None
    """auto, grey, rgb or rgba."""
    labels: bool = False
    """Take the names of sub-folders as labels."""
    device: str | None = None
    """auto, cpu, cuda or mps."""
    steady: str | None = None
    """What to do about trouble: auto puts it right and says so, warn only says so, off does nothing."""
    patience: float | None = None
    """End the run when the score has not improved for this share of it, such as 0.3."""
    set: Annotated[list[str], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=VALUE", help=SETTINGS_HELP)] = (
        field(default_factory=list)
    )
    dry_run: bool = False
    """Print every setting as it would be used, and stop."""

    def changes(self) -> dict[str, Any]:
        """What the flags say, by dotted name."""
        from ganvas.config import parse_assignments

        if self.minutes is not None and self.images is not None:
            raise BadSetting("give --minutes or --images, not both: the one is the other at the machine's speed.")
        named = {
            "size": self.size, "minutes": self.minutes, "total_images": self.images, "seed": self.seed,
            "data.resolution": self.resolution, "data.fit": self.fit, "data.channels": self.channels,
            "data.labels": self.labels or None, "device": self.device,
            "steady.mode": self.steady, "steady.patience": self.patience,
        }  # fmt: skip
        return {name: value for name, value in named.items() if value is not None} | parse_assignments(self.set)

    def __call__(self) -> int:
        """Train, or print the settings."""
        from ganvas import api, presets

        asked = presets.configure(self.source, self.preset, self.changes())
        if self.dry_run:
            return dry_run(asked)
        return follow(api.Training(self.out or api.default_out(self.source), asked))


@dataclass
class Resume:
    """Go on with a run that was stopped, exactly as if it had not been."""

    run: tyro.conf.Positional[Path]
    """Run folder."""

    def __call__(self) -> int:
        """Train on."""
        from ganvas import api

        return follow(api.resume(self.run))


@dataclass
class Sample:
    """Draw samples of a trained run: a sheet, an array, or one picture each."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path
    """FILE.png for a sheet, FILE.npz for an array (`images` or `points`), or a folder for one picture each."""
    count: int = 64
    """How many."""
    seed: int = 0
    """Sample k of a seed is always the same."""
    truncation: float | None = None
    """Keep latents within +- this: 2 trims the rarest samples, 0.5 keeps the typical."""
    checkpoint: str | None = None
    """Position of the checkpoint in images, or best; by default the newest."""

    def __call__(self) -> int:
        """Sample and write."""
        import numpy as np

        from ganvas import api, images, plots

        if self.out.suffix not in ("", ".png", ".npz"):
            raise BadSetting(f"--out is {self.out}; it takes FILE.png, FILE.npz, or a folder.")
        trained = api.load(self.run, checkpoint_at=checkpoint_named(self.checkpoint))
        made = trained.sample(self.count, seed=self.seed, truncation=self.truncation)
        pictures = made.ndim == 4
        try:
            if self.out.suffix == ".npz":
                buffer = io.BytesIO()
                named: dict[str, Any] = {"images" if pictures else "points": made}
                np.savez_compressed(buffer, **named)
                images.write_bytes(self.out, buffer.getvalue())
            elif self.out.suffix == ".png":
                images.write_png(
                    self.out,
                    images.grid(made) if pictures else plots.points_picture(made, extent=plots.square_around(made)),
                )
            elif not pictures:
                raise BadSetting(f"{self.run} makes points, not pictures; --out takes FILE.png or FILE.npz for it.")
            else:
                for index, image in enumerate(made):
                    images.write_png(self.out / f"{index:06d}.png", image)
        except OSError as error:
            raise UserError(f"{self.out} cannot be written: {error.strerror}.") from None
        print(f"{self.count} samples at {trained.position:,} images: {self.out}")
        return 0


def checkpoint_named(text: str | None) -> int | Literal["best"] | None:
    """What --checkpoint says."""
    if text is None or text == "best":
        return text  # type: ignore[return-value]
    if not text.replace(",", "").replace("_", "").isdigit():
        raise BadSetting(f"--checkpoint takes a position in images, or best; got {text!r}.")
    return int(text.replace(",", ""))


@dataclass
class Evaluate:
    """Score a run's samples, or any pictures, against others; a run on a 2-D set against the truth."""

    run: tyro.conf.Positional[Path]
    """Run folder, or a folder or zip of pictures."""
    against: str | None = None
    """Folder, zip or other source of real pictures; by default what the run was trained on."""
    count: int = 10_000
    """Score at most so many pictures of each."""
    seed: int = 0
    """Seed of the samples, and of the subsets in scores."""
    feature_weights: Path | None = None
    """Safetensors of torchvision's Inception v3, to look with instead of the carried network."""
    feature_hash: str | None = None
    """SHA-256 that the file of weights must have."""
    panel: Path | None = None
    """FILE.png for the samples most like a training picture, each beside it."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> int:
        """Print the scores."""
        from ganvas import api
        from ganvas.display import Display, score_rows

        with Display(self.run) as display:
            scores = api.evaluate(
                self.run, self.against, count=self.count, seed=self.seed, feature_weights=self.feature_weights,
                feature_hash=self.feature_hash, panel=self.panel, on_look=display.looking,
            )  # fmt: skip
        if self.json:
            print(json.dumps(scores))
            return 0
        print_table(["score", "value", "95 %", "floor"], score_rows(scores))
        for note in scores.get("notes", []):
            print(f"note: {note}")
        return 0


@dataclass
class Prepare:
    """Look through pictures as training would: what is read, what is skipped and why. Trains nothing."""

    source: tyro.conf.Positional[str]
    """Folder or zip of pictures."""
    size: str = "small"
    """small, medium or large."""
    resolution: str | None = None
    """Size of the pictures, as 64 or HEIGHTxWIDTH."""
    fit: str | None = None
    """crop, pad or keep."""
    channels: str | None = None
    """auto, grey, rgb or rgba."""
    labels: bool = False
    """Take the names of sub-folders as labels."""

    def __call__(self) -> int:
        """Read and tell."""
        from ganvas import api
        from ganvas.display import Display

        asked = Train(self.source, size=self.size, resolution=self.resolution, fit=self.fit, channels=self.channels,
                      labels=self.labels)  # fmt: skip
        from ganvas import presets

        with Display(Path()) as display:
            dataset = api.read_source(presets.configure(self.source, None, asked.changes()), display.reading)
        print(f"{dataset.name}: {len(dataset.samples):,} samples of shape {dataset.shape}")
        if dataset.label_names:
            print(f"labels: {', '.join(dataset.label_names)}")
        if dataset.report:
            print(f"report: {dataset.report}")
        return 0


@dataclass
class Tune:
    """Search for settings that suit your pictures: short trial runs, the best written as a preset file."""

    source: tyro.conf.Positional[str] = "digits"
    """As for train."""
    out: Path | None = None
    """The preset file to write, NAME.toml; by default runs/NAME-tuned.toml. The study is kept beside it."""
    preset: str | None = None
    """Where to start from; by default what suits the source."""
    minutes: float = 20
    """Length of the whole search."""
    trials: int = 20
    """How many settings to try; the first are the preset's own."""
    seed: int = 0
    """Seed of the search and of every trial."""
    set: Annotated[list[str], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=VALUE", help=SETTINGS_HELP)] = (
        field(default_factory=list)
    )

    def __call__(self) -> int:
        """Search, telling of each trial."""
        from ganvas import api, presets, search
        from ganvas.config import parse_assignments

        if self.trials < 1 or not self.minutes > 0:
            raise BadSetting(f"--trials and --minutes take numbers above 0; got {self.trials} and {self.minutes:g}.")
        out = self.out or api.default_out(self.source).with_name(f"{api.default_out(self.source).name}-tuned.toml")
        if out.suffix != ".toml":
            raise BadSetting(f"--out is {out}; it takes NAME.toml.")
        asked = presets.configure(self.source, self.preset, {"seed": self.seed} | parse_assignments(self.set))
        dataset = api.read_source(asked)
        tuning = search.Search(asked, dataset, out.with_suffix(".db"), trials=self.trials, minutes=self.minutes)
        before = len(search.finished(tuning.study))
        done = before
        print(f"{self.trials - before} trials of {tuning.config.total_images:,} images each, to end early if poor")
        with Interrupts() as stop:
            for done, outcome in enumerate(tuning.run(stop.asked), before + 1):
                print(f"{done}/{self.trials}  {outcome.words(self.trials - done)}", flush=True)
        if stop.asked():
            print(f"stopped after {done} trials; the same command goes on.")
            return 0
        search.write_preset(out, tuning.best(asked))
        print(f"best score {tuning.study.best_value:.4g}; train with: ganvas train {self.source} --preset {out}")
        return 0


@dataclass
class Runs:
    """List the runs in a folder."""

    folder: tyro.conf.Positional[Path] = Path("runs")
    """Where the runs are."""

    def __call__(self) -> int:
        """Print a table."""
        from ganvas import report, runs

        rows = []
        for path in runs.list_runs(self.folder):
            try:
                resolved = runs.open_run(path).resolved
            except UserError as error:
                rows.append([path.name, str(error), "", "", ""])
                continue
            seen, total = report.read_log(path / "events.jsonl").images_seen, resolved.total_images or 1
            rows.append([path.name, resolved.source, resolved.model, f"{seen:,}", f"{min(1, seen / total):.0%}"])
        if not rows:
            print(f"no runs in {self.folder}; start one with: ganvas train SOURCE --out {self.folder}/NAME")
        else:
            print_table(["run", "source", "model", "images seen", "done"], rows)
        return 0


@dataclass
class Presets:
    """List the presets."""

    def __call__(self) -> int:
        """Print a table."""
        from ganvas.presets import PRESETS

        print_table(
            ["preset", "what for"],
            [[name, (make.__doc__ or "").split("\n")[0].strip()] for name, make in PRESETS.items()],
        )
        return 0


@dataclass
class ListSettings:
    """List every setting that --set takes."""

    def __call__(self) -> int:
        """Print a table."""
        from ganvas.config import describe

        rows = [
            [name, takes, "" if default is None else str(default), text] for name, takes, default, text in describe()
        ]
        print_table(["setting", "takes", "default", "what it does"], rows)
        return 0


@dataclass
class Doctor:
    """Look at this machine: device, threads, measured speed, carried files."""

    def __call__(self) -> int:
        """Print what was found."""
        from ganvas import doctor

        healthy = True
        for finding in doctor.examine():
            print(f"{'ok ' if finding.fine else 'BAD'} {finding.what}: {finding.found}", flush=True)
            healthy &= finding.fine
        return 0 if healthy else 1


COMMANDS: dict[str, type] = {
    "train": Train, "resume": Resume, "sample": Sample, "evaluate": Evaluate, "prepare": Prepare,
    "tune": Tune, "runs": Runs, "presets": Presets, "settings": ListSettings, "doctor": Doctor,
}  # fmt: skip


def dry_run(asked: RunConfig) -> int:
    """Print every setting as training would use it."""
    from ganvas import api
    from ganvas.config import flat
    from ganvas.training import engine, resolve

    alone = engine.Engine(device=resolve.choose_device(asked.device))
    dataset = api.read_source(asked)
    resolved = resolve.with_machine(resolve.with_source(asked, dataset), dataset, alone)
    given = flat(asked)
    print_table(
        ["setting", "value", ""],
        [
            [name, str(value), "" if given.get(name) == value else "worked out"]
            for name, value in flat(resolved).items()
        ],
    )
    return 0


def follow(training: Any) -> int:
    """Train with a progress display; Ctrl-C and SIGTERM save and stop, a second Ctrl-C stops at once."""
    from ganvas.display import Display

    with Interrupts(training.stop), Display(training.path) as display:
        training.on_read = display.reading
        finished = display.show(training)
    if finished is None:  # one of several processes, and not the one that tells
        return 0
    if finished.complete:
        newest = sorted((training.path / "samples").glob("*.png"))[-1:]
        print(f"finished at {finished.images_seen:,} images in {finished.seconds:.0f} s")
        for path in [*newest, training.path / "report.html"]:
            print(f"  {path}")
    else:
        print(f"stopped and saved at {finished.images_seen:,} images; go on with: ganvas resume {training.path}")
    return 0


def overview() -> None:
    """Print what ganvas can do."""
    print(f"{(ganvas.__doc__ or '').splitlines()[0]}\n\nusage: ganvas COMMAND [OPTIONS]; ganvas COMMAND --help\n")
    for name, command in COMMANDS.items():
        print(f"  {name:9} {(command.__doc__ or '').strip()}")


def parse(arguments: list[str]) -> Any:
    """The command that the arguments name.

    Raises:
        UserError: one line on what cannot be understood.
    """
    name, *rest = arguments
    if name not in COMMANDS:
        raise UnknownName("command", name, COMMANDS)
    command = COMMANDS[name]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                command, prog=f"ganvas {name}", args=split_assignments(rest), config=(tyro.conf.DisallowNone,)
            )
    except SystemExit as exit_:
        if exit_.code in (0, None):
            raise
        raise misunderstood(command, name, rest, complaint.getvalue()) from None


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 is success, 2 a mistake of the user explained in one line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(f"ganvas {ganvas.__version__}")
        return 0
    if not arguments or arguments[0] in ("-h", "--help"):
        overview()
        return 0
    try:
        code: int = parse(arguments)()
        return code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped at once; what was saved before stays, go on with the same command.", file=sys.stderr)
        return 130
