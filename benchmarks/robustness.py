"""How much the result depends on the learning rate and the penalty: settings of the default and of DCGAN.

    python benchmarks/robustness.py --images 24000 --test-digits FILE.npz

Both learning rates x {1/4, 1/2, 1, 2, 4} and the weight of the penalties x {1/10, 1, 10}, on the digits, each run for
the same number of images on one thread, both told the labels. DCGAN, non-saturating (its binary cross-entropy), has no
penalty: its five learning rates stand for all fifteen settings. It is made as wide as costs the default's
multiply-adds. The score is the Frechet distance of 2,000 samples on the features of the carried digit classifier, to
the digits of the test file or else to the carried ones. A family's share is that of the settings that end within 1.5 x
of its best. Rows are appended to a JSON-lines file that several processes may fill; what is there is not run again.
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

from ganvas import presets
from ganvas.api import read_source
from ganvas.errors import TrainingFailed
from ganvas.metrics import digits
from ganvas.metrics.distances import Moments, frechet_distance, moments
from ganvas.training import engine, resolve, sampler
from ganvas.training.loop import train
from ganvas.training.state import State

RATES = (0.25, 0.5, 1.0, 2.0, 4.0)
PENALTIES: dict[str, tuple[float, ...]] = {"digits": (0.1, 1.0, 10.0), "dcgan": (0.0,)}
DCGAN_WIDTH = 32  # 4.0 and 2.9 million multiply-adds; the default networks have 4.0 and 2.3
SAMPLES = 2_000
NEAR = 1.5  # times the best


def settings(preset: str, rate: float, penalty: float) -> dict[str, Any]:
    base = presets.configure("digits", preset)
    found: dict[str, Any] = {
        "data.labels": True,
        "optimiser.generator_lr": base.optimiser.generator_lr * rate,
        "optimiser.discriminator_lr": base.optimiser.discriminator_lr * rate,
    }
    if preset == "dcgan":
        return found | {"network.width": DCGAN_WIDTH}
    gamma = resolve.penalty_rule(784) * penalty
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
        made = sampler.draw(network, sampler.latents(network, SAMPLES, seed=1), None)
    return frechet_distance(reals, moments(digits.features(digits.carried(), made[..., 0])))


def table(rows: list[Row]) -> str:
    """Markdown: a family's scores, learning rate across, and its share near the best."""
    lines = ["| preset | setting | " + " | ".join(f"lr x {rate:g}" for rate in RATES) + " | within 1.5 x of the best |",
             "| --- | --- |" + " --- |" * (len(RATES) + 1)]  # fmt: skip
    for preset, penalties in PENALTIES.items():
        found = {(r["rate"], r["penalty"]): r["frechet"] for r in rows if r["preset"] == preset}
        if len(found) < len(RATES) * len(penalties):
            continue
        best = min(found.values())
        near = sum(value <= NEAR * best for value in found.values())
        for penalty in penalties:
            name = f"penalty x {penalty:g}" if penalty else "no penalty"
            values = " | ".join(f"{found[rate, penalty]:.2f}" for rate in RATES)
            share = f"{near} of {len(found)}" if penalty == penalties[0] else ""
            lines.append(f"| {preset} | {name} | {values} | {share} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=list(PENALTIES), choices=list(PENALTIES))
    parser.add_argument("--images", type=int, default=24_000, help="length of each run")
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
    same = {"images": options.images, "seed": options.seed, "steady": options.steady}
    for preset in options.presets:
        for rate, penalty in itertools.product(RATES, PENALTIES[preset]):
            job = same | {"preset": preset, "rate": rate, "penalty": penalty}
            with results.claim(**job) as mine:
                if mine:
                    changes = settings(preset, rate, penalty) | {"steady.mode": options.steady}
                    distance = run(preset, changes, options.images, options.seed, reals)
                    results.add(job | {"frechet": distance})
    found = table([r for r in results.rows() if same.items() <= r.items()])
    print(found)
    if options.write:
        write_section(options.write, "robustness", found)


if __name__ == "__main__":
    main()
