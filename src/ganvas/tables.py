"""Tables on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print rows in columns."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell.replace("[", "\\[") for cell in row))
    console = Console(highlight=False)
    console.print(table)
