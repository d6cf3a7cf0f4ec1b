"""All that changes during training, and so all that a checkpoint holds."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from ganvas import models
from ganvas.config import RunConfig
from ganvas.training.balance import Balance
from ganvas.training.engine import Engine
from ganvas.training.objectives import OBJECTIVES
from ganvas.training.phases import Phase
from ganvas.training.remedies import Care
from ganvas.training.vitals import Vitals


class State:
    """Networks, their averages, optimisers, memory, balance, guard counts, checkups, remedies and position of one run.

    `tensors` and `numbers` are its two halves on disk; `load` takes them back.
    """

    def __init__(self, config: RunConfig, shape: tuple[int, ...], engine: Engine | None = None):
        engine = engine or Engine()
        self.device = engine.device
        self.architecture = models.load(config.model)
        self.architecture.check(config)
        self.config, self.shape = config, shape
        networks = self._new_networks(config.seed)
        self.networks = nn.ModuleDict(networks).to(self.device)
        if len(shape) == 3:  # the layout in which convolutions are fastest, on CPUs and GPUs alike
            self.networks.to(memory_format=torch.channels_last)
        self.averages = nn.ModuleDict({r: copy.deepcopy(self.networks[r]) for r in self.architecture.averaged})
        self.averages.requires_grad_(False)
        engine.prepare(networks)
        objective = OBJECTIVES[self.architecture.objective](config, self.architecture)
        self.phases = objective.phases
        self.memory = {name: tensor.to(self.device) for name, tensor in objective.memory.items()}
        # Walking through modules costs more than a small network's arithmetic: the lists are made once.
        self.weights = {phase.name: self._trained(phase) for phase in self.phases}
        self.parameters = {role: list(network.parameters()) for role, network in self.networks.items()}
        pairs = [(average, self.networks[role]) for role, average in self.averages.items()]
        self.averaged_weights = _side_by_side([(a.parameters(), n.parameters()) for a, n in pairs])
        self.averaged_buffers = _side_by_side([(a.buffers(), n.buffers()) for a, n in pairs])
        self._buffers = list(self.networks.buffers())
        self.lengths = self.weight_lengths()  # before any step: what growth is measured by
        self.optimisers = {phase.name: self._optimiser(phase, config) for phase in self.phases}
        self.balance = Balance(config.balance)
        self.meter = Meter(self.device)
        self.bad_steps = torch.zeros((), device=self.device)  # decaying count of steps left out as non-finite
        self.images_seen = 0
        self.steps = 0
        self.lr_scale = 1.0
        self.rollbacks = 0
        self.best: tuple[int, float] | None = None  # position and loss of the best score
        self.history: list[Vitals] = []  # what every checkup found
        self.care = Care()

    def _new_networks(self, seed: int) -> dict[str, nn.Module]:
        with torch.random.fork_rng(devices=[]):  # leave the caller's random numbers alone
            torch.manual_seed(seed)
            return models.build(self.config, self.shape)

    def begin_again(self) -> None:
        """New weights, averages and optimiser moments at the present position; what was learnt about care stays."""
        for role, network in self._new_networks(self.config.seed + self.images_seen).items():
            self.networks[role].load_state_dict(network.state_dict())
            if role in self.averages:
                self.averages[role].load_state_dict(network.state_dict())
        for optimiser in self.optimisers.values():
            optimiser.state.clear()
        self.balance.strength = 0.5
        self.history, self.best = [], None

    def weight_lengths(self) -> dict[str, float]:
        """Length of all weights that each player moves, as one vector."""
        found: dict[str, float] = {}
        for player in {phase.player for phase in self.phases}:
            weights: list[Tensor] = []
            for phase in self.phases:
                weights += self.weights[phase.name].values() if phase.player == player else ()
            found[player] = float(torch.stack(torch._foreach_norm(weights)).detach().norm())
        return found

    def _trained(self, phase: Phase) -> dict[str, nn.Parameter]:
        """The weights that a phase moves, by name."""
        return {
            f"{role}.{name}": weight for role in phase.trains for name, weight in self.networks[role].named_parameters()
        }

    def _optimiser(self, phase: Phase, config: RunConfig) -> torch.optim.Adam:
        settings = config.optimiser
        return torch.optim.Adam(
            list(self.weights[phase.name].values()),
            settings.discriminator_lr if phase.player == "discriminator" else settings.generator_lr,
            betas=(float(settings.beta1), float(settings.beta2)),
            fused=True,
        )

    def statistics(self) -> list[Tensor]:
        """Everything besides weights that a forward pass may change: buffers of the networks, and the memory."""
        return [*self._buffers, *self.memory.values()]

    def tensors(self) -> dict[str, Tensor]:
        """A copy of every tensor of the state by name; copies, since weights may be shared and files hold each once."""
        named: dict[str, Tensor] = {}
        for part, networks in (("networks", self.networks), ("averages", self.averages)):
            named |= {f"{part}/{name}": tensor for name, tensor in networks.state_dict().items()}
        for phase in self.phases:
            optimiser = self.optimisers[phase.name]
            for name, weight in self.weights[phase.name].items():
                for key, value in optimiser.state[weight].items():
                    named[f"optimisers/{phase.name}/{name}/{key}"] = value
        named |= {f"memory/{name}": tensor for name, tensor in self.memory.items()}
        named |= {f"meter/{name}": tensor for name, tensor in self.meter.sums.items()}
        named["bad_steps"] = self.bad_steps
        return {name: tensor.detach().clone().cpu().contiguous() for name, tensor in named.items()}

    def numbers(self) -> dict[str, Any]:
        """Every number of the state that is no tensor."""
        return {
            "images_seen": self.images_seen,
            "steps": self.steps,
            "lr_scale": self.lr_scale,
            "rollbacks": self.rollbacks,
            "best": list(self.best) if self.best else None,
            "strength": self.balance.strength,
            "history": [asdict(vitals) for vitals in self.history],
            "care": self.care.to_numbers(),
            "meter": dict(self.meter.counts),
            "reported": {name: list(pair) for name, pair in self.meter.reported.items()},
        }

    def load(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Become the state that `tensors` and `numbers` describe."""
        for part, networks in (("networks", self.networks), ("averages", self.averages)):
            networks.load_state_dict(_under(tensors, f"{part}/"))
        for phase in self.phases:
            self._load_optimiser(phase, _under(tensors, f"optimisers/{phase.name}/"))
        self.memory = {name: t.to(self.device) for name, t in _under(tensors, "memory/").items()}
        self.meter.sums = {name: t.to(self.device) for name, t in _under(tensors, "meter/").items()}
        self.meter.counts = dict(numbers["meter"])
        self.meter.reported = {name: (float(s), int(n)) for name, (s, n) in numbers["reported"].items()}
        self.bad_steps = tensors["bad_steps"].to(self.device)
        self.images_seen, self.steps = numbers["images_seen"], numbers["steps"]
        self.lr_scale, self.rollbacks = numbers["lr_scale"], numbers["rollbacks"]
        self.best = (int(numbers["best"][0]), float(numbers["best"][1])) if numbers["best"] else None
        self.balance.strength = numbers["strength"]
        self.history = [Vitals.of(values) for values in numbers["history"]]
        self.care = Care.of(numbers["care"])

    def _load_optimiser(self, phase: Phase, tensors: dict[str, Tensor]) -> None:
        optimiser = self.optimisers[phase.name]
        optimiser.state.clear()
        for name, weight in self.weights[phase.name].items():
            values = _under(tensors, f"{name}/")
            if values:
                optimiser.state[weight] = {key: _laid_out_like(weight, v) for key, v in values.items()}


def _side_by_side(pairs: list[tuple[Iterable[Tensor], Iterable[Tensor]]]) -> tuple[list[Tensor], list[Tensor]]:
    """All that is averaged, and what each of it is the average of."""
    return [tensor for kept, _ in pairs for tensor in kept], [tensor for _, current in pairs for tensor in current]


def _laid_out_like(weight: Tensor, value: Tensor) -> Tensor:
    """A copy of the value in the weight's memory layout, which fused optimisers take for granted."""
    if value.shape == weight.shape:
        return torch.empty_like(weight).copy_(value).detach()
    return value.clone().to(weight.device)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


class Meter:
    """Means of statistics since the last report, and since the last checkup; they stay on the device until a report."""

    def __init__(self, device: torch.device):
        self.device = device
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.reported: dict[str, tuple[float, int]] = {}  # sums and counts of the reports since the last checkup

    def add(self, stats: dict[str, Tensor]) -> None:
        """Take in one value of each statistic."""
        for name, value in stats.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
            self.counts[name] = self.counts.get(name, 0) + 1

    def report(self) -> dict[str, float]:
        """The means so far; counting starts again. "skipped" is a count, not a mean."""
        if not self.sums:
            return {}
        values = torch.stack([value.float() for value in self.sums.values()]).tolist()  # one synchronisation
        sums = {name: (value, self.counts[name]) for name, value in zip(self.sums, values, strict=True)}
        for name, (value, count) in sums.items():
            before, counted = self.reported.get(name, (0.0, 0))
            self.reported[name] = (before + value, counted + count)
        self.sums, self.counts = {}, {}
        return _means(sums)

    def checkup(self) -> dict[str, float]:
        """The means of all reports since the last checkup."""
        means, self.reported = _means(self.reported), {}
        return means


def _means(sums: dict[str, tuple[float, int]]) -> dict[str, float]:
    return {name: value if name == "skipped" else value / count for name, (value, count) in sums.items()}
