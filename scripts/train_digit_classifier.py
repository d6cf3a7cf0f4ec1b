"""Train the digit classifier that the package carries, and say how good it is.

python scripts/train_digit_classifier.py --test-digits FILE.npz

It is trained on the 5,000 carried digits alone, moved, turned, sheared, stretched and bent at random. The test file
(`x` uint8 [N, 28, 28], `y` labels), digits that no network has seen, is used once, to report the accuracy; without it
nothing is reported. Writes src/ganvas/metrics/digit_classifier.safetensors in half precision and prints its SHA-256,
which belongs into src/ganvas/metrics/digits.py.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from ganvas.config import DataConfig
from ganvas.data.source import open_source
from ganvas.images import write_bytes
from ganvas.metrics.digits import FILE, DigitClassifier, classes, to_input

TARGET = Path(__file__).parents[1] / "src/ganvas/metrics" / FILE


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


def train(images: Tensor, labels: Tensor, *, epochs: int = 60, batch: int = 100, lr: float = 4e-3) -> DigitClassifier:
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


def halved(net: DigitClassifier) -> dict[str, Tensor]:
    """The weights in half precision, counters left out of it."""
    state = net.state_dict().items()
    return {name: (t.half() if t.is_floating_point() else t).contiguous() for name, t in state}


def main() -> None:
    """Train, write, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test-digits", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    digits = open_source("digits", DataConfig(labels=True), limit=28)
    assert digits.labels is not None
    net = train(to_input(digits.samples[..., 0]), torch.as_tensor(digits.labels))
    data = save(halved(net))
    write_bytes(TARGET, data)
    print(f"{TARGET.name}: {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")
    if options.test_digits:
        test = np.load(options.test_digits)
        net.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in halved(net).items()})
        right = float((classes(net, test["x"]) == test["y"]).mean())
        print(f"accuracy {right:.4f} on {len(test['x']):,} unseen digits; {time.process_time():.0f} CPU-s")


if __name__ == "__main__":
    main()
