"""Numbers and settings in words."""

from __future__ import annotations

from typing import Any


def number(count: float) -> str:
    """A number of things, with commas: 12,800."""
    return f"{round(count):,}"


def shown(value: Any) -> str:
    """A setting or a measurement as text."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10000 else str(value)


def duration(seconds: float) -> str:
    """A time span in words: 1.25 seconds, 48 seconds, 12.3 minutes, 2.1 hours."""
    if seconds < 10:
        return f"{seconds:.2f} seconds"
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
