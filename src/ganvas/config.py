"""What a run is: frozen settings, each declared once with its help, unit, range and default.

The command line, the run folder's JSON, the docs page and the search space are all read from these declarations.
None means "worked out from the source and the machine before training"; a config in which nothing is None any more
is called resolved (see `training/resolve.py`).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from ganvas.errors import BadSetting, UnknownName


def setting(default: Any, description: str, *, unit: str = "", **bounds: Any) -> Any:
    """Declare one setting: its default, what it does, its unit and its range (pydantic's ge, gt, le, lt)."""
    return Field(default=default, description=description, json_schema_extra={"unit": unit}, **bounds)


class Settings(BaseModel):
    """Base of every group of settings: frozen, and nothing unknown is let in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _listed(cls, value: Any, info: ValidationInfo) -> Any:
        """One size where a list of sizes is taken is a list of one."""
        kind = cls.model_fields[info.field_name or ""].annotation
        return (value,) if get_origin(kind) is tuple and isinstance(value, int | float) else value

    def but(self, **changes: Any) -> Self:
        """A copy with some fields replaced and checked; a dictionary changes only the fields of a group it names."""
        merged = self.model_dump()
        for name, value in changes.items():
            group = getattr(type(self).model_fields.get(name), "annotation", None)
            grouped = isinstance(group, type) and issubclass(group, Settings) and isinstance(value, Mapping)
            merged[name] = merged[name] | dict(value) if grouped else value
        return type(self).model_validate(merged)


Adversarial = Literal["nonsaturating", "minimax", "least-squares", "hinge", "wasserstein", "relativistic"]


class DataConfig(Settings):
    """How files become samples."""

    resolution: str | None = setting(
        None, "Size of the pictures, as 64 or as HEIGHTxWIDTH; by default as large as pictures and `size` allow.",
        unit="pixels", pattern=r"^\d+(x\d+)?$",
    )  # fmt: skip
    channels: Literal["auto", "grey", "rgb", "rgba"] = setting("auto", "Colour channels; auto looks at the pictures.")
    fit: Literal["crop", "pad", "keep"] = setting(
        "crop", "Pictures of another shape: cut the middle, add borders, or keep the collection's usual shape."
    )
    background: str = setting(
        "#ffffff", "Colour under transparent pictures and of borders.", pattern="^#[0-9a-fA-F]{6}$"
    )
    crops: int | None = setting(
        None, "Cut so many random pieces of `resolution` out of the pictures, and train on these.", ge=1
    )
    labels: bool = setting(False, "Take the names of sub-folders as labels, and learn to draw each label on demand.")
    label_shares: tuple[Annotated[float, Field(ge=0)], ...] | None = setting(
        None, "How often each label is drawn, in the order of their names; by default as often as in the data."
    )
    flip: bool = setting(False, "Show every second picture mirrored.")


class LossConfig(Settings):
    """What the players optimise."""

    adversarial: Adversarial = setting("relativistic", "Adversarial loss.")
    r1: float | None = setting(
        None, "Weight of the gradient penalty on real samples (gamma); by default it grows with the pixels.", ge=0
    )
    r2: float | None = setting(
        None, "Weight of the gradient penalty on generated samples (gamma); by default that of r1.", ge=0
    )
    gradient_penalty: float = setting(0.0, "Weight of the WGAN-GP penalty between real and generated samples.", ge=0)
    penalty_every: int = setting(1, "Apply penalties every so many discriminator steps, so many times stronger.", ge=1)
    final_penalty: float = setting(
        1.0, "Penalty weights at the end of the run, as a share of those at its start.", ge=0
    )
    instance_noise: float = setting(
        0.0, "Noise on everything the discriminator sees, fading to none halfway through the run (in unit scale).", ge=0
    )
    kl: float = setting(1.0, "Weight of a variational autoencoder's Kullback-Leibler divergence (beta).", ge=0)

    @property
    def penalised(self) -> bool:
        """Whether any gradient penalty is asked for."""
        return bool(self.r1 or self.r2 or self.gradient_penalty)


class OptimiserConfig(Settings):
    """Adam and its learning rates."""

    generator_lr: float = setting(2e-3, "Learning rate of the generator's side.", gt=0, le=1)
    discriminator_lr: float = setting(2e-3, "Learning rate of the discriminator's side.", gt=0, le=1)
    beta1: float = setting(0.0, "Adam's decay of the mean gradient.", ge=0, lt=1)
    beta2: float = setting(0.99, "Adam's decay of the mean squared gradient.", ge=0, lt=1)
    schedule: Literal["constant", "cosine", "linear-tail"] = setting(
        "constant", "How learning rates fall: not at all, along a cosine, or in a straight line over the last part."
    )
    final_lr: float = setting(
        0.05, "Learning rates at the end of the run, as a share of those at its start.", ge=0, le=1
    )
    tail: float = setting(0.5, "Share of the run over which `linear-tail` falls.", gt=0, le=1)


class BalanceConfig(Settings):
    """How the two players are kept level."""

    discriminator_steps: int = setting(1, "Discriminator steps to each round.", ge=1)
    generator_steps: int = setting(1, "Generator steps to each round.", ge=1)
    skip_above: float | None = setting(
        None, "Hold the discriminator still while it ranks this share of real samples above fakes; off by default.",
        gt=0.5, le=1,
    )  # fmt: skip


class AugmentConfig(Settings):
    """Differentiable augmentation of everything the discriminator sees."""

    policy: str = setting("none", "none, or a comma-separated list of translation, colour, cutout.")
    strength: float = setting(1.0, "Strength of every augmentation, 1 being that of the paper.", ge=0, le=1)


class VarietyConfig(Settings):
    """What lets any discriminator see a lack of variety: more than one sample at a time."""

    pack: int = setting(1, "Samples that the discriminator judges as one, side by side (PacGAN); 2 is enough.", ge=1)
    deviation: int = setting(
        0, "Group of samples whose differences the discriminator is told (minibatch deviation), usually 4; 0 is off.",
        ge=0,
    )  # fmt: skip

    @property
    def together(self) -> int:
        """How many samples a logit may depend on."""
        return self.pack * max(1, self.deviation)


class AverageConfig(Settings):
    """The running average of the generator that samples are drawn from."""

    half_life_images: float = setting(2500, "Half-life of the average.", unit="images", gt=0)
    ramp: float = setting(0.05, "The half-life is at most this share of the images seen so far.", gt=0)


class StylistConfig(Settings):
    """What a network that repaints photographs learns."""

    picture: str | None = setting(None, "Picture whose style is learnt, or the name of a carried style.")
    key: str | None = setting(None, "SHA-256 of that picture; filled in.")
    pixels: int = setting(256, "Longer side at which it is looked at: less makes finer strokes.", unit="pixels", ge=16)
    strength: float = setting(100.0, "Weight of the style.", ge=0)
    content: float = setting(4.0, "Weight of what the photograph shows.", ge=0)
    smooth: float = setting(0.5, "Weight of total variation.", ge=0)
    bfloat16: bool | None = setting(
        None, "Look at pictures in half precision; by default where the processor is faster that way."
    )


class SaveConfig(Settings):
    """What is kept, and how often."""

    every_images: int | None = setting(
        None,
        "Images between checkpoints; by default about a minute's worth.",
        unit="images",
        ge=1,
    )
    keep: int = setting(3, "Newest checkpoints to keep, besides the best.", ge=2)
    samples_every_images: int | None = setting(
        None,
        "Images between sample sheets; by default 16 sheets a run.",
        unit="images",
        ge=1,
    )
    samples: int = setting(64, "Pictures on a sample sheet; 2-D sets use 64 times as many points.", ge=1, le=1024)
    report_every_images: int | None = setting(
        None,
        "Images between reports of the statistics; by default about a second's worth.",
        unit="images",
        ge=1,
    )


class SteadyConfig(Settings):
    """How a run is watched, and put right."""

    mode: Literal["auto", "warn", "off"] = setting(
        "auto", "What to do about trouble: put it right and say so, say so only, or nothing."
    )
    every_images: int | None = setting(
        None, "Images between checkups; by default 32 checkups a run.", unit="images", ge=1
    )
    held_out: int | None = setting(
        None, "Pictures kept apart from training, to see memorising by; by default 5 %, at most 500.", ge=0
    )
    patience: float | None = setting(
        None, "End the run when the score has not improved for this share of it; off by default.", gt=0, le=1
    )


class RunConfig(Settings):
    """Everything that decides a run: resolved, on one machine, it gives the same weights bit for bit."""

    source: str = setting("digits", "What to learn: a named set, a folder or zip of pictures, or torchvision:NAME.")
    model: str = setting("lean", "Architecture: the name of a file in ganvas/models.")
    network: dict[str, Any] = setting({}, "Sizes of the networks: the settings of the architecture itself.")
    seed: int = setting(0, "Seed of every random draw.", ge=0)
    batch_size: int | None = setting(
        None, "Samples per step, over all processes together; by default 64, fewer of a small collection.", ge=1
    )
    total_images: int | None = setting(None, "Length of training; or give `minutes`.", unit="images", ge=1)
    minutes: float | None = setting(
        None,
        "Length of training, turned into images by measuring the speed first.",
        unit="minutes",
        gt=0,
    )
    size: Literal["small", "medium", "large"] = setting(
        "small",
        "One dial for pictures: resolution and the networks' width follow.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "Where to train.")
    threads: int | None = setting(None, "CPU threads; by default the fastest number in a short measurement.", ge=1)
    data: DataConfig = DataConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    balance: BalanceConfig = BalanceConfig()
    augment: AugmentConfig = AugmentConfig()
    variety: VarietyConfig = VarietyConfig()
    average: AverageConfig = AverageConfig()
    style: StylistConfig = StylistConfig()
    save: SaveConfig = SaveConfig()
    steady: SteadyConfig = SteadyConfig()

    @field_validator("network")
    @classmethod
    def _plain(cls, network: dict[str, Any]) -> dict[str, Any]:
        """Typed or as text, from Python or from a file: the same sizes are the same values."""
        return {name: plain(value) for name, value in network.items()}


def plain(value: Any) -> Any:
    """A setting of an architecture as JSON would give it: "16" is 16, "16,8" and (16, 8) are [16, 8]."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if not isinstance(value, str):
        return value
    try:
        return plain(json.loads(value))
    except ValueError:
        return [plain(item) for item in value.strip("()[] ").split(",")] if "," in value else value


def describe(settings: type[Settings] = RunConfig, prefix: str = "") -> Iterator[tuple[str, str, Any, str]]:
    """(dotted name, accepted values, default, help with unit) of every setting, in order of declaration."""
    for name, field in settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Settings):
            yield from describe(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", accepted(settings, name), field.default, field.description or ""


def accepted(settings: type[Settings], name: str) -> str:
    """The values that a setting takes, in words, computed from its declaration."""
    schema = _schema(settings)[name]
    options = schema.get("anyOf", [schema])
    schema = next((option for option in options if option.get("type") != "null"), schema)
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if schema.get("type") == "array":
        return _in_words(schema["items"]) + ", or several with commas between"
    unit = settings.model_fields[name].json_schema_extra
    suffix = f" ({unit['unit']})" if isinstance(unit, dict) and unit.get("unit") else ""
    return _in_words(schema) + suffix


def _in_words(schema: Mapping[str, Any]) -> str:
    kinds = {"integer": "whole number", "number": "number", "boolean": "true or false", "object": "table"}
    limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    bounds = [f"{word} {schema[key]:g}" for key, word in limits.items() if key in schema]
    return " ".join([kinds.get(schema.get("type", ""), "text"), " and ".join(bounds)]).strip()


@cache
def _schema(settings: type[Settings]) -> dict[str, Any]:
    properties: dict[str, Any] = settings.model_json_schema()["properties"]
    return properties


Chosen = TypeVar("Chosen", bound=Settings)


def parse_assignments(items: list[str]) -> dict[str, str]:
    """`["loss.r1=0.1"]` as `{"loss.r1": "0.1"}`.

    Raises:
        BadSetting: for an item without `=`.
    """
    pairs: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise BadSetting(f"--set takes NAME=VALUE, got {item!r}; for example --set loss.r1=0.1.")
        pairs[name.strip()] = value.strip()
    return pairs


def nested(pairs: Mapping[str, Any], settings: type[Settings] = RunConfig) -> dict[str, Any]:
    """Dotted names as nested dictionaries: {"loss.r1": 1} becomes {"loss": {"r1": 1}}.

    Raises:
        UnknownName: for a name that is no setting; names under `network.` belong to the architecture.
    """
    known = [name for name, *_ in describe(settings)]
    tree: dict[str, Any] = {}
    for dotted, value in pairs.items():
        if dotted not in known and not (settings is RunConfig and dotted.startswith("network.")):
            raise UnknownName("setting", dotted, known)
        *groups, leaf = dotted.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[leaf] = value
    return tree


def changed(config: Chosen, pairs: Mapping[str, Any]) -> Chosen:
    """The config with settings replaced by dotted name; text is read as the type of each setting.

    Raises:
        BadSetting, UnknownName: what was given, what is accepted.
    """
    tree = nested(
        {name: None if value == "none" and name != "augment.policy" else value for name, value in pairs.items()},
        type(config),
    )
    if isinstance(config, RunConfig) and "network" in tree:
        if not isinstance(tree["network"], Mapping):
            raise BadSetting(f"network is a group of settings, got {tree['network']!r}; set one as network.NAME=VALUE.")
        tree["network"] = {**config.network, **tree["network"]}
    result: Chosen = checked(lambda: config.but(**tree), settings=type(config))
    return result


def checked(build: Any, prefix: str = "", settings: type[Settings] = RunConfig) -> Any:
    """Run a pydantic construction; its first complaint becomes one BadSetting in our words."""
    try:
        return build()
    except ValidationError as error:
        raise explain(error, settings, prefix) from None


def explain(error: ValidationError, settings: type[Settings], prefix: str = "") -> BadSetting | UnknownName:
    """A pydantic complaint in our words: the setting, what was given, what is accepted."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if str(part) in _names(settings)] or [str(first["loc"][0])]
    dotted = prefix + ".".join(path)
    if first["type"] == "extra_forbidden":
        return UnknownName(
            "setting", prefix + ".".join(map(str, first["loc"])), [prefix + n for n, *_ in describe(settings)]
        )
    owner = settings
    for part in path[:-1]:
        owner = owner.model_fields[part].annotation  # type: ignore[assignment]
    return BadSetting(f"{dotted} takes {accepted(owner, path[-1])}; got {first['input']!r}.")


def _names(settings: type[Settings]) -> set[str]:
    return {part for name, *_ in describe(settings) for part in name.split(".")}


def differences(one: RunConfig, other: RunConfig) -> list[tuple[str, Any, Any]]:
    """(dotted name, value in one, value in other) of every setting in which two configs differ."""
    a, b = flat(one), flat(other)
    return [(name, a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]


def flat(config: Settings, prefix: str = "") -> dict[str, Any]:
    """Every setting by its dotted name, the architecture's own under `network.`."""
    values: dict[str, Any] = {}
    for name, value in config:
        if isinstance(value, Settings):
            values |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, dict):
            values |= {f"{prefix}{name}.{key}": item for key, item in value.items()}
        else:
            values[f"{prefix}{name}"] = value
    return values


def read_toml(path: Path) -> dict[str, Any]:
    """Settings from a TOML file, by dotted name.

    Raises:
        BadSetting: when the file is missing or is not TOML.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path} is not a TOML file: {error}.") from None
    return _dotted(tree)


def _dotted(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in tree.items():
        values |= _dotted(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return values


def to_toml(config: RunConfig) -> str:
    """The settings as a TOML text that `train --preset FILE` reads; unset ones are written as "none"."""
    return "".join(f"{name} = {_toml_value(value)}\n" for name, value in flat(config).items())


def _toml_value(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML escapes as JSON does, and DEL


LOSSES: tuple[str, ...] = get_args(Adversarial)
