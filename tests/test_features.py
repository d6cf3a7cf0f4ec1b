"""The network that looks at pictures: carried, checked, steady, and monotone in what spoils a picture."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import Inception3

from ganvas.config import DataConfig
from ganvas.data.source import open_source
from ganvas.errors import UserError
from ganvas.metrics import efficientnet, features
from ganvas.metrics.distances import frechet_distance, moments

STRENGTHS = (1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def network():
    return features.carried()


@pytest.fixture(scope="module")
def digits():
    """Grey pictures, uint8 [150, 28, 28, 1]."""
    return np.asarray(open_source("digits", DataConfig(), limit=28).samples[:150])


def resized(pixels, side, filter_):
    """There and back, by Pillow."""
    made = []
    for picture in pixels[..., 0]:
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.BOX)
        made.append(np.asarray(small.resize(picture.shape, filter_)))
    return np.stack(made)[..., None]


def noise(pixels, strength):
    rng = np.random.default_rng(strength)
    return (pixels + rng.normal(0, 12 * strength, pixels.shape)).clip(0, 255).astype(np.uint8)


def blur(pixels, strength):
    return resized(pixels, 24 - 4 * strength, Image.Resampling.BICUBIC)


def pixelation(pixels, strength):
    return resized(pixels, 24 - 4 * strength, Image.Resampling.NEAREST)


def blackout(pixels, strength):
    spoilt = pixels.copy()
    spoilt[:, 14 - 2 * strength : 14 + 2 * strength, 14 - 2 * strength : 14 + 2 * strength] = 0
    return spoilt


def swirl(pixels, strength):
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    angle, radius = np.arctan2(y, x) + 0.4 * strength * np.exp(-2 * np.hypot(x, y)), np.hypot(x, y)
    way = torch.from_numpy(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 2)).float()
    before = torch.from_numpy(pixels[..., 0]).float()[:, None]
    after = torch.nn.functional.grid_sample(before, way.expand(len(pixels), 28, 28, 2), align_corners=True)
    return after.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def crop(pixels, strength):
    inner = pixels[:, strength : 28 - strength, strength : 28 - strength, 0]
    return np.stack([np.asarray(Image.fromarray(picture).resize((28, 28))) for picture in inner])[..., None]


@pytest.mark.parametrize("spoil", [noise, blur, blackout, swirl, pixelation, crop])
def test_worse_pictures_are_further_away(network, digits, spoil):
    clean = moments(network.look(digits))
    way = [0.0, *(frechet_distance(moments(network.look(spoil(digits, by))), clean) for by in STRENGTHS)]
    assert all(later > earlier for earlier, later in itertools.pairwise(way)), way


def test_features_do_not_depend_on_company(network, digits):
    together = network.look(digits[:40])
    assert together.shape == (40, network.size)
    assert together.dtype == np.float32
    np.testing.assert_allclose(network.look(digits[35:36])[0], together[35], rtol=1e-3, atol=1e-4)


def test_grey_colour_and_transparent_pictures_agree(network, digits):
    grey = digits[:4]
    colour = grey.repeat(3, axis=3)
    solid = np.concatenate([colour, np.full_like(grey, 255)], axis=3)
    wanted = network.look(grey)
    np.testing.assert_allclose(network.look(colour), wanted, atol=1e-4)
    np.testing.assert_allclose(network.look(solid), wanted, atol=1e-4)
    clear = np.concatenate([colour, np.zeros_like(grey)], axis=3)
    np.testing.assert_allclose(network.look(clear), network.look(np.full_like(grey, 255)), atol=1e-4)


def test_smaller_pictures_are_averaged_not_picked():
    stripes = np.zeros((1, 128, 128, 1), np.uint8)
    stripes[:, :, ::2] = 255  # at half the size, picked pixels would be all black or all white
    seen = features.to_seen(stripes, 64)
    assert seen.shape == (1, 3, 64, 64)
    assert float((seen[..., 4:-4, 4:-4] - 127.5).abs().max()) < 20


def test_folding_the_normalisation_changes_nothing():
    weights = efficientnet.read()
    x = torch.rand(2, 3, 9, 9)
    plain = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (1, 1, 1, 1)), weights["_conv_stem.weight"], stride=2)
    parts = [weights[f"_bn0.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    wanted = torch.nn.functional.batch_norm(plain, *parts, eps=1e-3)
    torch.testing.assert_close(efficientnet.folded(weights, "_conv_stem", "_bn0", 2)(x), wanted, rtol=1e-4, atol=1e-4)


def test_a_changed_file_of_the_carried_network_is_refused(tmp_path):
    data = bytearray(efficientnet.find().read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "other.pth").write_bytes(data)
    with pytest.raises(UserError, match=r"is not the known file of EfficientNet-lite0 \(SHA-256 .*install it anew"):
        efficientnet.read(tmp_path / "other.pth")


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "no-such-package")
    with pytest.raises(UserError, match="is not there; it comes with no-such-package: pip install"):
        efficientnet.find()


def test_another_file_than_its_hash_is_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"has SHA-256 [0-9a-f]{64}, not 0123 as --feature-hash says"):
        features.from_file(tmp_path / "other.safetensors", "0123")


def test_another_network_is_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="holds another network than torchvision's inception_v3"):
        features.from_file(tmp_path / "other.safetensors")


def test_a_file_that_could_run_code_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"is not a safetensors file .*others can run code"):
        features.from_file(tmp_path / "other.pt")
    with pytest.raises(UserError, match="cannot be read: No such file"):
        features.from_file(tmp_path / "none.safetensors")


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory):
    """Random weights under the right names; half precision keeps the file small."""
    torch.manual_seed(0)
    network = Inception3(init_weights=False)
    weights = {name: value.half() for name, value in network.state_dict().items() if value.is_floating_point()}
    path = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    save_file(weights, path)
    return path


def test_inception_from_a_file(inception_file, digits):
    network = features.from_file(inception_file)
    assert network.is_inception
    assert "299 x 299" in network.resize
    found = network.look(digits[:2])
    assert found.shape == (2, 2048)
    assert np.isfinite(found).all()
