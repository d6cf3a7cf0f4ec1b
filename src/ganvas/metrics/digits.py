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
from PIL import Image
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from ganvas.errors import UserError
from ganvas.metrics import distances, manifold

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


def judge(fakes: np.ndarray, reals: np.ndarray) -> dict[str, object]:
    """What the classifier says of generated digits beside real ones.

    Args:
        fakes: pictures uint8 [N, H, W, C] of any size and channels, at least 10.
        reals: pictures uint8 [M, H, W, C], at least 10.

    Returns:
        `digit_classes` and `digit_classes_real`, the share of each digit from 0 to 9; `digit_coverage`, for each digit
        the share of real ones that have a generated one near, None where there are none; `digit_frechet`, the Frechet
        distance on the classifier's features, None for fewer pictures than those; `digit_network`.
    """
    network = carried()
    sides = [as_digits(fakes), as_digits(reals)]
    fake, real = (features(network, pixels) for pixels in sides)
    shown, known = (classes(network, pixels) for pixels in sides)
    reach = manifold.neighbour_distances(real)[:, -1]
    covered = manifold.nearest(real, fake)[1] <= reach
    enough = min(len(fake), len(real)) > FEATURES
    frechet = distances.frechet_distance(distances.moments(fake), distances.moments(real)) if enough else None
    return {
        "digit_classes": [float((shown == digit).mean()) for digit in range(10)],
        "digit_classes_real": [float((known == digit).mean()) for digit in range(10)],
        "digit_coverage": [float(covered[known == d].mean()) if (known == d).any() else None for d in range(10)],
        "digit_frechet": frechet,
        "digit_network": f"digit classifier {SHA256[:12]}",
    }


def as_digits(pixels: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N, H, W, C] as the classifier takes them, grey and 28 x 28: uint8 [N, 28, 28]."""
    grey: np.ndarray = pixels[..., :3].mean(3).round().astype(np.uint8)
    if grey.shape[1:] == (SIDE, SIDE):
        return grey
    return np.stack([np.asarray(Image.fromarray(p).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for p in grey])
