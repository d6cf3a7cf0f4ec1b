"""Induced faults and healthy runs on the digits: what the monitors say, and whether remedies put it right.

    python benchmarks/stability.py --seeds 0 1 2 --images 30000

Every fault runs twice, with `steady.mode` warn and auto; a run without a fault once each. One thread. Rows are appended
to a JSON-lines file; what is already there is not run again. At the end a table: how often a fault was named and when,
false alarms in healthy runs, and the final distance against that of the healthy run of the same seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from ganvas import presets
from ganvas.data.source import Dataset, open_source
from ganvas.events import Alert, Remedy
from ganvas.training import engine, resolve
from ganvas.training.loop import train
from ganvas.training.state import State

MIDDLE = 0.4  # of the run, where faults that strike do so


@dataclass(frozen=True)
class Fault:
    """Something wrong from the start (settings, data) or that strikes in the middle, and the names that fit it."""

    names: tuple[str, ...]
    settings: dict[str, Any] | None = None
    data: Callable[[Dataset], Dataset] | None = None
    strike: Callable[[State], None] | None = None


def few(dataset: Dataset) -> Dataset:
    return replace(dataset, samples=dataset.samples[:40], labels=None, key="few")


def alike(dataset: Dataset) -> Dataset:
    return replace(dataset, samples=dataset.samples[:1].repeat(1000, 0), labels=None, key="alike")


def reset_generator(state: State) -> None:
    for module in state.networks["generator"].modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()


def kill_units(state: State) -> None:
    with torch.no_grad():
        for module in state.networks["generator"].modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.bias.fill_(-100.0)


def poison(state: State) -> None:
    with torch.no_grad():
        next(state.networks["generator"].parameters()).view(-1)[0] = float("nan")


BROKEN = ("mode collapse", "divergence", "dead output")
FAULTS: dict[str, Fault] = {
    "none": Fault(()),
    "discriminator lr x 50": Fault(
        (*BROKEN, "discriminator too strong", "discriminator too weak", "exploding gradients", "vanishing gradients"),
        {"optimiser.discriminator_lr": 0.1},
    ),
    "generator lr x 50": Fault((*BROKEN, "discriminator too strong"), {"optimiser.generator_lr": 0.1}),
    "no penalty": Fault(
        (*BROKEN, "discriminator too strong", "oscillation", "memorising", "exploding gradients"),
        {"loss.r1": 0.0, "loss.r2": 0.0, "optimiser.discriminator_lr": 8e-3},
    ),
    "40 pictures": Fault(("too few pictures", "memorising"), {"batch_size": 32}, data=few),
    "pictures all alike": Fault(("pictures alike",), data=alike),
    "generator reset": Fault(BROKEN, strike=reset_generator),
    "dead units": Fault((*BROKEN, "vanishing gradients"), strike=kill_units),
    "not a number": Fault(("non-finite", "not finite"), strike=poison),
}


def run(name: str, mode: str, seed: int, images: int) -> dict[str, Any]:
    fault = FAULTS[name]
    settings = {"total_images": images, "seed": seed, "threads": 1, "steady.mode": mode} | (fault.settings or {})
    config = presets.configure("digits", None, settings)
    dataset = open_source("digits", config.data, limit=32)
    dataset = fault.data(dataset) if fault.data else dataset
    config = resolve.with_machine(resolve.with_source(config, dataset), dataset, engine.Engine())
    state = State(config, dataset.shape)
    told, done, struck = [], [], False
    with tempfile.TemporaryDirectory() as folder:
        for event in train(config, dataset, state=state, checkpoints=Path(folder)):
            if fault.strike and not struck and state.images_seen >= MIDDLE * images:
                fault.strike(state)
                struck = True
            if isinstance(event, Alert):
                told.append((event.monitor, round(event.images_seen / images, 3)))
            if isinstance(event, Remedy):
                done.append((event.action, round(event.images_seen / images, 3)))
    last = state.history[-1]
    return {
        "fault": name, "mode": mode, "seed": seed, "images": images, "alerts": told, "remedies": done,
        "distance": round(last.loss, 4), "best": round(min(v.loss for v in state.history), 4),
        "coverage": round(last.coverage, 3), "diversity": round(last.diversity, 3),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> Table:
    healthy = {(r["seed"], r["images"]): r["distance"] for r in rows if r["fault"] == "none" and r["mode"] == "warn"}
    shown = Table("fault", "runs", "named", "after", "distance, warn", "distance, auto", "healthy again", box=None)
    for name, fault in FAULTS.items():
        warn = [r for r in rows if r["fault"] == name and r["mode"] == "warn"]
        auto = [r for r in rows if r["fault"] == name and r["mode"] == "auto"]
        if not warn or not auto:
            continue
        began = MIDDLE if fault.strike else 0.0
        delays = [[at - began for what, at in r["alerts"] if what in fault.names or not fault.names] for r in warn]
        named = [min(d) for d in delays if d]
        well = [r["distance"] <= 1.2 * healthy.get((r["seed"], r["images"]), 0.0) for r in auto]
        shown.add_row(
            name, str(len(warn)), f"{len(named)}/{len(warn)}", f"{statistics.median(named):.2f}" if named else "",
            f"{statistics.median(r['distance'] for r in warn):.2f}",
            f"{statistics.median(r['distance'] for r in auto):.2f}", f"{sum(well)}/{len(well)}",
        )  # fmt: skip
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", nargs="+", default=list(FAULTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--modes", nargs="+", default=["warn", "auto"])
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-stability/results.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    resolve.keep_memory()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(r["fault"], r["mode"], r["seed"], r["images"]) for r in rows}
    for seed in options.seeds:
        for name in options.faults:
            for mode in options.modes:
                if (name, mode, seed, options.images) in done:
                    continue
                row = run(name, mode, seed, options.images)
                rows.append(row)
                print(json.dumps(row), flush=True)
                with open(options.out, "a") as file:
                    file.write(json.dumps(row) + "\n")
    Console(width=140).print(table(rows))


if __name__ == "__main__":
    main()
