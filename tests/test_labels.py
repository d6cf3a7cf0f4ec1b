"""Labels: what networks are told and asked, that they learn it, and that runs stay exact."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from ganvas import api, labels, models
from ganvas.config import DataConfig
from ganvas.data.source import open_source
from ganvas.data.stream import split
from ganvas.errors import BadSetting, RunError, UnknownName
from ganvas.training import checkpoint, sampler
from ganvas.training.checkup import Examiner
from ganvas.training.draws import Draws
from ganvas.training.engine import Engine
from ganvas.training.loop import train
from ganvas.training.phases import Step
from ganvas.training.step import Stepper
from tiny import (
    BATCH,
    advance,
    adversarial_models,
    all_finite,
    differing,
    fresh,
    make_pictures,
    make_shades,
    snapshot,
    tiny_config,
)

LABELLED = {"data": {"labels": True}}


def settings_for(model):
    loss = {"adversarial": "nonsaturating"} if model == "dcgan" else {"adversarial": "relativistic", "r1": 0.1}
    return LABELLED | {"loss": loss}


def test_a_label_is_told_beside_its_latent_and_as_long_as_it():
    found = labels.told(torch.ones(2, 4), torch.tensor([2, 0]), 3)
    assert found.tolist() == [[1, 1, 1, 1, 0, 0, 2], [1, 1, 1, 1, 2, 0, 0]]


def test_each_sample_has_the_logit_of_its_own_label():
    assert labels.own(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 0])).tolist() == [2, 3]


def test_labels_come_up_as_often_as_their_shares():
    assert labels.drawn((1.0, 0.0, 3.0), np.array([0.0, 0.249, 0.25, 0.999999])).tolist() == [0, 0, 2, 2]
    many = labels.drawn((0.2, 0.5, 0.3), np.random.default_rng(0).random(10_000))
    assert np.bincount(many) / 10_000 == pytest.approx([0.2, 0.5, 0.3], abs=0.02)


def test_labels_are_tested_by_the_variance_between_them_beside_that_of_shuffled_ones():
    rng = np.random.default_rng(1)
    features, known = rng.standard_normal((300, 4)), rng.choice([0, 2, 3], 300)
    spread = {k: np.square(features[known == k].mean(0) - features.mean(0)).sum() for k in (0, 2, 3)}
    assert labels.variance_between(features, known) == pytest.approx(np.mean([spread[k] for k in known]))
    chances = [labels.chance(features, rng.permutation(known), rng) for _ in range(50)]
    assert np.mean(chances) == pytest.approx(0.5, abs=0.15)
    features[known == 2, 1] += 1.5
    assert labels.chance(features, known, rng) == 0


def test_shuffled_labels_are_told_before_the_first_step():
    digits = open_source("digits", DataConfig(labels=True, resolution="16"), limit=16)
    config = tiny_config("lean", digits, **LABELLED)
    assert Examiner(config, digits, 100).beforehand() == {}
    shuffled = dataclasses.replace(digits, labels=np.random.default_rng(0).permutation(digits.labels))
    assert "labels mean nothing" in Examiner(config, shuffled, 100).beforehand()


@pytest.mark.parametrize("model", adversarial_models())
def test_every_pair_takes_them(model):
    dataset = make_shades()
    config = tiny_config(model, dataset, **settings_for(model))
    assert config.data.label_shares == (0.75, 0.25)
    state = fresh(config, dataset)
    generator, critic = state.networks["generator"], state.networks["discriminator"]
    assert models.latent_size(generator) == generator.latent_size - 2
    assert critic(torch.rand(5, *dataset.shape)).shape == (5, 2)
    step = Step(
        state.networks, Stepper(config, dataset, state, Engine()).stream.batch(0), Draws(3, 0, BATCH), 0, 0.0, {}
    )
    for phase in state.phases:
        assert phase.loss(step)[0].shape == (BATCH,)
    after, _ = snapshot(advance(config, dataset, state, 3))
    assert all_finite(after)
    assert float(state.bad_steps) == 0


@pytest.mark.parametrize("model", adversarial_models())
def test_they_resume_exactly(model, tmp_path):
    dataset = make_shades()
    config = tiny_config(model, dataset, **settings_for(model))
    straight = snapshot(advance(config, dataset, fresh(config, dataset), 7))
    path = checkpoint.save(tmp_path, advance(config, dataset, fresh(config, dataset), 3), keep=3)
    state = fresh(config, dataset)
    checkpoint.load(path, state)
    assert differing(straight, snapshot(advance(config, dataset, state, 4))) == []


def test_a_generator_learns_what_its_labels_look_like(tmp_path):
    dataset = make_shades()
    config = tiny_config(
        "lean", dataset, total_images=150 * BATCH, steady={"every_images": 30 * BATCH, "held_out": 24},
        optimiser={"generator_lr": 5e-3}, **settings_for("lean"),
    )  # fmt: skip
    state = fresh(config, dataset)
    *_, last = train(config, dataset, state=state, checkpoints=tmp_path)
    assert last.complete
    network = state.averages["generator"]
    sampler.settle(network, 0, torch.device("cpu"))
    dark, bright = (sampler.draw(network, sampler.latents(network, 40, seed=0, label=k), None) for k in (0, 1))
    assert dark.mean() < 80
    assert bright.mean() > 175
    mixed = sampler.draw(network, sampler.latents(network, 40, seed=0), None).mean((1, 2, 3)) > 128
    assert mixed.tolist() == (sampler.label_numbers(network, 40, seed=0) == 1).tolist()
    assert state.history[-1].overfit is not None


def test_sample_k_is_the_same_however_many_are_asked_for():
    dataset = make_shades()
    network = fresh(tiny_config("lean", dataset, **LABELLED), dataset).averages["generator"]
    whole = sampler.latents(network, 20, seed=4)
    assert np.array_equal(sampler.latents(network, 5, seed=4, first=7), whole[7:12])
    forced = sampler.latents(network, 20, seed=4, label=1)
    assert np.array_equal(forced[:, :-2], whole[:, :-2])
    assert (forced[:, -1] == math.sqrt(4)).all()


def test_without_labels_a_run_is_what_it_was():
    plain, other = make_pictures(), dataclasses.replace(make_pictures(), labels=None)
    one, two = (snapshot(advance(c, d, fresh(c, d), 3)) for d in (plain, other) for c in [tiny_config("lean", d)])
    assert differing(one, two) == []
    assert tiny_config("lean", plain).data.label_shares == ()


@pytest.mark.parametrize(("model", "changes", "message"), [
    ("vae", {}, r"model=vae cannot be told; set data\.labels=false, or take one of: dcgan, lean, mlp"),
    ("lean", {"variety": {"pack": 2}}, r"variety\.pack is 2, but a pack has no label of its own"),
    ("lean", {"data": {"labels": True, "label_shares": (1.0, 2.0, 3.0)}},
     r"label_shares has 3 numbers, but takes one for each label; labels: night, day"),
    ("lean", {"data": {"labels": True, "label_shares": (0.0, 0.0)}}, "has 2 numbers, but takes one for each"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(model, changes, message):
    dataset = make_shades()
    with pytest.raises(BadSetting, match=message):
        models.build(tiny_config(model, dataset, **(LABELLED | changes)), dataset.shape)


def test_shares_of_labels_that_there_are_not_are_refused():
    with pytest.raises(BadSetting, match=r"labels: none; set data\.labels=true"):
        tiny_config("lean", make_pictures(), data={"label_shares": (0.5, 0.5)})


def short_run(path, **data):
    """A run on digits, two steps long."""
    sizes = {"data.resolution": "8", "network.width": 4, "threads": 1}
    return api.train("digits", path, total_images=128, settings=sizes | data).run()


def test_one_label_is_drawn_on_demand(tmp_path):
    trained = short_run(tmp_path / "run")
    assert trained.labels == tuple("0123456789")
    threes = trained.sample(6, seed=1, label="3")
    assert threes.shape == (6, 8, 8, 1)
    assert not np.array_equal(threes, trained.sample(6, seed=1, label="4"))
    with pytest.raises(UnknownName, match="no label is called '10'; did you mean '1'"):
        trained.sample(1, label="10")


def test_a_run_without_labels_has_none_to_ask_for(tmp_path):
    with pytest.raises(RunError, match=r"was trained without labels.*data\.labels=true"):
        short_run(tmp_path / "run", **{"data.labels": False}).sample(1, label="3")


def test_learning_by_heart_is_judged_by_the_logits_of_own_labels(monkeypatch):
    dataset = make_shades()
    config = tiny_config("lean", dataset, steady={"held_out": 12}, **LABELLED)
    examiner, state = Examiner(config, dataset, 100), fresh(config, dataset)
    critic = state.networks["discriminator"]
    monkeypatch.setattr(critic, "forward", lambda x: torch.stack([x.mean((1, 2, 3)), 3 + 2 * x.mean((1, 2, 3))], 1))
    fakes = np.random.default_rng(0).integers(0, 60, (128, 16, 16, 1)).astype(np.uint8)
    drawn = sampler.label_numbers(state.averages["generator"], 128, seed=config.seed, purpose="checkup/latents")

    def mean_logit(pictures, known):
        bright = pictures.mean((1, 2, 3)) / 127.5 - 1
        return np.where(known == 1, 3 + 2 * bright, bright).mean()

    training, held_out = split(96, 12, config.seed)
    seen = mean_logit(dataset.samples[training], dataset.labels[training])
    unseen = mean_logit(dataset.samples[held_out], dataset.labels[held_out])
    expected = (seen - unseen) / (seen - mean_logit(fakes, drawn))
    assert examiner.overfit(state, fakes) == pytest.approx(expected, rel=1e-3)
