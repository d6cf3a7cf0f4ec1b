"""Each remedy in a short run with an induced fault: it is the one that is taken, and it does what it is for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ganvas import augment, presets
from ganvas.config import changed
from ganvas.data.source import open_source
from ganvas.events import Alert, Progress, Remedy
from ganvas.training import resolve
from ganvas.training.checkup import Examiner
from ganvas.training.engine import Engine
from ganvas.training.loop import train
from ganvas.training.monitors import GROWN, STILL
from ganvas.training.remedies import ANSWERS, HELD, Controls
from ganvas.training.state import State

pytestmark = pytest.mark.slow
BATCH = 32


STEPS = 240


def treated(folder, *, steps=STEPS, rig=None, strike=None, count=1000, **changes):
    """A run on small digits with a fault, treated: its alarms, its remedies, and its state at the end."""
    config = presets.configure(
        "digits", None, {"data.resolution": "16", "data.labels": False, "network.width": 12, "threads": 1} | changes
    )
    whole = open_source("digits", config.data, limit=16)
    dataset = replace(whole, samples=np.asarray(whole.samples[:: len(whole.samples) // count]))
    length = {"batch_size": BATCH, "total_images": steps * BATCH, "steady.every_images": 15 * BATCH}
    length |= {"save.every_images": 30 * BATCH, "save.samples_every_images": steps * BATCH}
    config = resolve.with_machine(resolve.with_source(changed(config, length), dataset), dataset, Engine())
    state = State(config, dataset.shape)
    if rig:
        rig(state)
    told, done, penalised = [], [], []
    for event in train(config, dataset, state=state, checkpoints=folder):
        if strike and state.images_seen >= config.total_images // 2:
            strike(state)
            strike = None
        if isinstance(event, Alert):
            told.append(event.monitor)
        if isinstance(event, Remedy):
            done.append(event)
        if isinstance(event, Progress) and event.stats.get("discriminator/r1"):
            penalised.append(event.images_seen)
    return told, done, state, penalised


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_player_that_is_too_fast_begins_again_with_smaller_steps(player, tmp_path):
    told, done, state, _ = treated(tmp_path, **{f"optimiser.{player}_lr": 0.5})
    assert told[0] == f"{player} too fast"
    assert done[0].action == f"{player}_lr"
    assert "begins again with new networks" in done[0].message
    assert getattr(state.care.controls, f"{player}_lr") <= 1 / 32
    after = [v for v in state.history if v.images_seen > done[-1].images_seen]
    assert after
    assert getattr(after[0], f"{player}_growth") < GROWN


def test_a_player_that_stands_still_goes_back_to_the_best_checkpoint(tmp_path):
    def freeze(state):
        for kept in state.optimisers["discriminator"].state.values():
            kept["exp_avg_sq"].fill_(1e20)

    told, done, state, _ = treated(tmp_path, strike=freeze)
    assert "discriminator stands still" in told
    (back,) = [event for event in done if "from the checkpoint" in event.message]
    assert back.action == "learning_rate"
    assert back.images_seen <= STEPS // 2 * BATCH
    assert state.history[-1].discriminator_step > STILL
    assert state.care.controls.learning_rate == 0.5


def test_units_that_die_are_seen_at_the_next_checkup_and_the_run_goes_back_at_once(tmp_path):
    def kill(state):
        for module in state.networks["generator"].modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.bias.data.fill_(-100.0)

    told, done, state, _ = treated(tmp_path, steps=250, strike=kill)
    assert "dead units" in told
    assert "from the checkpoint" in done[0].message
    assert done[0].images_seen <= 125 * BATCH
    assert state.care.controls == Controls(learning_rate=0.5)
    assert state.history[-1].diversity > 0.8


def test_augmentation_that_leaks_is_turned_off(tmp_path):
    def rig(state):
        game = state.phases[0].loss.__self__
        policy = game.policy
        game.policy = lambda step, samples: ()

        def blur(step, side, samples):
            if side == "fake":
                return samples
            draws = step.draws.uniform("leak", augment.DRAWS)
            return augment.augment(samples, draws, policy(step, samples), game.strength(step))

        game.blur = blur

    told, done, state, _ = treated(tmp_path, rig=rig, **{"augment.policy": "translation,cutout"})
    assert "leaking augmentation" in told
    assert [event.action for event in done] == ["asked_augment"]
    assert state.care.controls.asked_augment == 0
    assert state.history[-1].leak > 0.7


@pytest.mark.parametrize("mode", ["off", "warn", "auto"])
def test_the_preset_that_collapses(mode, tmp_path):
    """It is said within 160 steps, a tenth of a run of two minutes; auto begins again, slower, and heals it."""
    config = presets.configure("digits", "collapse", {"threads": 1, "batch_size": BATCH, "steady.mode": mode})
    length = {"total_images": 260 * BATCH, "steady.every_images": 80 * BATCH}
    length |= {"save.every_images": 260 * BATCH, "save.samples_every_images": 260 * BATCH}
    dataset = open_source("digits", config.data, limit=28)
    config = resolve.with_machine(resolve.with_source(changed(config, length), dataset), dataset, Engine())
    state = State(config, dataset.shape)
    events = list(train(config, dataset, state=state, checkpoints=tmp_path))
    told = {e.monitor: e.images_seen for e in events if isinstance(e, Alert)}
    assert (told.get("mode collapse") == 160 * BATCH) == (mode != "off")
    assert any("begins again" in e.message for e in events if isinstance(e, Remedy)) == (mode == "auto")
    assert mode != "auto" or state.history[-1].diversity > 0.8


def test_a_discriminator_that_learns_few_pictures_by_heart_sees_them_changed(tmp_path):
    quick = {"loss.r1": 0.0, "loss.r2": 0.0, "network.discriminator_width": 32, "optimiser.discriminator_lr": 6e-3}
    told, done, state, _ = treated(tmp_path, count=100, **quick)
    assert told[0] == "too few pictures"
    assert "memorising" in told
    assert "augment" in [event.action for event in done]
    assert state.care.controls.augment > 0


def test_a_discriminator_that_is_too_strong_is_smoothed(tmp_path):
    strong = {"loss.r1": 0.0, "loss.r2": 0.0, "network.discriminator_width": 48}
    told, done, state, penalised = treated(tmp_path, steps=400, **strong)
    assert "discriminator too strong" in told
    smoothed = [event.images_seen for event in done if event.action == "penalty"]
    assert smoothed
    assert state.care.controls.penalty >= 4
    assert penalised
    assert min(penalised) > min(smoothed)  # a run that had asked for none


def test_a_discriminator_that_sees_nothing_gets_a_weaker_penalty(tmp_path, monkeypatch):
    """From halfway its logits drown in noise, and samples lie a pixel beside the real ones."""
    plain, rng = Examiner.samples, torch.Generator().manual_seed(0)

    def beside(self, state):
        made = plain(self, state)
        return made if state.images_seen < self.total // 2 else np.roll(made, 1, axis=2)

    monkeypatch.setattr(Examiner, "samples", beside)

    def blind(state):
        critic = state.networks["discriminator"]
        critic.register_forward_hook(lambda _, given, logits: logits + 1e4 * torch.randn(logits.shape, generator=rng))

    told, done, state, _ = treated(tmp_path, steps=300, strike=blind)
    assert "discriminator too weak" in told
    assert "penalty" in [event.action for event in done]
    assert state.care.controls.penalty < 1


def test_a_discriminator_that_is_too_strong_sits_steps_out(tmp_path, monkeypatch):
    """The third that is tried, here the first."""
    monkeypatch.setitem(ANSWERS, "discriminator too strong", (HELD,))

    def rig(state):
        state.balance.strength = 0.95  # as after a while of it

    strong = {"loss.r1": 0.0, "loss.r2": 0.0, "network.discriminator_width": 24, "optimiser.discriminator_lr": 6e-3}
    told, done, state, _ = treated(tmp_path, steps=320, rig=rig, **strong)
    assert "discriminator too strong" in told
    assert done[0].action == "hold_above"
    moved = max(float(kept["step"]) for kept in state.optimisers["discriminator"].state.values())
    assert moved < state.steps
    assert state.balance.strength <= 0.9


def test_players_that_chase_each_other_are_slowed_one_after_the_other(tmp_path, monkeypatch):
    """From halfway samples are farther away at every other look, and at none as near as they were."""
    plain = Examiner.samples

    def swinging(self, state):
        made = plain(self, state)
        if state.images_seen < self.total // 2:
            return made
        far = state.images_seen // (15 * BATCH) % 2
        return (np.roll(made, 1 + far, axis=2) * (1 - 0.1 * far)).astype(np.uint8)

    monkeypatch.setattr(Examiner, "samples", swinging)
    told, done, state, _ = treated(tmp_path, steps=400)
    assert told == ["oscillation"]
    assert [event.action for event in done] == ["generator_lr", "discriminator_lr"]
    assert state.care.controls == Controls(generator_lr=1 / 4, discriminator_lr=1 / 4)
