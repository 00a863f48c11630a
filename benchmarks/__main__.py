"""Run the benchmarks and print their figures: ``python -m benchmarks [NAME ...] [--json FILE]``."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.rows import Measurement

PREFIX = "bench_"


def names() -> list[str]:
    """Return the names of all benchmarks, without their prefix."""
    found = (module.name for module in iter_modules(benchmarks.__path__))
    return sorted(name.removeprefix(PREFIX) for name in found if name.startswith(PREFIX))


def run(chosen: list[str], console: Console) -> Iterator[tuple[str, Measurement]]:
    """Yield the figures of each benchmark as it finishes."""
    for name in chosen:
        with console.status(f"{name} ..."):
            rows = import_module(f"benchmarks.{PREFIX}{name}").rows()
        for row in rows:
            console.print(f"{name}: {row.what}: {_figure(row)}", highlight=False, style="dim")
            yield name, row


def _figure(row: Measurement) -> str:
    value = f"{row.value:,.0f}" if abs(row.value) >= 1000 else f"{row.value:.3g}"
    return f"{value} {row.unit}"


def main() -> None:
    """Run the benchmarks that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}; default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to a file")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in names():
            parser.error(f"benchmark must be one of {', '.join(names())}, not {name!r}")
    done = list(run(arguments.names or names(), Console(stderr=True)))
    table = Table("benchmark", "what", "figure", "goal")
    table.columns[2].justify = "right"
    for name, row in done:
        table.add_row(name, row.what, _figure(row), row.goal)
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps([{"benchmark": name, **asdict(row)} for name, row in done], indent=2))


if __name__ == "__main__":
    main()
