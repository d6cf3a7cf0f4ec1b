"""Labels: which kind of sample is meant. A generator is told beside its latents; a discriminator has a logit for each.

The generator is Mirza & Osindero's (2014, arXiv 1411.1784): one value for each label beside the latent. The
discriminator's logit is the projection of its last features on a vector of the label's own (Miyato & Koyama 2018,
equation 4, arXiv 1802.05637, without the term that all labels share, as in Huang et al. 2024, arXiv 2501.05441).

Shapes: N samples, Z latent size, K labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def told(latents: Tensor, labels: Tensor, count: int) -> Tensor:
    """Latents [N, Z] with their labels [N] beside them, [N, Z + K]: as long as the latent, whatever its size."""
    codes = torch.zeros(len(latents), count, dtype=latents.dtype, device=latents.device)
    codes.scatter_(1, labels.unsqueeze(1), math.sqrt(latents.shape[1]))
    return torch.cat([latents, codes], 1)


def own(logits: Tensor, labels: Tensor) -> Tensor:
    """Of logits [N, K], the one of each sample's own label: [N]."""
    return logits.gather(1, labels.unsqueeze(1)).squeeze(1)


def drawn(shares: Sequence[float], chances: np.ndarray) -> np.ndarray:
    """Labels int64 [N] that come up as often as their shares say, from numbers [N] uniform in [0, 1)."""
    ends = np.cumsum(shares) / np.sum(shares)
    labels: np.ndarray = np.minimum(np.searchsorted(ends, chances, side="right"), len(ends) - 1)
    return labels


def chance(features: np.ndarray, labels: np.ndarray, rng: np.random.Generator, shuffles: int = 99) -> float:
    """How often shuffled labels tell samples apart as well as these do: near 0, unless these were dealt at random.

    A permutation test of the variance of features [N, F] between the labels [N] (Anderson 2001,
    doi 10.1111/j.1442-9993.2001.01070.pp.x).
    """
    theirs = variance_between(features, labels)
    return sum(variance_between(features, rng.permutation(labels)) >= theirs for _ in range(shuffles)) / shuffles


def variance_between(features: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared distance between the mean of a sample's label and the mean of all, over features [N, F]."""
    members = np.equal.outer(np.unique(labels), labels).astype(features.dtype)
    means = members @ (features - features.mean(0)) / members.sum(1, keepdims=True)
    return float(members.sum(1) @ np.square(means).sum(1) / len(labels))
