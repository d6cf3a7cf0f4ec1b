"""Differentiable augmentation of what a discriminator sees: the same family for reals and fakes, in both phases.

Shapes: N pictures, C channels, H height, W width, float in [-1, 1]. Random numbers come in from outside, uniform in
[0, 1), eight per picture, so that they can follow from the position of the run.

Source: Zhao et al. 2020 (DiffAugment), arXiv 2006.10738
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganvas.errors import UnknownName

DRAWS = 8  # uniform numbers per picture: three for colour, two for translation, two for cutout, one spare


def colour(images: Tensor, draws: Tensor, strength: float) -> Tensor:
    """Brightness +-0.5, saturation x [0, 2], contrast x [0.5, 1.5] at strength 1; alpha stays as it is."""
    paint, alpha = (images[:, :3], images[:, 3:]) if images.shape[1] == 4 else (images, images[:, :0])
    brightness, saturation, contrast = (draws[:, k].view(-1, 1, 1, 1) for k in range(3))
    paint = paint + (brightness - 0.5) * strength
    if paint.shape[1] == 3:
        grey = paint.mean(1, keepdim=True)
        paint = grey + (paint - grey) * (1 + (2 * saturation - 1) * strength)
    middle = paint.mean((1, 2, 3), keepdim=True)
    paint = middle + (paint - middle) * (1 + (contrast - 0.5) * strength)
    return torch.cat([paint, alpha], 1) if alpha.shape[1] else paint


def translation(images: Tensor, draws: Tensor, strength: float) -> Tensor:
    """Shift by whole pixels, up to an eighth of each side at strength 1; what moves in is black (transparent)."""
    height, width = images.shape[2:]
    down = _shifts(draws[:, 3], height, strength)
    right = _shifts(draws[:, 4], width, strength)
    rows = torch.arange(height, device=images.device) - down[:, None]
    columns = torch.arange(width, device=images.device) - right[:, None]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    picture = torch.arange(len(images), device=images.device)[:, None, None]
    # Advanced indices around the slice put the channels last: [N, H, W, C].
    moved = images[picture, :, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]]
    return torch.where(inside[:, None], moved.permute(0, 3, 1, 2), images.new_tensor(-1.0))


def _shifts(draws: Tensor, side: int, strength: float) -> Tensor:
    reach = int(side * strength / 8 + 0.5)
    return (draws * (2 * reach + 1)).long().clamp(max=2 * reach) - reach


def cutout(images: Tensor, draws: Tensor, strength: float) -> Tensor:
    """Paint a rectangle of half of each side (at strength 1) in mid-grey, anywhere, also across the border."""
    height, width = images.shape[2:]
    inside = _span(draws[:, 5], height, strength)[:, :, None] & _span(draws[:, 6], width, strength)[:, None, :]
    return images * ~inside[:, None]


def _span(draws: Tensor, side: int, strength: float) -> Tensor:
    length = int(side * strength / 2 + 0.5)
    start = (draws * (side + 1 - length % 2)).long() - length // 2
    place = torch.arange(side, device=draws.device)
    return (place >= start[:, None]) & (place < start[:, None] + length)


AUGMENTATIONS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}


def names(policy: str) -> tuple[str, ...]:
    """The augmentations that a policy such as "translation,colour" lists; none for "none".

    Raises:
        UnknownName: with the names there are.
    """
    listed = tuple(name.strip() for name in policy.split(",") if name.strip() not in ("", "none"))
    for name in listed:
        if name not in AUGMENTATIONS:
            raise UnknownName("augmentation", name, [*AUGMENTATIONS, "none"])
    return listed


def augment(images: Tensor, draws: Tensor, policy: tuple[str, ...], strength: float) -> Tensor:
    """Apply the augmentations of a policy in its order.

    Args:
        images: [N, C, H, W] in [-1, 1].
        draws: [N, 8] uniform in [0, 1).
        policy: names in AUGMENTATIONS.
        strength: 0 leaves pictures as they are, 1 is the paper's strength.

    Returns:
        [N, C, H, W], differentiable with respect to `images`.
    """
    for name in policy:
        images = AUGMENTATIONS[name](images, draws, strength)
    return images
