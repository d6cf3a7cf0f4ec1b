"""What is done about what monitors see: small, bounded changes of a few controls, each told in an event.

Controls are factors on the settings, neutral at first and part of the state, so that an interrupted run goes on with
them. One change is made at a time, for the gravest fault, and given time to work before the next is tried: so remedies
never fight one another. What put a run right stays, since the settings that made it ill are still there; only
augmentation is eased again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ganvas.config import RunConfig
from ganvas.models import Architecture

PATIENCE = 2  # checkups that a change is given before it is judged
CALM = 6  # checkups without a finding after which controls move back


@dataclass(frozen=True)
class Controls:
    """Factors on a run's settings; 1 is neutral, 0 for `augment`."""

    learning_rate: float = 1.0  # of both players
    generator_lr: float = 1.0
    discriminator_lr: float = 1.0
    penalty: float = 1.0
    hold_above: float = 1.0  # hold the discriminator still while it wins more often than this
    rounds: float = (
        1.0  # the generator's side moves in one of so many rounds: the discriminator gets as many more steps
    )
    augment: float = 0.0  # strength of augmentation that the run itself does not ask for
    asked_augment: float = 1.0  # of the strength that it does ask for


BOUNDS: dict[str, tuple[float, float]] = {
    "learning_rate": (1 / 64, 1.0),
    "generator_lr": (1 / 64, 1.0),
    "discriminator_lr": (1 / 64, 1.0),
    "penalty": (1 / 8, 64.0),
    "hold_above": (0.8, 1.0),
    "rounds": (1.0, 4.0),
    "augment": (0.0, 1.0),
    "asked_augment": (0.0, 1.0),
}


@dataclass(frozen=True)
class Change:
    """One way to answer a finding: a control, what it is multiplied by or raised by, and why that helps."""

    control: str
    by: float
    why: str

    def apply(self, controls: Controls) -> Controls:
        """The controls after the change, within bounds."""
        now = getattr(controls, self.control)
        low, high = BOUNDS[self.control]
        value = now + self.by if self.control == "augment" else now * self.by
        return replace(controls, **{self.control: min(high, max(low, value))})


EASED = Change("learning_rate", 1 / 2, "what was well once may go well again with smaller steps")
MUCH_SLOWER_DISCRIMINATOR = Change("discriminator_lr", 1 / 32, "its steps must be many times smaller")
MUCH_SLOWER_GENERATOR = Change("generator_lr", 1 / 32, "its steps must be many times smaller")
SLOWER = Change("learning_rate", 1 / 4, "smaller steps keep both players together")
SLOWER_DISCRIMINATOR = Change("discriminator_lr", 1 / 4, "a slower discriminator lets the generator catch up")
SLOWER_GENERATOR = Change("generator_lr", 1 / 4, "a slower generator keeps to what the discriminator has seen")
HELD = Change(
    "hold_above", 0.9, "a discriminator that sits out steps while it is far ahead lets the generator catch up"
)
MORE_STEPS = Change("rounds", 2.0, "a discriminator with more steps than the generator catches up")
SMOOTHER = Change("penalty", 4.0, "a stronger gradient penalty keeps the discriminator smooth")
SHARPER = Change("penalty", 1 / 4, "a weaker gradient penalty lets the discriminator see more")
PLAINER = Change("augment", -0.25, "the discriminator has long not taken unseen pictures for generated ones")
UNVARIED = Change("asked_augment", 0.0, "without augmentation there is nothing to leak")
VARIED = Change("augment", 0.25, "a discriminator that sees every picture changed cannot learn them by heart")

# For each monitor: what to try, in this order; each change comes on top of those before.
ANSWERS: dict[str, tuple[Change, ...]] = {
    "discriminator too fast": (MUCH_SLOWER_DISCRIMINATOR, SLOWER_DISCRIMINATOR),
    "generator too fast": (MUCH_SLOWER_GENERATOR, SLOWER_GENERATOR),
    "discriminator stands still": (EASED, SMOOTHER),
    "generator stands still": (EASED, SMOOTHER),
    "mode collapse": (SLOWER, SMOOTHER, SLOWER, SLOWER_GENERATOR, SMOOTHER),
    "dead units": (SLOWER, SLOWER, SMOOTHER, SLOWER_GENERATOR),
    "dead output": (SLOWER, SLOWER, SMOOTHER, SLOWER_GENERATOR),
    "not finite": (SLOWER, SLOWER, SLOWER),
    "divergence": (SLOWER, SMOOTHER, SLOWER, SLOWER_GENERATOR),
    "exploding gradients": (SLOWER_DISCRIMINATOR, SMOOTHER, SLOWER_GENERATOR, SLOWER_DISCRIMINATOR),
    "vanishing gradients": (SLOWER, SMOOTHER, HELD, SLOWER_DISCRIMINATOR),
    "discriminator too strong": (SMOOTHER, SLOWER_DISCRIMINATOR, HELD, SLOWER_DISCRIMINATOR, SMOOTHER),
    "discriminator too weak": (SHARPER, MORE_STEPS, SLOWER_GENERATOR, SHARPER, MORE_STEPS),
    "leaking augmentation": (UNVARIED,),
    "memorising": (VARIED, VARIED, VARIED, VARIED),
    "oscillation": (SLOWER_GENERATOR, SLOWER_DISCRIMINATOR),
}
# What has happened to these cannot be trained away: the run also goes back to its best checkpoint, or, where it has
# never been well, begins again with new networks.
STANDS_STILL = {"discriminator stands still": "discriminator_step", "generator stands still": "generator_step"}
GOES_BACK = (
    "mode collapse", "dead units", "dead output", "not finite", "divergence", "discriminator too fast",
    "generator too fast", *STANDS_STILL,
)  # fmt: skip
UNSEEN_YET = ("dead units",)  # samples of the averaged network may still be good
MOST_RETURNS = 4
SETTINGS = {
    "learning_rate": "a lower optimiser.generator_lr and optimiser.discriminator_lr",
    "generator_lr": "a lower optimiser.generator_lr",
    "discriminator_lr": "a lower optimiser.discriminator_lr",
    "penalty": "another loss.r1",
    "hold_above": "balance.skip_above=0.9",
    "rounds": "balance.discriminator_steps=2",
    "augment": "augment.policy=translation,cutout",
    "asked_augment": "augment.policy=none or a lower augment.strength",
}


def possible_controls(config: RunConfig, architecture: Architecture, pictures: bool) -> set[str]:
    """The controls that mean something in a run: penalties need a discriminator that judges samples one by one."""
    possible = {"learning_rate", "generator_lr"}
    if architecture.objective == "gan":
        possible |= {"discriminator_lr", "hold_above", "rounds"}
        possible |= {"penalty"} if architecture.independent else set()
        asked = config.augment.policy.replace("none", "")
        possible |= {"asked_augment" if asked else "augment"} if pictures else set()
    return possible


def advice(fault: str, possible: Collection[str]) -> str:
    """What a person could change, where the run does not do it by itself."""
    named = dict.fromkeys(SETTINGS[c.control] for c in ANSWERS.get(fault, ()) if c.control in possible)
    return f" Try {' or '.join(list(named)[:2])}." if named else ""


@dataclass
class Care:
    """What has been done so far; part of the state."""

    controls: Controls = field(default_factory=Controls)
    fault: str = ""  # what is being treated
    tried: int = 0  # changes made for it
    wait: int = 0  # checkups until the latest change is judged
    calm: int = 0  # checkups without a finding
    returns: int = 0  # times that the run went back to its best checkpoint, or began again
    said: dict[str, int] = field(default_factory=dict)  # checkups until a monitor may speak again

    def to_numbers(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Care:
        """From what `to_numbers` gave."""
        return cls(**{**numbers, "controls": Controls(**numbers["controls"]), "said": dict(numbers["said"])})

    def news(self, findings: Mapping[str, str]) -> dict[str, str]:
        """The findings that have not been told lately."""
        self.said = {name: left - 1 for name, left in self.said.items() if left > 1}
        fresh = {name: words for name, words in findings.items() if name not in self.said}
        self.said |= dict.fromkeys(findings, 2 * CALM)
        return fresh

    def treat(self, findings: Mapping[str, str], possible: Collection[str], was_well: bool = False) -> Change | None:
        """The change that is made now, if any: already in `controls`.

        Args:
            findings: sentences by monitor, the gravest first.
            possible: controls that mean something in this run.
            was_well: whether the run has been well: then what it goes back for is first met with a small change.
        """
        fault = next((name for name in findings if name in ANSWERS), "")
        if self.wait > 0:
            self.wait -= 1
            return None
        if not fault:
            self.calm += 1
            if self.calm >= CALM:
                self.fault, self.tried = "", 0
            return self.ease()
        if fault != self.fault:
            self.fault, self.tried = fault, 0
        self.calm = 0
        changes = ((EASED,) if was_well and fault in GOES_BACK else ()) + ANSWERS[fault]
        for change in changes[self.tried :]:
            self.tried += 1
            after = change.apply(self.controls)
            if after != self.controls and change.control in possible:
                self.controls, self.wait = after, PATIENCE
                return change
        return None

    def ease(self) -> Change | None:
        """Less augmentation, once memorising has been away for long: it must not stay for nothing."""
        if self.calm < 2 * CALM or not self.controls.augment:
            return None
        self.controls, self.calm = PLAINER.apply(self.controls), CALM
        return PLAINER
