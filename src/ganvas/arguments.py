"""What was typed on the command line: made ready for the parser, and its complaints put into one line."""

from __future__ import annotations

import re
from dataclasses import fields

from ganvas.errors import BadSetting, UnknownName, UserError


def split_assignments(arguments: list[str]) -> list[str]:
    """`--set a=1 b=2` as `--set a=1 --set b=2`."""
    split: list[str] = []
    setting = False
    for argument in arguments:
        if setting and "=" in argument and not argument.startswith("-") and split[-1] != "--set":
            split.append("--set")
        setting = argument == "--set" or (setting and "=" in argument and not argument.startswith("-"))
        split.append(argument)
    return split


def misunderstood(command: type, name: str, arguments: list[str], complaint: str) -> UserError:
    """The parser's complaint, which fills a box, as one line."""
    known = ["--" + f.name.replace("_", "-") for f in fields(command)]
    for argument in arguments:
        flag = argument.split("=")[0]
        if flag.startswith("--") and flag.replace("_", "-").replace("--no-", "--") not in known:
            return UnknownName(f"option of ganvas {name}", flag, known)
    words = re.sub(r"[╭╮╰╯│─┌┐└┘]+", " ", complaint)
    words = re.sub(r"\s+", " ", words).strip()
    if found := re.search(
        r"parsing (--[\w-]+).*?(could not convert|invalid literal|not a valid)[^\n]*?: '?([^' ]+)", words
    ):
        return BadSetting(f"{found[1]} takes a number, got {found[3]!r}; see ganvas {name} --help.")
    words = re.split(r" For full helptext| Argument helptext", words)[0].removeprefix("Parsing error ")
    return UserError(f"{words or 'the arguments cannot be understood'}; see ganvas {name} --help.")
