"""Settings that change along the run, as functions of its progress, the share of images seen: 0 at first, 1 at last."""

from __future__ import annotations

import math

from ganvas.config import OptimiserConfig


def cosine(start: float, end: float, progress: float) -> float:
    """Half a cosine from start to end."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def learning_rate(optimiser: OptimiserConfig, progress: float) -> float:
    """The factor on learning rates."""
    match optimiser.schedule:
        case "constant":
            return 1.0
        case "cosine":
            return cosine(1.0, optimiser.final_lr, progress)
        case "linear-tail":
            left = min(1.0, (1.0 - min(1.0, progress)) / optimiser.tail)
            return optimiser.final_lr + (1.0 - optimiser.final_lr) * left


def penalty_rule(pixels: int) -> float:
    """The weight of R1 and R2 for pictures of so many pixels: 0.125 at 28 x 28, in proportion."""
    return round(0.125 * pixels / 784, 4)


def instance_noise(start: float, progress: float) -> float:
    """Standard deviation of the noise on samples: falls as a square to nothing halfway."""
    return start * max(0.0, 1.0 - 2.0 * progress) ** 2


def warm_up(progress: float, share: float = 0.1) -> float:
    """From 0 to 1 over the first share of the run."""
    return min(1.0, progress / share)
