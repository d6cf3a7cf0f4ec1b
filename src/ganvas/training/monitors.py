"""What is wrong with a run, in words: pure functions of what its checkups found.

Each monitor takes the history of checkups, oldest first, and returns a sentence on what was seen and what it means, or
None. None of them uses the sign or the size of a logit: under a relativistic loss those mean nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ganvas.training.vitals import Vitals

History = Sequence[Vitals]
Monitor = Callable[[History], str | None]

BEGUN = (
    0.05  # share of a run, since its first checkup, before which hardly any network has learnt to spread its samples
)
STEPS = 120  # and the steps before which none has
RISING = 1.1  # a slow start is no collapse: what is poor but has grown so much in two checkups is left alone
CLOSE = 0.5  # of the distance between held-out and training pictures


def begun(history: History) -> bool:
    """Whether the run is far enough on for its samples to be judged."""
    if not history:
        return False
    first, last = history[0], history[-1]
    return last.progress - first.progress >= BEGUN and last.steps - first.steps >= STEPS


def not_finite(history: History) -> str | None:
    """Samples that are no numbers: the weights themselves have gone."""
    if math.isfinite(history[-1].loss):
        return None
    return "Some samples are not finite: the generator's weights have run away."


def dead_output(history: History) -> str | None:
    """Pictures without contrast, and not gaining any."""
    if not begun(history) or len(history) < 3 or any(v.contrast > 0.1 for v in history[-2:]):
        return None
    if history[-1].contrast > RISING * history[-3].contrast:
        return None
    return (
        f"Samples are flat: their contrast is {history[-1].contrast:.0%} of that of the real ones. "
        "The generator gives the same empty output for every latent."
    )


def mode_collapse(history: History) -> str | None:
    """Samples alike, or real ones that used to have a generated one near and have none any more."""
    if not begun(history) or len(history) < 3:
        return None
    recent, best = history[-2:], max(v.coverage for v in history)
    if all(v.diversity < 0.5 for v in recent) and recent[-1].diversity < RISING * history[-3].diversity:
        return (
            f"Samples differ from each other only {history[-1].diversity:.0%} as much as real ones do: "
            "mode collapse, the generator makes few different things."
        )
    if best > 0.3 and all(v.coverage < best / 2 and v.diversity < 0.8 for v in recent):
        return (
            f"Only {history[-1].coverage:.0%} of the real samples have a generated one near, where it was {best:.0%}: "
            "mode collapse, the generator has dropped kinds of samples that it could make."
        )
    return None


def divergence(history: History) -> str | None:
    """A score many times worse than the best, twice in a row."""
    if not begun(history) or len(history) < 4:
        return None
    best = min(v.loss for v in history[:-2])
    if not all(v.loss > 4 * best + 1e-3 and v.loss > 0.05 * history[0].loss for v in history[-2:]):
        return None
    return (
        f"Samples are {history[-1].loss / max(best, 1e-9):.0f} times farther from the real ones than they were at "
        "best: training has come apart."
    )


def discriminator_too_strong(history: History) -> str | None:
    """It ranks nearly every real sample above every fake, and samples do not get better."""
    recent = _known(history[-3:], "strength")
    if not begun(history) or len(recent) < 3 or min(recent) < 0.97 or _improves(history):
        return None
    return (
        f"The discriminator tells {recent[-1]:.1%} of real samples from generated ones and samples do not get better: "
        "it is too strong, the generator learns nothing from it."
    )


def discriminator_too_weak(history: History) -> str | None:
    """It does no better than a coin while samples are still far from the real ones."""
    recent = _known(history[-3:], "strength")
    if not begun(history) or len(recent) < 3 or max(recent) > 0.53 or history[-1].coverage > 0.6:
        return None
    return (
        f"The discriminator tells only {recent[-1]:.0%} of real samples from generated ones, no better than a coin, "
        f"while {1 - history[-1].coverage:.0%} of the real ones have no like among the samples: it is too weak."
    )


def exploding_gradients(history: History) -> str | None:
    """A gradient a hundred times what it usually was."""
    for name in ("discriminator_gradient", "generator_gradient"):
        known = _known(history, name)
        if begun(history) and len(known) >= 4:
            usual = sorted(known[:-1])[len(known) // 2 - 1]
            if known[-1] > 100 * usual and known[-1] > 10:
                player = name.split("_")[0]
                return (
                    f"The {player}'s gradient is {known[-1] / max(usual, 1e-12):.0f} times its usual size: it explodes."
                )
    return None


def vanishing_gradients(history: History) -> str | None:
    """A generator whose gradient is next to nothing, while samples are not good."""
    recent = _known(history[-3:], "generator_gradient")
    if not begun(history) or len(recent) < 3 or max(recent) > 1e-5 or history[-1].coverage > 0.6:
        return None
    return f"The generator's gradient is {recent[-1]:.0e}: it has vanished, nothing is learnt any more."


def oscillation(history: History) -> str | None:
    """Scores that swing without getting better, for a quarter of the run."""
    window = [v for v in history if v.progress > history[-1].progress - 0.25]
    earlier = [v.loss for v in history[: -len(window)]]
    if len(earlier) < 3 or len(window) < 6 or not all(math.isfinite(v.loss) for v in window):
        return None
    losses, before = [v.loss for v in window], min(earlier)
    turns = sum((b - a) * (c - b) < 0 for a, b, c in zip(losses, losses[1:], losses[2:], strict=False))
    if min(losses) < before or max(losses) < 2 * min(losses) or turns < len(losses) // 3:
        return None
    return (
        f"Samples have swung between better and worse (x {max(losses) / min(losses):.1f}) for a quarter of the run "
        "without getting better: the players chase each other."
    )


def memorising(history: History) -> str | None:
    """A discriminator that knows training pictures from unseen ones, or samples that sit on training pictures."""
    recent = history[-2:]
    if not begun(history) or len(recent) < 2:
        return None
    if all(v.closeness is not None and v.closeness < CLOSE and v.diversity > 0.3 for v in recent):
        return (
            f"Samples are {recent[-1].closeness:.2f} times as far from the training pictures as unseen real ones are: "
            "the generator repeats what it was shown."
        )
    gaps = _known(history[-4:], "overfit")
    if len(gaps) == 4 and sum(gaps) / 4 > 0.5:  # of a few hundred pictures, so each is a noisy number
        return (
            f"The discriminator takes unseen real pictures {sum(gaps) / 4:.0%} of the way for generated ones: "
            "it has learnt the training pictures by heart."
        )
    return None


def checkerboard(history: History) -> str | None:
    """Energy in the finest two-pixel pattern that real pictures do not have."""
    patterns = _known(history[-3:], "pattern")
    if history[-1].progress < 0.25 or len(patterns) < 3 or min(patterns) < 0.05:
        return None
    return (
        f"{patterns[-1]:.0%} of the samples' energy is a pattern of single pixels that real ones lack: a checkerboard."
    )


def _known(history: History, name: str) -> list[float]:
    return [value for value in (getattr(v, name) for v in history) if value is not None]


def _improves(history: History) -> bool:
    """Whether the best score is among the last quarter of the checkups."""
    recent = max(3, len(history) // 4)
    return min(v.loss for v in history[-recent:]) <= min(v.loss for v in history)


# In order: of several that see something, the first is acted upon.
MONITORS: dict[str, Monitor] = {
    "not finite": not_finite,
    "dead output": dead_output,
    "mode collapse": mode_collapse,
    "exploding gradients": exploding_gradients,
    "divergence": divergence,
    "vanishing gradients": vanishing_gradients,
    "discriminator too strong": discriminator_too_strong,
    "discriminator too weak": discriminator_too_weak,
    "memorising": memorising,
    "oscillation": oscillation,
    "checkerboard": checkerboard,
}


def findings(history: History) -> dict[str, str]:
    """Every monitor that sees something, by name, with its sentence."""
    if not history:
        return {}
    if not math.isfinite(history[-1].loss):
        return {"not finite": not_finite(history) or ""}
    found = {name: monitor(history) for name, monitor in MONITORS.items()}
    return {name: words for name, words in found.items() if words}


def beforehand(count: int, diversity: float) -> dict[str, str]:
    """What can be said of pictures before the start of a run, by monitor; see the two below."""
    found = {"too few pictures": too_few(count), "pictures alike": pictures_alike(diversity)}
    return {name: words for name, words in found.items() if words}


def pictures_alike(diversity: float) -> str | None:
    """A word before the start of a run on pictures that hardly differ; `diversity` is their mean distance."""
    if diversity > 1e-3:
        return None
    return "The pictures are all the same: there is nothing to learn from them but that one. Is it the right folder?"


def too_few(count: int) -> str | None:
    """A word before the start of a run on very few pictures."""
    if count >= 200:
        return None
    return (
        f"There are only {count} pictures: the generator will repeat them rather than learn what they have in common. "
        "A few hundred more would help; augmentation does too."
    )
