"""Whose colours a painting has: the photograph's, the style's, or some of both. Pure functions of pictures.

Shapes: H height, W width. Pictures are float [1, 3, H, W], sRGB in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.errors import BadSetting, BadShape, check_shape

LUMA = (0.2126, 0.7152, 0.0722)  # of red, green, blue: ITU-R BT.709
RIDGE = 1e-5  # on the diagonal of a covariance: that of a grey picture is singular


def luminance(picture: Tensor) -> Tensor:
    """Luma of a picture [1, 1, H, W]."""
    weights = picture.new_tensor(LUMA).view(1, 3, 1, 1)
    return (picture * weights).sum(1, keepdim=True)


def keep_colours(painting: Tensor, content: Tensor, amount: float = 1.0) -> Tensor:
    """The painting's luminance with the colours of the content.

    Args:
        painting: [1, 3, H, W].
        content: [1, 3, H, W].
        amount: 1 the content's colours alone, 0 the painting as it is, between them a mixture.

    Returns:
        [1, 3, H, W] in [0, 1]

    Raises:
        BadShape: when the pictures differ in size.
        BadSetting: when the amount is not from 0 to 1.

    Source: Gatys et al. 2016, "Preserving color in neural artistic style transfer", section 3.2, arXiv 1606.05897.
    Differs from the paper: where colours would leave [0, 1] they fade, so that luminance and hue stay.
    """
    _check(painting, "painting", amount)
    _check(content, "content", amount)
    if painting.shape != content.shape:
        raise BadShape(f"painting is {list(painting.shape)} and content {list(content.shape)}; they must be alike.")
    bright = luminance(painting).clamp(0, 1)
    chroma = content - luminance(content)
    room = torch.where(chroma > 0, 1 - bright, bright) / chroma.abs().clamp(min=torch.finfo(chroma.dtype).eps)
    coloured = bright + chroma * room.amin(1, keepdim=True).clamp(max=1)
    return torch.lerp(painting, coloured.clamp(0, 1), amount)


def match_colours(picture: Tensor, reference: Tensor, amount: float = 1.0) -> Tensor:
    """A picture with the mean and covariance of another's colours; done to a style before it is looked at.

    x' = A (x - m) + m*, A = S*^1/2 S^-1/2, with means m and covariances S of picture and reference (*).

    Args:
        picture: [1, 3, H, W].
        reference: [1, 3, H*, W*], of any size.
        amount: 1 the reference's colours, 0 the picture as it is, between them a mixture.

    Returns:
        [1, 3, H, W], clamped to [0, 1]

    Raises:
        BadShape, BadSetting: what was given, what is accepted.

    Source: Gatys et al. 2016, arXiv 1606.05897, section 3.1, equation 4. Differs from the paper: RIDGE.
    """
    _check(picture, "picture", amount)
    _check(reference, "reference", amount)
    here, mean = _covariance(picture)
    there, aim = _covariance(reference)
    transform = (_power(there, 0.5) @ _power(here, -0.5)).to(picture.dtype)
    rows = picture.flatten(2)[0] - mean.to(picture.dtype)
    matched = (transform @ rows + aim.to(picture.dtype)).view_as(picture)
    return torch.lerp(picture, matched.clamp(0, 1), amount)


def _check(picture: Tensor, name: str, amount: float) -> None:
    check_shape(picture, "1 3 H W", name)
    if not 0 <= amount <= 1:
        raise BadSetting(f"amount is how much of the colours to take, 0 to 1; got {amount}.")


def _covariance(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Covariance [3, 3] of colours and their mean [3, 1], in double precision."""
    rows = picture.flatten(2)[0].double()
    mean = rows.mean(1, keepdim=True)
    centred = rows - mean
    ridge = RIDGE * torch.eye(3, dtype=rows.dtype, device=rows.device)
    return centred @ centred.mT / rows.shape[1] + ridge, mean


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = (vectors * values**exponent) @ vectors.mT
    return power
