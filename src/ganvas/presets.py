"""Settings that are known to work, and the way from a few words to a run.

A preset is a function that returns a whole RunConfig; its docstring says what it is for and what it was measured to
reach. This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganvas.config import (
    AverageConfig,
    DataConfig,
    LossConfig,
    OptimiserConfig,
    RunConfig,
    SaveConfig,
    changed,
    read_toml,
)
from ganvas.errors import BadSetting, UnknownName


def pictures() -> RunConfig:
    """Your own pictures: the lean networks, relativistic loss with R1 and R2 every fourth step, 20 minutes."""
    return RunConfig(
        source="pictures",
        model="lean",
        minutes=20,
        loss=LossConfig(penalty_every=4),
        optimiser=OptimiserConfig(schedule="linear-tail", final_lr=0.05, tail=0.5),
    )


def digits() -> RunConfig:
    """The carried handwritten digits with their labels, two minutes on a CPU.

    Measured 2026-11-26 (docs/experiments.md): Frechet distance 0.13 to 0.15 on digit-classifier features after 240
    CPU-seconds on one thread (0.9 without labels), where DCGAN has 18.9 to 22.0 and the training digits 0.08.
    """
    return pictures().but(source="digits", minutes=2, data={"labels": True}, optimiser={"generator_lr": 1e-2})


def collapse() -> RunConfig:
    """Digits with a generator far too quick: see it collapse with --steady off, and heal with --steady auto."""
    return digits().but(data={"labels": False}, optimiser={"generator_lr": 6e-2})


def sine() -> RunConfig:
    """The sine curve, half a minute on one thread.

    Measured 2026-11-26 (docs/experiments.md), three seeds: 99.7 % of the points near the curve, 64 of 64 arcs.
    """
    return ring().but(
        source="sine",
        minutes=0.5,
        batch_size=128,
        network={
            "latent_skip": True,
            "discriminator_frequencies": 16,
            "lowest_frequency": 0.5,
            "highest_frequency": 5.0,
        },
        loss={"final_penalty": 0.05},
    )


def ring() -> RunConfig:
    """Eight Gaussians on a circle, one minute on one thread.

    Measured 2026-11-26 (docs/experiments.md), ten seeds: 8 of 8 modes, 95 to 97 % of the points of high quality.
    """
    return RunConfig(
        source="ring",
        model="mlp",
        minutes=1,
        batch_size=256,
        network={"latent_skip": True, "generator_frequencies": 32, "discriminator_frequencies": 64},
        loss=LossConfig(r1=0.02, r2=0.02, final_penalty=0.02, instance_noise=0.15),
        optimiser=OptimiserConfig(generator_lr=5e-3, discriminator_lr=5e-3, schedule="cosine", final_lr=0.005),
        average=AverageConfig(half_life_images=1e9, ramp=0.1),
    )


def grid() -> RunConfig:
    """25 Gaussians on a grid, one minute on one thread.

    Measured 2026-11-26 (docs/experiments.md), ten seeds: 25 of 25 modes, 93 to 97 % of the points of high quality.
    """
    return ring().but(source="grid")


def spiral() -> RunConfig:
    """20 Gaussians along a spiral, one minute on one thread.

    Measured 2026-11-26 (docs/experiments.md), ten seeds: 20 of 20 modes, 96 to 97 % of the points of high quality.
    """
    return ring().but(source="spiral")


def imbalanced_ring() -> RunConfig:
    """Eight Gaussians with shares 1 : 2 : ... : 8, one minute on one thread.

    Measured 2026-11-26 (docs/experiments.md), ten seeds: 8 of 8 modes, 96 to 97 % of the points of high quality.
    """
    return ring().but(source="imbalanced-ring")


def dcgan() -> RunConfig:
    """DCGAN as in the paper: batch normalisation in both networks, non-saturating loss, Adam 2e-4 (0.5, 0.999)."""
    return RunConfig(
        model="dcgan",
        minutes=4,
        loss=LossConfig(adversarial="nonsaturating", r1=0.0, r2=0.0),
        optimiser=OptimiserConfig(generator_lr=2e-4, discriminator_lr=2e-4, beta1=0.5, beta2=0.999),
    )


def digits_perceptrons() -> RunConfig:
    """The classic lesson: 100-256-512-1024-784 against 784-1024-512-256-1; see it struggle."""
    return dcgan().but(
        source="digits",
        model="mlp",
        batch_size=256,
        network={
            "latent_size": 100,
            "generator_widths": (256, 512, 1024),
            "discriminator_widths": (1024, 512, 256),
            "activation": "leaky",
            "batch_norm": True,
        },
    )


def sine_classic() -> RunConfig:
    """The classic first GAN on the sine curve: small perceptrons, non-saturating loss, no penalty; see it miss."""
    return dcgan().but(
        source="sine",
        model="mlp",
        minutes=0.5,
        batch_size=32,
        network={"generator_widths": (16, 32), "discriminator_widths": (256, 128, 64)},
        optimiser={"generator_lr": 1e-3, "discriminator_lr": 1e-3, "beta1": 0.9},
    )


def vae() -> RunConfig:
    """A variational autoencoder: blurry, but it cannot collapse."""
    return RunConfig(
        model="vae",
        minutes=2,
        loss=LossConfig(r1=0.0, r2=0.0),
        optimiser=OptimiserConfig(generator_lr=1e-3, beta1=0.9, beta2=0.999, schedule="cosine"),
    )


def stylise() -> RunConfig:
    """A network that repaints photographs in one style, 30 minutes on two cores; see `ganvas style-train`."""
    return RunConfig(
        source="photographs",
        model="stylise",
        network={"halvings": 3, "blocks": 3, "late_blocks": 2, "shortcuts": True, "whitening": 5},
        minutes=30,
        batch_size=1,
        data=DataConfig(resolution="192x256", channels="rgb", crops=1000),
        optimiser=OptimiserConfig(generator_lr=1e-3, beta1=0.9, beta2=0.999, schedule="cosine", final_lr=0.02),
        average=AverageConfig(half_life_images=400),
        save=SaveConfig(samples=12),
    )


PRESETS: dict[str, Callable[[], RunConfig]] = {
    preset.__name__.replace("_", "-"): preset
    for preset in (
        pictures, digits, collapse, sine, ring, grid, spiral, imbalanced_ring, dcgan, digits_perceptrons, sine_classic,
        vae,
    )
}  # fmt: skip

SIZES: dict[str, dict[str, Any]] = {
    "small": {},
    "medium": {"network.compute": 9.0},
    "large": {"network.compute": 12.0},
}


def one_length(changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, with `minutes` unset where `total_images` is given, and the other way round.

    Raises:
        BadSetting: when both are given.
    """
    minutes, images = (changes.get(name) not in (None, "none") for name in ("minutes", "total_images"))
    if minutes and images:
        raise BadSetting("give minutes or total_images, not both: the one is the other at the machine's speed.")
    return changes | ({"minutes": None} if images else {}) | ({"total_images": None} if minutes else {})


def configure(
    source: str | None = None, preset: str | None = None, changes: Mapping[str, Any] | None = None
) -> RunConfig:
    """What was asked for, as a config: a preset, then the size dial, then every other change.

    Args:
        source: what to learn; by default the preset's own, or "digits".
        preset: a name in PRESETS or a TOML file; by default the one named like the source, else "pictures".
        changes: values by dotted name, as text or typed.

    Raises:
        UnknownName, BadSetting: what was given, what is accepted.
    """
    changes = one_length(dict(changes or {}))
    if preset is not None and (preset.endswith(".toml") or Path(preset).is_file()):
        told = one_length(read_toml(Path(preset)))
        base = configure(source).but(network={}) if "model" in told else configure(source)
        changes = told | changes
    else:
        name = preset or (source if source in PRESETS else "digits" if source is None else "pictures")
        if name not in PRESETS:
            raise UnknownName("preset", name, PRESETS)
        base = PRESETS[name]()
    if source is not None:
        base = base.but(source=source)
    elif base.source == "pictures":
        base = base.but(source="digits")
    if changes.get("model") not in (None, base.model):
        base = base.but(network={})
    sized = SIZES.get(str(changes.get("size", base.size)), {})
    model = changes.get("model", base.model)
    if model in ("lean", "vae"):
        changes = sized | changes
    return changed(base, changes)
