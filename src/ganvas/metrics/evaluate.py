"""Judging pictures by other pictures: features of both in blocks, then every score, its floor and what to beware of.

Shapes: N pictures, H height, W width, C channels, D features.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ganvas import images
from ganvas.data import cache
from ganvas.data.source import Dataset
from ganvas.errors import UserError
from ganvas.metrics import distances, manifold
from ganvas.metrics.features import FeatureNetwork

BLOCK = 256  # pictures in memory at once
FEWEST = 10  # pictures in each set
BIASED_BELOW = 5_000  # pictures, for the Frechet distance
PANEL_SIDE = 96  # pixels; smaller pictures are shown a whole number of times as large, up to this
BOOTSTRAPS, HALVES = 200, 20
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pictures:
    """A set of pictures that are made or read when asked for.

    Attributes:
        name: what to call it in messages.
        count: how many.
        take: pictures start to stop, uint8 [stop - start, H, W, C].
        key: hash that stands for the content; features are kept on disk by it. Empty: not kept.
        labels: names of labels, and int64 [count]; none by default.
    """

    name: str
    count: int
    take: Callable[[int, int], np.ndarray]
    key: str = ""
    labels: tuple[tuple[str, ...], np.ndarray] | None = None


def chosen(dataset: Dataset, count: int) -> np.ndarray:
    """Which pictures of a collection are looked at: at most `count`, in random order, always the same ones."""
    return np.random.default_rng(0).permutation(len(dataset.samples))[:count]


def some(dataset: Dataset, count: int) -> Pictures:
    """The chosen pictures of a collection."""
    order = chosen(dataset, count)
    return Pictures(
        dataset.name,
        len(order),
        lambda start, stop: np.asarray(dataset.samples[order[start:stop]]),
        f"{dataset.key} {len(order)}",
        None if dataset.labels is None else (dataset.label_names, dataset.labels[order]),
    )


def measure(pictures: Pictures, network: FeatureNetwork, progress: Progress | None = None) -> np.ndarray:
    """Features [N, D] float32 of pictures, a block in memory at a time; kept in the cache where the set has a key.

    Args:
        pictures: the set.
        network: what looks at them.
        progress: called with (pictures done, pictures in all).

    Raises:
        UserError: when the features of a picture are not finite.
    """
    stamp = hashlib.sha256(f"{pictures.key} {network.sha256} {network.name} {network.resize}".encode()).hexdigest()[:32]
    kept = cache.cache_dir() / "features" / f"{stamp}.npy"
    if pictures.key:
        with suppress(OSError, ValueError):  # not there, or damaged: worked out anew
            found: np.ndarray = np.load(kept, allow_pickle=False)
            if found.shape == (pictures.count, network.size) and np.isfinite(found).all():
                return found
    features = np.empty((pictures.count, network.size), np.float32)
    for start in range(0, pictures.count, BLOCK):
        stop = min(start + BLOCK, pictures.count)
        features[start:stop] = network.look(pictures.take(start, stop))
        if progress:
            progress(stop, pictures.count)
    distances.check_features(features)
    if pictures.key:
        buffer = io.BytesIO()
        np.save(buffer, features)
        with suppress(OSError):  # a cache that cannot be written costs time, nothing else
            images.write_bytes(kept, buffer.getvalue())
    return features


def judge(
    fakes: np.ndarray,
    reals: np.ndarray,
    network: FeatureNetwork,
    *,
    training: np.ndarray | None = None,
    held_out: np.ndarray | None = None,
    labels: tuple[tuple[str, ...], np.ndarray] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Every score of fakes against reals, with what it depends on.

    Args:
        fakes: features [N, D].
        reals: features [M, D].
        network: what they are features of.
        training: features of what the fakes were learned from; by default the reals.
        held_out: features of pictures like `training` that were never learned from; by default the reals.
        labels: names of labels, and the label of each real [M]: a run that knows labels can lose one of them.
        seed: of subsets and resamples.

    Returns:
        `frechet` (also as `fid` for Inception), `frechet_infinity`, `kid`, `kid_spread`, `precision`, `recall`,
        `density`, `coverage`, `duplicates`, `diversity` (of fakes over that of reals), `memorisation`; `floor`,
        the same between two disjoint halves of the reals; with labels `label_coverage` of each; `intervals`, 95
        %, for fewer than 5,000 pictures; `n_real`, `n_fake`, `network`, `network_sha256`, `resize`, `dtype`,
        `seed`; `notes`, sentences on what to beware of and why a score is None.

    Raises:
        UserError: for features that are not finite, or fewer than 10 pictures.
    """
    for features, name in ((fakes, "generated"), (reals, "real")):
        distances.check_features(features)
        if len(features) < FEWEST:
            raise UserError(f"there are {len(features)} {name} pictures; scores need at least {FEWEST} on each side.")
    fewest = min(len(fakes), len(reals))
    notes: list[str] = []
    scores = _compare(fakes, reals, seed)
    scores["frechet_infinity"] = _infinity(fakes, reals, seed, notes)
    by_picture = scores.pop("by_picture")
    intervals = _intervals(fakes, reals, scores, by_picture, seed) if fewest < BIASED_BELOW else {}
    if scores["frechet"] is None:
        notes.append(
            f"frechet is left out: {fewest} pictures cannot fill a covariance of {fakes.shape[1]} features; "
            "take kid, which needs no covariance."
        )
    elif fewest < BIASED_BELOW:
        notes.append(
            f"frechet is too high by an amount that depends on the number of pictures, {fewest:,} here; below "
            f"{BIASED_BELOW:,} compare kid, or compare frechet with its floor."
        )
    scores["memorisation"] = _memorisation(fakes, reals if held_out is None else held_out, training, notes)
    if labels is not None:
        names, known = labels
        covered = {name: by_picture["coverage"][known == number] for number, name in enumerate(names)}
        scores["label_coverage"] = {name: float(part.mean()) for name, part in covered.items() if len(part)}
    scores["floor"] = _floor(reals, len(fakes), seed)
    if network.is_inception:
        scores["fid"] = scores["frechet"]
    return scores | {
        "intervals": intervals,
        "n_real": len(reals),
        "n_fake": len(fakes),
        "network": network.name,
        "network_sha256": network.sha256,
        "resize": network.resize,
        "dtype": "float32 features, float64 scores",
        "seed": seed,
        "notes": notes,
    }


def closest(fakes: np.ndarray, training: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Pairs (fake, nearest training picture) to look at: the `count` fakes that are nearest, most suspicious first."""
    index, distance = manifold.nearest(fakes, training)
    return [(int(fake), int(index[fake])) for fake in np.argsort(distance, kind="stable")[:count]]


def panel(fakes: Pictures, training: Pictures, pairs: list[tuple[int, int]], columns: int = 4) -> np.ndarray:
    """Pairs of fake and nearest training picture, side by side, as one picture uint8 [H', W', C]."""
    beside: list[np.ndarray] = []
    for fake, real in pairs:
        made, seen = fakes.take(fake, fake + 1)[0], training.take(real, real + 1)[0]
        pair = np.concatenate([made, _like(seen, made.shape)], axis=1)
        larger = max(1, PANEL_SIDE // len(made))
        beside.append(pair.repeat(larger, axis=0).repeat(larger, axis=1))
    return images.grid(np.stack(beside), columns=columns, gap=8)


def _like(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A picture uint8 [H, W, C] in the shape of another."""
    if image.shape == shape:
        return image
    mode = images.MODES[image.shape[2]]
    pixels = Image.fromarray(image[:, :, 0] if mode == "L" else image, mode).convert(images.MODES[shape[2]])
    return np.asarray(pixels.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)).reshape(shape)


def _compare(fakes: np.ndarray, reals: np.ndarray, seed: int) -> dict[str, Any]:
    """All scores of two sets that need nothing else; `by_picture` holds what each picture contributes."""
    enough = min(len(fakes), len(reals)) > fakes.shape[1]
    frechet = distances.frechet_distance(distances.moments(fakes), distances.moments(reals)) if enough else None
    kid, kid_spread = distances.kernel_distance(fakes, reals, seed=seed)
    near_fakes, near_reals = manifold.neighbour_distances(fakes), manifold.neighbour_distances(reals)
    found = manifold.compare(fakes, reals, near_fakes, near_reals)
    by_picture = {
        name: np.asarray(getattr(found, name), float) for name in ("precision", "recall", "density", "coverage")
    }
    spread = manifold.pairwise_diversity(reals)
    as_many = min(len(fakes), len(reals))
    if as_many < max(len(fakes), len(reals)):  # distances to neighbours shrink with the number of pictures
        near_fakes, near_reals = (manifold.neighbour_distances(part[:as_many]) for part in (fakes, reals))
    return {
        "frechet": frechet,
        "kid": kid,
        "kid_spread": kid_spread,
        **{name: float(values.mean()) for name, values in by_picture.items()},
        "duplicates": manifold.duplicates(near_fakes, near_reals),
        "diversity": manifold.pairwise_diversity(fakes) / spread if spread > 0 else None,
        "by_picture": by_picture,
    }


def _infinity(fakes: np.ndarray, reals: np.ndarray, seed: int, notes: list[str]) -> float | None:
    """Extrapolated Frechet distance, where its smallest subset fills a covariance."""
    needed = round(fakes.shape[1] / distances.SMALLEST_SHARE)
    if min(len(fakes), len(reals)) <= needed:
        notes.append(
            f"frechet_infinity is left out: it needs more than {needed:,} pictures on each side, "
            f"and there are {len(fakes):,} and {len(reals):,}."
        )
        return None
    return distances.frechet_infinity(fakes, reals, seed=seed)


def _memorisation(fakes: np.ndarray, reals: np.ndarray, training: np.ndarray | None, notes: list[str]) -> float | None:
    """Memorisation ratio; without other reals than the training pictures, each of those is held out in turn."""
    if training is None:
        usual = manifold.neighbour_distances(reals, 1)[:, 0]
        ratio = manifold.memorisation_ratio(manifold.nearest(fakes, reals)[1], usual)
    else:
        usual = manifold.nearest(reals, training)[1]
        ratio = manifold.memorisation_ratio(manifold.nearest(fakes, training)[1], usual)
    if np.isnan(ratio):
        notes.append("memorisation is left out: most real pictures are copies of one another.")
        return None
    return ratio


def _floor(reals: np.ndarray, n_fake: int, seed: int) -> dict[str, Any] | None:
    """What a perfect sampler would score: two disjoint halves of the reals, at the same n where there are enough."""
    half = min(len(reals) // 2, n_fake)
    if half < FEWEST:
        return None
    order = np.random.default_rng([seed, 3]).permutation(len(reals))
    scores = _compare(reals[order[:half]], reals[order[half : 2 * half]], seed)
    del scores["by_picture"], scores["diversity"]
    return scores | {"n": half}


def _intervals(
    fakes: np.ndarray, reals: np.ndarray, scores: dict[str, Any], by_picture: dict[str, np.ndarray], seed: int
) -> dict[str, list[float]]:
    """95 % intervals: of scores that are means over pictures by bootstrap, of distances by random halves.

    A bootstrap repeats pictures, which a distance between sets mistakes for structure. The spread over random halves
    without repeats estimates the same standard error (the delete-half jackknife of Shao & Wu 1989).
    """
    rng = np.random.default_rng([seed, 4])
    found: dict[str, list[float]] = {}
    for name, values in by_picture.items():
        means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(BOOTSTRAPS)]
        found[name] = [float(edge) for edge in np.quantile(means, (0.025, 0.975))]
    halves: dict[str, list[float]] = {"kid": [], "frechet": []}
    for _ in range(HALVES):
        one, other = (part[rng.permutation(len(part))[: min(len(part), BIASED_BELOW) // 2]] for part in (fakes, reals))
        halves["kid"].append(distances.squared_mmd(one, other))
        if min(len(one), len(other)) > fakes.shape[1]:
            halves["frechet"].append(distances.frechet_distance(distances.moments(one), distances.moments(other)))
    for name, drawn in halves.items():
        if drawn:
            reach = 1.96 * float(np.std(drawn, ddof=1))
            found[name] = [scores[name] - reach, scores[name] + reach]
    return found
