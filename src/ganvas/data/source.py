"""What the user named, as samples: `digits`, a 2-D set, a folder or zip of pictures, `torchvision:NAME`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


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
