"""Train a tiny run in one of several processes; started by torchrun from test_engine.py.

Arguments: a JSON file with model, changes and steps; the folder to write to; optionally a checkpoint to start from.
"""

import json
import sys
from pathlib import Path

import torch

from ganvas.training import checkpoint, engine
from ganvas.training.state import State
from ganvas.training.step import Stepper
from tiny import dataset_for, tiny_config


def main(job: Path, root: Path, resume: Path | None = None) -> None:
    """Take the steps; the leading process saves, every process checks that all hold the same weights."""
    torch.set_num_threads(1)
    asked = json.loads(job.read_text())
    dataset = dataset_for(asked["model"], asked["changes"].get("data"))
    config = tiny_config(asked["model"], dataset, **asked["changes"])
    here = engine.start(torch.device("cpu"))
    state = State(config, dataset.shape, here)
    if resume:
        checkpoint.load(resume, state)
    stepper = Stepper(config, dataset, state, here)
    for _ in range(asked["steps"]):
        stepper.step()
    mine = {name: float(t.double().sum()) for name, t in state.tensors().items() if not name.startswith("memory")}
    assert here.share(mine) == mine, "processes hold different weights"
    assert here.any(here.rank == here.processes - 1)
    assert here.first(lambda: here.rank) == here.rank
    if here.leads:
        checkpoint.save(root, state, keep=9)
    here.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
