"""One DCGAN step at 64 px, batch 64: ganvas against the step as the PyTorch example writes it, paired in one run.

    python benchmarks/step.py --pairs 10

Same networks, same losses, same data; the peer runs contiguous tensors, BCELoss on a sigmoid, three backward passes
with the discriminator's weights differentiated in all of them. Both use all cores.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from torch import nn

from ganvas import models, presets
from ganvas.data.source import Dataset
from ganvas.training import resolve
from ganvas.training.engine import Engine
from ganvas.training.state import State
from ganvas.training.step import Stepper

BATCH, RESOLUTION = 64, 64


class Example:
    """The step of the PyTorch DCGAN example (BSD-3), written anew."""

    def __init__(self, pixels: np.ndarray):
        config = presets.configure("digits", "dcgan")
        networks = models.build(config, (3, RESOLUTION, RESOLUTION))
        self.generator, self.discriminator = (
            networks["generator"],
            nn.Sequential(networks["discriminator"], nn.Sigmoid()),
        )
        self.images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
        self.criterion = nn.BCELoss()
        self.adam_d = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.adam_g = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.position = 0

    def step(self) -> None:
        real = self.images[self.position : self.position + BATCH]
        self.position = (self.position + BATCH) % (len(self.images) - BATCH)
        ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)
        self.discriminator.zero_grad()
        self.criterion(self.discriminator(real), ones).backward()
        fake = self.generator(torch.randn(BATCH, 100))
        self.criterion(self.discriminator(fake.detach()), zeros).backward()
        self.adam_d.step()
        self.generator.zero_grad()
        self.criterion(self.discriminator(fake), ones).backward()
        self.adam_g.step()


def ours(pixels: np.ndarray) -> Stepper:
    """The same networks in ganvas's own step, with its averages, checks and statistics."""
    dataset = Dataset("noise", pixels, "noise")
    config = resolve.with_source(presets.configure("digits", "dcgan"), dataset).but(total_images=10**9)
    return Stepper(config, dataset, State(config, dataset.shape), Engine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    resolve.keep_memory()
    pixels = np.random.default_rng(0).integers(0, 256, (1024, RESOLUTION, RESOLUTION, 3), np.uint8)
    contestants = {"example": Example(pixels), "ganvas": ours(pixels)}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for pair in range(options.pairs + 1):
        for name, contestant in contestants.items():
            began = time.perf_counter()
            for _ in range(2):
                contestant.step()
            if pair:  # the first is a warm-up
                seconds[name].append((time.perf_counter() - began) / 2)
    ratios = [a / b for a, b in zip(seconds["example"], seconds["ganvas"], strict=True)]
    for name, taken in seconds.items():
        print(
            f"{name:8} median {statistics.median(taken):.3f} s a step, {BATCH / statistics.median(taken):.0f} images/s"
        )
    print(f"example / ganvas: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
