"""Adversarial losses and gradient penalties: pure functions, logits in, one value per sample out.

Shapes: N samples. Logits are raw scores, never probabilities; the mean over samples is taken in the loop alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganvas.errors import UnknownName

Samples = Tensor | list[Tensor]  # [N, ...], or a pyramid of them


class Adversarial(NamedTuple):
    """A two-player loss; both functions take (real logits [N], fake logits [N]) and return [N]."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    source: str


ADVERSARIAL: dict[str, Adversarial] = {
    "nonsaturating": Adversarial(
        discriminator=lambda real, fake: softplus(-real) + softplus(fake),
        generator=lambda real, fake: softplus(-fake),
        source="Goodfellow et al. 2014, section 3, arXiv 1406.2661",
    ),
    "minimax": Adversarial(
        discriminator=lambda real, fake: softplus(-real) + softplus(fake),
        generator=lambda real, fake: -softplus(fake),
        source="Goodfellow et al. 2014, equation 1 (saturates early in training), arXiv 1406.2661",
    ),
    "least-squares": Adversarial(
        discriminator=lambda real, fake: ((real - 1).square() + fake.square()) / 2,
        generator=lambda real, fake: (fake - 1).square() / 2,
        source="Mao et al. 2017, equation 9, arXiv 1611.04076",
    ),
    "hinge": Adversarial(
        discriminator=lambda real, fake: relu(1 - real) + relu(1 + fake),
        generator=lambda real, fake: -fake,
        source="Lim & Ye 2017, arXiv 1705.02894",
    ),
    "wasserstein": Adversarial(
        discriminator=lambda real, fake: fake - real,
        generator=lambda real, fake: -fake,
        source="Arjovsky et al. 2017, arXiv 1701.07875; with `gradient_penalty` Gulrajani et al., arXiv 1704.00028",
    ),
    "relativistic": Adversarial(
        discriminator=lambda real, fake: softplus(fake - real),
        generator=lambda real, fake: softplus(real - fake),
        source="Jolicoeur-Martineau 2018, section 4.1 (paired), arXiv 1807.00734",
    ),
}


def adversarial(name: str) -> Adversarial:
    """The adversarial loss of that name.

    Raises:
        UnknownName: with the names there are.
    """
    if name not in ADVERSARIAL:
        raise UnknownName("adversarial loss", name, ADVERSARIAL)
    return ADVERSARIAL[name]


def levels(samples: Samples) -> list[Tensor]:
    """The tensors of one view of the samples: itself, or every level of a pyramid."""
    return samples if isinstance(samples, list) else [samples]


def squared_gradients(logits: Sequence[Tensor], samples: Sequence[Samples]) -> list[Tensor]:
    """Squared gradient norms of logits at their samples, the core of R1 (at reals) and R2 (at fakes), in one pass.

    Args:
        logits: discriminator outputs [N] each, every one computed from the samples at the same place in the list
            and from no other sample; [N / m] where m samples k, k + N / m, ... are judged as one.
        samples: [N, ...] each, or pyramids of such; with requires_grad set before the forward pass and before any
            augmentation.

    Returns:
        As many values each as there are logits, without the customary weight / 2.

    Source: Mescheder et al. 2018, equation 9, arXiv 1801.04406
    """
    flat = [level for sample in samples for level in levels(sample)]
    total = torch.stack([each.sum() for each in logits]).sum()
    gradients = iter(torch.autograd.grad(total, flat, create_graph=True))
    squared = [sum(next(gradients).square().flatten(1).sum(1) for _ in levels(sample)) for sample in samples]
    return [norm.view(-1, len(each)).sum(0) for norm, each in zip(squared, logits, strict=True)]  # type: ignore[union-attr]


def unit_gradient(logits: Tensor, samples: Samples) -> Tensor:
    """Squared distance of the gradient's norm from 1, the penalty of WGAN-GP.

    Args:
        logits: critic output [N], computed from `samples`.
        samples: [N, ...] or a pyramid, points between real and generated ones, with requires_grad set before the
            forward pass.

    Returns:
        [N], without its weight (10 for pictures, 0.1 for 2-D sets).

    Source: Gulrajani et al. 2017, equation 3, arXiv 1704.00028
    """
    # The small constant keeps the root differentiable where the gradient vanishes.
    return ((squared_gradients([logits], [samples])[0] + 1e-12).sqrt() - 1).square()


def kullback_leibler(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of diagonal normal distributions from the standard normal, in nats.

    Args:
        mean: [N, Z].
        log_variance: [N, Z].

    Returns:
        [N]

    Source: Kingma & Welling 2013, appendix B, arXiv 1312.6114
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def gaussian_error(rebuilt: Tensor, samples: Tensor, log_variance: Tensor) -> Tensor:
    """Negative log-likelihood of samples under a normal of one shared variance, up to a constant, in nats.

    Summed over the values of a sample, never averaged: an average would multiply the weight of the
    Kullback-Leibler term by their number and collapse the posterior.

    Args:
        rebuilt: [N, ...], the mean of the normal.
        samples: [N, ...].
        log_variance: scalar tensor, learned.

    Returns:
        [N]

    Source: Rybkin et al. 2021 (sigma-VAE), equation 3, arXiv 2006.13202
    """
    squared = (rebuilt - samples).square().flatten(1)
    return 0.5 * (squared / log_variance.exp() + log_variance).sum(1)
