"""Digits after 240 CPU-seconds: the default preset against DCGAN and the classic perceptrons.

    python benchmarks/digit_classifier.py --test-digits FILE.npz
    python benchmarks/digits.py --test-digits FILE.npz --presets digits dcgan digits-perceptrons --seeds 0 1 2

Each run is `ganvas train digits` as its own process on one thread, for as many images as its own steps were
measured to make in that CPU time; the CPU time it took in all, start and sheets included, is printed beside the
score. Rows are appended to a JSON-lines file.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from digit_classifier import features, frechet, load, recall
from speed import images_in

import ganvas
from ganvas.training import resolve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test-digits", type=Path, required=True)
    parser.add_argument("--classifier", type=Path, default=Path("runs/digit_classifier.safetensors"))
    parser.add_argument("--presets", nargs="+", default=["digits", "dcgan", "digits-perceptrons"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--cpu-seconds", type=float, default=240)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-digits"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    resolve.keep_memory()
    net = load(options.classifier)
    truth = features(net, np.load(options.test_digits)["x"])
    for preset in options.presets:
        for seed in options.seeds:
            run = options.out / f"{preset}-{seed}"
            images = images_in("digits", preset, options.cpu_seconds)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "ganvas", "train", "digits", "--preset", preset, "--images", str(images)]
            command += ["--seed", str(seed), "--set", "threads=1", "--out", str(run)]
            subprocess.run(command, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            trained = ganvas.load(run)
            fake = features(net, trained.sample(10_000, seed=1)[..., 0])
            row = {
                "preset": preset,
                "seed": seed,
                "images": trained.position,
                "cpu_seconds": round(cpu, 1),
                "peak_mb": round(after.ru_maxrss / 1000),
                "frechet": round(frechet(fake, truth), 3),
                "recall": round(recall(truth, fake), 3),
            }
            print(json.dumps(row), flush=True)
            with open(options.out / "results.jsonl", "a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
