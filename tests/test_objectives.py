"""Families beyond the carried ones run through the same loop: four networks and a memory, growth, pyramids."""

from pathlib import Path

import pytest
import torch

from ganvas import models
from ganvas.events import Samples
from ganvas.training import checkpoint
from ganvas.training.draws import Draws
from ganvas.training.engine import Engine
from ganvas.training.loop import train
from ganvas.training.objectives import OBJECTIVES
from ganvas.training.phases import Step
from ganvas.training.step import Stepper
from tiny import BATCH, advance, all_finite, differing, fresh, make_pictures, make_points, snapshot, tiny_config

OWN = ["own.cycle", "own.growing", "own.pyramid"]
GAN = {"loss": {"adversarial": "relativistic", "r1": 0.1, "r2": 0.1, "instance_noise": 0.1}}


@pytest.fixture(autouse=True)
def _own(monkeypatch):
    """Architectures of one's own are loaded by dotted name; a new family registers its objective."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    import own.cycle

    monkeypatch.setitem(OBJECTIVES, "cycle", own.cycle.objective)


def run_of(model):
    dataset = make_points() if model.endswith("cycle") else make_pictures()
    return tiny_config(model, dataset, **({} if model.endswith("cycle") else GAN)), dataset


@pytest.mark.parametrize("model", OWN)
def test_they_train_to_the_end_through_the_same_loop(model, tmp_path):
    config, dataset = run_of(model)
    state = fresh(config, dataset)
    before, _ = snapshot(state)
    *events, last = train(config, dataset, state=state, checkpoints=tmp_path)
    after, _ = snapshot(state)
    assert last.complete
    assert all_finite(after)
    sheets = [event.samples for event in events if isinstance(event, Samples)]
    assert len(sheets) == 3
    assert sheets[-1].shape == ((128, 2) if dataset.shape == (2,) else (2, 16, 16, 1))
    weights = [name for name in before if name.startswith("networks")]
    assert all(not torch.equal(before[name], after[name]) for name in weights)


@pytest.mark.parametrize("split", [1, 3, 5])
@pytest.mark.parametrize("model", OWN)
def test_they_resume_exactly(model, split, tmp_path):
    config, dataset = run_of(model)
    straight = snapshot(advance(config, dataset, fresh(config, dataset), 9))
    path = checkpoint.save(tmp_path, advance(config, dataset, fresh(config, dataset), split), keep=3)
    state = fresh(config, dataset)
    checkpoint.load(path, state)
    assert differing(straight, snapshot(advance(config, dataset, state, 9 - split))) == []


@pytest.mark.parametrize("change", ["forget", "alter"])
def test_memory_matters(change):
    config, dataset = run_of("own.cycle")
    state = advance(config, dataset, fresh(config, dataset), 5)
    tensors, numbers = snapshot(state)
    assert "memory/fakes" in tensors
    straight = snapshot(advance(config, dataset, state, 1))
    tensors["memory/fakes"] = torch.zeros(16, 4) if change == "forget" else tensors["memory/fakes"] * 1.01
    resumed = fresh(config, dataset)
    resumed.load(tensors, numbers)
    found = differing(straight, snapshot(advance(config, dataset, resumed, 1)))
    assert "networks/critic_a.0.weight" in found


def test_memory_is_put_back_after_a_bad_step():
    config, dataset = run_of("own.cycle")
    state = advance(config, dataset, fresh(config, dataset), 3)
    before, _ = snapshot(state)
    stepper = Stepper(config, dataset, state, Engine())
    read = stepper.stream.batch
    stepper.stream.batch = lambda place: {name: t * float("nan") for name, t in read(place).items()}
    stepper.step()
    after, _ = snapshot(state)
    assert float(state.bad_steps) == 1
    assert torch.equal(before["memory/fakes"], after["memory/fakes"])
    changed = {name.split("/")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed <= {"meter", "bad_steps", "averages"}


def test_growth_follows_the_position_also_after_resuming(tmp_path):
    config, dataset = run_of("own.growing")
    state = fresh(config, dataset)
    stages = []
    for _ in range(8):
        advance(config, dataset, state, 1)
        stages.append((state.networks["generator"].stage, state.averages["generator"].stage))
    assert stages == [(k, k) for k in (0, 0, 0, 1, 1, 1, 2, 2)]
    path = checkpoint.save(tmp_path, state, keep=3)
    other = fresh(config, dataset)
    checkpoint.load(path, other)
    advance(config, dataset, other, 1)
    assert other.networks["generator"].stage == 2


@pytest.mark.parametrize("adversarial", ["wasserstein", "hinge"])
def test_pyramids_take_every_penalty(adversarial):
    dataset = make_pictures()
    loss = {"adversarial": adversarial, "r1": 0.1, "r2": 0.1, "gradient_penalty": 1.0}
    config = tiny_config("own.pyramid", dataset, loss=loss)
    state = advance(config, dataset, fresh(config, dataset), 3)
    assert {"discriminator/r1", "discriminator/r2", "discriminator/gradient_penalty"} <= set(state.meter.sums)
    assert all(float(state.meter.sums[f"discriminator/{name}"]) > 0 for name in ("r1", "r2", "gradient_penalty"))
    assert float(state.bad_steps) == 0


def _step(state, dataset, config, index=0, progress=0.0):
    stepper = Stepper(config, dataset, state, Engine())
    return Step(state.networks, stepper.stream.batch(0), Draws(config.seed, 0, BATCH), index, progress, state.memory)


@pytest.mark.parametrize("model", models.names())
def test_losses_are_one_value_per_sample(model):
    dataset = make_pictures(channels=3)
    config = tiny_config(model, dataset, loss={"adversarial": "relativistic"})
    state = fresh(config, dataset)
    for phase in state.phases:
        loss, stats = phase.loss(_step(state, dataset, config))
        assert loss.shape == (BATCH,)
        assert all(value.shape in {(BATCH,), ()} and not value.requires_grad for value in stats.values())


def test_lazy_penalties_are_so_many_times_stronger_and_rarer():
    dataset = make_pictures()
    penalties = []
    for every in (1, 4):
        config = tiny_config("lean", dataset, loss={"r1": 0.3, "r2": 0.2, "penalty_every": every})
        state = fresh(config, dataset)
        phase = state.phases[0]
        seen = [phase.loss(_step(state, dataset, config, index))[1] for index in range(8)]
        assert [index for index in range(8) if "r1" in seen[index]] == list(range(0, 8, every))
        penalties.append(seen[0]["r1"].mean())
    torch.testing.assert_close(penalties[1], 4 * penalties[0], atol=0, rtol=1e-4)


def test_fakes_are_fresh_in_each_phase_and_at_each_position():
    dataset = make_pictures()
    config = tiny_config("lean", dataset)
    draws = [Draws(config.seed, place, BATCH).normal(f"latents/{name}", 4) for place in (0, 8) for name in ("a", "b")]
    assert len({tensor.numpy().tobytes() for tensor in draws}) == 4
