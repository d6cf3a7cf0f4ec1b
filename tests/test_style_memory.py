"""What painting takes of memory: the forecast, and a process that keeps to what it was told."""

import doctest
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.errors import BadSetting
from ganvas.style import memory
from ganvas.style.config import StyleConfig

GB = 10**9
ALL = {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1", "relu4_2"}


@pytest.mark.parametrize(("text", "value"), [("2GB", 2 * GB), ("500 mb", 500 * 10**6), ("1.5GiB", 3 * 2**29), ("7", 7)])
def test_sizes_are_read(text, value):
    assert memory.parse(text) == value


@pytest.mark.parametrize("text", ["", "much", "2 TB", "-1GB", "0GB", "1.2.3GB"])
def test_other_words_are_refused(text):
    with pytest.raises(BadSetting, match=r"memory takes a number with a unit, such as 2GB or 500MB; got"):
        memory.parse(text)


def test_what_is_alive_when_most_is():
    # At relu1_2: both layers of the first block, and three gradients of its size; relu2_1 is wanted and stays.
    assert memory.most_alive({"relu1_1", "relu2_1"}, 4) == 4 * (2 * 64 + 3 * 64 + 32)
    # By Winograd's products five are there at relu3_4, which outweighs the first block where deeper layers are wanted.
    assert memory.most_alive({"relu4_1"}, 4) == 4 * (2 * 64 + 2 * 32 + 4 * 16 + 5 * 16 + 8) + 8 * (16 + 8)
    # In half precision copies of all that is wanted stay in float32, so most is alive deeper, at relu4_4.
    layers, places, copies = 2 * 64 + 2 * 32 + 4 * 16 + 4 * 8, 16 + 8 + 4, 64 + 32 + 16 + 8 + 8 + 2
    assert memory.most_alive(ALL, 2) == 2 * layers + 8 * places + 4 * copies + 2 * (3 * 8)


def needed(precision=torch.float32, pixels=2**20, **changes):
    config = StyleConfig().but(**changes)
    return memory.needs(config, precision, GB).at_peak(pixels, config.optimiser.history, pixels)


def test_shallow_layers_adam_and_half_precision_take_less():
    assert needed(weights={"style_layers": "relu1_1,relu2_1", "content_layers": "relu2_1"}) < needed()
    assert needed(optimiser={"method": "adam"}) < needed()
    assert needed(optimiser={"history": 5}) == needed() - 2**20 * 15 * 24
    assert needed(torch.bfloat16) < needed()
    assert needed(loss="sorted") > needed(loss="sliced") > needed()


def test_kernels_of_wide_layers_are_counted_in_float32():
    single, half = (memory.needs(StyleConfig(), precision, GB).fixed for precision in (torch.float32, torch.bfloat16))
    filters = 3 * 256 * 256 + 256 * 512 + 4 * 512 * 512  # from relu3_2 to relu5_1
    assert single - half == filters * 16 * 4


PAINT = """
import json, sys
import numpy, psutil
from ganvas.painter import stylize
from ganvas.style.events import Planned, Stepped

def given_back():
    filling = [numpy.empty(2**21, numpy.uint8) for _ in range(256)]  # untouched: into the holes that painting left
    blocks = [numpy.ones(2**21, numpy.uint8) for _ in range(16)]
    before = psutil.Process().memory_info().rss
    del blocks[::2]
    return before - psutil.Process().memory_info().rss

for event in stylize("photo.png", "style.png", "out.png", settings=json.loads(sys.argv[1])):
    if isinstance(event, Planned):
        planned = event
    if isinstance(event, Stepped):
        freed = given_back()
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([planned.memory_bytes, planned.tiles, 1024 * int(peak), freed]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process what it took at most")
def test_a_process_takes_no_more_than_was_forecast_or_allowed(tmp_path):
    """The forecast of a painting at once; then, 60 MB less being allowed, in tiles.

    Blocks of 2 MiB that are free again, between others that are not, are given back in tiles, and only there.
    """
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for name in ("photo.png", "style.png"):
        Image.fromarray(noise).resize((512, 384)).save(tmp_path / name)
    settings = {
        "size": 512, "weights.style_layers": "relu1_1,relu2_1", "weights.content_layers": "relu2_1",
        "scales.smallest": 512, "scales.first_steps": 1, "optimiser.history": 1, "precision": "float32",
    }  # fmt: skip

    def paint(**more):
        command = [sys.executable, "-c", PAINT, json.dumps(settings | more)]
        return json.loads(subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True).stdout)

    forecast, tiles, peak, freed = paint()
    assert (tiles, freed) == (0, pytest.approx(0, abs=2**21))
    assert 0.8 * forecast < peak <= forecast
    allowed = forecast - 60_000_000
    forecast, tiles, peak, freed = paint(memory=str(allowed))
    assert tiles > 1
    assert freed == pytest.approx(2**24, abs=2**21)
    assert peak <= forecast <= allowed


def test_examples():
    assert doctest.testmod(memory).failed == 0
