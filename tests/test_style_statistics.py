import functools

import pytest
import torch

from ganvas.errors import BadSetting
from ganvas.style import network
from ganvas.style.losses import moments
from ganvas.style.statistics import blend, evenly, measure

LAYERS = ["relu1_1", "relu2_1", "relu3_1"]
backbone = functools.cache(network.backbone)


def picture(seed, height=48, width=64):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_one_style_twice_is_one_style():
    one = measure(backbone(), picture(1), LAYERS)
    twice = blend([(0.25, one), (0.75, one)])
    for name in LAYERS:
        assert torch.allclose(twice[name].moments.mean, one[name].moments.mean, rtol=1e-5)
        assert torch.allclose(twice[name].moments.covariance, one[name].moments.covariance, rtol=1e-4, atol=1e-6)
    assert blend([(0.0, measure(backbone(), picture(2), LAYERS)), (1.0, one)]) is one


def test_samples_of_several_styles_come_in_their_shares():
    one, two = (measure(backbone(), picture(seed), ["relu1_1"]) for seed in (1, 2))
    rows = blend([(3, one), (1, two)])["relu1_1"].samples
    first = sum(bool((one["relu1_1"].samples == row).all(1).any()) for row in rows)
    assert first / len(rows) == pytest.approx(0.75, abs=0.02)


def test_a_mask_measures_the_features_that_it_covers():
    whole, mask = picture(1), torch.zeros(1, 1, 48, 64)
    mask[..., :32] = 1
    masked, features = measure(backbone(), whole, LAYERS, mask), backbone().features(whole, LAYERS)
    for name in LAYERS:
        covered = moments(features[name][..., : features[name].shape[3] // 2])
        assert torch.allclose(masked[name].moments.second, covered.second, rtol=1e-4, atol=1e-5)


def test_a_layer_that_a_mask_hardly_covers_is_left_out():
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., 0, 0] = 1
    assert set(measure(backbone(), picture(1), LAYERS, mask).layers) == {"relu1_1"}


def test_a_style_smaller_than_what_a_layer_sees_has_statistics():
    style = measure(backbone(), picture(1, 5, 1), ["relu1_1", "relu5_1"])
    assert style["relu5_1"].samples.shape == (1, 512)
    assert bool(style["relu5_1"].moments.second.isfinite().all())


def test_what_cannot_be_mixed_or_measured_is_said():
    with pytest.raises(BadSetting, match="weights of the styles are all 0"):
        blend([(0.0, measure(backbone(), picture(1), LAYERS))])
    with pytest.raises(BadSetting, match="black everywhere"):
        measure(backbone(), picture(1), LAYERS, torch.zeros(1, 1, 48, 64))


def test_evenly_keeps_order_and_spreads():
    rows = torch.arange(1000.0)[:, None]
    kept = evenly(rows, 100).flatten()
    assert bool((kept.diff() > 0).all())
    assert float(kept.diff().max()) < 20
    assert len(evenly(rows, 5000)) == 1000
