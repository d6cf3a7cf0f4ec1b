"""Four networks and a memory, as CycleGAN has them, in miniature: what an architecture of one's own looks like.

Shapes: points [N, 2]; domain A is the data, domain B the data turned by a quarter.
"""

import torch
from torch import nn

from ganvas.config import Settings, setting
from ganvas.models import Architecture
from ganvas.training.phases import Objective, Phase

HISTORY = 16


class Config(Settings):
    latent_size: int = setting(2, "Size of the latent vector.", ge=1)


class Translator(nn.Sequential):
    latent_size = 2


def build(config, shape):
    def translator():
        return Translator(nn.Linear(2, 6), nn.LeakyReLU(0.2), nn.Linear(6, 2))

    def critic():
        return nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1), nn.Flatten(0))

    return {"a_to_b": translator(), "b_to_a": translator(), "critic_a": critic(), "critic_b": critic()}


def objective(config, architecture):
    def sides(step):
        a = step.batch["real"]
        return a, torch.stack([-a[:, 1], a[:, 0]], 1)

    def generators(step):
        a, b = sides(step)
        nets = step.networks
        fake_a, fake_b = nets["b_to_a"](b), nets["a_to_b"](a)
        fool = (nets["critic_a"](fake_a) - 1).square() + (nets["critic_b"](fake_b) - 1).square()
        cycle = (nets["b_to_a"](fake_b) - a).abs().sum(1) + (nets["a_to_b"](fake_a) - b).abs().sum(1)
        step.memory["fakes"] = torch.cat([step.memory["fakes"], torch.cat([fake_a, fake_b], 1).detach()])[-HISTORY:]
        return fool + cycle, {"cycle": cycle.detach()}

    def critics(step):
        a, b = sides(step)
        picked = (step.draws.uniform("history") * HISTORY).long()
        old = step.memory["fakes"][picked]
        nets = step.networks
        losses = (nets["critic_a"](a) - 1).square() + nets["critic_a"](old[:, :2]).square()
        return losses + (nets["critic_b"](b) - 1).square() + nets["critic_b"](old[:, 2:]).square(), {}

    return Objective(
        (
            Phase("generators", "generator", ("a_to_b", "b_to_a"), generators),
            Phase("critics", "discriminator", ("critic_a", "critic_b"), critics),
        ),
        memory={"fakes": torch.zeros(HISTORY, 4)},
    )


ARCHITECTURE = Architecture(
    config=Config,
    build=build,
    objective="cycle",
    sampler="a_to_b",
    averaged=("a_to_b", "b_to_a"),
    source="Zhu et al. 2017, arXiv 1703.10593, in miniature",
)
"""What the loop asks for."""
