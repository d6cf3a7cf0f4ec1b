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
GROWN = 5.0  # times longer weights from one checkup to the next; a healthy run's have at most doubled by the first
STILL = 2e-5  # of the length of the weights: a step below that changes nothing; learning rates near their end make 1e-3
RISING = 1.1  # a slow start is no collapse: what is poor but has grown so much in two checkups is left alone
DEAD = 0.95  # of the units of one layer
STALLED = 5  # checkups without a better score
SAME = 1e-3  # of the distance between real samples
FEW = 200  # pictures
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


def generator_too_fast(history: History) -> str | None:
    """Weights that have grown many times over, and samples that are bad."""
    return _too_fast(history, "generator")


def discriminator_too_fast(history: History) -> str | None:
    """The same of the other player: whoever it is must be slowed down."""
    return _too_fast(history, "discriminator")


def _too_fast(history: History, player: str) -> str | None:
    grown = [getattr(v, f"{player}_growth") or 1.0 for v in history[-2:]]
    ratio = grown[-1] / (grown[0] if len(grown) > 1 else 1.0)
    if ratio < GROWN or history[-1].coverage > 0.3:
        return None
    return (
        f"The {player}'s weights have become {ratio:.0f} times larger since the last checkup: its steps are too large."
    )


def generator_stands_still(history: History) -> str | None:
    """Steps that change nothing."""
    return _stands_still(history, "generator")


def discriminator_stands_still(history: History) -> str | None:
    """The same of the other player."""
    return _stands_still(history, "discriminator")


def _stands_still(history: History, player: str) -> str | None:
    steps = _known(history[-2:], f"{player}_step")
    if len(steps) < 2 or max(steps) > STILL or history[-1].progress > 0.95:
        return None
    return (
        f"The {player} stands still: its steps are {steps[-1]:.0e} of its weights. A spike may have spoilt its "
        "optimiser's memory, or its learning rate is next to nothing."
    )


def dead_units(history: History) -> str | None:
    """A layer of the generator that is zero whatever comes in: no gradient passes it."""
    silent = history[-1].dead_units
    if silent is None or silent < DEAD:
        return None
    return (
        f"{silent:.0%} of the units of a layer of the generator give zero whatever the latent: they are dead, no "
        "gradient reaches them or what lies below."
    )


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
    if len(history) >= 2 and all(v.diversity < SAME for v in history[-2:]):  # no run looks so that gets well
        return "All samples are the same: mode collapse, the generator gives one thing for every latent."
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
    """A score many times worse than the best, three times in a row: a young run may swing."""
    if not begun(history) or len(history) < 5:
        return None
    best = min(v.loss for v in history[:-3])
    if not all(v.loss > 4 * best + 1e-3 and v.loss > 0.05 * history[0].loss for v in history[-3:]):
        return None
    return (
        f"Samples are {history[-1].loss / max(best, 1e-9):.0f} times farther from the real ones than they were at "
        "best: training has come apart."
    )


def discriminator_too_strong(history: History) -> str | None:
    """It ranks nearly every real sample above every fake, and samples do not get better.

    One without a gradient penalty is met sooner: it grows steeper and steeper, and when it ranks nearly all, the
    samples have long got worse.
    """
    return _unpenalised(history) or _far_ahead(history)


def _unpenalised(history: History) -> str | None:
    recent = history[-STALLED:]
    ahead = _known(recent, "strength")
    if not begun(history) or not recent[-1].unpenalised or recent[-1].progress > 0.75:
        return None
    if len(history) <= STALLED or len(ahead) < STALLED:
        return None
    if sum(ahead) / STALLED < 0.8 or min(v.loss for v in recent) < min(v.loss for v in history[:-STALLED]):
        return None
    return (
        f"The discriminator tells {sum(ahead) / STALLED:.0%} of real samples from generated ones, samples have stopped "
        "getting better, and no gradient penalty keeps it smooth: it is becoming too strong."
    )


def _far_ahead(history: History) -> str | None:
    recent = _known(history[-3:], "strength")
    if not begun(history) or len(recent) < 3 or min(recent) < 0.93 or _improves(history):
        return None
    worse = min(v.loss for v in history[-3:]) > 1.05 * min(v.loss for v in history)
    if min(recent) < 0.97 and not worse:
        return None
    return (
        f"The discriminator tells {recent[-1]:.1%} of real samples from generated ones and samples "
        f"{'get worse' if worse else 'do not get better'}: it is too strong, the generator learns nothing from it."
    )


def discriminator_too_weak(history: History) -> str | None:
    """It does no better than a coin while samples are still far from the real ones, and do not get nearer."""
    recent = _known(history[-3:], "strength")
    if not begun(history) or len(recent) < 3 or max(recent) > 0.53 or history[-1].coverage > 0.6:
        return None
    if _improves(history):
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


def leaking_augmentation(history: History) -> str | None:
    """Samples that are nearer to augmented real pictures than to real ones."""
    leaks = _known(history[-3:], "leak")
    if len(leaks) < 3 or max(leaks) > 0.7 or history[-1].diversity < 0.5:
        return None
    return (
        f"Samples are {leaks[-1]:.2f} times as far from augmented real pictures as from real ones: the augmentation "
        "leaks, the generator paints what it should only be shown."
    )


def checkerboard(history: History) -> str | None:
    """Energy in the finest two-pixel pattern that real pictures do not have."""
    patterns = _known(history[-5:], "pattern")
    if history[-1].progress < 0.25 or len(patterns) < 5 or min(patterns) < 0.05 or patterns[-1] < 0.9 * patterns[0]:
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
    "discriminator too fast": discriminator_too_fast,
    "generator too fast": generator_too_fast,
    "discriminator stands still": discriminator_stands_still,
    "generator stands still": generator_stands_still,
    "dead units": dead_units,
    "dead output": dead_output,
    "mode collapse": mode_collapse,
    "exploding gradients": exploding_gradients,
    "divergence": divergence,
    "vanishing gradients": vanishing_gradients,
    "discriminator too strong": discriminator_too_strong,
    "discriminator too weak": discriminator_too_weak,
    "leaking augmentation": leaking_augmentation,
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


def beforehand(
    count: int, diversity: float, levels: tuple[int, int], batch: int, chance: float | None
) -> dict[str, str]:
    """What can be said before the start of a run on pictures, by monitor; see those below."""
    found = {
        "labels mean nothing": labels_mean_nothing(count, chance),
        "too few pictures": too_few(count),
        "pictures alike": pictures_alike(diversity),
        "wrong range": wrong_range(*levels),
        "small batch": small_batch(batch),
    }
    return {name: words for name, words in found.items() if words}


def pictures_alike(diversity: float) -> str | None:
    """A word before the start of a run on pictures that hardly differ; `diversity` is their mean distance."""
    if diversity > 1e-3:
        return None
    return "The pictures are all the same: there is nothing to learn from them but that one. Is it the right folder?"


def wrong_range(low: int, high: int) -> str | None:
    """A word before the start of a run on pictures that use next to none of the levels there are.

    Args:
        low: the darkest level of the pictures, 0 to 255, its rarest thousandth left out.
        high: the brightest, likewise.
    """
    if high - low >= 16:
        return None
    return (
        f"The pictures use only the levels {low} to {high} of 0 to 255: they look all but flat. Were values from 0 to "
        "1 saved as if they went to 255?"
    )


def labels_mean_nothing(count: int, chance: float | None) -> str | None:
    """A word before the start of a run whose labels might as well have been dealt at random.

    Args:
        count: of pictures; of a few, chance says nothing.
        chance: how often shuffled labels tell them apart as well, see `labels.chance`; None without labels.
    """
    if chance is None or chance < 0.02 or count < FEW:
        return None
    return (
        "Pictures of one label differ no less from each other than from those of another: labels say nothing about "
        "them. Are the pictures in the right sub-folders?"
    )


def small_batch(size: int) -> str | None:
    """A word before the start of a run on very small batches."""
    if size >= 8:
        return None
    return (
        f"A batch of {size} is very small: gradients and batch statistics are mostly noise. Try batch_size=32 or more, "
        "or learning rates a few times lower."
    )


def too_few(count: int) -> str | None:
    """A word before the start of a run on very few pictures."""
    if count >= FEW:
        return None
    return (
        f"There are only {count} pictures: the generator will repeat them rather than learn what they have in common. "
        "A few hundred more would help; augmentation does too."
    )
