"""Elements that several parts of the page are made of."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def section(title: str, body: str) -> str:
    """A part of the page under a heading."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def table(head: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> str:
    """A table of escaped texts; each row comes with its class."""
    cells = "".join(f"<th scope='col'>{escape(text)}</th>" for text in head)
    body = "".join(
        f"<tr class='{kind}'>" + "".join(f"<td>{escape(t)}</td>" for t in row) + "</tr>" for kind, row in rows
    )
    return f"<div class='scroll'><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
