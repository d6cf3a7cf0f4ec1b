import pytest
import torch
from safetensors.torch import save_file

from ganvas import vgg
from ganvas.errors import BadShape, UnknownName, UserError
from ganvas.style import network
from ganvas.style.network import LAYERS, ORIGINAL, PHOTOS_RMS, Backbone, backbone, deepest, pink_noise, reach

DEPTH = {"relu1_1": (3, 1), "relu2_1": (10, 2), "relu3_1": (24, 4), "relu4_1": (68, 8), "relu5_1": (156, 16)}


@pytest.fixture(scope="module")
def carried():
    return backbone()


@pytest.fixture(scope="module")
def picture():
    return torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(1))


def test_features_are_those_of_the_plain_network_divided_by_constants(picture):
    """Written out slowly: 0-255, blue first, means subtracted, zeros around; every layer of two blocks."""
    blue_first = picture.flip(1) * 255 - torch.tensor(vgg.MEANS_BGR).view(1, 3, 1, 1)
    seen, x = {}, blue_first
    for name, (weight, bias) in zip(LAYERS[:4], vgg.convolutions()):
        x = torch.nn.functional.max_pool2d(x, 2) if name == "relu2_1" else x
        x = torch.relu(torch.nn.functional.conv2d(x, weight, bias, padding=1))
        seen[name] = x
    found = Backbone("it", vgg.convolutions(), ORIGINAL, PHOTOS_RMS, padding="zeros").features(picture, LAYERS[:4])
    for name, constant in zip(LAYERS[:4], PHOTOS_RMS):
        assert torch.allclose(found[name], seen[name] / constant, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", ["replicate", "reflect", "zeros"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_every_padding_and_pooling_keeps_shapes_and_scale(padding, pooling):
    photo_like = pink_noise(96)
    found = backbone(padding=padding, pooling=pooling).features(photo_like, ["relu1_1", "relu3_1", "relu5_1"])
    assert [tuple(f.shape) for f in found.values()] == [(1, 64, 96, 96), (1, 256, 24, 24), (1, 512, 6, 6)]
    for features in found.values():
        assert 0.3 < float(features.square().mean().sqrt()) < 4


def test_replicated_edges_leave_a_flat_picture_flat(carried):
    flat = torch.full((1, 3, 32, 32), 0.3)
    for features in carried.features(flat, ["relu1_1", "relu3_1", "relu5_1"]).values():
        assert float((features.amax((2, 3)) - features.amin((2, 3))).max()) < 1e-4


def test_nothing_deeper_than_asked_is_run(carried, picture):
    ran = []
    hooks = [
        convolution.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, convolution in zip(LAYERS, carried.convolutions)
    ]
    carried.features(picture, ["relu2_1", "relu1_1"])
    for hook in hooks:
        hook.remove()
    assert ran == list(LAYERS[:3])


def test_a_side_of_one_pixel_is_seen_by_every_layer(carried):
    for shape in ((1, 1), (1, 40), (40, 1), (3, 2)):
        found = carried.features(torch.rand(1, 3, *shape), LAYERS)
        assert all(min(features.shape[2:]) >= 1 and bool(features.isfinite().all()) for features in found.values())


@pytest.mark.parametrize("layer", ["relu1_1", "relu2_1", "relu3_1", "relu4_1"])
def test_reach_is_where_gradients_come_from(layer):
    """The gradient of one position in the middle covers exactly `field` pixels."""
    picture = torch.rand(1, 3, 192, 192, dtype=torch.float64, requires_grad=True)
    found = backbone(pooling="average").double().features(picture, [layer])[layer]
    middle = found.shape[2] // 2
    found[0, :, middle, middle].sum().backward()
    rows = picture.grad.abs().sum((0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min() + 1) <= reach(layer).field
    assert (reach(layer).field, reach(layer).stride) == DEPTH[layer]


def test_deepest_is_by_depth_not_by_spelling():
    assert deepest(["relu5_1", "relu1_2", "relu4_4"]) == "relu5_1"


def test_weights_from_a_file_serve_as_the_carried_ones_do(tmp_path, picture, carried):
    indices = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    state = {}
    for index, (weight, bias) in zip(indices, vgg.convolutions()):
        state[f"features.{index}.weight"], state[f"features.{index}.bias"] = weight.contiguous(), bias
    save_file(state, tmp_path / "mine.safetensors", {"entry": "original"})
    found = backbone(str(tmp_path / "mine.safetensors")).features(picture, ["relu2_1", "relu4_2"])
    for name, features in carried.features(picture, ["relu2_1", "relu4_2"]).items():
        assert torch.allclose(found[name], features, rtol=2e-3, atol=2e-3)


def test_what_cannot_be_used_is_said_in_a_line(tmp_path, carried, picture):
    with pytest.raises(UnknownName, match=r"no layer is called 'relu6_1'; did you mean"):
        carried.features(picture, ["relu6_1"])
    with pytest.raises(BadShape, match=r"images must have shape \[N, 3, H, W\]"):
        carried.features(picture[0], ["relu1_1"])
    with pytest.raises(UserError, match=r"backbone takes vgg19, torchvision:vgg19 or FILE.safetensors; got 'vgg16'"):
        backbone("vgg16")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        backbone(str(tmp_path / "none.safetensors"))
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "half.safetensors")
    with pytest.raises(UserError, match=r"another network than torchvision's vgg19: features.0 should be"):
        backbone(str(tmp_path / "half.safetensors"))


def test_without_a_net_the_downloaded_network_says_so_in_a_line(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="vgg19 needs no download"):
        network.backbone(network.TORCHVISION)


def test_half_the_bits_see_nearly_the_same(picture, carried):
    found = backbone(precision="bfloat16").features(picture, ["relu1_1", "relu3_1", "relu5_1"])
    for name, features in carried.features(picture, found).items():
        assert found[name].dtype == torch.float32
        assert float((found[name] - features).norm() / features.norm()) < 0.02
