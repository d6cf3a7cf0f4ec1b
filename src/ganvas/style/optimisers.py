"""How pixels are moved: Adam and L-BFGS on one picture, with all that they remember in plain sight.

torch.optim has both, but not what painting needs: moments that follow the picture to another size, and a memory that
can be saved as tensors. Shapes: a picture and its gradient are [1, 3, H, W].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

LONGEST_STEP = 0.1  # root mean square over pixels in [0, 1]: further no quadratic model of the loss can be trusted
FIRST_STEP = 0.02  # of L-BFGS, which knows nothing of the curvature yet
FALL = 0.8  # how the step falls with frequency where nothing is known: between none and a photograph's power of 2
LOWEST = 1 / 64  # cycles per pixel: below it there is no fall


class Adam:
    """Kingma & Ba 2015, algorithm 1, arXiv 1412.6980; pixels are kept in [0, 1] after the step."""

    def __init__(self, learning_rate: float, betas: tuple[float, float] = (0.9, 0.99), epsilon: float = 1e-12):
        self.learning_rate, self.betas, self.epsilon = learning_rate, betas, epsilon
        self.steps = 0
        self.mean: Tensor | None = None
        self.square: Tensor | None = None

    def step(self, picture: Tensor, gradient: Tensor) -> Tensor:
        """The next picture."""
        if self.mean is None or self.square is None:
            self.mean, self.square = torch.zeros_like(picture), torch.zeros_like(picture)
        self.steps += 1
        self.mean.lerp_(gradient, 1 - self.betas[0])
        self.square.lerp_(gradient.square(), 1 - self.betas[1])
        mean = self.mean / (1 - self.betas[0] ** self.steps)
        scale = (self.square / (1 - self.betas[1] ** self.steps)).sqrt() + self.epsilon
        return (picture - self.learning_rate * mean / scale).clamp(0, 1)

    def resize(self, height: int, width: int) -> None:
        """Take the moments along; a mean over n times the pixels has an n-th of the gradient at each."""
        if self.mean is None or self.square is None:
            return
        share = self.mean.shape[2] * self.mean.shape[3] / (height * width)
        self.mean = functional.interpolate(self.mean, (height, width), mode="bicubic") * share
        self.square = functional.interpolate(self.square, (height, width), mode="bilinear").relu() * share**2

    def forget(self) -> None:
        """Begin anew, after a step that went wrong."""
        self.steps, self.mean, self.square = 0, None, None

    def tensors(self) -> dict[str, Tensor]:
        """What to save."""
        return {} if self.mean is None or self.square is None else {"mean": self.mean, "square": self.square}

    def numbers(self) -> dict[str, Any]:
        """What to save besides."""
        return {"learning_rate": self.learning_rate, "steps": self.steps}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """What was saved."""
        self.learning_rate, self.steps = numbers["learning_rate"], numbers["steps"]
        self.mean, self.square = tensors.get("mean"), tensors.get("square")


class LBFGS:
    """Limited-memory BFGS without line search, one evaluation a step: Nocedal & Wright 2006, algorithm 7.4.

    Pixels may leave [0, 1]: clamping would break the model of the curvature. Differs from the book: the inverse
    Hessian begins as `smoothed`, not as a multiple of the identity, since features hardly see low frequencies.
    """

    def __init__(self, history: int, learning_rate: float = 1.0):
        self.history, self.learning_rate = history, learning_rate
        self.moves: list[Tensor] = []  # differences of pictures
        self.turns: list[Tensor] = []  # and of their gradients
        self.before: tuple[Tensor, Tensor] | None = None  # the last picture and gradient

    def step(self, picture: Tensor, gradient: Tensor) -> Tensor:
        """The next picture."""
        if self.before is not None:
            move, turn = picture - self.before[0], gradient - self.before[1]
            if float((move * turn).sum()) > 1e-10 * float(turn.square().sum()):
                self.moves, self.turns = [*self.moves, move][-self.history :], [*self.turns, turn][-self.history :]
        self.before = (picture, gradient)
        direction = -self._times_inverse_hessian(gradient)
        length = float(direction.square().mean().sqrt())
        limit = LONGEST_STEP if self.moves else FIRST_STEP
        if not self.moves or length > limit:
            direction = direction * (limit / max(length, torch.finfo(direction.dtype).tiny))
        return picture + self.learning_rate * direction

    def _times_inverse_hessian(self, gradient: Tensor) -> Tensor:
        if not self.moves:
            return smoothed(gradient)
        rates = [1 / (move * turn).sum() for move, turn in zip(self.moves, self.turns, strict=True)]
        shares: list[Tensor] = []
        result = gradient.clone()
        for move, turn, rate in reversed(list(zip(self.moves, self.turns, rates, strict=True))):
            shares.append(rate * (move * result).sum())
            result -= shares[-1] * turn
        result = smoothed(result) / (rates[-1] * (self.turns[-1] * smoothed(self.turns[-1])).sum())
        for move, turn, rate, share in zip(self.moves, self.turns, rates, reversed(shares), strict=True):
            result += (share - rate * (turn * result).sum()) * move
        return result

    def resize(self, height: int, width: int) -> None:
        """Curvature at another size is another: begin anew there."""
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.moves, self.turns, self.before = [], [], None

    def tensors(self) -> dict[str, Tensor]:
        """What to save."""
        if self.before is None:
            return {}
        kept = {"picture": self.before[0], "gradient": self.before[1]}
        for name, tensors in (("move", self.moves), ("turn", self.turns)):
            kept |= {f"{name}.{index:03}": tensor for index, tensor in enumerate(tensors)}
        return kept

    def numbers(self) -> dict[str, Any]:
        """What to save besides."""
        return {"learning_rate": self.learning_rate}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """What was saved."""
        self.learning_rate = numbers["learning_rate"]
        self.before = (tensors["picture"], tensors["gradient"]) if "picture" in tensors else None
        self.moves = [tensors[name] for name in sorted(tensors) if name.startswith("move.")]
        self.turns = [tensors[name] for name in sorted(tensors) if name.startswith("turn.")]


def smoothed(gradient: Tensor) -> Tensor:
    """A gradient with its low frequencies raised: times (f^2 + LOWEST^2)^(-FALL / 2), whose mean is brought to 1."""
    height, width = gradient.shape[2:]
    rows = torch.fft.fftfreq(height, device=gradient.device)[:, None]
    columns = torch.fft.rfftfreq(width, device=gradient.device)
    factors = (rows.square() + columns.square() + LOWEST**2) ** (-FALL / 2)
    spectrum = torch.fft.rfft2(gradient) * (factors / factors.mean()).to(gradient.dtype)
    raised: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return raised


Optimiser = Adam | LBFGS
