"""The promises of the loop: exact resume, order by position alone, looking and saving change nothing."""

import dataclasses

import numpy as np
import pytest
import torch

from ganvas import models
from ganvas.config import LOSSES, BalanceConfig
from ganvas.data.stream import Stream
from ganvas.events import Finished, Progress, Samples, Saved, Score, Started
from ganvas.training import checkpoint
from ganvas.training.balance import Balance
from ganvas.training.draws import Draws
from ganvas.training.engine import Engine
from ganvas.training.loop import _Run, train
from ganvas.training.phases import Step
from ganvas.training.remedies import Care, Controls
from ganvas.training.state import State
from ganvas.training.step import Stepper
from ganvas.training.vitals import Vitals
from tiny import BATCH, advance, dataset_for, differing, fresh, make_pictures, make_points, snapshot, tiny_config


def _settings(model, loss, index):
    """Changes that switch on everything an architecture and a loss support, in turn."""
    architecture = models.load(model)
    changes = {"optimiser": {"schedule": ("cosine", "linear-tail", "constant")[index % 3], "beta1": 0.5 * (index % 2)}}
    if architecture.objective != "gan":
        return changes
    penalty = {"gradient_penalty": 1.0} if loss == "wasserstein" else {"r1": 0.3, "r2": 0.2}
    changes["loss"] = {"adversarial": loss, "penalty_every": 1 + index % 2, "instance_noise": 0.1} | penalty
    changes["balance"] = {"discriminator_steps": 1 + index % 2, "generator_steps": 1 + index // 2 % 2}
    if index % 3 != 1:
        changes["balance"]["skip_above"] = 0.505
    if model != "mlp":
        changes["data"] = {"flip": True}
        changes["augment"] = {"policy": ("colour,translation,cutout", "none")[index % 2]}
    if model == "dcgan":
        changes["network"] = {"discriminator_norm": False}
    return changes


def _cases():
    for model in models.names():
        if models.load(model).objective != "gan":
            yield pytest.param(model, _settings(model, None, 0), id=model)
            continue
        for index, loss in enumerate(LOSSES):
            yield pytest.param(model, _settings(model, loss, index), id=f"{model}-{loss}")
        if not models.load(model).independent:
            plain = {"loss": {"adversarial": "nonsaturating"}, "balance": {"skip_above": 0.51}}
            yield pytest.param(model, plain, id=f"{model}-normalised")


@pytest.mark.parametrize(("model", "changes"), list(_cases()))
def test_a_run_that_was_stopped_goes_on_exactly(model, changes, tmp_path):
    dataset = dataset_for(model)
    config = tiny_config(model, dataset, **changes)
    straight = snapshot(advance(config, dataset, fresh(config, dataset), 9))
    assert (straight[1]["steps"], straight[1]["images_seen"]) == (9, 9 * BATCH)
    first = advance(config, dataset, fresh(config, dataset), 5)
    path = checkpoint.save(tmp_path, first, keep=3)
    second = fresh(config.but(seed=config.seed), dataset)
    for network in second.networks.values():  # nothing may be left of what it was born with
        for weight in network.parameters():
            weight.data.fill_(0.1)
    checkpoint.load(path, second)
    assert differing(snapshot(first), snapshot(second)) == []
    assert differing(straight, snapshot(advance(config, dataset, second, 4))) == []


CONTROL = {
    "loss": {"adversarial": "relativistic", "r1": 0.3, "r2": 0.2, "penalty_every": 2},
    "balance": {"discriminator_steps": 2, "skip_above": 0.501},
    "optimiser": {"beta1": 0.5, "schedule": "cosine"},
}


def _half_way():
    """A run in the middle, none of whose entries is what it was at first."""
    dataset = make_pictures()
    config = tiny_config("lean", dataset, **CONTROL)
    state = fresh(config, dataset)
    state.bad_steps += 1.5
    state.lr_scale, state.rollbacks, state.best = 0.5, 1, (0, 9.5)
    state.meter.reported = {"generator/loss": (1.5, 2)}
    state.history = [Vitals(images_seen=8, progress=0.1, steps=1, loss=9.0, diversity=0.4, coverage=0.3, contrast=1.0)]
    state.care = Care(Controls(discriminator_lr=0.25, penalty=4.0), fault="mode collapse", tried=2, wait=1)
    return config, dataset, advance(config, dataset, state, 5)


def _group(name):
    """Tensors stand or fall by group: part, and for optimisers the phase and the kind of entry."""
    parts = name.split("/")
    return f"{parts[0]}/{parts[1]}/{parts[-1]}" if parts[0] == "optimisers" else parts[0]


def _control_cases():
    _, _, state = _half_way()
    groups = sorted({_group(name) for name in state.tensors()})
    for change in ("forget", "alter"):
        yield from (pytest.param(change, "tensors", group, id=f"{change}-{group}") for group in groups)
        yield from (pytest.param(change, "numbers", name, id=f"{change}-{name}") for name in state.numbers())


def _other_number(value):
    match value:
        case {"controls": dict()}:
            return value | {"wait": value["wait"] + 1}
        case [dict(first)]:
            return [first | {"loss": first["loss"] * 2}]
        case dict() if all(isinstance(v, list) for v in value.values()):
            return {name: [a + 1, b] for name, (a, b) in value.items()}
        case dict():
            return {name: count + 1 for name, count in value.items()}
        case list():
            return [value[0], value[1] / 2]
        case float():
            return value * 1.5
        case _:
            return value + (BATCH if value >= BATCH else 1)


@pytest.mark.parametrize(("change", "half", "entry"), list(_control_cases()))
def test_every_entry_of_the_state_matters(change, half, entry):
    config, dataset, state = _half_way()
    tensors, numbers = snapshot(state)
    new = snapshot(fresh(config, dataset))
    straight = snapshot(advance(config, dataset, state, 4))
    if half == "numbers":
        numbers[entry] = new[1][entry] if change == "forget" else _other_number(numbers[entry])
    for name in [name for name in tensors if half == "tensors" and _group(name) == entry]:
        kept = tensors.pop(name)
        if change == "alter":
            tensors[name] = kept + 1 if kept.ndim == 0 or not kept.is_floating_point() else kept * 1.01 + 1e-3
        elif name in new[0]:
            tensors[name] = new[0][name]
    resumed = fresh(config, dataset)
    try:
        resumed.load(tensors, numbers)
        advance(config, dataset, resumed, 4)
    except (KeyError, RuntimeError):
        return  # noticed at once
    assert differing(straight, snapshot(resumed))


def test_the_control_itself_finds_no_difference_when_nothing_is_changed():
    config, dataset, state = _half_way()
    tensors, numbers = snapshot(state)
    straight = snapshot(advance(config, dataset, state, 4))
    resumed = fresh(config, dataset)
    resumed.load(tensors, numbers)
    assert differing(straight, snapshot(advance(config, dataset, resumed, 4))) == []


def test_nothing_in_a_state_is_forgotten():
    """Whatever a state gains must be put into its two halves, or be said here to follow from the config."""
    follows = {"config", "shape", "device", "architecture", "phases"}
    follows |= {
        "weights",
        "parameters",
        "averaged_weights",
        "averaged_buffers",
        "_buffers",
        "lengths",
    }  # lists of what the networks and averages hold
    saved = {"networks", "averages", "memory", "optimisers", "balance", "meter", "bad_steps", "images_seen", "steps"}
    saved |= {"lr_scale", "rollbacks", "best", "history", "care"}
    _, _, state = _half_way()
    assert set(vars(state)) == follows | saved
    assert set(vars(state.balance)) == {"config", "strength"}
    assert set(vars(state.meter)) == {"device", "sums", "counts", "reported"}


@pytest.mark.parametrize("kind", ["pictures", "points"])
@pytest.mark.parametrize("start", [0, 7, 90, 96, 1234])
@pytest.mark.parametrize("processes", [2, 3])
def test_order_depends_on_the_position_alone(kind, start, processes):
    dataset = make_pictures(3) if kind == "pictures" else make_points()
    dataset = dataclasses.replace(dataset, labels=np.arange(96))
    flip = kind == "pictures"
    alone = Stream(dataset, 4, 24, flip=flip)
    alone.batch(50)  # what was read before must not matter
    whole = alone.batch(start)
    for rank in range(processes):
        part = Stream(dataset, 4, 24, rank, processes, flip).batch(start)
        for name, tensor in part.items():
            assert torch.equal(tensor, whole[name][rank::processes])


def test_every_epoch_holds_every_sample_once_in_another_order():
    dataset = dataclasses.replace(make_points(), labels=np.arange(96))
    stream = Stream(dataset, 0, 32)
    epochs = [torch.cat([stream.batch(96 * e + 32 * k)["labels"] for k in range(3)]) for e in range(3)]
    assert all(torch.equal(epoch.sort().values, torch.arange(96)) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])
    other = Stream(dataset, 1, 96).batch(0)["labels"]
    assert not torch.equal(other, epochs[0])


def test_a_batch_may_span_several_epochs():
    dataset = dataclasses.replace(make_points(10), labels=np.arange(10))
    taken = Stream(dataset, 0, 25).batch(5)["labels"]
    assert torch.equal(taken[5:15].sort().values, torch.arange(10))
    assert torch.equal(taken[15:25].sort().values, torch.arange(10))


def test_about_half_of_the_pictures_are_mirrored():
    dataset = make_pictures()
    plain, flipped = Stream(dataset, 0, 960).batch(0)["real"], Stream(dataset, 0, 960, flip=True).batch(0)["real"]
    mirrored = (plain != flipped).flatten(1).any(1)
    assert 0.4 < mirrored.float().mean() < 0.6
    assert torch.equal(flipped[mirrored], plain[mirrored].flip(3))


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_draws_are_the_same_numbers_at_any_number_of_processes(processes):
    whole = Draws(5, 240, 12)
    for rank in range(processes):
        part = Draws(5, 240, 12, rank, processes)
        assert torch.equal(part.normal("a", 3), whole.normal("a", 3)[rank::processes])
        assert torch.equal(part.uniform("a", 2, 2), whole.uniform("a", 2, 2)[rank::processes])


def test_draws_differ_by_seed_purpose_and_position():
    made = [Draws(*key, 4).normal(purpose, 2) for key in ((0, 0), (0, 8), (1, 0)) for purpose in ("a", "b")]
    assert len({tensor.numpy().tobytes() for tensor in made}) == 6


@pytest.mark.parametrize("model", models.names())
def test_looking_and_saving_change_nothing(model, tmp_path):
    dataset = dataset_for(model)
    config = tiny_config(model, dataset)
    state = advance(config, dataset, fresh(config, dataset), 3)
    before = snapshot(state)
    modes = [module.training for module in [*state.networks.modules(), *state.averages.modules()]]
    rng = torch.get_rng_state()
    run = _Run(config, dataset, state, Engine(), tmp_path)
    assert any(isinstance(event, Samples) for event in run.show())
    assert any(isinstance(event, Saved) for event in run.save())
    assert set(differing(before, snapshot(state))) <= {"best", "history"}
    assert modes == [module.training for module in [*state.networks.modules(), *state.averages.modules()]]
    assert torch.equal(rng, torch.get_rng_state())


@pytest.mark.parametrize("model", ["lean", "mlp"])
def test_how_often_a_run_is_looked_at_and_saved_changes_no_weight(model, tmp_path):
    dataset = dataset_for(model)
    config = tiny_config(model, dataset)
    often = config.but(save={"every_images": BATCH, "samples_every_images": BATCH, "report_every_images": BATCH})
    ends = []
    for each, folder in ((config, None), (often, tmp_path)):
        state = fresh(each, dataset)
        list(train(each, dataset, state=state, checkpoints=folder))
        ends.append(snapshot(state))
    assert set(differing(*ends)) <= {"best", "history"}


def test_events_come_in_order_at_their_positions(points, tmp_path):
    config = tiny_config("mlp", points)
    events = list(train(config, points, checkpoints=tmp_path, note="a note"))
    places = {kind: [e.images_seen for e in events if isinstance(e, kind)] for kind in {type(e) for e in events}}
    assert isinstance(events[0], Started)
    assert events[0].note == "a note"
    assert events[0].total_images == 96
    assert set(events[0].parameters) == {"generator", "discriminator"}
    assert places == {
        Started: [0],
        Progress: [16, 32, 48, 64, 80, 96],
        Samples: [0, 48, 96],
        Score: [32, 64, 96],
        Saved: [0, 32, 64, 96],
        Finished: [96],
    }
    assert [e.images_seen for e in events] == sorted(e.images_seen for e in events)
    assert events[-1] == Finished(images_seen=96, complete=True, seconds=events[-1].seconds)
    assert all(
        np.isfinite(list(e.stats.values())).all() and e.stats["skipped"] == 0 for e in events if type(e) is Progress
    )
    sheet = next(e for e in events if isinstance(e, Samples))
    assert sheet.samples.shape == (128, 2)
    assert sheet.surface.shape == (48, 48)


def test_intervals_are_rounded_up_to_whole_batches(pictures):
    config = tiny_config("lean", pictures, total_images=50)
    state = fresh(config, pictures)
    *_, last = train(config, pictures, state=state)
    assert last.complete
    assert state.images_seen == 56
    assert state.steps == 7


@pytest.mark.parametrize("model", models.names())
def test_a_run_asked_to_stop_is_saved_and_ends_as_if_it_had_not(model, tmp_path):
    dataset = dataset_for(model)
    config = tiny_config(model, dataset)
    straight = fresh(config, dataset)
    list(train(config, dataset, state=straight, checkpoints=tmp_path / "straight"))
    asked = iter([False] * 4 + [True])
    *_, saved, last = train(config, dataset, checkpoints=tmp_path / "stopped", should_stop=lambda: next(asked))
    assert isinstance(saved, Saved)
    assert last.images_seen == saved.images_seen == 5 * BATCH
    assert not last.complete
    state = fresh(config, dataset)
    checkpoint.load(checkpoint.newest_good(tmp_path / "stopped").path, state)
    *_, last = train(config, dataset, state=state, checkpoints=tmp_path / "stopped")
    assert last.complete
    assert differing(snapshot(straight), snapshot(state)) == []


def test_a_state_leaves_the_callers_random_numbers_alone(pictures):
    config = tiny_config("lean", pictures)
    before = torch.get_rng_state()
    one, other = State(config, pictures.shape), State(config, pictures.shape)
    assert torch.equal(before, torch.get_rng_state())
    assert differing(snapshot(one), snapshot(other)) == []
    third = State(config.but(seed=4), pictures.shape)
    assert differing(snapshot(one), snapshot(third))


def test_one_phase_moves_only_its_own_networks(pictures):
    config = tiny_config("lean", pictures)
    state = advance(config, pictures, fresh(config, pictures), 1)
    for phase in state.phases:
        before, _ = snapshot(state)
        stepper = Stepper(config, pictures, state, Engine())
        others = [p for p in state.phases if p is not phase]
        state.phases = (phase,)
        stepper.step()
        state.phases = (*others, phase)
        after, _ = snapshot(state)
        weights = {f"networks/{role}.{n}" for role, net in state.networks.items() for n, _ in net.named_parameters()}
        moved = {name for name in weights if not torch.equal(before[name], after[name])}
        assert moved
        assert {name.removeprefix("networks/").split(".")[0] for name in moved} == set(phase.trains)


def test_balance_holds_the_discriminator_while_it_wins_and_lets_go():
    balance = Balance(BalanceConfig(skip_above=0.6))
    wins = {"discriminator/wins": torch.tensor(1.0)}
    balance.observe(wins)
    assert balance.strength == pytest.approx(0.99 * 0.5 + 0.01, abs=1e-12)
    assert not balance.holds("discriminator")
    for _ in range(30):
        balance.observe(wins)
    assert balance.holds("discriminator")
    assert not balance.holds("generator")
    for _ in range(60):
        balance.observe({})
    assert not balance.holds("discriminator")


def test_wins_are_real_samples_above_fakes(pictures):
    config = tiny_config("lean", pictures)
    state = fresh(config, pictures)
    _, stats = state.phases[0].loss(
        Step(state.networks, Stream(pictures, 0, BATCH).batch(0), Draws(0, 0, BATCH), 0, 0.0, {})
    )
    assert torch.equal(stats["wins"], (stats["real_logits"] > stats["fake_logits"]).float())


def test_the_average_by_hand(pictures):
    config = tiny_config("lean", pictures, average={"half_life_images": 4.0, "ramp": 10.0})
    state = fresh(config, pictures)
    before = snapshot(state)[0]["averages/generator.expand.weight"]
    advance(config, pictures, state, 1)
    now = state.networks["generator"].expand.weight.detach()
    expected = 0.25 * before + 0.75 * now  # eight images are two half-lives
    torch.testing.assert_close(state.averages["generator"].expand.weight, expected, atol=1e-7, rtol=0)
