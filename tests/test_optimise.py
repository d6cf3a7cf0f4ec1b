import itertools
import math

import numpy as np
import pytest
import torch

from ganvas.errors import UserError
from ganvas.style import optimise
from ganvas.style.config import StyleConfig
from ganvas.style.events import Painted, Planned, Preview, Recovered, Stepped
from ganvas.style.losses import LOSSES
from ganvas.style.network import backbone
from ganvas.style.objective import USUAL, Objective, Source, content_weight, resized
from ganvas.style.optimise import Job, paint, sizes
from ganvas.style.optimisers import LBFGS, Adam, smoothed

SMALL = StyleConfig(precision="float32").but(
    weights={"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1"},
    scales={"smallest": 16, "first_steps": 6, "steps": 4},
)


@pytest.fixture(scope="module")
def network():
    return backbone()


def picture(seed, height=24, width=32):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def job(config=SMALL, **changes):
    return Job(config.but(**changes), picture(1), [Source(picture(2, 20, 20))])


def last(events):
    *_, end = events
    assert isinstance(end, Painted)
    return end


def test_scales_grow_to_the_size_asked_and_keep_the_shape():
    config = StyleConfig(size=512)
    assert sizes(config, 768, 1024) == [(48, 64), (96, 128), (192, 256), (384, 512)]
    assert sizes(config, 30, 40) == [(30, 40)]
    assert sizes(config.but(size=None), 100, 700)[-1] == (100, 700)
    assert sizes(config, 1, 4000)[0] == (1, 64)
    gentle = config.but(scales={"growth": 2**0.5, "smallest": 256})
    assert sizes(gentle, 512, 512) == [(256, 256), (362, 362), (512, 512)]


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_the_loss_falls_at_every_scale(network, method):
    events = list(paint(job(optimiser={"method": method}), network))
    assert isinstance(events[0], Planned)
    steps = [event for event in events if isinstance(event, Stepped)]
    for _, scale in itertools.groupby(steps, lambda event: event.size):
        losses = [event.loss for event in scale]
        assert losses[-1] < 0.9 * losses[0]
    assert [event.step for event in steps] == list(range(1, 11))
    assert steps[-1].share == 1
    assert steps[-1].seconds_left == 0
    end = last(events)
    assert end.picture.shape == (24, 32, 3)
    assert (end.complete, end.reason) == (True, "done")


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_details_that_a_small_painting_could_not_show_come_with_the_next_scale(network, method):
    """With no style to match, the first scale changes nothing, and the next begins with the photograph itself."""
    config = SMALL.but(weights={"style": 0, "smoothness": 0, "relative": False}, optimiser={"method": method})
    steps = {event.step: event for event in paint(job(config), network) if isinstance(event, Stepped)}
    assert steps[7].size == (24, 32)
    assert steps[7].losses["content"] < 1e-4 * content_of_noise(network, config)


def content_of_noise(network, config):
    """The content loss at the second scale of a painting that begins with noise, of which nothing is handed on."""
    steps = [event for event in paint(job(config, start="noise"), network) if isinstance(event, Stepped)]
    return next(event for event in steps if event.size == (24, 32)).losses["content"]


def test_what_changed_at_a_scale_is_enlarged_beside_the_details():
    begun, change = 0.25 + picture(1, 32, 32) / 2, torch.zeros(1, 3, 16, 16)
    change[..., :8] = 0.1
    larger = optimise.with_details(resized(begun, 16, 16) + change, begun)
    far = [0, 1, 2, 29, 30, 31]  # columns that the change's border, enlarged, does not reach
    expected = begun + 0.1 * (torch.arange(32) < 16)
    torch.testing.assert_close(larger[..., far], expected[..., far], atol=1e-6, rtol=0)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_paints(network, loss):
    config = SMALL.but(loss=loss, scales={"smallest": 32, "first_steps": 8})
    steps = [event for event in paint(job(config), network) if isinstance(event, Stepped)]
    assert steps[-1].losses["style"] < 0.9 * steps[0].losses["style"]


@pytest.mark.parametrize("loss", ["gram", "sliced"])
def test_one_seed_is_one_painting(network, loss):
    first, again, other = (last(paint(job(loss=loss, start="noise", seed=seed), network)).picture for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
@pytest.mark.parametrize("killed_after", [3, 8])
def test_a_killed_painting_goes_on_exactly(network, tmp_path, monkeypatch, method, killed_after):
    monkeypatch.setattr(optimise, "SAVE_SECONDS", 0.0)
    keep = tmp_path / ".x.png.unfinished"
    task = job(optimiser={"method": method})
    whole = last(paint(task, network))
    events = paint(task, network, keep=keep)
    for event in events:
        if isinstance(event, Stepped) and event.step > killed_after:
            events.close()  # as a kill would leave it: the file of the step before
            break
    assert keep.exists()
    rest = list(paint(task, network, keep=keep))
    assert rest[0].note == f"going on at step {killed_after}"
    assert np.array_equal(last(rest).picture, whole.picture)
    assert not keep.exists()


def test_a_file_of_another_painting_is_not_gone_on_from(network, tmp_path, monkeypatch):
    monkeypatch.setattr(optimise, "SAVE_SECONDS", 0.0)
    keep = tmp_path / "kept"
    for event in paint(job(), network, keep=keep):
        if event.step == 4:
            break
    other = job(strength=0.6)
    assert next(iter(paint(other, network, keep=keep))).note == ""
    keep.write_bytes(b"not ours")
    assert next(iter(paint(job(), network, keep=keep))).note == ""


def test_asked_to_stop_it_gives_the_best_so_far_in_full_size(network):
    asked = iter([False, False, True])
    end = last(paint(job(), network, should_stop=lambda: next(asked)))
    assert (end.step, end.complete, end.reason) == (3, False, "asked to stop")
    assert end.picture.shape == (24, 32, 3)
    unchanged = job(weights={"style": 0, "smoothness": 0, "relative": False})
    asked = iter([False, True])
    end = last(paint(unchanged, network, should_stop=lambda: next(asked)))
    assert (end.step, end.reason) == (2, "asked to stop")
    np.testing.assert_allclose(end.picture, optimise.as_array(unchanged.content), atol=1e-6)


def test_no_more_time_than_was_given(network):
    config = SMALL.but(minutes=0.005, scales={"first_steps": 10_000, "steps": 10_000, "tolerance": 0})
    end = last(paint(job(config), network))
    assert end.complete
    assert end.seconds < 3
    assert end.step < 5_000


def test_a_scale_ends_when_nothing_improves(network):
    config = SMALL.but(scales={"first_steps": 5_000, "steps": 1, "tolerance": 0.5})
    assert last(paint(job(config), network)).step < 200


@pytest.mark.parametrize(("tolerance", "done"), [(1e-3, True), (0, False)])
def test_without_a_tolerance_a_scale_takes_every_step(network, tolerance, done):
    run = optimise._Run(job(SMALL.but(scales={"first_steps": 10_000, "tolerance": tolerance})), network, None)
    run.painting.recent = [float(n) for n in range(200)]  # losses that rise
    assert run.scale_is_done() is done


class Poisoned(Objective):
    """An objective that fails at some evaluations."""

    at: tuple[int, ...] = ()
    seen = 0

    def __call__(self, picture, step):
        value = super().__call__(picture, step)
        type(self).seen += 1
        if type(self).seen in self.at:
            value.gradient[0, 0, 0, 0] = math.nan
        return value


def poisoned(monkeypatch, *at):
    monkeypatch.setattr(optimise, "Objective", type("Bad", (Poisoned,), {"at": at}))


def test_a_step_that_is_not_finite_is_undone(network, monkeypatch):
    poisoned(monkeypatch, 4)
    events = list(paint(job(), network))
    (recovered,) = [event for event in events if isinstance(event, Recovered)]
    assert "the loss became not finite; back to the best picture, with steps half as long (1 of 3)" in recovered.message
    assert last(events).complete
    assert np.isfinite(last(events).picture).all()


def test_after_three_failures_the_best_is_the_result(network, monkeypatch):
    poisoned(monkeypatch, 3, 4, 5, 6, 7)
    events = list(paint(job(), network))
    assert len([event for event in events if isinstance(event, Recovered)]) == 4
    end = last(events)
    assert not end.complete
    assert "kept exploding" in end.reason
    assert np.isfinite(end.picture).all()


def test_a_first_step_that_fails_is_said_in_a_line(network, monkeypatch):
    poisoned(monkeypatch, 1)
    with pytest.raises(UserError, match="not finite at the very first picture of 16 x 12 pixels"):
        list(paint(job(), network))


def test_previews_show_the_painting(network, monkeypatch):
    monkeypatch.setattr(optimise, "PREVIEW_SECONDS", 0.0)
    previews = [event for event in paint(job(), network) if isinstance(event, Preview)]
    assert [preview.picture.shape for preview in previews[:1] + previews[-1:]] == [(12, 16, 3), (24, 32, 3)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (40, 1), (5, 3)])
def test_pictures_of_any_shape_are_painted(network, shape):
    config = SMALL.but(weights={"style_layers": "relu1_1,relu5_1", "content_layers": "relu4_2"})
    task = Job(config, picture(1, *shape), [Source(picture(2, 3, 2))])
    end = last(paint(task, network))
    assert end.picture.shape == (*shape, 3)
    assert np.isfinite(end.picture).all()


def test_a_flat_grey_picture_is_painted_with_every_loss(network):
    for loss in LOSSES:
        task = Job(SMALL.but(loss=loss), torch.full((1, 3, 12, 12), 0.5), [Source(torch.full((1, 3, 9, 9), 0.2))])
        assert np.isfinite(last(paint(task, network)).picture).all()


def test_strength_runs_from_the_content_to_the_style_alone():
    weights = [content_weight(StyleConfig(strength=strength)) for strength in (0.1, 0.5, 0.9, 1.0)]
    assert weights == pytest.approx([81, 1, 1 / 81, 0])


@pytest.mark.parametrize("loss", LOSSES)
def test_content_counts_as_much_more_as_the_photograph_is_farther_from_the_style(network, loss):
    fixed, relative = (
        Objective(network, SMALL.but(loss=loss, weights={"relative": how}), picture(1), [Source(picture(2))])
        for how in (False, True)
    )
    own = fixed(picture(1), 0).losses["style"]
    before, now = (objective(picture(3), 0).losses for objective in (fixed, relative))
    assert now["content"] == pytest.approx(before["content"] * own / USUAL, rel=1e-5)
    assert now["style"] == before["style"]
    assert own > 0


def test_two_equal_styles_are_one(network):
    one = Objective(network, SMALL, picture(1), [Source(picture(2))])
    two = Objective(network, SMALL, picture(1), [Source(picture(2), 0.3), Source(picture(2), 0.7)])
    a, b = (objective(picture(3), 0) for objective in (one, two))
    assert a.loss == pytest.approx(b.loss, rel=1e-4)
    assert torch.allclose(a.gradient, b.gradient, rtol=1e-3, atol=1e-7)


def test_a_mask_keeps_a_style_to_its_part(network):
    """The gradient of the left style's loss is strongest on the left, and none of it far to the right."""
    where = torch.zeros(1, 1, 24, 32)
    where[..., :16] = 1
    config = SMALL.but(strength=1.0, weights={"smoothness": 0, "range": 0})
    gradient = Objective(network, config, picture(1), [Source(picture(2), where=where)])(picture(3), 0).gradient
    assert float(gradient[..., :14].abs().mean()) > 0
    assert float(gradient[..., 22:].abs().max()) == 0


def test_the_whole_gradient_matches_finite_differences():
    network = backbone().double()
    small = Objective(network, SMALL, picture(1, 8, 8).double(), [Source(picture(2, 8, 8).double())])
    at, along = picture(3, 8, 8).double(), picture(4, 8, 8).double() - 0.5
    step = 1e-6
    slope = (small(at + step * along, 0).loss - small(at - step * along, 0).loss) / (2 * step)
    assert slope == pytest.approx(float((small(at, 0).gradient * along).sum()), rel=1e-5)


def bowl(optimiser, steps):
    """A quadratic bowl of condition 100 in one picture."""
    curvature = torch.logspace(0, 2, 192).view(1, 3, 8, 8)
    at = torch.full((1, 3, 8, 8), 0.9)
    for _ in range(steps):
        at = optimiser.step(at, curvature * (at - 0.5))
    return float((curvature * (at - 0.5).square()).sum())


def test_lbfgs_solves_a_bowl_in_few_steps():
    assert bowl(LBFGS(20), 40) < 1e-4
    assert bowl(LBFGS(20), 40) < bowl(Adam(0.02), 40)


def test_adam_by_hand():
    """The first step is as long as the learning rate, whatever the gradient; pixels stay in [0, 1]."""
    at = torch.tensor([0.5, 0.99]).view(1, 1, 1, 2)
    moved = Adam(0.02).step(at, torch.tensor([3.0, -0.001]).view(1, 1, 1, 2))
    assert moved.flatten().tolist() == pytest.approx([0.48, 1.0])


def test_moments_follow_to_another_size():
    adam = Adam(0.02)
    adam.step(picture(1, 8, 8), torch.ones(1, 3, 8, 8))
    adam.resize(16, 16)
    assert float(adam.mean.mean()) == pytest.approx(0.1 / 4)
    assert float(adam.square.mean()) == pytest.approx(0.01 / 16)


def test_smoothing_raises_low_frequencies_and_keeps_constants_constant():
    columns = torch.arange(64) / 64
    low, high = (torch.cos(2 * math.pi * f * columns).expand(1, 3, 64, 64) for f in (1, 24))
    assert float(smoothed(low).norm() / low.norm()) > 5 * float(smoothed(high).norm() / high.norm())
    flat = smoothed(torch.ones(1, 3, 8, 8))
    assert float(flat.std()) < 1e-5
