"""Tiny datasets, configs and ways to compare states that many tests share."""

import copy
import functools
import tempfile
from pathlib import Path

import numpy as np
import torch

from ganvas import images, models
from ganvas.config import RunConfig
from ganvas.data.source import Dataset
from ganvas.training import resolve
from ganvas.training.engine import Engine
from ganvas.training.state import State
from ganvas.training.step import Stepper

BATCH = 8
SIZES = {
    "mlp": {"latent_size": 2, "generator_widths": (8, 8), "discriminator_widths": (8, 8)},
    "lean": {"latent_size": 4, "width": 4},
    "dcgan": {"latent_size": 4, "width": 4},
    "stylise": {"width": 2, "blocks": 1},
    "vae": {"latent_size": 4, "compute": 0.1, "widths": (8,)},
}


def make_pictures(channels=1, height=16, width=16, count=96):
    """Blurry uint8 pictures [count, height, width, channels]."""
    rng = np.random.default_rng(5)
    ramp = np.linspace(0, 1, height)[:, None] * np.linspace(1, 0, width)[None, :]
    noise = rng.random((count, height, width, channels))
    samples = (255 * (0.5 * rng.random((count, 1, 1, 1)) * ramp[None, :, :, None] + 0.5 * noise)).astype(np.uint8)
    return Dataset("pictures", samples, "pictures-key")


def make_points(count=96, name="ring"):
    """Points [count, 2] around eight centres; scored, since a set of that name is known."""
    angle = np.arange(count) % 8 * np.pi / 4
    rng = np.random.default_rng(6)
    centres = np.stack([np.cos(angle), np.sin(angle)], 1)
    return Dataset(name, (centres + 0.01 * rng.standard_normal((count, 2))).astype(np.float32), "points-key")


def make_shades(count=96):
    """Grey pictures with labels: three in four dark ("night"), one in four bright ("day")."""
    known = (np.arange(count) % 4 == 0).astype(np.int64)
    rng = np.random.default_rng(7)
    level = np.where(known, 215, 40)[:, None, None, None] + rng.integers(-20, 20, (count, 16, 16, 1))
    return Dataset("shades", level.astype(np.uint8), "shades-key", known, ("night", "day"))


def dataset_for(model, data=None):
    """Points for perceptrons, colour for painters, grey pictures for all others; shades where labels are asked for."""
    if data and data.get("labels"):
        return make_shades()
    return make_points() if model == "mlp" else make_pictures(channels=3 if model == "stylise" else 1)


@functools.cache
def style_picture():
    """A file with a small picture to learn the style of."""
    path = Path(tempfile.mkdtemp(prefix="ganvas-style-")) / "style.png"
    images.write_png(path, make_pictures(3, 24, 24, 1).samples[0])
    return str(path)


def tiny_config(model, dataset=None, **changes):
    """A resolved config of a tiny run: 12 steps of 8 samples, saved every 4."""
    dataset = dataset or dataset_for(model)
    base = RunConfig(
        source=dataset.name, model=model, batch_size=BATCH, total_images=12 * BATCH, threads=1, device="cpu", seed=3
    ).but(
        network=SIZES.get(model, {}) | changes.pop("network", {}),
        average={"half_life_images": 50.0, "ramp": 0.5},
        save={
            "every_images": 4 * BATCH,
            "samples_every_images": 6 * BATCH,
            "report_every_images": 2 * BATCH,
            "samples": 2,
        },
    )
    if model == "stylise":
        base = base.but(style={"picture": style_picture(), "bfloat16": False})
    return resolve.with_source(base.but(**changes), dataset)


def fresh(config, dataset):
    """A new state."""
    return State(config, dataset.shape, Engine())


def advance(config, dataset, state, steps):
    """Take steps without the loop around them."""
    stepper = Stepper(config, dataset, state, Engine())
    for _ in range(steps):
        stepper.step()
    return state


def snapshot(state):
    """Copies of both halves of the state."""
    return {name: tensor.clone() for name, tensor in state.tensors().items()}, copy.deepcopy(state.numbers())


def differing(one, other):
    """Names of tensors and numbers in which two snapshots are not bit-equal."""
    names = [name for name in one[0].keys() | other[0].keys() if not _same(one[0].get(name), other[0].get(name))]
    return sorted(names) + [name for name in one[1].keys() | other[1].keys() if one[1].get(name) != other[1].get(name)]


def _same(one, other):
    return (
        one is not None
        and other is not None
        and one.dtype == other.dtype
        and one.shape == other.shape
        and one.numpy().tobytes() == other.numpy().tobytes()
    )


def all_finite(tensors):
    """Whether every value of every tensor is finite."""
    return all(bool(torch.isfinite(tensor.double()).all()) for tensor in tensors.values())


def adversarial_models():
    """Architectures with a discriminator."""
    return [name for name in models.names() if models.load(name).objective == "gan"]
