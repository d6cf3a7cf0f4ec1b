"""`ganvas runs`, `presets`, `styles`, `settings`, `doctor`: what there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from ganvas.errors import UserError
from ganvas.tables import print_table


@dataclass
class Runs:
    """List the runs in a folder."""

    folder: tyro.conf.Positional[Path] = Path("runs")
    """Where the runs are."""

    def __call__(self) -> int:
        """Print a table."""
        from ganvas import runs
        from ganvas.report.log import read_log

        rows = []
        for path in runs.list_runs(self.folder):
            try:
                resolved = runs.open_run(path).resolved
            except UserError as error:
                rows.append([path.name, str(error), "", "", ""])
                continue
            seen, total = read_log(path / "events.jsonl").images_seen, resolved.total_images or 1
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
class Styles:
    """List the styles that can be named instead of a painting."""

    sheet: Path | None = None
    """Picture file to draw them all on, instead of a table."""

    def __call__(self) -> int:
        """Print a table."""
        from ganvas import gallery, photos

        if self.sheet is None:
            print_table(["style", "what it looks like"], [list(row) for row in gallery.STYLES.items()])
            return 0
        photos.write(self.sheet, photos.Photo(gallery.sheet().astype("float32") / 255))
        print(self.sheet)
        return 0


@dataclass
class ListSettings:
    """List every setting that --set takes."""

    def __call__(self) -> int:
        """Print a table."""
        from ganvas.config import RunConfig, describe
        from ganvas.style.config import FastConfig, StyleConfig

        groups = (("training", RunConfig), ("style transfer", StyleConfig), ("style transfer --fast", FastConfig))
        for title, settings in groups:
            rows = [
                [name, takes, "" if default is None else str(default), text]
                for name, takes, default, text in describe(settings)
            ]
            print_table([title, "takes", "default", "what it does"], rows)
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
