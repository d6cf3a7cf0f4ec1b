"""Any style at once: a picture's features are moved onto a style's, level by level, on the way back to pixels.

Shapes: C channels of a level, H height, W width. Pictures are float32 [1, 3, H, W], sRGB in [0, 1].

One encoding and one decoding. At each of four levels, deep to shallow, features become such as have the style's mean
and covariance while moving as little as can be: the optimal transport between two normal distributions (Dowson &
Landau 1982; for style: Lu et al. 2019, arXiv 1906.00668). Levels follow Li et al. 2017 (arXiv 1705.08086). Differs
from both: the decoder itself passes through the levels, so the picture is encoded once and not once a level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ganvas.errors import BadSetting, check_shape
from ganvas.style import decoder, network, statistics, strokes, tiles
from ganvas.style.config import FastConfig
from ganvas.style.decoder import LEVELS, STRIDE
from ganvas.style.losses import Moments, moments
from ganvas.style.precision import half_is_faster

RIDGE = 1e-3  # added to variances, which are near 1: what hardly varies must not be blown up
DETAIL = FastConfig().detail
WHOLE = 2**20  # pixels that are painted at once
HALO = 64  # pixels around a tile: what its features see, 34 to each side, and what their decoder sees of them, 22


@dataclass(frozen=True)
class Manner:
    """A style as this network paints in it: the moments of its features, and its strokes."""

    style: statistics.Style
    strokes: strokes.Strokes


@dataclass(frozen=True)
class Painter:
    """The two networks, and whether they run in half precision."""

    backbone: network.Backbone
    decoder: decoder.Decoder
    bfloat16: bool

    def style(self, pictures: Sequence[tuple[float, Tensor]]) -> Manner:
        """The style of one picture, or of several by weights.

        Args:
            pictures: (weight, picture [1, 3, H, W]).
        """
        parts = [(weight, self._looked_at(picture)) for weight, picture in pictures if weight > 0]
        return Manner(
            statistics.blend([(weight, part.style) for weight, part in parts]),
            strokes.blend([(weight, part.strokes) for weight, part in parts]),
        )

    @torch.inference_mode()
    def _looked_at(self, picture: Tensor) -> Manner:
        if picture.shape[2] * picture.shape[3] > WHOLE:
            picture = tiles.spread(picture, WHOLE, STRIDE)
        with self.precision():
            features = self.backbone.features(whole_strides(picture), LEVELS)
        style = statistics.of_features(self.backbone.name, features)
        return Manner(style, strokes.cut(features[LEVELS[-1]], strokes.details(features)))

    @torch.inference_mode()
    def paint(self, photograph: Tensor, manner: Manner, strength: float = 1.0, detail: float = DETAIL) -> Tensor:
        """A photograph in a style.

        One of more than WHOLE pixels is painted tile by tile, in the memory of one. How features are to be moved is
        found beforehand, from parts spread over it, so that tiles fit together. Source: Chen et al. 2022, arXiv
        2103.11784. Differs from the paper: parts in full size, as in a shrunk picture features vary too much.

        Args:
            photograph: [1, 3, H, W], any size.
            manner: as `style` finds it.
            strength: 0 gives the photograph back, 1 all of the style.
            detail: how much of the photograph's own detail lies under the strokes, 0 to 1: more keeps finer things.

        Returns:
            [1, 3, H, W] in [0, 1].

        Raises:
            BadSetting: for a strength or detail outside 0 to 1.
        """
        check_shape(photograph, "1 3 H W", "photograph")
        check_share("strength", strength)
        check_share("detail", detail)
        if strength == 0:
            return photograph
        moves: dict[str, Move] = {}

        def move(level: str, features: Tensor) -> Tensor:
            with torch.autocast("cpu", enabled=False):  # covariances and their roots need all their digits
                if level not in moves:  # by the first picture that gets there, for all
                    moves[level] = transport(moments(features.float()), manner.style[level].moments)
                return moves[level](features)

        def painted(picture: Tensor, top: int = 0, left: int = 0) -> Tensor:
            origin = (top // STRIDE, left // STRIDE)
            return self._painted(picture, move, manner.strokes, origin, strength, detail)

        height, width = photograph.shape[2:]
        if height * width <= WHOLE:
            return painted(photograph)
        painted(tiles.spread(photograph, WHOLE, STRIDE))
        return tiles.worked_on(photograph, painted, WHOLE, HALO, STRIDE)

    def _painted(
        self, photograph: Tensor, move: Callable[[str, Tensor], Tensor], laid: strokes.Strokes,
        origin: tuple[int, int], strength: float, detail: float,
    ) -> Tensor:  # fmt: skip
        """A picture painted at once: a level's name and features go to `move`, which gives them back moved."""
        height, width = photograph.shape[2:]
        with self.precision():
            own = self.backbone.features(whole_strides(photograph), LEVELS)
            fine = strokes.details(own)

            def mixed(level: str, features: Tensor) -> Tensor:
                moved, kept = move(level, features), own.pop(level)  # not needed below, and large
                return moved if strength == 1 else torch.lerp(kept.to(moved.dtype), moved, strength)

            x = mixed(LEVELS[-1], own[LEVELS[-1]])
            chosen = laid.chosen(x, origin)
            for level, block in zip(LEVELS[-2::-1], self.decoder.blocks, strict=True):
                x = block(x)
                if level in fine:
                    x = (x + detail * fine.pop(level) + laid.laid(level, chosen)).relu()
                x = mixed(level, x)
            pixels = self.decoder.picture(x)
        picture: Tensor = pixels[:, :, :height, :width].float().clamp(0, 1)
        return picture

    def precision(self) -> torch.autocast:
        """Half precision where it is faster."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16)


def painter() -> Painter:
    """The networks that are carried.

    Raises:
        UserError: when their files are not there, or not the known ones.
    """
    return Painter(network.backbone(), decoder.carried(), half_is_faster())


def check_share(name: str, value: float) -> None:
    """Check a setting that goes from none to all.

    Raises:
        BadSetting: outside 0 to 1.
    """
    if not 0 <= value <= 1:
        raise BadSetting(f"{name} is {value:g}, but must be from 0 to 1.")


def whole_strides(picture: Tensor) -> Tensor:
    """The picture with its right and lower edge repeated up to a multiple of STRIDE, two at least."""
    more_down, more_right = (max(2 * STRIDE, side + -side % STRIDE) - side for side in picture.shape[2:])
    return functional.pad(picture, (0, more_right, 0, more_down), mode="replicate")


@dataclass(frozen=True)
class Move:
    """An affine map of features: f A + b for each position, with A [C, C] and b [C]."""

    matrix: Tensor
    shift: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] moved; float32."""
        rows = features.permute(0, 2, 3, 1)
        moved = torch.addmm(self.shift, rows.float().flatten(0, 2), self.matrix)
        return moved.view(rows.shape).permute(0, 3, 1, 2)


def transport(own: Moments, target: Moments) -> Move:
    """What moves features of some moments so that they have those of a style, as little as can be."""
    matrix = transport_map(own.covariance, target.covariance)
    return Move(matrix, target.mean - own.mean @ matrix)


def transport_map(source: Tensor, target: Tensor) -> Tensor:
    """The symmetric matrix [C, C] that takes a normal distribution's covariance to another's, moving least.

    A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2, with RIDGE on both diagonals.

    Source: Dowson & Landau 1982; Peyre & Cuturi 2019, remark 2.31, arXiv 1803.00567
    """
    ridge = RIDGE * torch.eye(len(source), dtype=source.dtype, device=source.device)
    values, vectors = torch.linalg.eigh(source + ridge)
    values = values.clamp(min=RIDGE).sqrt()
    root, inverse = (vectors * values) @ vectors.mT, (vectors / values) @ vectors.mT
    values, vectors = torch.linalg.eigh(root @ (target + ridge) @ root)
    middle = (vectors * values.clamp(min=0).sqrt()) @ vectors.mT
    result: Tensor = inverse @ middle @ inverse
    return result
