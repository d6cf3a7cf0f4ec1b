"""A network that learnt one style beside steps of optimisation: content and style loss on photographs it never saw.

    ganvas style-train STYLE --out RUN
    python benchmarks/stylist.py RUN --photos FILE... --out results.jsonl [--pictures FOLDER]

The judge is the objective of `ganvas style` at strength 0.5, in float32, at what a file would hold. A painting by
optimisation is made once and kept in the folder of the results; run it again for other runs, or for a later checkpoint.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
from results import Results

from ganvas import api, painter, photos, quick, stylists
from ganvas.photos import Photo
from ganvas.style.config import StyleConfig
from ganvas.style.network import backbone
from ganvas.style.objective import Objective, Source, scaled

FIXED = {"relative": False}  # weights, so that one judge serves all photographs
HEAD = "| | content | style | times the style of optimisation |\n| --- | --- | --- | --- |"


def opened(path: Path, size: int) -> Photo:
    """A photograph with the longer side as asked."""
    photo = photos.read(path)
    return photo.resized(*scaled(photo.height, photo.width, size / max(photo.height, photo.width)))


class Judge:
    """How far pictures are from one photograph and from the style."""

    def __init__(self, photograph: np.ndarray, style: np.ndarray):
        sources = [Source(painter.as_tensor(style))]
        self.objective = Objective(backbone(), StyleConfig().but(weights=FIXED), painter.as_tensor(photograph), sources)

    def __call__(self, picture: np.ndarray) -> dict[str, float]:
        """The content loss, and 100 times the mean Gram error of a layer."""
        found = self.objective(painter.as_tensor(picture.clip(0, 1)), 0).losses
        return {"content": found["content"], "style": 100 * found["style"] / self.objective.style_weight}


class Optimised:
    """Photographs painted by so many steps at one scale, remembered in files."""

    def __init__(self, style: Path, steps: int, folder: Path):
        self.style, self.steps, self.folder = style, steps, folder

    def __call__(self, photograph: Photo, name: str) -> np.ndarray:
        size = max(photograph.height, photograph.width)
        kept = self.folder / f"{name}-{self.style.stem}-{size}-{self.steps}.png"
        if not kept.exists():
            settings = {"scales.smallest": size, "scales.first_steps": self.steps, "scales.tolerance": 0.0}
            settings["weights.relative"] = False
            painter.stylize(photograph, self.style, kept, size=None, settings=settings).run()
        return photos.read(kept).pixels


def table(rows: list[dict]) -> str:
    """Means over photographs as a Markdown table."""
    lines, reference = [HEAD], None
    for who in dict.fromkeys(row["who"] for row in rows):
        mine = [row for row in rows if row["who"] == who]
        content, style = (statistics.mean(row[name] for row in mine) for name in ("content", "style"))
        reference = style if who.endswith("steps") else reference
        times = f"{style / reference:.2f}" if reference else ""
        lines.append(f"| {who} | {content:.2f} | {style:.2f} | {times} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--retouch", type=int, nargs="*", default=[], help="steps on what the network painted, too")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, help="folder for what the network paints")
    asked = parser.parse_args()
    results, trained = Results(asked.out), api.load(asked.run)
    style = Path(trained.run.resolved.style.picture)
    stylist, seen = stylists.load(asked.run), trained.state.images_seen
    makers = {
        "photograph": lambda photograph, _: photograph.pixels,
        f"{asked.steps} steps": Optimised(style, asked.steps, asked.out.parent),
        f"network after {seen:,} images": lambda photograph, _: stylist.paint(photograph.pixels),
    }
    for steps in asked.retouch:
        makers[f"network after {seen:,} images, {steps} more"] = lambda photograph, _, steps=steps: (
            quick.retouched(photograph, asked.run, steps=steps, size=None).run().pixels
        )
    for path in asked.photos:
        photograph = opened(path, asked.size)
        judge = Judge(photograph.pixels, photos.read(style).pixels)
        for who, make in makers.items():
            job = {"who": who, "photograph": path.stem, "painting": style.stem, "size": asked.size}
            with results.claim(**job) as mine:
                if not mine:
                    continue
                painted = make(photograph, path.stem)
                results.add(job | judge(painted))
            if asked.pictures is not None:
                asked.pictures.mkdir(parents=True, exist_ok=True)
                photos.write(asked.pictures / f"{path.stem}-{who.replace(' ', '-')}.png", Photo(painted))
    print(table([row for row in results.rows() if row["painting"] == style.stem and row["size"] == asked.size]))


if __name__ == "__main__":
    main()
