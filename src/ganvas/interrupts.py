"""Ctrl-C and SIGTERM as a question that long work can ask: finish the step, save, stop."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any


class Interrupts:
    """Remembers Ctrl-C and SIGTERM while it is entered; a second Ctrl-C stops at once."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.then, self.seen = then, False
        self.before: dict[int, Any] = {}

    def asked(self) -> bool:
        """Whether a signal has come."""
        return self.seen

    def __enter__(self) -> Interrupts:
        self.before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        self.seen = True
        self.then()
        signal.signal(signal.SIGINT, signal.default_int_handler)
