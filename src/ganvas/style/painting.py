"""A painting while it is being painted: all that changes, and so all that must be kept to go on after a kill.

Shapes: H height, W width of the current scale. Pictures are float [1, 3, H, W], sRGB in [0, 1].
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganvas.errors import UserError
from ganvas.images import replacing
from ganvas.style.config import StyleConfig
from ganvas.style.optimisers import LBFGS, Adam, Optimiser

SCHEMA = 1
RECENT = 60  # losses that are remembered


@dataclass
class Painting:
    """The picture, its running average, the optimiser's memory, and where all this stands.

    Attributes:
        picture: where the optimiser is.
        average: decayed sum of pictures since the scale began, `averaged` their number decayed alike; Adam's result.
        best: the picture of the lowest loss of this scale, `lowest`.
        scale, scale_steps, step: which scale, steps made in it, steps made in all.
        recent: the last losses of this scale.
        failures: how often the loss exploded.
        losses: of the last good step, by name.
    """

    optimiser: Optimiser
    decay: float
    picture: Tensor
    average: Tensor | None = None
    averaged: float = 0.0
    best: Tensor | None = None
    lowest: float = math.inf
    scale: int = 0
    scale_steps: int = 0
    step: int = 0
    failures: int = 0
    recent: list[float] = field(default_factory=list)
    losses: dict[str, float] = field(default_factory=dict)

    @classmethod
    def begin(cls, config: StyleConfig, picture: Tensor) -> Painting:
        """A painting that nothing was done to."""
        chosen, picture = config.optimiser, picture.contiguous()
        if chosen.method == "adam":
            return cls(Adam(chosen.learning_rate), chosen.average, picture)
        return cls(LBFGS(chosen.history), 0.0, picture)

    @property
    def shown(self) -> Tensor:
        """The picture to show, save and hand on: Adam's average, L-BFGS's best."""
        if self.decay and self.average is not None:
            return self.average / self.averaged
        return self.picture if self.best is None else self.best

    def move(self, losses: dict[str, float], gradient: Tensor) -> None:
        """A step by what was found at the picture."""
        loss = sum(losses.values())
        if loss <= self.lowest:
            self.best, self.lowest = self.picture, loss
        self.losses = losses
        self.recent = [*self.recent, loss][-RECENT:]
        self.picture = self.optimiser.step(self.picture, gradient)
        if self.decay:
            before = self.picture.new_zeros(()) if self.average is None else self.average * self.decay
            self.average = before + self.picture * (1 - self.decay)
            self.averaged = self.averaged * self.decay + (1 - self.decay)
        self.scale_steps += 1
        self.step += 1

    def go_back(self) -> None:
        """To the best picture, with steps half as long and nothing remembered of the way that went wrong."""
        assert self.best is not None
        self.picture, self.average, self.averaged = self.best, None, 0.0
        self.optimiser.forget()
        self.optimiser.learning_rate /= 2
        self.failures += 1

    def end_scale(self) -> None:
        """What is shown goes on to the next scale, where losses are others."""
        self.picture = self.shown
        self.average, self.averaged, self.best, self.lowest = None, 0.0, None, math.inf
        self.recent, self.scale_steps = [], 0

    def grow(self, picture: Tensor) -> None:
        """Go on from a picture of another size, with all that is remembered brought to it."""
        self.picture = picture.contiguous()
        self.optimiser.resize(*picture.shape[2:])


def save(path: Path, painting: Painting, config: StyleConfig, fingerprint: Sequence[int]) -> None:
    """Write the painting as it stands to one file, whole or not at all.

    Raises:
        UserError: when it cannot be written.
    """
    tensors = {f"optimiser.{name}": tensor for name, tensor in painting.optimiser.tensors().items()}
    for name in ("picture", "average", "best"):
        if (tensor := getattr(painting, name)) is not None:
            tensors[name] = tensor.clone()  # one picture may be there under two names, but not in a file
    plain = ("averaged", "lowest", "scale", "scale_steps", "step", "failures", "recent", "losses")
    about = {
        "schema": SCHEMA, "config": config.model_dump(mode="json"), "fingerprint": list(fingerprint),
        "painting": {name: getattr(painting, name) for name in plain}, "optimiser": painting.optimiser.numbers(),
    }  # fmt: skip
    try:
        with replacing(path) as temporary:  # written as it lies in memory: L-BFGS remembers too much to copy it
            save_file(tensors, temporary, {"about": json.dumps(about)})
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}, to go on from after a kill, cannot be written: {error}.") from None


def load(path: Path, config: StyleConfig, fingerprint: Sequence[int]) -> Painting | None:
    """The painting that a file holds; None where there is none, or it is one of other pictures or settings."""
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError):
        return None  # half a file cannot be there; one that is no such file is not ours to go on from
    same = (about.get("schema"), about.get("config"), about.get("fingerprint"))
    if same != (SCHEMA, config.model_dump(mode="json"), list(fingerprint)):
        return None
    painting = Painting.begin(config, tensors["picture"])
    painting.average, painting.best = tensors.get("average"), tensors.get("best")
    for name, value in about["painting"].items():
        setattr(painting, name, value)
    painting.optimiser.load(
        {name.removeprefix("optimiser."): t for name, t in tensors.items() if name.startswith("optimiser.")},
        about["optimiser"],
    )
    return painting


def forget(path: Path) -> None:
    """Remove the file."""
    path.unlink(missing_ok=True)
