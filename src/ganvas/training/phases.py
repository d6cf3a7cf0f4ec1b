"""What an objective is made of: phases, each one optimiser step, and what their losses may look at.

Shapes: N samples of this process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from ganvas.training.draws import Draws
from ganvas.training.remedies import Controls

Stats = dict[str, Tensor]
Samples = Any  # Tensor [N, ...], or a list of them


@dataclass(frozen=True)
class Step:
    """What a loss may look at: the networks by role, one batch, random numbers, and where the run stands.

    `memory` holds tensors that a loss carries from step to step, such as a history of fakes; a loss replaces
    entries by new tensors, and they are part of every checkpoint. `scratch` lives for this step alone: what one
    phase has worked out already and a later one can use.
    """

    networks: Mapping[str, nn.Module]
    batch: Mapping[str, Any]  # "real", and "labels" [N] where there are any
    draws: Draws
    index: int  # steps so far
    progress: float  # share of the run, 0 to 1
    memory: dict[str, Tensor]
    controls: Controls = field(default_factory=Controls)  # what remedies have turned
    scratch: dict[str, Any] = field(default_factory=dict)


Loss = Callable[[Step], tuple[Tensor, Stats]]


@dataclass(frozen=True)
class Phase:
    """One optimiser step: whose side it is on, the networks it moves, the loss per sample, and how often.

    The statistics that a loss returns are [N] or scalars; the loop averages them.
    """

    name: str
    player: Literal["generator", "discriminator"]
    trains: tuple[str, ...]
    loss: Loss
    every: int = 1


@dataclass(frozen=True)
class Objective:
    """The phases of a step in their order, and the memory they begin with."""

    phases: tuple[Phase, ...]
    memory: dict[str, Tensor] = field(default_factory=dict)
