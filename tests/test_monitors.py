"""Each monitor on histories made by hand: what it must see, and what it must not."""

import math

import pytest

from ganvas.training.monitors import (
    MONITORS,
    findings,
    labels_mean_nothing,
    pictures_alike,
    small_batch,
    too_few,
    wrong_range,
)
from ganvas.training.remedies import ANSWERS
from ganvas.training.vitals import Vitals


def history(count=20, **signs):
    """A healthy run whose score falls and whose coverage grows; a sign is a value, or one value per checkup."""
    made = []
    for index in range(count):
        progress = (index + 1) / 32
        values = {
            "loss": 8 / (1 + index), "diversity": 0.95, "coverage": min(0.95, 0.25 + 0.05 * index), "contrast": 1.0,
            "closeness": 1.2, "pattern": 0.004, "overfit": 0.2, "strength": 0.75, "discriminator_gradient": 1.5,
            "generator_gradient": 1.0, "discriminator_step": 0.02, "generator_step": 0.03,
            "discriminator_growth": 1.1 + 0.1 * index, "generator_growth": 1.4 + 0.1 * index, "leak": 3.0,
        }  # fmt: skip
        values |= {name: sign[index] if isinstance(sign, list) else sign for name, sign in signs.items()}
        made.append(Vitals(images_seen=6400 * (index + 1), progress=progress, steps=100 * (index + 1), **values))
    return made


def steady(value, last, count=20, of=2):
    """A sign that is `value` but at the last checkups."""
    return [value] * (count - of) + [last] * of


STALLING = [max(8 / (1 + i), 8 / 15) for i in range(20)]


@pytest.mark.parametrize("count", range(1, 33))
def test_a_healthy_run_raises_no_alarm_at_any_checkup(count):
    assert findings(history(count)) == {}


@pytest.mark.parametrize(
    ("name", "signs"),
    [
        ("mode collapse", {"diversity": steady(0.9, 0.2)}),
        ("mode collapse", {"coverage": steady(0.8, 0.3), "diversity": steady(0.9, 0.7)}),
        ("dead output", {"contrast": steady(1.0, 0.01)}),
        ("divergence", {"loss": steady(0.5, 9.0, of=3)}),
        ("discriminator too strong", {"strength": steady(0.8, 0.995, of=8), "loss": steady(1.0, 2.0, of=8)}),
        ("discriminator too weak", {"strength": 0.5, "coverage": 0.2, "loss": steady(2.0, 3.0, of=8)}),
        ("exploding gradients", {"discriminator_gradient": steady(1.0, 500.0, of=1)}),
        ("vanishing gradients", {"generator_gradient": steady(1.0, 1e-8, of=3), "coverage": 0.3}),
        ("memorising", {"overfit": steady(0.2, 0.8, of=4)}),
        ("memorising", {"closeness": steady(1.1, 0.2)}),
        ("oscillation", {"loss": [8 / (1 + i) for i in range(9)] + [1.0 + 3 * (i % 2) for i in range(11)]}),
        ("checkerboard", {"pattern": steady(0.0, 0.2, of=5)}),
        ("discriminator too strong", {"strength": 0.95, "loss": [8 / (1 + i) for i in range(14)] + [0.9] * 6}),
        ("discriminator too strong", {"unpenalised": True, "strength": 0.85, "loss": STALLING}),
        ("discriminator too fast", {"discriminator_growth": steady(1.0, 6.0, of=1), "coverage": 0.1}),
        ("generator too fast", {"generator_growth": steady(1.5, 9.0, of=1), "coverage": 0.1}),
        ("discriminator stands still", {"discriminator_step": steady(0.02, 1e-9)}),
        ("generator stands still", {"generator_step": steady(0.02, 1e-9)}),
        ("leaking augmentation", {"leak": 0.4}),
        ("dead units", {"dead_units": steady(0.1, 1.0, of=1)}),
        ("not finite", {"loss": steady(1.0, math.inf, of=1)}),
    ],
)
def test_a_fault_is_seen_under_its_name(name, signs):
    found = findings(history(**signs))
    assert name in found
    assert found[name].endswith(".")


@pytest.mark.parametrize(
    "signs",
    [
        {"diversity": steady(0.9, 0.2, of=1)},  # one checkup alone proves nothing
        {"strength": 0.5},  # a generator that has won
        {"strength": 0.5, "coverage": 0.2},  # a generator that learns quickly
        {"strength": 0.99, "loss": [8 / (1 + i) for i in range(20)]},  # far ahead, but samples get better
        {"overfit": [0.9 if i % 3 == 0 else 0.1 for i in range(20)]},  # a noisy number
        {"generator_gradient": 1e-8, "coverage": 0.9},  # nothing left to learn
        {"generator_growth": steady(1.5, 9.0, of=1)},  # quick, but samples are good
        {"strength": 0.95, "loss": [8 / (1 + i) for i in range(14)] + [0.59] * 6},  # ahead, and as good as ever
        {"loss": steady(0.5, 9.0)},  # a young run may swing
        {"leak": None},  # nothing augmented
        {"dead_units": 0.6},  # the others learn
        {"strength": 0.85, "loss": STALLING},  # a penalty keeps it smooth
        {"unpenalised": True, "strength": 0.85},  # ahead, but samples get better
        {"unpenalised": True, "strength": 0.7, "loss": STALLING},  # not ahead
        {"pattern": [0.2 - 0.007 * i for i in range(20)]},  # it fades by itself
    ],
)
def test_what_is_no_fault_is_not_called_one(signs):
    assert findings(history(**signs)) == {}


def test_samples_that_are_all_the_same_are_seen_at_the_second_checkup():
    assert "mode collapse" in findings(history(2, diversity=1e-6))
    assert findings(history(2, diversity=0.05)) == {}


def test_nothing_is_judged_before_the_run_has_begun():
    assert findings(history(1, diversity=0.0, contrast=0.0, strength=1.0)) == {}


@pytest.mark.parametrize("start", [0, 5, 20, 28])
@pytest.mark.parametrize("signs", [{}, {"diversity": 0.1}, {"strength": None, "overfit": None, "closeness": None}])
def test_a_history_may_begin_anywhere_after_a_run_has_begun_again(start, signs):
    whole = history(32, **signs)
    for end in range(start + 1, 33):
        findings(whole[start:end])


def test_weights_that_are_large_at_once_are_seen_at_the_first_checkup():
    assert "discriminator too fast" in findings(history(1, discriminator_growth=7.0, coverage=0.0))
    assert findings(history(1, discriminator_growth=1.5, coverage=0.0)) == {}


def test_a_leak_is_seen_as_soon_as_samples_differ():
    assert "leaking augmentation" in findings(history(3, leak=0.4))
    assert findings(history(2, leak=0.4)) == {}
    assert "leaking augmentation" not in findings(history(3, leak=0.4, diversity=0.3))


def test_every_monitor_but_the_checkerboard_has_an_answer():
    assert set(MONITORS) - {"checkerboard"} == set(ANSWERS)


def test_labels_that_might_as_well_be_dealt_at_random_are_told_beforehand():
    assert "right sub-folders" in labels_mean_nothing(1000, 0.3)
    assert labels_mean_nothing(1000, 0.0) is None
    assert labels_mean_nothing(1000, None) is None
    assert labels_mean_nothing(100, 0.3) is None  # too few to tell


def test_pictures_in_a_wrong_range_and_small_batches_are_told_beforehand():
    assert wrong_range(0, 255) is None
    assert "levels 0 to 1 of 0 to 255" in (wrong_range(0, 1) or "")
    assert small_batch(8) is None
    assert "batch of 4 is very small" in (small_batch(4) or "")


def test_too_few_and_too_alike_pictures_are_told_beforehand():
    assert too_few(200) is None
    assert "only 40 pictures" in (too_few(40) or "")
    assert pictures_alike(0.5) is None
    assert "all the same" in (pictures_alike(0.0) or "")
