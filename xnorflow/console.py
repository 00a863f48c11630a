"""Output of the commands: tables and progress on standard error; with --json one object on standard output."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["console", "print_json", "print_table", "say", "table_of"]

#: Everything that people read is printed here.
console = Console(stderr=True, highlight=False)


#: Maximum width, in characters, of a table that is not printed on a terminal.
WIDEST = 400


def say(text: str) -> None:
    """Print a line without wrapping it to the width of the terminal."""
    console.print(text, markup=False, soft_wrap=True)


def print_json(result: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(result, indent=2, default=str))


def print_table(table: Table) -> None:
    """Print a table. On a terminal it has the terminal's width; in a file or a pipe no cell is wrapped."""
    if console.is_terminal:
        console.print(table)
        return
    needed = console.measure(table, options=console.options.update(max_width=WIDEST)).maximum
    Console(stderr=True, highlight=False, width=max(needed, console.width)).print(table)


def table_of(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table with text aligned left, numbers aligned right and thousands separated."""
    rows = [list(row) for row in rows]
    # Names are of any characters, so titles and cells are texts: rich reads markup in strings.
    table = Table(title=Text(title), title_justify="left")
    for index, column in enumerate(columns):
        values = [row[index] for row in rows if row[index] not in ("", "-")]
        numeric = bool(values) and all(isinstance(value, int | float) for value in values)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
