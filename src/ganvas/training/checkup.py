"""Measures how a run is doing at regular positions: what the monitors judge and the best checkpoint is chosen by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from ganvas import augment, images, labels
from ganvas.config import RunConfig
from ganvas.data import toy
from ganvas.data.source import Dataset
from ganvas.data.stream import Scaling, split
from ganvas.layers import silent_units
from ganvas.metrics import look, manifold
from ganvas.metrics.distances import Moments, frechet_distance, moments
from ganvas.metrics.toy import toy_scores
from ganvas.training import monitors, sampler
from ganvas.training.draws import generator
from ganvas.training.objectives import judged
from ganvas.training.repaint import manner
from ganvas.training.state import State
from ganvas.training.step import learning_rate
from ganvas.training.vitals import Vitals

SAMPLES = 384  # generated and real ones compared
LOOKED_AT = 2048  # real samples from which the features are made, and among which neighbours are sought
POINTS = 1024
SETTLING = 2  # blocks of samples from which batch statistics are taken: a checkup must be cheap
VIEWED = 12  # held-out pictures that are repainted
JUDGED = 128  # pictures of each kind that the discriminator is asked about
LATENTS = "checkup/latents"  # the same at every checkup


class Examiner:
    """Holds the real samples that a run is compared with; changes nothing in the state it looks at."""

    def __init__(self, config: RunConfig, dataset: Dataset, total: int):
        self.config, self.total, self.count = config, total, len(dataset.samples)
        self.scaling = None if dataset.is_pictures else Scaling.of(dataset.samples)
        self.truth = toy.TOYS[dataset.name]() if dataset.name in toy.TOYS else None
        training, held_out = split(len(dataset.samples), config.steady.held_out or 0, config.seed)
        rng = generator(config.seed, "checkup")
        chosen = np.sort(rng.permutation(training)[:LOOKED_AT])
        reals = np.asarray(dataset.samples[chosen])
        self.shape = reals.shape
        self.held_out = np.asarray(dataset.samples[np.sort(held_out)])
        asked = rng.permutation(len(chosen))[:JUDGED]
        self.seen = reals[asked]
        self.labels: list[torch.Tensor] = []  # of what the discriminator is asked about
        if dataset.labels is not None:
            self.labels = [torch.from_numpy(dataset.labels[rows]) for rows in (chosen[asked], np.sort(held_out))]
        self.look = look.Look.at(reals)
        self.training_features = self.look.features(reals)
        self.held_out_features = self.look.features(self.held_out) if len(self.held_out) else None
        count = SAMPLES if dataset.is_pictures else POINTS
        self.real_features = self.training_features[rng.permutation(len(chosen))[:count]]
        neighbours = min(manifold.COVERAGE_NEIGHBOURS, len(self.real_features) - 1)
        self.real_moments = moments(self.training_features)
        self.real_reach = manifold.neighbour_distances(self.real_features, neighbours)[:, -1]
        self.augmented_moments = self.augmented(reals) if dataset.is_pictures else None
        self.label_chance = None
        if dataset.labels is not None:
            self.label_chance = labels.chance(self.training_features, dataset.labels[chosen], rng)
        low, high = np.quantile(reals[:SAMPLES], (0.001, 0.999))
        self.levels = (round(float(low)), round(float(high)))
        self.real_diversity = max(manifold.pairwise_diversity(self.real_features), 1e-9)
        self.real_contrast = max(_contrast(reals[:SAMPLES]), 1e-9)
        self.real_pattern = look.checkerboard(reals[:SAMPLES]) if dataset.is_pictures else 0.0

    def augmented(self, reals: np.ndarray) -> Moments | None:
        """Moments of the features of real pictures as the discriminator sees them, where the run augments."""
        settings, policy = self.config.augment, augment.names(self.config.augment.policy)
        if not policy or not settings.strength:
            return None
        draws = generator(self.config.seed, "checkup/augment").random((len(reals), augment.DRAWS), np.float32)
        pictures = images.to_signed(torch.from_numpy(np.ascontiguousarray(reals)))
        changed = augment.augment(pictures, torch.from_numpy(draws), policy, settings.strength)
        return moments(self.look.features(images.to_pixels(changed).numpy()))

    def beforehand(self) -> dict[str, str]:
        """What is wrong with the samples themselves, in words, by the monitor that sees it."""
        if self.scaling is not None:
            return {}
        return monitors.beforehand(
            self.count, self.real_diversity, self.levels, self.config.batch_size or 0, self.label_chance
        )

    def examine(self, state: State) -> tuple[Vitals, dict[str, float]]:
        """The vital signs, and the scores to report; not finite samples give a loss that is not finite."""
        fakes = self.samples(state)
        where: dict[str, Any] = {
            "images_seen": state.images_seen,
            "progress": state.images_seen / self.total,
            "steps": state.steps,
        }
        if not np.isfinite(fakes).all():
            return Vitals(**where, loss=math.inf, diversity=0.0, coverage=0.0, contrast=0.0), {}
        features = self.look.features(fakes)
        diversity = manifold.pairwise_diversity(features) / self.real_diversity
        coverage = float((manifold.nearest(self.real_features, features)[1] <= self.real_reach).mean())
        scores = {"diversity": diversity, "coverage": coverage}
        if self.truth is not None:
            scores |= toy_scores(fakes, self.truth)
            loss = scores.pop("loss")
        else:
            loss = frechet_distance(self.real_moments, moments(features))
            scores["distance"] = loss
        closeness = None
        if self.held_out_features is not None:
            closeness = manifold.memorisation_ratio(
                *(manifold.nearest(f, self.training_features)[1] for f in (features, self.held_out_features))
            )
            scores["closeness"] = closeness
        overfit = self.overfit(state, fakes)
        if overfit is not None:
            scores["overfit"] = overfit
        pattern = look.checkerboard(fakes) - self.real_pattern if fakes.ndim == 4 else None
        found = Vitals(
            **where,
            loss=loss,
            diversity=diversity,
            coverage=coverage,
            contrast=_contrast(fakes) / self.real_contrast,
            closeness=closeness,
            pattern=pattern,
            overfit=overfit,
            leak=self.leak(features, loss),
            unpenalised=self.unpenalised(state),
            dead_units=self.dead_units(state),
            discriminator_step=step_length(state, "discriminator", where["progress"]),
            generator_step=step_length(state, "generator", where["progress"]),
            discriminator_growth=growth(state, "discriminator"),
            generator_growth=growth(state, "generator"),
        )
        return found, scores

    def dead_units(self, state: State) -> float | None:
        """The largest share of a layer's units that are dead: of the network that is trained, not of its average."""
        network = state.networks[state.architecture.sampler]
        rows = sampler.latents(network, sampler.BLOCK, seed=self.config.seed, purpose=LATENTS)
        return silent_units(network, torch.from_numpy(rows).to(state.device))

    def unpenalised(self, state: State) -> bool:
        """Whether no gradient penalty keeps the discriminator smooth, where one could: asked for, or a remedy."""
        can = state.architecture.objective == "gan" and state.architecture.independent
        return can and not self.config.loss.penalised and state.care.controls.penalty <= 1

    def leak(self, features: np.ndarray, distance: float) -> float | None:
        """How much nearer samples are to augmented real ones than to real ones: far below 1, augmentation leaks."""
        if self.augmented_moments is None:
            return None
        return frechet_distance(self.augmented_moments, moments(features)) / max(distance, 1e-9)

    def samples(self, state: State) -> np.ndarray:
        """Samples of the averaged network, from latents that are the same at every checkup."""
        network = state.averages[state.architecture.sampler]
        with sampler.settled(network, self.config.seed, state.device, SETTLING):
            count = SAMPLES if self.scaling is None else POINTS
            rows = sampler.latents(network, count, seed=self.config.seed, purpose=LATENTS)
            return _enlarged(sampler.draw(network, rows, self.scaling), self.shape)

    @torch.no_grad()
    def overfit(self, state: State, fakes: np.ndarray) -> float | None:
        """How far the discriminator takes unseen real pictures for generated ones: 0 not at all, 1 entirely.

        The heuristic r_v of Karras et al. 2020, equation 1, arXiv 2006.06676; it does not change when a constant is
        added to all logits.
        """
        critic = dict(state.networks.items()).get("discriminator")
        if critic is None or len(self.held_out) < self.config.variety.pack:
            return None
        training = critic.training
        critic.eval()
        logits = [self.logits(critic, state, group) for group in (self.seen, self.held_out, fakes[:JUDGED])]
        critic.train(training)
        if self.labels:
            network = state.averages[state.architecture.sampler]
            drawn = sampler.label_numbers(network, len(logits[2]), seed=self.config.seed, purpose=LATENTS)
            logits = [labels.own(*pair) for pair in zip(logits, (*self.labels, torch.from_numpy(drawn)), strict=True)]
        seen, unseen, made = (float(group.mean()) for group in logits)
        gap = seen - made
        return (seen - unseen) / gap if gap > 1e-6 else None

    def logits(self, critic: torch.nn.Module, state: State, pictures: np.ndarray) -> torch.Tensor:
        """Logits of pictures, or of packs of them: [N], or [N, K] with a logit for each of K labels."""
        pack, found = self.config.variety.pack, []
        whole = pictures[: len(pictures) // pack * pack]
        block = sampler.BLOCK * pack
        for start in range(0, len(whole), block):
            part = torch.from_numpy(np.ascontiguousarray(whole[start : start + block]))
            view = state.architecture.real_view(state.networks, images.to_signed(part).to(state.device))
            found.append(judged(critic, view, pack).double().cpu())
        return torch.cat(found)


class Viewer:
    """Looks at held-out pictures as a network repaints them: the loss that it is trained on, where it was not trained.

    Nothing is asked of diversity and coverage, which are the photographs' own.
    """

    def __init__(self, config: RunConfig, dataset: Dataset, total: int):
        self.config, self.dataset, self.total = config, dataset, total

    def beforehand(self) -> dict[str, str]:
        """Any photographs will do."""
        return {}

    @torch.no_grad()
    def examine(self, state: State) -> tuple[Vitals, dict[str, float]]:
        """The vital signs, and the parts of the loss."""
        style = manner(self.config.style, state.device)
        rows = torch.from_numpy(sampler.inputs(state, self.dataset, VIEWED)).to(state.device)
        network = state.averages[state.architecture.sampler].eval()
        seen: list[list[float]] = []
        for number in range(len(rows)):
            picture = rows[number : number + 1]
            painted = network(picture)
            loss, parts = style.loss(painted, style.content(picture)[None].float())
            contrast = painted.std() / picture.std().clamp(min=1e-3)
            seen.append([float(value) for value in (loss, contrast, *parts.values())])
        network.train()
        mean, contrast_, *scores = np.mean(seen, 0).tolist()
        where: dict[str, Any] = {
            "images_seen": state.images_seen,
            "progress": state.images_seen / self.total,
            "steps": state.steps,
        }
        if not math.isfinite(mean):
            return Vitals(**where, loss=math.inf, diversity=0.0, coverage=0.0, contrast=0.0), {}
        found = Vitals(**where, loss=mean, diversity=1.0, coverage=1.0, contrast=contrast_)
        return found, dict(zip(parts, scores, strict=True))


def _enlarged(samples: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pictures of networks that still grow, at the size of the real ones."""
    for axis in (1, 2) if samples.ndim == 4 else ():
        samples = np.repeat(samples, shape[axis] // samples.shape[axis], axis)
    return samples


def _contrast(samples: np.ndarray) -> float:
    """Mean standard deviation within a picture; for points, over all of them."""
    if samples.ndim == 2:
        return float(samples.std(0).mean())
    return float(samples.reshape(len(samples), -1).std(1, dtype=np.float32).mean())


def growth(state: State, player: str) -> float | None:
    """How much longer a player's weights have become since before the first step."""
    before = state.lengths.get(player)
    return state.weight_lengths()[player] / before if before else None


def step_length(state: State, player: str, progress: float) -> float | None:
    """Length of a player's latest step, as a share of the length of all weights that it moves.

    Worked out from the moments of Adam, rate * m / (sqrt(v) + eps), both freed of bias (Kingma & Ba 2015, algorithm 1,
    arXiv 1412.6980), at the rate of the present position: the one that an optimiser holds is not part of the state.
    None before the first step.
    """
    moved, length, rate = [], [], learning_rate(state, player, progress)
    groups = [g for phase in state.phases if phase.player == player for g in state.optimisers[phase.name].param_groups]
    moments_of = {w: kept for optimiser in state.optimisers.values() for w, kept in optimiser.state.items()}
    for group in groups:
        beta1, beta2 = group["betas"]
        for weight in group["params"]:
            kept = moments_of.get(weight)
            if not kept:
                continue
            steps = float(kept["step"])
            mean = kept["exp_avg"] / (1 - beta1**steps)
            root = (kept["exp_avg_sq"] / (1 - beta2**steps)).sqrt()
            moved.append(rate * (mean / (root + group["eps"])).norm())
            length.append(weight.detach().norm())
    if not moved:
        return None
    return float(torch.stack(moved).norm() / torch.stack(length).norm().clamp(min=1e-12))
