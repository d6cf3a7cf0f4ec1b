"""A run folder as one page, `report.html`: pictures, curves, warnings and settings in a file that needs nothing else.

Everything that comes from the run is escaped, and the page's own policy lets a browser fetch nothing.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ganvas import images
from ganvas.config import RunConfig, describe
from ganvas.errors import RunError
from ganvas.events import Alert, Event, Finished, Progress, Remedy, Saved, Score, Started, from_json

MAX_FRAMES = 24
FRAMES_BYTES = 2_200_000  # of all sheets over time together, so that the page stays below 5 MB
NEWEST_BYTES = 900_000
CURVE_POINTS = 400
COLOURS = ("#7a68e8", "#d9663d", "#1f9d8a", "#c2477f", "#b08a1e", "#4a84d9", "#7a8a3a", "#8c6d5c")
POINTS_KEY = (
    "Purple: generated points; grey: the true ones. Behind them the discriminator's opinion of each place: "
    "the redder, the more real points look to it there; the bluer, the more generated."
)
INK = "#010203"  # stands for the page's text colour in the drawings, which a dark page changes

Curve = list[tuple[float, float]]


@dataclass
class Log:
    """The events of a run as the page tells them: what a resumed process did again counts once."""

    events: list[Event] = field(default_factory=list)
    seconds: float = 0.0  # trained, over all processes
    began: float | None = None  # unix time of the first event

    def all(self, *kinds: type[Any]) -> list[Any]:
        """The events of some kinds, in order."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def images_seen(self) -> int:
        """How far the run came."""
        return max((event.images_seen for event in self.events), default=0)


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


def read_log(path: Path) -> Log:
    """The events of a run; lines that are torn or unknown are left out, and so is what was trained twice."""
    log, current = Log(), 0.0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            values = json.loads(line)
            event = from_json(values)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if not isinstance(event.images_seen, int):
            continue
        if log.began is None and isinstance(values.get("time"), int | float) and 0 < values["time"] < 1e11:
            log.began = values["time"]
        if isinstance(event, Started):
            log.events = [e for e in log.events if e.images_seen <= event.images_seen and not isinstance(e, Finished)]
            log.seconds, current = log.seconds + current, 0.0
        if isinstance(event, Progress | Finished):
            current = event.seconds
        log.events.append(event)
    log.seconds += current
    return log


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


# Words


def _count(number: float) -> str:
    """A number of things, with commas: 12,800."""
    return f"{round(number):,}"


def _value(value: Any) -> str:
    """A setting or a measurement as text."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10000 else str(value)


def _duration(seconds: float) -> str:
    """A time span in words: 48 seconds, 12.3 minutes, 2.1 hours."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _state(log: Log) -> tuple[str, str]:
    """(word, sentence) for where the run stands."""
    ends, total = log.all(Finished), _total(log)
    if not log.events:
        return "not begun", "training has not begun yet"
    if ends and ends[-1].complete:
        return "complete", "the run is complete"
    share = f" at {log.images_seen / total:.0%} of {_count(total)} images" if total else ""
    if ends:
        return "stopped", f"it was stopped{share} and can be resumed"
    return "unfinished", f"it is still training, or was interrupted{share}"


def _total(log: Log) -> int:
    return next((event.total_images for event in reversed(log.all(Started))), 0)


def _summary(config: Mapping[str, Any], log: Log) -> str:
    """The run in one sentence."""
    speed = log.images_seen / log.seconds if log.seconds else 0
    pace = f" in {_duration(log.seconds)} ({_count(speed)} images a second)" if log.seconds else ""
    source, model = (_resolved(config).get(name, "unknown") for name in ("source", "model"))
    text = f"The model {model} saw {_count(log.images_seen)} images of {source}{pace}; {_state(log)[1]}."
    return escape(text)


def _resolved(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every resolved setting by dotted name; the asked ones where a run was never resolved."""
    return _flat(config.get("resolved") or config.get("asked"))


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in tree.items() if isinstance(tree, dict) else ():
        values |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return values


# Pictures


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _open(path: Path) -> Image.Image | None:
    """A sheet as RGB on white, or None for a file that is not a whole picture."""
    try:
        with Image.open(path) as file:
            sheet = file.convert("RGBA")
    except (OSError, UnidentifiedImageError, ValueError):
        return None
    return Image.alpha_composite(Image.new("RGBA", sheet.size, "white"), sheet).convert("RGB")


def _embedded(sheet: Image.Image, side: int, budget: float) -> str:
    """A picture as a data URI: scaled down to `side`, as PNG if that is within `budget` bytes, else as JPEG."""
    sheet = sheet.copy()
    sheet.thumbnail((side, side), Image.Resampling.LANCZOS)
    png = images.encode_png(np.asarray(sheet))
    if len(png) <= budget:
        return _data_uri(png, "png")
    data = b""
    for quality in (90, 80, 65, 45):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, optimize=True)
        data = buffer.getvalue()
        if len(data) <= budget:
            break
    return _data_uri(data, "jpeg")


def _spaced(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _samples(sheets: list[tuple[int, Path]], title: str, points: bool) -> str:
    """The newest sheet, and the way there."""
    opened = [(seen, sheet) for seen, path in _spaced(sheets, MAX_FRAMES) if (sheet := _open(path))]
    if not opened:
        return _section("Samples", "<p class='quiet'>No sample sheet was written yet.</p>")
    seen, newest = opened[-1]
    crisp = " crisp" if max(newest.size) < 320 else ""  # small pixels are shown as squares, not blurred
    alt = escape(f"Samples of {title} after {_count(seen)} images", quote=True)
    hero = (
        f"<figure class='hero'><img id='newest' class='sheet{crisp}' alt='{alt}' width='{newest.width}' "
        f"height='{newest.height}' src='{_embedded(newest, 1400, NEWEST_BYTES)}'>"
        f"<figcaption id='position'>after {_count(seen)} images</figcaption></figure>"
    )
    hero += f"<p class='key quiet'>{POINTS_KEY}</p>" if points else ""
    if len(opened) == 1:
        return _section("Samples", hero)
    budget = FRAMES_BYTES / len(opened)
    frames = "".join(
        f"<li><button type='button' class='frame' aria-label='show the sheet after {_count(at)} images'>"
        f"<img class='{crisp.strip()}' alt='Samples after {_count(at)} images' src='{_embedded(sheet, 480, budget)}'>"
        f"<span>{_count(at)}</span></button></li>"
        for at, sheet in opened
    )
    slider = (
        f"<div id='time' class='time' hidden><button type='button' id='play'>Play</button><input type='range' id='at' "
        f"min='0' max='{len(opened) - 1}' value='{len(opened) - 1}' aria-label='sheet over time'></div>"
    )
    return _section("Samples", f"{hero}{slider}<ol class='strip' aria-label='sheets over time'>{frames}</ol>")


# Curves


def _binned(points: Curve, most: int = CURVE_POINTS) -> Curve:
    """A curve of finite points, neighbours averaged so that at most `most` remain."""
    finite = np.array([p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])], float).reshape(-1, 2)
    parts = np.array_split(finite, most) if len(finite) > most else np.split(finite, len(finite)) if len(finite) else []
    return [(float(x), float(y)) for x, y in (part.mean(axis=0) for part in parts)]


def _smooth(values: Sequence[float], span: int) -> np.ndarray:
    """Running mean over `span` values, over fewer at the ends."""
    weights = np.ones(span)
    return np.asarray(np.convolve(values, weights, "same") / np.convolve(np.ones(len(values)), weights, "same"))


def _thousands(value: float, _: object = None) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def _chart(title: str, curves: Mapping[str, Curve], note: str = "", limits: tuple[float, float] | None = None) -> str:
    """Curves over images seen as a figure with an inline SVG; nothing when no curve has a point."""
    curves = {name: points for name, raw in curves.items() if (points := _binned(raw))}
    if not curves:
        return ""
    drawing = _drawing(title, curves, limits)
    last = ", ".join(f"{name} {_value(points[-1][1])}" for name, points in curves.items())
    legend = "".join(
        f"<li><i style='background:{colour}'></i>{escape(name)} <b>{_value(points[-1][1])}</b></li>"
        for colour, (name, points) in zip(COLOURS * len(curves), curves.items(), strict=False)
    )
    drawing = _inline(drawing, f"{title} over images seen; last: {last}")
    note = f" <span class='quiet'>{escape(note)}</span>" if note else ""
    caption = f"<figcaption><b>{escape(title)}</b>{note}</figcaption>"
    return f"<figure class='chart'>{caption}{drawing}<ul class='legend'>{legend}</ul></figure>"


def _drawing(title: str, curves: Mapping[str, Curve], limits: tuple[float, float] | None) -> str:
    """The curves as matplotlib's SVG: each faintly as measured, and its running mean on top."""
    from matplotlib import rc_context  # here, since it takes most of a second
    from matplotlib.figure import Figure

    style: Any = {"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 9.5, "text.parse_math": False}
    with rc_context(style | dict.fromkeys(("text.color", "xtick.color", "ytick.color"), INK)):
        figure = Figure(figsize=(5.4, 2.7), layout="constrained")
        axes = figure.add_subplot()
        dashes = ("-", (0, (3, 2))) if len({tuple(points) for points in curves.values()}) < len(curves) else ("-",)
        for colour, dash, points in zip(COLOURS * len(curves), dashes * len(curves), curves.values(), strict=False):
            x, y = np.array(points).T
            span = max(1, len(y) // 20) if np.abs(np.diff(y, n=2)).sum() > np.ptp(y) else 1  # smooth ones stay exact
            axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.3 if span > 1 else 0, zorder=2)
            dots = "o" if len(y) < 12 else None
            axes.plot(x, _smooth(y, span), color=colour, linewidth=1.9, linestyle=dash, marker=dots, markersize=4)
        if limits:
            axes.set_ylim(*limits)
            axes.axhline(sum(limits) / 2, color=INK, alpha=0.35, linewidth=0.9, linestyle=(0, (4, 4)))
        axes.grid(color=INK, alpha=0.1, linewidth=0.8)
        axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        axes.xaxis.set_major_formatter(_thousands)
        axes.yaxis.set_major_formatter(_thousands)
        axes.locator_params("x", nbins=6)
        axes.locator_params("y", nbins=5)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _inline(svg: str, alt: str) -> str:
    """Matplotlib's SVG file as an element of the page: in its fonts and text colour, without links or metadata."""
    svg = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL
    )
    svg = re.sub(r"(font: [\d.]+px )[^;\"]*", r"\1system-ui, sans-serif", svg).replace(INK, "currentColor")
    used = set(re.findall(r"#([\w-]+)", svg))  # other identifiers are the same in every drawing
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"| xmlns(?::xlink)?="[^"]*"| version="1.1"', "", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt, quote=True)}"', 1).strip()


def _curves(log: Log) -> str:
    """Every statistic over the images seen: losses, strength, learning rates and speed first, then all others."""
    series: dict[str, Curve] = {}
    for event in log.all(Progress):
        for name, value in event.stats.items():
            if isinstance(value, int | float):
                series.setdefault(str(name), []).append((event.images_seen, value))
    speed = [(event.images_seen, event.images_per_second) for event in log.all(Progress)]

    def taken(chosen: Callable[[str], bool]) -> dict[str, Curve]:
        return {name: series.pop(name) for name in list(series) if chosen(name)}

    losses = taken(lambda name: "loss" in name.rpartition("/")[2])
    wins = taken(lambda name: name == "discriminator/wins")
    rates = taken(lambda name: bool(re.search(r"(^|[/_])(lr|learning_rate)$", name)))
    charts = [
        _chart("Losses", losses),
        _chart("Discriminator strength", wins, "share of real samples ranked above fakes; a half is even", (0.0, 1.0)),
        _chart("Learning rates", rates),
        _chart("Speed", {"images a second": speed}),
    ]
    others = "".join(_chart(name, {name: curve}) for name, curve in list(series.items())[:16])
    more = f"<details><summary>More statistics</summary><div class='charts'>{others}</div></details>" if others else ""
    body = "".join(charts)
    return _section("Curves", f"<div class='charts'>{body}</div>{more}") if body or more else ""


# Sections


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _table(head: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> str:
    """A table of escaped texts; each row comes with its class."""
    cells = "".join(f"<th scope='col'>{escape(text)}</th>" for text in head)
    body = "".join(
        f"<tr class='{kind}'>" + "".join(f"<td>{escape(t)}</td>" for t in row) + "</tr>" for kind, row in rows
    )
    return f"<div class='scroll'><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"


def _scores(log: Log) -> str:
    scores: list[Score] = log.all(Score)
    if not scores:
        return ""
    names = list(dict.fromkeys(str(name) for score in scores for name in score.scores))
    curves: dict[str, Curve] = {
        n: [(s.images_seen, float(s.scores[n])) for s in scores if n in s.scores] for n in names
    }
    charts = "".join([_chart(name, {name: curve}) for name, curve in curves.items() if len(curve) > 1][:8])
    best = min(scores, key=lambda score: score.loss if math.isfinite(score.loss) else math.inf)
    shown = [score for score in scores if score is best or score in scores[-12:]]
    rows = [
        (
            "best" if score is best else "",
            [_count(score.images_seen), *(_value(score.scores.get(n, "")) for n in names)],
        )
        for score in shown
    ]
    note = f"<p>The best checkpoint by its scores is the one after {_count(best.images_seen)} images.</p>"
    return _section("Scores", f"{note}<div class='charts'>{charts}</div>{_table(['images seen', *names], rows)}")


def _incidents(log: Log) -> str:
    """Alerts and remedies in words, each with its position."""
    found: list[Alert | Remedy] = log.all(Alert, Remedy)
    if not log.events:
        return ""
    if not found:
        return _section(
            "What happened", "<p class='quiet'>No monitor raised an alert, and nothing was changed on the way.</p>"
        )
    total = _total(log)
    items = []
    for event in found:
        kind, name = ("Alert", event.monitor) if isinstance(event, Alert) else ("Remedy", event.action)
        share = f" ({event.images_seen / total:.0%})" if total else ""
        items.append(
            f"<li class='{kind.lower()}'><b>{kind}: {escape(str(name))}</b> <span class='quiet'>after "
            f"{_count(event.images_seen)} images{share}</span><p>{escape(str(event.message))}</p></li>"
        )
    return _section("What happened", f"<ol class='incidents'>{''.join(items)}</ol>")


def _machine(config: Mapping[str, Any], log: Log) -> str:
    rows: list[tuple[str, str]] = []
    for start in log.all(Started)[-1:]:
        rows += [("device", start.device), ("threads", _value(start.threads)), ("processes", _value(start.processes))]
        rows += [(f"weights of the {role}", _count(count)) for role, count in start.parameters.items()]
    rows += [(f"begun again after {_count(e.images_seen)} images", e.note) for e in log.all(Started)[1:]]
    rows += [("note", e.note) for e in log.all(Started)[:1] if e.note]
    speeds = [e.images_per_second for e in log.all(Progress) if math.isfinite(e.images_per_second)]
    if speeds:
        rows.append(("images a second", f"{_count(float(np.median(speeds)))} (median), {_count(max(speeds))} at best"))
    rows += (
        [("time to 1,000 images", _duration_fine(1000 * log.seconds / log.images_seen))]
        if log.seconds and log.images_seen
        else []
    )
    rows += [("newest checkpoint", f"{Path(s.path).name}, {_count(s.kilobytes)} kB") for s in log.all(Saved)[-1:]]
    rest = {name: value for name, value in config.items() if name not in ("asked", "resolved")}
    rows += [
        ("ganvas" if name == "version" else name.replace(".", ", "), _value(value))
        for name, value in _flat(rest).items()
    ]
    return (
        _section("Speed and machine", _table(("what", "value"), [("", map(str, row)) for row in rows])) if rows else ""
    )


def _duration_fine(seconds: float) -> str:
    return f"{seconds:.2f} seconds" if seconds < 60 else _duration(seconds)


def _settings(config: Mapping[str, Any]) -> str:
    """Resolved settings, by group; marked are those that were asked for and those that ganvas worked out."""
    defaults, helps = _flat(RunConfig().model_dump()), {name: text for name, _, _, text in describe()}
    asked, resolved = _flat(config.get("asked")), _resolved(config)
    groups: dict[str, list[tuple[str, list[str]]]] = {}
    for name, value in resolved.items():
        group, _, leaf = name.rpartition(".")
        chosen = name in asked and (name not in defaults or asked[name] != defaults[name])
        worked_out = not chosen and value is not None and (name not in defaults or value != defaults[name])
        mark = "yours" if chosen else "worked out" if worked_out else ""
        row = [leaf, _value(value), mark, helps.get(name, "").replace("`", "")]
        groups.setdefault(group, []).append((mark.replace(" ", "-"), row))
    tables = "".join(
        f"<h3>{escape(group or 'run')}</h3>{_table(('setting', 'value', '', 'what it does'), rows)}"
        for group, rows in groups.items()
    )
    if not tables:
        return ""
    legend = (
        "<p><span class='mark yours'>yours</span> differs from the default; <span class='mark worked-out'>worked out"
        "</span> follows from the source and the machine.</p>"
    )
    return _section("Settings", f"{legend}<div class='settings'>{tables}</div>")


def _facts(log: Log) -> Iterator[str]:
    """The run's main numbers, large."""
    speed = log.images_seen / log.seconds if log.seconds else 0
    facts = [
        ("images seen", _count(log.images_seen)),
        ("trained", _duration(log.seconds)),
        ("images a second", _count(speed)),
    ]
    for label, value in facts if log.seconds else facts[:1]:
        yield f"<div><dt>{label}</dt><dd>{value}</dd></div>"


def _page(config: Mapping[str, Any], log: Log, sheets: list[tuple[int, Path]], points: bool) -> str:
    resolved = _resolved(config)
    source, model = (str(resolved.get(name, "unknown")) for name in ("source", "model"))
    title = Path(source).name or source
    state = _state(log)[0]
    began = f"begun {datetime.fromtimestamp(log.began, UTC):%Y-%m-%d %H:%M} UTC" if log.began else ""
    body = _samples(sheets, title, points) + _incidents(log) + _scores(log) + _curves(log)
    body += _machine(config, log) + _settings(config)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)} · {escape(model)} · ganvas</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<p class="quiet">ganvas · {escape(model)}{" · " if began else ""}{began}</p>
<h1>{escape(title)} <span class="state {state.replace(" ", "-")}">{state}</span></h1>
<p class="lead">{_summary(config, log)}</p>
<dl class="facts">{"".join(_facts(log))}</dl>
</header>
<main>
{body}
</main>
<footer class="quiet">Written by ganvas {escape(str(config.get("version", "")))}; it needs no other file.</footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

STYLE = """
:root { --paper: #fbfaf8; --card: #ffffff; --ink: #1d1b24; --quiet: #6b6775; --line: #e6e2dc; --accent: #6d5bd0;
  --wash: #f1eefc; --warn: #b4471d; --warn-wash: #fdf0ea; --good: #17796b; --good-wash: #e5f5f2; }
@media (prefers-color-scheme: dark) { :root { --paper: #15141a; --card: #1e1c25; --ink: #eceaf1; --quiet: #a09bab;
  --line: #322f3c; --accent: #a99cf5; --wash: #2a2540; --warn: #f2976f; --warn-wash: #3a241b; --good: #5fcab8;
  --good-wash: #17332f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1.25rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: .1rem 0 .4rem; font-size: clamp(1.7rem, 5vw, 2.5rem); line-height: 1.15; letter-spacing: -.02em;
  overflow-wrap: anywhere; }
h2 { margin: 0 0 1rem; font-size: 1.2rem; letter-spacing: -.01em; }
h3 { margin: 1.4rem 0 .3rem; font-size: .95rem; text-transform: capitalize; }
p { margin: 0 0 .8rem; overflow-wrap: anywhere; }
section { margin: 1.25rem 0; padding: 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 14px; }
.quiet, footer { color: var(--quiet); font-size: .9rem; font-weight: 400; }
.lead { max-width: 46rem; font-size: 1.08rem; }
.state { display: inline-block; vertical-align: middle; padding: .2em .7em; border-radius: 99px; font-size: .85rem;
  font-weight: 600; letter-spacing: 0; background: var(--warn-wash); color: var(--warn); }
.state.complete { background: var(--good-wash); color: var(--good); }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 1rem 0 0; }
.facts dt { color: var(--quiet); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.45rem; font-weight: 650; letter-spacing: -.01em;
  font-variant-numeric: tabular-nums; }
figure { margin: 0; }
img { display: block; max-width: 100%; height: auto; }
.crisp { image-rendering: pixelated; }
.hero { max-width: 42rem; margin: 0 auto; text-align: center; }
.hero figcaption { margin-top: .5rem; color: var(--quiet); font-variant-numeric: tabular-nums; }
.key { max-width: 42rem; margin: .4rem auto 0; text-align: center; }
.sheet { width: 100%; border-radius: 8px; }
.time { display: flex; gap: .9rem; align-items: center; max-width: 42rem; margin: .6rem auto 0; }
.time[hidden] { display: none; }
.time input { flex: 1; min-width: 0; accent-color: var(--accent); }
.time button { padding: .35rem 1rem; border: 1px solid var(--line); border-radius: 99px; background: var(--wash);
  color: var(--ink); font: inherit; cursor: pointer; }
.strip { display: flex; gap: .5rem; margin: 1rem 0 0; padding: 0 0 .5rem; overflow-x: auto; list-style: none;
  scrollbar-width: thin; }
.strip li { flex: 0 0 6.2rem; }
.frame { width: 100%; padding: 3px; border: 2px solid transparent; border-radius: 9px; background: none;
  color: var(--quiet); font: inherit; font-size: .75rem; cursor: pointer; }
.frame img { width: 100%; border-radius: 5px; }
.frame.shown { border-color: var(--accent); color: var(--ink); }
.charts { display: grid; gap: 1.5rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
.chart { min-width: 0; }
.chart svg { display: block; width: 100%; height: auto; margin-top: .3rem; overflow: visible; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .3rem 0 0; padding: 0; list-style: none;
  color: var(--quiet); font-size: .85rem; overflow-wrap: anywhere; }
.legend b { color: var(--ink); font-variant-numeric: tabular-nums; }
.legend i { display: inline-block; width: .7em; height: .7em; margin-right: .4em; border-radius: 3px; }
.incidents { margin: 0; padding: 0; list-style: none; }
.incidents li { margin: 0 0 .6rem; padding: .7rem .95rem; border-radius: 10px; background: var(--warn-wash);
  overflow-wrap: anywhere; }
.incidents li b { color: var(--warn); }
.incidents .remedy { background: var(--good-wash); }
.incidents .remedy b { color: var(--good); }
.incidents p { margin: .15rem 0 0; }
.scroll { overflow-x: auto; }
.charts + .scroll { margin-top: 1.25rem; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th { color: var(--quiet); font-size: .82rem; font-weight: 500; text-align: left; }
td, th { padding: .38rem .9rem .38rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; }
.settings td:nth-child(1), .settings th:nth-child(1) { width: 24%; }
.settings td:nth-child(2), .settings th:nth-child(2) { width: 20%; }
.settings td:nth-child(3), .settings th:nth-child(3) { width: 6.5rem; color: var(--quiet); font-size: .85rem; }
.settings td:nth-child(4) { color: var(--quiet); font-size: .88rem; }
tr.yours td, .mark.yours { background: var(--wash); }
tr.yours td:nth-child(-n+2), tr.best td { font-weight: 650; }
tr.best td { background: var(--good-wash); }
.mark { padding: .1em .5em; border-radius: 5px; border: 1px solid var(--line); }
details { margin-top: 1.25rem; }
summary { margin-bottom: .8rem; color: var(--accent); cursor: pointer; }
footer { margin-top: 1.5rem; text-align: center; }
@media (max-width: 36rem) { body { padding: 1.25rem .75rem 2rem; } section { padding: 1rem .85rem; }
  .settings td:nth-child(4), .settings th:nth-child(4) { display: none; } }
"""

SCRIPT = """
(() => {
  const time = document.getElementById('time');
  if (!time) return;
  const at = document.getElementById('at'), play = document.getElementById('play');
  const newest = document.getElementById('newest'), position = document.getElementById('position');
  const frames = [...document.querySelectorAll('.frame')], full = newest.src;
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = 'Play'; };
  const show = index => {
    const picture = frames[index].querySelector('img');
    at.value = index;
    newest.src = index === frames.length - 1 ? full : picture.src;
    newest.alt = picture.alt;
    position.textContent = 'after ' + frames[index].querySelector('span').textContent + ' images';
    frames.forEach((frame, i) => frame.classList.toggle('shown', i === index));
    const strip = frames[index].closest('ol');
    strip.scrollLeft = frames[index].parentNode.offsetLeft - strip.offsetLeft - strip.clientWidth / 2;
  };
  at.addEventListener('input', () => { stop(); show(+at.value); });
  frames.forEach((frame, i) => frame.addEventListener('click', () => { stop(); show(i); }));
  play.addEventListener('click', () => {
    if (timer) return stop();
    play.textContent = 'Pause';
    let index = +at.value === frames.length - 1 ? -1 : +at.value;
    timer = setInterval(() => { show(++index); if (index === frames.length - 1) stop(); }, 250);
  });
  time.hidden = false;
  show(frames.length - 1);
})();
"""
