"""Twelve induced faults and many healthy runs: what the monitors say, and whether remedies put it right.

    python benchmarks/stability.py faults --seeds 0 1 2
    python benchmarks/stability.py healthy --seeds 0 1 2
    python benchmarks/stability.py table --seeds 0 1 2 --write docs/experiments.md
    python benchmarks/stability.py record --seeds 101 --to tests/recordings.json

Faults are induced in runs on the digits at 16 pixels with a small pair of the default networks, one thread,
`steady.mode=auto`. Healthy runs are of several sources, networks and losses, with `steady.mode=warn`. Rows, with the
whole history of checkups, are appended to a JSON-lines file that several processes may fill; what is already there is
not run again. Monitors are functions of the history: when they have changed, what they say of a healthy run is worked
out anew from its row, and only where they say something is it run once more with `auto`, to see whether that does harm.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results import Results, Row, write_section

from ganvas import augment, presets
from ganvas.data.source import Dataset, open_source
from ganvas.errors import TrainingFailed
from ganvas.events import Alert, Remedy
from ganvas.training import engine, resolve
from ganvas.training.loop import train
from ganvas.training.monitors import findings
from ganvas.training.state import State
from ganvas.training.vitals import Vitals

MIDDLE = 0.4  # of the run, where faults that strike do so
CHECKUPS = 32  # a run, as in one of the usual length
BEGINNING = 1 / 16  # of the run, with faults that are told before its first step
SMALL = {"data.resolution": "16", "data.labels": False, "network.compute": 3.0}
LABELLED = {"data.labels": True}
HEALTHY_AGAIN = 1.2  # times the healthy distance of the same seed


@dataclass(frozen=True)
class Fault:
    """Something wrong from the start (settings, data, objective) or that strikes in the middle.

    Attributes:
        names: alarms that name it rightly.
        settings: changed settings.
        data: changed samples.
        strike: changes the state, at MIDDLE of the run.
        rig: changes the state before the run.
        curable: whether the run itself could get well; a person must see to the others.
        length: share of the run that is made.
    """

    names: tuple[str, ...]
    settings: dict[str, Any] | None = None
    data: Callable[[Dataset], Dataset] | None = None
    strike: Callable[[State], None] | None = None
    rig: Callable[[State], None] | None = None
    curable: bool = True
    length: float = 1.0


def few(dataset: Dataset) -> Dataset:
    return replace(dataset, samples=dataset.samples[:40], labels=None, key="few")


def alike(dataset: Dataset) -> Dataset:
    return replace(dataset, samples=dataset.samples[:1].repeat(1000, 0), labels=None, key="alike")


def wrong_range(dataset: Dataset) -> Dataset:
    """Values from 0 to 1 taken for values from 0 to 255."""
    return replace(dataset, samples=(np.asarray(dataset.samples) / 255).round().astype(np.uint8), key="dark")


def shuffled(dataset: Dataset) -> Dataset:
    """Each picture with the label of another one."""
    labels = np.random.default_rng(0).permutation(dataset.labels)
    return replace(dataset, labels=labels, key="shuffled")


def reset_generator(state: State) -> None:
    for network in (state.networks["generator"], state.averages["generator"]):
        for module in network.modules():
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


def freeze(state: State) -> None:
    """As after one enormous gradient: the optimiser's mean square is so large that its steps are nothing."""
    for kept in state.optimisers["discriminator"].state.values():
        kept["exp_avg_sq"].fill_(1e20)


def augment_reals_alone(state: State) -> None:
    """The classic leak: fakes are shown as they are, so the generator learns to make augmented pictures."""
    game: Any = state.phases[0].loss.__self__  # type: ignore[attr-defined]
    policy = game.policy
    game.policy = lambda step, samples: ()

    def blur(step: Any, side: str, samples: Any) -> Any:
        if side == "fake":
            return samples
        strength = game.strength(step)
        return augment.augment(samples, step.draws.uniform("leak", augment.DRAWS), policy(step, samples), strength)

    game.blur = blur


COLLAPSED = ("mode collapse", "dead output", "divergence")
FAULTS: dict[str, Fault] = {
    "none": Fault(()),
    "discriminator lr x 50": Fault(
        ("discriminator too fast", "exploding gradients"), {"optimiser.discriminator_lr": 0.1}
    ),
    "generator lr x 50": Fault(("generator too fast", *COLLAPSED), {"optimiser.generator_lr": 0.5}),
    "huge discriminator, no penalty": Fault(
        ("discriminator too strong", "mode collapse", "vanishing gradients"),
        {"loss.r1": 0.0, "loss.r2": 0.0, "network.discriminator_width": 48},
    ),
    "40 pictures": Fault(
        ("too few pictures", "memorising"), {"batch_size": 32}, data=few, curable=False, length=BEGINNING
    ),
    "batch of 4": Fault(("small batch",), {"batch_size": 4}, curable=False, length=BEGINNING),
    "wrong range": Fault(("wrong range",), data=wrong_range, curable=False, length=BEGINNING),
    "pictures all alike": Fault(("pictures alike",), data=alike, curable=False, length=BEGINNING),
    "labels shuffled": Fault(("labels mean nothing",), LABELLED, data=shuffled, curable=False, length=BEGINNING),
    "generator reset": Fault(COLLAPSED, strike=reset_generator),
    "frozen discriminator": Fault(("discriminator stands still",), strike=freeze),
    "dead units": Fault(("dead units", *COLLAPSED), strike=kill_units),
    "leaking augmentation": Fault(
        ("leaking augmentation",), {"augment.policy": "translation,cutout"}, rig=augment_reals_alone
    ),
    "not a number": Fault(("non-finite", "not finite"), strike=poison),
}

LOSSES: dict[str, dict[str, Any]] = {
    "hinge": {"loss.adversarial": "hinge"},
    "non-saturating": {"loss.adversarial": "nonsaturating"},
    "least squares": {"loss.adversarial": "least-squares"},
    "wasserstein": {
        "loss.adversarial": "wasserstein", "loss.gradient_penalty": 10.0, "loss.penalty_every": 1,
        "optimiser.generator_lr": 2e-3,
    },
}  # fmt: skip
HEALTHY: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "digits": ("digits", None, SMALL),
    **{f"digits, {name}": ("digits", None, SMALL | settings) for name, settings in LOSSES.items()},
    "digits, augmented": ("digits", None, SMALL | {"augment.policy": "translation,cutout"}),
    "digits, labelled": ("digits", None, SMALL | LABELLED),
    "digits, dcgan": ("digits", "dcgan", {"data.resolution": "16", "network.width": 16, "optimiser.generator_lr": 1e-3,
                                           "optimiser.discriminator_lr": 1e-3}),
    "digits, perceptrons": ("digits", "digits-perceptrons", {"data.resolution": "16"}),
    "ring": ("ring", None, {}),
    "grid": ("grid", None, {}),
    "sine": ("sine", None, {}),
    "spiral": ("spiral", None, {}),
    "sine, classic": ("sine", "sine-classic", {}),
}  # fmt: skip


def run(source: str, preset: str | None, settings: dict[str, Any], fault: Fault) -> Row:
    """What was said and done in a run, and how it ended."""
    config = presets.configure(source, preset, settings | (fault.settings or {}))
    dataset = open_source(source, config.data, limit=32)
    dataset = fault.data(dataset) if fault.data else dataset
    config = resolve.with_machine(resolve.with_source(config, dataset), dataset, engine.Engine())
    state = State(config, dataset.shape)
    if fault.rig:
        fault.rig(state)
    told, done, struck, failed = [], [], False, ""
    began, total = time.process_time(), config.total_images or 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            for event in train(config, dataset, state=state, checkpoints=Path(folder)):
                if fault.strike and not struck and state.images_seen >= MIDDLE * total:
                    fault.strike(state)
                    struck = True
                if isinstance(event, Alert):
                    told.append((event.monitor, round(event.images_seen / total, 3)))
                if isinstance(event, Remedy):
                    done.append((event.action, round(event.images_seen / total, 3)))
        except TrainingFailed as error:
            failed = str(error)
    last = state.history[-3:]
    return {
        "alerts": told, "remedies": done, "failed": failed,
        "distance": round(statistics.mean(v.loss for v in last), 5),
        "coverage": round(last[-1].coverage, 3), "diversity": round(last[-1].diversity, 3),
        "cpu_seconds": round(time.process_time() - began, 1),
        "history": [{n: round(x, 6) if isinstance(x, float) else x for n, x in asdict(v).items()}
                    for v in state.history],
    }  # fmt: skip


def run_faults(results: Results, names: list[str], seeds: list[int], images: int, mode: str) -> None:
    for seed in seeds:
        for name in names:
            job = {"what": "fault", "name": name, "mode": mode, "seed": seed, "images": images}
            with results.claim(**job) as mine:
                if mine:
                    settings = SMALL | {"total_images": images, "seed": seed, "threads": 1, "steady.mode": mode}
                    settings["steady.every_images"] = images // CHECKUPS
                    settings["total_images"] = round(FAULTS[name].length * images)
                    results.add(job | run("digits", None, settings, FAULTS[name]))


def alarms(row: Row) -> list[str]:
    """What the monitors, as they are now, say of a recorded run, each name once."""
    history = [Vitals.of(values) for values in row["history"]]
    before = [name for name, at in row["alerts"] if at == 0]
    later = [name for count in range(1, len(history) + 1) for name in findings(history[:count])]
    return list(dict.fromkeys(before + later))


def run_healthy(results: Results, names: list[str], seeds: list[int], steps: int) -> None:
    for seed in seeds:
        for name in names:
            source, preset, settings = HEALTHY[name]
            for mode in ("warn", "auto"):
                job = {"what": "healthy", "name": name, "mode": mode, "seed": seed, "steps": steps}
                with results.claim(**job) as mine:
                    if mine:
                        images = steps * (presets.configure(source, preset, settings).batch_size or 64)
                        changes = settings | {"total_images": images, "seed": seed, "threads": 1, "steady.mode": mode}
                        changes["steady.every_images"] = images // CHECKUPS
                        results.add(job | run(source, preset, changes, Fault(())))
                found = [row for row in results.rows() if all(row.get(n) == v for n, v in job.items())]
                if not any(alarms(row) for row in found):  # nothing to treat: with `auto` it is the same run
                    break


def fault_table(rows: list[Row], seeds: list[int]) -> str:
    """Markdown: how often each fault was named, and how often the run got well."""
    rows = [r for r in rows if r["what"] == "fault" and r["mode"] == "auto" and r["seed"] in seeds]
    healthy = {(r["seed"], r["images"]): r["distance"] for r in rows if r["name"] == "none"}
    lines = ["| fault | named rightly | after, share of the run | also said | distance / healthy | well again |",
             "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    named_in_all, faults_in_all, well_in_all, curable_in_all = 0, 0, 0, 0
    for name, fault in FAULTS.items():
        found = [r for r in rows if r["name"] == name and (r["seed"], r["images"]) in healthy]
        if not found or name == "none":
            continue
        began = MIDDLE if fault.strike else 0.0
        delays = [[at - began for what, at in r["alerts"] if what in fault.names and at >= began] for r in found]
        named = [min(d) for d in delays if d]
        other = sorted({what for r in found for what, _ in r["alerts"]} - set(fault.names))
        ratios = [r["distance"] / healthy[r["seed"], r["images"]] for r in found]
        well = sum(ratio <= HEALTHY_AGAIN for ratio in ratios)
        named_in_all, faults_in_all = named_in_all + len(named), faults_in_all + len(found)
        if fault.curable:
            well_in_all, curable_in_all = well_in_all + well, curable_in_all + len(found)
        after = f"{statistics.median(named):.2f}" if named else ""
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if fault.curable else ""
        lines.append(
            f"| {name} | {len(named)} of {len(found)} | {after} | {', '.join(other)} | {spread} | "
            f"{f'{well} of {len(found)}' if fault.curable else 'for a person'} |"
        )
    lines.append(f"| all | {named_in_all} of {faults_in_all} | | | | {well_in_all} of {curable_in_all} |")
    return "\n".join(lines)


def healthy_table(rows: list[Row], seeds: list[int]) -> str:
    """Markdown: false alarms, and what treating them did."""
    rows = [r for r in rows if r["what"] == "healthy" and r["seed"] in seeds]
    lines = [
        "| healthy run | runs | alarms | treated | distance, treated / untreated |",
        "| --- | --- | --- | --- | --- |",
    ]
    alarmed_in_all = treated_in_all = runs_in_all = 0
    for name in HEALTHY:
        warned = {r["seed"]: r for r in rows if r["name"] == name and r["mode"] == "warn"}
        if not warned:
            continue
        said = {seed: alarms(row) for seed, row in warned.items()}
        treated = [
            r for r in rows
            if r["name"] == name and r["mode"] == "auto" and r["remedies"] and said.get(r["seed"])
        ]  # fmt: skip
        ratios = [f"{r['distance'] / warned[r['seed']]['distance']:.2f}" for r in treated]
        alarmed = sum(map(bool, said.values()))
        alarmed_in_all, treated_in_all = alarmed_in_all + alarmed, treated_in_all + len(treated)
        runs_in_all += len(warned)
        names = [name for found in said.values() for name in found]
        counted = ", ".join(f"{what} {names.count(what)}" for what in sorted(set(names)))
        lines.append(f"| {name} | {len(warned)} | {counted} | {len(treated)} | {', '.join(ratios)} |")
    lines.append(f"| all | {runs_in_all} | in {alarmed_in_all} runs | {treated_in_all} | |")
    return "\n".join(lines)


def record(rows: list[Row], seeds: list[int], path: Path) -> None:
    """Write the history of one untreated run of each kind, column by column: the monitors are tested on them."""
    kept: dict[str, Any] = {}
    for row in rows:
        name = f"{row['what']}: {row['name']}"
        if row["seed"] in seeds and not row["remedies"] and name not in kept:
            columns = {n: [v[n] for v in row["history"]] for n in row["history"][0]}
            short = {n: [float(f"{x:.3g}") if isinstance(x, float) else x for x in c] for n, c in columns.items()}
            kept[name] = {n: column for n, column in short.items() if any(x is not None for x in column)}
    lines = [f"{json.dumps(name)}: {json.dumps(columns)}" for name, columns in kept.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["faults", "healthy", "table", "record"])
    parser.add_argument("--only", nargs="+", help="names of faults or of healthy runs; by default all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--mode", choices=["auto", "warn"], default="auto", help="of runs with faults")
    parser.add_argument("--steps", type=int, default=800, help="of 64 samples for faults, of the run's own batch else")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-stability/results.jsonl"))
    parser.add_argument("--write", type=Path, help="a page with room for the tables, such as docs/experiments.md")
    parser.add_argument("--to", type=Path, help="the file that `record` writes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    resolve.keep_memory()
    results = Results(options.out)
    if options.what == "faults":
        run_faults(results, options.only or list(FAULTS), options.seeds, options.steps * 64, options.mode)
    if options.what == "healthy":
        run_healthy(results, options.only or list(HEALTHY), options.seeds, options.steps)
    if options.what == "record":
        record(results.rows(), options.seeds, options.to)
        return
    found = f"{fault_table(results.rows(), options.seeds)}\n\n{healthy_table(results.rows(), options.seeds)}"
    print(found)
    if options.write:
        write_section(options.write, "stability", found)


if __name__ == "__main__":
    main()
