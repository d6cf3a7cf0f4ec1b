"""Digits after 240 CPU-seconds: the default preset against DCGAN and the classic perceptrons.

    python benchmarks/digits.py --test-digits FILE.npz --presets digits dcgan digits-perceptrons --seeds 0 1 2
    python benchmarks/digits.py --test-digits FILE.npz --presets digits --set data.labels=false --label plain

Each run is `ganvas train digits` as its own process on one thread, for as many images as its own steps were
measured to make in that CPU time; the CPU time it took in all, start and sheets included, is printed beside the
score. Scores are those of 10,000 samples against the test file (`x` uint8 [N, 28, 28]), digits that no network has
seen, on the features of the carried digit classifier. Rows are appended to a JSON-lines file.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from results import Results, Row
from speed import images_in

import ganvas
from ganvas.metrics import digits, manifold
from ganvas.metrics.distances import frechet_distance, moments
from ganvas.training import resolve


def score(fakes: np.ndarray, reals: np.ndarray) -> dict[str, float]:
    """Scores of features [N, 64] against others."""
    found = manifold.compare(fakes, reals, manifold.neighbour_distances(fakes), manifold.neighbour_distances(reals))
    return {
        "frechet": round(frechet_distance(moments(reals), moments(fakes)), 3),
        "recall": round(float(found.recall.mean()), 3),
        "coverage": round(float(found.coverage.mean()), 3),
    }


def train(preset: str, seed: int, images: int, changes: list[str], run: Path) -> Row:
    """The CPU time and memory of a run as its own process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "ganvas", "train", "digits", "--preset", preset, "--images", str(images)]
    command += ["--seed", str(seed), "--set", "threads=1", *changes, "--out", str(run)]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_seconds": round(cpu, 1), "peak_mb": round(after.ru_maxrss / 1000)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test-digits", type=Path, required=True)
    parser.add_argument("--presets", nargs="+", default=["digits", "dcgan", "digits-perceptrons"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--cpu-seconds", type=float, default=240)
    parser.add_argument("--images", type=int, help="a fixed length, instead of CPU time")
    parser.add_argument("--set", nargs="+", default=[], dest="changes", help="settings, NAME=VALUE")
    parser.add_argument("--label", default="", help="what the changed settings are called in the rows")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-digits"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    resolve.keep_memory()
    network = digits.carried()
    reals = digits.features(network, np.load(options.test_digits)["x"])
    results = Results(options.out / "results.jsonl")
    for preset in options.presets:
        for seed in options.seeds:
            job = {"preset": preset, "label": options.label, "seed": seed, "length": options.images or "time"}
            with results.claim(**job) as mine:
                if not mine:
                    continue
                images = options.images or images_in("digits", preset, options.cpu_seconds)
                run = options.out / "-".join(map(str, job.values()))
                cost = train(preset, seed, images, options.changes, run)
                trained = ganvas.load(run)
                fakes = digits.features(network, trained.sample(10_000, seed=1)[..., 0])
                results.add(job | {"images": trained.position} | cost | score(fakes, reals))


if __name__ == "__main__":
    main()
