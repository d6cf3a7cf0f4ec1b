"""What the user named, as samples: `digits`, a 2-D set, a folder or zip of pictures, `torchvision:NAME`."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganvas.config import DataConfig
from ganvas.data import cache, crops
from ganvas.data.decode import Header, fit
from ganvas.data.folder import SIDES, choose_target, parse_resolution
from ganvas.data.toy import TOYS, points
from ganvas.errors import SourceError

PIECES = 1000  # cut out of the photographs that are carried
TORCHVISION = ("MNIST", "FashionMNIST", "CIFAR10")
SOURCES: tuple[str, ...] = ("digits", "photographs", *TOYS, *(f"torchvision:{name}" for name in TORCHVISION))


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
        SourceError: when nothing has this name, or nothing in it is usable.
        BadSetting: when `data.resolution` is out of range.
    """
    if name == "digits":
        return _digits(data)
    if name == "photographs":
        return _cut(name, crops.photographs(), data, limit)
    if name in TOYS:
        samples = points(name)
        return Dataset(name, samples, _key(samples))
    if name.startswith("torchvision:"):
        return _torchvision(name.partition(":")[2], data)
    path = Path(name).expanduser()
    if not path.exists():
        raise SourceError(_unknown(name))
    if data.crops:
        return _cut(path.stem, list(_twice(path, data, limit, progress)), data, limit)
    stored = cache.pictures(path, data, limit=limit, progress=progress)
    return Dataset(path.stem, stored.samples, stored.key, stored.labels, stored.label_names, stored.report)


def _twice(path: Path, data: DataConfig, limit: int, progress: Callable[[int, int], None] | None) -> np.ndarray:
    """The pictures of a folder or zip, with room to cut pieces from."""
    height, width = _piece_size(data, limit)
    room = min(2, SIDES[1] / max(height, width))
    larger = data.but(resolution=f"{int(room * height)}x{int(room * width)}", labels=False)
    return cache.pictures(path, larger, limit=limit, progress=progress).samples


def _piece_size(data: DataConfig, limit: int) -> tuple[int, int]:
    return parse_resolution(data.resolution) if data.resolution else (limit, limit)


def _cut(name: str, pictures: Sequence[np.ndarray], data: DataConfig, limit: int) -> Dataset:
    """Pieces of pictures, in colour unless grey is asked for."""
    samples = crops.cut(pictures, *_piece_size(data, limit), data.crops or PIECES)
    return _arrays(name, samples, np.zeros(len(samples)), (), data.but(labels=False))


def _digits(data: DataConfig) -> Dataset:
    with resources.as_file(resources.files("ganvas.data") / "samples" / "digits.npz") as path, np.load(path) as carried:
        return _arrays("digits", carried["images"], carried["labels"], tuple("0123456789"), data)


def _arrays(
    name: str, pixels: np.ndarray, labels: np.ndarray, label_names: tuple[str, ...], data: DataConfig
) -> Dataset:
    """Pictures that come as one array, uint8 [N, H, W] or [N, H, W, C]; their own size unless asked otherwise."""
    pixels = pixels if pixels.ndim == 4 else pixels[..., None]
    height, width, channels = pixels.shape[1:]
    sized = data if data.resolution else data.but(resolution=f"{height}x{width}")
    target = choose_target([Header(height, width, channels == 1, False)], sized, max(height, width))
    if (target.height, target.width, target.channels) == pixels.shape[1:]:
        samples = np.ascontiguousarray(pixels)
    else:
        flat = pixels[..., 0] if channels == 1 else pixels
        samples = np.stack([fit(Image.fromarray(picture), target) for picture in flat])
    if not data.labels:
        return Dataset(name, samples, _key(samples))
    labels = labels.astype(np.int64)
    return Dataset(name, samples, _key(samples, labels), labels, label_names)


def _torchvision(name: str, data: DataConfig) -> Dataset:
    if name not in TORCHVISION:
        raise SourceError(_unknown(f"torchvision:{name}"))
    from torchvision import datasets  # imports torch, so only when named

    root = cache.cache_dir() / "torchvision"
    try:
        loaded = _download(getattr(datasets, name), root)
    except Exception as error:  # whatever the network, the mirror or the disk does wrong
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        where = root / name / "raw" if name.endswith("MNIST") else root
        files = "the four *-ubyte.gz files" if name.endswith("MNIST") else "cifar-10-python.tar.gz"
        raise SourceError(
            f"torchvision:{name} could not be downloaded ({reason}). Connect to the network and run again, "
            f"or put {files} into {where} by hand."
        ) from None
    return _arrays(name, np.asarray(loaded.data), np.asarray(loaded.targets), tuple(map(str, loaded.classes)), data)


def _download(dataset: Any, root: Path) -> Any:
    """The training split, from disk if it is there; a silent network counts as none after 30 seconds."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    try:
        return dataset(root, train=True, download=True)
    finally:
        socket.setdefaulttimeout(before)


def _key(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _unknown(name: str) -> str:
    guess = get_close_matches(name, SOURCES, n=1)
    hint = f"; did you mean {guess[0]!r}?" if guess else "."
    return (
        f"no source is called {name!r}{hint} Known: {', '.join(SOURCES)}, or the path of a folder or zip of pictures."
    )
