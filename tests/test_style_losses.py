import pytest
import torch
from scipy.linalg import sqrtm

from ganvas.style import losses
from ganvas.style.losses import EPSILON, LOSSES, MOMENT_LOSSES, Moments, mix, moments, positions, sums


def features(seed=0, channels=5, height=6, width=7, dtype=torch.float64):
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def by_hand(rows):
    """Features [1, C, 1, P] from the values of each channel."""
    return torch.tensor(rows, dtype=torch.float64)[None, :, None, :]


def test_moments_by_hand():
    found = moments(by_hand([[1, 3], [2, 0]]))
    assert found.mean.tolist() == [2, 1]
    assert found.second.tolist() == [[5, 1], [1, 2]]
    assert found.covariance.tolist() == [[1, -1], [-1, 1]]
    assert found.deviation.tolist() == pytest.approx([(1 + EPSILON) ** 0.5] * 2)


def test_gram_by_hand():
    """Second moments [[5, 1], [1, 2]] and [[1, 0], [0, 4]]: (16 + 1 + 1 + 4) / 4."""
    here, there = moments(by_hand([[1, 3], [2, 0]])), Moments(torch.zeros(2), torch.tensor([[1.0, 0], [0, 4]]).double())
    assert float(losses.gram(here, there)) == pytest.approx(22 / 4)


def test_a_mask_counts_positions():
    whole, mask = features(), torch.zeros(6, 7)
    mask[:, :3] = 1
    found, cut = moments(whole, mask), moments(whole[..., :3])
    assert torch.allclose(found.mean, cut.mean)
    assert torch.allclose(found.second, cut.second)


def test_sums_of_parts_are_those_of_the_whole():
    whole = features()
    parts = sums(whole[..., :3]) + sums(whole[..., 3:])
    assert torch.allclose(parts.moments().second, moments(whole).second, rtol=1e-14)
    assert torch.allclose(parts.moments().mean, moments(whole).mean, rtol=1e-14)


def test_mixing_is_pooling_and_equal_styles_stay_themselves():
    one, two = features(1), features(2)
    pooled = moments(torch.cat([one, two], 2))
    mixed = mix([(2.0, moments(one)), (2.0, moments(two))])
    assert torch.allclose(mixed.mean, pooled.mean)
    assert torch.allclose(mixed.covariance, pooled.covariance)
    same = mix([(0.3, moments(one)), (0.7, moments(one))])
    assert torch.allclose(same.covariance, moments(one).covariance)


def test_wasserstein_by_hand():
    """Diagonal covariances: (1 - 3)^2 and (2 - 1)^2 of deviations, (0 - 1)^2 of means, over two channels."""
    here = Moments(torch.zeros(2).double(), torch.diag(torch.tensor([1.0, 4.0])).double())
    mean = torch.tensor([1.0, 0.0]).double()
    there = Moments(mean, torch.diag(torch.tensor([9.0, 1.0])).double() + torch.outer(mean, mean))
    assert float(losses.wasserstein(here, there)) == pytest.approx((4 + 1 + 1) / 2, rel=1e-3)


def test_wasserstein_is_the_closed_form_with_matrix_roots():
    here, there = moments(features(1)), moments(features(2) @ torch.randn(7, 7).double())
    a, b = (m.covariance.numpy() + EPSILON * torch.eye(5).double().numpy() for m in (here, there))
    root = sqrtm(b)
    spread = (a + b - 2 * sqrtm(root @ a @ root)).diagonal().mean().real
    expected = float((here.mean - there.mean).square().mean()) + spread
    assert float(losses.wasserstein(here, there)) == pytest.approx(expected, rel=1e-9)


def test_wasserstein_of_a_flat_picture_is_finite_with_finite_slope():
    flat = torch.full((1, 4, 3, 3), 0.7, requires_grad=True)
    value = losses.wasserstein(moments(flat), moments(features(channels=4, dtype=torch.float32)))
    value.backward()
    assert bool(value.isfinite())
    assert bool(flat.grad.isfinite().all())


@pytest.mark.parametrize("name", MOMENT_LOSSES)
def test_moment_losses_vanish_on_the_target_and_match_finite_differences(name):
    loss, target = MOMENT_LOSSES[name], moments(features(2))
    assert float(loss(target, target)) == pytest.approx(0, abs=1e-9)
    assert torch.autograd.gradcheck(lambda x: loss(moments(x), target), features(1).requires_grad_(), atol=1e-6)


@pytest.mark.parametrize("name", MOMENT_LOSSES)
def test_a_weight_means_the_same_at_every_size(name):
    """Four copies of the same features are the same style, and are as far from another."""
    small, target = features(1), moments(features(2))
    large = small.repeat(1, 1, 2, 2)
    assert float(MOMENT_LOSSES[name](moments(large), target)) == pytest.approx(
        float(MOMENT_LOSSES[name](moments(small), target)), rel=1e-9
    )


def test_content_by_hand():
    assert float(losses.content(by_hand([[1, 3]]), by_hand([[0, 1]]))) == (1 + 4) / 2


def test_total_variation_by_hand():
    """A step of height 1 across a picture 4 wide: three of twelve pixels see it to the right, and on each diagonal."""
    picture = torch.zeros(1, 1, 3, 4).double()
    picture[..., 2:] = 1
    assert float(losses.total_variation(picture)) == pytest.approx(2 * (3 / 12 / 3 + 2 * 3 / 12 / 12))
    assert float(losses.total_variation(torch.full((1, 3, 1, 1), 0.4))) == 0


def test_sorted_values_by_hand():
    here, there = torch.tensor([[3.0], [1.0]]), torch.tensor([[1.0], [5.0]])
    assert float(losses.sorted_values(here, there)) == ((1 - 1) ** 2 + (3 - 5) ** 2) / 2


def test_quantiles_lie_between_their_neighbours():
    ordered = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    assert losses.quantiles(ordered, 2).flatten().tolist() == [0.5, 2.5]
    assert losses.quantiles(ordered, 8).flatten().tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    assert losses.quantiles(ordered[:1], 3).flatten().tolist() == [0, 0, 0]


def test_sliced_sees_what_sorting_channels_cannot():
    """The same values in each channel, paired differently."""
    here, there = torch.tensor([[0.0, 0], [1, 1]]), torch.tensor([[0.0, 1], [1, 0]])
    diagonal = torch.full((2, 1), 0.5**0.5)
    assert float(losses.sorted_values(here, there.sort(0).values)) == 0
    assert float(losses.sliced(here, there, diagonal)) == pytest.approx(0.5)


def test_nearest_by_hand():
    """About the mean (1, 1): one feature lies along a sample, the other at 45 degrees to the nearest."""
    samples = torch.tensor([[2.0, 1], [0, 1], [1, 2], [1, 0]])
    features_ = torch.tensor([[5.0, 1], [2, 2]])
    assert float(losses.nearest(features_, samples)) == pytest.approx((0 + 1 - 0.5**0.5) / 2)


@pytest.mark.parametrize("name", ["sorted_values", "nearest"])
def test_sample_losses_match_finite_differences(name):
    rows, target = positions(features(1)), positions(features(2)).sort(0).values
    assert torch.autograd.gradcheck(lambda x: getattr(losses, name)(x, target), rows.clone().requires_grad_())


def test_every_loss_has_one_name():
    assert (
        set(LOSSES) == {"gram", "wasserstein", "mean-deviation", "sorted", "sliced", "nearest"} == set(losses.LOUDNESS)
    )


def test_departure_by_hand():
    images, known = torch.full((1, 3, 1, 2), 0.5), torch.zeros(1, 3, 1, 2)
    assert float(losses.departure(images, known, torch.tensor([[[[1.0, 0.0]]]]))) == pytest.approx(0.125)
    assert float(losses.departure(images, images, torch.ones(1, 1, 1, 2))) == 0
