"""A small classifier of handwritten digits, carried in the package: which digits samples show, and features that know
digits better than a network for photographs does.

It is made by scripts/train_digit_classifier.py from the 5,000 carried digits alone.
Shapes: N pictures. Pictures are uint8 [N, 28, 28].
"""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from ganvas.errors import UserError

FILE = "digit_classifier.safetensors"
SHA256 = "2b5b53ddc65a3c5f1974c70f4cd747fb0663be6440644c7464b816ca03bdb63f"
SIDE = 28
FEATURES = 64
BLOCK = 500  # pictures at once


class DigitClassifier(nn.Module):
    """Pictures [N, 1, 28, 28] in [-1, 1] to logits [N, 10]; `body` gives 64 features a picture."""

    def __init__(self) -> None:
        super().__init__()

        def block(inside: int, outside: int, kernel: int, stride: int = 1) -> list[nn.Module]:
            return [nn.Conv2d(inside, outside, kernel, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]

        self.body = nn.Sequential(
            *block(1, 16, 4, 2),
            *block(16, 32, 3),
            nn.MaxPool2d(2),
            *block(32, 48, 3),
            *block(48, 48, 3, 2),
            nn.Flatten(),
            nn.Linear(48 * 16, FEATURES, bias=False),
            nn.BatchNorm1d(FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, 10)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 1, 28, 28] to [N, 10]."""
        logits: Tensor = self.head(functional.dropout(self.body(images), 0.2, self.training))
        return logits


def to_input(pixels: np.ndarray) -> Tensor:
    """uint8 [N, 28, 28] to float [N, 1, 28, 28] in [-1, 1]."""
    return torch.as_tensor(np.ascontiguousarray(pixels)).float().div(127.5).sub(1).unsqueeze(1)


def carried() -> DigitClassifier:
    """The frozen classifier of the package.

    Raises:
        UserError: when its file is not the known one.
    """
    data = resources.files("ganvas.metrics").joinpath(FILE).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise UserError(
            f"{FILE} in the package has changed (SHA-256 {digest[:12]}..., not {SHA256[:12]}...); install ganvas again."
        )
    network = DigitClassifier()
    network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in load(data).items()})
    return network.eval().requires_grad_(False)


@torch.no_grad()
def features(network: DigitClassifier, pixels: np.ndarray) -> np.ndarray:
    """Features [N, 64] of pictures, float64."""
    found = [network.body(to_input(pixels[start : start + BLOCK])) for start in range(0, len(pixels), BLOCK)]
    return torch.cat(found).double().numpy()


@torch.no_grad()
def classes(network: DigitClassifier, pixels: np.ndarray) -> np.ndarray:
    """The digit [N] that each picture shows most likely."""
    found = [network(to_input(pixels[start : start + BLOCK])).argmax(1) for start in range(0, len(pixels), BLOCK)]
    return torch.cat(found).numpy()
