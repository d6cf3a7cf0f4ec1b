"""How a network learns to repaint photographs in one style: features of the photograph, statistics of the style.

Shapes: N pictures of this process, C channels of a layer, H height, W width. Pictures are [N, 3, H, W] in [-1, 1].
Source: Johnson et al. 2016, section 3, arXiv 1603.08155. Differs from the paper: layers are those of Gatys et al. 2016,
and content is compared at relu4_1, which AdaIN does too (arXiv 1703.06868).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganvas import gallery
from ganvas.config import RunConfig, StylistConfig
from ganvas.data.decode import decode, read_bytes
from ganvas.data.opening import Reject
from ganvas.errors import BadSetting
from ganvas.models import Architecture
from ganvas.style import losses, network, statistics
from ganvas.training.phases import Objective, Phase, Stats, Step

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_1"
KEPT_BYTES = 600_000_000  # of content features that are remembered


@dataclass(frozen=True)
class Manner:
    """The style to learn, and how far pictures are from it and from their photographs."""

    settings: StylistConfig
    backbone: network.Backbone
    target: statistics.Style

    def features(self, pictures: Tensor, layers: Sequence[str] = STYLE_LAYERS) -> dict[str, Tensor]:
        """Features [N, C, H, W] by layer."""
        return self.backbone.features((pictures + 1) / 2, layers)

    def content(self, photograph: Tensor) -> Tensor:
        """What must stay of one photograph [1, 3, H, W]: features [C, H, W] in half precision."""
        with torch.no_grad():
            return self.features(photograph, [CONTENT_LAYER])[CONTENT_LAYER][0].half()

    def loss(self, painted: Tensor, content: Tensor) -> tuple[Tensor, Stats]:
        """Loss [N] of painted pictures, and its parts.

        Args:
            painted: [N, 3, H, W].
            content: what must stay [N, C, H, W].
        """
        features = self.features(painted)
        kept = (features[CONTENT_LAYER] - content).square().flatten(1).mean(1)
        manner = torch.stack(
            [self.distance({n: part[i : i + 1] for n, part in features.items()}) for i in range(len(painted))]
        )
        rough = torch.stack([losses.total_variation(picture[None]) for picture in painted])
        settings = self.settings
        total = settings.content * kept + settings.strength * manner + settings.smooth * rough
        return total, {"content": kept.detach(), "style": manner.detach()}

    def distance(self, features: Mapping[str, Tensor]) -> Tensor:
        """How far one picture's statistics are from the style's, a mean over layers."""
        parts = [losses.gram(losses.moments(features[name]), self.target[name].moments) for name in STYLE_LAYERS]
        return torch.stack(parts).mean()


@lru_cache(maxsize=2)
def manner(settings: StylistConfig, device: torch.device) -> Manner:
    """The manner of the settings' picture.

    Raises:
        BadSetting: when it cannot be read, or is another one than the run began with.
    """
    assert settings.picture is not None, "an architecture that repaints checks for a style picture"
    pixels, key = read_style(settings.picture)
    if settings.key not in (None, key):
        raise BadSetting(f"{settings.picture} is not the style picture that the run began with; restore it.")
    image = Image.fromarray(pixels)
    image.thumbnail((settings.pixels, settings.pixels), Image.Resampling.LANCZOS)
    picture = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float().to(device) / 255
    backbone = network.backbone(precision="bfloat16" if settings.bfloat16 else "float32").to(device)
    return Manner(settings, backbone, statistics.measure(backbone, picture, STYLE_LAYERS))


def read_style(path: str) -> tuple[np.ndarray, str]:
    """A style picture, a file or a carried style by name, as uint8 [H, W, 3], and the hash of its file.

    Raises:
        UnknownName: for a bare word that is neither.
        BadSetting: when it cannot be read.
    """
    data = read_bytes(str(gallery.find(path)))
    pixels = data if isinstance(data, Reject) else decode(data)
    if isinstance(pixels, Reject):
        raise BadSetting(f"the style picture {path} cannot be used: {pixels.kind} ({pixels.detail}).")
    assert isinstance(data, bytes)
    return pixels, hashlib.sha256(data).hexdigest()


def style(config: RunConfig, architecture: Architecture) -> Objective:
    """One phase: the stylist's."""
    return Objective((Phase("stylist", "generator", ("stylist",), Lesson(config).loss),))


class Lesson:
    """The loss of a stylist; remembers what must stay of each photograph, since a pool of crops is seen many times."""

    def __init__(self, config: RunConfig):
        self.settings = config.style
        self.repeats = not config.data.flip
        self.kept: dict[int, Tensor] = {}

    def loss(self, step: Step) -> tuple[Tensor, Stats]:
        """Loss [N] of a batch of photographs repainted."""
        real: Tensor = step.batch["real"]
        lesson = manner(self.settings, real.device)
        rows = step.batch["rows"].tolist()
        content = torch.stack([self.content(lesson, row, photo) for row, photo in zip(rows, real, strict=True)])
        return lesson.loss(step.networks["stylist"](real), content.float())

    def content(self, lesson: Manner, row: int, photograph: Tensor) -> Tensor:
        """What must stay of one photograph, looked at by itself: its bits must not depend on the batch it came in."""
        if row in self.kept:
            return self.kept[row]
        content = lesson.content(photograph[None])
        if self.repeats and len(self.kept) < KEPT_BYTES // content.nbytes:
            self.kept[row] = content
        return content
