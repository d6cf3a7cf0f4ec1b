"""`ganvas evaluate`: how good samples are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from ganvas.tables import print_table


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
        if "digit_classes" in scores:
            columns = [scores[f"digit_{name}"] for name in ("classes", "classes_real", "coverage")]
            shares = [["-" if x is None else f"{x:.1%}" for x in row] for row in zip(*columns, strict=True)]
            print_table(["digit", "share", "of the real", "covered"], [[str(d), *row] for d, row in enumerate(shares)])
        elif "label_coverage" in scores:
            print_table(["label", "covered"], [[n, f"{share:.1%}"] for n, share in scores["label_coverage"].items()])
        for note in scores.get("notes", []):
            print(f"note: {note}")
        return 0
