"""Monitors on recorded runs, healthy and broken: what each checkup found, from benchmarks/stability.py.

The runs were made with `steady.mode=warn`, 800 steps, 32 checkups, on seeds that the monitors were tuned on; those
that are reported in docs/experiments.md are others. Two more are runs of the usual length.
"""

import json
from pathlib import Path

import pytest

from ganvas.training.monitors import findings
from ganvas.training.vitals import Vitals

RECORDINGS = json.loads((Path(__file__).parent / "recordings.json").read_text())
NAMES = {
    "discriminator lr x 50": ("discriminator too fast", 0.1),
    "generator lr x 50": ("generator too fast", 0.1),
    "huge discriminator, no penalty": ("discriminator too strong", 0.4),
    "generator reset": ("mode collapse", 0.5),
    "frozen discriminator": ("discriminator stands still", 0.1),
    "dead units": ("mode collapse", 0.5),
    "leaking augmentation": ("leaking augmentation", 0.1),
}  # the name that fits, and the share of the run within which it must be said


def history(recording):
    columns = RECORDINGS[recording]
    count = len(columns["progress"])
    return [Vitals.of({name: values[k] for name, values in columns.items()}) for k in range(count)]


def told(vitals):
    """When each name was first said, as a share of the run."""
    first = {}
    for count in range(1, len(vitals) + 1):
        for name in findings(vitals[:count]):
            first.setdefault(name, vitals[count - 1].progress)
    return first


@pytest.mark.parametrize("recording", [name for name in RECORDINGS if name.startswith("healthy")])
def test_no_alarm_in_a_healthy_run(recording):
    assert told(history(recording)) == {}


def test_no_alarm_in_the_run_that_faults_are_compared_with():
    assert told(history("fault: none")) == {}


@pytest.mark.parametrize("fault", NAMES)
def test_a_fault_is_named_in_time(fault):
    name, within = NAMES[fault]
    found = told(history(f"fault: {fault}"))
    assert name in found
    assert found[name] <= within


def test_there_are_healthy_runs_of_many_kinds():
    assert sum(name.startswith("healthy") for name in RECORDINGS) >= 12
