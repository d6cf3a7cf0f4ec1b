"""Stacked digits: three random digits as the channels of one picture, 1,000 modes; how many are found, how evenly.

    python benchmarks/stacked.py --cpu-minutes 120 --seeds 0 1 2
    python benchmarks/stacked.py --cpu-minutes 120 --set variety.pack=2 --label packed

50,000 pictures are stacked from the 5,000 carried digits. Of 26,000 samples each channel is read by the carried digit
classifier; a mode counts when one sample shows it, and the divergence is that of the samples' modes from the uniform
distribution (Metz et al. 2017, section 3.3.1, arXiv 1611.02163; Lin et al. 2018, section 4.2, arXiv 1712.04086). One
thread; the length is so many CPU-minutes of the run's own steps, measured first. A run that was stopped goes on from
its newest checkpoint. The default discriminator has a quarter of the generator's weights. Rows are appended to a
JSON-lines file.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results import Results
from speed import images_of

from ganvas import images, presets
from ganvas.config import RunConfig, parse_assignments
from ganvas.data.source import Dataset, open_source
from ganvas.events import Alert, Remedy, Samples
from ganvas.metrics import digits
from ganvas.training import checkpoint, engine, resolve, sampler
from ganvas.training.loop import train
from ganvas.training.state import State

PICTURES, SAMPLES, MODES = 50_000, 26_000, 1_000
SHARE = 0.9  # of the time is for steps; the rest for checkups, scores and saves


def stacked(seed: int = 0) -> Dataset:
    """Pictures uint8 [50000, 28, 28, 3] whose channels are digits drawn independently."""
    grey = open_source("digits", presets.digits().data, limit=28).samples[..., 0]
    chosen = np.random.default_rng([seed, 1_000]).integers(0, len(grey), (PICTURES, 3))
    return Dataset("stacked digits", np.ascontiguousarray(grey[chosen].transpose(0, 2, 3, 1)), f"stacked-{seed}")


def settings(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Those of the digits preset, changed as asked."""
    rate = presets.digits().optimiser.generator_lr
    return {"seed": seed, "threads": 1, "optimiser.generator_lr": rate} | parse_assignments(options.changes)


def judge(state: State, config: RunConfig) -> dict[str, float]:
    """Modes found in 26,000 samples, and the Kullback-Leibler divergence from all being equally likely, in nats."""
    network, classifier = state.averages["generator"], digits.carried()
    counts = np.zeros(MODES)
    with sampler.settled(network, config.seed, state.device):
        for first in range(0, SAMPLES, 2_000):
            rows = sampler.latents(network, 2_000, seed=1, first=first)
            made = sampler.draw(network, rows, None)
            shown = [digits.classes(classifier, made[..., channel]) for channel in range(3)]
            counts += np.bincount(100 * shown[0] + 10 * shown[1] + shown[2], minlength=MODES)
    share = counts[counts > 0] / SAMPLES
    return {"modes": int((counts > 0).sum()), "divergence": round(float((share * np.log(share * MODES)).sum()), 4)}


def run(options: argparse.Namespace, seed: int, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    dataset = stacked()
    config = presets.configure("pictures", None, settings(options, seed)).but(minutes=None, total_images=1)
    config = resolve.with_source(config, dataset)
    plan = folder / "plan.json"
    if not plan.exists():
        total = images_of(config, dataset, options.cpu_minutes * 60 * SHARE)
        plan.write_text(json.dumps({"total_images": total, "save": {"samples_every_images": total // 4}}))
    config = config.but(**json.loads(plan.read_text()))
    config = resolve.with_machine(config, dataset, engine.Engine())
    state = State(config, dataset.shape)
    found = checkpoint.newest_good(folder / "checkpoints")
    if found:
        checkpoint.load(found.path, state)
    said = []
    for event in train(config, dataset, state=state, checkpoints=folder / "checkpoints"):
        if isinstance(event, Samples):
            images.write_png(folder / f"{event.images_seen:010d}.png", images.grid(event.samples))
            print(json.dumps({"images": event.images_seen, "cpu_minutes": round(time.process_time() / 60, 1),
                              **judge(state, config)}), flush=True)  # fmt: skip
        if isinstance(event, Alert | Remedy):
            said.append(event.message)
            print(event.message, flush=True)
    weights = {role: sum(p.numel() for p in network.parameters()) for role, network in state.networks.items()}
    return {"images": state.images_seen, "weights": weights, "said": said, **judge(state, config)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu-minutes", type=float, default=120)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--set", nargs="+", default=[], dest="changes", help="settings, NAME=VALUE")
    parser.add_argument("--label", default="default", help="what the settings are called in the rows")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-stacked"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    resolve.keep_memory()
    results = Results(options.out / "results.jsonl")
    for seed in options.seeds:
        job = {"label": options.label, "seed": seed, "cpu_minutes": options.cpu_minutes}
        with results.claim(**job) as mine:
            if mine:
                name = f"{options.label}-{seed}-{options.cpu_minutes:g}".replace(" ", "-").replace(",", "")
                results.add(job | run(options, seed, options.out / name))


if __name__ == "__main__":
    main()
