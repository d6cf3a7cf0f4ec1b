"""One architecture per file; the file name is its name everywhere."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError
from torch import nn

from ganvas.config import RunConfig, Settings, explain
from ganvas.errors import BadSetting, UnknownName
from ganvas.layers import add_deviation

Networks = dict[str, nn.Module]


def _accept(config: RunConfig) -> None:
    """Every combination of settings is fine."""


def _stay(networks: Any, images_seen: int) -> None:
    """Networks do not change shape with the position."""


def _whole(networks: Any, real: Any) -> Any:
    """Networks take real samples as they are."""
    return real


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What a file in this folder offers under the name ARCHITECTURE.

    Attributes:
        config: pydantic class of the networks' settings.
        build: from those settings and the shape of one sample, (C, H, W) or (D,), the networks by role. The role
            that makes samples maps what it `takes` to samples; discriminators return logits [N].
        takes: "latents" [N, latent_size], the network having an attribute `latent_size`; or "pictures"
            [N, C, H, W] in [-1, 1], repainted at their own size, whatever it is.
        objective: family whose phases train them: a name in training/objectives.py.
        sampler: the role that makes samples.
        averaged: roles whose weights are also kept as a running average.
        independent: the discriminator judges each sample by itself, so real and generated ones may share a batch
            and gradient penalties are defined; false with batch normalisation in it.
        discriminator: builds the discriminator alone, from the networks' settings, the shape of what it judges and
            the number of labels K, with logits [N, K] instead of [N]; packing and labels need it.
        source: paper, with address.
        check: raises UserError for settings that do not go with the architecture.
        set_position: told the networks and the images seen before every step, for those that grow.
        real_view: real samples in the form that the networks take now, such as a pyramid.
    """

    config: type[Settings]
    build: Callable[[Any, tuple[int, ...]], Networks]
    takes: Literal["latents", "pictures"] = "latents"
    objective: str = "gan"
    sampler: str = "generator"
    averaged: tuple[str, ...] = ("generator",)
    independent: bool = True
    discriminator: Callable[..., nn.Module] | None = None
    source: str
    check: Callable[[RunConfig], None] = _accept
    set_position: Callable[[Any, int], None] = _stay
    real_view: Callable[[Any, Any], Any] = _whole


def names() -> list[str]:
    """Names of all architectures, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Architecture:
    """The architecture of that name: one of names(), or any importable "package.module" that offers one.

    Raises:
        UnknownName: with the names there are.
    """
    if name in names():
        architecture: Architecture = importlib.import_module(f"{__name__}.{name}").ARCHITECTURE
        return architecture
    if "." in name:
        try:
            architecture = importlib.import_module(name).ARCHITECTURE
        except (ImportError, AttributeError):
            raise UnknownName("architecture", name, names()) from None
        return architecture
    raise UnknownName("architecture", name, names())


def network_config(config: RunConfig) -> Settings:
    """The architecture's own settings, read from `config.network`, defaults filled in.

    Raises:
        BadSetting, UnknownName: what was given, what is accepted.
    """
    settings = load(config.model).config
    try:
        return settings.model_validate(config.network)
    except ValidationError as error:
        raise explain(error, settings, "network.") from None


def build(config: RunConfig, shape: tuple[int, ...]) -> Networks:
    """The networks of a run, by role, for samples of the given shape, with labels and variety as the run wants them.

    Raises:
        BadSetting: for labels or variety that the architecture cannot have.
    """
    architecture, settings, variety = load(config.model), network_config(config), config.variety
    shares = config.data.label_shares or ()
    if shares:
        _check_labels(config, architecture)
        settings = settings.but(latent_size=settings.model_dump()["latent_size"] + len(shares))
    networks = architecture.build(settings, shape)
    if variety.deviation and "discriminator" not in networks:
        raise BadSetting(f"variety.deviation tells a discriminator, and model={config.model} has none; set it to 0.")
    if variety.pack > 1:
        if architecture.discriminator is None:
            raise BadSetting(f"variety.pack is {variety.pack}, but model={config.model} cannot pack; set it to 1.")
        networks["discriminator"] = architecture.discriminator(settings, (variety.pack * shape[0], *shape[1:]))
    if shares:
        assert architecture.discriminator is not None
        networks["discriminator"] = architecture.discriminator(settings, shape, len(shares))
        networks[architecture.sampler].label_shares = shares  # type: ignore[assignment]
    if variety.deviation:
        add_deviation(networks["discriminator"], variety.deviation)
    return networks


def _check_labels(config: RunConfig, architecture: Architecture) -> None:
    if architecture.objective != "gan" or architecture.discriminator is None:
        able = [name for name in names() if load(name).objective == "gan" and load(name).discriminator is not None]
        raise BadSetting(
            f"data.labels tells networks what to draw, and model={config.model} cannot be told; set data.labels=false, "
            f"or take one of: {', '.join(able)}."
        )
    if config.variety.pack > 1:
        raise BadSetting(
            f"variety.pack is {config.variety.pack}, but a pack has no label of its own; set it to 1, or "
            "data.labels=false."
        )


def latent_size(network: nn.Module) -> int:
    """Z of a network that makes samples, the values that tell it a label not counted."""
    size = network.latent_size
    assert isinstance(size, int), "a network that makes samples has a latent_size"
    return size - len(label_shares(network))


def label_shares(network: nn.Module) -> tuple[float, ...]:
    """How often each label is asked of a network that makes samples; none of one that takes no labels."""
    return getattr(network, "label_shares", ())


def count_parameters(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(parameter.numel() for parameter in network.parameters())


__all__ = [
    "Architecture", "Networks", "build", "count_parameters", "label_shares", "latent_size", "load", "names",
    "network_config",
]  # fmt: skip
