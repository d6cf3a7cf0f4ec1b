"""The frozen network that looks at pictures for the scores: carried by a dependency, checked by hash, never downloaded.

Shapes: N pictures, H height, W width, C channels, D features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from ganvas.errors import UserError
from ganvas.metrics import efficientnet

BATCH = 32
CARRIED_BLOCK, CARRIED_SIZE, CARRIED_SIDE = 10, 112, 64
CARRIED_SCALE = 4.0  # brings the mean square near 1, where the kernel of KID is neither flat nor a bare cube
INCEPTION_SIZE, INCEPTION_SIDE = 2048, 299


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that turns pictures into features.

    Attributes:
        name: with the layer that is read.
        sha256: of the file of weights.
        side: height and width that it sees, in pixels.
        size: D.
        run: float [N, 3, side, side] in 0-255, RGB, to features [N, D].
    """

    name: str
    sha256: str
    side: int
    size: int
    run: Callable[[Tensor], Tensor]

    @property
    def resize(self) -> str:
        """How pictures are brought to its size."""
        return f"bicubic, antialiased, to {self.side} x {self.side}"

    @property
    def is_inception(self) -> bool:
        """Whether its Frechet distance may be called FID."""
        return self.name == "inception"

    @torch.no_grad()
    def look(self, pixels: np.ndarray) -> np.ndarray:
        """Features [N, D], float32, of pictures uint8 [N, H, W, C] with 1, 3 or 4 channels."""
        found = [self.run(to_seen(pixels[start : start + BATCH], self.side)) for start in range(0, len(pixels), BATCH)]
        features: np.ndarray = torch.cat(found).float().numpy()
        return features


def to_seen(pixels: np.ndarray, side: int) -> Tensor:
    """Pictures uint8 [N, H, W, C] as float [N, 3, side, side] in 0-255: grey repeated, transparent over white."""
    wide = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float()
    if wide.shape[1] == 4:
        alpha = wide[:, 3:] / 255
        wide = wide[:, :3] * alpha + 255 * (1 - alpha)
    # Without antialiasing a smaller picture depends on which pixels it happens to hit (Parmar et al. 2022).
    seen = functional.interpolate(wide, (side, side), mode="bicubic", antialias=True).clamp(0, 255)
    return seen.expand(-1, 3, -1, -1)


@lru_cache(maxsize=1)
def carried() -> FeatureNetwork:
    """The network that every score uses unless another is named; docs/metrics.md says why this one.

    Raises:
        UserError: when its file is missing or not the known one.
    """
    network = efficientnet.EfficientNet(efficientnet.read(), blocks=CARRIED_BLOCK + 1)
    return FeatureNetwork(
        name=f"efficientnet-lite0 block {CARRIED_BLOCK}",
        sha256=efficientnet.SHA256,
        side=CARRIED_SIDE,
        size=CARRIED_SIZE,
        run=lambda seen: network(seen)[CARRIED_BLOCK] / CARRIED_SCALE,
    )


def from_file(path: Path, sha256: str | None = None) -> FeatureNetwork:
    """Inception v3, its last pooled layer, with weights from a file.

    Args:
        path: safetensors with the names of torchvision's inception_v3; its classifiers may be left out.
        sha256: what the file must hash to; None takes any.

    Raises:
        UserError: when the file is missing, is another one than the hash says, or holds another network.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"--feature-weights {path} cannot be read: {error.strerror}.") from None
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and sha256.lower() != digest:
        raise UserError(f"--feature-weights {path} has SHA-256 {digest}, not {sha256.lower()} as --feature-hash says.")
    try:
        weights = load(data)
    except SafetensorError as error:
        raise UserError(
            f"--feature-weights {path} is not a safetensors file ({error}); "
            "no other kind is read, since others can run code."
        ) from None
    network = inception(weights, path)

    def run(seen: Tensor) -> Tensor:
        pooled: Tensor = network(seen / 127.5 - 1)
        return pooled

    return FeatureNetwork("inception", digest, INCEPTION_SIDE, INCEPTION_SIZE, run)


def inception(weights: dict[str, Tensor], path: Path) -> nn.Module:
    """torchvision's inception_v3 with the given weights, ending at its last pooled layer [N, 2048].

    Raises:
        UserError: when the weights are of another network.
    """
    from torchvision.models import Inception3  # slow to import, and needed for this alone

    with torch.device("meta"):
        network: nn.Module = Inception3(init_weights=False, aux_logits=False)
    network.fc = nn.Identity()
    wanted = network.state_dict()
    bodies = {name: weight for name, weight in weights.items() if not name.startswith(("fc.", "AuxLogits."))}
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    lacking = [name for name in wanted if name not in bodies and name not in counters]
    other = [name for name in bodies if name not in wanted or bodies[name].shape != wanted[name].shape]
    if lacking or other:
        what = f"it lacks {lacking[0]}" if lacking else f"{other[0]} does not fit"
        raise UserError(
            f"--feature-weights {path} holds another network than torchvision's inception_v3 ({what}); "
            "leave the option out for the carried network."
        )
    network.load_state_dict(
        {name: bodies[name].float() if name in bodies else torch.zeros(()) for name in wanted}, assign=True
    )
    return network.eval().requires_grad_(False)
