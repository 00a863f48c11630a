"""Output of the commands: tables and results on standard output, progress and notes on standard error.

With ``--json`` one object takes the place of tables and results.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

__all__ = ["Phases", "note", "print_json", "print_table", "results", "say", "show_results", "table_of"]

#: Standard output: tables and results for people.
results = Console(highlight=False)

#: Standard error: progress, notes and warnings.
notes = Console(stderr=True, highlight=False)


#: Maximum width, in characters, of a table that is not printed on a terminal.
WIDEST = 400


def show_results(shown: bool) -> None:
    """Choose whether tables and results are printed for people; with ``--json`` they are not."""
    results.quiet = not shown


def say(text: str) -> None:
    """Print a line of the results without wrapping it to the width of the terminal."""
    results.print(text, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """Print a line about how the results came about, on standard error."""
    notes.print(text, markup=False, soft_wrap=True)


def print_json(result: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(result, indent=2, default=str), flush=True)


def print_table(table: Table) -> None:
    """Print a table. On a terminal it has the terminal's width; in a file or a pipe no cell is wrapped."""
    if results.is_terminal:
        results.print(table)
        return
    needed = results.measure(table, options=results.options.update(max_width=WIDEST)).maximum
    Console(highlight=False, quiet=results.quiet, width=max(needed, results.width)).print(table)


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


class Phases:
    """Shows what a long step does, on standard error; a context manager that is called with the name of each phase.

    On a terminal one line tells the phase, how long it takes and, where it is known, how long it still will; phases
    that are over stay above it. Elsewhere each phase is a line when it begins.

    Parameters
    ----------
    quiet : seconds after which lines are left; a step that is over by then leaves none
    """

    def __init__(self, quiet: float = 0.0) -> None:
        self._quiet = quiet
        self._start = self._begun = time.monotonic()
        self._phase, self._share = "", 0.0
        self._spinner = Spinner("dots")
        self._live = Live(
            console=notes, get_renderable=self._line, refresh_per_second=8, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        if notes.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()
        if error is None:
            self._close()

    def __call__(self, phase: str) -> None:
        """Begin a phase, or go on with it."""
        if phase == self._phase:
            return
        self._close()
        self._phase, self._share, self._begun = phase, 0.0, time.monotonic()
        if not notes.is_terminal and self._begun - self._start >= self._quiet:
            note(f"{_clock(self._begun - self._start)}  {phase}")

    def advance(self, share: float) -> None:
        """Show how much of the phase is done, 0 to 1."""
        self._share = share

    def say(self, text: str) -> None:
        """Print a line of the results while the step goes on."""
        running = self._live.is_started
        self._live.stop()
        say(text)
        if running:
            self._live.start()

    def _close(self) -> None:
        if self._phase and notes.is_terminal and time.monotonic() - self._start >= self._quiet:
            note(f"{self._phase} ({_clock(time.monotonic() - self._begun)})")
        self._phase = ""

    def _line(self) -> RenderableType:
        taken = time.monotonic() - self._begun
        facts = [self._phase, _clock(taken)]
        if self._share:
            facts += [f"{self._share:.0%}", f"{_clock(taken * (1 - self._share) / self._share)} left"]
        self._spinner.update(text=Text("  ".join(facts), no_wrap=True, overflow="ellipsis"))
        return self._spinner


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
