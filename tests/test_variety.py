"""Packing and minibatch deviation: what they compute, that any discriminator takes them, and that runs stay exact."""

import numpy as np
import pytest
import torch
from torch import nn

from ganvas import layers, losses, models
from ganvas.errors import BadSetting
from ganvas.training import checkpoint
from ganvas.training.draws import Draws
from ganvas.training.engine import Engine
from ganvas.training.loop import train
from ganvas.training.objectives import judged
from ganvas.training.phases import Step
from ganvas.training.step import Stepper
from tiny import (
    BATCH,
    advance,
    adversarial_models,
    all_finite,
    dataset_for,
    differing,
    fresh,
    make_pictures,
    make_points,
    snapshot,
    tiny_config,
)

BOTH = {"pack": 2, "deviation": 2}
LOSS = {"loss": {"adversarial": "relativistic", "r1": 0.1, "r2": 0.1}}
NONSATURATING = {"loss": {"adversarial": "nonsaturating"}}


def settings_for(model):
    return NONSATURATING if model == "dcgan" else LOSS


def test_deviation_is_the_mean_of_the_spreads_within_each_group():
    features = torch.randn(6, 3, 2)
    found = layers.deviation(features, 3)
    for k in range(2):  # group k holds k, k + 2, k + 4
        group = features[[k, k + 2, k + 4]].numpy().reshape(3, -1).astype(np.float64)
        expected = np.sqrt(group.var(axis=0) + 1e-8).mean()
        for member in (k, k + 2, k + 4):
            assert float(found[member]) == pytest.approx(expected, rel=1e-5)


def test_deviation_of_samples_that_are_the_same_is_nothing_and_its_gradient_finite():
    features = torch.ones(4, 5, requires_grad=True)
    spread = layers.deviation(features, 4)
    spread.sum().backward()
    assert float(spread.detach().max()) <= 1.01e-4
    assert torch.isfinite(features.grad).all()


def test_a_group_is_never_larger_than_the_samples_there_are():
    assert layers.deviation(torch.randn(3, 2), 4).shape == (3,)
    torch.testing.assert_close(layers.deviation(torch.randn(1, 2), 4), torch.full((1,), 1e-4))


def test_packs_hold_the_same_samples_however_many_processes_share_a_batch():
    samples = torch.arange(24.0).view(12, 2)
    alone = layers.packed(samples, 3)
    assert alone.shape == (4, 6)
    for processes in (2, 4):
        parts = [layers.packed(samples[rank::processes], 3) for rank in range(processes)]
        for rank, part in enumerate(parts):
            torch.testing.assert_close(part, alone[rank::processes])


def test_groups_hold_the_same_samples_however_many_processes_share_a_batch():
    features = torch.randn(12, 5)
    alone = layers.deviation(features, 3)
    for rank in range(2):
        torch.testing.assert_close(layers.deviation(features[rank::2], 3), alone[rank::2])


def test_penalties_of_a_pack_are_those_of_the_pack_as_one_sample():
    critic = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    samples = torch.randn(8, 3, requires_grad=True)
    found = losses.squared_gradients([judged(critic, samples, 2)], [samples])[0]
    as_one = layers.packed(samples.detach(), 2).requires_grad_()
    expected = [torch.autograd.grad(critic(as_one[k : k + 1]).sum(), as_one)[0][k].square().sum() for k in range(4)]
    torch.testing.assert_close(found, torch.stack(expected))


def test_wgan_gp_draws_one_share_for_a_pack():
    dataset = make_points()
    config = tiny_config("mlp", dataset, loss={"adversarial": "wasserstein", "gradient_penalty": 1.0}, variety=BOTH)
    state = fresh(config, dataset)
    game = state.phases[0].loss.__self__
    seen = []
    state.networks["discriminator"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    step = Step(state.networks, {}, Draws(3, 0, BATCH), 0, 0.0, {})
    game.between(step, torch.zeros(BATCH, 2), torch.ones(BATCH, 2))
    (points,) = seen
    assert points.shape == (BATCH // 2, 4)
    torch.testing.assert_close(points, points[:, :1].expand(-1, 4))
    assert len(points[:, 0].unique()) == BATCH // 2


@pytest.mark.parametrize("model", adversarial_models())
@pytest.mark.parametrize("variety", [{"pack": 2}, {"pack": 4}, {"deviation": 4}, BOTH], ids=str)
def test_every_discriminator_takes_them(model, variety):
    dataset = dataset_for(model)
    config = tiny_config(model, dataset, variety=variety, **settings_for(model))
    state = fresh(config, dataset)
    stepper = Stepper(config, dataset, state, Engine())
    step = Step(state.networks, stepper.stream.batch(0), Draws(3, 0, BATCH), 0, 0.0, state.memory)
    for phase in state.phases:
        assert phase.loss(step)[0].shape == (BATCH // variety.get("pack", 1),)
    before, _ = snapshot(state)
    after, _ = snapshot(advance(config, dataset, state, 3))
    assert all_finite(after)
    assert float(state.bad_steps) == 0
    told = [name for name in after if name.startswith("networks/discriminator") and before[name].shape == ()]
    learned = [name for name in told if not name.endswith("num_batches_tracked")]
    assert len(learned) == ("deviation" in variety)
    assert all(not torch.equal(before[name], after[name]) for name in learned)


@pytest.mark.parametrize("model", adversarial_models())
def test_a_packed_discriminator_sees_the_samples_of_a_pack_together_and_no_others(model):
    dataset = dataset_for(model)
    changes = settings_for(model) | ({"network": {"discriminator_norm": False}} if model == "dcgan" else {})
    critic = fresh(tiny_config(model, dataset, variety={"pack": 2}, **changes), dataset).networks["discriminator"]
    samples = torch.rand(6, *dataset.shape)
    others = samples.clone()
    others[4] = -1.0  # shares a pack with sample 1
    one, other = judged(critic, samples, 2), judged(critic, others, 2)
    assert ((one - other).abs() > 1e-6).tolist() == [False, True, False]


@pytest.mark.parametrize("model", adversarial_models())
def test_they_resume_exactly(model, tmp_path):
    dataset = dataset_for(model)
    config = tiny_config(model, dataset, variety=BOTH, **settings_for(model))
    straight = snapshot(advance(config, dataset, fresh(config, dataset), 7))
    path = checkpoint.save(tmp_path, advance(config, dataset, fresh(config, dataset), 3), keep=3)
    state = fresh(config, dataset)
    checkpoint.load(path, state)
    assert differing(straight, snapshot(advance(config, dataset, state, 4))) == []


@pytest.mark.parametrize("model", ["lean", "mlp"])
def test_a_whole_run_with_its_checkups_goes_through(model, tmp_path):
    dataset = dataset_for(model)
    config = tiny_config(
        model, dataset, variety=BOTH, steady={"every_images": 4 * BATCH, "held_out": 0 if model == "mlp" else 9}, **LOSS
    )
    state = fresh(config, dataset)
    *_, last = train(config, dataset, state=state, checkpoints=tmp_path)
    assert last.complete
    assert all(np.isfinite(vitals.loss) for vitals in state.history)
    assert model == "mlp" or any(vitals.overfit is not None for vitals in state.history)


@pytest.mark.parametrize(("model", "variety", "message"), [
    ("vae", {"deviation": 4}, "variety.deviation tells a discriminator, and model=vae has none"),
    ("vae", {"pack": 2}, "variety.pack is 2, but model=vae cannot pack"),
    ("lean", {"pack": 3}, "batch_size is 8, but variety.pack and variety.deviation look at 3 samples together"),
    ("lean", {"pack": 4, "deviation": 4}, "look at 16 samples together; make it a multiple of that"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(model, variety, message):
    dataset = make_pictures()
    with pytest.raises(BadSetting, match=message):
        models.build(tiny_config(model, dataset, variety=variety), dataset.shape)
