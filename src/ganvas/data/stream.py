"""Batches as a function of (seed, position): the order depends on nothing else, at any number of processes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ganvas import images
from ganvas.data.source import Dataset


@dataclass(frozen=True)
class Scaling:
    """Points in data units to and from the unit scale that networks see; pictures are scaled by `images`."""

    centre: np.ndarray  # [D]
    scale: float

    @classmethod
    def of(cls, points: np.ndarray) -> Scaling:
        """Centre and common standard deviation of points [N, D]."""
        return cls(points.mean(0, dtype=np.float64), float(np.sqrt(points.var(0, dtype=np.float64).mean())) or 1.0)

    def shrink(self, points: np.ndarray) -> np.ndarray:
        """Data units to unit scale, float32."""
        unit: np.ndarray = ((points - self.centre) / self.scale).astype(np.float32)
        return unit

    def restore(self, points: np.ndarray) -> np.ndarray:
        """Unit scale to data units, float32."""
        data: np.ndarray = (points * self.scale + self.centre).astype(np.float32)
        return data


def split(count: int, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and rows kept apart to see memorising by; the same in every process and at every start."""
    order = np.random.default_rng([seed, 2]).permutation(count)
    return np.sort(order[held_out:]), order[:held_out]


def unseen(dataset: Dataset, held_out: int, seed: int, count: int) -> np.ndarray:
    """At most `count` samples that are kept apart from training; where there are none, of those that are not."""
    training, apart = split(len(dataset.samples), held_out, seed)
    return np.asarray(dataset.samples[np.sort((apart if held_out else training)[:count])])


@dataclass
class Stream:
    """Reads one epoch after another, each in its own random order.

    The sample at global position p goes to process p mod `processes`. Nothing is stored between batches but the
    order of the current epoch, so any position can be read at once.
    """

    dataset: Dataset
    seed: int
    batch_size: int
    rank: int = 0
    processes: int = 1
    flip: bool = False
    held_out: int = 0
    _epoch: int = field(default=-1, init=False)
    _order: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64), init=False)

    def __post_init__(self) -> None:
        """Points are few: scale them once. Pictures stay on disk, in uint8."""
        self._rows, _ = split(len(self.dataset.samples), self.held_out, self.seed)
        self._pictures, samples = self.dataset.is_pictures, self.dataset.samples
        self._samples = samples if self._pictures else Scaling.of(samples).shrink(samples)

    def batch(self, position: int) -> dict[str, Tensor]:
        """The batch that starts at `position`: "real" [N, C, H, W] in [-1, 1] or [N, D], and its "rows" [N].

        Also "labels" [N] if there are any.
        """
        places = np.arange(position + self.rank, position + self.batch_size, self.processes)
        chosen = self._indices(places)
        taken = torch.from_numpy(np.ascontiguousarray(self._samples[chosen]))
        batch = {"rows": torch.from_numpy(chosen), "real": images.to_signed(taken) if self._pictures else taken}
        if self.flip:
            mirrored = torch.from_numpy(_coin(self.seed, places))
            batch["real"] = torch.where(mirrored.view(-1, 1, 1, 1), batch["real"].flip(3), batch["real"])
        if self.dataset.labels is not None:
            batch["labels"] = torch.from_numpy(self.dataset.labels[chosen])
        return batch

    def _indices(self, places: np.ndarray) -> np.ndarray:
        count = len(self._rows)
        first, last = int(places[0]) // count, int(places[-1]) // count
        parts = []
        for epoch in range(first, last + 1):
            here = places[(places // count) == epoch] % count
            parts.append(self._epoch_order(epoch)[here])
        return np.concatenate(parts)

    def _epoch_order(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            self._order = np.random.default_rng([self.seed, epoch, 1]).permutation(self._rows)
            self._epoch = epoch
        return self._order


def _coin(seed: int, places: np.ndarray) -> np.ndarray:
    """One fair coin per global position: the same whichever process asks."""
    mixed = (places.astype(np.uint64) + np.uint64(seed + 1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    return ((mixed * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(63)).astype(bool)
