"""What each family optimises: a list of phases, each one optimiser step.

Shapes: N samples of this process, Z latent size. Real samples are [N, ...] as the networks take them, or a list of
such tensors (a pyramid); losses are [N], their mean is taken in the loop. Where samples are judged in packs, N counts
packs in all that follows from their logits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganvas import augment, labels, losses
from ganvas.config import RunConfig
from ganvas.layers import packed
from ganvas.models import Architecture, label_shares, latent_size
from ganvas.training.phases import Objective, Phase, Samples, Stats, Step
from ganvas.training.repaint import style
from ganvas.training.schedules import cosine, instance_noise, penalty_rule, warm_up


def gan(config: RunConfig, architecture: Architecture) -> Objective:
    """Discriminator, then generator."""
    game = Game(config, architecture)
    steps = config.balance
    return Objective(
        (
            Phase("discriminator", "discriminator", ("discriminator",), game.discriminator_loss, steps.generator_steps),
            Phase("generator", "generator", ("generator",), game.generator_loss, steps.discriminator_steps),
        )
    )


class Game:
    """The losses of a two-player run."""

    def __init__(self, config: RunConfig, architecture: Architecture):
        self.settings, self.augment, self.architecture = config.loss, config.augment, architecture
        self.asked_policy = augment.names(config.augment.policy)
        self.adversarial = losses.adversarial(config.loss.adversarial)
        self.pack = config.variety.pack
        self.alone = architecture.independent and config.variety.together == 1
        self.discriminator_every = config.balance.generator_steps

    def discriminator_loss(self, step: Step) -> tuple[Tensor, Stats]:
        """The discriminator's loss with its penalties."""
        penalties = self.penalty_weights(step)
        real = self.blur(step, "real", step.batch["real"])
        fake = _each(self.fakes(step), Tensor.detach)
        if penalties["r1"] or penalties["r2"]:
            real, fake = _leaves(real), _leaves(fake)
        real_logits, fake_logits = self.judge(step, real, fake)
        loss = self.adversarial.discriminator(real_logits, fake_logits)
        step.scratch["real_logits"] = real_logits.detach()
        stats = {
            "real_logits": real_logits.detach(),
            "fake_logits": fake_logits.detach(),
            # How often a real sample outranks a fake: does not change when a constant is added to all logits.
            "wins": (real_logits > fake_logits).float(),
        }
        for name, penalty in self.penalties(step, penalties, real, fake, real_logits, fake_logits).items():
            loss = loss + penalty
            stats[name] = penalty.detach()
        return loss, stats

    def generator_loss(self, step: Step) -> tuple[Tensor, Stats]:
        """The generator's loss against a discriminator that holds still.

        A relativistic loss compares with the real logits that the discriminator's phase has just worked out, one
        update of it ago: a forward pass saved, and no difference seen.
        """
        fake_logits = self.logits(step, self.fakes(step), "fake")
        real_logits = step.scratch.get("real_logits")
        if real_logits is None:  # the discriminator sat this step out
            with torch.no_grad():
                real_logits = self.logits(step, self.blur(step, "real", step.batch["real"]), "real")
        return self.adversarial.generator(real_logits, fake_logits), {}

    def fakes(self, step: Step) -> Samples:
        """Generated samples [N, ...] as the discriminator sees them, made once a step: the generator moves last."""
        if "fakes" not in step.scratch:
            generator = step.networks["generator"].requires_grad_(True)
            rows, known = step.draws.normal("latents", latent_size(generator)), step.batch.get("labels")
            if known is not None:  # those of the real samples, beside which they are judged
                rows = labels.told(rows, known, len(label_shares(generator)))
            made = generator(rows)
            step.scratch["fakes"] = self.blur(step, "fake", made)
        return step.scratch["fakes"]

    def blur(self, step: Step, side: str, samples: Samples) -> Samples:
        """Samples with instance noise, while there is any (Sonderby et al. 2016, arXiv 1610.04490)."""
        spread = instance_noise(self.settings.instance_noise, step.progress)
        if spread == 0:
            return samples
        return _each(samples, lambda x: x + spread * step.draws.normal(f"noise/{side}", *x.shape[1:]))

    def judge(self, step: Step, real: Samples, fake: Samples) -> tuple[Tensor, Tensor]:
        """Logits of real and fake, each [N]; in one pass where the discriminator judges each sample by itself."""
        if not self.alone or isinstance(real, list) or self.policy(step, real):
            return self.logits(step, real, "real"), self.logits(step, fake, "fake")
        known = step.batch.get("labels")
        both = judged(
            step.networks["discriminator"], torch.cat([real, fake]), 1, None if known is None else known.repeat(2)
        )
        return both[: len(real)], both[len(real) :]

    def logits(self, step: Step, samples: Samples, side: str) -> Tensor:
        """Logits of samples, augmented first if the run does so: [N], or one for every pack."""
        policy = self.policy(step, samples)
        if policy:
            draws = step.draws.uniform(f"augment/{side}", augment.DRAWS)
            samples = augment.augment(samples, draws, policy, self.strength(step))
        return judged(step.networks["discriminator"], samples, self.pack, step.batch.get("labels"))

    def strength(self, step: Step) -> float:
        """Strength of augmentation: as asked for, or as a remedy wants it."""
        if self.asked_policy:
            return self.augment.strength * step.controls.asked_augment
        return step.controls.augment

    def policy(self, step: Step, samples: Samples) -> tuple[str, ...]:
        """The augmentations of this step: those asked for, or all that suit pictures while a remedy wants some."""
        if isinstance(samples, list) or samples.ndim != 4 or not self.strength(step):
            return ()
        if self.asked_policy:
            return self.asked_policy
        return ("translation", "cutout") if samples.shape[1] == 1 else ("translation", "colour", "cutout")

    def penalty_weights(self, step: Step) -> dict[str, float]:
        """Weight of each penalty at this step; all zero on the steps that a lazy schedule leaves out."""
        every = self.settings.penalty_every
        due = step.index // self.discriminator_every % every == 0
        factor = every * cosine(1.0, self.settings.final_penalty, step.progress) if due else 0.0
        factor *= step.controls.penalty
        settings = self.settings
        r1, r2 = settings.r1 or 0.0, settings.r2 or 0.0
        if step.controls.penalty > 1 and not settings.penalised:
            pixels = losses.levels(step.batch["real"])[-1][0, :1].numel()
            r1 = r2 = max(0.02, penalty_rule(pixels))
        weights = {
            "r1": r1 / 2,
            "r2": r2 / 2,
            "gradient_penalty": settings.gradient_penalty,
        }
        return {name: weight * factor for name, weight in weights.items()}

    def penalties(
        self,
        step: Step,
        weights: dict[str, float],
        real: Samples,
        fake: Samples,
        real_logits: Tensor,
        fake_logits: Tensor,
    ) -> dict[str, Tensor]:
        """The weighted penalties [N] that are due."""
        due: dict[str, Tensor] = {}
        if weights["r1"] and weights["r2"]:
            due["r1"], due["r2"] = losses.squared_gradients([real_logits, fake_logits], [real, fake])
        elif weights["r1"]:
            (due["r1"],) = losses.squared_gradients([real_logits], [real])
        elif weights["r2"]:
            (due["r2"],) = losses.squared_gradients([fake_logits], [fake])
        if weights["gradient_penalty"]:
            due["gradient_penalty"] = self.between(step, real, fake)
        return {name: weights[name] * value for name, value in due.items()}

    def between(self, step: Step, real: Samples, fake: Samples) -> Tensor:
        """The WGAN-GP penalty at points between real and generated samples, one share for what is judged as one."""
        share = step.draws.uniform("between", 1)
        share = share[: len(share) // self.pack].repeat(self.pack, 1)
        mixed = [
            (r.detach() + share.view(-1, *[1] * (r.ndim - 1)) * (f.detach() - r.detach())).requires_grad_()
            for r, f in zip(losses.levels(real), losses.levels(fake), strict=True)
        ]
        points = mixed if isinstance(real, list) else mixed[0]
        logits = judged(step.networks["discriminator"], points, self.pack, step.batch.get("labels"))
        return losses.unit_gradient(logits, points)


def judged(discriminator: nn.Module, samples: Samples, pack: int, known: Tensor | None = None) -> Tensor:
    """Logits [N / pack] of samples [N, ...] that a discriminator sees in packs, or each with its label [N]."""
    logits: Tensor = discriminator(_each(samples, lambda x: packed(x, pack)))
    return logits if known is None else labels.own(logits, known)


def _each(samples: Samples, change: Callable[[Tensor], Tensor]) -> Samples:
    return [change(x) for x in samples] if isinstance(samples, list) else change(samples)


def _leaves(samples: Samples) -> Samples:
    """Samples as leaves of the graph, so that the penalty is taken with respect to them as they came in."""
    return _each(samples, lambda x: x.detach().requires_grad_())


def vae(config: RunConfig, architecture: Architecture) -> Objective:
    """One phase: reconstruction and Kullback-Leibler divergence, the latter warmed up over a tenth of the run."""

    def loss(step: Step) -> tuple[Tensor, Stats]:
        real, decoder = step.batch["real"], step.networks["decoder"]
        mean, log_variance = step.networks["encoder"](real).chunk(2, dim=1)
        noise = step.draws.normal("latents/encoder", mean.shape[1])
        rebuilt = decoder(mean + noise * (0.5 * log_variance).exp())
        divergence = losses.kullback_leibler(mean, log_variance)
        error = losses.gaussian_error(rebuilt, real, decoder.log_variance)  # type: ignore[arg-type]
        total = error + config.loss.kl * warm_up(step.progress) * divergence
        squared = (rebuilt - real).detach().square().flatten(1).mean(1)
        return total, {"squared_error": squared, "divergence": divergence.detach()}

    return Objective((Phase("autoencoder", "generator", ("encoder", "decoder"), loss),))


OBJECTIVES: dict[str, Callable[[RunConfig, Architecture], Objective]] = {"gan": gan, "vae": vae, "style": style}
