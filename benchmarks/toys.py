"""2-D sets on one thread: `ganvas train SET` as a process, ten seeds, scored at 10,000 points.

    python benchmarks/toys.py sine --cpu-seconds 30
    python benchmarks/toys.py ring grid spiral imbalanced-ring --cpu-seconds 60
    python benchmarks/toys.py grid --set loss.final_penalty=0.005 --label "lower final penalty"

The length is so many CPU-seconds, from the measured speed of the run's own steps, as --minutes plans it on an idle
machine; so that a busy one makes a benchmark longer and not worse. The CPU time that the process took in all, start
and sheets included, is in each row. Rows are appended to a JSON-lines file; a seed already there is not run again.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import torch
from results import Results, Row
from speed import images_in

import ganvas
from ganvas.training import resolve


def summary(rows: list[Row]) -> str:
    """Markdown: range and, in brackets, median of each score."""
    lines = ["| set | settings | seeds | CPU-seconds, all in | modes | high quality | reverse KL | spread |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for source, label in dict.fromkeys((r["source"], r["label"]) for r in rows):
        found = [r for r in rows if (r["source"], r["label"]) == (source, label)]
        what = "arc_bins" if "arc_bins" in found[0] else "modes"
        every = sum(r[what] == r[f"{what}_total"] for r in found)

        def spread(name: str, found: list[Row] = found) -> str:
            values = sorted(r[name] for r in found if r.get(name) is not None)
            return f"{values[0]:.3g} to {values[-1]:.3g} ({values[len(values) // 2]:.3g})" if values else ""

        quality = "near_curve" if "near_curve" in found[0] else "high_quality"
        scores = " | ".join(spread(name) for name in (quality, "reverse_kl", "spread_ratio"))
        lines.append(
            f"| {source} | {label or 'preset'} | {len(found)} | {spread('cpu_seconds')} | "
            f"all in {every} of {len(found)} | {scores} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--cpu-seconds", type=float, default=60)
    parser.add_argument("--images", type=int, help="a fixed length, instead of CPU time")
    parser.add_argument("--preset", default=None)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--set", nargs="+", default=[], dest="changes", help="settings, NAME=VALUE")
    parser.add_argument("--label", default="", help="what the changed settings are called in the rows")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-toys"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = Results(options.out / "results.jsonl")
    for name in options.sets:
        images = options.images or images_in(name, options.preset, options.cpu_seconds * resolve.MARGIN)
        for seed in options.seeds:
            label = options.label or options.preset or ""
            job = {"source": name, "label": label, "length": options.images or options.cpu_seconds, "run_seed": seed}
            with results.claim(**job) as mine:
                if not mine:
                    continue
                run = options.out / "-".join(str(part).replace(" ", "_") for part in job.values() if part != "")
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                command = [sys.executable, "-m", "ganvas", "train", name, "--images", str(images)]
                command += ["--seed", str(seed), "--set", "threads=1", *options.changes, "--out", str(run)]
                command += ["--preset", options.preset] if options.preset else []
                subprocess.run(command, check=True, capture_output=True)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                results.add(job | {"cpu_seconds": round(cpu, 1)} | ganvas.evaluate(run))
    print(summary(results.rows()))


if __name__ == "__main__":
    main()
