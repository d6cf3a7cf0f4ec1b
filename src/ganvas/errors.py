"""Errors a user can cause: each says what was given, what is accepted, and what to try."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class UserError(ValueError):
    """Base of every error that the command line prints in one line, with exit code 2."""


class UnknownName(UserError):
    """A name that is in no catalogue.

    >>> raise UnknownName("architecture", "dcgn", ["dcgan", "mlp"])
    Traceback (most recent call last):
    ganvas.errors.UnknownName: no architecture is called 'dcgn'; did you mean 'dcgan'? Known: dcgan, mlp.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = sorted(known)
        guess = get_close_matches(name, known, n=1)
        hint = f"; did you mean {guess[0]!r}?" if guess else "."
        super().__init__(f"no {kind} is called {name!r}{hint} Known: {', '.join(known)}.")


class BadSetting(UserError):
    """A setting whose value is outside what is accepted."""


class BadShape(UserError):
    """A tensor whose shape does not fit what a public function declares."""


class SourceError(UserError):
    """Pictures or points that cannot be trained on."""


class RunError(UserError):
    """A run folder that cannot be used as asked."""


class TrainingFailed(UserError):
    """Training that cannot go on; what was saved before stays usable."""


def check_shape(tensor: Tensor | np.ndarray, pattern: str, name: str) -> None:
    """Check that a tensor fits a space-separated pattern of axis names.

    Args:
        tensor: the tensor or array to check.
        pattern: one name or number per axis, such as "N 3 H W"; a repeated name must have one size.
        name: what to call the tensor in the message.

    Raises:
        BadShape: when the number of axes or any size differs.

    >>> import torch
    >>> check_shape(torch.zeros(8, 3, 64, 32), "N 3 S S", "images")
    Traceback (most recent call last):
    ganvas.errors.BadShape: images must have shape [N, 3, S, S], got [8, 3, 64, 32]: axis S is both 64 and 32.
    """
    axes, shape = pattern.split(), list(tensor.shape)
    wanted = f"{name} must have shape [{', '.join(axes)}], got {shape}"
    if len(axes) != len(shape):
        raise BadShape(f"{wanted}: {len(axes)} axes expected, {len(shape)} given.")
    sizes: dict[str, int] = {}
    for axis, size in zip(axes, shape, strict=True):
        expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, size)
        if size != expected:
            raise BadShape(f"{wanted}: axis {axis} is both {expected} and {size}.")
