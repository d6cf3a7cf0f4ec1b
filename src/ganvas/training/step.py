"""One step of training: every phase of the objective, then the running averages, then the clock."""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.config import RunConfig
from ganvas.data.source import Dataset
from ganvas.data.stream import Stream
from ganvas.training import schedules
from ganvas.training.draws import Draws
from ganvas.training.engine import Engine
from ganvas.training.phases import Phase, Step
from ganvas.training.state import State


class Stepper:
    """Takes steps; everything that changes is in `state`."""

    def __init__(self, config: RunConfig, dataset: Dataset, state: State, engine: Engine):
        self.config, self.state, self.engine = config, state, engine
        assert config.batch_size is not None, "a step takes a resolved config"
        self.batch = config.batch_size
        self.total = self.whole(config.total_images or self.batch)
        self.bad = torch.zeros((), device=engine.device)  # 1 when the latest step was left out as non-finite
        flip = config.data.flip and dataset.is_pictures
        self.stream = Stream(
            dataset, config.seed, self.batch, engine.rank, engine.processes, flip, config.steady.held_out or 0
        )

    def whole(self, images: int) -> int:
        """So many images rounded up to whole batches, so that every interval ends on a step."""
        return -(-images // self.batch) * self.batch

    def step(self) -> None:
        """Every phase that is due, then the averages, then the clock."""
        state, engine = self.state, self.engine
        progress = state.images_seen / self.total
        state.architecture.set_position(state.networks, state.images_seen)
        state.architecture.set_position(state.averages, state.images_seen)
        batch = {n: t.to(engine.device, non_blocking=True) for n, t in self.stream.batch(state.images_seen).items()}
        batch["real"] = state.architecture.real_view(state.networks, batch["real"])
        draws = Draws(self.config.seed, state.images_seen, self.batch, engine.rank, engine.processes, engine.device)
        step = Step(
            dict(state.networks.items()), batch, draws, state.steps, progress, state.memory, state.care.controls
        )
        stats: dict[str, Tensor] = {}
        before = [tensor.clone() for tensor in state.statistics()]
        bad = torch.zeros((), device=engine.device)
        for phase in state.phases:
            if self.is_due(phase):
                bad = torch.maximum(bad, self.run_phase(phase, step, stats))
        if self.may_be(bad):
            for tensor, old in zip(state.statistics(), before, strict=True):
                tensor.copy_(torch.where(bad > 0, old, tensor))
        state.bad_steps = 0.95 * state.bad_steps + bad
        self.bad = bad
        self.update_averages()
        state.balance.observe(stats, state.care.controls.hold_above)
        state.meter.add(stats | {"skipped": bad})
        state.images_seen += self.batch
        state.steps += 1

    def is_due(self, phase: Phase) -> bool:
        """Whether a phase has its turn: as often as the objective says, but for what balance and remedies want."""
        controls, every = self.state.care.controls, phase.every
        if phase.player == "generator":
            every *= int(controls.rounds)
        return self.state.steps % every == 0 and not self.state.balance.holds(phase.player, controls.hold_above)

    def run_phase(self, phase: Phase, step: Step, stats: dict[str, Tensor]) -> Tensor:
        """One optimiser step of the networks of a phase, every other network held still; 1 if it was left out.

        A loss or gradient that is not finite must reach nothing: the optimiser leaves the weights as they are, and
        `step` puts back what forward passes have changed. All on the device, without waiting for it.
        """
        state = self.state
        for role, parameters in state.parameters.items():
            for parameter in parameters:
                parameter.requires_grad = role in phase.trains
        weights = list(state.weights[phase.name].values())
        losses, seen = phase.loss(step)
        loss = losses.mean()
        optimiser = state.optimisers[phase.name]
        for weight in weights:  # as zero_grad does, whose own bookkeeping is felt in a small step
            weight.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        # Running variances overflow long before gradients do: a loss that is not a number stands for them too.
        floats = [tensor for tensor in state.statistics() if tensor.is_floating_point()]
        watched = loss.detach() + 0 * _largest(floats) if floats else loss.detach()
        shared_loss = self.engine.sum_gradients(weights, watched)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        norm: Tensor = torch.stack(torch._foreach_norm(gradients)).norm()
        bad: Tensor = (0 * (norm + shared_loss)).ne(0).float()  # 0 x infinity is not a number
        optimiser.param_groups[0]["lr"] = learning_rate(state, phase.player, step.progress)
        optimiser.found_inf = bad  # type: ignore[attr-defined]  # a fused optimiser then leaves everything as it is
        optimiser.step()
        named = {f"{phase.name}/{name}": value for name, value in seen.items()}
        means = self.engine.mean(named) | {f"{phase.name}/loss": shared_loss, f"{phase.name}/gradient": norm}
        if self.may_be(bad):
            means = {name: torch.where(bad > 0, torch.zeros_like(value), value) for name, value in means.items()}
        stats |= means
        return bad

    def may_be(self, bad: Tensor) -> bool:
        """Whether a step may have been bad: known on a CPU; on a GPU asking would mean waiting, so it may."""
        return self.engine.device.type != "cpu" or bool(bad)

    @torch.no_grad()
    def update_averages(self) -> None:
        """Move the averaged weights towards the current ones; buffers are copied.

        The half-life grows with the images seen, so that early averages do not drag the first weights along
        (Karras et al. 2020, StyleGAN2-ADA, appendix B, arXiv 2006.06676).
        """
        average, state = self.config.average, self.state
        half_life = min(average.half_life_images, average.ramp * (state.images_seen + self.batch))
        keep = 0.5 ** (self.batch / half_life)
        averages, weights = state.averaged_weights
        torch._foreach_lerp_(averages, weights, 1 - keep)
        kept, buffers = state.averaged_buffers
        if kept:
            torch._foreach_copy_(kept, buffers)


def _largest(tensors: list[Tensor]) -> Tensor:
    """The largest absolute value in the tensors; not a number if any is."""
    return torch.stack(torch._foreach_norm(tensors, float("inf"))).max()


def learning_rate(state: State, player: str, progress: float) -> float:
    """Learning rate of a player as a function of the position, of the rollbacks so far, and of remedies."""
    settings, controls = state.config.optimiser, state.care.controls
    rate = state.lr_scale * controls.learning_rate
    if player == "discriminator":
        base = settings.discriminator_lr * controls.discriminator_lr
    else:
        base = settings.generator_lr * controls.generator_lr
    return base * schedules.learning_rate(settings, progress) * rate
