"""Whose colours: what is kept is kept exactly, and pictures without colour do no harm."""

import numpy as np
import pytest
import torch

from ganvas.errors import BadSetting, BadShape
from ganvas.style.colour import keep_colours, luminance, match_colours


def picture(seed: int, height=17, width=23, low=0.2, high=0.8) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(3, 3, generator=rng, dtype=torch.float64) * 0.05
    noise = torch.randn(3, height * width, generator=rng, dtype=torch.float64)
    return ((mixing @ noise).view(1, 3, height, width) + 0.5).clamp(low, high)


def moments(image: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    rows = image[0].flatten(1).numpy()
    return rows.mean(1), np.cov(rows, bias=True)


def test_luminance_is_the_paintings_and_colour_the_contents():
    painting, content = picture(0), picture(1)
    made = keep_colours(painting, content)
    torch.testing.assert_close(luminance(made), luminance(painting))
    # in YCbCr, the slow obvious way: blue and red less luma, where nothing had to fade
    difference = content + luminance(painting) - luminance(content)
    inside = ((difference >= 0) & (difference <= 1)).all(1, keepdim=True).expand_as(made)
    assert inside.float().mean() > 0.9
    torch.testing.assert_close(made[inside], difference[inside])


def test_colours_fade_instead_of_being_cut():
    painting, content = torch.full((1, 3, 1, 1), 0.95), torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    made = keep_colours(painting, content)
    torch.testing.assert_close(luminance(made), luminance(painting))
    assert made[0, 0, 0, 0] == 1
    assert 0 <= made.min() <= made.max() <= 1


def test_statistics_are_those_of_the_reference():
    style, content = picture(2), picture(3, 9, 40)
    mean, covariance = moments(match_colours(style, content))
    wanted_mean, wanted = moments(content)
    np.testing.assert_allclose(mean, wanted_mean, atol=1e-3)
    np.testing.assert_allclose(covariance, wanted, atol=3e-4)
    assert abs(moments(style)[1] - wanted).max() > 2e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_identical_pictures_are_a_fixed_point(dtype):
    same = picture(4).to(dtype)
    tolerance = {"atol": 1e-6, "rtol": 0.0}
    torch.testing.assert_close(match_colours(same, same), same, **tolerance)
    torch.testing.assert_close(keep_colours(same, same), same, **tolerance)


def test_grey_and_flat_pictures_do_no_harm():
    grey = luminance(picture(5)).expand(1, 3, -1, -1)
    flat = torch.full((1, 3, 8, 8), 0.25, dtype=torch.float64)
    for one in (grey, flat, picture(6), torch.zeros(1, 3, 1, 1, dtype=torch.float64)):
        for other in (grey, flat, picture(7)):
            made = match_colours(one, other)
            assert torch.isfinite(made).all()
            assert 0 <= made.min() <= made.max() <= 1
    made = keep_colours(picture(8), grey)
    torch.testing.assert_close(made, luminance(picture(8)).expand_as(made))
    # a grey style for a coloured photograph stays nearly grey: the ridge invents no colours
    toned = match_colours(grey, picture(7))
    np.testing.assert_allclose(moments(toned)[0], moments(picture(7))[0], atol=5e-3)


def test_palette_strength_is_between_both():
    painting, content = picture(9), picture(10)
    for change in (keep_colours, match_colours):
        assert torch.equal(change(painting, content, 0.0), painting)
        halfway = (painting + change(painting, content, 1.0)) / 2
        torch.testing.assert_close(change(painting, content, 0.5), halfway)


def test_what_is_refused():
    with pytest.raises(BadShape, match="they must be alike"):
        keep_colours(picture(0), picture(0, 5, 5))
    with pytest.raises(BadShape, match=r"picture must have shape \[1, 3, H, W\]"):
        match_colours(torch.zeros(1, 1, 4, 4), picture(0))
    with pytest.raises(BadSetting, match=r"0 to 1; got 1\.5"):
        match_colours(picture(0), picture(1), 1.5)
