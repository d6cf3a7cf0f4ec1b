"""The digit classifier whose features score generated digits, and the scores on them.

    python benchmarks/digit_classifier.py --test-digits FILE.npz --out runs/digit_classifier.safetensors

It is trained on the 5,000 carried digits alone, moved, turned, sheared and stretched at random; the test file
(`x` uint8 [N, 28, 28], `y` labels), digits that no network has seen, is used once, to report the accuracy.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ganvas.config import DataConfig
from ganvas.data.source import open_source


class DigitClassifier(nn.Module):
    """376,458 weights; `features` gives 64 numbers a picture."""

    def __init__(self, width: int = 32, features: int = 64):
        super().__init__()

        def block(inside: int, outside: int, **kernel: int) -> list[nn.Module]:
            return [nn.Conv2d(inside, outside, bias=False, **kernel), nn.BatchNorm2d(outside), nn.ReLU()]

        self.body = nn.Sequential(
            *block(1, width, kernel_size=4, stride=2, padding=1),
            *block(width, 2 * width, kernel_size=3, padding=1),
            nn.MaxPool2d(2),
            *block(2 * width, 3 * width, kernel_size=3, padding=1),
            nn.Flatten(),
            nn.Linear(3 * width * 49, features, bias=False),
            nn.BatchNorm1d(features),
            nn.ReLU(),
        )
        self.head = nn.Linear(features, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(functional.dropout(self.body(images), 0.2, self.training))


def to_input(pixels: np.ndarray) -> Tensor:
    """uint8 [N, 28, 28] to float [N, 1, 28, 28] in [-1, 1]."""
    return torch.as_tensor(pixels).float().div(127.5).sub(1).unsqueeze(1)


def warp(images: Tensor, rng: torch.Generator) -> Tensor:
    """Random affine and elastic movement of each picture; black stays the fill."""
    count = len(images)

    def rand(scale: float) -> Tensor:
        return (torch.rand(count, generator=rng) * 2 - 1) * scale

    turn, shear, wide, high = rand(0.26), rand(0.25), 1 + rand(0.15), 1 + rand(0.15)
    cos, sin = turn.cos(), turn.sin()
    rows = [[cos * wide, -sin * high + shear, rand(0.14)], [sin * wide, cos * high, rand(0.14)]]
    matrix = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    coarse = torch.randn(count, 2, 6, 6, generator=rng) * 0.05
    bend = functional.interpolate(coarse, size=images.shape[-2:], mode="bicubic", align_corners=False)
    return functional.grid_sample(images + 1, grid + bend.permute(0, 2, 3, 1), align_corners=False) - 1


def train(images: Tensor, labels: Tensor, *, epochs: int = 36, batch: int = 100, lr: float = 4e-3) -> DigitClassifier:
    """Train with AdamW, one cycle, label smoothing, and return the running average."""
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    net = DigitClassifier().to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=average, use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.02, fused=True)
    steps = epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.2)
    for _ in range(epochs):
        for chosen in torch.randperm(len(images), generator=rng).split(batch):
            loss = functional.cross_entropy(net(warp(images[chosen], rng)), labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            mean.update_parameters(net)
    return mean.module.eval()


@torch.no_grad()
def features(net: DigitClassifier, pixels: np.ndarray) -> Tensor:
    """Features [N, 64] of uint8 pictures [N, 28, 28], float64."""
    return torch.cat(
        [net.body(to_input(block)) for block in np.array_split(pixels, max(1, len(pixels) // 500))]
    ).double()


def frechet(one: Tensor, other: Tensor) -> float:
    """|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^1/2) between two sets of features, float64 (Dowson & Landau 1982)."""
    first, second = torch.cov(one.T), torch.cov(other.T)
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    gap = (one.mean(0) - other.mean(0)).square().sum()
    return float(gap + first.trace() + second.trace() - 2 * cross)


def recall(real: Tensor, fake: Tensor, k: int = 3) -> float:
    """Share of reals within some fake's distance to its k-th neighbour (Kynkaanniemi et al. 2019, arXiv 1904.06991)."""
    real, fake = real.float(), fake.float()
    radius = torch.cat([torch.cdist(b, fake).topk(k + 1, largest=False).values[:, k] for b in fake.split(1000)])
    inside = [(torch.cdist(block, fake) <= radius).any(1) for block in real.split(1000)]
    return torch.cat(inside).double().mean().item()


def load(path: Path) -> DigitClassifier:
    """The frozen classifier."""
    net = DigitClassifier()
    net.load_state_dict(load_file(path))
    return net.eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test-digits", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/digit_classifier.safetensors"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    digits = open_source("digits", DataConfig(labels=True), limit=28)
    assert digits.labels is not None
    seen, test = digits.samples[..., 0], np.load(options.test_digits)
    net = train(to_input(seen), torch.as_tensor(digits.labels))
    with torch.no_grad():
        guess = torch.cat([net(block) for block in to_input(test["x"]).split(500)]).argmax(1).numpy()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, options.out)
    truth, own = features(net, test["x"]), features(net, seen)
    print(
        f"accuracy {(guess == test['y']).mean():.4f} on {len(guess)} unseen digits; Frechet distance of the "
        f"5,000 training digits {frechet(own, truth):.3f}, of the test set's halves "
        f"{frechet(truth[::2], truth[1::2]):.3f}; {time.process_time():.0f} CPU-s"
    )


if __name__ == "__main__":
    main()
