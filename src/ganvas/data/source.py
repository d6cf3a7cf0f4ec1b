"""What the user named, as samples: `digits`, a 2-D set, a folder or zip of pictures, `torchvision:NAME`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganvas.config import DataConfig
from ganvas.data import cache
from ganvas.data.decode import Target, fit
from ganvas.data.folder import choose_shape
from ganvas.data.toy import TOYS, points
from ganvas.errors import SourceError, UnknownName
from ganvas.images import MODES

TORCHVISION = ("MNIST", "FashionMNIST", "CIFAR10")
SOURCES: tuple[str, ...] = ("digits", *TOYS, *(f"torchvision:{name}" for name in TORCHVISION))


@dataclass(frozen=True)
class Dataset:
    """Samples ready to train on.

    Attributes:
        name: what it is called in reports.
        samples: uint8 [N, H, W, C] (usually memory-mapped), or float32 [N, 2] points in data units.
        labels: int64 [N], or None.
        label_names: name of each label.
        key: hash that stands for the content: the same samples in the same order.
        report: where the preflight wrote what it skipped and why, or None.
    """

    name: str
    samples: np.ndarray
    key: str
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    report: Path | None = None

    @property
    def is_pictures(self) -> bool:
        """Pictures, as against points in the plane."""
        return self.samples.ndim == 4

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample as networks see it: (C, H, W), or (2,)."""
        return (self.samples.shape[3], *self.samples.shape[1:3]) if self.is_pictures else (self.samples.shape[1],)


def open_source(
    name: str, data: DataConfig, *, limit: int, progress: Callable[[int, int], None] | None = None
) -> Dataset:
    """Open what the user named.

    Args:
        name: one of `SOURCES`, or the path of a folder or zip of pictures.
        data: how files become samples.
        limit: largest height or width of pictures when `data.resolution` is None.
        progress: called with (files done, files in all) while a folder or zip is read.

    Raises:
        SourceError: when there is nothing usable; UnknownName, one of these in spirit, when nothing has this name.
    """
    if name == "digits":
        return _digits(data)
    if name in TOYS:
        samples = points(name)
        return Dataset(name, samples, _key(samples))
    if name.startswith("torchvision:"):
        return _torchvision(name.partition(":")[2], data)
    path = Path(name).expanduser()
    if not path.exists():
        raise SourceError(_unknown(name))
    stored = cache.pictures(path, data, limit=limit, progress=progress)
    return Dataset(path.stem, stored.samples, stored.key, stored.labels, stored.label_names, stored.report)


def _unknown(name: str) -> str:
    guess = get_close_matches(name, SOURCES, n=1)
    hint = f" did you mean {guess[0]!r}?" if guess else ""
    return f"no source is called {name!r};{hint} Known: {', '.join(SOURCES)}, or the path of a folder or zip of pictures."
