"""`ganvas style-train`, `style-export`: a network that repaints photographs in one style."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ganvas.commands.train import SETTINGS_HELP, follow
from ganvas.errors import BadSetting


@dataclass
class StyleTrain:
    """Learn one style, to repaint any photograph in a moment. Run it again to go on after a stop."""

    style: tyro.conf.Positional[Path]
    """Picture whose style is learnt: a file, or a name of `ganvas styles`."""
    photos: Path | None = None
    """Folder or zip of photographs to practise on, best a hundred or more; by default fourteen of scikit-image."""
    out: Path | None = None
    """Run folder; by default runs/NAME of the picture."""
    minutes: float | None = None
    """Length of training in minutes; by default 30."""
    images: int | None = None
    """Length of training in images, instead of minutes."""
    seed: int | None = None
    """Seed of every random draw."""
    device: str | None = None
    """auto, cpu, cuda or mps."""
    set: Annotated[list[str], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=VALUE", help=SETTINGS_HELP)] = (
        field(default_factory=list)
    )

    def __call__(self) -> int:
        """Train."""
        from ganvas import stylists
        from ganvas.config import parse_assignments

        if self.minutes is not None and self.images is not None:
            raise BadSetting("give --minutes or --images, not both: the one is the other at the machine's speed.")
        named = {"minutes": self.minutes, "total_images": self.images, "seed": self.seed, "device": self.device}
        given = {name: value for name, value in named.items() if value is not None} | parse_assignments(self.set)
        if self.photos is None and "source" not in given:
            print(
                "practising on the few photographs of scikit-image; a hundred, by --photos FOLDER, make it paint better"
            )
        return follow(stylists.training(self.style, self.out, photos=self.photos, settings=given))


@dataclass
class StyleExport:
    """Write the network of `style-train` as ONNX, for phones, browsers and other programs."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: tyro.conf.Positional[Path]
    """FILE.onnx to write."""

    def __call__(self) -> int:
        """Export, and compare with torch."""
        from ganvas import stylists

        if self.out.suffix != ".onnx":
            raise BadSetting(f"the file is {self.out}; it takes FILE.onnx.")
        gap = stylists.load(self.run).export(self.out)
        print(f"{self.out}: {self.out.stat().st_size / 1e6:.1f} MB, within {gap:.0e} of torch")
        return 0
