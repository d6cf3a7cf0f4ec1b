"""Any style at once: transport between moments, the carried decoder, and what a painting keeps."""

import dataclasses
from importlib import resources

import numpy as np
import pytest
import scipy.linalg
import torch

from ganvas.errors import BadSetting, BadShape, UserError
from ganvas.style import arbitrary, decoder, network, tiles
from ganvas.style.losses import moments


@pytest.fixture(scope="module")
def painter():
    return arbitrary.painter()


def in_precision(bfloat16):
    """The networks that are carried, in a given precision whatever the processor likes."""
    return dataclasses.replace(arbitrary.painter(), bfloat16=bfloat16)


def photograph(height, width, seed=0):
    """A smooth picture [1, 3, height, width] with some grain."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 5, generator=rng)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return (smooth + 0.1 * torch.rand(1, 3, height, width, generator=rng)).clamp(0, 1)


def covariance(size, seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((4 * size, size)) @ rng.standard_normal((size, size))
    return torch.from_numpy(np.cov(rows, rowvar=False))


def test_the_map_is_that_of_the_formula():
    source, target = covariance(6, 1), covariance(6, 2)
    ridge = arbitrary.RIDGE * np.eye(6)
    s, t = source.numpy() + ridge, target.numpy() + ridge
    root = scipy.linalg.sqrtm(s)
    inverse = np.linalg.inv(root)
    expected = inverse @ scipy.linalg.sqrtm(root @ t @ root) @ inverse
    found = arbitrary.transport_map(source, target).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found @ s @ found, t, rtol=1e-6, atol=1e-8)
    assert np.linalg.eigvalsh(found).min() > 0  # the transport is the map with a positive definite matrix


def test_equal_moments_move_nothing():
    source = covariance(5, 3)
    np.testing.assert_allclose(arbitrary.transport_map(source, source), np.eye(5), atol=1e-8)


def test_moved_features_have_the_moments_of_the_style():
    rng = torch.Generator().manual_seed(4)
    mix = torch.randn(8, 8, generator=rng)
    features = torch.einsum("nchw,cd->ndhw", torch.randn(1, 8, 20, 30, generator=rng), mix)
    target = moments(3 + torch.randn(1, 8, 25, 16, generator=rng).cumsum(1))
    found = moments(arbitrary.transport(moments(features), target)(features))
    torch.testing.assert_close(found.mean, target.mean, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.covariance, target.covariance, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (7, 9), (33, 50), (64, 48)])
def test_a_painting_has_the_size_of_the_photograph(painter, size):
    picture = photograph(*size)
    style = painter.style([(1.0, photograph(40, 40, 1))])
    painted = painter.paint(picture, style)
    assert painted.shape == picture.shape
    assert torch.isfinite(painted).all()
    assert painted.min() >= 0
    assert painted.max() <= 1


def test_half_precision_paints_nearly_the_same():
    picture, style = photograph(48, 64), photograph(64, 48, seed=4)
    made = [(p := in_precision(half)).paint(picture, p.style([(1.0, style)])) for half in (False, True)]
    assert made[1].dtype == torch.float32
    assert (made[0] - made[1]).abs().mean() < 0.02
    assert (made[0] - picture).abs().mean() > 0.1


def test_no_strength_gives_the_photograph_back_and_little_gives_little(painter):
    picture = photograph(48, 64)
    style = painter.style([(1.0, photograph(64, 64, 1))])
    assert torch.equal(painter.paint(picture, style, 0.0), picture)
    gaps = [float((painter.paint(picture, style, s) - picture).square().mean()) for s in (0.02, 0.5, 1.0)]
    assert gaps[0] < gaps[1] < gaps[2]
    assert gaps[0] < 0.005


def test_two_equal_styles_are_one(painter):
    picture, manner = photograph(40, 40), photograph(64, 64, 1)
    one = painter.paint(picture, painter.style([(1.0, manner)]))
    two = painter.paint(picture, painter.style([(3.0, manner), (1.0, manner)]))
    torch.testing.assert_close(one, two, atol=0.01, rtol=0)


def test_a_blend_lies_between(painter):
    picture, dark, light = photograph(40, 40), photograph(64, 64, 1) * 0.3, photograph(64, 64, 2) * 0.3 + 0.7
    shade = [
        float(painter.paint(picture, painter.style([(1 - w, dark), (w, light)])).mean()) for w in (0.01, 0.5, 0.99)
    ]
    assert shade[0] < shade[1] < shade[2]


def test_the_style_of_a_painting_is_nearer_to_the_style_than_the_photograph_was(painter):
    picture, manner = photograph(96, 96), photograph(96, 96, 5).flip(1) * torch.tensor([1, 0.4, 0.2]).view(1, 3, 1, 1)
    style = painter.style([(1.0, manner)])

    wanted = style.style

    def distance(image):
        found = painter.style([(1.0, image)]).style
        return sum(float((found[n].moments.second - wanted[n].moments.second).square().mean()) for n in decoder.LEVELS)

    assert distance(painter.paint(picture, style)) < 0.3 * distance(picture)


@pytest.mark.parametrize(("name", "value"), [("strength", -0.1), ("strength", 1.5), ("detail", 2)])
def test_shares_beyond_one_are_refused(painter, name, value):
    style = painter.style([(1.0, photograph(16, 16))])
    with pytest.raises(BadSetting, match=rf"{name} is {value}, but must be from 0 to 1"):
        painter.paint(photograph(16, 16), style, **{name: value})


def test_a_picture_of_another_shape_is_refused(painter):
    style = painter.style([(1.0, photograph(16, 16))])
    with pytest.raises(BadShape, match="photograph"):
        painter.paint(torch.rand(2, 3, 16, 16), style)


def test_a_decoder_of_other_bytes_is_refused():
    data = (resources.files("ganvas.style") / decoder.FILE).read_bytes()
    assert len(data) < 8_000_000
    decoder.unpacked(data)
    with pytest.raises(UserError, match=r"decoder\.safetensors is not the known file \(SHA-256 .* install ganvas anew"):
        decoder.unpacked(data[:-1] + bytes([data[-1] ^ 1]))


def test_packing_keeps_the_weights():
    kept = decoder.packed(decoder.carried())
    assert all(weight.dtype == torch.float16 for weight in kept.values())
    for name, weight in decoder.carried().state_dict().items():
        assert torch.equal(kept[name].float(), weight)


@pytest.mark.parametrize("size", [(1, 1), (5, 4)])
def test_a_doubling_convolution_is_one_of_the_doubled_picture(size):
    torch.manual_seed(0)
    doubling = decoder.DoublingConv(6, 4).double()
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    plain = decoder.Conv.forward(doubling, torch.nn.functional.interpolate(x, scale_factor=2.0))
    torch.testing.assert_close(doubling(x), plain, atol=1e-12, rtol=0)
    small = x[:1, :, :2, :2].clone().requires_grad_()
    assert torch.autograd.gradcheck(doubling, small)


@pytest.mark.parametrize("size", [(150, 210), (96, 333)])
def test_tiles_are_the_whole(painter, monkeypatch, size):
    picture, style = photograph(*size), painter.style([(1.0, photograph(64, 64, 1))])
    fixed, transport = painter.style([(1.0, photograph(80, 80, 2))]).style, arbitrary.transport
    by_size = {len(fixed[name].moments.mean): fixed[name].moments for name in decoder.LEVELS}
    monkeypatch.setattr(arbitrary, "transport", lambda own, target: transport(by_size[len(own.mean)], target))
    whole = painter.paint(picture, style)
    monkeypatch.setattr(arbitrary, "WHOLE", 64 * 64)
    torch.testing.assert_close(
        painter.paint(picture, style), whole, atol=2e-4 if not painter.bfloat16 else 0.03, rtol=0
    )


def test_tiles_are_moved_alike(painter, monkeypatch):
    found, transport = [], arbitrary.transport
    monkeypatch.setattr(arbitrary, "transport", lambda *moments: found.append(moments) or transport(*moments))
    monkeypatch.setattr(arbitrary, "WHOLE", 64 * 64)
    painter.paint(photograph(96, 128), painter.style([(1.0, photograph(64, 64, 1))]))
    assert len(found) == len(decoder.LEVELS)


def test_parts_are_spread_over_the_picture():
    down, across = torch.meshgrid(torch.arange(240.0), torch.arange(320.0), indexing="ij")
    picture = torch.stack([down, across, 0 * down])[None]
    parts = tiles.spread(picture, 240 * 320 // 4, 8)
    assert parts.shape == (tiles.CELLS**2, 3, 8, 16)
    assert parts[:, 0].unique().numel() == 8 * tiles.CELLS  # none overlap
    torch.testing.assert_close(parts.mean((0, 2, 3)), picture.mean((0, 2, 3)), atol=0.6, rtol=0)
    assert tiles.spread(picture, 10**9, 8).shape == (tiles.CELLS**2, 3, 24, 40)


def test_parts_have_the_moments_of_the_whole(painter):
    picture = network.pink_noise(512)
    whole, parts = (
        moments(painter.backbone.features(seen, ["relu2_1"])["relu2_1"])
        for seen in (picture, tiles.spread(picture, 512 * 512 // 4, 8))
    )
    assert float((parts.mean - whole.mean).norm() / whole.mean.norm()) < 0.03
    assert float((parts.covariance - whole.covariance).norm() / whole.covariance.norm()) < 0.1
