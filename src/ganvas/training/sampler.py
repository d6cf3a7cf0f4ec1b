"""From latents, or held-out pictures, to samples a person can look at, each a function of (seed, number) alone.

Shapes: N samples, Z latent size, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ganvas import images, labels
from ganvas.data.source import Dataset
from ganvas.data.stream import Scaling, unseen
from ganvas.errors import BadSetting
from ganvas.layers import batch_norms, recompute_statistics
from ganvas.models import label_shares, latent_size
from ganvas.training.draws import generator
from ganvas.training.state import State

BLOCK = 64  # pictures made at once: always whole blocks, so that one does not depend on how many are asked for
POINT_BLOCK = 1024  # the same for points
SETTLING = 16  # blocks from which batch statistics are taken


def latents(
    network: nn.Module,
    count: int,
    *,
    seed: int,
    purpose: str = "samples",
    first: int = 0,
    truncation: float | None = None,
    label: int | None = None,
) -> np.ndarray:
    """What samples `first`, `first + 1`, ... of a seed are made of; number k is the same in every call.

    Args:
        network: what they are for.
        count: how many.
        seed: any number from 0.
        purpose: what for; each has latents of its own.
        first: number of the first sample.
        truncation: redraw values beyond +- this (Brock et al. 2018, section 3.1, arXiv 1809.11096); less is tamer.
        label: of all of them, instead of one drawn for each.

    Returns:
        Latents [count, Z], for a network that takes labels with these beside them.
    """
    if seed < 0:
        raise BadSetting(f"seed is {seed}, but must be a whole number from 0.")
    shape = (first + count, latent_size(network))
    rows = generator(seed, purpose).standard_normal(shape, np.float32)[first:]
    rows = rows if truncation is None else truncate(rows, truncation)
    shares = label_shares(network)
    if not shares:
        return rows
    known = label_numbers(network, count, seed=seed, purpose=purpose, first=first, label=label)
    beside: np.ndarray = labels.told(torch.from_numpy(rows), torch.from_numpy(known), len(shares)).numpy()
    return beside


def label_numbers(
    network: nn.Module, count: int, *, seed: int, purpose: str = "samples", first: int = 0, label: int | None = None
) -> np.ndarray:
    """Labels int64 [count] of the same samples."""
    if label is not None:
        return np.full(count, label)
    chances = generator(seed, f"{purpose}/labels").random(first + count)[first:]
    return labels.drawn(label_shares(network), chances)


def inputs(state: State, dataset: Dataset, count: int) -> np.ndarray:
    """What a run's fixed samples are made of, the same whenever it is looked at.

    Returns:
        Latents [N, Z]; for a network that takes pictures, held-out ones [N, C, H, W] in [-1, 1], at most `count`.
    """
    config, architecture = state.config, state.architecture
    if architecture.takes == "latents":
        return latents(state.averages[architecture.sampler], count, seed=config.seed)
    pictures = unseen(dataset, config.steady.held_out or 0, config.seed, count)
    signed: np.ndarray = images.to_signed(torch.from_numpy(pictures)).numpy()
    return signed


def truncate(rows: np.ndarray, limit: float) -> np.ndarray:
    """Normal values moved into +- limit by their rank, which is how a truncated normal is drawn.

    Raises:
        BadSetting: for a limit that is not above 0.
    """
    if not limit > 0:
        raise BadSetting(
            f"truncation is {limit}, but must be above 0; 2 trims the rarest samples, 0.5 keeps the typical."
        )
    half = math.sqrt(0.5)
    outside = math.erfc(limit * half) / 2  # share of a normal below -limit
    rank = torch.special.ndtr(torch.from_numpy(rows).double()) * (1 - 2 * outside) + outside
    inside: np.ndarray = torch.special.ndtri(rank).float().numpy()
    return inside


@torch.no_grad()
def settle(network: nn.Module, seed: int, device: torch.device, blocks: int = SETTLING) -> None:
    """Give averaged weights the batch statistics that belong to them, and switch to evaluation."""
    if batch_norms(network):
        rows = torch.from_numpy(latents(network, blocks * BLOCK, seed=seed, purpose="settle"))
        recompute_statistics(network, torch.split(rows.to(device), BLOCK))
    network.eval()


@contextmanager
def settled(network: nn.Module, seed: int, device: torch.device, blocks: int = SETTLING) -> Iterator[None]:
    """The network settled for a look at its samples; its buffers are put back, since looking must change nothing."""
    kept = [buffer.clone() for buffer in network.buffers()]
    settle(network, seed, device, blocks)
    try:
        yield
    finally:
        for buffer, value in zip(network.buffers(), kept, strict=True):
            buffer.copy_(value)
        network.train()


@torch.no_grad()
def draw(network: nn.Module, rows: np.ndarray, scaling: Scaling | None) -> np.ndarray:
    """Samples of a settled network.

    Args:
        network: maps rows to samples.
        rows: latents [N, Z], or pictures [N, C, H, W].
        scaling: of 2-D sets; None for pictures.

    Returns:
        uint8 [N, H, W, C], or float32 [N, 2] in data units.
    """
    device = next(network.parameters()).device
    size = POINT_BLOCK if scaling is not None else BLOCK if rows.ndim == 2 else 1  # repainted ones may be large
    made: list[np.ndarray] = []
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        padded = np.zeros((size, *rows.shape[1:]), np.float32)
        padded[: len(block)] = block
        output = network(torch.from_numpy(padded).to(device))
        largest: Tensor = output[-1] if isinstance(output, list) else output
        made.append(_finish(largest, scaling)[: len(block)])
    return np.concatenate(made)


def _finish(samples: Tensor, scaling: Scaling | None) -> np.ndarray:
    if scaling is None:
        pixels: np.ndarray = images.to_pixels(samples).cpu().numpy()
        return pixels
    return scaling.restore(samples.float().cpu().numpy())


@torch.no_grad()
def surface(
    discriminator: nn.Module, extent: tuple[float, float, float, float], scaling: Scaling, size: int = 48
) -> np.ndarray:
    """Logits of a discriminator over a square of the plane.

    Args:
        discriminator: points [N, 2] at unit scale to logits [N].
        extent: (left, right, bottom, top) in data units.
        scaling: of the set.
        size: points along each side.

    Returns:
        float32 [size, size], rows from bottom to top.
    """
    left, right, bottom, top = extent
    x, y = np.meshgrid(np.linspace(left, right, size), np.linspace(bottom, top, size))
    points = scaling.shrink(np.stack([x.ravel(), y.ravel()], 1))
    device = next(discriminator.parameters()).device
    logits = discriminator(torch.from_numpy(points).to(device))
    grid: np.ndarray = logits.float().cpu().numpy().reshape(size, size)
    return grid
