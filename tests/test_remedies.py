"""Remedies one at a time, within bounds, with time to work; kept in the state."""

import pytest
import torch

from ganvas.config import BalanceConfig
from ganvas.events import Alert, Remedy
from ganvas.training import checkpoint, monitors
from ganvas.training.balance import Balance
from ganvas.training.loop import train
from ganvas.training.objectives import Game
from ganvas.training.phases import Step
from ganvas.training.remedies import (
    ANSWERS,
    BOUNDS,
    CALM,
    PATIENCE,
    Care,
    Controls,
    advice,
    possible_controls,
)
from tiny import BATCH, advance, differing, fresh, make_pictures, snapshot, tiny_config

ALL = frozenset(BOUNDS)


def test_one_change_at_a_time_and_time_to_work():
    care = Care()
    first = care.treat({"mode collapse": "seen"}, ALL)
    assert first == ANSWERS["mode collapse"][0]
    for _ in range(PATIENCE):
        assert care.treat({"mode collapse": "seen"}, ALL) is None
    assert care.treat({"mode collapse": "seen"}, ALL) == ANSWERS["mode collapse"][1]
    assert care.controls == Controls(learning_rate=0.25, penalty=4.0)


def test_the_gravest_fault_is_treated_alone():
    care = Care()
    care.treat({"discriminator too strong": "seen", "memorising": "seen"}, ALL)
    assert care.controls == Controls(penalty=4.0)


def test_changes_stay_in_bounds_and_end():
    care = Care()
    for _ in range(100):
        care.treat({"divergence": "seen"}, ALL)
        care.treat({"discriminator too weak": "seen"}, ALL)
    for name, (low, high) in BOUNDS.items():
        assert low <= getattr(care.controls, name) <= high


def test_controls_that_mean_nothing_in_a_run_are_left_alone():
    care = Care()
    change = care.treat({"mode collapse": "seen"}, {"generator_lr"})
    assert change is not None
    assert change.control == "generator_lr"
    assert care.controls == Controls(generator_lr=0.25)


def test_augmentation_is_eased_once_all_has_been_calm():
    care = Care()
    for _ in range(2 * (PATIENCE + 1)):
        care.treat({"memorising": "seen"}, ALL)
    assert care.controls.augment == 0.5
    for _ in range(PATIENCE + 2 * CALM):
        care.treat({}, ALL)
    assert care.controls.augment == 0.25


def test_a_finding_is_told_once_in_a_while():
    care = Care()
    told = [bool(care.news({"mode collapse": "seen"})) for _ in range(10)]
    assert told == [True] + [False] * 9


def test_it_survives_a_checkpoint():
    care = Care(Controls(0.5, 0.25, 0.5, 4.0, 0.9, 2.0, 0.5, 0.5), "divergence", 2, 1, 0, 1, {"divergence": 3})
    assert Care.of(care.to_numbers()) == care


def test_advice_names_settings():
    assert advice("discriminator too strong", ALL) == (" Try another loss.r1 or a lower optimiser.discriminator_lr.")
    assert advice("checkerboard", ALL) == ""


def test_what_is_possible_follows_from_the_run():
    config, dataset = tiny_config("lean", make_pictures()), make_pictures()
    state = fresh(config, dataset)
    assert possible_controls(config, state.architecture, True) == ALL - {"asked_augment"}
    assert possible_controls(config, state.architecture, False) == ALL - {"augment", "asked_augment"}
    augmented = config.but(augment={"policy": "colour"})
    assert possible_controls(augmented, state.architecture, True) == ALL - {"augment"}


def test_controls_reach_learning_rates_penalties_balance_and_augmentation():
    dataset = make_pictures()
    config = tiny_config("lean", dataset, loss={"r1": 0.0, "r2": 0.0})
    state = fresh(config, dataset)
    game = Game(config, state.architecture)
    real = torch.zeros(2, *dataset.shape)

    def step(**controls):
        return Step({}, {"real": real}, None, 0, 0.0, {}, Controls(**controls))  # type: ignore[arg-type]

    assert game.penalty_weights(step()) == {"r1": 0.0, "r2": 0.0, "gradient_penalty": 0.0}
    assert game.penalty_weights(step(penalty=4.0))["r1"] == pytest.approx(4 * 0.0408 / 2)
    assert game.policy(step(), real) == ()
    assert "cutout" in game.policy(step(augment=0.5), real)
    asked = Game(config.but(augment={"policy": "colour", "strength": 0.5}), state.architecture)
    assert asked.policy(step(), real) == ("colour",)
    assert asked.strength(step(asked_augment=0.5)) == 0.25
    assert asked.policy(step(asked_augment=0.0), real) == ()
    balance = Balance(BalanceConfig())
    balance.strength = 0.95
    assert not balance.holds("discriminator")
    assert balance.holds("discriminator", 0.9)
    assert not balance.holds("generator", 0.9)


@pytest.mark.parametrize("rounds", [1.0, 2.0, 4.0])
def test_more_rounds_give_the_discriminator_more_steps(rounds):
    dataset = make_pictures()
    config = tiny_config("lean", dataset)
    state = fresh(config, dataset)
    state.care.controls = Controls(rounds=rounds)
    advance(config, dataset, state, 8)
    steps = {
        name: {float(kept["step"]) for kept in optimiser.state.values()} for name, optimiser in state.optimisers.items()
    }
    assert steps == {"discriminator": {8.0}, "generator": {8 / rounds}}


class Collapse:
    """Breaks the generator of a run at one position: every sample the same from then on."""

    def __init__(self, state, at):
        self.state, self.at, self.struck = state, at, False

    def strike(self):
        if not self.struck and self.state.images_seen >= self.at:
            for networks in (self.state.networks, self.state.averages):
                for parameter in networks["generator"].parameters():
                    parameter.data.zero_()
            self.struck = True


def broken_run(mode, folder):
    dataset = make_pictures()
    config = tiny_config(
        "lean", dataset, total_images=400 * BATCH, steady={"mode": mode, "every_images": 10 * BATCH, "held_out": 8},
        save={"every_images": 50 * BATCH, "samples_every_images": 400 * BATCH, "report_every_images": 50 * BATCH},
    )  # fmt: skip
    state = fresh(config, dataset)
    fault = Collapse(state, 260 * BATCH)
    events = []
    for event in train(config, dataset, state=state, checkpoints=folder):
        events.append(event)
        fault.strike()
    return events, state


def test_a_run_that_collapses_is_told_and_goes_back_to_its_best_checkpoint(tmp_path):
    events, state = broken_run("auto", tmp_path)
    told = [e for e in events if isinstance(e, Alert) and e.monitor in ("mode collapse", "dead output", "divergence")]
    assert any(260 * BATCH <= e.images_seen <= 300 * BATCH for e in told)
    assert any(isinstance(e, Remedy) and "goes on from the checkpoint" in e.message for e in events)
    assert state.care.returns >= 1
    assert state.care.controls != Controls()
    assert state.history[-1].diversity > 0.1
    newest = checkpoint.newest_good(tmp_path)
    assert newest is not None
    assert newest.position == state.images_seen


def test_nothing_is_changed_at_the_very_end(tmp_path, monkeypatch):
    """A run that begins again at its end would leave untrained networks."""
    monkeypatch.setattr(monitors, "findings", lambda history: {"mode collapse": "seen"} if len(history) >= 4 else {})
    dataset = make_pictures()
    config = tiny_config("lean", dataset, total_images=16 * BATCH, steady={"every_images": 4 * BATCH, "held_out": 8})
    state = fresh(config, dataset)
    events = list(train(config, dataset, state=state, checkpoints=tmp_path))
    assert any(isinstance(event, Alert) for event in events)
    assert not any(isinstance(event, Remedy) for event in events)
    assert len(state.history) == 4


def test_with_warn_it_is_told_and_nothing_is_changed(tmp_path):
    events, state = broken_run("warn", tmp_path)
    assert any(isinstance(e, Alert) and "Try" in e.message for e in events)
    assert not any(isinstance(e, Remedy) for e in events)
    assert state.care.controls == Controls()


def test_with_off_nothing_is_said(tmp_path):
    events, _ = broken_run("off", tmp_path)
    assert not any(isinstance(e, Alert | Remedy) for e in events)


EVERYTHING = {
    "variety": {"pack": 2, "deviation": 2},
    "augment": {"policy": "translation,colour", "strength": 0.5},
    "loss": {"adversarial": "relativistic", "r1": 0.1, "r2": 0.1, "penalty_every": 2, "instance_noise": 0.1},
    "balance": {"skip_above": 0.7, "discriminator_steps": 2},
    "data": {"flip": True},
}


@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["plain", "everything on"])
@pytest.mark.parametrize("stop", [55, 130])
def test_a_run_that_is_treated_resumes_exactly(stop, changes, tmp_path):
    """Stopped between checkups, with changed controls, and gone on with from the checkpoint."""
    dataset = make_pictures()
    config = tiny_config(
        "lean", dataset, total_images=160 * BATCH, optimiser={"generator_lr": 0.3}, **changes,
        steady={"every_images": 4 * BATCH, "held_out": 8},
        save={"every_images": 20 * BATCH, "samples_every_images": 160 * BATCH, "report_every_images": 10 * BATCH},
    )  # fmt: skip
    straight = fresh(config, dataset)
    list(train(config, dataset, state=straight, checkpoints=tmp_path / "straight"))
    assert straight.care.controls != Controls()
    first, steps = fresh(config, dataset), 0

    def enough():
        nonlocal steps
        steps += 1
        return steps >= stop

    list(train(config, dataset, state=first, checkpoints=tmp_path / "stopped", should_stop=enough))
    second = fresh(config, dataset)
    found = checkpoint.newest_good(tmp_path / "stopped")
    assert found is not None
    checkpoint.load(found.path, second)
    list(train(config, dataset, state=second, checkpoints=tmp_path / "stopped"))
    assert differing(snapshot(straight), snapshot(second)) == []
