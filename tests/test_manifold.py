"""Nearest-neighbour scores: sets made by hand, known expectations, and agreement with prdc on the same features."""

import itertools

import numpy as np
import pytest
from prdc import compute_prdc

from ganvas.config import DataConfig
from ganvas.data.source import open_source
from ganvas.errors import UserError
from ganvas.metrics import manifold
from ganvas.metrics.manifold import (
    compare,
    duplicates,
    memorisation_ratio,
    nearest,
    neighbour_distances,
    pairwise_diversity,
)


def normal(count, size=8, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size))


def scores(fakes, reals):
    found = compare(fakes, reals, neighbour_distances(fakes), neighbour_distances(reals))
    return {name: float(values.mean()) for name, values in vars(found).items()}


@pytest.mark.parametrize("neighbours", [3, 5])
def test_prdc_agrees(neighbours, monkeypatch):
    reals, fakes = normal(300, seed=1), 0.8 * normal(250, seed=2)
    monkeypatch.setattr(manifold, "PRECISION_NEIGHBOURS", neighbours)
    monkeypatch.setattr(manifold, "COVERAGE_NEIGHBOURS", neighbours)
    theirs = compute_prdc(reals, fakes, nearest_k=neighbours)
    assert scores(fakes, reals) == pytest.approx({name: float(value) for name, value in theirs.items()}, rel=1e-9)


def test_blocks_change_nothing(monkeypatch):
    reals, fakes = normal(120, seed=1), normal(90, seed=2)
    whole = scores(fakes, reals)
    monkeypatch.setattr(manifold, "BLOCK_BYTES", 8 * 120 * 7)
    assert scores(fakes, reals) == whole


def test_distances_by_the_obvious_way():
    one, other = normal(40, seed=1) + 100, normal(30, seed=2) + 100
    every = np.linalg.norm(one[:, None] - other, axis=2)
    index, distance = nearest(one, other)
    assert (index == every.argmin(1)).all()
    np.testing.assert_allclose(distance, every.min(1), rtol=1e-9)
    own = np.sort(np.linalg.norm(one[:, None] - one, axis=2), axis=1)[:, 1:6]
    np.testing.assert_allclose(neighbour_distances(one), own, rtol=1e-7)


def test_copies_are_exactly_no_way_apart():
    one = normal(50).astype(np.float32) * 7 + 300
    assert (nearest(one, one)[1] == 0).all()
    assert (neighbour_distances(np.concatenate([one, one]))[:, 0] == 0).all()


def test_the_same_set_scores_one():
    same = normal(100)
    found = scores(same, same)
    assert found["precision"] == found["recall"] == found["coverage"] == 1


def test_sets_far_apart_score_zero():
    found = scores(normal(100) + 100, normal(100, seed=1))
    assert set(found.values()) == {0}


def test_coverage_of_a_perfect_sample_is_known():
    count = 400
    expected = 1 - np.prod([(count - i) / (2 * count - i) for i in range(1, 6)])
    found = [scores(normal(count, seed=[n, 0]), normal(count, seed=[n, 1]))["coverage"] for n in range(10)]
    assert np.mean(found) == pytest.approx(expected, abs=0.01)


def test_one_picture_a_thousand_times_is_flagged():
    reals = normal(1000)
    again = np.repeat(normal(1, seed=5), 1000, axis=0)
    assert duplicates(neighbour_distances(again), neighbour_distances(reals)) == 1
    fresh = duplicates(neighbour_distances(normal(1000, seed=6)), neighbour_distances(reals))
    assert fresh == pytest.approx(0.01, abs=0.01)
    assert scores(again, reals)["coverage"] < 0.02
    assert pairwise_diversity(again) == pytest.approx(0, abs=1e-9)


def test_copied_training_pictures_lower_the_memorisation_ratio():
    training, held_out, fresh = normal(800, seed=1), normal(400, seed=2), normal(400, seed=3)
    usual = nearest(held_out, training)[1]
    ratios = []
    for share in (0, 0.1, 0.5, 1):
        copied = int(share * len(fresh))
        fakes = np.concatenate([training[:copied] + 0.01 * normal(copied, seed=4), fresh[copied:]])
        ratios.append(memorisation_ratio(nearest(fakes, training)[1], usual))
    assert ratios[0] == pytest.approx(1, abs=0.05)
    assert all(later < earlier for earlier, later in itertools.pairwise(ratios))
    assert ratios[-1] < 0.1


def test_diversity_by_the_obvious_way():
    features = normal(30)
    pairs = np.triu_indices(30, 1)
    squared = ((features[:, None] - features) ** 2).sum(2)[pairs]
    assert pairwise_diversity(features) == pytest.approx(np.sqrt(squared.mean()), rel=1e-9)


def test_dropping_classes_lowers_coverage_and_recall_step_by_step():
    digits = open_source("digits", DataConfig(labels=True), limit=28)
    pixels = np.asarray(digits.samples[::2, ::2, ::2, 0], float).reshape(len(digits.samples[::2]), -1)
    labels = digits.labels[::2]
    reals, fakes, classes = pixels[::2], pixels[1::2], labels[1::2]
    found = [scores(fakes[classes < kept], reals) for kept in (10, 8, 6, 4, 2)]
    for name in ("coverage", "recall"):
        way = [score[name] for score in found]
        assert all(later < earlier for earlier, later in itertools.pairwise(way)), (name, way)
    assert found[-1]["precision"] > found[0]["precision"] - 0.05


def test_features_that_are_not_finite_are_refused():
    broken = normal(20)
    broken[0, 0] = np.nan
    for one, other in ((broken, normal(20)), (normal(20), broken)):
        with pytest.raises(UserError, match="1 of 20 pictures have features that are not finite"):
            nearest(one, other)
