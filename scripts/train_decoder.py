"""Trains the decoder of `ganvas style --fast`, on photographs of installed packages and textures made by code.

python scripts/train_decoder.py --out FOLDER   (about 20 minutes of one idle core; run again to go on)

Each block learns to undo its part of the network, on features of real pictures and, half of the time, on what the
block before it made of them; so no gradient passes through the network itself. Nothing of any painter is in the data.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))
import textures

from ganvas import images
from ganvas.style import network
from ganvas.style.decoder import LEVELS, STRIDE, Decoder, packed
from ganvas.style.precision import half_is_faster

PHOTOGRAPHS = {
    "scikit-image": "skimage/data: astronaut.png chelsea.png coffee.png rocket.jpg motorcycle_left.png "
    "hubble_deep_field.jpg ihc.png retina.jpg camera.png brick.png grass.png gravel.png moon.png",
    "scikit-learn": "sklearn/datasets/images: china.jpg flower.jpg",
    "matplotlib": "matplotlib/mpl-data/sample_data: grace_hopper.jpg",
}
PICTURES, SIDE, TEXTURES = 480, 128, 120  # pieces that the decoder learns to give back; textures among them
BATCH, SAVE_EVERY = 4, 50


class Round(NamedTuple):
    """A part of the training, with pieces of its own."""

    seed: int
    first_texture: int
    window: int  # positions of the deepest level, in height and width, that a step sees of a piece
    steps: int
    rate: float  # of learning, at the start
    last: float  # share of it that is left at the end


ROUNDS = (
    Round(1, 0, 11, 1600, 1.2e-3, 0.08),
    Round(3, 2000, 11, 700, 7e-4, 0.04),
    Round(5, 4000, 16, 1200, 1e-3, 0.02),
)


def photographs() -> list[np.ndarray]:
    """The photographs, uint8 [H, W, 3]."""
    found = []
    for package, listed in PHOTOGRAPHS.items():
        folder, names = listed.split(": ")
        for name in names.split():
            path = Path(str(metadata.distribution(package).locate_file(f"{folder}/{name}")))
            found.append(np.asarray(Image.open(path).convert("RGB")))
    return found


def piece(rng: np.random.Generator, picture: np.ndarray, side: int) -> np.ndarray:
    """A random square of a picture in random colours, float32 [side, side, 3] in [0, 1]."""
    height, width = picture.shape[:2]
    size = int(min(height, width, side * np.exp(rng.uniform(np.log(0.9), np.log(3.2)))))
    top, left = rng.integers(0, height - size + 1), rng.integers(0, width - size + 1)
    square = Image.fromarray(picture[top : top + size, left : left + size])
    pixels = np.asarray(square.resize((side, side), Image.Resampling.LANCZOS)).astype(np.float32) / 255
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    if rng.random() < 0.2:
        pixels = np.rot90(pixels, rng.integers(1, 4))
    if rng.random() < 0.35:
        pixels = pixels[..., rng.permutation(3)]
    if rng.random() < 0.1:
        pixels = 1 - pixels
    pixels = np.clip(pixels, 0, 1) ** np.exp(0.35 * rng.standard_normal())
    pixels = pixels * (1 + 0.12 * rng.standard_normal(3)) + 0.05 * rng.standard_normal(3)
    return np.ascontiguousarray(np.clip(pixels, 0, 1), np.float32)


def pieces(seed: int, count: int, side: int, made: list[np.ndarray], share: float) -> Tensor:
    """Pieces [count, 3, side, side], a share of them of textures, the others of photographs."""
    rng, real = np.random.default_rng(seed), photographs()
    rows = []
    for _ in range(count):
        pool = made if rng.random() < share else real
        rows.append(piece(rng, pool[rng.integers(len(pool))], side))
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)


def half() -> torch.autocast:
    """Half precision where it is faster; elsewhere it would take several times as long."""
    return torch.autocast("cpu", torch.bfloat16, enabled=half_is_faster())


def look(backbone: network.Backbone, pictures: Tensor) -> list[Tensor]:
    """Features of the four levels, shallow to deep, kept in half precision."""
    with half():
        found = backbone.features(pictures, LEVELS)
    return [found[name].half() for name in LEVELS]


class Data:
    """A pool of pieces with their features."""

    def __init__(self, backbone: network.Backbone, part: Round):
        self.window = part.window
        made = [textures.make(number) for number in range(part.first_texture, part.first_texture + TEXTURES)]
        self.pictures = pieces(part.seed, PICTURES, SIDE, made, 0.35)
        with torch.no_grad():
            groups = [look(backbone, group) for group in self.pictures.split(8)]
        self.features = [torch.cat(level) for level in zip(*groups, strict=True)]

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, list[Tensor]]:
        """A window of some pieces, and its features."""
        rows = torch.from_numpy(rng.integers(0, PICTURES, BATCH))
        top, left = rng.integers(0, SIDE // STRIDE - self.window + 1, 2)

        def cut(level: Tensor) -> Tensor:
            scale = level.shape[2] * STRIDE // SIDE  # positions to one of the deepest level
            y, x, side = scale * top, scale * left, scale * self.window
            return level[rows, :, y : y + side, x : x + side].float().contiguous(memory_format=torch.channels_last)

        return cut(self.pictures), [cut(level) for level in self.features]


def relative(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error, away from the borders that a cut has made."""
    inner = (..., slice(2, -2), slice(2, -2))
    return functional.mse_loss(found.float()[inner], wanted[inner])


def restore(decoder: Decoder, data: Data, rng: np.random.Generator) -> Tensor:
    """Each block against the network's own features; shallow blocks on a part of the window, which is enough."""
    picture, (f1, f2, f3, f4) = data.draw(rng)

    def either(true: Tensor, made: Tensor) -> Tensor:
        return torch.where(torch.from_numpy(rng.random((len(true), 1, 1, 1)) < 0.5), true, made.detach().float())

    at = int(rng.integers(0, 2 * data.window - 16))
    middle, fine = slice(2 * at, 2 * at + 34), slice(4 * at + 12, 4 * at + 52)
    with half():
        made3 = decoder.blocks[0](f4)
        made2 = decoder.blocks[1](either(f3, made3)[:, :, at : at + 17, at : at + 17])
        true2, true1 = f2[:, :, middle, middle], f1[:, :, fine, fine]
        made1 = decoder.blocks[2](either(true2, made2)[:, :, 6:26, 6:26])
        made = decoder.picture(either(true1, made1))
    parts = relative(made3, f3) + relative(made2, true2) + relative(made1, true1)
    return parts + 20 * relative(made, picture[:, :, fine, fine])


def train(out: Path) -> Path:
    """Every round, from where the folder says; the file of weights is written at the end."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    backbone = network.backbone()
    decoder = Decoder().to(memory_format=torch.channels_last)
    with torch.no_grad():  # begin near grey
        decoder.picture.conv.weight.mul_(0.1)
        decoder.picture.conv.bias.fill_(0.45)
    optimiser = torch.optim.Adam(decoder.parameters(), fused=True)
    kept, done = out / "state.pt", (0, 0)  # rounds finished, steps of the next
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        decoder.load_state_dict(state["decoder"])
        optimiser.load_state_dict(state["optimiser"])
        done = tuple(state["done"])
    for number, part in list(enumerate(ROUNDS))[done[0] :]:
        data = Data(backbone, part)
        for step in range(done[1] if number == done[0] else 0, part.steps):
            fall = 0.5 * (1 + float(np.cos(np.pi * step / part.steps)))
            optimiser.param_groups[0]["lr"] = part.rate * min(1, (step + 1) / 30) * (part.last + (1 - part.last) * fall)
            optimiser.zero_grad()
            loss = restore(decoder, data, np.random.default_rng([part.seed, step]))
            loss.backward()
            optimiser.step()
            if (step + 1) % SAVE_EVERY == 0:
                print(f"round {number}, step {step + 1}: {float(loss.detach()):.3f}", time.strftime("%X"), flush=True)
                at = [number, step + 1] if step + 1 < part.steps else [number + 1, 0]
                torch.save({"decoder": decoder.state_dict(), "optimiser": optimiser.state_dict(), "done": at}, kept)
    images.write_bytes(out / "decoder.safetensors", save(packed(decoder)))
    return out / "decoder.safetensors"


def main() -> None:
    """Train, and print the file's length and SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    path = train(parser.parse_args().out)
    data = path.read_bytes()
    print(path, len(data), hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
