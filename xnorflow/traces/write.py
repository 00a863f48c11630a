"""Choosing the format of a trace by the name of its file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from dataflow import InputError, Network, atomic_write
from hwsim import Timeline
from xnorflow.traces.perfetto import write_perfetto
from xnorflow.traces.vcd import write_vcd

__all__ = ["FORMATS", "format_of", "write_trace"]

Writer = Callable[[Network, Timeline, TextIO], None]

#: How each kind of trace is written, by the end of its file's name.
FORMATS: Mapping[str, Writer] = {".vcd": write_vcd, ".json": write_perfetto}


def format_of(path: Path) -> Writer:
    """Return how the trace at `path` is written.

    Raises
    ------
    InputError
        The name ends in none of the known ways.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"Trace file must end in {' or '.join(FORMATS)}, not {str(path)!r}")
    return FORMATS[path.suffix.lower()]


def write_trace(network: Network, timeline: Timeline, path: Path) -> None:
    """Write a timeline as the file's name says, whole or not at all.

    Raises
    ------
    InputError
        An unknown ending, or a path that cannot be written to.
    """
    write = format_of(path)
    with atomic_write(path, "Trace") as part, part.open("w", encoding="utf-8") as file:
        write(network, timeline, file)
