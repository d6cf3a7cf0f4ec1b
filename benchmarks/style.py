"""Time to the classic objective that `pastiche` 1.6.0 reaches in 150 steps, beside ganvas on the same pairs.

    python benchmarks/style.py run FOLDER --contents a.jpg b.jpg --styles c.jpg d.jpg --out results.jsonl
    python benchmarks/style.py table results.jsonl

`run` works at most so many `--seconds`, then keeps where it stands: run it again until it says that all is done. What
pastiche reached in a pair is kept in the file and never worked out twice, so that other `--scales` of ganvas cost only
ganvas's time. The judge is pastiche's own objective in float32, at the pictures as they leave the optimiser; and once
more at what a file of them would hold, cut off at black and white ("clipped").
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pastiche.pastiche import VGG_MEAN, PasticheArtist, load_image, save_image

from ganvas.style import optimise
from ganvas.style.config import StyleConfig
from ganvas.style.events import Painted, Stepped
from ganvas.style.network import LAYERS, PHOTOS_RMS, backbone
from ganvas.style.objective import Source

CHANNELS = {1: 64, 2: 128, 3: 256, 4: 512, 5: 512}
SLACK = 0.99  # ours is judged once its own value, if it is worked out in bfloat16, is so far below the target
SCALES = "first_steps=50,steps=100"

Line = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """A photograph and a painting, at a size."""

    content: Path
    style: Path
    size: int

    def __str__(self) -> str:
        return f"{self.content.stem}, {self.style.stem}"

    def artist(self, method: str) -> PasticheArtist:
        """pastiche with its defaults."""
        return PasticheArtist(str(self.content), [str(self.style)], size=self.size, optimizer=method)

    def pictures(self) -> list[torch.Tensor]:
        """Both pictures as pastiche reads them, in [0, 1]."""
        content = to_unit(load_image(str(self.content), size=self.size))
        return [content, to_unit(load_image(str(self.style), pixels=content.shape[2] * content.shape[3]))]


class Clock:
    """Wall and CPU seconds, on top of what earlier processes took."""

    def __init__(self, wall: float = 0.0, cpu: float = 0.0) -> None:
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu

    def read(self) -> dict[str, float]:
        return {"wall": time.perf_counter() - self.wall, "cpu": time.process_time() - self.cpu}


def to_unit(picture: torch.Tensor) -> torch.Tensor:
    """pastiche's picture, blue first and centred, as sRGB in [0, 1]."""
    return ((picture.detach() + torch.tensor(VGG_MEAN).view(1, 3, 1, 1)) / 255).flip(1)


def judge(artist: PasticheArtist, picture: torch.Tensor) -> float:
    """pastiche's objective at a picture in [0, 1]."""
    with torch.no_grad():
        artist.pastiche.copy_(picture.flip(1) * 255 - torch.tensor(VGG_MEAN).view(1, 3, 1, 1))
        return artist._calc_loss().item()


def judged(artist: PasticheArtist, picture: torch.Tensor) -> dict[str, float]:
    """The objective of a picture as it is, and as a file would hold it."""
    return {"loss": judge(artist, picture), "clipped": judge(artist, picture.clamp(0, 1))}


def run_pastiche(pair: Pair, method: str, steps: int, kept: Path, seconds: float) -> Line | None:
    """So many steps of pastiche; None when the seconds are over before, and all that is needed to go on is kept."""
    end, clock = time.monotonic() + seconds, Clock()
    artist = pair.artist(method)
    started, done = clock.read(), 0
    if kept.exists():
        held = torch.load(kept, weights_only=True)
        artist.pastiche.data.copy_(held["picture"])
        artist.optimizer.load_state_dict(held["optimizer"])
        started, done, clock = held["start"], held["done"], Clock(**held["clock"])
    while done < steps:
        if time.monotonic() > end:
            state = {"picture": artist.pastiche.data, "optimizer": artist.optimizer.state_dict(), "start": started}
            torch.save(state | {"done": done, "clock": clock.read()}, kept)
            return None
        artist.draw()
        done += 1
    total = clock.read()
    save_image(artist.pastiche, kept.with_suffix(".png"))
    kept.unlink(missing_ok=True)
    return {"start": started, "total": total, **judged(artist, to_unit(artist.pastiche))}


def classic(precision: str, scales: str) -> StyleConfig:
    """pastiche's objective in our terms: its layers are not divided by anything, its pixels are 0-255."""
    rms = dict(zip(LAYERS, PHOTOS_RMS))
    shares = {f"relu{b}_1": 10 / CHANNELS[b] ** 2 * rms[f"relu{b}_1"] ** 4 for b in CHANNELS}
    weights = {"content": 0.01 * rms["relu4_2"] ** 2, "style": sum(shares.values()), "relative": False}
    weights |= {"smoothness": 0.0, "range": 0.0}
    chosen = {name: float(value) for name, value in (part.split("=") for part in scales.split(","))}
    config = StyleConfig(size=None, padding="zeros", precision=precision, strength=0.5)
    return config.but(
        weights=weights | {"style_layers": shares}, scales=chosen | {"tolerance": 0.0}, optimiser={"history": 40}
    )


def run_ganvas(pair: Pair, config: StyleConfig, target: float) -> Line:
    """ganvas until its own value of the objective is at the target, or all steps are made."""
    pictures, values, clock = pair.pictures(), [math.inf], Clock()
    network = backbone(padding="zeros", precision=config.precision)
    narrow = next(network.parameters()).dtype != torch.float32
    started, size = clock.read(), tuple(pictures[0].shape[2:])
    job = optimise.Job(config, pictures[0], [Source(pictures[1])])
    enough = target * (SLACK if narrow else 1.0)
    for event in optimise.paint(job, network, should_stop=lambda: values[-1] < enough):
        if isinstance(event, Stepped) and event.size == size:
            values.append(event.loss)
    assert isinstance(event, Painted)
    total, picture = clock.read(), torch.from_numpy(event.picture).permute(2, 0, 1)[None]
    found = judged(pair.artist("lbfgs"), picture)
    return {"start": started, "total": total, **found, "own": values[1::5], "steps": event.step}


def run(asked: argparse.Namespace) -> None:
    """What is not in the file yet, until the seconds are over."""
    end = time.monotonic() + asked.seconds
    asked.out.touch()
    for pair in pairs(asked):
        about = {"content": pair.content.name, "style": pair.style.name, "size": pair.size}
        for method in asked.methods:
            wanted = about | {"tool": "pastiche", "method": method, "steps": asked.steps}
            if found(asked.out, wanted) is None:
                kept = asked.out.with_name(f"{pair.content.stem}-{pair.style.stem}-{pair.size}-{method}.unfinished")
                line = run_pastiche(pair, method, asked.steps, kept, end - time.monotonic())
                if line is None:
                    print(f"{pair}: pastiche's {method} is not done yet; run it again.")
                    return
                keep(asked.out, wanted | line)
        best = min((found(asked.out, about | {"tool": "pastiche", "method": m}) for m in asked.methods), key=loss_of)
        wanted = about | {"tool": "ganvas", "scales": asked.scales, "precision": asked.precision}
        if found(asked.out, wanted) is None:
            if time.monotonic() > end:
                print(f"{pair}: ganvas is not done yet; run it again.")
                return
            assert best is not None
            keep(asked.out, wanted | run_ganvas(pair, classic(asked.precision, asked.scales), best["loss"]))
    print("all is done.")


def pairs(asked: argparse.Namespace) -> Iterator[Pair]:
    """Every photograph with every painting."""
    for content in asked.contents:
        for style in asked.styles:
            yield Pair(asked.folder / content, asked.folder / style, asked.size)


def loss_of(line: Line | None) -> float:
    """The objective reached."""
    return math.inf if line is None else float(line["loss"])


def lines(path: Path) -> list[Line]:
    """What is in the file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def found(path: Path, wanted: Line) -> Line | None:
    """The last line that says so."""
    fitting = [line for line in lines(path) if wanted.items() <= line.items()]
    return fitting[-1] if fitting else None


def keep(path: Path, line: Line) -> None:
    """A line more."""
    line["threads"] = torch.get_num_threads()
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    shown = {key: value for key, value in line.items() if key != "own"}
    print(json.dumps(shown), flush=True)


def table(asked: argparse.Namespace) -> None:
    """Every pair's row, and the median of how many times less CPU ganvas took where it reached the target."""
    ratios = []
    tools = "pastiche: CPU-seconds, of them loading | objective | clipped | ganvas: CPU-seconds, of them loading"
    print(f"| pair | {tools} | objective | clipped | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for line in lines(asked.results):
        if line["tool"] != "ganvas" or line["scales"] != asked.scales:
            continue
        about = {key: line[key] for key in ("content", "style", "size")}
        theirs = [other for other in lines(asked.results) if (about | {"tool": "pastiche"}).items() <= other.items()]
        best = min(theirs, key=loss_of)
        reached = line["loss"] <= best["loss"]
        ratio = best["total"]["cpu"] / line["total"]["cpu"]
        ratios += [ratio] if reached else []
        cells = [f"{Path(line['content']).stem}, {Path(line['style']).stem}"]
        for tool in (best, line):
            cells.append(f"{tool['total']['cpu']:.1f}, {tool['start']['cpu']:.1f}")
            cells += [f"{tool['loss']:,.0f}", f"{tool['clipped']:,.0f}"]
        print("|", " | ".join([*cells, f"{ratio:.2f}" if reached else "not reached"]), "|")
    if ratios:
        print(f"\nmedian of {len(ratios)} that were reached: {statistics.median(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run")
    one.set_defaults(do=run)
    one.add_argument("folder", type=Path)
    one.add_argument("--contents", nargs="+", required=True)
    one.add_argument("--styles", nargs="+", required=True)
    one.add_argument("--out", type=Path, required=True, help="results; pastiche's pictures come beside them")
    one.add_argument("--size", type=int, default=256)
    one.add_argument("--steps", type=int, default=150, help="of pastiche")
    one.add_argument("--methods", nargs="+", choices=("lbfgs", "adam"), default=["lbfgs"], help="of pastiche")
    one.add_argument("--scales", default=SCALES, help="of ganvas")
    one.add_argument("--precision", default="auto", help="of ganvas")
    one.add_argument("--seconds", type=float, default=math.inf, help="of this call, about")
    other = commands.add_parser("table")
    other.set_defaults(do=table)
    other.add_argument("results", type=Path)
    other.add_argument("--scales", default=SCALES)
    asked = parser.parse_args()
    asked.do(asked)


if __name__ == "__main__":
    main()
