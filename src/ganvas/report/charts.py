"""Curves over the images seen, drawn as SVG inside the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ganvas.report.words import shown

CURVE_POINTS = 400
COLOURS = ("#7a68e8", "#d9663d", "#1f9d8a", "#c2477f", "#b08a1e", "#4a84d9", "#7a8a3a", "#8c6d5c")
INK = "#010203"  # stands for the page's text colour in the drawings, which a dark page changes

Curve = list[tuple[float, float]]


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


def chart(title: str, curves: Mapping[str, Curve], note: str = "", limits: tuple[float, float] | None = None) -> str:
    """Curves over images seen as a figure with an inline SVG; nothing when no curve has a point."""
    curves = {name: points for name, raw in curves.items() if (points := _binned(raw))}
    if not curves:
        return ""
    drawing = _drawing(title, curves, limits)
    last = ", ".join(f"{name} {shown(points[-1][1])}" for name, points in curves.items())
    legend = "".join(
        f"<li><i style='background:{colour}'></i>{escape(name)} <b>{shown(points[-1][1])}</b></li>"
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
