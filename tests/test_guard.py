"""Losses and gradients that are not finite reach nothing, and a run of them rolls back."""

import pytest
import torch
from safetensors.torch import load_file

from ganvas.errors import TrainingFailed
from ganvas.events import Alert, Finished, Progress, Remedy, Saved
from ganvas.training import checkpoint
from ganvas.training.engine import Engine
from ganvas.training.loop import MOST_ROLLBACKS, _Run, train
from ganvas.training.phases import Phase
from ganvas.training.step import Stepper
from tiny import (
    BATCH,
    advance,
    all_finite,
    dataset_for,
    differing,
    fresh,
    make_pictures,
    make_points,
    snapshot,
    tiny_config,
)

MODELS = {
    "lean": {"loss": {"r1": 0.3, "r2": 0.2}},
    "dcgan": {"loss": {"adversarial": "nonsaturating"}},
    "mlp": {"loss": {"adversarial": "wasserstein", "gradient_penalty": 1.0}},
    "vae": {},
}
PHASES = [(model, index) for model in MODELS for index in range(1 if model == "vae" else 2)]


def begin(model):
    dataset = dataset_for(model)
    config = tiny_config(model, dataset, **MODELS[model], optimiser={"beta1": 0.5})
    return config, dataset, advance(config, dataset, fresh(config, dataset), 3)


def with_phase(state, index, **changes):
    """The state with one phase alone, changed."""
    phase = state.phases[index]
    values = {name: getattr(phase, name) for name in ("name", "player", "trains", "loss", "every")}
    state.phases = (Phase(**values | changes),)


def poison_real(state, stepper, index, value):
    read = stepper.stream.batch

    def batch(position):
        made = read(position)
        made["real"].view(-1)[3] = value
        return made

    stepper.stream.batch = batch


def poison_gradient(state, stepper, index, value):
    weight = next(iter(state.weights[state.phases[0].name].values()))
    weight.requires_grad_().register_hook(lambda gradient: torch.full_like(gradient, value))


def poison_loss(state, stepper, index, value):
    loss = state.phases[0].loss

    def broken(step):
        losses, seen = loss(step)
        return losses * torch.where(torch.arange(len(losses)) == 1, value, 1.0), seen

    with_phase(state, 0, loss=broken)


def poison_latents(state, stepper, index, value):
    sampler = state.networks[state.architecture.sampler]
    sampler.register_forward_hook(lambda module, args, output: output * value)


SITES = {"gradient": poison_gradient, "loss": poison_loss, "sampler": poison_latents, "real": poison_real}
# A generator looks at real samples under the relativistic loss alone, which is lean's here.
PLACES = [(m, i, site) for m, i in PHASES for site in SITES if site != "real" or i == 0 or m == "lean"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e38], ids=str)
@pytest.mark.parametrize(("model", "index", "site"), PLACES)
def test_a_step_that_is_not_finite_changes_nothing(model, index, site, value):
    config, dataset, state = begin(model)
    with_phase(state, index)
    stepper = Stepper(config, dataset, state, Engine())
    SITES[site](state, stepper, index, value)
    before = snapshot(state)
    stepper.step()
    after = snapshot(state)
    assert all_finite(after[0])
    if value == 1e38 and site in {"real", "sampler"} and float(state.bad_steps) == 0:
        return  # networks that are linear far out, or that normalise, may digest it
    changed = {name for name in differing(before, after) if not name.startswith(("meter", "averages"))}
    assert changed == {"bad_steps", "images_seen", "steps"}
    assert float(state.bad_steps) == 1
    assert float(state.meter.sums["skipped"]) == 1
    averages = [name for name in differing(before, after) if name.startswith("averages")]
    for name in averages:  # they only come closer to the weights, which did not move
        weight = before[0][name.replace("averages", "networks")]
        assert (after[0][name] - weight).abs().max() <= (before[0][name] - weight).abs().max()


def test_a_good_step_is_not_counted():
    *_, state = begin("lean")
    assert float(state.bad_steps) == 0


def test_a_bad_step_of_one_player_leaves_the_other_alone():
    config, dataset, state = begin("lean")
    before, _ = snapshot(state)
    weight = next(iter(state.weights[state.phases[0].name].values()))
    weight.requires_grad_().register_hook(lambda gradient: gradient * float("nan"))
    Stepper(config, dataset, state, Engine()).step()
    moved = {name.split(".")[0] for name in differing((before, {}), (snapshot(state)[0], {}))}
    assert "networks/discriminator" not in moved
    assert "networks/generator" in moved


class Fault:
    """Poisons real samples of a dataset at given positions, as often as asked."""

    def __init__(self, monkeypatch, first, times):
        self.first, self.left = first, times
        step = Stepper.step

        def faulty(stepper):
            read, position = stepper.stream.batch, stepper.state.images_seen
            if position >= self.first and self.left > 0:
                self.left -= 1
                stepper.stream.batch = lambda place: {name: t * float("nan") for name, t in read(place).items()}
            step(stepper)
            stepper.stream.batch = read

        monkeypatch.setattr(Stepper, "step", faulty)


def test_a_run_of_bad_steps_rolls_back_with_half_the_learning_rate(monkeypatch, tmp_path):
    dataset = make_pictures()
    config = tiny_config("lean", dataset, total_images=24 * BATCH)
    Fault(monkeypatch, first=6 * BATCH, times=6)
    state = fresh(config, dataset)
    rates = []
    events = []
    for event in train(config, dataset, state=state, checkpoints=tmp_path):
        events.append(event)
        rates.append(state.optimisers["generator"].param_groups[0]["lr"])
    (alert,) = [e for e in events if isinstance(e, Alert) and e.monitor != "too few pictures"]
    (remedy,) = [e for e in events if isinstance(e, Remedy)]
    assert alert.monitor == "non-finite"
    assert "not finite in step after step" in alert.message
    assert "lower optimiser.generator_lr" in alert.message
    assert alert.images_seen == 12 * BATCH
    assert remedy.action == "roll back"
    assert remedy.images_seen == 4 * BATCH  # nothing is saved at 8, where steps already fail
    assert "Back from 96 to the checkpoint at 32 images, learning rates x 0.5" in remedy.message
    assert state.rollbacks == 1
    assert state.lr_scale == 0.5
    assert rates[-1] == pytest.approx(config.optimiser.generator_lr / 2)
    assert events[-1] == Finished(images_seen=24 * BATCH, complete=True, seconds=events[-1].seconds)
    assert float(state.bad_steps) == 0
    assert all_finite(state.tensors())
    assert sum(e.stats["skipped"] for e in events if isinstance(e, Progress)) == 6


def test_a_rollback_that_did_not_help_is_followed_by_an_older_checkpoint(monkeypatch, tmp_path):
    dataset = make_pictures()
    config = tiny_config("lean", dataset, total_images=40 * BATCH)
    run_of_faults = Fault(monkeypatch, first=9 * BATCH, times=10**6)
    places = []
    for event in train(config, dataset, checkpoints=tmp_path):
        if isinstance(event, Remedy):
            places.append(event.images_seen // BATCH)
            if len(places) == 3:
                run_of_faults.left = 0
    assert places == [8, 4, 8]  # on the way from 4 all is well at 8, so that it is saved again
    assert event.complete


@pytest.mark.parametrize("first", [0, 6])
def test_a_fault_that_never_goes_fails_with_advice(monkeypatch, tmp_path, first):
    dataset = make_points()
    config = tiny_config("mlp", dataset, total_images=200 * BATCH)
    Fault(monkeypatch, first=first * BATCH, times=10**6)
    remedies = []

    def follow():
        for event in train(config, dataset, checkpoints=tmp_path):
            if isinstance(event, Remedy):
                remedies.append(event)
            if isinstance(event, Saved):
                assert all_finite(load_file(tmp_path / event.path / "state.safetensors"))

    with pytest.raises(TrainingFailed) as caught:
        follow()
    assert len(remedies) == MOST_ROLLBACKS
    assert remedies[-1].message.endswith("learning rates x 0.015625.")
    message = str(caught.value)
    assert message.startswith("training breaks down at ")
    assert f"after {MOST_ROLLBACKS} rollbacks" in message
    assert "Try a lower optimiser.generator_lr and optimiser.discriminator_lr, or a larger loss.r1." in message
    for path in checkpoint.folders(tmp_path):
        state = fresh(config, dataset)
        checkpoint.load(path, state)
        assert all_finite(state.tensors())


def test_without_checkpoints_there_is_no_way_back(monkeypatch):
    dataset = make_points()
    config = tiny_config("mlp", dataset)
    Fault(monkeypatch, first=0, times=10**6)
    with pytest.raises(TrainingFailed, match="training breaks down at 48 images"):
        list(train(config, dataset))


def test_a_few_bad_steps_do_not_roll_back(monkeypatch, tmp_path):
    dataset = make_points()
    config = tiny_config("mlp", dataset)
    Fault(monkeypatch, first=16, times=3)
    events = list(train(config, dataset, checkpoints=tmp_path))
    assert not any(isinstance(event, Remedy | Alert) for event in events)
    assert events[-1].complete


def test_samples_that_are_not_finite_are_told_and_not_scored(points):
    config = tiny_config("mlp", points)
    state = fresh(config, points)
    run = _Run(config, points, state, Engine(), None)
    for average in state.averages.values():
        next(average.parameters()).data.fill_(float("inf"))
    (alert, *_) = list(run.check_up(saves=True, checks=True))
    assert isinstance(alert, Alert)
    assert "not finite" in alert.message
    assert state.best is None
