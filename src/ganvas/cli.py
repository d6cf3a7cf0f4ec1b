"""The command line: finds the command that the arguments name, and runs it.

Only words and files here and in `commands/`; whatever needs torch is imported inside the command that needs it.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

import tyro

import ganvas
from ganvas.arguments import misunderstood, split_assignments
from ganvas.commands.evaluate import Evaluate
from ganvas.commands.lists import Doctor, ListSettings, Presets, Runs, Styles
from ganvas.commands.sample import Sample
from ganvas.commands.style import Style
from ganvas.commands.style_score import StyleScore
from ganvas.commands.stylist import StyleExport, StyleTrain
from ganvas.commands.train import Prepare, Resume, Train
from ganvas.commands.tune import Tune
from ganvas.errors import UnknownName, UserError

COMMANDS: dict[str, type] = {
    "train": Train, "resume": Resume, "sample": Sample, "evaluate": Evaluate, "prepare": Prepare,
    "style": Style, "style-score": StyleScore, "style-train": StyleTrain, "style-export": StyleExport,
    "tune": Tune, "runs": Runs, "presets": Presets, "styles": Styles, "settings": ListSettings, "doctor": Doctor,
}  # fmt: skip


def overview() -> None:
    """Print what ganvas can do."""
    print(f"{(ganvas.__doc__ or '').splitlines()[0]}\n\nusage: ganvas COMMAND [OPTIONS]; ganvas COMMAND --help\n")
    for name, command in COMMANDS.items():
        print(f"  {name:12} {(command.__doc__ or '').strip()}")


def parse(arguments: list[str]) -> Any:
    """The command that the arguments name.

    Raises:
        UserError: one line on what cannot be understood.
    """
    name, *rest = arguments
    if name not in COMMANDS:
        raise UnknownName("command", name, COMMANDS)
    command = COMMANDS[name]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                command, prog=f"ganvas {name}", args=split_assignments(rest), config=(tyro.conf.DisallowNone,)
            )
    except SystemExit as exit_:
        if exit_.code in (0, None):
            raise
        raise misunderstood(command, name, rest, complaint.getvalue()) from None


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 is success, 2 a mistake of the user explained in one line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(f"ganvas {ganvas.__version__}")
        return 0
    if not arguments or arguments[0] in ("-h", "--help"):
        overview()
        return 0
    try:
        code: int = parse(arguments)()
        return code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped at once; what was saved before stays, go on with the same command.", file=sys.stderr)
        return 130
