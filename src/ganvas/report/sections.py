"""What the page tells of a run in words, curves and tables, each a section of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.config import RunConfig, describe
from ganvas.events import Alert, Progress, Remedy, Saved, Score, Started
from ganvas.report.charts import Curve, chart
from ganvas.report.elements import section, table
from ganvas.report.log import Log
from ganvas.report.words import duration, number, shown


def summary(config: Mapping[str, Any], log: Log) -> str:
    """The run in one sentence."""
    speed = log.images_seen / log.seconds if log.seconds else 0
    pace = f" in {duration(log.seconds)} ({number(speed)} images a second)" if log.seconds else ""
    source, model = (every_setting(config).get(name, "unknown") for name in ("source", "model"))
    text = f"The model {model} saw {number(log.images_seen)} images of {source}{pace}; {log.state[1]}."
    return escape(text)


def facts(log: Log) -> Iterator[str]:
    """The run's main numbers, large."""
    speed = log.images_seen / log.seconds if log.seconds else 0
    numbers = [
        ("images seen", number(log.images_seen)),
        ("trained", duration(log.seconds)),
        ("images a second", number(speed)),
    ]
    for label, value in numbers if log.seconds else numbers[:1]:
        yield f"<div><dt>{label}</dt><dd>{value}</dd></div>"


def curves(log: Log) -> str:
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
        chart("Losses", losses),
        chart("Discriminator strength", wins, "share of real samples ranked above fakes; a half is even", (0.0, 1.0)),
        chart("Learning rates", rates),
        chart("Speed", {"images a second": speed}),
    ]
    others = "".join(chart(name, {name: curve}) for name, curve in list(series.items())[:16])
    more = f"<details><summary>More statistics</summary><div class='charts'>{others}</div></details>" if others else ""
    body = "".join(charts)
    return section("Curves", f"<div class='charts'>{body}</div>{more}") if body or more else ""


def scores(log: Log) -> str:
    """The scores of every checkup as curves, the newest and the best as a table."""
    found: list[Score] = log.all(Score)
    if not found:
        return ""
    names = list(dict.fromkeys(str(name) for score in found for name in score.scores))
    series: dict[str, Curve] = {n: [(s.images_seen, float(s.scores[n])) for s in found if n in s.scores] for n in names}
    charts = "".join([chart(name, {name: curve}) for name, curve in series.items() if len(curve) > 1][:8])
    best = min(found, key=lambda score: score.loss if math.isfinite(score.loss) else math.inf)
    listed = [score for score in found if score is best or score in found[-12:]]
    rows = [
        (
            "best" if score is best else "",
            [number(score.images_seen), *(shown(score.scores.get(n, "")) for n in names)],
        )
        for score in listed
    ]
    note = f"<p>The best checkpoint by its scores is the one after {number(best.images_seen)} images.</p>"
    return section("Scores", f"{note}<div class='charts'>{charts}</div>{table(['images seen', *names], rows)}")


def incidents(log: Log) -> str:
    """Alerts and remedies in words, each with its position."""
    found: list[Alert | Remedy] = log.all(Alert, Remedy)
    if not log.events:
        return ""
    if not found:
        return section(
            "What happened", "<p class='quiet'>No monitor raised an alert, and nothing was changed on the way.</p>"
        )
    total = log.total
    items = []
    for event in found:
        kind, name = ("Alert", event.monitor) if isinstance(event, Alert) else ("Remedy", event.action)
        share = f" ({event.images_seen / total:.0%})" if total else ""
        items.append(
            f"<li class='{kind.lower()}'><b>{kind}: {escape(str(name))}</b> <span class='quiet'>after "
            f"{number(event.images_seen)} images{share}</span><p>{escape(str(event.message))}</p></li>"
        )
    return section("What happened", f"<ol class='incidents'>{''.join(items)}</ol>")


def machine(config: Mapping[str, Any], log: Log) -> str:
    """What it ran on, and how fast."""
    rows: list[tuple[str, str]] = []
    for start in log.all(Started)[-1:]:
        rows += [("device", start.device), ("threads", shown(start.threads)), ("processes", shown(start.processes))]
        rows += [(f"weights of the {role}", number(count)) for role, count in start.parameters.items()]
    rows += [(f"begun again after {number(e.images_seen)} images", e.note) for e in log.all(Started)[1:]]
    rows += [("note", e.note) for e in log.all(Started)[:1] if e.note]
    speeds = [e.images_per_second for e in log.all(Progress) if math.isfinite(e.images_per_second)]
    if speeds:
        rows.append(("images a second", f"{number(float(np.median(speeds)))} (median), {number(max(speeds))} at best"))
    rows += (
        [("time to 1,000 images", duration(1000 * log.seconds / log.images_seen))]
        if log.seconds and log.images_seen
        else []
    )
    rows += [("newest checkpoint", f"{Path(s.path).name}, {number(s.kilobytes)} kB") for s in log.all(Saved)[-1:]]
    rest = {name: value for name, value in config.items() if name not in ("asked", "resolved")}
    rows += [
        ("ganvas" if name == "version" else name.replace(".", ", "), shown(value)) for name, value in flat(rest).items()
    ]
    return section("Speed and machine", table(("what", "value"), [("", map(str, row)) for row in rows])) if rows else ""


def settings(config: Mapping[str, Any]) -> str:
    """Resolved settings, by group; marked are those that were asked for and those that ganvas worked out."""
    defaults, helps = flat(RunConfig().model_dump()), {name: text for name, _, _, text in describe()}
    asked, values = flat(config.get("asked")), every_setting(config)
    groups: dict[str, list[tuple[str, list[str]]]] = {}
    for name, value in values.items():
        group, _, leaf = name.rpartition(".")
        chosen = name in asked and (name not in defaults or asked[name] != defaults[name])
        worked_out = not chosen and value is not None and (name not in defaults or value != defaults[name])
        mark = "yours" if chosen else "worked out" if worked_out else ""
        row = [leaf, shown(value), mark, helps.get(name, "").replace("`", "")]
        groups.setdefault(group, []).append((mark.replace(" ", "-"), row))
    tables = "".join(
        f"<h3>{escape(group or 'run')}</h3>{table(('setting', 'value', '', 'what it does'), rows)}"
        for group, rows in groups.items()
    )
    if not tables:
        return ""
    legend = (
        "<p><span class='mark yours'>yours</span> differs from the default; <span class='mark worked-out'>worked out"
        "</span> follows from the source and the machine.</p>"
    )
    return section("Settings", f"{legend}<div class='settings'>{tables}</div>")


def every_setting(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every resolved setting by dotted name; the asked ones where a run was never resolved."""
    return flat(config.get("resolved") or config.get("asked"))


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """A tree of settings by dotted name; nothing for what is no tree."""
    values: dict[str, Any] = {}
    for name, value in tree.items() if isinstance(tree, dict) else ():
        values |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return values
