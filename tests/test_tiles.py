"""Tiles: the value and the gradient of the whole picture, to the last digits of double precision."""

import gc
import weakref

import pytest
import torch

from ganvas.style import losses, network, statistics
from ganvas.style import tiles as cut
from ganvas.style.losses import MOMENT_LOSSES
from ganvas.style.tiles import Terms, Window, halo, layer_size, split, value_and_gradient

STYLE, CONTENT = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), "relu4_2"


@pytest.fixture(scope="module")
def backbone():
    return network.backbone().double()


def picture(seed: int, height: int, width: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8 + 1, width // 8 + 1, generator=rng, dtype=torch.float64)
    fine = torch.rand(1, 3, height, width, generator=rng, dtype=torch.float64)
    return 0.7 * torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear") + 0.3 * fine


def terms(backbone, height, width, loss="gram", masked=False, layers=STYLE) -> Terms:
    style = statistics.measure(backbone, picture(1, 96, 120), layers)
    other = statistics.measure(backbone, picture(2, 96, 120), layers)
    weights = {name: 1.0 / n for n, name in enumerate(layers, 1)}
    compare = MOMENT_LOSSES[loss]

    def style_loss(found):
        total = torch.zeros((), dtype=torch.float64)
        for wanted, moments in zip((style, other), found, strict=False):
            for name, here in moments.items():
                total = total + weights[name] * compare(here, wanted[name].moments)
        return total

    content = backbone.features(picture(3, height, width), [CONTENT])
    regions = (None,)
    if masked:
        mask = torch.linspace(0, 1, width, dtype=torch.float64).expand(1, 1, height, width)
        left = {name: statistics.shrunk(mask, layer_size(height, width, name))[0, 0] for name in layers}
        right = {name: 1 - left[name] for name in layers if name != "relu5_1"}
        regions = (left, right)
    return Terms(layers, style_loss, regions, 0.3, content)


def at_once(backbone, at, wanted):
    """The slow obvious way: everything by automatic differentiation, without sums, slopes or tiles."""
    seen = at.clone().requires_grad_(True)
    features = backbone.features(seen, wanted.every)
    found = []
    for region in wanted.regions:
        names = [name for name in wanted.layers if region is None or name in region]
        found.append({name: losses.moments(features[name], None if region is None else region[name]) for name in names})
    style = wanted.style_loss(found)
    content = sum(losses.content(features[name], target) for name, target in wanted.content.items())
    (style + wanted.content_weight * content).backward()
    return style, wanted.content_weight * content, seen.grad


def check(backbone, height, width, wanted, tiles):
    at = picture(4, height, width)
    style, content, gradient = at_once(backbone, at, wanted)
    for parts in ((), tiles):
        value = value_and_gradient(backbone, at, wanted, parts)
        assert abs(value[0] - style) < 1e-10 * style
        assert abs(value[1] - content) < 1e-10 * content
        assert (value[2] - gradient).abs().max() < 1e-10 * gradient.abs().max()


@pytest.mark.parametrize(("loss", "masked"), [("gram", False), ("gram", True), ("mean-deviation", True)])
def test_tiles_give_the_gradient_of_the_whole_picture(backbone, loss, masked):
    check(backbone, 21, 390, terms(backbone, 21, 390, loss, masked), split(21, 390, 1, 2, 16))


@pytest.mark.slow
@pytest.mark.parametrize("loss", MOMENT_LOSSES)
def test_tiles_in_both_directions(backbone, loss):
    tiles = split(203, 411, 2, 3, 16)
    assert len(tiles) == 6
    check(backbone, 203, 411, terms(backbone, 203, 411, loss, masked=True), tiles)


def test_features_and_statistics_of_tiles_are_those_of_the_whole(backbone):
    at, layers = picture(6, 37, 300), [*STYLE, CONTENT]
    with torch.no_grad():
        whole = backbone.features(at, layers)
    for name, found in cut.features(backbone, at, layers, split(37, 300, 2, 2, 16)).items():
        torch.testing.assert_close(found, whole[name], rtol=0, atol=1e-12)
    mask = torch.linspace(0, 1, 300, dtype=torch.float64).expand(1, 1, 37, 300)
    for shown in (None, mask):
        one, other = (statistics.measure(backbone, at, STYLE, shown, most) for most in (None, 37 * 150))
        for name in STYLE:
            torch.testing.assert_close(one[name].moments.second, other[name].moments.second, rtol=1e-10, atol=1e-12)
            assert 0.4 < len(other[name].samples) / len(one[name].samples) <= 1.05


def test_thin_pictures(backbone):
    check(backbone, 5, 700, terms(backbone, 5, 700), split(5, 700, 1, 2, 16))


def test_the_gradient_is_that_of_the_loss(backbone):
    at, wanted = picture(4, 48, 60), terms(backbone, 48, 60)
    _, _, gradient = value_and_gradient(backbone, at, wanted)
    direction = torch.randn(at.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(step: float) -> torch.Tensor:
        style, content, _ = value_and_gradient(backbone, at + step * direction, wanted)
        return style + content

    slope = (value(1e-8) - value(-1e-8)) / 2e-8  # rectifiers have kinks, so short
    torch.testing.assert_close(slope, (gradient * direction).sum(), rtol=1e-5, atol=0)


def round_alike() -> bool:
    """Whether the library's convolutions give the rows of a part of a picture the bits that they have in the whole."""
    at, weight = torch.randn(1, 64, 448, 128), torch.randn(64, 64, 3, 3)
    whole, part = (torch.nn.functional.conv2d(rows, weight) for rows in (at, at[:, :, :384]))
    return torch.equal(whole[:, :, :382], part)


@pytest.mark.parametrize("height", [448, 384])
def test_strips_give_the_gradient_of_the_whole_bit_for_bit(height):
    """So that no step is the first to differ: in float32, where rounding shows, and wide layers work on pairs."""
    network_, at = network.backbone(), picture(4, height, 128).float()
    strips = split(height, 128, 2, 1, cut.BAND)
    style = statistics.measure(network_, at.flip(2), STYLE)
    in_strips = statistics.measure(network_, at.flip(2), STYLE, most=height // 2 * 128)
    for name in STYLE:
        torch.testing.assert_close(style[name].moments.second, in_strips[name].moments.second, rtol=1e-6, atol=1e-7)

    def style_loss(found):
        return sum(losses.gram(found[0][name], style[name].moments) for name in STYLE)

    wanted = Terms(STYLE, style_loss, content_weight=0.3, content=network_.features(at.flip(3), [CONTENT]))
    whole, tiled = (value_and_gradient(network_, at, wanted, tiles) for tiles in ((), strips))
    exact = round_alike()
    for one, other in zip(whole, tiled, strict=True):
        atol = 0 if exact else 1e-6 * float(one.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=atol)


def test_bands_are_the_same_whichever_tile_they_are_in():
    for height in (1, 63, 64, 100, 130, 300, 449):
        whole = Window(0, height, 0, 9).bands()
        assert whole[0].top == 0
        assert whole[-1].bottom == height
        for rows in (1, 2, 3):
            assert [band for tile in split(height, 9, rows, 1, cut.BAND) for band in tile.bands()] == whole


@pytest.mark.parametrize("layer", ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"])
def test_the_halo_is_needed_and_enough(backbone, layer):
    wanted = terms(backbone, 16, 352, layers=(layer,))
    wanted = Terms(wanted.layers, wanted.style_loss)
    at, tiles = picture(5, 16, 352), [Window(0, 16, 0, 176), Window(0, 16, 176, 352)]
    _, _, gradient = value_and_gradient(backbone, at, wanted)
    tiled = value_and_gradient(backbone, at, wanted, tiles)
    assert (tiled[2] - gradient).abs().max() < 1e-12 * gradient.abs().max()
    assert halo([layer]) == {"relu1_1": 4, "relu2_1": 12, "relu3_1": 24, "relu4_1": 80, "relu5_1": 160}[layer]


def test_splitting_covers_every_pixel_once():
    for height, width in ((1, 1), (17, 5), (203, 411), (512, 512), (33, 16)):
        for rows, columns in ((1, 1), (2, 3), (5, 40)):
            count = torch.zeros(height, width)
            for tile in split(height, width, rows, columns, 16):
                count[tile.top : tile.bottom, tile.left : tile.right] += 1
                assert tile.top % 16 == tile.left % 16 == 0
                assert tile.area > 0
            assert (count == 1).all()


def test_nothing_stays_alive_until_garbage_is_collected(backbone):
    seen = []
    looking = backbone.features

    def features(*given):
        found = looking(*given)
        seen.extend(weakref.ref(tensor) for tensor in found.values())
        return found

    wanted = terms(backbone, 16, 16)
    gc.disable()
    try:
        backbone.features = features
        value_and_gradient(backbone, picture(4, 16, 16), wanted)
        assert seen
        assert not [ref for ref in seen if ref() is not None]
    finally:
        del backbone.features
        gc.enable()
