"""The carried digit classifier, and what it says of samples."""

import json

import numpy as np
import pytest

import ganvas
from ganvas.cli import main
from ganvas.config import DataConfig
from ganvas.data.source import open_source
from ganvas.errors import UserError
from ganvas.metrics import digits


@pytest.fixture(scope="module")
def carried():
    """Every tenth carried digit, and its label."""
    source = open_source("digits", DataConfig(labels=True), limit=28)
    return np.asarray(source.samples[::10]), source.labels[::10]


def test_it_reads_digits(carried):
    pictures, labels = carried
    assert (digits.classes(digits.carried(), pictures[..., 0]) == labels).mean() > 0.99


def test_its_features_are_as_many_as_it_says_whatever_the_batch(carried):
    network, pixels = digits.carried(), carried[0][:50, ..., 0]
    whole = digits.features(network, pixels)
    assert whole.shape == (50, digits.FEATURES)
    assert whole.dtype == np.float64
    np.testing.assert_allclose(digits.features(network, pixels[:7]), whole[:7], atol=1e-4)


def test_a_changed_file_is_refused(monkeypatch):
    monkeypatch.setattr(digits, "SHA256", "0" * 64)
    with pytest.raises(UserError, match=r"in the package has changed .* install ganvas again"):
        digits.carried()


def test_pictures_of_other_sizes_and_colours_are_brought_to_its_own(carried):
    pictures, labels = carried
    doubled = pictures[:100].repeat(2, axis=1).repeat(2, axis=2).repeat(3, axis=3)
    assert digits.as_digits(doubled).shape == (100, 28, 28)
    assert (digits.classes(digits.carried(), digits.as_digits(doubled)) == labels[:100]).mean() > 0.97
    np.testing.assert_array_equal(digits.as_digits(pictures[:3]), pictures[:3, ..., 0])


def test_digits_against_digits_are_near_and_covered(carried):
    pictures, _ = carried
    scores = digits.judge(pictures[::2], pictures[1::2])
    assert scores["digit_frechet"] < 3
    assert min(scores["digit_coverage"]) > 0.6
    assert sum(scores["digit_classes"]) == pytest.approx(1)
    assert np.abs(np.subtract(scores["digit_classes"], scores["digit_classes_real"])).max() < 0.05


@pytest.mark.parametrize("missing", [1, 3, 6])
def test_lost_digits_are_seen_one_by_one(carried, missing):
    pictures, labels = carried
    whole = digits.judge(pictures[::2], pictures[1::2])
    scores = digits.judge(pictures[::2][labels[::2] >= missing], pictures[1::2])
    assert max(scores["digit_classes"][:missing]) < 0.02
    assert np.mean(scores["digit_coverage"][:missing]) < 0.5 * np.mean(whole["digit_coverage"][:missing])
    assert scores["digit_frechet"] > whole["digit_frechet"] + 1


def test_few_pictures_have_no_distance(carried):
    scores = digits.judge(carried[0][:20], carried[0][20:60])
    assert scores["digit_frechet"] is None


@pytest.mark.slow
def test_evaluate_counts_the_digits_of_a_run(tmp_path, capsys):
    path = tmp_path / "digits"
    tiny = {"network.width": 4, "save.samples": 4}
    ganvas.train("digits", out=path, total_images=256, batch_size=32, threads=1, settings=tiny).run()
    assert main(["evaluate", str(path), "--count", "300", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    fixed = (
        "frechet",
        "kid",
        "precision",
        "recall",
        "density",
        "coverage",
        "duplicates",
        "network",
        "n_real",
        "n_fake",
    )
    assert {*fixed, "digit_classes", "digit_coverage", "digit_frechet"} <= set(scores)
    assert len(scores["digit_classes"]) == 10
    assert main(["evaluate", str(path), "--count", "300"]) == 0
    assert "of the real" in capsys.readouterr().out
