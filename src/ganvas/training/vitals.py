"""What one checkup found: numbers that monitors judge, and that a checkpoint keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Vitals:
    """What one checkup found; None where it does not apply."""

    images_seen: int
    progress: float  # share of the run
    steps: int
    loss: float  # of the samples' score: lower is better
    diversity: float  # mean distance between two samples, against that between two real ones
    coverage: float  # share of real samples that have a generated one near
    contrast: float  # how much pictures differ from a flat one, against real ones
    closeness: float | None = None  # distance to the nearest training sample, against held-out ones
    pattern: float | None = None  # share of energy in the finest pattern, less that of real pictures
    overfit: float | None = None  # how far held-out logits have moved from training logits to those of fakes
    strength: float | None = None  # share of real samples ranked above fakes, since the last report
    discriminator_gradient: float | None = None
    generator_gradient: float | None = None
    discriminator_step: float | None = None  # length of its latest step, as a share of the length of its weights
    generator_step: float | None = None
    discriminator_growth: float | None = None  # length of its weights, against that before the first step
    generator_growth: float | None = None
    leak: float | None = None  # distance of samples to augmented real ones, over that to real ones as they are
    unpenalised: bool = False  # whether a discriminator that could have a gradient penalty has none
    dead_units: float | None = None  # of the ReLU that has most, the share of units silent for every sample
    skipped: float = 0.0

    def told(self, stats: Mapping[str, float]) -> Vitals:
        """With what the steps since the last checkup told."""
        return replace(
            self,
            strength=stats.get("discriminator/wins"),
            discriminator_gradient=stats.get("discriminator/gradient"),
            generator_gradient=stats.get("generator/gradient"),
            skipped=stats.get("skipped", 0.0),
        )

    @classmethod
    def of(cls, values: dict[str, Any]) -> Vitals:
        """From the JSON that `asdict` made; unknown names are left out."""
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})
