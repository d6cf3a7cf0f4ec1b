"""2-D sets on one thread: `ganvas train SET` as a process, ten seeds, scored at 10,000 points.

    python benchmarks/toys.py sine --cpu-seconds 30
    python benchmarks/toys.py ring grid --cpu-seconds 60

The length is so many CPU-seconds, from the measured speed of the run's own steps, as --minutes plans it on an idle
machine; so that a busy one makes a benchmark longer and not worse. The CPU time that the process took in all, start
and sheets included, is in each row. Rows are appended to a JSON-lines file; a seed already there is not run again.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import torch
from speed import images_in

import ganvas
from ganvas.training import resolve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--cpu-seconds", type=float, default=60)
    parser.add_argument("--preset", default=None)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--out", type=Path, default=Path("runs/bench-toys"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = options.out / "results.jsonl"
    options.out.mkdir(parents=True, exist_ok=True)
    done = (
        {Path(json.loads(line)["run"]).name for line in results.read_text().splitlines()} if results.exists() else set()
    )
    for name in options.sets:
        for seed in options.seeds:
            run = options.out / f"{options.preset or name}-{options.cpu_seconds:g}-{seed}"
            if run.name in done:
                continue
            images = images_in(name, options.preset, options.cpu_seconds * resolve.MARGIN)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "ganvas", "train", name, "--images", str(images)]
            command += ["--seed", str(seed), "--set", "threads=1", "--out", str(run)]
            command += ["--preset", options.preset] if options.preset else []
            subprocess.run(command, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            row = {"run": run.name, "cpu_seconds": round(cpu, 1)} | ganvas.evaluate(run)
            print(json.dumps(row), flush=True)
            with open(results, "a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
