"""Two processes are one: the same data, noise, statistics and weights at any number of processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganvas.training import checkpoint
from ganvas.training.engine import Engine
from tiny import advance, dataset_for, fresh, snapshot, tiny_config

pytestmark = pytest.mark.slow
TOLERANCE = 1e-5
# A relativistic loss sees differences of logits: the bias of the last layer, and of a unit that is active at every
# sample, has no gradient but rounding noise, which Adam scales up to whole steps. It shifts
# all logits alike and moves other weights by less than the tolerance; lean has no such bias at its end.
WITHOUT_EFFECT = {"mlp-relativistic": "discriminator"}
HERE = Path(__file__).parent

JOBS = {
    "lean": {
        "loss": {"adversarial": "relativistic", "r1": 0.3, "r2": 0.2},
        "augment": {"policy": "translation,colour"},
    },
    "lean-lazy": {
        "loss": {"adversarial": "relativistic", "r1": 0.3, "r2": 0.2, "penalty_every": 2, "instance_noise": 0.1},
        "balance": {"discriminator_steps": 2, "skip_above": 0.501},
        "data": {"flip": True},
        "optimiser": {"beta1": 0.5},
    },
    "dcgan": {"loss": {"adversarial": "nonsaturating"}},
    "mlp": {"loss": {"adversarial": "nonsaturating", "r1": 0.1, "r2": 0.1}, "network": {"batch_norm": True}},
    "mlp-relativistic": {"loss": {"adversarial": "relativistic", "r1": 0.1, "r2": 0.1}},
    "mlp-wasserstein": {"loss": {"adversarial": "wasserstein", "gradient_penalty": 1.0}},
    "vae": {},
    "lean-packed": {
        "loss": {"adversarial": "relativistic", "r1": 0.3, "r2": 0.2}, "variety": {"pack": 2, "deviation": 2},
        "augment": {"policy": "translation,colour"},
    },
    "lean-labels": {
        "loss": {"adversarial": "relativistic", "r1": 0.3, "r2": 0.2}, "data": {"labels": True},
        "augment": {"policy": "translation"},
    },
    "dcgan-deviation": {"loss": {"adversarial": "nonsaturating"}, "variety": {"deviation": 4}},
    "mlp-packed": {
        "loss": {"adversarial": "wasserstein", "gradient_penalty": 1.0}, "variety": {"pack": 2, "deviation": 2},
    },
}  # fmt: skip


def run(tmp_path, job, steps, processes=2, resume=None):
    """Run the job under torchrun; the folder of the checkpoint at its end."""
    asked = tmp_path / f"job-{steps}.json"
    asked.write_text(json.dumps({"model": job.split("-")[0], "changes": JOBS[job], "steps": steps}))
    root = tmp_path / "checkpoints"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(20_000 + os.getpid() % 20_000)]
    command += [str(HERE / "processes.py"), str(asked), str(root), *([str(resume)] if resume else [])]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return checkpoint.newest_good(root).path


def load(config, dataset, path):
    state = fresh(config, dataset)
    checkpoint.load(path, state)
    return state


def distance(one, other, *parts):
    """Largest difference of any value of the given parts, and where."""
    assert one.keys() == other.keys()
    gaps = {n: float((one[n].double() - other[n].double()).abs().max()) for n in one if n.startswith(parts)}
    return max((gap, name) for name, gap in gaps.items())


@pytest.mark.parametrize("job", JOBS)
def test_two_processes_equal_one(job, tmp_path, record_property):
    model = job.split("-")[0]
    dataset = dataset_for(model, JOBS[job].get("data"))
    config = tiny_config(model, dataset, **JOBS[job])
    together, numbers = snapshot(load(config, dataset, run(tmp_path, job, 6)))
    alone, expected = snapshot(advance(config, dataset, fresh(config, dataset), 6))
    if job in WITHOUT_EFFECT:
        role = f"networks/{WITHOUT_EFFECT[job]}."
        drifting = [name for name in alone if name.startswith(role) and name.endswith(".bias")]
        alone, together = ({n: t for n, t in half.items() if n not in drifting} for half in (alone, together))
    gap, name = distance(alone, together, "networks", "averages")
    record_property("largest_difference", gap)
    print(f"{job}: largest difference {gap:.2e} in {name}")
    assert gap <= TOLERANCE, name
    assert numbers.pop("strength") == pytest.approx(expected.pop("strength"), abs=1e-9)
    assert numbers == expected
    shifted = "logits" if job in WITHOUT_EFFECT else "none"
    for name in (name for name in alone if name.startswith("meter") and not name.endswith(shifted)):
        torch.testing.assert_close(together[name], alone[name], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("job", ["lean-lazy"])
def test_one_process_goes_on_where_two_stopped_and_the_other_way_round(job, tmp_path):
    model = job.split("-")[0]
    dataset = dataset_for(model, JOBS[job].get("data"))
    config = tiny_config(model, dataset, **JOBS[job])
    straight, _ = snapshot(advance(config, dataset, fresh(config, dataset), 6))
    half = run(tmp_path, job, 3)
    taken_over, _ = snapshot(advance(config, dataset, load(config, dataset, half), 3))
    assert distance(straight, taken_over, "networks", "averages")[0] <= TOLERANCE
    begun = checkpoint.save(tmp_path / "alone", advance(config, dataset, fresh(config, dataset), 3), keep=3)
    shared, _ = snapshot(load(config, dataset, run(tmp_path, job, 3, resume=begun)))
    assert distance(straight, shared, "networks", "averages")[0] <= TOLERANCE


def test_alone_nothing_is_shared():
    engine = Engine()
    loss = torch.tensor(2.0)
    weight = torch.nn.Parameter(torch.ones(2))
    assert engine.leads
    assert engine.sum_gradients([weight], loss) is loss
    assert weight.grad is None
    assert engine.mean({"a": torch.tensor([1, 2])}) == {"a": torch.tensor(1.5)}
    assert engine.any(True) is True
    assert engine.share({"x": 1}) == {"x": 1}
    assert engine.first(lambda: 5) == 5
