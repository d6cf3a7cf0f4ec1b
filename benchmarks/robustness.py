"""How much the result depends on the learning rate and the penalty: fifteen settings of the default and of DCGAN.

    python benchmarks/robustness.py --cpu-seconds 20
    python benchmarks/robustness.py --cpu-seconds 20 --test-digits FILE.npz

Both learning rates x {1/4, 1/2, 1, 2, 4} and the weight of the penalties x {1/10, 1, 10}, on the digits, each run as
long as the preset's own steps take so many CPU-seconds on one thread. DCGAN, non-saturating (its binary
cross-entropy), has no penalty, so its other three settings are beta1 {0, 0.5, 0.9}. The score is the Frechet distance
of 2,000 samples on the features of the carried digit classifier, to the digits of the test file or else to the carried
ones. A family's share is that of the settings that end within 1.5 x of its best. Rows are appended to a JSON-lines
file that several processes may fill; what is already there is not run again.
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results import Results, Row, write_section
from speed import images_in

from ganvas import presets
from ganvas.api import read_source
from ganvas.errors import TrainingFailed
from ganvas.metrics import digits
from ganvas.metrics.distances import Moments, frechet_distance, moments
from ganvas.training import engine, resolve, sampler
from ganvas.training.loop import train
from ganvas.training.state import State

RATES = (0.25, 0.5, 1.0, 2.0, 4.0)
OTHERS: dict[str, tuple[float, ...]] = {"digits": (0.1, 1.0, 10.0), "dcgan": (0.0, 0.5, 0.9)}
SAMPLES = 2_000
NEAR = 1.5  # times the best


def settings(preset: str, rate: float, other: float) -> dict[str, Any]:
    base = presets.configure("digits", preset)
    found: dict[str, Any] = {
        "optimiser.generator_lr": base.optimiser.generator_lr * rate,
        "optimiser.discriminator_lr": base.optimiser.discriminator_lr * rate,
    }
    if preset == "dcgan":
        return found | {"optimiser.beta1": other}
    gamma = resolve.penalty_rule(784) * other
    return found | {"loss.r1": gamma, "loss.r2": gamma}


def run(preset: str, changes: dict[str, Any], images: int, seed: int, reals: Moments) -> float:
    """Frechet distance at the end; infinite where training broke down."""
    config = presets.configure("digits", preset, changes | {"total_images": images, "seed": seed, "threads": 1})
    dataset = read_source(config)
    config = resolve.with_machine(resolve.with_source(config, dataset), dataset, engine.Engine())
    state = State(config, dataset.shape)
    try:
        for _ in train(config, dataset, state=state):
            pass
    except TrainingFailed:
        return math.inf
    network = state.averages["generator"]
    with sampler.settled(network, seed, state.device):
        made = sampler.draw(network, sampler.latents(SAMPLES, config.network["latent_size"], seed=1), None)
    return frechet_distance(reals, moments(digits.features(digits.carried(), made[..., 0])))


def table(rows: list[Row]) -> str:
    """Markdown: a family's scores, learning rate across, and its share near the best."""
    lines = ["| preset | setting | " + " | ".join(f"lr x {rate:g}" for rate in RATES) + " | within 1.5 x of the best |",
             "| --- | --- |" + " --- |" * (len(RATES) + 1)]  # fmt: skip
    for preset, others in OTHERS.items():
        found = {(r["rate"], r["other"]): r["frechet"] for r in rows if r["preset"] == preset}
        if len(found) < len(RATES) * len(others):
            continue
        best = min(found.values())
        near = sum(value <= NEAR * best for value in found.values())
        for other in others:
            name = f"beta1 {other:g}" if preset == "dcgan" else f"penalty x {other:g}"
            values = " | ".join(f"{found[rate, other]:.2f}" for rate in RATES)
            lines.append(
                f"| {preset} | {name} | {values} | {f'{near} of {len(found)}' if other == others[0] else ''} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=list(OTHERS), choices=list(OTHERS))
    parser.add_argument("--cpu-seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steady", choices=["auto", "off"], default="auto")
    parser.add_argument("--test-digits", type=Path)
    parser.add_argument("--write", type=Path, help="a page with room for the table, such as docs/experiments.md")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-robustness/results.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    resolve.keep_memory()
    truth = np.load(options.test_digits)["x"] if options.test_digits else read_source(presets.digits()).samples[..., 0]
    reals = moments(digits.features(digits.carried(), truth))
    results = Results(options.out)
    for preset in options.presets:
        seen = [r["images"] for r in results.rows() if r["preset"] == preset]
        images = seen[0] if seen else images_in("digits", preset, options.cpu_seconds)  # the same for all settings
        for rate, other in itertools.product(RATES, OTHERS[preset]):
            job = {"preset": preset, "rate": rate, "other": other, "seed": options.seed, "steady": options.steady}
            with results.claim(**job) as mine:
                if mine:
                    changes = settings(preset, rate, other) | {"steady.mode": options.steady}
                    results.add(job | {"images": images, "frechet": run(preset, changes, images, options.seed, reals)})
    found = table([r for r in results.rows() if r["seed"] == options.seed and r["steady"] == options.steady])
    print(found)
    if options.write:
        write_section(options.write, "robustness", found)


if __name__ == "__main__":
    main()
