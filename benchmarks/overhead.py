"""What the loop costs: steps a second of `train sine` against the bare step in a plain Python loop, paired in one run.

    python benchmarks/overhead.py --pairs 15

The bare step has the same networks, loss, penalties, noise and fused Adam, and nothing else: no checks, averages,
statistics, events, random numbers by position, or reports. One thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import torch
from torch.nn.functional import softplus

from ganvas import api, models, presets
from ganvas.data.stream import Scaling
from ganvas.training import resolve
from ganvas.training.loop import train
from ganvas.training.schedules import instance_noise

STEPS = 250  # about as many as lie between two sheets of a half-minute run


def bare(config, dataset) -> Iterator[None]:
    """Steps, as one would write them by hand."""
    networks = models.build(config, dataset.shape)
    generator, discriminator = networks["generator"], networks["discriminator"]
    adam_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.99), fused=True)
    adam_d = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.0, 0.99), fused=True)
    points = torch.from_numpy(Scaling.of(dataset.samples).shrink(dataset.samples))
    count, noise, gamma = config.batch_size, instance_noise(config.loss.instance_noise, 0.0), config.loss.r1
    while True:
        for _ in range(STEPS):
            real = points[torch.randint(len(points), (count,))]
            real = (real + noise * torch.randn_like(real)).requires_grad_()
            made = generator(torch.randn(count, config.network["latent_size"]))
            made = made + noise * torch.randn_like(made)
            fake = made.detach().requires_grad_()
            discriminator.requires_grad_(True)
            real_logits, fake_logits = discriminator(torch.cat([real, fake])).chunk(2)
            total = real_logits.sum() + fake_logits.sum()
            gradients = torch.autograd.grad(total, [real, fake], create_graph=True)
            penalty = sum(gradient.square().sum(1) for gradient in gradients)
            loss = (softplus(fake_logits - real_logits) + gamma / 2 * penalty).mean()
            adam_d.zero_grad()
            loss.backward()
            adam_d.step()
            discriminator.requires_grad_(False)
            loss = softplus(real_logits.detach() - discriminator(made)).mean()
            adam_g.zero_grad()
            loss.backward()
            adam_g.step()
        yield None


def ours(config, dataset) -> Iterator[None]:
    """Steps of the real loop, with reports, sheets and scores as often as in a half-minute run."""
    for event in train(config, dataset):
        if type(event).__name__ == "Progress":
            yield None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    resolve.keep_memory()
    config = presets.configure("sine")
    dataset = api.read_source(config)
    stretch = STEPS * config.batch_size
    config = resolve.with_source(config, dataset).but(
        total_images=30 * stretch,
        threads=1,
        save={"report_every_images": stretch, "samples_every_images": stretch, "every_images": 6 * stretch},
    )
    loops = {"bare": bare(config, dataset), "ganvas": ours(config, dataset)}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for pair in range(options.pairs + 1):
        for name, loop in loops.items():
            began = time.process_time()
            next(loop)
            if pair:
                seconds[name].append(time.process_time() - began)
    ratios = [b / o for b, o in zip(seconds["bare"], seconds["ganvas"], strict=True)]
    for name, taken in seconds.items():
        print(f"{name:7} median {STEPS / statistics.median(taken):.0f} steps a second")
    print(f"ganvas / bare: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
