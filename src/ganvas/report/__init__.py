"""A run folder as one page, `report.html`: pictures, curves, warnings and settings in a file that needs nothing else.

Everything that comes from the run is escaped, and the page's own policy lets a browser fetch nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from ganvas import images
from ganvas.errors import RunError
from ganvas.report.log import Log, read_log
from ganvas.report.pictures import samples
from ganvas.report.sections import curves, every_setting, facts, incidents, machine, scores, settings, summary

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_report(run: Path) -> Path:
    """Write `report.html` into a run folder, whole or not at all.

    Args:
        run: the run folder, with its `config.json`; events and sample sheets are used where there are any.

    Returns:
        The path of the page.

    Raises:
        RunError: when the folder holds no readable `config.json`.
    """
    config = _read_config(run)
    page = _page(
        config, read_log(run / "events.jsonl"), _sheets(run / "samples"), (run / "samples" / "truth.npz").is_file()
    )
    path = run / "report.html"
    images.write_bytes(path, page.encode("utf-8", errors="replace"))
    return path


def _read_config(run: Path) -> dict[str, Any]:
    path = run / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise RunError(f"{run} is not a run folder: it holds no readable config.json.") from None
    except ValueError:
        raise RunError(f"{path} is not JSON; the folder cannot be used as a run.") from None
    if not isinstance(config, dict):
        raise RunError(f"{path} must hold a table of settings, got a {type(config).__name__}.")
    return config


def _sheets(folder: Path) -> list[tuple[int, Path]]:
    """(images seen, path) of every sample sheet, in order of the run."""
    return sorted((int(path.stem), path) for path in folder.glob("*.png") if re.fullmatch(r"[0-9]+", path.stem))


def _page(config: Mapping[str, Any], log: Log, sheets: list[tuple[int, Path]], points: bool) -> str:
    values = every_setting(config)
    source, model = (str(values.get(name, "unknown")) for name in ("source", "model"))
    title = Path(source).name or source
    state = log.state[0]
    began = f"begun {datetime.fromtimestamp(log.began, UTC):%Y-%m-%d %H:%M} UTC" if log.began else ""
    body = samples(sheets, title, points) + incidents(log) + scores(log) + curves(log)
    body += machine(config, log) + settings(config)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)} · {escape(model)} · ganvas</title>
<style>{_beside("page.css")}</style>
</head>
<body>
<header>
<p class="quiet">ganvas · {escape(model)}{" · " if began else ""}{began}</p>
<h1>{escape(title)} <span class="state {state.replace(" ", "-")}">{state}</span></h1>
<p class="lead">{summary(config, log)}</p>
<dl class="facts">{"".join(facts(log))}</dl>
</header>
<main>
{body}
</main>
<footer class="quiet">Written by ganvas {escape(str(config.get("version", "")))}; it needs no other file.</footer>
<script>{_beside("page.js")}</script>
</body>
</html>
"""


def _beside(name: str) -> str:
    """A file of this folder."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
