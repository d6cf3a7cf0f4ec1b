"""Time to the classic objective that `pastiche` 1.6.0 reaches in 150 steps of L-BFGS, beside ganvas on the same pair.

    python benchmarks/style.py FOLDER --contents a.jpg b.jpg --styles c.jpg d.jpg --out results.jsonl

One pair a call, the first that is not in the file yet, one tool after the other; run it again for the next.
The judge is pastiche's own objective in float32, at the pictures as they leave the optimiser; and once more at
what a file of them would hold, cut off at black and white ("clipped").
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from pastiche.pastiche import VGG_MEAN, PasticheArtist, load_image, save_image

from ganvas.style import optimise
from ganvas.style.config import StyleConfig
from ganvas.style.events import Painted, Stepped
from ganvas.style.network import LAYERS, PHOTOS_RMS, backbone
from ganvas.style.objective import Source

CHANNELS = {1: 64, 2: 128, 3: 256, 4: 512, 5: 512}
SLACK = 0.99  # ours is judged once its own value, worked out in bfloat16, is so far below the target


def classic(precision: str, scales: dict[str, float]) -> StyleConfig:
    """pastiche's objective in our terms: its layers are not divided by anything, its pixels are 0-255."""
    rms = dict(zip(LAYERS, PHOTOS_RMS))
    shares = {f"relu{b}_1": 10 / CHANNELS[b] ** 2 * rms[f"relu{b}_1"] ** 4 for b in CHANNELS}
    weights = {"content": 0.01 * rms["relu4_2"] ** 2, "style": sum(shares.values()), "smoothness": 0.0, "range": 0.0}
    config = StyleConfig(size=None, padding="zeros", precision=precision, strength=0.5)
    return config.but(weights=weights | {"style_layers": shares}, scales=scales, optimiser={"history": 40})


class Clock:
    """Wall and CPU seconds."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        return {"wall": time.perf_counter() - self.wall, "cpu": time.process_time() - self.cpu}


def run_pastiche(content: Path, style: Path, size: int, steps: int) -> tuple[PasticheArtist, dict]:
    clock = Clock()
    artist = PasticheArtist(str(content), [str(style)], size=size)
    started = clock.read()
    for _ in range(steps):
        artist.draw()
    done = clock.read()
    with torch.no_grad():
        reached = artist._calc_loss().item()
    kept = to_unit(artist.pastiche)
    clipped = judge(artist, kept.clamp(0, 1))  # which is then what its file would hold
    return artist, {"start": started, "total": done, "loss": reached, "clipped": clipped}


def to_unit(picture: torch.Tensor) -> torch.Tensor:
    """pastiche's picture, blue first and centred, as sRGB in [0, 1]."""
    return ((picture.detach() + torch.tensor(VGG_MEAN).view(1, 3, 1, 1)) / 255).flip(1)


def judge(artist: PasticheArtist, picture: torch.Tensor) -> float:
    """pastiche's objective at a picture in [0, 1]."""
    with torch.no_grad():
        artist.pastiche.copy_(picture.flip(1) * 255 - torch.tensor(VGG_MEAN).view(1, 3, 1, 1))
        return artist._calc_loss().item()


def run_ganvas(artist: PasticheArtist, pictures: list[torch.Tensor], config: StyleConfig, target: float) -> dict:
    clock, values = Clock(), [math.inf]
    network = backbone(padding="zeros", precision=config.precision)
    started, size = clock.read(), tuple(pictures[0].shape[2:])
    job = optimise.Job(config, pictures[0], [Source(pictures[1])])
    for event in optimise.paint(job, network, should_stop=lambda: values[-1] < target * SLACK):
        if isinstance(event, Stepped) and event.size == size:
            values.append(event.loss)
    assert isinstance(event, Painted)
    done, picture = clock.read(), torch.from_numpy(event.picture).permute(2, 0, 1)[None]
    return {"start": started, "total": done, "loss": judge(artist, picture),
            "clipped": judge(artist, picture.clamp(0, 1)), "own": values[-1], "steps": event.step}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--contents", nargs="+", required=True)
    parser.add_argument("--styles", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--pictures", type=Path, help="folder for what pastiche painted")
    asked = parser.parse_args()
    lines = asked.out.read_text().splitlines() if asked.out.exists() else []
    done = {(line["content"], line["style"]) for line in map(json.loads, lines)}
    for content, style in ((c, s) for c in asked.contents for s in asked.styles if (c, s) not in done):
        paths = asked.folder / content, asked.folder / style
        artist, theirs = run_pastiche(*paths, asked.size, asked.steps)
        if asked.pictures is not None:
            asked.pictures.mkdir(parents=True, exist_ok=True)
            save_image(artist.pastiche, asked.pictures / f"{paths[0].stem}-{paths[1].stem}.png")
        config = classic(asked.precision, {"first_steps": 100, "steps": 50, "tolerance": 0.0})
        pictures = [to_unit(load_image(str(paths[0]), size=asked.size))]
        pictures.append(to_unit(load_image(str(paths[1]), pixels=pictures[0].shape[2] * pictures[0].shape[3])))
        ours = run_ganvas(artist, pictures, config, theirs["loss"])
        line = {
            "content": content,
            "style": style,
            "size": asked.size,
            "steps": asked.steps,
            "threads": torch.get_num_threads(),
            "pastiche": theirs,
            "ganvas": ours,
        }
        with asked.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line, indent=1))
        return


if __name__ == "__main__":
    main()
