"""Losses and penalties against values worked by hand and against finite differences."""

import math

import pytest
import torch

from ganvas import losses
from ganvas.config import LOSSES
from ganvas.errors import UnknownName

close = torch.testing.assert_close
LN2, LN3, LN4 = math.log(2), math.log(3), math.log(4)

# softplus(log a) = log(1 + a), so logits that are logarithms of whole numbers are easily worked by hand:
# real logits (0, log 3), fake logits (log 2, 0).
REAL, FAKE = torch.tensor([0.0, LN3], dtype=torch.float64), torch.tensor([LN2, 0.0], dtype=torch.float64)
BY_HAND = {
    # log(1 + 1) + log(1 + 2);  log(1 + 1/3) + log(1 + 1)
    "nonsaturating": ([LN2 + LN3, math.log(4 / 3) + LN2], [math.log(3 / 2), LN2]),
    "minimax": ([LN2 + LN3, math.log(4 / 3) + LN2], [-LN3, -LN2]),
    "least-squares": ([(1 + LN2**2) / 2, (LN3 - 1) ** 2 / 2], [(LN2 - 1) ** 2 / 2, 0.5]),
    "hinge": ([1 + 1 + LN2, 0 + 1], [-LN2, 0.0]),
    "wasserstein": ([LN2, -LN3], [-LN2, 0.0]),
    "relativistic": ([LN3, math.log(4 / 3)], [math.log(3 / 2), LN4]),
}


def test_every_loss_has_values_worked_by_hand():
    assert set(BY_HAND) == set(losses.ADVERSARIAL) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_by_hand_one_value_per_sample(name):
    loss, (discriminator, generator) = losses.adversarial(name), BY_HAND[name]
    close(loss.discriminator(REAL, FAKE), torch.tensor(discriminator, dtype=torch.float64), atol=1e-12, rtol=0)
    close(loss.generator(REAL, FAKE), torch.tensor(generator, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_gradients_with_respect_to_logits(name, player):
    loss = getattr(losses.adversarial(name), player)
    logits = [
        (torch.tensor([-2.3, -0.4, 0.1, 3.7], dtype=torch.float64) + shift).requires_grad_() for shift in (0, 0.5)
    ]
    assert torch.autograd.gradcheck(loss, logits)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_stay_finite_at_large_logits(name):
    large = torch.tensor([1e4, -1e4, 1e4, -1e4]), torch.tensor([-1e4, 1e4, 1e4, -1e4])
    for loss in losses.adversarial(name)[:2]:
        assert torch.isfinite(loss(*large)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_the_discriminator_wants_reals_up_and_the_generator_fakes_up(name):
    zero = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    loss = losses.adversarial(name)
    real, fake = torch.autograd.grad(loss.discriminator(*zero).sum(), zero)
    assert real < 0
    assert fake > 0 or name == "least-squares"
    _, fake = torch.autograd.grad(loss.generator(*zero).sum(), zero, allow_unused=True)
    assert fake < 0


def test_an_unknown_loss_is_refused_with_a_suggestion():
    with pytest.raises(UnknownName, match=r"no adversarial loss is called 'hing'; did you mean 'hinge'\? Known: hinge"):
        losses.adversarial("hing")


MATRIX = torch.tensor([[2.0, 1.0], [1.0, -3.0]], dtype=torch.float64)


def quadratic(points):
    """x' A x / 2, whose gradient is A x."""
    return 0.5 * torch.einsum("ni,ij,nj->n", points, MATRIX, points)


def test_squared_gradients_of_a_quadratic():
    points = torch.tensor([[1.0, 1.0], [0.0, 2.0], [0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    # A x = (3, -2), (2, -6), (0, 0)
    expected = torch.tensor([13.0, 40.0, 0.0], dtype=torch.float64)
    close(losses.squared_gradients([quadratic(points)], [points])[0], expected, atol=1e-12, rtol=0)


def test_the_penalty_itself_can_be_differentiated():
    points = torch.tensor([[1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    (penalty,) = losses.squared_gradients([quadratic(points)], [points])
    (gradient,) = torch.autograd.grad(penalty.sum(), points)
    close(gradient, 2 * torch.tensor([[3.0, -2.0]], dtype=torch.float64) @ MATRIX, atol=1e-12, rtol=0)


def test_squared_gradients_against_finite_differences():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1)).double()
    points = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    (found,) = losses.squared_gradients([network(points).squeeze(1)], [points])
    step = 1e-6 * torch.eye(3, dtype=torch.float64)
    with torch.no_grad():
        slopes = [(network(points + e) - network(points - e)).squeeze(1) / 2e-6 for e in step]
    close(found, torch.stack(slopes).square().sum(0), atol=1e-8, rtol=1e-6)
    assert torch.autograd.gradcheck(
        lambda p: losses.squared_gradients([network(p).squeeze(1)], [p])[0], points.detach().requires_grad_()
    )


def test_both_penalties_in_one_pass_equal_two_passes():
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1)).double()
    real, fake = (torch.randn(4, 6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    both = network(torch.cat([real, fake])).squeeze(1)
    together = losses.squared_gradients([both[:4], both[4:]], [real, fake])
    apart = [losses.squared_gradients([network(x).squeeze(1)], [x])[0] for x in (real, fake)]
    for one, other in zip(together, apart, strict=True):
        close(one, other, atol=1e-12, rtol=0)
    weights = list(network.parameters())[:3]
    close(
        torch.autograd.grad(sum(p.sum() for p in together), weights),
        torch.autograd.grad(sum(p.sum() for p in apart), weights),
    )


def test_a_pyramid_adds_its_levels():
    levels = [torch.ones(2, 1, 2, 2, requires_grad=True), torch.ones(2, 1, 1, 1, requires_grad=True)]
    logits = (2 * levels[0]).sum((1, 2, 3)) + (3 * levels[1]).sum((1, 2, 3))
    close(losses.squared_gradients([logits], [levels])[0], torch.tensor([4 * 4.0 + 9.0] * 2))
    logits = (2 * levels[0]).sum((1, 2, 3)) + (3 * levels[1]).sum((1, 2, 3))
    close(losses.unit_gradient(logits, levels), torch.tensor([16.0] * 2))


def test_unit_gradient_of_a_quadratic():
    points = torch.tensor([[1.0, 1.0], [0.5, 0.0]], dtype=torch.float64, requires_grad=True)
    # norms sqrt(13) and sqrt(1 + 1/4)
    expected = torch.tensor([(math.sqrt(13) - 1) ** 2, (math.sqrt(1.25) - 1) ** 2], dtype=torch.float64)
    close(losses.unit_gradient(quadratic(points), points), expected, atol=1e-9, rtol=0)
    assert torch.autograd.gradcheck(lambda p: losses.unit_gradient(quadratic(p), p), points.detach().requires_grad_())


def test_unit_gradient_has_a_finite_slope_where_the_gradient_vanishes():
    points = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    penalty = losses.unit_gradient(quadratic(points), points)
    close(penalty, torch.tensor([1.0], dtype=torch.float64), atol=1e-5, rtol=0)
    assert torch.isfinite(torch.autograd.grad(penalty.sum(), points)[0]).all()


def test_kullback_leibler_by_hand():
    mean = torch.tensor([[0.0, 0.0], [1.0, -2.0], [0.0, 0.0]])
    log_variance = torch.tensor([[0.0, 0.0], [0.0, 0.0], [LN2, 0.0]])
    expected = torch.tensor([0.0, 0.5 * (1 + 4), 0.5 * (2 - 1 - LN2)])
    close(losses.kullback_leibler(mean, log_variance), expected, atol=1e-6, rtol=0)


def test_gaussian_error_by_hand():
    rebuilt, samples = torch.zeros(2, 1, 2, 2), torch.tensor([1.0, 2.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    # four values each: (1 / 2 + log 2) / 2 and (4 / 2 + log 2) / 2
    expected = torch.tensor([2 * (0.5 + LN2), 2 * (2 + LN2)])
    close(losses.gaussian_error(rebuilt, samples, torch.tensor(LN2)), expected, atol=1e-6, rtol=0)


def test_the_best_variance_is_the_mean_squared_error():
    torch.manual_seed(2)
    samples = torch.randn(50, 4, dtype=torch.float64)
    log_variance = samples.square().mean().log().requires_grad_()
    error = losses.gaussian_error(torch.zeros_like(samples), samples, log_variance).sum()
    close(torch.autograd.grad(error, log_variance)[0], torch.tensor(0.0, dtype=torch.float64), atol=1e-9, rtol=0)
