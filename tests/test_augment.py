"""Augmentation: what it must leave alone, and a slow version of it to compare with."""

import pytest
import torch

from ganvas.augment import AUGMENTATIONS, DRAWS, augment, names
from ganvas.errors import UnknownName

SHAPES = [(1, 8, 8), (3, 16, 16), (3, 9, 17), (4, 12, 20)]
EVERY = tuple(AUGMENTATIONS)


def pictures(shape, count=6, dtype=torch.float32):
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(count, *shape, generator=rng, dtype=dtype) * 1.8 - 0.9
    return images, torch.rand(count, DRAWS, generator=rng, dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("policy", [*((name,) for name in EVERY), EVERY])
def test_strength_zero_changes_nothing_and_one_does(policy, shape):
    images, draws = pictures(shape)
    torch.testing.assert_close(augment(images, draws, policy, 0.0), images, atol=1e-6, rtol=0)
    changed = augment(images, draws, policy, 1.0)
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert not torch.allclose(changed, images, atol=0.05)
    assert torch.equal(changed, augment(images, draws, policy, 1.0))


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 6), (4, 4, 4)])
@pytest.mark.parametrize("name", EVERY)
def test_augmentations_can_be_differentiated(name, shape):
    images, draws = pictures(shape, 2, torch.float64)
    assert torch.autograd.gradcheck(lambda x: augment(x, draws, (name,), 1.0), images.requires_grad_())


@pytest.mark.parametrize("name", EVERY)
def test_each_picture_has_its_own_draws(name):
    images, draws = pictures((3, 16, 16))
    together = augment(images, draws, (name,), 1.0)
    for k in range(len(images)):
        torch.testing.assert_close(augment(images[k : k + 1], draws[k : k + 1], (name,), 1.0), together[k : k + 1])


def test_colour_by_hand():
    images = torch.tensor([0.2, -0.4, 0.8]).view(1, 3, 1, 1).expand(1, 3, 2, 2).clone()
    images[:, :, 0, 0] = 0.0
    draws = torch.tensor([[0.9, 0.25, 0.75, 0, 0, 0, 0, 0]])
    bright = images + 0.4
    grey = bright.mean(1, keepdim=True)
    saturated = grey + 0.5 * (bright - grey)
    contrasted = saturated.mean() + 1.25 * (saturated - saturated.mean())
    torch.testing.assert_close(augment(images, draws, ("colour",), 1.0), contrasted)


def test_colour_leaves_alpha_alone_and_paints_as_without_it():
    images, draws = pictures((4, 8, 8))
    changed = augment(images, draws, ("colour",), 1.0)
    assert torch.equal(changed[:, 3], images[:, 3])
    torch.testing.assert_close(changed[:, :3], augment(images[:, :3], draws, ("colour",), 1.0))


def slow_translation(images, draws):
    moved = torch.full_like(images, -1.0)
    _, _, height, width = images.shape
    for k in range(len(images)):
        reach = [int(side / 8 + 0.5) for side in (height, width)]
        down, right = (min(int(draws[k, 3 + axis].item() * (2 * r + 1)), 2 * r) - r for axis, r in enumerate(reach))
        for y in range(height):
            for x in range(width):
                if 0 <= y - down < height and 0 <= x - right < width:
                    moved[k, :, y, x] = images[k, :, y - down, x - right]
    return moved


@pytest.mark.parametrize("shape", SHAPES)
def test_translation_equals_a_slow_loop(shape):
    images, draws = pictures(shape)
    draws[0, 3:5], draws[1, 3:5] = 0.0, 0.9999999
    assert torch.equal(augment(images, draws, ("translation",), 1.0), slow_translation(images, draws))


@pytest.mark.parametrize("shape", SHAPES)
def test_cutout_paints_one_rectangle_of_half_each_side(shape):
    images, draws = pictures(shape)
    draws[:, 5:7] = 0.5  # in the middle
    changed = augment(images, draws, ("cutout",), 1.0)
    painted = changed == 0
    _, height, width = shape
    assert int(painted[0, 0].sum()) == int(height / 2 + 0.5) * int(width / 2 + 0.5)
    assert torch.equal(changed[~painted], images[~painted])
    assert painted[0, 0].any(1).sum() == int(height / 2 + 0.5)


def test_cutout_reaches_every_pixel_and_may_cross_the_border():
    images = torch.ones(400, 1, 8, 8)
    draws = torch.rand(400, DRAWS, generator=torch.Generator().manual_seed(1))
    painted = augment(images, draws, ("cutout",), 1.0) == 0
    assert painted.any(0).all()
    assert painted.flatten(1).sum(1).min() < 16


def test_names_of_a_policy():
    assert names("none") == ()
    assert names("") == ()
    assert names("translation, colour") == ("translation", "colour")
    with pytest.raises(
        UnknownName, match=r"no augmentation is called 'color'; did you mean 'colour'\? Known: colour, "
    ):
        names("color")
