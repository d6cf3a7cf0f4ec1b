"""`ganvas tune`: search for settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ganvas.commands.train import SETTINGS_HELP
from ganvas.errors import BadSetting
from ganvas.interrupts import Interrupts


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
