"""A network that learns one style: its lesson, its run, what it paints, its export."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.linalg import inv, sqrtm

from ganvas import api, presets, stylists
from ganvas.commands.stylist import StyleTrain
from ganvas.config import RunConfig, StylistConfig, changed
from ganvas.data import crops
from ganvas.data.source import open_source
from ganvas.errors import BadSetting, RunError, SourceError
from ganvas.events import Finished, Samples, Score
from ganvas.models import stylise
from ganvas.style import losses, tiles
from ganvas.training import repaint, sampler
from ganvas.training.checkup import Viewer
from test_flow import texture
from tiny import BATCH, advance, fresh, make_pictures, style_picture, tiny_config

QUICK = {
    "data.resolution": "32", "data.crops": 24, "threads": 1, "batch_size": 4, "network.width": 2, "network.blocks": 1,
    "style.pixels": 32, "style.bfloat16": False, "save.samples": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of ten steps, finished."""
    path = tmp_path_factory.mktemp("stylist") / "run"
    events = list(stylists.training(style_picture(), path, settings=QUICK | {"total_images": 40}))
    return path, events


def test_a_run_tells_of_its_style_and_shows_held_out_photographs_repainted(run):
    _, events = run
    assert isinstance(events[-1], Finished)
    assert events[-1].complete
    scores = [event for event in events if isinstance(event, Score)]
    assert scores
    assert set(scores[0].scores) == {"content", "style"}
    sheets = [event for event in events if isinstance(event, Samples)]
    assert sheets[0].samples.shape[1:] == (32, 32, 3)
    assert not np.array_equal(sheets[0].samples, sheets[-1].samples)


@pytest.mark.parametrize("network", [{"width": 4, "blocks": 1}, presets.stylise().network | {"width": 4}])
def test_learning_lowers_the_loss_on_photographs_it_does_not_train_on(network):
    dataset = make_pictures(channels=3, height=32, width=32)
    config = tiny_config("stylise", dataset, network=network, total_images=60 * BATCH)
    state = fresh(config, dataset)
    viewer = Viewer(config, dataset, 12 * BATCH)
    before, _ = viewer.examine(state)
    after, _ = viewer.examine(advance(config, dataset, state, 60))
    assert after.loss < 0.6 * before.loss


@pytest.mark.parametrize("own", [False, True])
def test_who_has_given_no_photographs_is_told_that_more_would_help(own, tmp_path, capsys):
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 255, (40, 50, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    asked = QUICK | {"total_images": 8}
    command = StyleTrain(
        Path(style_picture()), tmp_path if own else None, tmp_path / "run", set=[f"{k}={v}" for k, v in asked.items()]
    )
    assert command() == 0
    told = capsys.readouterr().out
    assert ("a hundred, by --photos FOLDER" in told) != own
    assert f"{tmp_path / 'run'}" in told


def test_stopping_and_going_on_gives_the_same_network(run, tmp_path):
    path, _ = run
    training = stylists.training(style_picture(), tmp_path / "run", settings=QUICK | {"total_images": 40})
    for event in training:
        if event.images_seen >= 12:
            training.stop()
    list(api.resume(tmp_path / "run"))
    one, other = (api.load(p).state.tensors() for p in (path, tmp_path / "run"))
    assert all(torch.equal(one[name], other[name]) for name in one.keys() | other.keys())


def test_content_is_the_same_whether_remembered_or_not():
    dataset = make_pictures(channels=3)
    config = tiny_config("stylise", dataset)
    one = advance(config, dataset, fresh(config, dataset), 14)
    forgetful = fresh(config, dataset)
    forgetful.phases[0].loss.__self__.repeats = False
    other = advance(config, dataset, forgetful, 14)
    assert one.phases[0].loss.__self__.kept
    assert not forgetful.phases[0].loss.__self__.kept
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


def test_the_distance_is_that_of_gram_matrices_by_hand():
    config = tiny_config("stylise")
    manner = repaint.manner(config.style, torch.device("cpu"))
    picture = torch.rand(1, 3, 24, 24) * 2 - 1
    features = manner.features(picture)
    parts = []
    for name in repaint.STYLE_LAYERS:
        rows = features[name][0].flatten(1).double()
        gram, target = rows @ rows.T / rows.shape[1], manner.target[name].moments.second.double()
        parts.append(((gram - target) ** 2).mean())
    torch.testing.assert_close(manner.distance(features).double(), torch.stack(parts).mean(), atol=1e-5, rtol=1e-4)


def test_half_precision_gives_much_the_same_gradient():
    painted = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    gradients = []
    for half in (False, True):
        manner = repaint.manner(tiny_config("stylise").style.but(bfloat16=half), torch.device("cpu"))
        assert next(manner.backbone.parameters()).dtype == (torch.bfloat16 if half else torch.float32)
        content = torch.stack([manner.content(-picture[None]).float() for picture in painted])
        seen = painted.clone().requires_grad_(True)
        manner.loss(seen, content)[0].sum().backward()
        gradients.append(seen.grad.flatten())
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.95


def test_the_style_picture_itself_is_at_no_distance():
    config = tiny_config("stylise")
    manner = repaint.manner(config.style, torch.device("cpu"))
    picture = torch.from_numpy(np.asarray(Image.open(style_picture())).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    _, parts = manner.loss(picture, manner.content(picture)[None].float())
    assert float(parts["style"]) < 1e-6
    assert float(parts["content"]) < 1e-5
    assert float(losses.total_variation(picture)) > 0


def test_checkups_look_at_pictures_that_are_kept_apart():
    dataset = make_pictures(channels=3, count=120)
    config = tiny_config("stylise", dataset)
    assert config.steady.held_out == 6
    state = fresh(config, dataset)
    shown = sampler.inputs(state, dataset, 100)
    assert shown.shape == (6, 3, 16, 16)
    vitals, scores = Viewer(config, dataset, 12 * BATCH).examine(state)
    assert vitals.loss == pytest.approx(100 * scores["style"] + scores["content"], rel=0.2)


def test_pictures_on_a_sheet_are_repainted_one_at_a_time():
    """They may be large, and sixty-four at once took four gigabytes."""
    network = stylise.build(stylise.Config(width=2, blocks=1), (3, 16, 16))["stylist"]
    sizes = []
    network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    pictures = np.random.default_rng(3).uniform(-1, 1, (5, 3, 16, 16)).astype(np.float32)
    made = sampler.draw(network, pictures, None)
    assert sizes == [1] * 5
    assert made.shape == (5, 16, 16, 3)
    assert np.array_equal(made[3:4], sampler.draw(network, pictures[3:4], None))


def test_paintings_have_the_size_of_the_photograph(run):
    stylist = stylists.load(run[0])
    for height, width in ((1, 1), (1, 40), (17, 33), (64, 48)):
        photograph = np.random.default_rng(0).random((height, width, 3), np.float32)
        painted = stylist.paint(photograph)
        assert painted.shape == photograph.shape
        assert painted.min() >= 0
        assert painted.max() <= 1
        assert np.array_equal(stylist.paint(photograph, 0), photograph)
        half = stylist.paint(photograph, 0.5)
        np.testing.assert_allclose(half, (painted + photograph) / 2, atol=1e-6)


@pytest.mark.slow
def test_the_exported_network_equals_torchs(run, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    stylist = stylists.load(run[0])
    assert stylist.export(tmp_path / "network.onnx") < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    for height, width in ((16, 16), (61, 97), (200, 33)):
        photograph = np.random.default_rng(1).random((height, width, 3), np.float32)
        (made,) = session.run(None, {"pictures": photograph.transpose(2, 0, 1)[None]})
        np.testing.assert_allclose(made[0].transpose(1, 2, 0), stylist.paint(photograph), atol=1e-4)


def test_a_run_that_repaints_draws_no_samples_and_others_do_not_repaint(run, tmp_path):
    with pytest.raises(RunError, match=r"repaints pictures: ganvas style PHOTO --with"):
        api.load(run[0]).sample(1)
    settings = {"total_images": 32, "batch_size": 16, "threads": 1, "network.width": 4}
    api.train("digits", tmp_path / "gan", settings=settings).run()
    with pytest.raises(RunError, match=r"makes pictures out of nothing; .* ganvas style-train"):
        stylists.load(tmp_path / "gan")


def test_a_style_that_cannot_be_read_is_told_in_one_line(tmp_path):
    with pytest.raises(BadSetting, match=r"the style picture .*nowhere\.png cannot be used: unreadable \(No such file"):
        list(stylists.training(tmp_path / "nowhere.png", tmp_path / "run", settings=QUICK | {"total_images": 8}))
    assert not (tmp_path / "run" / "config.json").exists()
    with pytest.raises(BadSetting, match=r"stylise needs the picture to learn the style of: ganvas style-train"):
        list(api.train("photographs", tmp_path / "other", settings={"model": "stylise", "total_images": 64}))


def test_another_style_picture_under_the_same_name_is_refused(tmp_path):
    path = tmp_path / "style.png"
    Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(path)
    list(stylists.training(path, tmp_path / "run", settings=QUICK | {"total_images": 8}))
    Image.fromarray(np.full((20, 20, 3), 91, np.uint8)).save(path)
    key = api.load(tmp_path / "run").run.resolved.style
    with pytest.raises(BadSetting, match="is not the style picture that the run began with; restore it"):
        repaint.manner.__wrapped__(key, torch.device("cpu"))


def test_photographs_are_cut_from_what_is_carried():
    data = RunConfig().data.but(resolution="48x64", crops=30)
    dataset = open_source("photographs", data, limit=32)
    assert dataset.samples.shape == (30, 48, 64, 3)
    assert dataset.key == open_source("photographs", data, limit=32).key
    assert dataset.samples.reshape(30, -1).std(1).min() > 1  # none is empty


def test_missing_photographs_are_told_of(monkeypatch):
    monkeypatch.setattr(crops, "PACKAGE", "scikit-picture")
    with pytest.raises(SourceError, match=r"scikit-picture are not all there \(0 of 14\): pip install"):
        crops.photographs()


def test_crops_of_a_folder(tmp_path):
    rng = np.random.default_rng(2)
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (70, 90, 3), np.uint8)).save(tmp_path / f"{number}.png")
    data = RunConfig().data.but(resolution="32", crops=7)
    assert open_source(str(tmp_path), data, limit=64).samples.shape == (7, 32, 32, 3)


def test_pieces_smaller_than_asked_for_are_enlarged():
    pieces = crops.cut([np.full((5, 9, 3), 7, np.uint8)], 16, 16, 3)
    assert pieces.shape == (3, 16, 16, 3)
    assert (pieces == 7).all()


def test_the_preset_of_stylists_is_whole():
    asked = changed(presets.stylise(), {"style.picture": style_picture()})
    assert asked.model == "stylise"
    assert asked.minutes == 30


SHAPES = ({}, {"halvings": 3, "late_blocks": 1, "shortcuts": True}, {"halvings": 1, "blocks": 0})


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_beyond_its_reach_is_seen(shape):
    """With what is measured on the whole left out; and it does see most of that far."""
    torch.manual_seed(0)
    stylist = stylise.Stylist(stylise.Config(**{"width": 2, "blocks": 1} | shape)).double()
    for module in list(stylist.modules()):
        for name, part in module.named_children():
            if isinstance(part, torch.nn.InstanceNorm2d | torch.nn.ReLU):
                setattr(module, name, torch.nn.Identity())
    reach, side = stylist.reach, 4 * stylist.reach // stylist.stride * stylist.stride
    seen = torch.zeros(side, side, dtype=torch.bool)
    for middle in range(side // 2, side // 2 + stylist.stride):
        photograph = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
        stylist(photograph)[0, :, middle, middle].sum().backward()
        where = photograph.grad[0].abs().sum(0) > 0
        seen |= where.roll((side // 2 - middle, side // 2 - middle), (0, 1))
    rows = seen.any(1).nonzero().flatten() - side // 2
    assert rows.abs().max() <= reach
    assert rows.abs().max() > reach - 3 * stylist.stride


def test_shortcuts_show_what_was_seen_before_it_was_made_small():
    for shortcuts in (False, True):
        torch.manual_seed(0)
        stylist = stylise.Stylist(stylise.Config(width=4, halvings=3, blocks=1, shortcuts=shortcuts))
        stylist.blocks.register_forward_hook(lambda _, __, deep: torch.zeros_like(deep))
        one, other = stylist(torch.rand(2, 3, 32, 32))
        assert torch.equal(one, other) != shortcuts


@pytest.mark.parametrize(("shape", "near"), [({}, 0.1), ({"whitening": 5}, 0.15), (presets.stylise().network, 0.3)])
@pytest.mark.parametrize("size", [(400, 272), (283, 391)])
def test_tiles_of_a_large_photograph_are_the_whole(monkeypatch, size, shape, near):
    """With means, correlations and sizes taken from all of it, to which parts spread over it come near."""
    torch.manual_seed(0)
    inner = stylise.build(stylise.Config(width=4, **{"blocks": 2} | shape), (3, 16, 16))["stylist"]
    for module in inner.modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            torch.nn.init.normal_(module.weight, 1, 0.3)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    stylist = stylists.Stylist(stylists._Whole(inner).eval(), StylistConfig())
    photograph = texture(*size)
    whole = stylist.paint(photograph)
    monkeypatch.setattr(stylists, "WHOLE", 160 * 160)
    apart = np.abs(stylist.paint(photograph) - whole).mean()
    monkeypatch.setattr(tiles, "spread", lambda picture, most, stride: picture)
    np.testing.assert_allclose(stylist.paint(photograph), whole, atol=1 / 255)
    assert apart < near * np.abs(whole - photograph).mean()


def correlated(seed=0, channels=4, height=9, width=8):
    """Features whose channels are of different size and share a part."""
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=rng, dtype=torch.float64) + 2
    own = torch.randn(channels, height * width, generator=rng, dtype=torch.float64)
    return (3 + mixing @ own).view(1, channels, height, width)


def test_whitening_is_the_inverse_root_of_correlations():
    features = correlated()
    white = stylise.Whitening(20)(features).flatten(2)[0]
    rows = features.flatten(2)[0].numpy()
    root = inv(sqrtm(np.corrcoef(rows) + stylise.RIDGE * np.eye(4)))
    expected = root @ ((rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True))
    # Channels come out at their number times the common size, which the normalisation that follows takes out.
    ratio = white.numpy() / expected
    np.testing.assert_allclose(ratio, np.full_like(ratio, ratio.mean()), rtol=1e-4)


def test_more_steps_of_whitening_leave_less_correlation():
    spreads = [np.linalg.eigvalsh(np.cov(stylise.Whitening(n)(correlated()).flatten(2)[0])) for n in (0, 2, 5, 10, 20)]
    uneven = [spread[-1] / spread[0] for spread in spreads]
    assert uneven == sorted(uneven, reverse=True)


def test_a_stylist_whitens_where_it_is_asked_to():
    """After a convolution most channels see much the same; the preset asks that they do not."""
    photograph = torch.from_numpy(texture(48, 64)).permute(2, 0, 1)[None]
    left = {}
    for whitening in (0, presets.stylise().network["whitening"]):
        torch.manual_seed(0)
        stylist = stylise.build(stylise.Config(width=4, blocks=1, whitening=whitening), (3, 16, 16))["stylist"]
        convolutions = [m for m in stylist.modules() if isinstance(m, stylise.Conv)]
        for number, convolution in enumerate(convolutions[:-1]):  # the last makes the picture
            convolution.register_forward_hook(lambda _, __, x, key=(number, whitening): left.update({key: x}))
        stylist(photograph)

    def together(x):
        matrix = np.corrcoef(x[0].flatten(1).detach())
        return np.abs(matrix - np.eye(len(matrix))).mean()

    for number in range(len(convolutions) - 1):
        assert together(left[number, whitening]) < 0.5 * together(left[number, 0])


def test_whitening_has_the_right_slope():
    assert torch.autograd.gradcheck(
        stylise.Whitening(5), correlated(channels=3, height=3, width=4).requires_grad_(), atol=1e-6
    )


@pytest.mark.parametrize("features", [torch.full((1, 3, 4, 4), 0.7), torch.randn(1, 8, 1, 1), torch.randn(2, 8, 1, 2)])
def test_whitening_of_what_is_flat_or_too_small_is_finite(features):
    white = stylise.Whitening(5)(features.requires_grad_())
    white.square().sum().backward()
    assert bool(white.isfinite().all())
    assert bool(features.grad.isfinite().all())


def test_whitening_can_hold_on_to_what_it_measured():
    one, other = correlated(1), correlated(2)
    whitening = stylise.Whitening(5)
    assert torch.allclose(whitening(torch.cat([one, other]))[:1], whitening(one))
    whitening.hold()
    first, second = whitening(torch.cat([one, other])).split(1)
    together = torch.cat([first, second], 3).flatten(2)[0].numpy()
    np.testing.assert_allclose(together.mean(1), 0, atol=1e-9)
    assert torch.equal(whitening(other), second)
    np.testing.assert_allclose(stylise.Whitening(5)(torch.cat([one, other], 3))[..., :8], first)
