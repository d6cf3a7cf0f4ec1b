"""Memory that painting really takes beside its forecast: a process of its own for every setting, at its peak.

    python benchmarks/memory.py PHOTO STYLE --out results.jsonl --cases "size=512" "size=512 precision=bfloat16"

Few steps show it, since L-BFGS remembers each step in as many bytes: with two remembered and four made at the last
scale, all is there. Cases whose result is in the file already are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

FEW = {"scales.first_steps": "1", "scales.steps": "4", "optimiser.history": "2", "scales.tolerance": "0"}
PAINT = """
import json, sys, torch
from ganvas.painter import stylize
from ganvas.style.events import Planned
photo, style, out, settings, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
for event in stylize(photo, style, out, settings=json.loads(settings)):
    if isinstance(event, Planned):
        print(json.dumps({"forecast": event.memory_bytes, "tiles": event.tiles, "size": event.sizes[-1]}), flush=True)
"""


def measured(photo: Path, style: Path, out: Path, case: str, threads: int) -> dict[str, object]:
    """Forecast and peak of one painting, in bytes, and its CPU-seconds."""
    settings = FEW | dict(part.split("=", 1) for part in case.split())
    arguments = [str(photo), str(style), str(out), json.dumps(settings), str(threads)]
    child = subprocess.Popen([sys.executable, "-c", PAINT, *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout as lines:
        said = lines.read()
    _, child.returncode, used = os.wait4(child.pid, 0)
    if child.returncode:
        raise SystemExit(f"{case}: painting failed")
    told = json.loads(said)
    peak, cpu = used.ru_maxrss * 1024, used.ru_utime + used.ru_stime
    over = told["forecast"] / peak - 1  # the share by which the forecast lies above
    return {"case": case, "threads": threads, "peak": peak, "over": over, "cpu": cpu} | told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", nargs="+", required=True, help="settings of one painting each, by dotted name")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    done = {(row["case"], row["threads"]) for row in map(json.loads, lines)}
    for case in args.cases:
        if (case, args.threads) in done:
            continue
        found = measured(args.photo, args.style, args.out.with_suffix(".png"), case, args.threads)
        with args.out.open("a") as file:
            file.write(json.dumps(found) + "\n")
        print(
            f"{case}: {found['peak'] / 1e9:.3f} GB, forecast {found['over']:+.1%}, {found['cpu']:.0f} CPU-s", flush=True
        )


if __name__ == "__main__":
    main()
