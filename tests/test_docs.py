"""What the docs say is so: generated parts are current, the README's commands and Python run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ganvas.cli import COMMANDS, parse
from ganvas.training.monitors import MONITORS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def blocks(text, language=""):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands():
    lines = [line.split("#")[0].strip() for block in blocks(README) for line in block.splitlines()]
    return [line for line in lines if line.startswith("ganvas ")]


def test_generated_docs_are_current():
    command = [sys.executable, "scripts/make_docs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_names_commands():
    assert {line.split()[1] for line in commands()} == set(COMMANDS)


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_readme_is_understood(line):
    asked = parse(shlex.split(line)[1:])
    if hasattr(asked, "source") and hasattr(asked, "changes"):
        from ganvas import presets

        presets.configure(asked.source, asked.preset, asked.changes())


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    (code,) = blocks(README, "python")
    small = "total_images=128, settings={'threads': 1, 'batch_size': 32, 'network.width': 8}"
    assert "minutes=2" in code
    command = [sys.executable, "-W", "error", "-c", code.replace("minutes=2", small)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "128 Finished" in done.stdout


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("http") or (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_alarm_is_explained():
    page = (ROOT / "docs" / "steady.md").read_text()
    beforehand = (
        "too few pictures", "pictures alike", "wrong range", "labels mean nothing", "small batch", "non-finite",
    )  # fmt: skip
    assert [name for name in (*MONITORS, *beforehand) if f"`{name}`" not in page] == []
