"""Whatever moment a training process is killed at, the run goes on as if it had not been."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ganvas.training import checkpoint

KILLS = 30
IMAGES = 32 * 60
TINY = {
    "total_images": IMAGES, "threads": 1, "batch_size": 32, "save.samples": 1,
    "save.every_images": 32 * 4, "save.report_every_images": 32 * 4, "save.samples_every_images": 32 * 20,
    "network.generator_widths": [8], "network.discriminator_widths": [8], "network.generator_frequencies": 0,
    "network.discriminator_frequencies": 0,
}  # fmt: skip

# Imports torch once, then forks a child for each path read, and reaps it when told so: its number stays its own.
DRIVER = """
import gc, json, os, sys
import torch
torch.set_num_threads(1)
import matplotlib.figure, matplotlib.backends.backend_svg
from ganvas import api, presets
from ganvas.training import resolve
from ganvas.training.state import State
asked = presets.configure("ring", None, json.loads(sys.argv[1]))
dataset = api.read_source(asked)
State(resolve.with_source(asked, dataset), dataset.shape)
gc.freeze()
print("ready", flush=True)
while path := sys.stdin.readline().strip():
    child = os.fork()
    if child == 0:
        code = 1
        try:
            api.Training(api.Path(path), asked).run()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    print("child", child, flush=True)
    sys.stdin.readline()
    print("code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Driver:
    """A process that starts training processes quickly."""

    def __init__(self):
        command = [sys.executable, "-W", "ignore", "-c", DRIVER, json.dumps(TINY)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, line, word):
        """Send a line and read the number that comes back under a word."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer, number = self.process.stdout.readline().split()
        assert answer == word
        return int(number)

    def train(self, path, kill_after=None, kill_when=None):
        """Train until done or killed: after some seconds, or once a file turns up; returns the exit code."""
        child = self.ask(path, "child")
        assert child > 1
        if kill_after is not None:
            time.sleep(kill_after)
        while kill_when is not None and not kill_when():
            if psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
                break
        if kill_after is not None or kill_when is not None:
            os.kill(child, signal.SIGKILL)  # of one that has ended, nobody has taken the number yet
        return self.ask("reap", "code")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


def final(run):
    """What must not depend on how often a run was killed; the word "Saved" alone may be lost just after a save."""
    newest = run / "checkpoints" / f"{IMAGES:010d}"
    log = [json.loads(line) for line in (run / "events.jsonl").read_bytes().splitlines()]
    progress = [(e["images_seen"], e["stats"]) for e in log if e["event"] == "Progress"]
    return {
        "weights": hashlib.sha256((newest / "state.safetensors").read_bytes()).hexdigest(),
        "numbers": json.loads((newest / "state.json").read_text()),
        "progress": progress,
        "sheets": sorted((p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in (run / "samples").glob("*.png")),
        "checkpoints": sorted(p.name for p in (run / "checkpoints").iterdir()),
    }


@pytest.fixture(scope="module")
def driver():
    made = Driver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(driver, tmp_path_factory):
    """The end of a run that nobody killed, and its seconds."""
    path = tmp_path_factory.mktemp("undisturbed") / "run"
    began = time.monotonic()
    assert driver.train(path) == 0
    return final(path), time.monotonic() - began


pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


def test_kills_at_random_moments_change_nothing(driver, undisturbed, tmp_path):
    expected, seconds = undisturbed
    rng = random.Random(2026)
    kills, runs = 0, 0
    while kills < KILLS:
        path, here = tmp_path / f"run{runs}", 0
        runs += 1
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            code = driver.train(path, kill_after=rng.uniform(0.0, 0.6 * seconds) if here < KILLS // 3 else None)
            here += code == -signal.SIGKILL
        kills += here
        assert code == 0
        found = final(path)
        assert found == expected, [name for name in found if found[name] != expected[name]]


def test_kills_in_the_middle_of_a_save_change_nothing(driver, undisturbed, tmp_path):
    path = tmp_path / "run"
    checkpoints = path / "checkpoints"
    caught = 0
    for _ in range(8):
        shutil.rmtree(checkpoints, ignore_errors=True) if caught == 0 else None
        code = driver.train(path, kill_when=lambda: any(checkpoints.glob(".*.tmp-*")))
        if code == 0:
            break
        caught += any(checkpoints.glob(".*.tmp-*"))
        for folder in checkpoint.folders(checkpoints):
            checkpoint.verify(folder)  # what has a final name is whole
    assert caught > 0, "no save was caught in the middle"
    assert driver.train(path) == 0
    assert final(path) == undisturbed[0]


def test_no_half_written_report_or_sheet_is_left(driver, undisturbed, tmp_path):
    path = Path(tmp_path / "run")
    driver.train(path, kill_when=lambda: any((path / "samples").glob(".*.png.*")) or any(path.glob(".report.html.*")))
    assert driver.train(path) == 0
    assert final(path) == undisturbed[0]
