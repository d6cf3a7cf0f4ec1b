"""What a painting is: the settings of style transfer by optimisation, each declared once."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from ganvas.config import Settings, setting

Loss = Literal["gram", "wasserstein", "mean-deviation", "sorted", "sliced", "nearest"]


class WeightsConfig(Settings):
    """What counts how much; every weight means the same at every size, layer and network."""

    content: float = setting(1.0, "Weight of the photograph's deep features, before `strength`.", ge=0)
    style: float = setting(20.0, "Weight of the style, its layers' shares adding up to 1.", ge=0)
    smoothness: float = setting(0.5, "Weight of differences between neighbouring pixels (total variation).", ge=0)
    before: float = setting(
        200.0, "Weight of staying with the frame before, in sequences: of what is seen in both.", ge=0
    )
    relative: bool = setting(
        True, "Keep more of a photograph that is farther from the style, so that strength means the same for all."
    )
    range: float = setting(1000.0, "Weight of pixels darker than black or brighter than white.", ge=0)
    content_layers: tuple[str, ...] = setting(("relu4_2",), "Layers whose features are kept, relu1_1 to relu5_4.")
    style_layers: dict[str, float] = setting(
        {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 1.0, "relu4_1": 1.0, "relu5_1": 1.0},
        "Layers whose statistics are matched and their shares, as relu1_1=1,relu3_1=0.5.",
    )

    @field_validator("content_layers", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("style_layers", mode="before")
    @classmethod
    def _shares(cls, value: Any) -> Any:
        """relu1_1=1,relu2_1 as {"relu1_1": 1, "relu2_1": 1}."""
        if not isinstance(value, str):
            return value
        pairs = (part.strip().partition("=") for part in value.split(","))
        return {name: share or 1.0 for name, _, share in pairs}

    @property
    def style_shares(self) -> dict[str, float]:
        """Layers whose statistics count at all, and their shares, which add up to 1."""
        counted = {name: share for name, share in self.style_layers.items() if share > 0}
        return {name: share / sum(counted.values()) for name, share in counted.items()}


class ScalesConfig(Settings):
    """Coarse to fine: a small painting first, then larger ones that start from it."""

    smallest: int = setting(64, "Longest side of the first scale.", unit="pixels", ge=8)
    growth: float = setting(2.0, "How much longer the sides of the next scale are.", gt=1, le=8)
    first_steps: int = setting(100, "Steps at the first scale.", ge=1)
    steps: int = setting(50, "Steps at each later scale; fewer where nothing improves any more.", ge=1)
    tolerance: float = setting(
        1e-3, "A scale ends when its loss falls by less than this share over 50 steps; 0 never ends it.", ge=0, lt=1
    )


class OptimiserConfig(Settings):
    """How the pixels are moved."""

    method: Literal["lbfgs", "adam"] = setting("lbfgs", "L-BFGS (fewer steps) or Adam (less memory).")
    history: int = setting(20, "Steps that L-BFGS remembers, 24 bytes a pixel each.", ge=1, le=100)
    learning_rate: float = setting(0.02, "Length of Adam's steps, for pixels from 0 to 1.", gt=0, le=1)
    average: float = setting(0.99, "Decay of the running average of Adam's pictures, which is the result.", ge=0, lt=1)


class FastConfig(Settings):
    """What a painting in one pass is, besides what has a flag."""

    detail: float = setting(1.0, "How much of the photograph's own detail lies under the strokes.", ge=0, le=1)


class StyleConfig(Settings):
    """Everything that decides a painting, besides the pictures."""

    size: int | None = setting(512, "Longest side of the painting; none keeps the photograph's.", unit="pixels", ge=1)
    strength: float = setting(0.5, "0 is the photograph itself, 1 the style alone.", ge=0, le=1)
    loss: Loss = setting("gram", "What of the style is matched.")
    start: str = setting("content", "What to begin with: content, noise, or a picture file.")
    style_scale: float = setting(
        1.0, "Size of the strokes; at 1 the style is seen as large as the photograph.", gt=0, le=8
    )
    colour: Literal["style", "luminance", "matched"] = setting(
        "style", "Whose colours: the style's; the photograph's, all but brightness; or the style's picture recoloured."
    )
    backbone: str = setting("vgg19", "Network: vgg19 (carried), torchvision:vgg19 (downloaded), or FILE.safetensors.")
    padding: Literal["replicate", "reflect", "zeros"] = setting("replicate", "What the network sees beyond the border.")
    pooling: Literal["max", "average"] = setting("max", "How the network halves its layers.")
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", "Inside the network; auto is bfloat16 where the processor multiplies it faster."
    )
    memory: str | None = setting(None, "At most so much memory, as 2GB; by default most of what is free.")
    minutes: float | None = setting(None, "At most so long; scales get their shares of it.", unit="minutes", gt=0)
    seed: int = setting(0, "Seed of every random draw.", ge=0)
    weights: WeightsConfig = Field(default=WeightsConfig())
    scales: ScalesConfig = Field(default=ScalesConfig())
    optimiser: OptimiserConfig = Field(default=OptimiserConfig())
