"""`ganvas train`, `resume`, `prepare`: from pictures to a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ganvas.errors import BadSetting
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
            "device": self.device, "steady.mode": self.steady, "steady.patience": self.patience,
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

    def __call__(self) -> int:
        """Read and tell."""
        from ganvas import api, presets
        from ganvas.display import Display

        asked = Train(self.source, size=self.size, resolution=self.resolution, fit=self.fit, channels=self.channels)
        with Display(Path()) as display:
            dataset = api.read_source(presets.configure(self.source, None, asked.changes()), display.reading)
        print(f"{dataset.name}: {len(dataset.samples):,} samples of shape {dataset.shape}")
        if dataset.report:
            print(f"report: {dataset.report}")
        return 0


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
